/*
 * Values of Python as people read them: as repr() has them, where that needs no code of the
 * program: None, numbers, strings, containers of them, and exceptions. Of other objects their type
 * and address are shown, as object.__repr__() does, and the attributes of what a variable is. All
 * comes from memory that may hold anything: depth, items and length are bounded, circles end by
 * that, and what is left out shows as "...".
 */
#ifndef SRC_PYTHON_VALUES_H
#define SRC_PYTHON_VALUES_H

#include "injector/python.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest text of a value, with its NUL, and of the name of a type. */
#define PYTHON_VALUE_MAX 2048
#define PYTHON_TYPE_MAX 256

/* Where values are read, and how much of them. */
struct python_reading {
    const struct python *python;
    const struct python_memory *memory;
    const char *unreadable; /* what is written for what is not in the memory: "<unreadable>", ... */
    size_t objects_left;    /* how many may still be looked at */
    uint32_t places_left;   /* how many empty places of containers may still be passed */
    bool any_shared;        /* a value depends on what code of other threads may change, too */
    /* Of the value that was written last. */
    bool missed;  /* something was not in the memory */
    bool changed; /* since it changed while it was copied */
    bool damaged; /* something was, and makes no sense */
    bool shared;
};

/* Room for the text of a value. */
struct python_value {
    char type[PYTHON_TYPE_MAX]; /* "int", "module.Class"; "": not known */
    char text[PYTHON_VALUE_MAX];
};

/* Before a variable is looked at: nothing is known of its value. */
void python_value_begin(struct python_reading *reading);

/* Bytes of the target in the text are not yet safe for a terminal. Allocates nothing. */
void python_value_write(struct python_reading *reading, uint64_t object, struct python_value *ret);

/* Why something cannot be had, after it could not be read: `unreadable`, or "<damaged>". */
const char *python_value_problem(struct python_reading *reading);

/* The memory of a reading, which notes what is missed. */
struct python_memory python_value_memory(struct python_reading *reading);

#endif
