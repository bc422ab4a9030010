/* Definitions of structures, unions and enumerations. */
#include "src/crepl/declare_private.h"

#include "src/crepl/base_types.h"
#include "src/types.h"

#include <dwarf.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define BITS 8
#define ANONYMOUS_DEPTH_MAX 16
/* Members are compared with one another only up to so many: those of C never clash. */
#define COMPARED_MAX 2000

/* One definition that is being written. */
struct body {
    struct declarer *declarer;
    struct ctype *type;
    FILE *members, *assertions;
    unsigned fillers;
    char **names; /* of members so far; malloc'ed */
    size_t name_count, name_capacity;
};

/* --- Names of members. --- */

static bool is_taken(const struct body *body, const char *name)
{
    for (size_t i = 0; i < body->name_count && i < COMPARED_MAX; i++) {
        if (strcmp(body->names[i], name) == 0)
            return true;
    }
    return false;
}

/* Owned by the body; NULL without memory. A derived class may name members as its base does. */
static const char *member_name(struct body *body, const struct layout_member *member)
{
    char *stem = c_identifier(member->name ? member->name : "unnamed"), *name = NULL;
    if (body->name_count == body->name_capacity) {
        size_t larger = body->name_capacity ? 2 * body->name_capacity : 32;
        char **names = reallocarray(body->names, larger, sizeof(*names));
        if (names) {
            body->names = names;
            body->name_capacity = larger;
        }
    }
    for (unsigned number = 1; stem && !name; number++) {
        if (asprintf(&name, number > 1 ? "%s__%u" : "%s", stem, number) < 0) {
            name = NULL;
            break;
        }
        if (is_taken(body, name)) {
            free(name);
            name = NULL;
        }
    }
    free(stem);
    if (!name || body->name_count == body->name_capacity) {
        free(name);
        body->declarer->no_memory = true;
        return NULL;
    }
    body->names[body->name_count++] = name;
    return name;
}

/* --- Members. --- */

static void fill_bits(struct body *body, uint64_t *at, uint64_t to)
{
    while (*at < to) {
        uint64_t bits = BITS - *at % BITS;
        if (bits > to - *at)
            bits = to - *at;
        fprintf(body->members, "unsigned char : %" PRIu64 "; ", bits);
        *at += bits;
    }
}

/* Writes what lies between two places, bits from the start of the structure. */
static void fill(struct body *body, uint64_t at, uint64_t to)
{
    uint64_t first = (at + BITS - 1) / BITS * BITS;
    if (at < to)
        fill_bits(body, &at, first < to ? first : to);
    if (to - at >= BITS && at < to) {
        uint64_t bytes = (to - at) / BITS;
        fprintf(body->members, "unsigned char __filler%u[%" PRIu64 "]; ", body->fillers++, bytes);
        at += bytes * BITS;
    }
    fill_bits(body, &at, to);
}

static void write_attributes(FILE *file, const struct layout *layout)
{
    if (layout->packed && layout->aligned)
        fprintf(file, " __attribute__((packed, aligned(%" PRIu64 ")))", layout->alignment);
    else if (layout->packed)
        fputs(" __attribute__((packed))", file);
    else if (layout->aligned)
        fprintf(file, " __attribute__((aligned(%" PRIu64 ")))", layout->alignment);
}

static void write_members(struct body *body, const struct layout *layout, uint64_t base,
                          unsigned depth);

/* False: it is no structure whose members can be written here. */
static bool write_anonymous(struct body *body, const struct layout_member *member, uint64_t base,
                            unsigned depth)
{
    struct declarer *declarer = body->declarer;
    Dwarf_Die die;
    const struct layout *layout = NULL;
    if (member->anonymous && depth < ANONYMOUS_DEPTH_MAX &&
        layouts_strip(declarer->layouts, body->type->module, &member->type, &die))
        layout = layouts_get(declarer->layouts, body->type->module, &die);
    if (!layout)
        return false;
    fputs(layout->is_union ? "union { " : "struct { ", body->members);
    write_members(body, layout, base + member->offset, depth + 1);
    fputs("}", body->members);
    write_attributes(body->members, layout);
    return true;
}

/* Enumerations and what is no integer are read as numbers. */
static const char *bit_field_type(struct body *body, const struct layout_member *member)
{
    Dwarf_Die die;
    const char *word = NULL;
    if (!layouts_strip(body->declarer->layouts, body->type->module, &member->type, &die))
        return "unsigned char";
    if (dwarf_tag(&die) == DW_TAG_base_type)
        word = base_type_text(&die);
    if (!word)
        word = integer_type_text(member->size, type_is_signed(&die));
    return word ? word : "unsigned char";
}

