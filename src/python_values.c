#include "src/python_values.h"

#include "injector/python_objects.h"
#include "src/python_scalars.h"
#include "src/value_writer.h"

#include <inttypes.h>
#include <string.h>

/* Items of a container that are shown. */
#define ITEMS_MAX 50
/* Attributes of an object that are. */
#define ATTRIBUTES_MAX 20
/* Containers within one another. */
#define DEPTH_MAX 3

struct value_reading {
    struct python_reading *reading;
    struct python_memory memory;
    struct writer *writer;
};

/* --- Memory. --- */

static bool read_noting(void *context, uint64_t address, void *buffer, size_t size)
{
    struct python_reading *reading = context;
    bool ok = python_read(reading->memory, address, buffer, size);
    reading->missed |= !ok;
    if (!ok && reading->memory->changed) {
        reading->changed |= *reading->memory->changed;
        *reading->memory->changed = false;
    }
    return ok;
}

struct python_memory python_value_memory(struct python_reading *reading)
{
    return (struct python_memory){
        .read = read_noting, .context = reading, .changing = reading->memory->changing};
}

const char *python_value_problem(struct python_reading *reading)
{
    reading->damaged |= !reading->missed;
    return reading->missed ? reading->unreadable : "<damaged>";
}

static void add_problem(const struct value_reading *value)
{
    writer_add(value->writer, python_value_problem(value->reading));
}

/* --- Containers. --- */

static void add_object(const struct value_reading *value, uint64_t address, unsigned depth);

/* What stands around the items; of `empty` ones alone. */
struct brackets {
    const char *open, *close, *empty;
};

static struct brackets brackets_of(enum python_kind kind)
{
    switch (kind) {
    case PYTHON_TUPLE:
        return (struct brackets){"(", ")", "()"};
    case PYTHON_LIST:
        return (struct brackets){"[", "]", "[]"};
    case PYTHON_FROZENSET:
        return (struct brackets){"frozenset({", "})", "frozenset()"};
    case PYTHON_SET:
        return (struct brackets){"{", "}", "set()"};
    default:
        return (struct brackets){"{", "}", "{}"};
    }
}

/* The next one, within what may be passed in one container and in all. */
static enum python_step next_item(const struct value_reading *value, struct python_items *items,
                                  uint64_t *key, uint64_t *item)
{
    uint32_t *left = &value->reading->places_left;
    if (items->scanned_left > *left)
        items->scanned_left = *left;
    uint32_t before = items->scanned_left;
    enum python_step step = python_items_next(items, key, item);
    *left -= before - items->scanned_left;
    return step;
}

/* What comes after the last item that is shown. */
static void add_rest(const struct value_reading *value, const struct python_items *items,
                     enum python_step step, uint64_t count)
{
    if (step == PYTHON_STEP_UNREADABLE) {
        writer_add(value->writer, count ? ", " : "");
        add_problem(value);
    } else if (count < items->length) {
        writer_format(value->writer, "... %" PRIu64 " more", items->length - count);
    }
}

static void add_items(const struct value_reading *value, struct python_items *items, unsigned depth)
{
    uint64_t key, item, count = 0;
    enum python_step step = PYTHON_STEP_END;
    while (count < items->length && count < ITEMS_MAX && !value->writer->full &&
           value->reading->objects_left &&
           (step = next_item(value, items, &key, &item)) == PYTHON_STEP_ITEM) {
        writer_add(value->writer, count++ ? ", " : "");
        if (items->kind == PYTHON_DICT) {
            add_object(value, key, depth + 1);
            writer_add(value->writer, ": ");
        }
        add_object(value, item, depth + 1);
    }
    add_rest(value, items, step, count);
    if (count == 1 && items->length == 1 && items->kind == PYTHON_TUPLE)
        writer_add(value->writer, ",");
}

static bool is_container(enum python_kind kind)
{
    return kind == PYTHON_TUPLE || kind == PYTHON_LIST || kind == PYTHON_DICT ||
           kind == PYTHON_SET || kind == PYTHON_FROZENSET;
}

static void add_container(const struct value_reading *value, const struct python_object *object,
                          unsigned depth)
{
    struct python_items items;
    const struct brackets brackets = brackets_of(object->kind);
    value->reading->shared |= object->kind != PYTHON_TUPLE && object->kind != PYTHON_FROZENSET;
    if (!python_items_begin(value->reading->python, &value->memory, object, &items)) {
        add_problem(value);
        return;
    }
    if (!items.length) {
        writer_add(value->writer, brackets.empty);
        return;
    }
    writer_add(value->writer, brackets.open);
    if (depth >= DEPTH_MAX)
        writer_add(value->writer, "...");
    else
        add_items(value, &items, depth);
    writer_add(value->writer, brackets.close);
}

/* --- Objects that are shown by their names. --- */

static void add_address(const struct value_reading *value, const char *what, const char *name,
                        uint64_t address)
{
    writer_format(value->writer, "<%s%s at 0x%" PRIx64 ">", what, name, address);
}

static void add_attribute(const struct value_reading *value, uint64_t name, uint64_t object)
{
    char text[PYTHON_NAME_MAX];
    if (python_string_read(value->reading->python, &value->memory, name, text, sizeof(text)))
        writer_add(value->writer, text);
    else
        add_problem(value);
    writer_add(value->writer, "=");
    add_object(value, object, 1);
}

