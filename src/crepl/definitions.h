/*
 * What the user defined in this session: functions, variables, types. The code and the data stay
 * where they were loaded; here is what later snippets need: declarations, and addresses.
 */
#ifndef SRC_CREPL_DEFINITIONS_H
#define SRC_CREPL_DEFINITIONS_H

#include "injector/error.h"
#include "src/crepl/compile.h"
#include "src/crepl/tokens.h"

#include <stdbool.h>
#include <stddef.h>

/* One function, variable, or type. */
struct definition {
    char *name;        /* the first one that it declares; NULL: it has none */
    char *declaration; /* C that says what it is, without its body or value */
    bool is_type;      /* and nothing else */
    bool is_tag;       /* of a type: `name` stands behind struct, union or enum */
    bool stale;        /* private */
};

struct definitions {
    struct definition *definitions;
    size_t count;
    struct code_symbol *symbols; /* names are malloc'ed */
    size_t symbol_count;
};

void definitions_deinit(struct definitions *definitions);

/*
 * The text of definitions as it is to be compiled: without `static`, so that later snippets can be
 * linked with it. malloc'ed. NULL: without memory.
 */
char *definitions_make_global(const char *text);

/*
 * Takes note of definitions that were compiled. Those of the same name before are forgotten, and
 * with a type what was declared by it. `types` tells which names are types.
 */
struct error *definitions_add(struct definitions *definitions, const char *text,
                              const struct type_names *types,
                              const struct compiled *code) MUST_CHECK;

/* All declarations that may stand before a text, in order, malloc'ed; what it defines anew is left
   out. "" when there are none. */
struct error *definitions_declare(struct definitions *definitions, const struct tokens *before,
                                  char **ret) MUST_CHECK;

/* True for a name (`length` bytes) that was defined, as a tag or otherwise. */
bool definitions_has(const struct definitions *definitions, const char *name, size_t length,
                     bool tag);

/* The same for a typedef. */
bool definitions_has_type(const struct definitions *definitions, const char *name, size_t length);

#endif
