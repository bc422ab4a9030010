/*
 * From a piece of C that somebody typed to the C that declares exactly what it mentions of the
 * target, and where that is. Each structure is followed by static assertions of its size and of the
 * places of its members: what a compiler would lay out otherwise does not compile.
 *
 * A structure that is only pointed to, and no member of which the text names, is opaque: of the
 * right size and alignment, and no more. `const` is left out where it would forbid what a debugger
 * may do (of variables and members); it stays behind pointers.
 */
#ifndef SRC_CREPL_DECLARE_H
#define SRC_CREPL_DECLARE_H

#include "injector/error.h"
#include "src/crepl/layout.h"
#include "src/crepl/names.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum binding_kind {
    BINDING_ADDRESS, /* `address` is where it is, in the target */
    BINDING_TLS,     /* `address` is the offset from the start of the module's block of each thread
                        (as __tls_get_addr takes it) */
    BINDING_BY_NAME, /* dlsym of `symbol` in the target tells: an indirect function; `address` is
                        its resolver's */
};

/* What the linker has to know of a declared name. */
struct binding {
    char *name;   /* as the declarations have it */
    char *symbol; /* of BINDING_BY_NAME */
    enum binding_kind kind;
    uint64_t address;
    struct module *module;
    bool is_function;
    bool unchecked; /* the declaration is not ours: how it passes its arguments is not known */
};

enum problem_kind {
    PROBLEM_NOTE,    /* worth saying, no more: a const variable is written to */
    PROBLEM_UNKNOWN, /* nothing has this name: the compiler will say so too */
    PROBLEM_REFUSED, /* it must not be compiled */
};

struct problem {
    enum problem_kind kind;
    size_t start, length; /* of the name in the snippet, bytes */
    char *text;           /* names of the target in it: not yet safe for a terminal */
};

struct declarations {
    char *text;              /* C, without the texts of the input */
    char *macros;            /* #define lines, to stand behind it; "" when there are none */
    char *prelude, *snippet; /* with names of C in place of file.c::name and the like; lines stay */
    struct binding *bindings;
    size_t binding_count;
    struct problem *problems;
    size_t problem_count;
};

struct declarer;

/* `names` is borrowed. The names that types were given stay for as long as the declarer. */
struct error *declarer_create(struct names *names, struct declarer **ret) MUST_CHECK;
void declarer_destroy(struct declarer *declarer);

/* Structures that libtcc would pass wrongly by value may be passed from here on, or no more. */
void declarer_pass_mixed(struct declarer *declarer, bool allowed);

struct declare_input {
    const char *snippet;
    const char *prelude; /* C of the session that stands before it and uses names too; or NULL */
    /* A name that the session defined: not to be declared. NULL: none. */
    bool (*is_known)(void *context, const char *name, size_t length, bool tag);
    /* A type of the session. NULL: none. */
    bool (*is_type)(void *context, const char *name, size_t length);
    /* A name that C of the session's headers declares: only where it is has to be told. NULL: none.
     */
    bool (*is_declared)(void *context, const char *name, size_t length);
    void *context;
};

/* *ret is the caller's. ERROR_PARTIAL: no memory. What is wrong with names is in `problems`. */
struct error *declarer_declare(struct declarer *declarer, const struct declare_input *input,
                               struct declarations *ret) MUST_CHECK;
void declarations_deinit(struct declarations *declarations);

/* The type that is called so in the declarations: "struct item__2", "enum colour"; also of earlier
   snippets. */
struct declared_type {
    Dwarf_Die die;
    struct module *module;
};
bool declarer_find_type(struct declarer *declarer, const char *name, struct declared_type *ret);

/* Layouts of types, as the declarations have them. */
struct layouts *declarer_layouts(struct declarer *declarer);

#endif
