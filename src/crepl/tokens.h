/*
 * The tokens of a piece of C that somebody typed, and what they tell without knowing the program:
 * which names it uses, which members it names, which names it declares by itself, and whether more
 * lines have to follow. Nothing here judges the C: that is the compiler's.
 */
#ifndef SRC_CREPL_TOKENS_H
#define SRC_CREPL_TOKENS_H

#include "injector/error.h"

#include <stdbool.h>
#include <stddef.h>

enum token_kind {
    TOKEN_NAME,      /* an identifier, or a keyword */
    TOKEN_QUALIFIED, /* of the console: file.c::name, "odd-file.c"::name, function::name, a::b */
    TOKEN_DOLLAR,    /* of the console: $1, $name */
    TOKEN_NUMBER,
    TOKEN_STRING,
    TOKEN_CHARACTER,
    TOKEN_PUNCTUATION, /* an operator of up to three characters, or any other character */
};

/* What a name stands for, as far as its neighbours tell. */
enum name_use {
    USE_NONE,     /* no name, or a keyword */
    USE_ORDINARY, /* a variable, function, type or enumerator */
    USE_TAG,      /* behind struct, union, enum */
    USE_MEMBER,   /* behind . or ->, or the second argument of offsetof */
};

struct token {
    enum token_kind kind;
    enum name_use use;    /* of names and qualified ones */
    bool declared;        /* the snippet itself declares this name, here or elsewhere */
    bool at_file_level;   /* declared, and outside of all braces and parentheses */
    bool type_place;      /* stands where only the name of a type can: "(T)", "T *x", "T x" */
    bool called;          /* a parenthesis follows */
    size_t start, length; /* bytes from the start of the text */
};

enum incomplete {
    TEXT_COMPLETE,
    TEXT_IN_COMMENT,
    TEXT_IN_BRACKETS,  /* {, ( or [ is open */
    TEXT_IN_LINE,      /* a backslash ends the last line */
    TEXT_IN_STATEMENT, /* ends in an operator, in else or do, in the head of a function or loop */
};

struct tokens {
    const char *text; /* borrowed */
    struct token *tokens;
    size_t count;
    enum incomplete incomplete;
};

/* Tells which names are types, for tokens_read. */
struct type_names {
    bool (*is_type)(void *context, const char *name, size_t length);
    void *context;
};

/*
 * `is_type` tells whether a name is a type of the program ("a * b" declares b only then); NULL:
 * none is. Comments and lines of the preprocessor are no tokens. A string or character that the
 * line's end cuts off is a token up to there: the compiler will say it. ERROR_PARTIAL: no memory.
 */
struct error *tokens_read(struct tokens *tokens, const char *text,
                          bool (*is_type)(void *context, const char *name, size_t length),
                          void *context) MUST_CHECK;
void tokens_deinit(struct tokens *tokens);

/* True when the token is exactly this word or operator. */
bool token_is(const struct tokens *tokens, const struct token *token, const char *text);

/* 1 for what opens a bracket of any kind, -1 for what closes one, else 0. */
int token_depth_change(const struct tokens *tokens, const struct token *token);

/* A word that C keeps for itself; `length` bytes of `name`. */
bool token_is_keyword(const char *name, size_t length);

#endif
