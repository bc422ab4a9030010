/* What tokens.c and token_uses.c share. Nobody else includes this. */
#ifndef SRC_CREPL_TOKENS_PRIVATE_H
#define SRC_CREPL_TOKENS_PRIVATE_H

#include "src/crepl/tokens.h"

enum keyword_kind {
    KEYWORD_NONE,
    KEYWORD_TYPE, /* begins a declaration, or goes on with one */
    KEYWORD_TAG,  /* struct, union, enum: a tag follows */
    KEYWORD_OTHER,
};
enum keyword_kind keyword_find(const char *name, size_t length);

/* Sets `use`, `type_place` and `called` of all tokens. */
void tokens_find_uses(struct tokens *tokens);

/* Sets `declared` and `at_file_level`. */
void tokens_find_declared(struct tokens *tokens,
                          bool (*is_type)(void *context, const char *name, size_t length),
                          void *context);

/* What is left open at the end: brackets, or a statement. */
enum incomplete tokens_find_open(const struct tokens *tokens);

#endif
