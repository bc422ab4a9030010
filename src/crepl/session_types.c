#include "src/crepl/session_types.h"

#include "injector/cleanup.h"
#include "src/crepl/crepl_private.h"
#include "src/crepl/tokens.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The constants that the compiler is asked for. */
#define SIZE "__manhole_size"
#define PLACES "__manhole_places"
#define BITS "__manhole_bits"
/* Structures beyond that are not looked into (bytes). */
#define SIZE_MAX_SHOWN (UINT64_C(1) << 20)
#define DEPTH_MAX 16

static void session_type_destroy(struct session_type *type)
{
    if (!type)
        return;
    for (size_t i = 0; i < type->member_count; i++) {
        free(type->members[i].name);
        type_text_destroy(type->members[i].type);
    }
    for (size_t i = 0; i < type->enumerator_count; i++)
        free(type->enumerators[i].name);
    free(type->members);
    free(type->enumerators);
    free(type->name);
    free(type);
}

void session_types_deinit(struct session_types *types)
{
    for (size_t i = 0; i < types->count; i++)
        session_type_destroy(types->types[i]);
    free(types->types);
    *types = (struct session_types){.named = types->named};
}

/* --- What the text has. --- */

struct body {
    const struct tokens *tokens;
    size_t first, end; /* between the braces */
};

static bool is_at(const struct tokens *tokens, size_t at, const char *text)
{
    return at < tokens->count && token_is(tokens, &tokens->tokens[at], text);
}

/* The bracket that closes the one at `at`, or the end. */
static size_t find_closing(const struct tokens *tokens, size_t at, size_t end)
{
    int depth = 0;
    for (; at < end; at++) {
        depth += token_depth_change(tokens, &tokens->tokens[at]);
        if (!depth)
            return at;
    }
    return end;
}

/* "struct point {": where that begins; false: not in this text. */
static bool find_body(const struct tokens *tokens, const char *name, struct body *ret)
{
    size_t keyword = strcspn(name, " ");
    for (size_t i = 0; i < tokens->count; i++) {
        const struct token *token = &tokens->tokens[i];
        size_t tag = i + 1;
        if (token->length != keyword || memcmp(tokens->text + token->start, name, keyword) != 0)
            continue;
        if (is_at(tokens, tag, "__attribute__"))
            tag = find_closing(tokens, tag + 1, tokens->count) + 1;
        if (is_at(tokens, tag, name + keyword + 1) && is_at(tokens, tag + 1, "{")) {
            *ret = (struct body){tokens, tag + 2, find_closing(tokens, tag + 1, tokens->count)};
            return true;
        }
    }
    return false;
}

/* False without memory. */
static bool add_member(struct session_type *type, const struct body *body, size_t at, bool is_bits)
{
    const struct token *token = &body->tokens->tokens[at];
    struct session_member *larger =
        reallocarray(type->members, type->member_count + 1, sizeof(*type->members));
    if (!larger)
        return false;
    type->members = larger;
    larger[type->member_count] = (struct session_member){
        .name = strndup(body->tokens->text + token->start, token->length), .bits = is_bits};
    return larger[type->member_count++].name;
}

/* The name in "*x[2]", "(*f)(int)", "x : 3", behind the words of a type too. */
static bool add_declarator(struct session_type *type, const struct body *declarator)
{
    const struct tokens *tokens = declarator->tokens;
    size_t name = declarator->end, at = declarator->first;
    bool in_pointer = false, is_bits = false;
    for (; at < declarator->end; at++) {
        const struct token *token = &tokens->tokens[at];
        if (token_is(tokens, token, "__attribute__") || token_is(tokens, token, "["))
            break;
        is_bits = token_is(tokens, token, ":");
        if (is_bits || (in_pointer && token_is(tokens, token, ")")))
            break;
        in_pointer |= token_is(tokens, token, "(");
        if (token->kind == TOKEN_NAME &&
            !token_is_keyword(tokens->text + token->start, token->length))
            name = at;
    }
    /* Without a name there is nothing to be shown: padding. */
    return name == declarator->end || add_member(type, declarator, name, is_bits);
}

static bool add_members(struct session_type *type, const struct body *body, unsigned depth);

/* "int x, *y", "struct { ... } z", "union { ... }". */
static bool add_item(struct session_type *type, const struct body *item, unsigned depth)
{
    struct body declarator = *item;
    const struct tokens *tokens = item->tokens;
    for (size_t i = item->first; i < item->end; i++) {
        if (!is_at(tokens, i, "{"))
            continue;
        const struct body inner = {tokens, i + 1, find_closing(tokens, i, item->end)};
        if (inner.end + 1 >= item->end)
            return add_members(type, &inner, depth + 1);
        declarator.first = i = inner.end + 1;
    }
    int nested = 0;
    for (size_t i = declarator.first; i < item->end; i++) {
        nested += token_depth_change(tokens, &tokens->tokens[i]);
        if (nested || !is_at(tokens, i, ","))
            continue;
        declarator.end = i;
        if (!add_declarator(type, &declarator))
            return false;
        declarator.first = i + 1;
    }
    declarator.end = item->end;
    return add_declarator(type, &declarator);
}

