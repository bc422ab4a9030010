#include "src/crepl/commands.h"

#include "src/crepl/crepl_private.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static const struct crepl_command commands[] = {
    {"cc", "[gcc|clang|tcc]", "which compiler makes the code, or what from here on does",
     command_cc},
    {"frozen", "[/FORMAT] EXPR", "its value while all other threads stand", command_frozen},
    {"load", "FILE.h", "brings the types and declarations of a header", command_load},
    {"thread", "[TID]", "whose thread-local variables are meant, or which thread's they are",
     command_thread},
    {"readonly", "", "from here on refuse what would write or call", command_readonly},
    {"sizeof", "EXPR|TYPE", "how many bytes it takes", command_sizeof},
    {"p", "[/LETTER] EXPR", "its value by a format: x d u o t a c f s z, as in gdb", command_print},
    {"x", "[/NFU] [ADDRESS]", "memory: N times a format F of .p, a unit U of b h w g",
     command_examine},
    {"list", "[/N] EXPR MEMBER", "the elements of a list that goes on by a member", command_list},
    {"type", "NAME|EXPR", "what it is, in C; of structures the places of all members",
     command_type},
    {"symbol", "ADDRESS|EXPR", "what is at an address: function or object, line, mapping",
     command_symbol},
    {"vars", "[RE]", "variables whose names match an extended regular expression", command_vars},
    {"functions", "[RE]", "functions, likewise", command_functions},
    {"types", "[RE]", "types, likewise", command_types},
};
#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static const struct crepl_command *find_command(const char *text)
{
    size_t length = strcspn(text, "/ \t\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strlen(commands[i].name) == length && strncmp(commands[i].name, text, length) == 0)
            return &commands[i];
    return NULL;
}

bool crepl_has_command(const char *text)
{
    return find_command(text) != NULL;
}

const char *crepl_command_name(size_t at)
{
    return at < COMMAND_COUNT ? commands[at].name : NULL;
}

const char *crepl_command_c(const char *text)
{
    static const char *const words[] = {"EXPR", "TYPE", "NAME", "RE"};
    const struct crepl_command *command = find_command(text);
    size_t length = strcspn(text, " \t\n");
    for (size_t i = 0; command && text[length] && i < sizeof(words) / sizeof(words[0]); i++)
        if (strstr(command->arguments, words[i]))
            return text + length;
    return NULL;
}

const char *crepl_command_words(const char *text)
{
    const struct crepl_command *command = find_command(text);
    bool has_words = command && islower((unsigned char)command->arguments[1]);
    return has_words && *command->arguments == '[' ? command->arguments + 1 : NULL;
}

struct error *crepl_run_command(struct crepl *crepl, const char *text, struct session_answer *ret)
{
    const struct crepl_command *command = find_command(text);
    char format[32] = "";
    *ret = (struct session_answer){0};
    text += strlen(command->name);
    if (*text == '/') {
        size_t length = strcspn(++text, " \t\n");
        snprintf(format, sizeof(format), "%.*s", (int)length, text);
        text += length;
    }
    text += strspn(text, " \t\n");
    return command->run(crepl, format, text, ret);
}

void crepl_list_commands(struct terminal *out)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        char usage[64], line[192];
        snprintf(usage, sizeof(usage), ".%s%s%s", commands[i].name,
                 strncmp(commands[i].arguments, "[/", 2) == 0 ? "" : " ", commands[i].arguments);
        int length = snprintf(line, sizeof(line), "%-32s %s\n", usage, commands[i].summary);
        terminal_write(out, line, (size_t)length);
    }
}
