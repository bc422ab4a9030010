/*
 * A snapshot, and the stacks that were found in it, as bytes, and back (manhole-snapshot(5),
 * "Snapshot" and "Stack"). What comes back is checked: the bytes may be anybody's.
 */
#ifndef INJECTOR_SNAPSHOT_CODE_H
#define INJECTOR_SNAPSHOT_CODE_H

#include "injector/bytes.h"
#include "injector/error.h"
#include "injector/snapshot.h"
#include "injector/unwind.h"

#include <stdbool.h>

void snapshot_encode(const struct snapshot *snapshot, struct byte_writer *ret);

/*
 * Fills an empty snapshot. ERROR_PARTIAL: the bytes make no sense; what was filled in by then is
 * released by snapshot_destroy.
 */
struct error *snapshot_decode(struct byte_reader *reader, struct snapshot *ret) MUST_CHECK;

void stack_encode(const struct stack *stack, struct byte_writer *ret);

/* False: the bytes make no sense, or memory is short; *ret is empty then. Its reason stays in the
   bytes. */
bool stack_decode(struct byte_reader *reader, struct stack *ret);

#endif
