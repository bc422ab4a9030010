#include "injector/cleanup.h"
#include "src/crepl/advice.h"
#include "src/crepl/complain.h"
#include "src/crepl/evaluation_private.h"
#include "src/crepl/tokens.h"
#include "src/message.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void evaluation_deinit(struct evaluation *evaluation)
{
    code_stack_deinit(&evaluation->stack);
    compiled_deinit(&evaluation->code);
    free(evaluation->source);
    free(evaluation->symbols);
    free(evaluation->context);
    declarations_deinit(&evaluation->declarations);
    free(evaluation->prelude);
    free(evaluation->named);
}

void answer_refuse(struct session_answer *answer, const char *format, ...)
{
    char raw[sizeof(answer->text)];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(raw, sizeof(raw), format, arguments);
    va_end(arguments);
    answer->outcome = MANHOLE_FAILED;
    message_sanitize(raw, answer->text, sizeof(answer->text));
}

bool evaluation_is_refused(const struct evaluation *evaluation)
{
    return evaluation->answer->outcome != MANHOLE_DONE || evaluation->answer->ended ||
           evaluation->answer->left;
}

/* --- What it names. --- */

static bool is_known(void *context, const char *name, size_t length, bool tag)
{
    const struct crepl *crepl = context;
    return definitions_has(&crepl->definitions, name, length, tag) ||
           (tag && headers_have(&crepl->headers, name, length, tag)) ||
           results_find(&crepl->results, name, length);
}

static bool is_session_type(void *context, const char *name, size_t length)
{
    const struct crepl *crepl = context;
    return definitions_has_type(&crepl->definitions, name, length) ||
           headers_have_type(&crepl->headers, name, length);
}

static bool is_in_header(void *context, const char *name, size_t length)
{
    const struct crepl *crepl = context;
    return headers_have(&crepl->headers, name, length, false);
}

static bool is_type(void *context, const char *name, size_t length)
{
    struct crepl *crepl = context;
    return is_session_type(crepl, name, length) || names_is_type(crepl->names, name, length);
}

struct type_names evaluation_types(const struct evaluation *evaluation)
{
    return (struct type_names){is_type, evaluation->crepl};
}

/* Declares what the text names of the session, results as "extern __typeof__(TYPE) $1;". */
static struct error *write_session(struct evaluation *evaluation, const struct tokens *tokens)
{
    struct crepl *crepl = evaluation->crepl;
    CLEANUP_FREE char *definitions = NULL;
    struct error *error = definitions_declare(&crepl->definitions, tokens, &definitions);
    if (error)
        return error;
    size_t size;
    FILE *out = open_memstream(&evaluation->prelude, &size);
    if (out)
        fputs(definitions, out);
    for (size_t i = 0; out && i < tokens->count; i++) {
        const char *name = evaluation->text + tokens->tokens[i].start;
        int length = (int)tokens->tokens[i].length;
        const struct result *result = results_find(&crepl->results, name, (size_t)length);
        if (result)
            fprintf(out, "extern __typeof__(%s) %.*s;\n", result->type, length, name);
    }
    return out && fclose(out) == 0 ? NULL : error_no_memory();
}

static struct error *write_prelude(struct evaluation *evaluation)
{
    struct tokens tokens;
    struct error *error = tokens_read(&tokens, evaluation->text, is_type, evaluation->crepl);
    if (error)
        return error;
    error = write_session(evaluation, &tokens);
    tokens_deinit(&tokens);
    return error;
}

/* Notes are said at once; what must not be compiled is the answer. */
static void report_problems(struct evaluation *evaluation)
{
    const struct declarations *declarations = &evaluation->declarations;
    for (size_t i = 0; i < declarations->problem_count; i++) {
        const struct problem *problem = &declarations->problems[i];
        char clean[512];
        if (problem->kind == PROBLEM_REFUSED && !evaluation_is_refused(evaluation))
            complain_problem(evaluation->text, problem, evaluation->answer, &evaluation->place);
        else if (problem->kind == PROBLEM_NOTE && !evaluation->quiet)
            message_note("%s", message_sanitize(problem->text, clean, sizeof(clean)));
    }
}

