/* What declare.c, declare_roots.c, declare_types.c and declare_layout.c share. Nobody else includes
 * this. */
#ifndef SRC_CREPL_DECLARE_PRIVATE_H
#define SRC_CREPL_DECLARE_PRIVATE_H

#include "src/crepl/declare.h"
#include "src/crepl/tokens.h"

#include <stdio.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

enum written {
    WRITTEN_NAME,  /* "struct item;" */
    WRITTEN_BEGUN, /* its members are being written */
    WRITTEN_ALL,
};

/* A type that C has to call by a tag. */
struct ctype {
    Dwarf_Die die;
    struct module *module;
    const char *keyword; /* struct, union, enum */
    char *tag;           /* the key: unlike all other tags */
    char *signature;     /* the key: of equal types of other units too */
    bool is_bytes;       /* C has no such type: its bytes */
    /* Of the current snippet: */
    unsigned round;
    enum written written;
    bool wanted; /* as a whole, members and all */
    UT_hash_handle by_tag, by_signature;
};

/* A DIE that was seen. */
struct seen {
    const void *die;
    struct ctype *type;
    UT_hash_handle hh;
};

/* What a macro of the target stands for: its names are used where it is. */
struct macro_body {
    struct tokens tokens;
    char *text;
    struct macro_body *next;
};

struct declarer {
    struct names *names;
    struct macros *macros; /* NULL: not needed yet */
    struct layouts *layouts;
    bool passes_mixed;
    struct ctype *by_tag, *by_signature;
    struct seen *seen;
    /* Of the current snippet: */
    unsigned round;
    FILE *out;
    const struct tokens *texts[2]; /* prelude, snippet */
    struct macro_body *bodies;
    struct ctype **mentioned; /* in the order of their mention */
    size_t mentioned_count, mentioned_capacity;
    bool no_memory;
};

/* A name that the text uses, and what it means. */
struct root {
    const struct tokens *tokens;
    const struct token *token; /* the first that has it */
    struct named named;
    enum named_result result;
    char *why;
    char *c_name;   /* malloc'ed */
    bool elsewhere; /* declared: only its binding is wanted */
    bool is_written_to;
};

struct declaring {
    struct declarer *declarer;
    const struct declare_input *input;
    struct tokens texts[2]; /* prelude, snippet */
    struct root *roots;
    size_t count;
    FILE *macros; /* #define lines */
    struct declarations *ret;
};

/* "NAME FORMAT...", with the name as it was typed. */
void declaring_add_problem(struct declaring *declaring, enum problem_kind kind,
                           const struct root *root, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Adds the names that a text uses; false without memory. */
bool declaring_add_roots(struct declaring *declaring, const struct tokens *tokens);

/*
 * A name that nothing else has: true when it is a macro, which was written then, or refused, which
 * is a problem. Adds roots, so that `root` is not valid any more.
 */
bool declare_macro(struct declaring *declaring, const struct root *root);
void macro_bodies_forget(struct declarer *declarer);

/* Writes the declaration of what was found for a root, and adds its binding. */
void declare_root(struct declaring *declaring, struct root *root);

/* What a type is wanted for. */
enum type_use {
    TYPE_WHOLE,   /* an object of it is declared: it has to be complete before */
    TYPE_POINTED, /* behind a pointer: its name is enough; const stays */
    TYPE_PASSED,  /* by value to or from a function: complete in the end */
};

/*
 * "TYPE inner": the declaration of `inner` (freed; "" for the type alone), preceded in `out` by
 * what it needs. `type` NULL: void. malloc'ed; NULL without memory, which `no_memory` tells too.
 */
char *declarator(struct declarer *declarer, struct module *module, const Dwarf_Die *type,
                 char *inner, enum type_use use);

/* "RESULT name(PARAMETERS)", as above. */
char *function_declarator(struct declarer *declarer, struct module *module, Dwarf_Die *function,
                          char *name);

/* The ctype of a stripped DIE; `hint`: the name of a typedef for one without a name. NULL without
   memory. */
struct ctype *ctype_get(struct declarer *declarer, struct module *module, Dwarf_Die *die,
                        const char *hint);

/* Writes the name (once), and whole definitions into `out`. */
void ctype_mention(struct declarer *declarer, struct ctype *type, bool wanted);
void ctype_write(struct declarer *declarer, struct ctype *type);

/* All that was mentioned and not written yet: as a whole where a member of it is named, or else as
   bytes. */
void ctypes_write_rest(struct declarer *declarer);

void ctypes_forget(struct declarer *declarer);

/* A name of the target as an identifier of C, "a::b" as "a__b"; malloc'ed. */
char *c_identifier(const char *name);

/* True when the snippet or the prelude names a member so. */
bool names_member(const struct declarer *declarer, const char *name);

#endif
