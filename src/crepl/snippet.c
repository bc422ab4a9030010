#include "src/crepl/snippet.h"

#include "injector/cleanup.h"
#include "src/crepl/tokens.h"
#include "src/crepl/type_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* From here on lines are the user's. */
#define USER_TEXT "\n#line 1 \"input\"\n"
/* And after it again ours; what closes the user's text stands on lines of its own, so that a
   comment of his does not hide it. */
#define OUR_TEXT "\n#line 1 \"manhole\"\n"

/* An error that names the type of an expression: it cannot become a structure. */
#define PROBE "struct __manhole_probe"

static struct error *try_parts(const char *declarations, const char *before, const char *text,
                               const char *after, struct complaint *ret)
{
    CLEANUP_FREE char *source = NULL;
    if (asprintf(&source, "%s\n%s" USER_TEXT "%s" OUR_TEXT "%s", declarations, before, text,
                 after) < 0) {
        source = NULL;
        return error_no_memory();
    }
    return compile_try(source, ret);
}

/* Without the words that say where a variable is. */
static const char *skip_storage(const char *type)
{
    static const char *const words[] = {"extern ", "static ", "register "};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strncmp(type, words[i], strlen(words[i])) == 0)
            return skip_storage(type + strlen(words[i]));
    return type;
}

/* "(*)[3]" is a pointer to "[3]", "(**)(int)" one to "(*)(int)"; " *" one to nothing more. */
static void remove_pointer(char *type)
{
    char *inner = strstr(type, "(*)");
    char *deeper = strstr(type, "(**");
    if (deeper && (!inner || deeper < inner)) {
        memmove(deeper + 1, deeper + 2, strlen(deeper + 2) + 1);
    } else if (inner) {
        memmove(inner, inner + 3, strlen(inner + 3) + 1);
    } else {
        char *star = strrchr(type, '*');
        if (star)
            *star = '\0';
        for (size_t length = strlen(type); length && type[length - 1] == ' ';)
            type[--length] = '\0';
    }
}

/* The complaint about the probe, "cannot convert 'T *' to 'struct __manhole_probe'": T. */
static bool take_type(const struct complaint *complaint, char *type, size_t size)
{
    const char *begin = strchr(complaint->text, '\'');
    const char *end = strstr(complaint->text, "' to '" PROBE "'");
    if (!complaint->failed || !begin || !end || end <= begin)
        return false;
    snprintf(type, size, "%.*s", (int)(end - begin - 1), begin + 1);
    memmove(type, skip_storage(type), strlen(skip_storage(type)) + 1);
    remove_pointer(type);
    return true;
}

bool snippet_is_array(const char *type)
{
    struct type_text *parsed;
    if (!type_text_parse(type, NULL, &parsed))
        return false;
    bool is_array = parsed->kind == TYPE_TEXT_ARRAY;
    type_text_destroy(parsed);
    return is_array;
}

/* "int (int, char *)": what a function becomes when it is used is a pointer to it. */
static void make_pointer(char *type, size_t size)
{
    char *parameters = strchr(type, '(');
    if (!parameters || parameters[1] == '*' || strlen(type) + 4 > size)
        return;
    memmove(parameters + 3, parameters, strlen(parameters) + 1);
    memcpy(parameters, "(*)", 3);
}

/* Without the semicolon and the blanks at its end, which an expression may well have. */
static char *copy_expression(const char *text)
{
    size_t length = strlen(text);
    while (length && strchr(" \t\n;", text[length - 1]))
        length--;
    return strndup(text, length);
}

/* What the compiler takes for the type of an expression; *found is false when it has another
   complaint. In parentheses, so that a type does not count as one. */
static struct error *probe(const char *declarations, const char *before, const char *text,
                           const char *after, struct complaint *complaint, char *type, size_t size,
                           bool *found)
{
    CLEANUP_FREE char *whole_before = NULL, *whole_after = NULL;
    if (asprintf(&whole_before,
                 PROBE " { int x; };\nvoid __manhole_try(void)\n{\n" PROBE
                       " __manhole_probe; __manhole_probe = (__typeof__(%s(",
                 before) < 0 ||
        asprintf(&whole_after, ")%s) *)0; }", after) < 0)
        return error_no_memory();
    struct error *error = try_parts(declarations, whole_before, text, whole_after, complaint);
    *found = !error && take_type(complaint, type, size);
    return error;
}