static struct error *declare(struct evaluation *evaluation)
{
    struct error *error = write_prelude(evaluation);
    if (error)
        return error;
    const struct declare_input input = {.snippet = evaluation->text,
                                        .prelude = evaluation->prelude,
                                        .is_known = is_known,
                                        .is_type = is_session_type,
                                        .is_declared = is_in_header,
                                        .context = evaluation->crepl};
    error = declarer_declare(evaluation->crepl->declarer, &input, &evaluation->declarations);
    if (error)
        return error;
    report_problems(evaluation);
    size_t size;
    FILE *out = open_memstream(&evaluation->context, &size);
    if (!out)
        return error_no_memory();
    fprintf(out, "%s\n%s\n", evaluation->declarations.text, evaluation->declarations.macros);
    headers_write(&evaluation->crepl->headers, out);
    fputs(evaluation->declarations.prelude, out);
    return fclose(out) == 0 ? NULL : error_no_memory();
}

/* --- What it is. --- */

static struct error *classify(struct evaluation *evaluation)
{
    struct error *error = snippet_classify(evaluation->context, evaluation->declarations.snippet,
                                           &evaluation->snippet);
    if (!error && evaluation->snippet.kind == SNIPPET_WRONG)
        complain_compiler(evaluation->text, &evaluation->declarations,
                          &evaluation->snippet.complaint, evaluation->answer, &evaluation->place);
    /* Only what the value holds is of one moment. */
    if (!error && evaluation->held)
        error = snippet_copy_arrays(evaluation->context, evaluation->declarations.snippet,
                                    &evaluation->snippet);
    return error;
}

static struct error *check_kind(struct evaluation *evaluation)
{
    const struct snippet *snippet = &evaluation->snippet;
    if (evaluation->needs_value && (snippet->kind != SNIPPET_EXPRESSION || !snippet->size))
        answer_refuse(evaluation->answer, "that is no expression with a value");
    if (evaluation->needs_definitions && snippet->kind != SNIPPET_DEFINITIONS)
        answer_refuse(evaluation->answer, "those are no definitions");
    return NULL;
}

/* --- Where all of it is. --- */

static struct error *add_symbol(struct evaluation *evaluation, const char *name, uint64_t address)
{
    struct code_symbol *larger = reallocarray(evaluation->symbols, evaluation->symbol_count + 1,
                                              sizeof(*evaluation->symbols));
    if (!larger)
        return error_no_memory();
    evaluation->symbols = larger;
    larger[evaluation->symbol_count++] = (struct code_symbol){name, address};
    return NULL;
}

static struct error *link_names(struct evaluation *evaluation)
{
    const struct declarations *declarations = &evaluation->declarations;
    struct error *error = NULL;
    for (size_t i = 0;
         !error && !evaluation_is_refused(evaluation) && i < declarations->binding_count; i++) {
        const struct binding *binding = &declarations->bindings[i];
        uint64_t address = 0;
        error = linkage_find(&evaluation->crepl->linkage, &evaluation->crepl->loader,
                             evaluation->crepl->modules, binding, &address, evaluation->answer);
        if (!error && !evaluation_is_refused(evaluation))
            error = add_symbol(evaluation, binding->name, address);
    }
    return error;
}

/* True for a name that the text defines anew. */
static bool is_redefined(const struct evaluation *evaluation, const struct tokens *tokens,
                         const char *name)
{
    if (evaluation->snippet.kind != SNIPPET_DEFINITIONS)
        return false;
    for (size_t i = 0; i < tokens->count; i++)
        if (tokens->tokens[i].at_file_level && token_is(tokens, &tokens->tokens[i], name))
            return true;
    return false;
}

