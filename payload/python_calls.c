#include "payload/python_calls.h"

#include "payload/locals.h"
#include "payload/memory.h"
#include "payload/protocol.h"
#include "payload/python_api.h"

#include <string.h>

/* Py_file_input (Include/compile.h): the text is a whole file. */
#define FILE_INPUT 257
#define FILE_NAME "<manhole>"

static const char source[] =
#include "payload_python_console.inc"
    ;

static struct {
    struct python_object *console; /* the dictionary; NULL: there is none */
    bool without_stderr;
} state;

void python_calls_configure(bool with_stderr)
{
    state.without_stderr = !with_stderr;
}

void python_answer_deinit(struct python_answer *answer)
{
    memory_unmap(answer->memory, answer->memory_size);
    *answer = (struct python_answer){0};
}

/* --- Objects. Each reference that is returned is the caller's. --- */

static void drop(struct python_object *object)
{
    if (object)
        python_api.Py_DecRef(object);
}

/* Puts an object, which is then the dictionary's alone; false: there is none, or no room. */
static bool put(struct python_object *dictionary, const char *name, struct python_object *object)
{
    bool done = object && python_api.PyDict_SetItemString(dictionary, name, object) == 0;
    drop(object);
    return done;
}

static struct python_object *make_locals(void)
{
    struct python_object *locals = python_api.PyDict_New();
    const char *name;
    uint64_t value;
    for (size_t i = 0; locals && locals_at(i, &name, &value); i++) {
        if (!put(locals, name, python_api.PyLong_FromUnsignedLongLong(value))) {
            drop(locals);
            return NULL;
        }
    }
    return locals;
}

static size_t count_interpreters(void)
{
    size_t count = 0;
    for (struct python_interpreter *one = python_api.PyInterpreterState_Head(); one;
         one = python_api.PyInterpreterState_Next(one))
        count++;
    return count;
}

/* What the console is given: see its first lines. */
static struct python_object *make_given(int output, int tee, int lines)
{
    struct python_object *given = python_api.PyDict_New();
    if (!given)
        return NULL;
    struct python_object *modules = python_api.PyImport_GetModuleDict(); /* borrowed */
    if (modules && python_api.PyDict_SetItemString(given, "modules", modules) == 0 &&
        put(given, "fd", python_api.PyLong_FromLong(output)) &&
        put(given, "tee", python_api.PyLong_FromLong(tee)) &&
        put(given, "lines", python_api.PyLong_FromLong(lines)) &&
        put(given, "stderr", python_api.PyLong_FromLong(!state.without_stderr)) &&
        put(given, "interpreters", python_api.PyLong_FromLong((long)count_interpreters())) &&
        put(given, "locals", make_locals()))
        return given;
    drop(given);
    return NULL;
}

static bool run_source(struct python_object *console)
{
    struct python_object *code = python_api.Py_CompileString(source, FILE_NAME, FILE_INPUT);
    struct python_object *none = code ? python_api.PyEval_EvalCode(code, console, console) : NULL;
    drop(code);
    drop(none);
    return none;
}

bool python_calls_open(int output, int tee, int lines)
{
    struct python_object *console = python_api.PyDict_New();
    struct python_object *builtins = python_api.PyEval_GetBuiltins(); /* borrowed */
    if (console && builtins &&
        python_api.PyDict_SetItemString(console, "__builtins__", builtins) == 0 &&
        put(console, "given", make_given(output, tee, lines)) && run_source(console)) {
        state.console = console;
        return true;
    }
    python_api.PyErr_Clear();
    if (console)
        python_api.PyDict_Clear(console);
    drop(console);
    return false;
}

/* --- Calls. --- */

/* Takes `arguments`, a tuple or NULL. NULL: an exception came out, and is forgotten. */
static struct python_object *call(const char *name, struct python_object *arguments)
{
    struct python_object *function = python_api.PyDict_GetItemString(state.console, name);
    struct python_object *result =
        function ? python_api.PyObject_CallObject(function, arguments) : NULL;
    drop(arguments);
    if (!result)
        python_api.PyErr_Clear();
    return result;
}

void python_calls_begin(void)
{
    drop(call("begin", NULL));
}

void python_calls_end(void)
{
    drop(call("end", NULL));
}

/* A tuple; it takes the references. */
static struct python_object *make_arguments(struct python_object *const objects[], size_t count)
{
    bool all = true;
    for (size_t i = 0; i < count; i++)
        all &= objects[i] != NULL;
    struct python_object *tuple = all ? python_api.PyTuple_New((ssize_t)count) : NULL;
    for (size_t i = 0; i < count; i++) {
        if (tuple)
            python_api.PyTuple_SetItem(tuple, (ssize_t)i, objects[i]);
        else
            drop(objects[i]);
    }
    return tuple;
}

/* The texts lie one after another. */
static bool take_texts(struct python_object *result, struct python_answer *ret)
{
    char *data[PYTHON_TEXTS];
    ssize_t size;
    size_t total = 0;
    for (size_t i = 0; i < PYTHON_TEXTS; i++) {
        struct python_object *bytes = python_api.PyTuple_GetItem(result, (ssize_t)i + 1);
        if (!bytes || python_api.PyBytes_AsStringAndSize(bytes, &data[i], &size) != 0)
            return false;
        ret->sizes[i] = (size_t)size;
        total += (size_t)size;
    }
    ret->memory = total ? memory_map(total) : NULL;
    ret->memory_size = total;
    if (total && !ret->memory)
        return false;
    size_t used = 0;
    for (size_t i = 0; i < PYTHON_TEXTS; i++) {
        ret->texts[i] = ret->memory + used;
        if (ret->sizes[i])
            memcpy(ret->memory + used, data[i], ret->sizes[i]);
        used += ret->sizes[i];
    }
    return true;
}

void python_calls_serve(enum python_task task, const char *text, size_t size, bool holds_value,
                        struct python_answer *ret)
{
    struct python_object *const objects[] = {
        python_api.PyLong_FromLong(task),
        python_api.PyUnicode_DecodeUTF8(text, (ssize_t)size, "surrogateescape"),
        python_api.PyLong_FromLong(holds_value),
    };
    struct python_object *arguments = make_arguments(objects, 3);
    *ret = (struct python_answer){.outcome = MANHOLE_INTERRUPTED};
    struct python_object *result = arguments ? call("serve", arguments) : NULL;
    if (!result) {
        python_api.PyErr_Clear();
        return;
    }
    long outcome = python_api.PyLong_AsLong(python_api.PyTuple_GetItem(result, 0));
    if (take_texts(result, ret)) {
        ret->outcome = outcome;
    } else {
        python_answer_deinit(ret);
        ret->outcome = MANHOLE_FAILED;
        python_api.PyErr_Clear();
    }
    drop(result);
}

void python_calls_absorb(void)
{
    drop(call("absorb", NULL));
}

void python_calls_close(void)
{
    drop(call("close", NULL));
    python_api.PyDict_Clear(state.console);
    drop(state.console);
    state.console = NULL;
}

void python_calls_forget(void)
{
    state.console = NULL;
}
