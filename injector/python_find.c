/* Where the interpreter is, and which one. */
#include "injector/python.h"

#include "injector/bytes.h"
#include "injector/cleanup.h"
#include "injector/recording.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A file that may hold the interpreter, while it is looked at. */
struct candidate {
    struct module *module;
    bool by_index; /* its symbols are not exported: all have to be looked through */
};

static uint64_t find_symbol(const struct candidate *candidate, const char *name, uint64_t *size)
{
    struct symbol symbol = {0};
    if (!candidate->by_index)
        return module_export(candidate->module, name, size);
    uint64_t address = module_symbol_address(candidate->module, name, &symbol);
    if (address && size)
        *size = symbol.size;
    return address;
}

static bool has_python_in_path(const struct module *module)
{
    return strstr(module->path, "python");
}

static bool is_executable(const struct modules *modules, const struct module *module)
{
    size_t length = strlen(module->path); /* the other has " (deleted)" behind it */
    return !strncmp(modules->process->executable, module->path, length);
}

static bool any_has_python_in_path(const struct modules *modules)
{
    for (size_t i = 0; i < modules->count; i++) {
        if (has_python_in_path(modules->modules[i]))
            return true;
    }
    return false;
}

static bool holds_runtime(const struct candidate *candidate)
{
    return find_symbol(candidate, "_PyRuntime", NULL);
}

/*
 * The executable first, which is open anyway. The others only where something is called python: a
 * libpython, or the modules that an interpreter loads.
 */
static bool find_candidate(struct modules *modules, struct candidate *ret)
{
    bool likely = any_has_python_in_path(modules);
    for (size_t i = 0; i < modules->count; i++) {
        *ret = (struct candidate){.module = modules->modules[i]};
        if ((likely || is_executable(modules, ret->module)) && holds_runtime(ret))
            return true;
    }
    for (size_t i = 0; likely && i < modules->count; i++) {
        *ret = (struct candidate){.module = modules->modules[i], .by_index = true};
        if (is_executable(modules, ret->module) && holds_runtime(ret))
            return true;
    }
    return false;
}

static const char *const known_names[PYTHON_KNOWN_COUNT] = {
    [KNOWN_NONE] = "_Py_NoneStruct",   [KNOWN_TRUE] = "_Py_TrueStruct",
    [KNOWN_FALSE] = "_Py_FalseStruct", [KNOWN_ELLIPSIS] = "_Py_EllipsisObject",
    [KNOWN_TYPE] = "PyType_Type",      [KNOWN_INT] = "PyLong_Type",
    [KNOWN_FLOAT] = "PyFloat_Type",    [KNOWN_TUPLE] = "PyTuple_Type",
    [KNOWN_LIST] = "PyList_Type",      [KNOWN_DICT] = "PyDict_Type",
    [KNOWN_SET] = "PySet_Type",        [KNOWN_FROZENSET] = "PyFrozenSet_Type",
    [KNOWN_CELL] = "PyCell_Type",      [KNOWN_FUNCTION] = "PyFunction_Type",
    [KNOWN_MODULE] = "PyModule_Type",  [KNOWN_COMPLEX] = "PyComplex_Type",
};

static void locate(const struct candidate *candidate, struct python *ret)
{
    ret->runtime = find_symbol(candidate, "_PyRuntime", NULL);
    ret->code_low = candidate->module->start;
    ret->code_high = candidate->module->end;
    ret->evaluate = find_symbol(candidate, "_PyEval_EvalFrameDefault", &ret->evaluate_size);
    ret->code_type = find_symbol(candidate, "PyCode_Type", NULL);
    ret->unicode_type = find_symbol(candidate, "PyUnicode_Type", NULL);
    ret->bytes_type = find_symbol(candidate, "PyBytes_Type", NULL);
    for (size_t i = 0; i < PYTHON_KNOWN_COUNT; i++)
        ret->known[i] = find_symbol(candidate, known_names[i], NULL);
}

/*
 * Which version of those that do not say it themselves, by what they export: functions that are in
 * the API since a version (Misc/stable_abi.toml, and Doc/whatsnew). Py_Version is a word with
 * PY_VERSION_HEX, since 3.11.
 */
static uint32_t find_version(const struct candidate *candidate, const struct python_memory *memory)
{
    static const struct {
        const char *name;
        uint32_t version;
    } since[] = {
        {"PyIter_Send", 0x030a0000},
        {"PyFrame_GetCode", 0x03090000},
        {"PyCode_NewWithPosOnlyArgs", 0x03080000},
    };
    uint32_t version = 0;
    if (python_read(memory, find_symbol(candidate, "Py_Version", NULL), &version, sizeof(version)))
        return version;
    for (size_t i = 0; i < sizeof(since) / sizeof(since[0]); i++) {
        if (find_symbol(candidate, since[i].name, NULL))
            return since[i].version;
    }
    return 0x03070000; /* the first with a _PyRuntime */
}

