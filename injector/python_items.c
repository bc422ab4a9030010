/* What containers hold. */
#include "injector/python_objects.h"

#include <string.h>

/* No container has more places; beyond, its count is damaged. */
#define PLACES_MAX (UINT64_C(1) << 40)
/* Empty places that are passed in one container: what was deleted, and holes of hash tables. */
#define SCAN_MAX 4096

/* dk_kind: Include/internal/pycore_dict.h */
enum { KEYS_GENERAL = 0, KEYS_SPLIT = 2 };

static bool begin_sequence(struct python_items *items, const struct python_object *object)
{
    const struct python_layout *layout = &items->python->layout;
    if (!python_read_word(items->memory, object->address + layout->bytes_size, &items->length))
        return false;
    items->end = items->length;
    items->entry_size = 8;
    items->from = object->address + layout->tuple_items;
    return object->kind == PYTHON_TUPLE || !items->length ||
           python_read_word(items->memory, object->address + PYTHON_LIST_ITEMS, &items->from);
}

/* setentry, Include/cpython/setobject.h (3.8: Include/setobject.h): the object, its hash. */
static bool begin_set(struct python_items *items, const struct python_object *object)
{
    uint64_t mask;
    if (!python_read_word(items->memory, object->address + PYTHON_SET_USED, &items->length) ||
        !python_read_word(items->memory, object->address + PYTHON_SET_MASK, &mask) ||
        !python_read_word(items->memory, object->address + PYTHON_SET_TABLE, &items->from))
        return false;
    items->end = mask >= PLACES_MAX ? mask : mask + 1;
    items->entry_size = 16;
    return true;
}

/* To 3.10: the indices, as wide as their number needs, then hash, key and value of each entry. */
static bool find_sized_entries(struct python_items *items, uint64_t keys)
{
    uint64_t size; /* dk_size */
    if (!python_read_word(items->memory, keys + 8, &size) || size > PLACES_MAX)
        return false;
    unsigned width = size <= 0xff ? 1 : size <= 0xffff ? 2 : size <= 0xffffffff ? 4 : 8;
    items->from = keys + items->python->layout.keys_table + size * width;
    items->entry_size = 24;
    return true;
}

/* From 3.11 on: those whose keys are all strings have no hash in their entries. */
static bool find_entries_of_a_kind(struct python_items *items, uint64_t keys)
{
    uint8_t bytes[3]; /* dk_log2_size, dk_log2_index_bytes, dk_kind */
    if (!python_read(items->memory, keys + 8, bytes, sizeof(bytes)) || bytes[1] > 40 ||
        bytes[2] > KEYS_SPLIT)
        return false;
    items->from = keys + items->python->layout.keys_table + (UINT64_C(1) << bytes[1]);
    items->entry_size = bytes[2] == KEYS_GENERAL ? 24 : 16;
    return true;
}

static bool begin_dict(struct python_items *items, const struct python_object *object)
{
    const struct python_layout *layout = &items->python->layout;
    uint64_t keys;
    if (!python_read_word(items->memory, object->address + PYTHON_DICT_USED, &items->length) ||
        !python_read_word(items->memory, object->address + PYTHON_DICT_KEYS, &keys) ||
        !python_read_word(items->memory, object->address + PYTHON_DICT_VALUES, &items->values) ||
        !python_read_word(items->memory, keys + layout->keys_count, &items->end))
        return false;
    if (items->values)
        items->values += layout->values_first;
    return layout->keys == PYTHON_KEYS_SIZED ? find_sized_entries(items, keys)
                                             : find_entries_of_a_kind(items, keys);
}

static struct python_items begin_items(const struct python *python,
                                       const struct python_memory *memory, enum python_kind kind)
{
    return (struct python_items){
        .python = python, .memory = memory, .kind = kind, .scanned_left = SCAN_MAX};
}

bool python_items_begin(const struct python *python, const struct python_memory *memory,
                        const struct python_object *object, struct python_items *ret)
{
    *ret = begin_items(python, memory, object->kind);
    bool ok = false;
    if (object->kind == PYTHON_TUPLE || object->kind == PYTHON_LIST)
        ok = begin_sequence(ret, object);
    else if (object->kind == PYTHON_SET || object->kind == PYTHON_FROZENSET)
        ok = begin_set(ret, object);
    else if (object->kind == PYTHON_DICT)
        ok = begin_dict(ret, object);
    return ok && ret->end <= PLACES_MAX && ret->length <= ret->end;
}

/* False: it cannot be read. *value 0: the place is empty. */
static bool read_place(const struct python_items *items, uint64_t place, uint64_t *key,
                       uint64_t *value)
{
    uint64_t words[3] = {0};
    if (!python_read(items->memory, items->from + place * items->entry_size, words,
                     items->entry_size))
        return false;
    *key = 0;
    *value = words[0];
    if (items->kind == PYTHON_SET || items->kind == PYTHON_FROZENSET)
        *value = words[1] == UINT64_MAX ? 0 : words[0]; /* hash -1: one that was removed */
    if (items->kind != PYTHON_DICT)
        return true;
    const uint64_t *pair = items->entry_size == 24 ? &words[1] : words;
    *key = pair[0];
    *value = pair[1];
    return !items->values || python_read_word(items->memory, items->values + place * 8, value);
}

