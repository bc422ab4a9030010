#include "injector/python_locals.h"

#include <string.h>

/* co_flags: Include/cpython/code.h (3.8: Include/code.h). */
#define CODE_OPTIMIZED 0x1 /* its variables are in the frame, not in a dict */
#define CODE_VARARGS 0x4
#define CODE_VARKEYWORDS 0x8

/* CO_FAST_*: Include/internal/pycore_code.h */
#define KIND_HIDDEN 0x10 /* from 3.12 on: of a comprehension that is part of this code */
#define KIND_CELL 0x40
#define KIND_FREE 0x80

/* Tables with the names of local variables, of cells and of free variables: which one. */
enum { LOCAL_NAMES, CELL_NAMES, FREE_NAMES };

/* Variables of one function; beyond, a count is damaged. */
#define COUNT_MAX (UINT64_C(1) << 13)
/* Arguments that are looked for among the cells, and cells among the arguments. */
#define MOVED_MAX 256
/* Names in a module that are looked at. */
#define NAMESPACE_MAX 8192

static bool read_int(const struct python_memory *memory, uint64_t address, uint64_t *ret)
{
    int32_t value;
    if (!python_read(memory, address, &value, sizeof(value)) || value < 0)
        return false;
    *ret = (uint64_t)value;
    return true;
}

/* --- Begin. --- */

static bool open_table(struct python_locals *locals, unsigned which, uint64_t at)
{
    struct python_object tuple;
    uint64_t address;
    if (!python_read_word(locals->memory, at, &address) ||
        !python_object_read(locals->python, locals->memory, address, &tuple) ||
        tuple.kind != PYTHON_TUPLE)
        return false;
    const struct python_layout *layout = &locals->python->layout;
    locals->tables[which] = address + layout->tuple_items;
    return python_read_word(locals->memory, address + layout->bytes_size, &locals->counts[which]) &&
           locals->counts[which] <= COUNT_MAX;
}

static bool open_kinds(struct python_locals *locals, uint64_t code)
{
    uint64_t address, type, count;
    const struct python *python = locals->python;
    return python_read_word(locals->memory, code + python->layout.code_kinds, &address) &&
           python_read_word(locals->memory, address + python->layout.object_type, &type) &&
           type == python->bytes_type &&
           python_bytes_find(python, locals->memory, address, &locals->kinds, &count) &&
           count == locals->counts[LOCAL_NAMES];
}

static bool open_names(struct python_locals *locals, uint64_t code)
{
    const struct python_layout *layout = &locals->python->layout;
    if (layout->names == PYTHON_NAMES_TOGETHER)
        return open_table(locals, LOCAL_NAMES, code + layout->code_names) &&
               open_kinds(locals, code);
    return open_table(locals, LOCAL_NAMES, code + layout->code_variables) &&
           open_table(locals, CELL_NAMES, code + layout->code_cells) &&
           open_table(locals, FREE_NAMES, code + layout->code_free);
}

static bool open_namespace(struct python_locals *locals, uint64_t frame)
{
    struct python_object dict;
    uint64_t address;
    return python_read_word(locals->memory, frame + locals->python->layout.frame_mapping,
                            &address) &&
           python_object_read(locals->python, locals->memory, address, &dict) &&
           dict.kind == PYTHON_DICT &&
           python_items_begin(locals->python, locals->memory, &dict, &locals->namespace);
}

bool python_locals_begin(const struct python *python, const struct python_memory *memory,
                         uint64_t frame, uint64_t code, struct python_locals *ret)
{
    const struct python_layout *layout = &python->layout;
    uint64_t flags, positional, keyword;
    *ret = (struct python_locals){
        .python = python, .memory = memory, .values = frame + layout->frame_locals};
    if (!read_int(memory, code + layout->code_flags, &flags) ||
        !read_int(memory, code + layout->code_arguments, &positional) ||
        !read_int(memory, code + layout->code_keyword_arguments, &keyword) ||
        !open_names(ret, code))
        return false;
    ret->arguments = positional + keyword + !!(flags & CODE_VARARGS) + !!(flags & CODE_VARKEYWORDS);
    ret->has_namespace = !(flags & CODE_OPTIMIZED);
    return !ret->has_namespace || open_namespace(ret, frame);
}

/* --- Variables of functions. --- */

/* The table and the place in it of a variable; false: there are no more. */
static bool find_name(const struct python_locals *locals, uint64_t index, unsigned *table,
                      uint64_t *place)
{
    for (*table = 0; *table < PYTHON_NAME_TABLES; ++*table) {
        if (index < locals->counts[*table]) {
            *place = index;
            return true;
        }
        index -= locals->counts[*table];
    }
    return false;
}

static uint64_t name_at(const struct python_locals *locals, unsigned table, uint64_t place)
{
    uint64_t name;
    return python_read_word(locals->memory, locals->tables[table] + place * 8, &name) ? name : 0;
}

