/* The command that says what is at an address. */
#include "injector/cleanup.h"
#include "src/base_name.h"
#include "src/crepl/commands.h"
#include "src/crepl/crepl_private.h"
#include "src/crepl/type_print.h"
#include "src/types.h"

#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DECLARATION_MAX 1024

/* --- Which address is meant. --- */

/* A number alone is one, without asking the process. */
static bool parse_number(const char *text, uint64_t *ret)
{
    char *end;
    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    *ret = strtoull(text, &end, 0);
    return !errno && !end[strspn(end, " \t\n")];
}

/* Why it is no address: what is wrong with the text itself, or its type. */
static struct error *explain(struct crepl *crepl, const char *text, struct session_answer *answer)
{
    CLEANUP_FREE char *type = NULL;
    struct error *error = crepl_find_type(crepl, text, true, &type, answer);
    if (!error && type)
        answer_refuse(answer,
                      "that is no address but of type %s; the address of a variable is "
                      "&variable",
                      type);
    return error;
}

/* What C makes of a pointer, a number, an array or a function when it is to be an address. */
static struct error *find_address(struct crepl *crepl, const char *text, uint64_t *ret,
                                  struct session_answer *answer)
{
    CLEANUP_FREE char *number = NULL;
    struct expression_value value;
    if (parse_number(text, ret))
        return NULL;
    if (asprintf(&number, "(unsigned long)(%s)", text) < 0) {
        number = NULL;
        return error_no_memory();
    }
    struct error *error = crepl_find_value(crepl, number, &value, answer);
    if (!error && answer->outcome == MANHOLE_DONE &&
        remote_read(crepl->session->process, value.address, ret, sizeof(*ret)) != sizeof(*ret))
        answer_refuse(answer, "the value cannot be read: is the process still there?");
    else if (!error && !value.type && answer->outcome == MANHOLE_FAILED && !answer->ended)
        error = explain(crepl, text, answer);
    free(value.type);
    return error;
}

/* --- What is there. --- */

/* The functions at an address, the innermost inlined one first. */
static void print_functions(FILE *out, struct crepl *crepl, uint64_t address)
{
    size_t count;
    const struct location *locations = symbols_resolve(crepl->symbols, address, address, &count);
    for (size_t i = 0; i < count; i++) {
        const struct location *location = &locations[i];
        fputs(location->function ? location->function : "no name that is known", out);
        if (location->function && !location->inlined && location->offset)
            fprintf(out, "+%" PRIu64, location->offset);
        if (location->file)
            fprintf(out, " at %s:%d", base_name(location->file), location->line);
        fputs(location->inlined ? ", inlined into\n" : "\n", out);
    }
}

/* Static variables of functions have a number behind their name (gcc: "count.0"). */
static char *written_name(const char *symbol)
{
    size_t length = strlen(symbol);
    while (length && symbol[length - 1] >= '0' && symbol[length - 1] <= '9')
        length--;
    bool numbered = symbol[length] && length > 1 && symbol[length - 1] == '.';
    return strndup(symbol, numbered ? length - 1 : strlen(symbol));
}

/* The declaration of the variable at the start of a symbol, where the debug information has it. */
static void print_variable(FILE *out, struct crepl *crepl, struct module *module,
                           const struct symbol *symbol)
{
    CLEANUP_FREE char *name = written_name(symbol->name);
    struct name_index *index = name ? names_index(crepl->names, module) : NULL;
    const struct name_entry *entry = NULL;
    if (!index || !name_index_add_locals(index))
        return;
    while ((entry = name_index_find(index, name, entry))) {
        Dwarf_Die die, type;
        struct address address;
        char text[DECLARATION_MAX], place[256];
        if (entry->kind != NAME_VARIABLE || entry->declaration ||
            !name_index_die(index, entry, &die))
            continue;
        address_of_variable(module, &die, &address);
        if (address.kind != ADDRESS_MEMORY || address.value != symbol->address ||
            !type_of(&die, &type))
            continue;
        type_write_declaration(&type, name, text, sizeof(text));
        fprintf(out, "%s%s;", entry->external ? "" : "static ", text);
        fprintf(out, type_print_place(&die, place, sizeof(place)) ? " /* %s */\n" : "\n", place);
        return;
    }
}

static bool is_code(const struct symbol *symbol)
{
    return symbol->type == STT_FUNC || symbol->type == STT_GNU_IFUNC;
}

static void print_data(FILE *out, struct crepl *crepl, struct module *module,
                       const struct symbol *symbol, uint64_t address)
{
    fputs(symbols_demangle(crepl->symbols, symbol->name), out);
    if (address != symbol->address)
        fprintf(out, "+%" PRIu64, address - symbol->address);
    if (symbol->size)
        fprintf(out, ", an object of %" PRIu64 " byte%s", symbol->size,
                symbol->size == 1 ? "" : "s");
    fputc('\n', out);
    print_variable(out, crepl, module, symbol);
}

static void print_mapping(FILE *out, const struct mapping *mapping)
{
    fprintf(out, "mapped: 0x%" PRIx64 "-0x%" PRIx64 " %c%c%c%c ", mapping->start, mapping->end,
            mapping->readable ? 'r' : '-', mapping->writable ? 'w' : '-',
            mapping->executable ? 'x' : '-', mapping->shared ? 's' : 'p');
    if (mapping->path[0] == '/')
        fprintf(out, "%s from byte 0x%" PRIx64 " on%s\n", mapping->path, mapping->offset,
                mapping->deleted ? " (deleted)" : "");
    else
        fprintf(out, "%s\n", *mapping->path ? mapping->path : "anonymous memory");
}

static void print_address(FILE *out, struct crepl *crepl, const struct mapping *mapping,
                          uint64_t address)
{
    struct symbol symbol;
    struct module *module = modules_find(crepl->modules, address);
    /* The file may have gone since the modules were read, and another come. */
    bool same = module && (!*mapping->path || strcmp(mapping->path, module->path) == 0);
    bool named = same && module_symbol(module, address, &symbol);
    fprintf(out, "0x%" PRIx64 ": ", address);
    if (mapping->executable && (same || !module) && (!named || is_code(&symbol)))
        print_functions(out, crepl, address);
    else if (named)
        print_data(out, crepl, module, &symbol, address);
    else
        fputs("no name that is known\n", out);
    print_mapping(out, mapping);
}

static struct error *describe(FILE *out, struct crepl *crepl, uint64_t address,
                              struct session_answer *ret)
{
    CLEANUP_MAPS struct maps *maps = NULL;
    struct error *error = maps_read(crepl->session->process, &maps);
    if (error)
        return error;
    const struct mapping *mapping = maps_find(maps, address);
    if (mapping)
        print_address(out, crepl, mapping, address);
    else
        answer_refuse(ret, "0x%" PRIx64 ": nothing is mapped there", address);
    return NULL;
}

struct error *command_symbol(struct crepl *crepl, const char *format, const char *arguments,
                             struct session_answer *ret)
{
    (void)format;
    CLEANUP_FREE char *text = NULL;
    size_t size = 0;
    uint64_t address;
    if (!*arguments) {
        answer_refuse(ret, "an address or an expression is missing: .symbol EXPR");
        return NULL;
    }
    struct error *error = find_address(crepl, arguments, &address, ret);
    if (error || ret->outcome != MANHOLE_DONE || ret->ended || ret->left)
        return error;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return error_no_memory();
    error = describe(out, crepl, address, ret);
    if (fclose(out) != 0 && !error)
        error = error_no_memory();
    terminal_write(crepl->session->out, text ? text : "", size);
    return error;
}
