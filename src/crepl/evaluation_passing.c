/* The step that keeps structures from being passed as the compiler should not pass them: where only
   a header of the user's says how a function takes its arguments, and where another compiler made
   the function. */
#include "src/crepl/evaluation_private.h"
#include "src/crepl/tokens.h"

#include <string.h>

/* "struct pair (*)(struct pair *)": the first is passed by value, the second is not. */
static bool passes_structure(const char *type)
{
    static const char *const words[] = {"struct ", "union "};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        for (const char *at = strstr(type, words[i]); at; at = strstr(at, words[i])) {
            at += strlen(words[i]);
            at += strcspn(at, " ,()[");
            at += strspn(at, " ");
            if (*at != '*')
                return true;
        }
    }
    return false;
}

/* The debug information would tell which structures libtcc gets wrong (by_value.h); a declaration
   alone does not. Others pass them as the program's compiler did. */
static struct error *check_headers(struct evaluation *evaluation)
{
    const struct declarations *declarations = &evaluation->declarations;
    struct error *error = NULL;
    for (size_t i = 0;
         i < declarations->binding_count && !error && !evaluation_is_refused(evaluation); i++) {
        const struct binding *binding = &declarations->bindings[i];
        struct snippet snippet;
        if (!binding->unchecked || !binding->is_function)
            continue;
        error = snippet_classify(evaluation->context, binding->name, &snippet);
        if (!error && snippet.kind == SNIPPET_EXPRESSION && passes_structure(snippet.type))
            answer_refuse(evaluation->answer,
                          "%s cannot be called from here: it passes a structure by value, and "
                          "without debug information it is not known whether the compiler used "
                          "here does that as the program's; '.cc gcc' would",
                          binding->name);
    }
    return error;
}

/* --- Code of several compilers. --- */

/* True for a name of the session that may be, or point to, code that passes its arguments otherwise
   than what is compiled now. */
static bool is_of_others(const struct crepl *crepl, const char *name, size_t length)
{
    const struct definitions *definitions = &crepl->definitions;
    bool now = crepl->compiler != COMPILER_TCC;
    if (results_find(&crepl->results, name, length))
        return !now;
    for (size_t i = 0; i < definitions->symbol_count; i++) {
        const struct code_symbol *symbol = &definitions->symbols[i];
        if (strlen(symbol->name) == length && strncmp(symbol->name, name, length) == 0)
            return code_pieces_is_foreign(&crepl->pieces, symbol->address) != now;
    }
    return false;
}

static struct error *check_name(struct evaluation *evaluation, const char *name, size_t length)
{
    char copy[256];
    struct snippet snippet;
    if (!is_of_others(evaluation->crepl, name, length) || length >= sizeof(copy))
        return NULL;
    snprintf(copy, sizeof(copy), "%.*s", (int)length, name);
    struct error *error = snippet_classify(evaluation->context, copy, &snippet);
    if (!error && snippet.kind == SNIPPET_EXPRESSION && strchr(snippet.type, '(') &&
        passes_structure(snippet.type))
        answer_refuse(evaluation->answer,
                      "%s is of another compiler and passes a structure by value, which %s does "
                      "otherwise; .cc changes the compiler",
                      copy, compiler_name(evaluation->crepl->compiler));
    return error;
}

static struct error *check_session(struct evaluation *evaluation)
{
    struct tokens tokens;
    struct error *error = tokens_read(&tokens, evaluation->text, NULL, NULL);
    if (error)
        return error;
    for (size_t i = 0; i < tokens.count && !error && !evaluation_is_refused(evaluation); i++) {
        const struct token *token = &tokens.tokens[i];
        if (token->use == USE_ORDINARY && !token->at_file_level)
            error = check_name(evaluation, evaluation->text + token->start, token->length);
    }
    tokens_deinit(&tokens);
    return error;
}

struct error *evaluation_check_passing(struct evaluation *evaluation)
{
    const struct crepl *crepl = evaluation->crepl;
    struct error *error = crepl->compiler == COMPILER_TCC ? check_headers(evaluation) : NULL;
    return error || !crepl->compiler_changed || evaluation_is_refused(evaluation)
               ? error
               : check_session(evaluation);
}
