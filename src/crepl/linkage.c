#include "src/crepl/linkage.h"

#include "src/crepl/thread_block.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a question is made of: its function, and the variable that it leaves the answer in. */
#define QUESTION "__manhole_question"
#define ANSWER "__manhole_answer"

/* The resolver of an indirect function takes no arguments on x86-64 (GNU gABI extension,
   STT_GNU_IFUNC). */
static const char function_question[] = "extern void *__manhole_resolver(void);\n"
                                        "void *" ANSWER ";\n"
                                        "void " QUESTION "(void)\n"
                                        "{\n"
                                        "    " ANSWER " = __manhole_resolver();\n"
                                        "}\n";

/*
 * dl_iterate_phdr(3) gives, for each module, its number and the address of its thread-local block
 * in the calling thread. struct dl_phdr_info: link.h of glibc and musl, 64 bits.
 */
#define MODULE_QUESTION(answer)                                                                \
    "struct info { unsigned long base; const char *name; const void *headers; unsigned short " \
    "count;"                                                                                   \
    " unsigned long long adds, subs; unsigned long module; void *block; };\n"                  \
    "struct header { unsigned type, flags; unsigned long offset, address, physical, in_file, " \
    "size,"                                                                                    \
    " alignment; };\n"                                                                         \
    "extern int dl_iterate_phdr(int (*)(struct info *, unsigned long, void *), void *);\n"     \
    "extern char __manhole_module[];\n"                                                        \
    "void *" ANSWER ";\n"                                                                      \
    "static int look(struct info *info, unsigned long size, void *unused)\n"                   \
    "{\n"                                                                                      \
    "    const struct header *header = info->headers;\n"                                       \
    "    for (int i = 0; i < info->count; i++, header++) {\n"                                  \
    "        char *start = (char *)info->base + header->address;\n"                            \
    "        if (header->type == 1 && __manhole_module >= start &&\n"                          \
    "            __manhole_module < start + header->size) {\n"                                 \
    "            " ANSWER " = " answer ";\n"                                                   \
    "            return 1;\n"                                                                  \
    "        }\n"                                                                              \
    "    }\n"                                                                                  \
    "    return 0;\n"                                                                          \
    "}\n"                                                                                      \
    "void " QUESTION "(void)\n"                                                                \
    "{\n"                                                                                      \
    "    dl_iterate_phdr(look, 0);\n"                                                          \
    "}\n"

static const char block_question[] = MODULE_QUESTION("info->block");
static const char number_question[] = MODULE_QUESTION("(void *)info->module");

void linkage_deinit(struct linkage *linkage)
{
    free(linkage->functions);
    free(linkage->blocks);
    free(linkage->modules);
    *linkage = (struct linkage){0};
}

void linkage_forget_thread(struct linkage *linkage)
{
    linkage->block_count = 0;
}

static bool find_answer(const struct linkage_answer *answers, size_t count, uint64_t question,
                        uint64_t *ret)
{
    for (size_t i = 0; i < count; i++) {
        if (answers[i].question == question) {
            *ret = answers[i].address;
            return true;
        }
    }
    return false;
}

static void keep_answer(struct linkage_answer **answers, size_t *count, uint64_t question,
                        uint64_t address)
{
    struct linkage_answer *larger = reallocarray(*answers, *count + 1, sizeof(**answers));
    if (!larger)
        return; /* it will be asked again */
    *answers = larger;
    larger[(*count)++] = (struct linkage_answer){question, address};
}

static struct error *ask_loaded(struct loader *loader, const struct compiled *code,
                                uint64_t *address, struct session_answer *ret)
{
    uint64_t start = loader_address(loader);
    struct error *error = loader_load(loader, code, false, ret);
    if (error || ret->outcome != MANHOLE_DONE)
        return error;
    error = loader_execute(loader, compiled_find(code, QUESTION), ret);
    if (!error && ret->outcome == MANHOLE_DONE &&
        remote_read(loader->session->process, compiled_find(code, ANSWER), address,
                    sizeof(*address)) != sizeof(*address))
        *address = 0;
    if (error || ret->ended || ret->left)
        return error;
    return loader_unload(loader, code, start);
}

static struct error *ask(struct loader *loader, const char *source,
                         const struct code_symbol *symbols, size_t count, uint64_t *address,
                         struct session_answer *ret)
{
    struct complaint complaint;
    struct compiled code = {0};
    struct error *error =
        compile_at(source, symbols, count, loader_address(loader), &complaint, &code);
    if (!error && complaint.failed) {
        ret->outcome = MANHOLE_FAILED;
        snprintf(ret->text, sizeof(ret->text), "%s", complaint.text);
    } else if (!error) {
        error = ask_loaded(loader, &code, address, ret);
    }
    compiled_deinit(&code);
    return error;
}

