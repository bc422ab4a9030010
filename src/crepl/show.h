/* The value of an expression, for people: by the type that the compiler gave it. */
#ifndef SRC_CREPL_SHOW_H
#define SRC_CREPL_SHOW_H

#include "injector/error.h"
#include "injector/module.h"
#include "src/crepl/declare.h"
#include "src/symbols.h"

#include <stdbool.h>
#include <stdint.h>

struct shown {
    const struct process *process;
    struct modules *modules;
    struct symbols *symbols;
    struct declarer *declarer;
    const char *type; /* "struct client *" */
    uint64_t address; /* in the target */
    bool copied;      /* the program has it elsewhere: what follows it there is not here */
};

/* The text, malloc'ed, without newline at its end; not yet safe for a terminal. */
struct error *show_value(const struct shown *shown, char **ret) MUST_CHECK;

#endif
