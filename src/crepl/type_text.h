/*
 * The text of a type as the messages of libtcc have it ("struct redisDb *", "int (*)[3][4]",
 * "extern int (**)(const char *, ...)"), taken apart for whoever prints values of that type.
 */
#ifndef SRC_CREPL_TYPE_TEXT_H
#define SRC_CREPL_TYPE_TEXT_H

#include "src/crepl/declare.h"

#include <stdbool.h>
#include <stdint.h>

enum type_text_kind {
    TYPE_TEXT_BASE,     /* `name`: "unsigned long", "void", "struct item__2", "enum colour" */
    TYPE_TEXT_POINTER,  /* to `target` */
    TYPE_TEXT_ARRAY,    /* of `count` times `target` */
    TYPE_TEXT_FUNCTION, /* that returns `target` */
};

struct type_text {
    enum type_text_kind kind;
    struct type_text *target; /* NULL: of TYPE_TEXT_BASE */
    uint64_t count;           /* of an array; 0: it does not say */
    char *name;               /* of the base: without const, volatile and storage classes */
    bool has_die;             /* the base is a type of the target: */
    struct declared_type type;
};

/* False: it is no such text, or no memory. *ret is the caller's. Without a declarer no type is one
   of the target. */
bool type_text_parse(const char *text, struct declarer *declarer, struct type_text **ret);

/* With all targets; NULL is fine. */
void type_text_destroy(struct type_text *type);

#endif