static void assert_place(struct body *body, const char *name, uint64_t offset)
{
    fprintf(body->assertions,
            "_Static_assert(__builtin_offsetof(%s %s, %s) == %" PRIu64 ", \"%s.%s\");\n",
            body->type->keyword, body->type->tag, name, offset, body->type->tag, name);
}

static void write_named(struct body *body, const struct layout_member *member, uint64_t base)
{
    const char *name = member_name(body, member);
    if (!name)
        return;
    if (member->bits) {
        fprintf(body->members, "%s %s : %" PRIu64, bit_field_type(body, member), name,
                member->bits);
        return;
    }
    char *text =
        declarator(body->declarer, body->type->module, &member->type, strdup(name), TYPE_WHOLE);
    fputs(text ? text : "", body->members);
    free(text);
    assert_place(body, name, base + member->offset);
}

static void write_members(struct body *body, const struct layout *layout, uint64_t base,
                          unsigned depth)
{
    uint64_t at = 0, end = 0;
    for (size_t i = 0; i < layout->count && !body->declarer->no_memory; i++) {
        const struct layout_member *member = &layout->members[i];
        uint64_t start = member->bits ? member->bit : member->offset * BITS;
        /* Only the last member may be an array without a length. */
        if (member->flexible && (i + 1 < layout->count || layout->is_union || layout->count == 1))
            continue;
        if (member->fill)
            fill(body, at, start);
        if (!write_anonymous(body, member, base, depth))
            write_named(body, member, base);
        if (member->alignment)
            fprintf(body->members, " __attribute__((aligned(%" PRIu64 ")))", member->alignment);
        fputs("; ", body->members);
        at = start + (member->bits ? member->bits : member->size * BITS);
        if (at > end)
            end = at;
    }
    if (layout->packed)
        fill(body, layout->is_union ? 0 : end, layout->size * BITS);
}

static void assert_size(FILE *file, const struct ctype *type, uint64_t size)
{
    fprintf(file, "_Static_assert(sizeof(%s %s) == %" PRIu64 ", \"%s\");\n", type->keyword,
            type->tag, size, type->tag);
}

/* Of the right size, and no more. */
static void write_bytes(FILE *file, const struct ctype *type, uint64_t size, uint64_t alignment)
{
    fprintf(file, "%s %s { ", type->keyword, type->tag);
    if (size)
        fprintf(file, "unsigned char __opaque[%" PRIu64 "]; ", size);
    fputs("}", file);
    if (alignment > 1)
        fprintf(file, " __attribute__((aligned(%" PRIu64 ")))", alignment);
    fputs(";\n", file);
    assert_size(file, type, size);
}

static void write_structure(struct declarer *declarer, struct ctype *type,
                            const struct layout *layout)
{
    char *members = NULL, *assertions = NULL;
    size_t members_size, assertions_size;
    struct body body = {.declarer = declarer, .type = type};
    body.members = open_memstream(&members, &members_size);
    body.assertions = open_memstream(&assertions, &assertions_size);
    if (body.members && body.assertions)
        write_members(&body, layout, 0, 0);
    bool failed = !body.members || fclose(body.members) != 0;
    failed |= !body.assertions || fclose(body.assertions) != 0;
    if (failed) {
        declarer->no_memory = true;
    } else {
        fprintf(declarer->out, "%s %s { %s}", type->keyword, type->tag, members);
        write_attributes(declarer->out, layout);
        fputs(";\n", declarer->out);
        assert_size(declarer->out, type, layout->size);
        fputs(assertions, declarer->out);
    }
    for (size_t i = 0; i < body.name_count; i++)
        free(body.names[i]);
    free(body.names);
    free(members);
    free(assertions);
}

/* --- Enumerations. --- */

/* The numbers at both ends tell a compiler which type it needs; the names themselves are declared
   only where the snippet has them, since those of different units may clash. */