static bool add_members(struct session_type *type, const struct body *body, unsigned depth)
{
    struct body item = *body;
    int nested = 0;
    if (depth > DEPTH_MAX)
        return true;
    for (size_t i = body->first; i < body->end; i++) {
        nested += token_depth_change(body->tokens, &body->tokens->tokens[i]);
        if (nested || !is_at(body->tokens, i, ";"))
            continue;
        item.end = i;
        if (!add_item(type, &item, depth))
            return false;
        item.first = i + 1;
    }
    return true;
}

static bool add_enumerators(struct session_type *type, const struct body *body)
{
    int nested = 0;
    for (size_t i = body->first; i < body->end; i++) {
        const struct token *token = &body->tokens->tokens[i];
        nested += token_depth_change(body->tokens, token);
        if (nested || token->kind != TOKEN_NAME ||
            !(i == body->first || is_at(body->tokens, i - 1, ",")))
            continue;
        struct session_enumerator *larger =
            reallocarray(type->enumerators, type->enumerator_count + 1, sizeof(*type->enumerators));
        if (!larger)
            return false;
        type->enumerators = larger;
        larger[type->enumerator_count] = (struct session_enumerator){
            .name = strndup(body->tokens->text + token->start, token->length)};
        if (!larger[type->enumerator_count++].name)
            return false;
    }
    return true;
}

/* --- What the compiler says of it. --- */

/* Constants with the size, the places of members or the values of enumerators, and, for each
   bit-field, a structure in which its bits are set and no others. */
static char *write_question(const struct session_type *type)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    fprintf(out, "unsigned long " SIZE " = sizeof(%s);\nlong " PLACES "[] = {", type->name);
    for (size_t i = 0; i < type->member_count; i++) {
        if (type->members[i].bits)
            fputs("0, ", out);
        else
            fprintf(out, "(long)&((%s *)0)->%s, ", type->name, type->members[i].name);
    }
    for (size_t i = 0; i < type->enumerator_count; i++)
        fprintf(out, "(long)%s, ", type->enumerators[i].name);
    fputs("0};\n", out);
    for (size_t i = 0; i < type->member_count; i++)
        if (type->members[i].bits)
            fprintf(out, "%s " BITS "%zu = {.%s = -1};\n", type->name, i, type->members[i].name);
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

/* Of the data that the compiler made; false: it has not so much of that name. */
static bool read_constant(const struct compiled *code, uint64_t base, const char *name,
                          void *buffer, size_t size)
{
    uint64_t address = compiled_find(code, name), offset = address - base;
    if (!address || offset > code->size || size > code->size - offset)
        return false;
    size_t there = offset < code->image_size ? code->image_size - (size_t)offset : 0;
    memset(buffer, 0, size);
    memcpy(buffer, code->image + offset, there < size ? there : size);
    return true;
}

static bool read_bits(const struct compiled *code, uint64_t base, const struct session_type *type,
                      size_t index)
{
    char name[64];
    struct session_member *member = &type->members[index];
    CLEANUP_FREE uint8_t *bytes = malloc((size_t)type->size + 1);
    snprintf(name, sizeof(name), BITS "%zu", index);
    if (!bytes || !read_constant(code, base, name, bytes, (size_t)type->size))
        return false;
    member->bits = 0;
    for (unsigned bit = 0; bit < type->size * 8; bit++) {
        if (!(bytes[bit / 8] >> bit % 8 & 1))
            continue;
        if (!member->bits++)
            member->bit = bit;
    }
    return member->bits && member->bits <= 64;
}

static bool read_answer(const struct compiled *code, uint64_t base, struct session_type *type)
{
    size_t count = type->member_count + type->enumerator_count;
    CLEANUP_FREE int64_t *places = calloc(count + 1, sizeof(*places));
    if (!places || !read_constant(code, base, SIZE, &type->size, sizeof(type->size)) ||
        type->size > SIZE_MAX_SHOWN ||
        !read_constant(code, base, PLACES, places, count * sizeof(*places)))
        return false;
    for (size_t i = 0; i < type->member_count; i++) {
        type->members[i].offset = (uint64_t)places[i];
        if (type->members[i].bits && !read_bits(code, base, type, i))
            return false;
    }
    for (size_t i = 0; i < type->enumerator_count; i++)
        type->enumerators[i].value = places[i];
    return true;
}

