/* What code objects say of an instruction: function, file, line. Private to python_*.c. Allocates
   nothing: it is also done while threads are stopped. */
#ifndef INJECTOR_PYTHON_CODE_H
#define INJECTOR_PYTHON_CODE_H

#include "injector/python.h"

#include <stdbool.h>
#include <stdint.h>

struct python_code {
    char function[PYTHON_NAME_MAX];
    char file[PYTHON_PATH_MAX];
    uint64_t bytes; /* address of its first instruction */
    uint64_t lines; /* of the bytes object with its table of lines */
    int first_line;
};

/* False: there is no code object, or a damaged one. */
bool python_code_read(const struct python *python, const struct python_memory *memory,
                      uint64_t address, struct python_code *ret);

/* The line of the instruction at an offset in bytes (-1: before the first); 0: it has none, or the
   table is damaged. */
int python_code_line(const struct python *python, const struct python_memory *memory,
                     const struct python_code *code, int64_t instruction);

#endif
