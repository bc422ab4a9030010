/*
 * The variables of a Python frame: their names, from its code, and what they refer to, from the
 * frame. True while its thread stands still. Allocates nothing.
 */
#ifndef INJECTOR_PYTHON_LOCALS_H
#define INJECTOR_PYTHON_LOCALS_H

#include "injector/python.h"
#include "injector/python_objects.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One variable. */
struct python_local {
    char name[PYTHON_NAME_MAX]; /* UTF-8 */
    bool is_argument;           /* *args and **kwargs too */
    bool is_shared; /* other functions have it, too, which other threads may run: cells, and what is
                       in a namespace */
    bool is_readable;
    uint64_t object; /* 0: it has no value yet, or no more */
};

/* The tables that name the variables, each a tuple, one after another. */
#define PYTHON_NAME_TABLES 3

/* Where a walk along the variables of a frame has come to. */
struct python_locals {
    const struct python *python;
    const struct python_memory *memory;
    uint64_t values; /* address of the first */
    uint64_t kinds;  /* of the first byte of co_localspluskinds; 0: there is none */
    uint64_t tables[PYTHON_NAME_TABLES], counts[PYTHON_NAME_TABLES];
    uint64_t arguments; /* how many of the first ones are */
    uint64_t next;
    bool has_namespace; /* code of a module or class: its variables are in a dict */
    bool in_namespace;  /* they come next, those in the frame came before */
    struct python_items namespace;
    unsigned passed; /* of that dict */
};

/* False: they cannot be read. `frame` and `code` as of struct python_frame. */
bool python_locals_begin(const struct python *python, const struct python_memory *memory,
                         uint64_t frame, uint64_t code, struct python_locals *ret);

/*
 * The next variable, in the order of the code: arguments first. Of modules and classes: those of
 * the program, so neither names with two underscores on both sides nor modules, functions and
 * classes. After anything but PYTHON_STEP_ITEM there are no more, or none that can be read.
 */
enum python_step python_locals_next(struct python_locals *locals, struct python_local *ret);

#endif