/* Replaces a cell by what it holds. */
static void look_into_cell(const struct python_locals *locals, struct python_local *local)
{
    struct python_object cell;
    local->is_shared = true;
    if (!local->object)
        return;
    local->is_readable = python_object_read(locals->python, locals->memory, local->object, &cell);
    /* An argument is put into its cell by the first instructions. */
    if (local->is_readable && cell.kind == PYTHON_CELL)
        local->is_readable = python_cell_read(locals->memory, local->object, &local->object);
}

/*
 * To 3.10 an argument that other functions use, too, has moved to a cell with the same name: its
 * index among all variables; 0: there is none.
 */
static uint64_t find_moved(const struct python_locals *locals, uint64_t name)
{
    for (uint64_t i = 0; name && i < locals->counts[CELL_NAMES] && i < MOVED_MAX; i++) {
        if (name_at(locals, CELL_NAMES, i) == name)
            return locals->counts[LOCAL_NAMES] + i;
    }
    return 0;
}

static bool is_moved_argument(const struct python_locals *locals, uint64_t name)
{
    uint64_t count = locals->arguments < MOVED_MAX ? locals->arguments : MOVED_MAX;
    for (uint64_t i = 0; i < count && i < locals->counts[LOCAL_NAMES]; i++) {
        if (name_at(locals, LOCAL_NAMES, i) == name)
            return true;
    }
    return false;
}

static void read_value(const struct python_locals *locals, uint64_t index, struct python_local *ret)
{
    ret->is_readable = python_read_word(locals->memory, locals->values + index * 8, &ret->object);
    ret->object = ret->is_readable ? python_untagged(ret->object) : 0;
}

static void read_variable(const struct python_locals *locals, uint64_t index, unsigned table,
                          uint64_t name, struct python_local *ret)
{
    uint8_t kind = 0;
    bool is_cell = table != LOCAL_NAMES;
    ret->is_argument = index < locals->arguments;
    read_value(locals, index, ret);
    if (locals->kinds && python_read(locals->memory, locals->kinds + index, &kind, 1))
        is_cell = kind & (KIND_CELL | KIND_FREE);
    uint64_t moved =
        !ret->object && ret->is_argument && !locals->kinds ? find_moved(locals, name) : 0;
    if (moved)
        read_value(locals, moved, ret);
    if (is_cell || moved)
        look_into_cell(locals, ret);
}

static bool is_special(const char *name)
{
    size_t length = strlen(name);
    return length > 4 && !memcmp(name, "__", 2) && !memcmp(name + length - 2, "__", 2);
}

/* Variables that are not there: those of a comprehension that does not run, cells that were shown
   as arguments, and what the compiler has for itself in classes. */
static bool is_absent(const struct python_locals *locals, uint64_t index, unsigned table,
                      uint64_t name, const struct python_local *local)
{
    uint8_t kind;
    bool is_unbound = local->is_readable && !local->object;
    if (locals->has_namespace && (is_unbound || is_special(local->name)))
        return true;
    if (!locals->kinds)
        return table == CELL_NAMES && is_moved_argument(locals, name);
    return is_unbound && python_read(locals->memory, locals->kinds + index, &kind, 1) &&
           kind & KIND_HIDDEN;
}

static enum python_step next_of_function(struct python_locals *locals, struct python_local *ret)
{
    unsigned table;
    uint64_t place;
    while (find_name(locals, locals->next, &table, &place)) {
        uint64_t index = locals->next++, name = name_at(locals, table, place);
        *ret = (struct python_local){0};
        if (!python_string_read(locals->python, locals->memory, name, ret->name, sizeof(ret->name)))
            return PYTHON_STEP_UNREADABLE;
        read_variable(locals, index, table, name, ret);
        if (!is_absent(locals, index, table, name, ret))
            return PYTHON_STEP_ITEM;
    }
    return PYTHON_STEP_END;
}

/* --- Variables of modules and classes. --- */

static bool is_definition(const struct python_locals *locals, uint64_t address)
{
    struct python_object object;
    return python_object_read(locals->python, locals->memory, address, &object) &&
           (object.kind == PYTHON_MODULE || object.kind == PYTHON_FUNCTION ||
            object.kind == PYTHON_CLASS);
}

static enum python_step next_of_namespace(struct python_locals *locals, struct python_local *ret)
{
    uint64_t key, value;
    enum python_step step;
    while ((step = python_items_next(&locals->namespace, &key, &value)) == PYTHON_STEP_ITEM) {
        if (locals->passed++ == NAMESPACE_MAX)
            return PYTHON_STEP_LIMIT;
        *ret = (struct python_local){.object = value, .is_shared = true, .is_readable = true};
        if (python_string_read(locals->python, locals->memory, key, ret->name, sizeof(ret->name)) &&
            !is_special(ret->name) && !is_definition(locals, value))
            return PYTHON_STEP_ITEM;
    }
    return step;
}

/* Code of a module or class may have variables in its frame, too: those of comprehensions. */
enum python_step python_locals_next(struct python_locals *locals, struct python_local *ret)
{
    enum python_step step = locals->in_namespace ? PYTHON_STEP_END : next_of_function(locals, ret);
    if (step != PYTHON_STEP_END || !locals->has_namespace)
        return step;
    locals->in_namespace = true;
    return next_of_namespace(locals, ret);
}