static void set_layout(struct python *python, const struct python_memory *memory)
{
    uint8_t bytes[PYTHON_DEBUG_OFFSETS_MAX];
    const char *problem = NULL;
    char text[PYTHON_VERSION_TEXT];
    if (!python_read(memory, python->runtime, bytes, sizeof(bytes))) {
        problem = "its state cannot be read";
    } else if (!python_layout_from_debug_offsets(bytes, &python->layout, &python->version,
                                                 &problem)) {
        const struct python_layout *layout =
            python->version >> 24 == 3 ? python_layout_of(python->version >> 16 & 0xff) : NULL;
        if (layout)
            python->layout = *layout;
        else
            problem = "only those of Python 3.8 to 3.14 are known";
    }
    if (!problem && (!python->code_type || !python->unicode_type || !python->bytes_type))
        problem = "its types are not to be found";
    python_version_text(python, text);
    if (problem)
        snprintf(python->problem, sizeof(python->problem), "Python %s: %s", text, problem);
}

/* --- In a recording. --- */

static const struct question question = {.kind = QUESTION_PYTHON};

static void keep(const struct python *python)
{
    struct byte_writer writer = {0};
    if (!python->process->recording)
        return;
    put_u64(&writer, python->runtime);
    put_u64(&writer, python->code_low);
    put_u64(&writer, python->code_high);
    put_u64(&writer, python->evaluate);
    put_u64(&writer, python->evaluate_size);
    put_u64(&writer, python->code_type);
    put_u64(&writer, python->unicode_type);
    put_u64(&writer, python->bytes_type);
    put_u32(&writer, python->version);
    for (size_t i = 0; i < PYTHON_KNOWN_COUNT; i++)
        put_u64(&writer, python->known[i]);
    if (!writer.failed)
        recording_add(python->process->recording, &question, 0, writer.bytes, writer.size);
    byte_writer_deinit(&writer);
}

static bool recall(struct python *python)
{
    struct answer answer;
    if (!recording_last(python->process->recording, &question, &answer))
        return false;
    struct byte_reader reader = {.at = answer.bytes, .left = answer.size};
    python->runtime = get_u64(&reader);
    python->code_low = get_u64(&reader);
    python->code_high = get_u64(&reader);
    python->evaluate = get_u64(&reader);
    python->evaluate_size = get_u64(&reader);
    python->code_type = get_u64(&reader);
    python->unicode_type = get_u64(&reader);
    python->bytes_type = get_u64(&reader);
    python->version = get_u32(&reader);
    bool ok = !reader.failed;
    /* Files from before --locals showed Python's end here. */
    for (size_t i = 0; i < PYTHON_KNOWN_COUNT; i++)
        python->known[i] = get_u64(&reader);
    return ok;
}

/* --- All of it. --- */

static bool find(struct modules *modules, struct python *python, const struct python_memory *memory)
{
    struct candidate candidate;
    if (modules->process->saved)
        return recall(python);
    if (!find_candidate(modules, &candidate))
        return false;
    locate(&candidate, python);
    python->version = find_version(&candidate, memory);
    keep(python);
    return true;
}

struct error *python_find(struct modules *modules, struct python **ret)
{
    *ret = NULL;
    struct python_live *live = python_live_create(modules->process);
    CLEANUP_FREE struct python *python = calloc(1, sizeof(*python));
    if (!live || !python) {
        python_live_destroy(live);
        return error_no_memory();
    }
    python->process = modules->process;
    const struct python_memory memory = python_live_memory(live);
    if (find(modules, python, &memory)) {
        set_layout(python, &memory);
        *ret = python;
        python = NULL;
    }
    python_live_destroy(live);
    return NULL;
}

void python_destroy(struct python *python)
{
    free(python);
}

void python_version_text(const struct python *python, char text[PYTHON_VERSION_TEXT])
{
    unsigned major = python->version >> 24, minor = python->version >> 16 & 0xff;
    unsigned micro = python->version >> 8 & 0xff, level = python->version >> 4 & 0xf;
    const char *release = level == 0xa ? "a" : level == 0xb ? "b" : level == 0xc ? "rc" : "";
    if (!(python->version & 0xffff))
        snprintf(text, PYTHON_VERSION_TEXT, "%u.%u", major, minor);
    else if (*release)
        snprintf(text, PYTHON_VERSION_TEXT, "%u.%u.%u%s%u", major, minor, micro, release,
                 (unsigned)python->version & 0xf);
    else
        snprintf(text, PYTHON_VERSION_TEXT, "%u.%u.%u", major, minor, micro);
}

bool python_is_evaluating(const struct python *python, uint64_t pc)
{
    return python->evaluate && pc >= python->evaluate &&
           pc - python->evaluate < python->evaluate_size;
}