static bool is_aggregate(const char *type)
{
    return (strncmp(type, "struct ", 7) == 0 || strncmp(type, "union ", 6) == 0) &&
           !strpbrk(type, "*[(");
}

/* Numbers and pointers have 16 bytes at most (long double), of arrays only the address is kept. */
#define SCALAR_BYTES 16

/* That of anything else shows in the type of an array of as many characters: "char [248]". */
static struct error *measure(const char *declarations, const char *expression,
                             struct snippet *snippet)
{
    char type[64];
    struct complaint ignored;
    bool found;
    struct error *error =
        probe(declarations, "char[sizeof", expression, "]", &ignored, type, sizeof(type), &found);
    if (!error && found && strchr(type, '['))
        snippet->size = strtoull(strchr(type, '[') + 1, NULL, 10);
    return error;
}

static struct error *find_size(const char *declarations, const char *expression,
                               struct snippet *snippet)
{
    snippet->size = strcmp(snippet->type, "void") == 0 ? 0 : SCALAR_BYTES;
    return is_aggregate(snippet->type) ? measure(declarations, expression, snippet) : NULL;
}

struct error *snippet_copy_arrays(const char *declarations, const char *text,
                                  struct snippet *snippet)
{
    if (snippet->kind != SNIPPET_EXPRESSION || !snippet_is_array(snippet->type))
        return NULL;
    CLEANUP_FREE char *expression = copy_expression(text);
    if (!expression)
        return error_no_memory();
    snippet->copies = true;
    return measure(declarations, expression, snippet);
}

static struct error *try_expression(const char *declarations, const char *text,
                                    struct snippet *snippet)
{
    bool found = false;
    CLEANUP_FREE char *expression = copy_expression(text);
    if (!expression)
        return error_no_memory();
    struct error *error = NULL;
    if (*expression)
        error = probe(declarations, "", expression, "", &snippet->complaint, snippet->type,
                      sizeof(snippet->type), &found);
    if (error || !found)
        return error;
    snippet->kind = SNIPPET_EXPRESSION;
    make_pointer(snippet->type, sizeof(snippet->type));
    return find_size(declarations, expression, snippet);
}

/* How far the compiler came says which reading was meant. "limit[0]" it takes for an int too. */
static void keep_better(struct complaint *best, const struct complaint *other)
{
    if (strstr(other->text, "redefinition of"))
        return;
    if (!best->at_end && (other->at_end || other->line > best->line))
        *best = *other;
}

static bool every_name(void *unused, const char *name, size_t length)
{
    (void)unused;
    (void)name;
    (void)length;
    return true;
}

/* No name, and no anonymous enumeration: what the compiler takes outside of functions too, though
   it never runs there, is a statement (an assembler's). */
static struct error *declares_nothing(const char *text, bool *ret)
{
    struct tokens tokens;
    struct error *error = tokens_read(&tokens, text, every_name, NULL);
    if (error)
        return error;
    *ret = !strchr(text, '{');
    for (size_t i = 0; i < tokens.count; i++)
        *ret = *ret && !tokens.tokens[i].at_file_level;
    tokens_deinit(&tokens);
    return NULL;
}

/* Labels of a switch, and no switch: libtcc would take the one in which an earlier compilation
   failed (cur_switch of tccgen.c, out of reach), which is gone. */
static struct error *find_lost_label(const char *text, struct complaint *ret)
{
    struct tokens tokens;
    struct error *error = tokens_read(&tokens, text, NULL, NULL);
    if (error)
        return error;
    bool has_label = false, has_switch = false;
    for (size_t i = 0; i < tokens.count; i++) {
        const struct token *token = &tokens.tokens[i];
        has_label |= token_is(&tokens, token, "case") || token_is(&tokens, token, "default");
        has_switch |= token_is(&tokens, token, "switch") || token_is(&tokens, token, "_Generic");
    }
    tokens_deinit(&tokens);
    ret->failed = has_label && !has_switch;
    if (ret->failed)
        snprintf(ret->text, sizeof(ret->text), "'case' and 'default' belong into a switch");
    return NULL;
}