static struct error *find_member_type(struct crepl *crepl, const struct session_type *type,
                                      struct session_member *member)
{
    struct session_answer answer;
    CLEANUP_FREE char *expression = NULL, *text = NULL;
    if (asprintf(&expression, "((%s *)0)->%s", type->name, member->name) < 0) {
        expression = NULL;
        return error_no_memory();
    }
    struct error *error = crepl_find_type(crepl, expression, true, &text, &answer);
    if (!error && text && !type_text_parse(text, crepl->declarer, &member->type))
        member->type = NULL;
    return error;
}

static struct error *lay_out(struct crepl *crepl, struct session_type *type, bool *good)
{
    uint64_t base;
    struct compiled code = {0};
    CLEANUP_FREE char *question = write_question(type);
    if (!question)
        return error_no_memory();
    struct error *error = crepl_compile_data(crepl, question, &base, &code, good);
    *good = !error && *good && read_answer(&code, base, type);
    compiled_deinit(&code);
    for (size_t i = 0; i < type->member_count && *good && !error; i++)
        error = find_member_type(crepl, type, &type->members[i]);
    return error;
}

/* --- Names for those that have none. --- */

/* "struct {" of a variable, typedef or named member; members without a name stay anonymous. */
static bool needs_name(const struct tokens *tokens, size_t at)
{
    static const char *const keywords[] = {"struct", "union", "enum"};
    bool found = false;
    for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++)
        found |= is_at(tokens, at, keywords[i]);
    if (!found || !is_at(tokens, at + 1, "{"))
        return false;
    size_t closing = find_closing(tokens, at + 1, tokens->count);
    return !is_at(tokens, closing + 1, ";");
}

struct error *session_types_name(struct session_types *types, char **text)
{
    struct tokens tokens;
    char *named = NULL;
    size_t size, at = 0;
    struct error *error = tokens_read(&tokens, *text, NULL, NULL);
    FILE *out = error ? NULL : open_memstream(&named, &size);
    if (!out)
        return error ? error : error_no_memory();
    for (size_t i = 0; i < tokens.count; i++) {
        if (!needs_name(&tokens, i))
            continue;
        size_t end = tokens.tokens[i].start + tokens.tokens[i].length;
        fprintf(out, "%.*s unnamed_%u", (int)(end - at), *text + at, ++types->named);
        at = end;
    }
    fputs(*text + at, out);
    tokens_deinit(&tokens);
    if (fclose(out) != 0) {
        free(named);
        return error_no_memory();
    }
    free(*text);
    *text = named;
    return NULL;
}

/* --- All of it. --- */

/* NULL: without memory. */
static struct session_type *read_type(const char *name, const struct body *body)
{
    struct session_type *type = calloc(1, sizeof(*type));
    if (!type)
        return NULL;
    type->name = strdup(name);
    bool good = type->name && (strncmp(name, "enum ", 5) == 0 ? add_enumerators(type, body)
                                                              : add_members(type, body, 0));
    if (good)
        return type;
    session_type_destroy(type);
    return NULL;
}

static struct error *keep(struct session_types *types, struct session_type *type)
{
    struct session_type **larger =
        reallocarray(types->types, types->count + 1, sizeof(struct session_type *));
    if (!larger)
        return error_no_memory();
    types->types = larger;
    larger[types->count++] = type;
    return NULL;
}

static struct error *make_type(struct crepl *crepl, const char *name, const char *declaration,
                               const struct session_type **ret)
{
    struct tokens tokens;
    struct body body;
    struct session_type *type = NULL;
    bool good = false;
    struct error *error = tokens_read(&tokens, declaration, NULL, NULL);
    if (error)
        return error;
    if (find_body(&tokens, name, &body)) {
        type = read_type(name, &body);
        error = type ? lay_out(crepl, type, &good) : error_no_memory();
    }
    tokens_deinit(&tokens);
    if (!error && good)
        error = keep(&crepl->types, type);
    if (error || !good) {
        session_type_destroy(type);
        return error;
    }
    *ret = type;
    return NULL;
}

struct error *session_types_find(struct crepl *crepl, const char *name,
                                 const struct session_type **ret)
{
    const struct definitions *definitions = &crepl->definitions;
    struct error *error = NULL;
    *ret = NULL;
    if (!strchr(name, ' '))
        return NULL;
    for (size_t i = 0; i < crepl->types.count; i++)
        if (strcmp(crepl->types.types[i]->name, name) == 0)
            *ret = crepl->types.types[i];
    for (size_t i = 0; i < definitions->count && !*ret && !error; i++)
        error = make_type(crepl, name, definitions->definitions[i].declaration, ret);
    return error;
}
