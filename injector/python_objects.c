#include "injector/python_objects.h"

#include <string.h>

/* Py_TPFLAGS_*: Include/object.h. What a type is derived from. */
#define TYPE_HEAP (UINT64_C(1) << 9)
#define TYPE_LONG (UINT64_C(1) << 24)
#define TYPE_LIST (UINT64_C(1) << 25)
#define TYPE_TUPLE (UINT64_C(1) << 26)
#define TYPE_BYTES (UINT64_C(1) << 27)
#define TYPE_UNICODE (UINT64_C(1) << 28)
#define TYPE_DICT (UINT64_C(1) << 29)
#define TYPE_EXCEPTION (UINT64_C(1) << 30)
#define TYPE_TYPE (UINT64_C(1) << 31)

/* No string, number or container is longer. */
#define LENGTH_MAX (UINT64_C(1) << 40)
/* Where __module__ is looked for in the dict of a class: it is the first that a class statement
   puts there. */
#define MODULE_PLACES_MAX 64

/* Types that one type is derived from, in a row. */
#define BASES_MAX 64

/* --- What it is. --- */

static bool read_type(const struct python *python, const struct python_memory *memory,
                      uint64_t object, uint64_t *ret)
{
    return python_read_word(memory, object + python->layout.object_type, ret);
}

static bool read_flags(const struct python_memory *memory, uint64_t type, uint64_t *ret)
{
    return python_read_word(memory, type + PYTHON_TYPE_FLAGS, ret);
}

/* Types are objects, too, whose type is `type`, or derived from it. */
static bool is_type(const struct python *python, const struct python_memory *memory, uint64_t type)
{
    uint64_t meta, flags;
    return read_type(python, memory, type, &meta) &&
           (meta == python->known[KNOWN_TYPE] ||
            (read_flags(memory, meta, &flags) && flags & TYPE_TYPE));
}

/* The kinds of objects that have a type of their own. */
static const struct {
    enum python_known type;
    enum python_kind kind;
} by_type[] = {
    {KNOWN_INT, PYTHON_INT},         {KNOWN_FLOAT, PYTHON_FLOAT},
    {KNOWN_COMPLEX, PYTHON_COMPLEX}, {KNOWN_TUPLE, PYTHON_TUPLE},
    {KNOWN_LIST, PYTHON_LIST},       {KNOWN_DICT, PYTHON_DICT},
    {KNOWN_SET, PYTHON_SET},         {KNOWN_FROZENSET, PYTHON_FROZENSET},
    {KNOWN_CELL, PYTHON_CELL},       {KNOWN_FUNCTION, PYTHON_FUNCTION},
    {KNOWN_MODULE, PYTHON_MODULE},   {KNOWN_TYPE, PYTHON_CLASS},
};

static enum python_kind kind_of_type(const struct python *python, uint64_t type)
{
    if (type == python->unicode_type)
        return PYTHON_STR;
    if (type == python->bytes_type)
        return PYTHON_BYTES;
    for (size_t i = 0; i < sizeof(by_type) / sizeof(by_type[0]); i++) {
        if (type == python->known[by_type[i].type])
            return by_type[i].kind;
    }
    return PYTHON_OTHER;
}

static enum python_kind kind_of_flags(uint64_t flags)
{
    static const struct {
        uint64_t flag;
        enum python_kind kind;
    } by_flag[] = {
        {TYPE_LONG, PYTHON_INT},    {TYPE_LIST, PYTHON_LIST},           {TYPE_TUPLE, PYTHON_TUPLE},
        {TYPE_BYTES, PYTHON_BYTES}, {TYPE_UNICODE, PYTHON_STR},         {TYPE_DICT, PYTHON_DICT},
        {TYPE_TYPE, PYTHON_CLASS},  {TYPE_EXCEPTION, PYTHON_EXCEPTION},
    };
    for (size_t i = 0; i < sizeof(by_flag) / sizeof(by_flag[0]); i++) {
        if (flags & by_flag[i].flag)
            return by_flag[i].kind;
    }
    return PYTHON_OTHER;
}

