/* The steps that make machine code of the text. */
#include "injector/cleanup.h"
#include "src/crepl/complain.h"
#include "src/crepl/evaluation_private.h"
#include "src/message.h"

#include <stdlib.h>
#include <string.h>

/* Structures get the same names in what is compiled and in what is kept. */
struct error *evaluation_name_types(struct evaluation *evaluation)
{
    struct session_types *types = &evaluation->crepl->types;
    unsigned named = types->named;
    if (evaluation->snippet.kind != SNIPPET_DEFINITIONS)
        return NULL;
    struct error *error = session_types_name(types, &evaluation->declarations.snippet);
    evaluation->named = strdup(evaluation->text);
    types->named = named;
    if (!error && !evaluation->named)
        error = error_no_memory();
    return error ? error : session_types_name(types, &evaluation->named);
}

static struct error *make_source(struct evaluation *evaluation)
{
    CLEANUP_FREE char *text = evaluation->snippet.kind == SNIPPET_DEFINITIONS
                                  ? definitions_make_global(evaluation->declarations.snippet)
                                  : strdup(evaluation->declarations.snippet);
    return text ? snippet_source(evaluation->context, text, &evaluation->snippet,
                                 &evaluation->source)
                : error_no_memory();
}

/* The first value of a constant is an assignment to others than libtcc, and so is an expression's
   value of a type that is const. */
static bool assigns_constant(const struct evaluation *evaluation)
{
    const struct snippet *snippet = &evaluation->snippet;
    return evaluation->sets_values ||
           (snippet->kind == SNIPPET_EXPRESSION && strstr(snippet->type, "const"));
}

static struct error *make_code(struct evaluation *evaluation, struct complaint *complaint)
{
    const struct crepl *crepl = evaluation->crepl;
    const struct compile_input input = {.source = evaluation->source,
                                        .given = evaluation->symbols,
                                        .given_count = evaluation->symbol_count,
                                        .address = loader_address(&crepl->loader),
                                        .ignores_const = assigns_constant(evaluation)};
    if (crepl->compiler != COMPILER_TCC)
        return compile_external(crepl->compiler, &input, complaint, &evaluation->code);
    return compile_at(input.source, input.given, input.given_count, input.address, complaint,
                      &evaluation->code);
}

/* The first value of a constant is the one that it may be given. */
static bool is_set_once(const struct evaluation *evaluation, const struct complaint *complaint)
{
    return evaluation->sets_values &&
           strcmp(complaint->text, "assignment of read-only location") == 0;
}

struct error *evaluation_compile(struct evaluation *evaluation)
{
    struct complaint complaint;
    char clean[sizeof(complaint.text)];
    struct error *error = make_source(evaluation);
    if (!error)
        error = make_code(evaluation, &complaint);
    if (!error && complaint.failed)
        complain_compiler(evaluation->text, &evaluation->declarations, &complaint,
                          evaluation->answer, &evaluation->place);
    else if (!error && *complaint.text && complaint.line > 0 &&
             !is_set_once(evaluation, &complaint))
        /* Others are about what was put around the text: the value may be const. */
        message_note("warning: %s", message_sanitize(complaint.text, clean, sizeof(clean)));
    return error;
}
