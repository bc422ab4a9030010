/*
 * From a name that somebody types to what it means in the target: a variable, a function, a type,
 * an enumerator. The program's own names come first, then those of its libraries in the order in
 * which the loader looks for symbols; the dynamic loader's private ones last. The payload is as if
 * it were not there. Debug information is
 * opened and indexed when it is first needed; where there is none, symbols are what remains.
 */
#ifndef SRC_CREPL_NAMES_H
#define SRC_CREPL_NAMES_H

#include "injector/deadline.h"
#include "injector/error.h"
#include "injector/module.h"
#include "src/crepl/addresses.h"
#include "src/crepl/name_index.h"
#include "src/symbols.h"

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stddef.h>

struct names;

/* Both are borrowed and must stay. ERROR_PARTIAL: no memory. */
struct error *names_create(struct modules *modules, struct symbols *symbols,
                           struct names **ret) MUST_CHECK;
void names_destroy(struct names *names);

enum named_kind {
    NAMED_VARIABLE,
    NAMED_FUNCTION,
    NAMED_TYPE, /* a typedef, base type, structure, union or enumeration */
    NAMED_ENUMERATOR,
    NAMED_SYMBOL,    /* a function or object without debug information */
    NAMED_PROTOTYPE, /* of the C library, whose debug information is not needed for it */
    NAMED_TEXT,      /* of the C language's own headers: NULL, size_t, INT_MAX */
};

struct named {
    enum named_kind kind;
    struct module *module; /* whose debug information it is; NULL: NAMED_TEXT */
    Dwarf_Die die;         /* of the first four kinds; of a function the one with its parameters */
    struct address address;
    bool is_function;
    const char *text; /* of the last two kinds: the C text that declares it */
};

/* What is known of a name's place in the text. */
struct wanted {
    const char *text; /* name, file.c::name, "odd-file.c"::name, function::name, a::b::name */
    size_t length;
    bool tag;        /* behind struct, union, enum */
    bool type_place; /* only a type makes sense here */
    bool any_place;  /* where it is does not matter: what was optimised out is found too */
};

enum named_result {
    NAMED_FOUND,
    NAMED_UNKNOWN, /* nothing has this name */
    NAMED_REFUSED, /* several do, or it is not there any more: *why says it */
};

/* *why is what to say behind the name ("is ambiguous: ..."), malloc'ed, and set for NAMED_REFUSED
   only; NULL then: no memory. */
enum named_result names_find(struct names *names, const struct wanted *wanted, struct named *ret,
                             char **why);

/* The full definition of a structure that this unit only declares; false: none, or several. */
bool names_find_definition(struct names *names, struct module *module, Dwarf_Die *declaration,
                           Dwarf_Die *ret);

/* A name of a type in the program, or in C's own headers. Fits tokens_read. */
bool names_is_type(void *names, const char *name, size_t length);

/*
 * An entry (with its DIE) as somebody would type it: with its scopes, and `with_file` "file.c::" in
 * front where other files may have one of that name. malloc'ed; NULL without memory.
 */
char *name_spell(const struct name_index *index, const struct name_entry *entry, Dwarf_Die *die,
                 bool with_file);

/* From the copy that the compiler made to the function as it was written: that one has the
   parameters. */
Dwarf_Die name_written_function(Dwarf_Die *die);

/* The debug information of a module that is indexed; NULL: it has none. */
Dwarf *names_dwarf(struct names *names, struct module *module);

/* Up to three names that look like this one, "a, b, c"; false: none. */
bool names_suggest(struct names *names, const char *name, char *buffer, size_t size);

/*
 * The index of the module at a place in the order of search, for listings and completion; *ret is
 * NULL where it has no debug information. False behind the last module.
 */
bool names_module(struct names *names, size_t at, struct module **module, struct name_index **ret);

/*
 * Until `until` passes, debug information is indexed only where that takes a moment, or was kept;
 * after that, none is. What was indexed before stays. 0: as before, whatever it takes.
 */
void names_hurry(struct names *names, deadline_t until);

/* True for the manhole's own module: its names are there, but nobody looks for them. */
bool names_is_manhole(const struct module *module);

/* The index of one module; NULL: it has no debug information. */
struct name_index *names_index(struct names *names, const struct module *module);

#endif