/* Types without a flag for what they are derived from: along their first bases. */
static enum python_kind kind_of_bases(const struct python *python,
                                      const struct python_memory *memory, uint64_t type)
{
    for (unsigned i = 0; i < BASES_MAX && type; i++) {
        enum python_kind kind = kind_of_type(python, type);
        if (kind == PYTHON_FLOAT || kind == PYTHON_COMPLEX || kind == PYTHON_SET ||
            kind == PYTHON_FROZENSET || kind == PYTHON_MODULE)
            return kind;
        if (!python_read_word(memory, type + PYTHON_TYPE_BASE, &type))
            break;
    }
    return PYTHON_OTHER;
}

static enum python_kind kind_of_singleton(const struct python *python, uint64_t address)
{
    static const struct {
        enum python_known object;
        enum python_kind kind;
    } singletons[] = {{KNOWN_NONE, PYTHON_NONE},
                      {KNOWN_TRUE, PYTHON_TRUE},
                      {KNOWN_FALSE, PYTHON_FALSE},
                      {KNOWN_ELLIPSIS, PYTHON_ELLIPSIS}};
    for (size_t i = 0; i < sizeof(singletons) / sizeof(singletons[0]); i++) {
        if (address == python->known[singletons[i].object])
            return singletons[i].kind;
    }
    return PYTHON_OTHER;
}

/* How often an object is referred to is 0 in what was freed, and no matter of its value. From 3.12
   on there may be other things in the upper half of the word: Include/object.h. */
static bool is_alive(const struct python_memory *memory, uint64_t object)
{
    uint32_t count;
    if (memory->changing && python_read(memory->changing, object, &count, sizeof(count)))
        return count;
    return python_read(memory, object, &count, sizeof(count)) && count;
}

bool python_object_read(const struct python *python, const struct python_memory *memory,
                        uint64_t address, struct python_object *ret)
{
    uint64_t flags;
    *ret = (struct python_object){.address = address, .exact = true};
    if (!address || address % 8 || !is_alive(memory, address) ||
        !read_type(python, memory, address, &ret->type) || !is_type(python, memory, ret->type))
        return false;
    ret->kind = kind_of_singleton(python, address);
    if (!ret->kind)
        ret->kind = kind_of_type(python, ret->type);
    if (ret->kind)
        return true;
    ret->exact = false;
    if (!read_flags(memory, ret->type, &flags))
        return false;
    ret->kind = kind_of_flags(flags);
    if (!ret->kind)
        ret->kind = kind_of_bases(python, memory, ret->type);
    return true;
}

/* --- What it is made of. --- */

bool python_bytes_find(const struct python *python, const struct python_memory *memory,
                       uint64_t address, uint64_t *data, uint64_t *length)
{
    *data = address + python->layout.bytes_data;
    return python_read_word(memory, address + python->layout.bytes_size, length) &&
           *length <= LENGTH_MAX;
}

/* The sign is that of ob_size; of lv_tag the lowest two bits, 2 for negative numbers. */
bool python_int_find(const struct python *python, const struct python_memory *memory,
                     uint64_t address, struct python_int *ret)
{
    uint64_t size;
    if (!python_read_word(memory, address + PYTHON_INT_SIZE, &size))
        return false;
    ret->digits = address + PYTHON_INT_DIGITS;
    if (python->layout.int_is_tagged) {
        ret->is_negative = (size & 3) == 2;
        ret->count = size >> 3;
    } else {
        ret->is_negative = (int64_t)size < 0;
        ret->count = ret->is_negative ? -size : size;
    }
    return ret->count <= LENGTH_MAX;
}

bool python_float_read(const struct python_memory *memory, uint64_t address, double *ret)
{
    return python_read(memory, address + PYTHON_FLOAT_VALUE, ret, sizeof(*ret));
}

bool python_complex_read(const struct python_memory *memory, uint64_t address, double *real,
                         double *imaginary)
{
    return python_read(memory, address + PYTHON_COMPLEX_VALUE, real, sizeof(*real)) &&
           python_read(memory, address + PYTHON_COMPLEX_VALUE + 8, imaginary, sizeof(*imaginary));
}