static struct error *link_definitions(struct evaluation *evaluation)
{
    const struct definitions *definitions = &evaluation->crepl->definitions;
    const struct type_names types = evaluation_types(evaluation);
    struct tokens tokens;
    struct error *error = tokens_read(&tokens, evaluation->text, types.is_type, types.context);
    if (error)
        return error;
    for (size_t i = 0; !error && i < definitions->symbol_count; i++)
        if (!is_redefined(evaluation, &tokens, definitions->symbols[i].name))
            error = add_symbol(evaluation, definitions->symbols[i].name,
                               definitions->symbols[i].address);
    tokens_deinit(&tokens);
    return error;
}

static struct error *link_session(struct evaluation *evaluation)
{
    const struct crepl *crepl = evaluation->crepl;
    struct error *error = link_definitions(evaluation);
    for (size_t i = 0; !error && i < crepl->results.count; i++)
        error = add_symbol(evaluation, crepl->results.results[i].name,
                           crepl->results.results[i].address);
    if (!error && crepl->results.count)
        error =
            add_symbol(evaluation, "_", crepl->results.results[crepl->results.count - 1].address);
    return error;
}

/* Room for the value of an expression; of an array for its address. */
static struct error *make_room(struct evaluation *evaluation)
{
    if (evaluation->snippet.kind != SNIPPET_EXPRESSION || !evaluation->snippet.size)
        return NULL;
    struct error *error =
        results_reserve(&evaluation->crepl->results, &evaluation->crepl->loader,
                        evaluation->snippet.size, &evaluation->value, evaluation->answer);
    return error || evaluation_is_refused(evaluation)
               ? error
               : add_symbol(evaluation, SNIPPET_VALUE, evaluation->value);
}

static struct error *link_all(struct evaluation *evaluation)
{
    struct error *error = link_names(evaluation);
    if (!error && !evaluation_is_refused(evaluation))
        error = link_session(evaluation);
    return error || evaluation_is_refused(evaluation) ? error : make_room(evaluation);
}

/* --- What becomes of the code. --- */

static struct error *find_string(const struct evaluation *evaluation, bool *ret)
{
    struct tokens tokens;
    struct error *error = tokens_read(&tokens, evaluation->declarations.snippet, NULL, NULL);
    if (error)
        return error;
    *ret = false;
    for (size_t i = 0; i < tokens.count; i++)
        *ret |= tokens.tokens[i].kind == TOKEN_STRING;
    tokens_deinit(&tokens);
    return NULL;
}

static struct error *explain_fault(struct evaluation *evaluation, uint64_t address)
{
    const struct executed executed = {evaluation->declarations.snippet, evaluation->source,
                                      &evaluation->code, address};
    return fault_explain(evaluation->crepl, &executed, evaluation->answer, &evaluation->place,
                         &evaluation->stack);
}

/* What the code printed stands on lines of its own. */
static struct error *execute(struct evaluation *evaluation)
{
    struct loader *loader = &evaluation->crepl->loader;
    uint64_t address = loader_address(loader);
    /* The program may be given the address of a string: with one in it, the code stays for good. It
       cannot where nothing is written: then it stays for the session, whose results may have it. */
    bool stays = false;
    struct error *error = find_string(evaluation, &stays);
    bool keep = stays && !evaluation->held && !evaluation->crepl->session->read_only;
    if (!error)
        error = loader_load(loader, &evaluation->code, keep, evaluation->answer);
    if (error || evaluation_is_refused(evaluation))
        return error;
    uint64_t start = compiled_find(&evaluation->code, SNIPPET_RUN);
    error = evaluation->held ? hold_execute(loader, start, evaluation->held, evaluation->answer)
                             : loader_execute(loader, start, evaluation->answer);
    terminal_end_line(evaluation->crepl->session->out);
    if (evaluation->answer->outcome == MANHOLE_FAULTED)
        linkage_forget_thread(&evaluation->crepl->linkage);
    exits_explain(&evaluation->crepl->linkage.exits, evaluation->crepl->session->process,
                  evaluation->answer);
    if (!error)
        error = explain_fault(evaluation, address);
    /* After a session that ended there is nobody to ask. */
    if (!error && !stays && !evaluation->answer->ended && !evaluation->answer->left)
        error = loader_unload(loader, &evaluation->code, address);
    return error;
}

