/* The goroutines of a report, in the output forms; nothing where there is no Go program. */
#ifndef SRC_DUMP_GOROUTINES_H
#define SRC_DUMP_GOROUTINES_H

#include "src/dump.h"
#include "src/dump_text_private.h"

#include <json-c/json.h>

/* The paragraphs after those of the threads. `together`: stacks that are the same are shown once.
 */
void dump_goroutines_text(const struct printer *printer, const struct report *report,
                          bool together);

/*
 * One goroutine as an object, owned by the caller: id, state, tid, moved, frames (made by
 * `frame_object`), complete. NULL without memory.
 */
json_object *dump_goroutine_object(const struct report_goroutine *goroutine,
                                   json_object *(*frame_object)(const struct report_frame *));

#endif
