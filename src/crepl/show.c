#include "src/crepl/show.h"

#include "injector/cleanup.h"
#include "src/crepl/session_types.h"
#include "src/crepl/type_text.h"
#include "src/value_writer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* The longest text of a value, with its NUL. */
#define TEXT_MAX (256u << 10)
#define TOO_LONG " <cut: the text is longer than 256 KiB>"
#define TOO_MANY " <cut: too many values>"

/* The types of the language itself, as libtcc names them. */
static const struct base {
    const char *name;
    size_t size;
    bool is_signed;
    enum { INTEGER, CHARACTER, TRUTH, FLOATING } kind;
} bases[] = {
    {"char", 1, true, CHARACTER},
    {"signed char", 1, true, CHARACTER},
    {"unsigned char", 1, false, CHARACTER},
    {"_Bool", 1, false, TRUTH},
    {"short", 2, true, INTEGER},
    {"unsigned short", 2, false, INTEGER},
    {"int", 4, true, INTEGER},
    {"unsigned int", 4, false, INTEGER},
    {"unsigned", 4, false, INTEGER},
    {"long", 8, true, INTEGER},
    {"unsigned long", 8, false, INTEGER},
    {"long long", 8, true, INTEGER},
    {"unsigned long long", 8, false, INTEGER},
    {"float", 4, true, FLOATING},
    {"double", 8, true, FLOATING},
    {"long double", sizeof(long double), true, FLOATING},
};

static const struct base *find_base(const char *name)
{
    for (size_t i = 0; i < sizeof(bases) / sizeof(bases[0]); i++)
        if (strcmp(bases[i].name, name) == 0)
            return &bases[i];
    return NULL;
}

static void add_base_bytes(struct writer *writer, const struct base *base, const uint8_t *bytes)
{
    uint64_t value = 0;
    if (writer_has_format(writer)) {
        const struct formatted formatted = {.bytes = bytes,
                                            .size = base->size,
                                            .is_signed = base->is_signed,
                                            .is_float = base->kind == FLOATING};
        writer_add_formatted(writer, &formatted);
        return;
    }
    if (base->kind == FLOATING) {
        writer_add_float(writer, bytes, base->size);
        return;
    }
    memcpy(&value, bytes, base->size);
    unsigned unused = (unsigned)(sizeof(value) - base->size) * 8;
    if (base->is_signed)
        value = (uint64_t)((int64_t)(value << unused) >> unused);
    if (base->kind == CHARACTER)
        writer_add_char(writer, &encoding_char, value, base->is_signed);
    else if (base->kind == TRUTH && value <= 1)
        writer_add(writer, value ? "true" : "false");
    else
        writer_format(writer, base->is_signed ? "%" PRId64 : "%" PRIu64, value);
}

static bool is_char(const struct type_text *type)
{
    const struct base *base = type->kind == TYPE_TEXT_BASE ? find_base(type->name) : NULL;
    return base && base->kind == CHARACTER;
}

struct showing {
    struct writer writer;
    struct value_thread thread;
    struct value_frame frame;
    struct declarer *declarer;
    struct crepl *crepl;
    struct error *error; /* the first one: without memory */
};

/* One of the session's own; NULL: it is none. */
static const struct session_type *find_session_type(struct showing *showing, const char *name)
{
    const struct session_type *type = NULL;
    struct error *error = session_types_find(showing->crepl, name, &type);
    if (showing->error)
        error_destroy(error);
    else
        showing->error = error;
    return type;
}

/* Bytes of a value; false: not known. */
static bool size_of(struct showing *showing, const struct type_text *type, uint64_t *ret)
{
    const struct base *base;
    uint64_t alignment;
    switch (type->kind) {
    case TYPE_TEXT_POINTER:
        *ret = sizeof(uint64_t);
        return true;
    case TYPE_TEXT_ARRAY:
        return size_of(showing, type->target, ret) &&
               !__builtin_mul_overflow(*ret, type->count, ret);
    case TYPE_TEXT_FUNCTION:
        return false;
    case TYPE_TEXT_BASE:
        break;
    }
    base = find_base(type->name);
    const struct session_type *own = base ? NULL : find_session_type(showing, type->name);
    *ret = base ? base->size : own ? own->size : 0;
    return base || own ||
           (type->has_die && layouts_measure(declarer_layouts(showing->declarer), type->type.module,
                                             &type->type.die, ret, &alignment));
}