static void write_enumeration(struct declarer *declarer, struct ctype *type)
{
    Dwarf_Die die, child;
    int64_t low = 0, high = 0;
    uint64_t number;
    bool is_signed;
    die = type->die;
    is_signed = type_is_signed(&die);
    if (dwarf_child(&die, &child) == 0) {
        do {
            if (!layout_number(&child, DW_AT_const_value, &number))
                continue;
            int64_t value = is_signed ? (int32_t)number : (int64_t)(uint32_t)number;
            low = value < low ? value : low;
            high = value > high ? value : high;
        } while (dwarf_siblingof(&child, &child) == 0);
    }
    fprintf(declarer->out,
            "enum %s { __%s__low = %" PRId64 ", __%s__high = %" PRId64 " };\n"
            "_Static_assert(sizeof(enum %s) == 4, \"%s\");\n",
            type->tag, type->tag, low, type->tag, high, type->tag, type->tag);
}

/* --- All types. --- */

void ctype_mention(struct declarer *declarer, struct ctype *type, bool wanted)
{
    if (type->round != declarer->round) {
        type->round = declarer->round;
        type->written = WRITTEN_NAME;
        type->wanted = false;
        if (declarer->mentioned_count == declarer->mentioned_capacity) {
            size_t larger = declarer->mentioned_capacity ? 2 * declarer->mentioned_capacity : 64;
            struct ctype **all = reallocarray(declarer->mentioned, larger, sizeof(struct ctype *));
            if (!all) {
                declarer->no_memory = true;
                return;
            }
            declarer->mentioned = all;
            declarer->mentioned_capacity = larger;
        }
        declarer->mentioned[declarer->mentioned_count++] = type;
        if (dwarf_tag(&type->die) == DW_TAG_enumeration_type)
            ctype_write(declarer, type);
        else
            fprintf(declarer->out, "%s %s;\n", type->keyword, type->tag);
    }
    type->wanted |= wanted;
}

static void write_all(struct declarer *declarer, struct ctype *type)
{
    uint64_t size, alignment;
    if (dwarf_tag(&type->die) == DW_TAG_enumeration_type) {
        write_enumeration(declarer, type);
    } else if (type->is_bytes) {
        if (layouts_measure(declarer->layouts, type->module, &type->die, &size, &alignment))
            write_bytes(declarer->out, type, size, alignment);
    } else {
        const struct layout *layout = layouts_get(declarer->layouts, type->module, &type->die);
        /* Without one it stays incomplete. */
        if (layout)
            write_structure(declarer, type, layout);
    }
}

void ctype_write(struct declarer *declarer, struct ctype *type)
{
    ctype_mention(declarer, type, true);
    if (type->written != WRITTEN_NAME)
        return;
    type->written = WRITTEN_BEGUN;
    write_all(declarer, type);
    type->written = WRITTEN_ALL;
}

static bool text_names_member(const struct tokens *tokens, const char *name, size_t length)
{
    for (size_t i = 0; tokens && i < tokens->count; i++) {
        const struct token *token = &tokens->tokens[i];
        if (token->use == USE_MEMBER && token->length == length &&
            memcmp(tokens->text + token->start, name, length) == 0)
            return true;
    }
    return false;
}

bool names_member(const struct declarer *declarer, const char *name)
{
    size_t length = strlen(name);
    for (const struct macro_body *body = declarer->bodies; body; body = body->next)
        if (text_names_member(&body->tokens, name, length))
            return true;
    return text_names_member(declarer->texts[0], name, length) ||
           text_names_member(declarer->texts[1], name, length);
}

static bool has_named_member(struct declarer *declarer, struct module *module,
                             const struct layout *layout, unsigned depth)
{
    for (size_t i = 0; layout && i < layout->count && depth < ANONYMOUS_DEPTH_MAX; i++) {
        const struct layout_member *member = &layout->members[i];
        Dwarf_Die die;
        if (member->name && names_member(declarer, member->name))
            return true;
        if (member->anonymous && layouts_strip(declarer->layouts, module, &member->type, &die) &&
            has_named_member(declarer, module, layouts_get(declarer->layouts, module, &die),
                             depth + 1))
            return true;
    }
    return false;
}

void ctypes_write_rest(struct declarer *declarer)
{
    /* Writing one may mention more. */
    for (size_t i = 0; i < declarer->mentioned_count && !declarer->no_memory; i++) {
        struct ctype *type = declarer->mentioned[i];
        if (type->written != WRITTEN_NAME)
            continue;
        const struct layout *layout =
            type->is_bytes ? NULL : layouts_get(declarer->layouts, type->module, &type->die);
        if (type->is_bytes || type->wanted || has_named_member(declarer, type->module, layout, 0)) {
            ctype_write(declarer, type);
            continue;
        }
        type->written = WRITTEN_ALL;
        if (layout)
            write_bytes(declarer->out, type, layout->size, layout->alignment);
    }
}
