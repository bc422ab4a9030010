/* The value of an expression, for people: by the type that the compiler gave it. */
#ifndef SRC_CREPL_SHOW_H
#define SRC_CREPL_SHOW_H

#include "injector/error.h"
#include "injector/module.h"
#include "src/crepl/declare.h"
#include "src/symbols.h"

#include <stdbool.h>
#include <stdint.h>

struct crepl;

struct shown {
    struct crepl *crepl; /* whose session may have defined types */
    const struct process *process;
    struct modules *modules;
    struct symbols *symbols;
    struct declarer *declarer;
    const char *type; /* "struct client *" */
    uint64_t address; /* in the target */
    char format;      /* one of FORMAT_LETTERS, as value_writer.h has them; 0: by the type */
    bool copied;      /* the program has it elsewhere: what follows it there is not here */
};

/* The text, malloc'ed, without newline at its end; not yet safe for a terminal. */
struct error *show_value(const struct shown *shown, char **ret) MUST_CHECK;

/* The address alone, with its symbol; likewise. */
struct error *show_address(const struct shown *shown, char **ret) MUST_CHECK;

#endif