struct error *snippet_classify(const char *declarations, const char *text, struct snippet *ret)
{
    *ret = (struct snippet){.kind = SNIPPET_WRONG};
    struct error *error = find_lost_label(text, &ret->complaint);
    if (error || ret->complaint.failed)
        return error;
    error = try_expression(declarations, text, ret);
    if (error || ret->kind == SNIPPET_EXPRESSION)
        return error;
    struct complaint definitions, statements;
    bool is_statement;
    error = declares_nothing(text, &is_statement);
    if (!error)
        error = try_parts(declarations, "", text, "", &definitions);
    if (!error && !definitions.failed && !is_statement) {
        ret->kind = SNIPPET_DEFINITIONS;
        ret->complaint = definitions;
        return NULL;
    }
    if (!error)
        error = try_parts(declarations, "void __manhole_try(void)\n{", text, ";\n}", &statements);
    if (error)
        return error;
    if (!statements.failed)
        ret->kind = SNIPPET_STATEMENTS;
    ret->complaint = statements;
    if (statements.failed)
        keep_better(&ret->complaint, &definitions);
    return NULL;
}

/* The assignment; of a bit-field __typeof__ would be one too (libtcc 0.9.27), so the type is said
   by its name. */
static int write_expression(const char *declarations, const char *expression, const char *type,
                            char **ret)
{
    const char *format = strcmp(type, "void") == 0
                             ? "%s\n%svoid " SNIPPET_RUN "(void)\n{%s" USER_TEXT "%s" OUR_TEXT
                               ";\n}"
                             : "%s\nextern __typeof__(%s) " SNIPPET_VALUE ";\nvoid " SNIPPET_RUN
                               "(void)\n{\n" SNIPPET_VALUE " = %s(" USER_TEXT "%s" OUR_TEXT ");\n}";
    if (strcmp(type, "void") == 0)
        return asprintf(ret, format, declarations, "", "", expression);
    if (!snippet_is_array(type))
        return asprintf(ret, format, declarations, type, "", expression);
    CLEANUP_FREE char *pointer = NULL;
    if (asprintf(&pointer, "__typeof__(%s) *", type) < 0) {
        pointer = NULL;
        return -1;
    }
    return asprintf(ret, format, declarations, pointer, "&", expression);
}

/* Byte by byte: arrays cannot be assigned. */
static int write_copy(const char *declarations, const char *expression, const char *type,
                      char **ret)
{
    return asprintf(
        ret,
        "%s\nextern __typeof__(%s) " SNIPPET_VALUE ";\nvoid " SNIPPET_RUN
        "(void)\n{\nconst volatile char *__manhole_from = (const volatile char *)&(" USER_TEXT
        "%s" OUR_TEXT ");\n"
        "for (unsigned long __manhole_at = 0; __manhole_at < sizeof(" SNIPPET_VALUE
        "); __manhole_at++)\n"
        "((char *)&" SNIPPET_VALUE ")[__manhole_at] = __manhole_from[__manhole_at];\n}",
        declarations, type, expression);
}

struct error *snippet_source(const char *declarations, const char *text,
                             const struct snippet *snippet, char **ret)
{
    int length = 0;
    CLEANUP_FREE char *expression = copy_expression(text);
    if (!expression)
        return error_no_memory();
    if (snippet->copies)
        length = write_copy(declarations, expression, snippet->type, ret);
    else if (snippet->kind == SNIPPET_EXPRESSION)
        length = write_expression(declarations, expression, snippet->type, ret);
    else if (snippet->kind == SNIPPET_STATEMENTS)
        length = asprintf(ret, "%s\nvoid " SNIPPET_RUN "(void)\n{" USER_TEXT "%s" OUR_TEXT ";\n}",
                          declarations, text);
    else
        length = asprintf(ret, "%s" USER_TEXT "%s" OUR_TEXT, declarations, text);
    return length < 0 ? error_no_memory() : NULL;
}
