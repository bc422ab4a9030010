/* The step for texts that are evaluated in parts. */
#include "src/crepl/evaluation_private.h"
#include "src/crepl/initialisers.h"

/* Evaluates a part of the text; *ret: it was what it had to be. */
static struct error *evaluate_part(struct evaluation *evaluation, const char *text,
                                   bool needs_definitions, bool *ret)
{
    CLEANUP_EVALUATION struct evaluation part = {.crepl = evaluation->crepl,
                                                 .text = text,
                                                 .needs_definitions = needs_definitions,
                                                 .sets_values = !needs_definitions,
                                                 .answer = evaluation->answer};
    struct error *error = evaluation_run(&part);
    *ret = !needs_definitions || part.snippet.kind == SNIPPET_DEFINITIONS;
    return error;
}

static struct error *evaluate_parts(struct evaluation *evaluation,
                                    const struct initialisers *initialisers)
{
    struct error *error =
        evaluate_part(evaluation, initialisers->definitions, true, &evaluation->done);
    if (!error && evaluation->done && !evaluation_is_refused(evaluation)) {
        bool ignored;
        error = evaluate_part(evaluation, initialisers->statements, false, &ignored);
    }
    /* Statements, of which some declare something: they run as they are. */
    if (!error && !evaluation->done)
        *evaluation->answer = (struct session_answer){0};
    return error;
}

/* Variables whose values have to be computed. */
struct error *evaluation_split(struct evaluation *evaluation)
{
    struct initialisers initialisers;
    const struct type_names types = evaluation_types(evaluation);
    if (evaluation->snippet.kind != SNIPPET_STATEMENTS)
        return NULL;
    struct error *error = initialisers_split(evaluation->text, &types, &initialisers);
    if (error)
        return error;
    if (initialisers.unsized)
        answer_refuse(evaluation->answer,
                      "%s: say how many elements it has, since its values are no constants",
                      initialisers.unsized);
    else if (initialisers.statements)
        error = evaluate_parts(evaluation, &initialisers);
    initialisers_deinit(&initialisers);
    return error;
}
