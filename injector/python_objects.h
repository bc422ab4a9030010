/*
 * Objects of a Python program: what one is, and what it is made of. Told by what the interpreter
 * exports (enum python_known) and by the flags of types, never by names. All of it is read from
 * memory that may hold anything: a count is what stands there, and no more is read than was asked
 * for. Nothing here allocates: it is also done while threads are stopped.
 */
#ifndef INJECTOR_PYTHON_OBJECTS_H
#define INJECTOR_PYTHON_OBJECTS_H

#include "injector/python.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum python_kind {
    PYTHON_OTHER, /* an instance of any other type */
    PYTHON_NONE,
    PYTHON_TRUE,
    PYTHON_FALSE,
    PYTHON_ELLIPSIS,
    PYTHON_INT,
    PYTHON_FLOAT,
    PYTHON_COMPLEX,
    PYTHON_STR,
    PYTHON_BYTES,
    PYTHON_TUPLE,
    PYTHON_LIST,
    PYTHON_DICT,
    PYTHON_SET,
    PYTHON_FROZENSET,
    PYTHON_CELL,
    PYTHON_FUNCTION, /* of Python code */
    PYTHON_MODULE,
    PYTHON_CLASS,
    PYTHON_EXCEPTION, /* of any type */
};

struct python_object {
    uint64_t address, type;
    enum python_kind kind;
    bool exact; /* of that very type; false: of a type derived from it */
};

/* False: there is no object, or it cannot be read. */
bool python_object_read(const struct python *python, const struct python_memory *memory,
                        uint64_t address, struct python_object *ret);

/* Where the characters of a string are: `kind` bytes each (1, 2, 4), all of one width. */
struct python_string {
    uint64_t data;
    uint64_t length; /* characters; below 1 << 40 */
    unsigned kind;
};

/* False: it is no string (PyUnicodeObject), or cannot be read. */
bool python_string_find(const struct python *python, const struct python_memory *memory,
                        uint64_t address, struct python_string *ret);

/* The whole of a string as UTF-8, or its beginning. A lone surrogate, which stands for a byte of a
   file name (PEP 383), becomes that byte; others U+FFFD. */
bool python_string_read(const struct python *python, const struct python_memory *memory,
                        uint64_t address, char *ret, size_t size);

/* A character as UTF-8, with those exceptions. Returns its length; 0: no room. */
size_t python_put_character(char *to, size_t room, uint32_t character);

/* The bytes of a bytes object. False: it is none. */
bool python_bytes_find(const struct python *python, const struct python_memory *memory,
                       uint64_t address, uint64_t *data, uint64_t *length);

/* An int: its digits, 30 bits each, the lowest first. (Builds with digits of 15 bits, which
   configure makes where asked to, are not known.) */
struct python_int {
    uint64_t digits; /* the address of the first */
    uint64_t count;
    bool is_negative;
};
bool python_int_find(const struct python *python, const struct python_memory *memory,
                     uint64_t address, struct python_int *ret);

bool python_float_read(const struct python_memory *memory, uint64_t address, double *ret);
bool python_complex_read(const struct python_memory *memory, uint64_t address, double *real,
                         double *imaginary);

/* What a cell holds; 0: nothing yet. */
bool python_cell_read(const struct python_memory *memory, uint64_t address, uint64_t *ret);

/* The arguments that an exception was made with: the address of what should be a tuple. */
bool python_exception_arguments(const struct python_memory *memory, uint64_t exception,
                                uint64_t *ret);

/* The name of a module object. */
bool python_module_name(const struct python *python, const struct python_memory *memory,
                        uint64_t module, char *ret, size_t size);

/* "module.Name" of a type, qualified; without a module for those of builtins. False: the names
   cannot be read. */
bool python_type_name(const struct python *python, const struct python_memory *memory,
                      uint64_t type, char *ret, size_t size);

/* The qualified name of a function. */
bool python_function_name(const struct python *python, const struct python_memory *memory,
                          uint64_t function, char *ret, size_t size);

/* --- What a container holds. --- */

struct python_items {
    const struct python *python;
    const struct python_memory *memory;
    enum python_kind kind;
    uint64_t length;       /* as len() has it */
    uint64_t next, end;    /* places that items may be at */
    uint64_t from;         /* of the first place */
    uint64_t values;       /* of a dict that shares its keys with others */
    uint32_t entry_size;   /* bytes; of a place */
    uint32_t scanned_left; /* empty places that may still be passed */
};

/* Of a tuple, list, dict, set or frozenset, or an instance of a derived type. False: it cannot be
   read, or makes no sense. */
bool python_items_begin(const struct python *python, const struct python_memory *memory,
                        const struct python_object *object, struct python_items *ret);

/* Of the attributes that an instance has itself, those in slots apart: keys are their names.
   Without any, the length is 0. False: as above. */
bool python_attributes_begin(const struct python *python, const struct python_memory *memory,
                             const struct python_object *object, struct python_items *ret);

enum python_step {
    PYTHON_STEP_ITEM,
    PYTHON_STEP_END,
    PYTHON_STEP_LIMIT, /* there may be more, but too much was looked at in vain */
    PYTHON_STEP_UNREADABLE,
};

/* The next item; `*key` is 0 but in dicts. In the order in which Python has them, but dicts that
   share their keys: in that of the keys. */
enum python_step python_items_next(struct python_items *items, uint64_t *key, uint64_t *value);

#endif
