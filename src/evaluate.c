#include "src/evaluate.h"

#include "src/crepl/crepl.h"

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

static struct error *evaluate_c(struct evaluator *evaluator, const char *text,
                                struct session_answer *ret)
{
    if (!evaluator->session->process) {
        *ret = (struct session_answer){.outcome = MANHOLE_FAILED};
        snprintf(ret->text, sizeof(ret->text),
                 "C takes the process itself, which cannot be seen from here: attach by its pid; "
                 "'.help' lists the commands");
        return NULL;
    }
    struct error *error = NULL;
    if (!evaluator->crepl)
        error = crepl_create(evaluator->session, &evaluator->crepl);
    return error ? error : crepl_evaluate(evaluator->crepl, text, ret);
}

struct error *evaluator_run(struct evaluator *evaluator, const char *text,
                            struct session_answer *ret)
{
    const char *start = text + strspn(text, " \t\n");
    if (*start == '.' && is_word_character(start[1]))
        return session_run(evaluator->session, start + 1, ret);
    if (is_command(start))
        return session_run(evaluator->session, start, ret);
    return evaluate_c(evaluator, start, ret);
}

bool evaluator_wants_more(const char *text)
{
    const char *start = text + strspn(text, " \t\n");
    return *start != '.' && !is_command(start) && crepl_is_incomplete(text);
}
