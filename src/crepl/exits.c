#include "src/crepl/exits.h"

#include "src/crepl/compile.h"
#include "src/crepl/crepl_private.h"

#include <signal.h>
#include <string.h>

static const char *const names[EXITS_COUNT] = {"exit", "_exit", "_Exit", "quick_exit"};

/*
 * The session's thread is named after its client (payload/worker.c), and no child of it has its
 * process id. The guard takes its SIGABRT, which raise(3) sends to the calling thread; where it
 * comes back, the signal was not for the guard. PR_GET_NAME: prctl(2), linux/prctl.h.
 */
static const char source[] =
    "extern int getpid(void), prctl(int, ...), raise(int);\n"
    "extern void __manhole_real(int);\n"
    "unsigned long __manhole_calls = 0;\n"
    "static int process = 0;\n"
    "void __manhole_begin(void)\n"
    "{\n"
    "    process = getpid();\n"
    "}\n"
    "void __manhole_exit(int status)\n"
    "{\n"
    "    char name[16] = \"\";\n"
    "    prctl(16, name, 0, 0, 0);\n"
    "    if (getpid() == process && name[0] == 'm' && name[1] == 'h' && name[2] == '<') {\n"
    "        __manhole_calls++;\n"
    "        raise(6);\n"
    "    }\n"
    "    __manhole_real(status);\n"
    "}\n";

static size_t index_of(const char *name)
{
    size_t i = 0;
    while (i < EXITS_COUNT && strcmp(names[i], name) != 0)
        i++;
    return i;
}

bool exits_has(const char *name)
{
    return index_of(name) < EXITS_COUNT;
}

/* It stays for good: functions that the user defines may call it, and they do too. */
static struct error *load(struct loader *loader, const struct compiled *code, struct one_exit *ret,
                          struct session_answer *answer)
{
    struct error *error = loader_load(loader, code, true, answer);
    if (!error && answer->outcome == MANHOLE_DONE)
        error = loader_execute(loader, compiled_find(code, "__manhole_begin"), answer);
    if (!error && answer->outcome == MANHOLE_DONE)
        *ret = (struct one_exit){.address = compiled_find(code, "__manhole_exit"),
                                 .calls = compiled_find(code, "__manhole_calls")};
    return error;
}

/* What the code calls. A program may well have a function of one of these names; all of them the C
   library alone has. */
static bool find_libc(struct modules *modules, struct code_symbol *symbols, size_t count)
{
    for (size_t i = 0; i < modules->count; i++) {
        struct module *module = modules_find(modules, modules->modules[i]->start);
        struct symbol symbol;
        size_t found = 0;
        while (module && found < count) {
            uint64_t address = module_symbol_address(module, symbols[found].name, &symbol);
            if (!address)
                break;
            symbols[found++].address = address;
        }
        if (found == count)
            return true;
    }
    return false;
}

static struct error *make(struct loader *loader, struct modules *modules, const char *name,
                          uint64_t real, struct one_exit *ret, struct session_answer *answer)
{
    struct code_symbol symbols[] = {
        {"getpid", 0}, {"prctl", 0}, {"raise", 0}, {"__manhole_real", real}};
    if (!find_libc(modules, symbols, 3)) {
        answer_refuse(answer,
                      "%s would end the process: the C library's functions to hold it are "
                      "not found",
                      name);
        return NULL;
    }
    struct complaint complaint;
    struct compiled code = {0};
    struct error *error = compile_at(source, symbols, sizeof(symbols) / sizeof(symbols[0]),
                                     loader_address(loader), &complaint, &code);
    if (!error && complaint.failed)
        answer_refuse(answer, "%s: %s", name, complaint.text);
    else if (!error)
        error = load(loader, &code, ret, answer);
    compiled_deinit(&code);
    return error;
}

struct error *exits_find(struct exits *exits, struct loader *loader, struct modules *modules,
                         const char *name, uint64_t real, uint64_t *ret,
                         struct session_answer *answer)
{
    struct one_exit *one = &exits->all[index_of(name)];
    struct error *error = one->address ? NULL : make(loader, modules, name, real, one, answer);
    *ret = one->address;
    return error;
}

void exits_explain(struct exits *exits, const struct process *process,
                   struct session_answer *answer)
{
    if (answer->outcome != MANHOLE_FAULTED || answer->signal != SIGABRT)
        return;
    for (size_t i = 0; i < EXITS_COUNT; i++) {
        struct one_exit *one = &exits->all[i];
        uint64_t calls = one->seen;
        if (!one->address ||
            remote_read(process, one->calls, &calls, sizeof(calls)) != sizeof(calls) ||
            calls == one->seen)
            continue;
        one->seen = calls;
        answer->signal = 0;
        answer_refuse(answer, "%s was called: it ended what was typed, and the program goes on",
                      names[i]);
    }
}