/* Values of types that are defined anew cannot be read any more. */
static struct error *forget_results(struct evaluation *evaluation)
{
    struct tokens tokens;
    struct error *error = tokens_read(&tokens, evaluation->named, NULL, NULL);
    if (error)
        return error;
    for (size_t i = 0; i < tokens.count; i++)
        if (tokens.tokens[i].use == USE_TAG && tokens.tokens[i].at_file_level)
            results_forget_type(&evaluation->crepl->results,
                                evaluation->named + tokens.tokens[i].start,
                                tokens.tokens[i].length);
    tokens_deinit(&tokens);
    return NULL;
}

static struct error *define(struct evaluation *evaluation)
{
    uint64_t address = loader_address(&evaluation->crepl->loader);
    struct error *error =
        loader_load(&evaluation->crepl->loader, &evaluation->code, true, evaluation->answer);
    if (error || evaluation_is_refused(evaluation))
        return error;
    const struct type_names types = evaluation_types(evaluation);
    session_types_deinit(&evaluation->crepl->types);
    /* As it was typed: its names are looked up anew each time. */
    error = definitions_add(&evaluation->crepl->definitions, evaluation->named, &types,
                            &evaluation->code);
    if (!error)
        error = forget_results(evaluation);
    return error ? error
                 : code_pieces_add(&evaluation->crepl->pieces, &evaluation->code, address,
                                   evaluation->source, evaluation->declarations.snippet);
}

/* Of an array the code left the address. */
static bool find_array(struct evaluation *evaluation)
{
    return evaluation->snippet.copies || !snippet_is_array(evaluation->snippet.type) ||
           remote_read(evaluation->crepl->session->process, evaluation->value, &evaluation->value,
                       sizeof(evaluation->value)) == sizeof(evaluation->value);
}

static struct error *check_value(struct evaluation *evaluation)
{
    if (!find_array(evaluation))
        answer_refuse(evaluation->answer, "the value cannot be read: is the process still there?");
    return NULL;
}

struct shown crepl_shown(struct crepl *crepl, const char *type, uint64_t address)
{
    return (struct shown){.crepl = crepl,
                          .process = crepl->session->process,
                          .modules = crepl->modules,
                          .symbols = crepl->symbols,
                          .declarer = crepl->declarer,
                          .type = type,
                          .address = address};
}

struct error *crepl_describe(struct crepl *crepl, const char *type, uint64_t address, char **ret)
{
    struct shown shown = crepl_shown(crepl, type, address);
    shown.copied = true;
    return show_value(&shown, ret);
}

void crepl_write_line(struct crepl *crepl, const char *text)
{
    terminal_write(crepl->session->out, text, strlen(text));
    terminal_write(crepl->session->out, "\n", 1);
}

static struct error *keep_value(struct evaluation *evaluation, struct evaluated *ret)
{
    struct crepl *crepl = evaluation->crepl;
    const char *type = evaluation->snippet.type;
    ret->type = strdup(type);
    ret->number = ret->type ? results_add(&crepl->results, type, evaluation->value) : 0;
    return ret->number ? crepl_describe(crepl, type, evaluation->value, &ret->value)
                       : error_no_memory();
}

static struct error *run(struct evaluation *evaluation)
{
    if (evaluation->snippet.kind == SNIPPET_DEFINITIONS)
        return define(evaluation);
    struct error *error = execute(evaluation);
    return error || evaluation_is_refused(evaluation) || !evaluation->value
               ? error
               : check_value(evaluation);
}

/* From the text to what the code did. */
struct error *evaluation_run(struct evaluation *evaluation)
{
    static struct error *(*const steps[])(struct evaluation *) = {declare,
                                                                  classify,
                                                                  check_kind,
                                                                  evaluation_check_reading,
                                                                  evaluation_check_passing,
                                                                  evaluation_split,
                                                                  evaluation_name_types,
                                                                  link_all,
                                                                  evaluation_compile,
                                                                  run};
    *evaluation->answer = (struct session_answer){0};
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        struct error *error = steps[i](evaluation);
        if (error || evaluation_is_refused(evaluation) || evaluation->done)
            return error;
    }
    return NULL;
}