static void add_typed(struct showing *showing, const struct type_text *type, uint64_t address);

/* --- Types of the session. --- */

static void add_session_number(struct showing *showing, const struct session_type *type,
                               int32_t value)
{
    struct writer *writer = &showing->writer;
    const struct formatted formatted = {
        .bytes = (const uint8_t *)&value, .size = sizeof(value), .is_signed = true};
    if (writer_has_format(writer)) {
        writer_add_formatted(writer, &formatted);
        return;
    }
    for (size_t i = 0; i < type->enumerator_count; i++) {
        if (type->enumerators[i].value == value) {
            writer_add(writer, type->enumerators[i].name);
            return;
        }
    }
    writer_format(writer, "%" PRId32, value);
}

static void add_session_bits(struct showing *showing, const struct session_member *member,
                             uint64_t address)
{
    uint8_t bytes[16] = {0};
    unsigned __int128 all;
    const struct base *base = find_base(member->type->name ? member->type->name : "");
    if (!value_frame_read(&showing->frame, address + member->bit / 8, bytes,
                          (member->bit % 8 + member->bits + 7) / 8)) {
        writer_add_problem(&showing->writer, PLACE_UNREADABLE);
        return;
    }
    memcpy(&all, bytes, sizeof(all));
    unsigned unused = 64 - member->bits;
    uint64_t value = (uint64_t)(all >> member->bit % 8) << unused;
    value = base && base->is_signed ? (uint64_t)((int64_t)value >> unused) : value >> unused;
    if (base)
        add_base_bytes(&showing->writer, base, (const uint8_t *)&value);
    else
        writer_format(&showing->writer, "%" PRIu64, value);
}

static void add_session_structure(struct showing *showing, const struct session_type *type,
                                  uint64_t address)
{
    struct writer *writer = &showing->writer;
    writer_add(writer, "{");
    writer->indent++;
    for (size_t i = 0; i < type->member_count; i++) {
        const struct session_member *member = &type->members[i];
        writer_add(writer, i ? "," : "");
        writer_next_line(writer);
        writer_format(writer, "%s = ", member->name);
        if (!member->type)
            writer_add_problem(writer, PLACE_UNKNOWN);
        else if (member->bits)
            add_session_bits(showing, member, address);
        else
            add_typed(showing, member->type, address + member->offset);
    }
    writer->indent--;
    if (type->member_count)
        writer_next_line(writer);
    writer_add(writer, "}");
}

static void add_session_value(struct showing *showing, const struct session_type *type,
                              uint64_t address)
{
    int32_t value;
    if (!type->enumerator_count)
        add_session_structure(showing, type, address);
    else if (value_frame_read(&showing->frame, address, &value, sizeof(value)))
        add_session_number(showing, type, value);
    else
        writer_add_problem(&showing->writer, PLACE_UNREADABLE);
}

/* --- One kind after the other. --- */

static void add_base(struct showing *showing, const struct type_text *type, uint64_t address)
{
    uint8_t bytes[16];
    const struct base *base = find_base(type->name);
    const struct session_type *own = base ? NULL : find_session_type(showing, type->name);
    struct storage storage;
    storage_in_memory(&storage, address);
    if (own) {
        add_session_value(showing, own, address);
    } else if (type->has_die) {
        showing->frame.bias = type->type.module->bias;
        writer_add_value(&showing->writer, &type->type.die, &storage, 0);
    } else if (!base) {
        writer_add_problem(&showing->writer, PLACE_UNKNOWN);
    } else if (!value_frame_read(&showing->frame, address, bytes, base->size)) {
        writer_add_problem(&showing->writer, PLACE_UNREADABLE);
    } else {
        add_base_bytes(&showing->writer, base, bytes);
    }
}

static void add_pointer(struct showing *showing, const struct type_text *type, uint64_t address)
{
    uint64_t value;
    if (!value_frame_read(&showing->frame, address, &value, sizeof(value))) {
        writer_add_problem(&showing->writer, PLACE_UNREADABLE);
        return;
    }
    const struct formatted formatted = {.bytes = (const uint8_t *)&value, .size = sizeof(value)};
    if (writer_has_format(&showing->writer))
        writer_add_formatted(&showing->writer, &formatted);
    else
        writer_add_address(&showing->writer, is_char(type->target) ? &encoding_char : NULL, value);
}