bool python_exception_arguments(const struct python_memory *memory, uint64_t exception,
                                uint64_t *ret)
{
    return python_read_word(memory, exception + PYTHON_EXCEPTION_ARGUMENTS, ret);
}

bool python_cell_read(const struct python_memory *memory, uint64_t address, uint64_t *ret)
{
    return python_read_word(memory, address + PYTHON_CELL_VALUE, ret);
}

bool python_function_name(const struct python *python, const struct python_memory *memory,
                          uint64_t function, char *ret, size_t size)
{
    uint64_t name;
    return python_read_word(memory, function + python->layout.function_name, &name) &&
           python_string_read(python, memory, name, ret, size);
}

/* PyModuleObject.md_name; the structure is private until 3.10, and the same from 3.8 to 3.14:
   Objects/moduleobject.c, Include/internal/pycore_moduleobject.h */
#define MODULE_NAME 48

bool python_module_name(const struct python *python, const struct python_memory *memory,
                        uint64_t module, char *ret, size_t size)
{
    uint64_t name;
    return python_read_word(memory, module + MODULE_NAME, &name) &&
           python_string_read(python, memory, name, ret, size);
}

/* --- Names of types. --- */

/* A string of C, cut to what there is room for. */
static bool read_c_string(const struct python_memory *memory, uint64_t address, char *ret,
                          size_t size)
{
    for (size_t i = 0; i + 1 < size; i++) {
        if (!python_read(memory, address + i, &ret[i], 1))
            return false;
        if (!ret[i])
            return true;
    }
    ret[size - 1] = '\0';
    return true;
}

/* Of a class: __module__ in its dict, where it is among the first; "": it is not. False: that
   cannot be told. */
static bool read_module(const struct python *python, const struct python_memory *memory,
                        uint64_t type, char *ret, size_t size)
{
    static const char wanted[] = "__module__";
    struct python_object dict;
    struct python_items items;
    uint64_t address, key, value;
    char name[sizeof(wanted) + 1];
    enum python_step step = PYTHON_STEP_ITEM;
    ret[0] = '\0';
    if (!python_read_word(memory, type + PYTHON_TYPE_DICT, &address) ||
        !python_object_read(python, memory, address, &dict) || dict.kind != PYTHON_DICT ||
        !python_items_begin(python, memory, &dict, &items))
        return false;
    for (unsigned i = 0; i < MODULE_PLACES_MAX; i++) {
        step = python_items_next(&items, &key, &value);
        if (step != PYTHON_STEP_ITEM)
            break;
        if (!python_string_read(python, memory, key, name, sizeof(name)))
            return false;
        if (!strcmp(name, wanted))
            return python_string_read(python, memory, value, ret, size);
    }
    return step != PYTHON_STEP_UNREADABLE;
}

/* tp_name: of types made by C code, the module is in it. */
static bool read_name(const struct python_memory *memory, uint64_t type, char *ret, size_t size)
{
    uint64_t name;
    return python_read_word(memory, type + PYTHON_TYPE_NAME, &name) &&
           read_c_string(memory, name, ret, size);
}

/* Types made by class statements are PyHeapTypeObject; C code may make such, too, and may leave
   __module__ to tp_name. */
bool python_type_name(const struct python *python, const struct python_memory *memory,
                      uint64_t type, char *ret, size_t size)
{
    uint64_t flags, name;
    if (!read_flags(memory, type, &flags) ||
        (flags & TYPE_HEAP && !read_module(python, memory, type, ret, size)))
        return false;
    if (!(flags & TYPE_HEAP) || !ret[0])
        return read_name(memory, type, ret, size);
    size_t used = strcmp(ret, "builtins") != 0 ? strlen(ret) : 0;
    if (used && used + 2 < size)
        ret[used++] = '.';
    return python_read_word(memory, type + python->layout.type_qualified_name, &name) &&
           python_string_read(python, memory, name, ret + used, size - used);
}
