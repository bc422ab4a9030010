/*
 * The Python interpreter of this process, if there is one: CPython 3.8 or later, found by the
 * functions it exports, wherever they are (in the program, in a shared library, also in one that
 * was loaded with RTLD_LOCAL). Nothing of it is linked. What is used here is documented in Python's
 * C API reference for all of these versions; where not, its row says so.
 */
#ifndef PAYLOAD_PYTHON_API_H
#define PAYLOAD_PYTHON_API_H

#include "payload/guard.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of Python's own types only their addresses count here. */
struct python_object;
struct python_thread_state;
struct python_interpreter;

/* Name, result, parameters of each function. */
#define PYTHON_FUNCTIONS(X)                                                                      \
    X(Py_IsInitialized, int, (void))                                                             \
    X(Py_GetVersion, const char *, (void))                                                       \
    X(Py_DecRef, void, (struct python_object *))                                                 \
    X(PyGILState_Ensure, int, (void))                                                            \
    X(PyGILState_Release, void, (int))                                                           \
    X(PyGILState_GetThisThreadState, struct python_thread_state *, (void))                       \
    X(PyEval_SaveThread, struct python_thread_state *, (void))                                   \
    X(PyEval_RestoreThread, void, (struct python_thread_state *))                                \
    X(PyEval_GetBuiltins, struct python_object *, (void))                                        \
    X(PyEval_EvalCode, struct python_object *,                                                   \
      (struct python_object *, struct python_object *, struct python_object *))                  \
    X(PyThreadState_SetAsyncExc, int, (unsigned long, struct python_object *))                   \
    X(PyInterpreterState_Head, struct python_interpreter *, (void))                              \
    X(PyInterpreterState_Next, struct python_interpreter *, (struct python_interpreter *))       \
    X(PyImport_GetModuleDict, struct python_object *, (void))                                    \
    X(Py_CompileString, struct python_object *, (const char *, const char *, int))               \
    X(PyObject_CallObject, struct python_object *,                                               \
      (struct python_object *, struct python_object *))                                          \
    X(PyErr_Clear, void, (void))                                                                 \
    X(PyDict_New, struct python_object *, (void))                                                \
    X(PyDict_Clear, void, (struct python_object *))                                              \
    X(PyDict_SetItemString, int, (struct python_object *, const char *, struct python_object *)) \
    X(PyDict_GetItemString, struct python_object *, (struct python_object *, const char *))      \
    X(PyTuple_New, struct python_object *, (ssize_t))                                            \
    X(PyTuple_SetItem, int, (struct python_object *, ssize_t, struct python_object *))           \
    X(PyTuple_GetItem, struct python_object *, (struct python_object *, ssize_t))                \
    X(PyLong_FromLong, struct python_object *, (long))                                           \
    X(PyLong_FromUnsignedLongLong, struct python_object *, (unsigned long long))                 \
    X(PyLong_AsLong, long, (struct python_object *))                                             \
    X(PyBytes_AsStringAndSize, int, (struct python_object *, char **, ssize_t *))                \
    X(PyUnicode_DecodeUTF8, struct python_object *, (const char *, ssize_t, const char *))

#define PYTHON_FIELD(name, result, parameters) result(*name) parameters;
struct python_api {
    PYTHON_FUNCTIONS(PYTHON_FIELD)
    int (*is_finalizing)(void); /* _Py_IsFinalizing to 3.12, Py_IsFinalizing from 3.13 on */
    struct python_object **keyboard_interrupt; /* PyExc_KeyboardInterrupt */
};
#undef PYTHON_FIELD

/* Valid after python_api_find was PYTHON_FOUND once. */
extern struct python_api python_api;

/*
 * Looks for it anew; on the worker. On PYTHON_NONE and PYTHON_REFUSED `why` is one line that says
 * why there is no Python console. Nothing of Python's is changed, and none of its locks taken.
 */
enum python_presence {
    PYTHON_NONE,    /* no interpreter in this process */
    PYTHON_REFUSED, /* there is one that must not, or cannot, be used */
    PYTHON_FOUND,
};
enum python_presence python_api_find(char *why, size_t size);

/* False when the interpreter has ended, or is about to: nothing of the API may be called then. */
bool python_api_alive(void);

#endif