enum python_step python_items_next(struct python_items *items, uint64_t *key, uint64_t *value)
{
    while (items->next < items->end) {
        if (!read_place(items, items->next, key, value))
            return PYTHON_STEP_UNREADABLE;
        items->next++;
        if (*value)
            return PYTHON_STEP_ITEM;
        if (!items->scanned_left)
            return PYTHON_STEP_LIMIT;
        items->scanned_left--;
    }
    return PYTHON_STEP_END;
}

/* --- Attributes. --- */

/* Py_TPFLAGS_*: Include/object.h; the first from 3.11, the second from 3.13 on. */
#define TYPE_MANAGED_DICT (UINT64_C(1) << 4)
#define TYPE_INLINE_VALUES (UINT64_C(1) << 2)

/* Bytes before an object: MANAGED_DICT_OFFSET, of 3.11 _PyObject_ValuesPointer, too. */
#define MANAGED_DICT 24
#define MANAGED_VALUES 32

/* PyDictValues.valid, from 3.13 on. */
#define VALUES_VALID 3

/* Attributes that share their keys with other instances: SHARED_KEYS_MAX_SIZE is 30. */
#define SHARED_MAX 64
/* Objects are no larger, bytes, without what varies. */
#define BASIC_SIZE_MAX (1 << 16)

/* Either is 0 where there are none. */
struct attributes {
    uint64_t dict, values;
};

static bool find_inline(const struct python_items *items, const struct python_object *object,
                        struct attributes *ret)
{
    uint64_t size;
    uint8_t is_valid;
    if (!python_read_word(items->memory, object->type + PYTHON_TYPE_BASIC_SIZE, &size) ||
        size > BASIC_SIZE_MAX ||
        !python_read(items->memory, object->address + size + VALUES_VALID, &is_valid, 1))
        return false;
    ret->values = is_valid ? object->address + size : 0;
    return true;
}

static bool find_managed(const struct python_items *items, const struct python_object *object,
                         uint64_t flags, struct attributes *ret)
{
    enum python_attribute_kind kind = items->python->layout.attributes;
    if (!python_read_word(items->memory, object->address - MANAGED_DICT, &ret->dict))
        return false;
    if (kind == PYTHON_VALUES_OR_DICT && ret->dict & 1)
        *ret = (struct attributes){.values = ret->dict + 1};
    else if (kind == PYTHON_BESIDE_DICT && !ret->dict)
        return python_read_word(items->memory, object->address - MANAGED_VALUES, &ret->values);
    else if (kind == PYTHON_INLINE && !ret->dict && flags & TYPE_INLINE_VALUES)
        return find_inline(items, object, ret);
    return true;
}

/* Types whose instances vary in size have the place of the dict below zero: it is not looked for.
 */
static bool find_attributes(const struct python_items *items, const struct python_object *object,
                            struct attributes *ret)
{
    uint64_t flags, offset;
    if (!python_read_word(items->memory, object->type + PYTHON_TYPE_FLAGS, &flags) ||
        !python_read_word(items->memory, object->type + PYTHON_TYPE_DICT_OFFSET, &offset))
        return false;
    if (items->python->layout.attributes != PYTHON_IN_DICT && flags & TYPE_MANAGED_DICT)
        return find_managed(items, object, flags, ret);
    if (!offset || offset > BASIC_SIZE_MAX)
        return true;
    return python_read_word(items->memory, object->address + offset, &ret->dict);
}

/* How many there are is not written anywhere. */
static bool count_values(struct python_items *items)
{
    uint64_t key, value;
    enum python_step step;
    struct python_items counted = *items;
    while ((step = python_items_next(&counted, &key, &value)) == PYTHON_STEP_ITEM)
        items->length++;
    return step == PYTHON_STEP_END;
}

static bool begin_values(struct python_items *items, uint64_t type, uint64_t values)
{
    const struct python_layout *layout = &items->python->layout;
    uint64_t keys;
    items->values = values + layout->values_first;
    return python_read_word(items->memory, type + layout->type_qualified_name + 8, &keys) &&
           python_read_word(items->memory, keys + layout->keys_count, &items->end) &&
           items->end <= SHARED_MAX && find_entries_of_a_kind(items, keys) && count_values(items);
}

bool python_attributes_begin(const struct python *python, const struct python_memory *memory,
                             const struct python_object *object, struct python_items *ret)
{
    struct attributes attributes = {0};
    struct python_object dict;
    *ret = begin_items(python, memory, PYTHON_DICT);
    if (!find_attributes(ret, object, &attributes))
        return false;
    if (attributes.values)
        return begin_values(ret, object->type, attributes.values);
    return !attributes.dict ||
           (python_object_read(python, memory, attributes.dict, &dict) &&
            dict.kind == PYTHON_DICT && python_items_begin(python, memory, &dict, ret));
}