/* An array's elements, as writer_add_elements sees them. */
struct typed_elements {
    struct elements elements; /* first: they are handed back */
    struct showing *showing;
    const struct type_text *type;
    uint64_t address, stride;
};

static void add_element(struct writer *writer, const struct elements *elements, uint64_t index)
{
    const struct typed_elements *typed = (const struct typed_elements *)elements;
    (void)writer; /* it is the showing's */
    add_typed(typed->showing, typed->type, typed->address + index * typed->stride);
}

static void add_array(struct showing *showing, const struct type_text *type, uint64_t address)
{
    struct typed_elements elements = {.elements = {.count = type->count, .add = add_element},
                                      .showing = showing,
                                      .type = type->target,
                                      .address = address};
    struct storage storage;
    storage_in_memory(&storage, address);
    if (!type->count)
        writer_add_address(&showing->writer, is_char(type->target) ? &encoding_char : NULL,
                           address);
    else if (is_char(type->target) && !writer_has_format(&showing->writer))
        writer_add_char_array(&showing->writer, &encoding_char, &storage, 0, type->count);
    else if (!size_of(showing, type->target, &elements.stride))
        writer_add_problem(&showing->writer, PLACE_UNKNOWN);
    else
        writer_add_elements(&showing->writer, &elements.elements);
}

static void add_typed(struct showing *showing, const struct type_text *type, uint64_t address)
{
    switch (type->kind) {
    case TYPE_TEXT_BASE:
        add_base(showing, type, address);
        return;
    case TYPE_TEXT_POINTER:
        add_pointer(showing, type, address);
        return;
    case TYPE_TEXT_ARRAY:
        add_array(showing, type, address);
        return;
    case TYPE_TEXT_FUNCTION:
        writer_add_problem(&showing->writer, PLACE_UNKNOWN);
        return;
    }
}

/* Of pointers other than to plain characters the type says what is behind them. */
static void add_top(struct showing *showing, const struct shown *shown,
                    const struct type_text *type)
{
    bool is_text = type->kind == TYPE_TEXT_POINTER && type->target->kind == TYPE_TEXT_BASE &&
                   strcmp(type->target->name, "char") == 0;
    if (type->kind == TYPE_TEXT_POINTER && !is_text && !writer_has_format(&showing->writer))
        writer_format(&showing->writer, "(%s) ", shown->type);
    add_typed(showing, type, shown->address);
}

/* Text of `size` bytes, and room for more behind it. NULL without memory. */
static char *show_begin(struct showing *showing, const struct shown *shown, size_t size,
                        size_t more)
{
    char *text = malloc(size + more);
    *showing = (struct showing){
        .thread = {.process = shown->process, .modules = shown->modules},
        .declarer = shown->declarer,
        .crepl = shown->crepl,
    };
    if (!text)
        return NULL;
    showing->frame.thread = &showing->thread;
    value_begin(&showing->thread);
    writer_init(&showing->writer, &showing->frame, shown->symbols, VALUE_NESTED, text, size);
    showing->writer.copied = shown->copied;
    showing->writer.format = shown->format;
    return text;
}

struct error *show_value(const struct shown *shown, char **ret)
{
    struct type_text *type;
    struct showing showing;
    if (!type_text_parse(shown->type, shown->declarer, &type))
        return error_create(ERROR_PARTIAL, 0, "%s: a type that cannot be shown", shown->type);
    *ret = show_begin(&showing, shown, TEXT_MAX, sizeof(TOO_LONG) + sizeof(TOO_MANY));
    if (*ret) {
        add_top(&showing, shown, type);
        char *end = *ret + writer_end(&showing.writer);
        /* "..." alone would look like what any long array has. */
        if (showing.writer.full)
            strcpy(end, TOO_LONG);
        else if (!showing.writer.work_left)
            strcpy(end, TOO_MANY);
    }
    type_text_destroy(type);
    return *ret ? showing.error : error_no_memory();
}

struct error *show_address(const struct shown *shown, char **ret)
{
    struct showing showing;
    *ret = show_begin(&showing, shown, VALUE_TEXT_MAX, 0);
    if (!*ret)
        return error_no_memory();
    writer_add_address(&showing.writer, NULL, shown->address);
    writer_end(&showing.writer);
    return NULL;
}
