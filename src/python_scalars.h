/* Numbers and strings of Python as repr() has them. Private to python_values.c. */
#ifndef SRC_PYTHON_SCALARS_H
#define SRC_PYTHON_SCALARS_H

#include "injector/python_objects.h"
#include "src/value_writer.h"

#include <stdbool.h>

/*
 * An int, float, complex, str or bytes, or the value of an object of a derived type. Long strings
 * are cut after ELEMENTS_MAX characters; of a very large int only the highest bits are shown.
 * False: it cannot be read, or makes no sense; nothing is written then.
 */
bool python_scalar_add(struct writer *writer, const struct python *python,
                       const struct python_memory *memory, const struct python_object *object);

#endif
