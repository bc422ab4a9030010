/*
 * Macros of the target, where its debug information has them (gcc -g3: .debug_macro, DWARF 5
 * section 6.3). One index of all modules that have been indexed for names, made when a name is
 * looked for that nothing else has.
 */
#ifndef SRC_CREPL_MACROS_H
#define SRC_CREPL_MACROS_H

#include "src/crepl/names.h"

struct macros;

/* `names` is borrowed. NULL without memory. */
struct macros *macros_create(struct names *names);
void macros_destroy(struct macros *macros);

/*
 * What #define has behind it: "LIMIT (BASE + 2)", "TWICE(x) ((x) * 2)"; owned by the debug
 * information. NAMED_REFUSED: units of the program define it differently, *why says how (malloc'ed;
 * NULL: no memory).
 */
enum named_result macros_find(struct macros *macros, const char *name, size_t length,
                              const char **ret, char **why);

#endif
