#include "src/evaluate.h"

#include "src/python.h"

#include <stdio.h>
#include <string.h>

void evaluator_deinit(struct evaluator *evaluator)
{
    crepl_destroy(evaluator->crepl);
    evaluator->crepl = NULL;
}

static bool is_word_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/*
 * Commands go without their dot too, as in a plain session of nc(1), unless what follows the word
 * makes it C: "read(0, buffer, 1)", "env = 0", "log->level". "(env)" is the program's variable.
 */
static bool is_command(const char *text)
{
    static const char *const words[] = {"help", "bt",   "threads", "maps", "fds",  "env",   "read",
                                        "sym",  "call", "log",     "quit", "exit", "locals"};
    size_t length = 0;
    while (is_word_character(text[length]))
        length++;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strlen(words[i]) != length || strncmp(words[i], text, length) != 0)
            continue;
        char next = text[length + strspn(text + length, " \t")];
        return !next || !strchr("=.([-+;,*/<>?&|", next);
    }
    return false;
}

/* The word alone. */
static bool is_bare(const char *text, const char *word)
{
    size_t length = strlen(word);
    return strncmp(text, word, length) == 0 && !text[length + strspn(text + length, " \t\n")];
}

/* The C console, made when it is first needed. In the answer: why there is none. */
static struct error *need_crepl(struct evaluator *evaluator, struct session_answer *ret)
{
    if (evaluator->session->process)
        return evaluator->crepl ? NULL : crepl_create(evaluator->session, &evaluator->crepl);
    *ret = (struct session_answer){.outcome = MANHOLE_FAILED};
    snprintf(ret->text, sizeof(ret->text),
             "C takes the process itself, which cannot be seen from here: attach by its pid; "
             "'.help' lists the commands");
    return NULL;
}

static struct error *evaluate(struct evaluator *evaluator, const char *text, struct evaluated *ret)
{
    struct error *error = need_crepl(evaluator, &ret->answer);
    return error || !evaluator->crepl ? error : crepl_evaluate(evaluator->crepl, text, ret);
}

static struct error *run_own_command(struct evaluator *evaluator, const char *text,
                                     struct session_answer *ret)
{
    struct error *error = need_crepl(evaluator, ret);
    return error || !evaluator->crepl ? error : crepl_run_command(evaluator->crepl, text, ret);
}

/* Of the manhole's commands those that change nothing and call nothing of the program. */
static bool only_reads(const char *text)
{
    static const char *const words[] = {"help", "bt",  "threads", "maps", "fds", "env",
                                        "read", "sym", "locals",  "quit", "exit"};
    size_t length = strcspn(text, " \t\n");
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strlen(words[i]) == length && strncmp(words[i], text, length) == 0)
            return true;
    return false;
}

/* `help` without the name of a command lists those of the C console too. */
static struct error *run_command(struct evaluator *evaluator, const char *text,
                                 struct session_answer *ret)
{
    if (evaluator->session->read_only && !only_reads(text)) {
        *ret = (struct session_answer){.outcome = MANHOLE_FAILED};
        snprintf(ret->text, sizeof(ret->text),
                 "not known to only read, as this session does (--read-only)");
        return NULL;
    }
    struct error *error = session_run(evaluator->session, text, ret);
    if (!error && ret->outcome == MANHOLE_DONE && is_bare(text, "help"))
        crepl_list_commands(evaluator->session->out);
    return error;
}

struct error *evaluator_speak_python(struct evaluator *evaluator, struct session_answer *ret)
{
    *ret = (struct session_answer){.outcome = MANHOLE_FAILED};
    if (evaluator->session->read_only) {
        snprintf(ret->text, sizeof(ret->text),
                 "Python could do anything, and this session only reads (--read-only)");
        return NULL;
    }
    struct error *error = python_probe(evaluator->session, ret);
    if (!error && ret->outcome == MANHOLE_DONE && !ret->ended && !ret->left)
        evaluator->is_python = true;
    return error;
}

struct error *evaluator_run_script(struct evaluator *evaluator, const char *text,
                                   struct evaluated *ret)
{
    return python_evaluate(evaluator->session, text, true, ret);
}

struct error *evaluator_run(struct evaluator *evaluator, const char *text, struct evaluated *ret)
{
    *ret = (struct evaluated){0};
    const char *start = text + strspn(text, " \t\n");
    bool dotted = *start == '.' && is_word_character(start[1]);
    if (is_bare(start, ".py"))
        return evaluator_speak_python(evaluator, &ret->answer);
    if (is_bare(start, ".c")) {
        evaluator->is_python = false;
        return NULL;
    }
    if (evaluator->is_python && !dotted)
        return python_evaluate(evaluator->session, text, false, ret);
    if (dotted && crepl_has_command(start + 1))
        return run_own_command(evaluator, start + 1, &ret->answer);
    if (dotted || is_command(start))
        return run_command(evaluator, start + dotted, &ret->answer);
    return evaluate(evaluator, start, ret);
}

bool evaluator_wants_more(const struct evaluator *evaluator, const char *text)
{
    const char *start = text + strspn(text, " \t\n");
    return !evaluator->is_python && *start != '.' && !is_command(start) &&
           crepl_is_incomplete(text);
}

enum text_kind evaluator_text_kind(const struct evaluator *evaluator, const char *text,
                                   const char **ret)
{
    const char *start = text + strspn(text, " \t\n");
    size_t length = strcspn(start, " \t\n");
    *ret = start;
    if (evaluator->is_python && *start != '.')
        return TEXT_PYTHON;
    if (*start != '.')
        return start[length] && is_command(start) ? TEXT_COMMAND : TEXT_C;
    *ret = start + 1;
    if (!start[length] || !crepl_has_command(start + 1))
        return TEXT_DOT_COMMAND;
    const char *arguments = crepl_command_c(start + 1);
    *ret = arguments ? arguments : *ret;
    return arguments ? TEXT_C : TEXT_DOT_ARGUMENT;
}

struct crepl *evaluator_crepl(struct evaluator *evaluator)
{
    struct session_answer answer;
    CLEANUP_ERROR struct error *error = need_crepl(evaluator, &answer);
    return error ? NULL : evaluator->crepl;
}