static void fail(struct session_answer *ret, const char *name, const char *why)
{
    if (ret->outcome == MANHOLE_DONE) {
        ret->outcome = MANHOLE_FAILED;
        snprintf(ret->text, sizeof(ret->text), "%s: %s", name, why);
    }
}

static struct error *find_function(struct linkage *linkage, struct loader *loader,
                                   const struct binding *binding, uint64_t *address,
                                   struct session_answer *ret)
{
    if (find_answer(linkage->functions, linkage->function_count, binding->address, address))
        return NULL;
    const struct code_symbol resolver = {"__manhole_resolver", binding->address};
    struct error *error = ask(loader, function_question, &resolver, 1, address, ret);
    if (error)
        return error;
    if (*address)
        keep_answer(&linkage->functions, &linkage->function_count, binding->address, *address);
    else
        fail(ret, binding->name, "which implementation is used could not be found out");
    return NULL;
}

static uint64_t find_symbol(struct modules *modules, const char *name)
{
    for (size_t i = 0; i < modules->count; i++) {
        struct symbol symbol;
        struct module *module = modules_find(modules, modules->modules[i]->start);
        uint64_t address = module ? module_symbol_address(module, name, &symbol) : 0;
        if (address)
            return address;
    }
    return 0;
}

/* Asks the C library about the module of a thread-local variable. */
static struct error *ask_about(struct loader *loader, struct modules *modules, const char *source,
                               const struct binding *binding, uint64_t *answer,
                               struct session_answer *ret)
{
    const struct code_symbol symbols[] = {
        {"__manhole_module", binding->module->start},
        {"dl_iterate_phdr", find_symbol(modules, "dl_iterate_phdr")}};
    if (symbols[1].address)
        return ask(loader, source, symbols, 2, answer, ret);
    fail(ret, binding->name, "thread-local, and the C library has no dl_iterate_phdr");
    return NULL;
}

static struct error *find_block(struct linkage *linkage, struct loader *loader,
                                struct modules *modules, const struct binding *binding,
                                uint64_t *block, struct session_answer *ret)
{
    uint64_t module = binding->module->start;
    if (find_answer(linkage->blocks, linkage->block_count, module, block))
        return NULL;
    struct error *error = ask_about(loader, modules, block_question, binding, block, ret);
    if (!error && *block)
        keep_answer(&linkage->blocks, &linkage->block_count, module, *block);
    return error;
}

/* That of another thread: never kept, since the thread may end, and another one get its id. */
static struct error *find_block_of_thread(struct linkage *linkage, struct loader *loader,
                                          struct modules *modules, const struct binding *binding,
                                          uint64_t *block, struct session_answer *ret)
{
    uint64_t number = 0, module = binding->module->start;
    struct error *error = NULL;
    if (!find_answer(linkage->modules, linkage->module_count, module, &number)) {
        error = ask_about(loader, modules, number_question, binding, &number, ret);
        if (error || !number)
            return error;
        keep_answer(&linkage->modules, &linkage->module_count, module, number);
    }
    const struct thread_block_question question = {
        .process = loader->session->process,
        .maps = modules->maps,
        .tid = linkage->thread,
        .module = number,
        .is_glibc = find_symbol(modules, "gnu_get_libc_version") != 0,
        .max_pause_us = loader->session->max_pause_us,
    };
    char *why;
    error = thread_block_find(&question, block, &why);
    if (why)
        fail(ret, binding->name, why);
    free(why);
    return error;
}

static struct error *find_any(struct linkage *linkage, struct loader *loader,
                              struct modules *modules, const struct binding *binding,
                              uint64_t *address, struct session_answer *ret)
{
    struct error *error = NULL;
    *address = binding->address;
    switch (binding->kind) {
    case BINDING_ADDRESS:
        return NULL;
    case BINDING_BY_NAME:
        *address = 0;
        return find_function(linkage, loader, binding, address, ret);
    case BINDING_TLS:
        *address = 0;
        error = (linkage->thread ? find_block_of_thread : find_block)(linkage, loader, modules,
                                                                      binding, address, ret);
        if (!error && !*address)
            fail(ret, binding->name, "thread-local, and the session's thread has none of it yet");
        *address += binding->address;
        return error;
    }
    return NULL;
}

struct error *linkage_find(struct linkage *linkage, struct loader *loader, struct modules *modules,
                           const struct binding *binding, uint64_t *address,
                           struct session_answer *ret)
{
    struct error *error = find_any(linkage, loader, modules, binding, address, ret);
    if (error || ret->outcome != MANHOLE_DONE || !binding->is_function || !exits_has(binding->name))
        return error;
    return exits_find(&linkage->exits, loader, modules, binding->name, *address, address, ret);
}