static void add_attributes(const struct value_reading *value, const struct python_object *object)
{
    struct python_items items;
    uint64_t name, item, count = 0;
    enum python_step step = PYTHON_STEP_END;
    value->reading->shared = true;
    if (!python_attributes_begin(value->reading->python, &value->memory, object, &items)) {
        writer_add(value->writer, " ");
        add_problem(value);
        return;
    }
    while (count < items.length && count < ATTRIBUTES_MAX && !value->writer->full &&
           value->reading->objects_left &&
           (step = next_item(value, &items, &name, &item)) == PYTHON_STEP_ITEM) {
        writer_add(value->writer, count++ ? ", " : " ");
        add_attribute(value, name, item);
    }
    add_rest(value, &items, step, count);
}

/* With its attributes only where it is the value of a variable itself. */
static void add_other(const struct value_reading *value, const struct python_object *object,
                      unsigned depth)
{
    char name[PYTHON_TYPE_MAX];
    if (!python_type_name(value->reading->python, &value->memory, object->type, name,
                          sizeof(name))) {
        add_problem(value);
        return;
    }
    writer_format(value->writer, "<%s object at 0x%" PRIx64, name, object->address);
    if (object->kind == PYTHON_OTHER && !depth)
        add_attributes(value, object);
    writer_add(value->writer, ">");
}

/* As BaseException.__repr__. */
static void add_exception(const struct value_reading *value, const struct python_object *object,
                          unsigned depth)
{
    char name[PYTHON_TYPE_MAX];
    uint64_t address;
    const struct python *python = value->reading->python;
    struct python_object arguments;
    struct python_items items;
    value->reading->shared = true;
    if (!python_type_name(python, &value->memory, object->type, name, sizeof(name)) ||
        !python_exception_arguments(&value->memory, object->address, &address) ||
        !python_object_read(python, &value->memory, address, &arguments) ||
        arguments.kind != PYTHON_TUPLE ||
        !python_items_begin(python, &value->memory, &arguments, &items)) {
        add_problem(value);
        return;
    }
    items.kind = PYTHON_LIST; /* one alone has no comma behind it */
    writer_format(value->writer, "%s(", name);
    if (depth >= DEPTH_MAX)
        writer_add(value->writer, "...");
    else
        add_items(value, &items, depth);
    writer_add(value->writer, ")");
}

static void add_named(const struct value_reading *value, const struct python_object *object,
                      unsigned depth)
{
    char name[PYTHON_TYPE_MAX];
    const struct python *python = value->reading->python;
    if (object->kind == PYTHON_CLASS &&
        python_type_name(python, &value->memory, object->address, name, sizeof(name)))
        writer_format(value->writer, "<class '%s'>", name);
    else if (object->kind == PYTHON_FUNCTION &&
             python_function_name(python, &value->memory, object->address, name, sizeof(name)))
        add_address(value, "function ", name, object->address);
    else if (object->kind == PYTHON_MODULE && object->exact &&
             python_module_name(python, &value->memory, object->address, name, sizeof(name)))
        writer_format(value->writer, "<module '%s'>", name);
    else
        add_other(value, object, depth);
}

/* --- All of them. --- */

static bool has_value(enum python_kind kind)
{
    return is_container(kind) || kind == PYTHON_INT || kind == PYTHON_FLOAT ||
           kind == PYTHON_COMPLEX || kind == PYTHON_STR || kind == PYTHON_BYTES;
}

static void add_value(const struct value_reading *value, const struct python_object *object,
                      unsigned depth)
{
    if (is_container(object->kind))
        add_container(value, object, depth);
    else if (!python_scalar_add(value->writer, value->reading->python, &value->memory, object))
        add_problem(value);
}

static void add_known(const struct value_reading *value, const struct python_object *object,
                      unsigned depth)
{
    static const char *const words[] = {[PYTHON_NONE] = "None",
                                        [PYTHON_TRUE] = "True",
                                        [PYTHON_FALSE] = "False",
                                        [PYTHON_ELLIPSIS] = "Ellipsis"};
    char name[PYTHON_TYPE_MAX];
    if (object->kind >= PYTHON_NONE && object->kind <= PYTHON_ELLIPSIS) {
        writer_add(value->writer, words[object->kind]);
    } else if (object->kind == PYTHON_EXCEPTION) {
        add_exception(value, object, depth);
    } else if (!has_value(object->kind)) {
        add_named(value, object, depth);
    } else if (object->exact) {
        add_value(value, object, depth);
    } else if (python_type_name(value->reading->python, &value->memory, object->type, name,
                                sizeof(name))) {
        writer_format(value->writer, "%s(", name);
        add_value(value, object, depth);
        writer_add(value->writer, ")");
    } else {
        add_problem(value);
    }
}

static void add_object(const struct value_reading *value, uint64_t address, unsigned depth)
{
    struct python_object object;
    if (!value->reading->objects_left) {
        writer_add(value->writer, "...");
        return;
    }
    value->reading->objects_left--;
    if (python_object_read(value->reading->python, &value->memory, address, &object))
        add_known(value, &object, depth);
    else
        add_problem(value);
}

void python_value_begin(struct python_reading *reading)
{
    reading->missed = reading->changed = reading->damaged = reading->shared = false;
}

void python_value_write(struct python_reading *reading, uint64_t object, struct python_value *ret)
{
    struct writer writer;
    struct python_object head;
    const struct value_reading value = {reading, python_value_memory(reading), &writer};
    writer_init(&writer, NULL, NULL, VALUE_ON_ONE_LINE, ret->text, sizeof(ret->text));
    python_value_begin(reading);
    if (!python_object_read(reading->python, &value.memory, object, &head) ||
        !python_type_name(reading->python, &value.memory, head.type, ret->type, sizeof(ret->type)))
        ret->type[0] = '\0';
    add_object(&value, object, 0);
    writer_end(&writer);
}