struct error *crepl_evaluate(struct crepl *crepl, const char *text, struct evaluated *ret)
{
    *ret = (struct evaluated){0};
    if (!crepl->advised)
        advise_debug_information(crepl->names);
    crepl->advised = true;
    CLEANUP_EVALUATION struct evaluation evaluation = {
        .crepl = crepl, .text = text, .answer = &ret->answer};
    struct error *error = evaluation_run(&evaluation);
    ret->place = evaluation.place;
    ret->stack = evaluation.stack;
    evaluation.stack = (struct code_stack){0};
    return error || evaluation_is_refused(&evaluation) || !evaluation.value
               ? error
               : keep_value(&evaluation, ret);
}

void evaluated_deinit(struct evaluated *evaluated)
{
    code_stack_deinit(&evaluated->stack);
    free(evaluated->type);
    free(evaluated->value);
    free(evaluated->traceback);
    *evaluated = (struct evaluated){0};
}

static struct error *find_value(struct evaluation *evaluation, struct expression_value *ret)
{
    *ret = (struct expression_value){0};
    struct error *error = evaluation_run(evaluation);
    if (!error && !evaluation_is_refused(evaluation)) {
        ret->type = strdup(evaluation->snippet.type);
        ret->address = evaluation->value;
        error = ret->type ? NULL : error_no_memory();
    }
    evaluation_deinit(evaluation);
    return error;
}

struct error *crepl_find_value(struct crepl *crepl, const char *text, struct expression_value *ret,
                               struct session_answer *answer)
{
    return find_value(
        &(struct evaluation){.crepl = crepl, .text = text, .needs_value = true, .answer = answer},
        ret);
}

struct error *crepl_find_frozen(struct crepl *crepl, const char *text, struct expression_value *ret,
                                struct hold_report *report, struct session_answer *answer)
{
    return find_value(
        &(struct evaluation){
            .crepl = crepl, .text = text, .needs_value = true, .held = report, .answer = answer},
        ret);
}

struct error *crepl_find_type(struct crepl *crepl, const char *text, bool quiet, char **ret,
                              struct session_answer *answer)
{
    CLEANUP_EVALUATION struct evaluation evaluation = {
        .crepl = crepl, .text = text, .quiet = quiet, .answer = answer};
    *answer = (struct session_answer){0};
    *ret = NULL;
    struct error *error = declare(&evaluation);
    if (!error && !evaluation_is_refused(&evaluation))
        error = classify(&evaluation);
    if (error || evaluation_is_refused(&evaluation))
        return error;
    if (evaluation.snippet.kind != SNIPPET_EXPRESSION) {
        answer_refuse(answer, "that is no expression");
        return NULL;
    }
    *ret = strdup(evaluation.snippet.type);
    return *ret ? NULL : error_no_memory();
}

struct error *crepl_compile_data(struct crepl *crepl, const char *text, uint64_t *base,
                                 struct compiled *ret, bool *good)
{
    struct session_answer answer = {0};
    struct complaint complaint;
    CLEANUP_FREE char *source = NULL;
    CLEANUP_EVALUATION struct evaluation evaluation = {
        .crepl = crepl, .text = text, .quiet = true, .answer = &answer};
    struct error *error = declare(&evaluation);
    *good = false;
    *ret = (struct compiled){0};
    if (error || evaluation_is_refused(&evaluation))
        return error;
    *base = loader_address(&crepl->loader);
    evaluation.snippet.kind = SNIPPET_DEFINITIONS;
    error = snippet_source(evaluation.context, evaluation.declarations.snippet, &evaluation.snippet,
                           &source);
    if (!error)
        error = compile_at(source, NULL, 0, *base, &complaint, ret);
    *good = !error && !complaint.failed;
    return error;
}
