/* The step that keeps a session from anything but reading. */
#include "src/crepl/complain.h"
#include "src/crepl/evaluation_private.h"
#include "src/crepl/read_only.h"

static void refuse_finding(struct evaluation *evaluation, const struct read_only_finding *finding)
{
    const char *reads = evaluation->crepl->session->read_only
                            ? "this session only reads (--read-only)"
                            : "while threads stand only what reads may run";
    if (finding->length)
        text_place_set(evaluation->text, finding->start, finding->length, &evaluation->place);
    if (finding->length)
        answer_refuse(evaluation->answer, "'%.*s' in column %zu: %s; %s", (int)finding->length,
                      evaluation->text + finding->start, finding->start + 1, finding->why, reads);
    else
        answer_refuse(evaluation->answer, "%s; %s", finding->why, reads);
}

/* Which implementation an indirect function has, its resolver tells: it would be called. */
static const struct binding *find_indirect(const struct declarations *declarations)
{
    for (size_t i = 0; i < declarations->binding_count; i++)
        if (declarations->bindings[i].kind == BINDING_BY_NAME)
            return &declarations->bindings[i];
    return NULL;
}

/* What would write or call is refused, before anything runs. */
struct error *evaluation_check_reading(struct evaluation *evaluation)
{
    struct read_only_finding finding;
    if (!evaluation->crepl->session->read_only && !evaluation->held)
        return NULL;
    struct error *error = read_only_check(evaluation->text, evaluation->context, &finding);
    if (error)
        return error;
    const struct binding *indirect = find_indirect(&evaluation->declarations);
    if (!finding.why && evaluation->snippet.kind != SNIPPET_EXPRESSION)
        finding = (struct read_only_finding){"only expressions are evaluated", 0, 0};
    else if (!finding.why && indirect)
        finding = (struct read_only_finding){"where it is only a call of its resolver tells", 0, 0};
    if (finding.why)
        refuse_finding(evaluation, &finding);
    return NULL;
}
