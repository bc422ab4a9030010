#include "src/symbols.h"

#include "injector/code_name.h"
#include "injector/go_table.h"
#include "injector/jit.h"
#include "src/demangle.h"
#include "src/lines.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct key {
    uint64_t pc, lookup_pc;
};

/* Resolved before: all threads that wait stand at the same few addresses. */
struct resolved {
    struct key key;
    struct location *locations;
    size_t count;
    UT_hash_handle hh;
};

struct name {
    char *raw;
    char *shown; /* NULL: as raw */
    UT_hash_handle hh;
};

struct debug_info {
    struct module *module;
    struct lines *lines; /* NULL: has none */
    UT_hash_handle hh;
};

struct symbols {
    struct modules *modules;
    struct symbols_options options;
    struct resolved *resolved;
    struct name *names;
    struct name *jit_names; /* of code whose names the runtime may take back */
    struct debug_info *debug_infos;
    struct location no_memory; /* what symbols_resolve returns without memory */
};

struct error *symbols_create(struct modules *modules, const struct symbols_options *options,
                             struct symbols **ret)
{
    struct symbols *symbols = calloc(1, sizeof(*symbols));
    if (!symbols)
        return error_no_memory();
    symbols->modules = modules;
    symbols->options = *options;
    *ret = symbols;
    return NULL;
}

static void forget(struct symbols *symbols, struct resolved *resolved)
{
    HASH_DEL(symbols->resolved, resolved);
    free(resolved->locations);
    free(resolved);
}

static void destroy_resolved(struct symbols *symbols)
{
    while (symbols->resolved)
        forget(symbols, symbols->resolved);
}

static void destroy_names(struct name **names)
{
    struct name *name, *next;
    HASH_ITER(hh, *names, name, next)
    {
        HASH_DEL(*names, name);
        free(name->raw);
        free(name->shown);
        free(name);
    }
}

void symbols_begin_look(struct symbols *symbols)
{
    struct resolved *next;
    for (struct resolved *resolved = symbols->resolved; resolved; resolved = next) {
        next = resolved->hh.next;
        if (!resolved->locations[resolved->count - 1].module)
            forget(symbols, resolved);
    }
    jit_forget(symbols->modules->jit);
}

void symbols_destroy(struct symbols *symbols)
{
    if (!symbols)
        return;
    destroy_resolved(symbols);
    destroy_names(&symbols->names);
    destroy_names(&symbols->jit_names);
    struct debug_info *info, *next;
    HASH_ITER(hh, symbols->debug_infos, info, next)
    {
        HASH_DEL(symbols->debug_infos, info);
        lines_close(info->lines);
        free(info);
    }
    free(symbols);
}

/* A linker writes the version of a symbol behind its name in .symtab: not part of the name. */
static char *without_version(const char *name)
{
    const char *at = strchr(name, '@');
    return at && at != name ? strndup(name, (size_t)(at - name)) : NULL;
}

const char *symbols_demangle(struct symbols *symbols, const char *raw)
{
    struct name *name;
    if (raw[0] != '_' && !strchr(raw, '@'))
        return raw;
    HASH_FIND_STR(symbols->names, raw, name);
    if (!name) {
        name = calloc(1, sizeof(*name));
        if (!name || !(name->raw = strdup(raw))) {
            free(name);
            return raw;
        }
        char *plain = without_version(raw);
        name->shown = demangle(plain ? plain : raw);
        if (name->shown)
            free(plain);
        else
            name->shown = plain;
        HASH_ADD_KEYPTR(hh, symbols->names, name->raw, strlen(name->raw), name);
        if (!name->hh.tbl) { /* no memory for the table */
            free(name->raw);
            free(name->shown);
            free(name);
            return raw;
        }
    }
    return name->shown ? name->shown : name->raw;
}

static const char *shown_name(struct symbols *symbols, const char *raw)
{
    return symbols->options.raw_names ? raw : symbols_demangle(symbols, raw);
}

struct lines *symbols_lines(struct symbols *symbols, struct module *module)
{
    struct debug_info *info;
    HASH_FIND_PTR(symbols->debug_infos, &module, info);
    if (info)
        return info->lines;
    info = calloc(1, sizeof(*info));
    if (!info)
        return NULL;
    info->module = module;
    HASH_ADD_PTR(symbols->debug_infos, module, info);
    if (!info->hh.tbl) {
        free(info);
        return NULL;
    }
    info->lines = lines_open(module);
    return info->lines;
}

static size_t find_source(struct symbols *symbols, struct module *module, uint64_t address,
                          struct source_frame *frames)
{
    if (!module || (symbols->options.no_source && symbols->options.no_inlines))
        return 0;
    struct lines *lines = symbols_lines(symbols, module);
    return lines ? lines_find(lines, address, !symbols->options.no_inlines, frames) : 0;
}

/* Everything but the name of the physical function, which the symbol table knows better. */
static void set_location(struct symbols *symbols, struct module *module,
                         const struct source_frame *source, struct location *ret)
{
    *ret = (struct location){.module = module};
    if (source->name)
        ret->function = shown_name(symbols, source->name);
    if (!symbols->options.no_source) {
        ret->file = source->file;
        ret->line = source->line;
        ret->column = source->column;
    }
}

/* As find_source, from the table of a Go module. Go's own names are the ones its users know. */
static size_t find_in_go(struct symbols *symbols, struct module *module, uint64_t address,
                         struct source_frame *frames)
{
    const struct go_table *table = module ? module_go_table(module) : NULL;
    struct go_function function;
    struct go_place places[SOURCE_FRAMES_MAX];
    if (!table || !go_table_function(table, address, &function))
        return 0;
    size_t count = go_table_places(table, &function, address, places, SOURCE_FRAMES_MAX);
    size_t first = symbols->options.no_inlines ? count - 1 : 0;
    for (size_t i = first; i < count; i++)
        frames[i - first] = (struct source_frame){
            .name = places[i].function, .file = places[i].file, .line = places[i].line};
    frames[0].file = places[0].file;
    frames[0].line = places[0].line;
    frames[count - first - 1].start = function.start;
    return count - first;
}

/* A copy that stays; NULL without memory. */
static const char *keep_jit_name(struct symbols *symbols, const char *text)
{
    struct name *name;
    HASH_FIND_STR(symbols->jit_names, text, name);
    if (name)
        return name->raw;
    name = calloc(1, sizeof(*name));
    if (!name)
        return NULL;
    name->raw = strdup(text);
    if (name->raw)
        HASH_ADD_KEYPTR(hh, symbols->jit_names, name->raw, strlen(name->raw), name);
    if (name->hh.tbl)
        return name->raw;
    free(name->raw);
    free(name);
    return NULL;
}

/* The name that a runtime registered; *ret is set only then. A name of its own making may hold
   anything, an '@' too. */
static bool find_registered(struct symbols *symbols, uint64_t address, struct location *ret)
{
    struct jit_name name;
    if (!jit_find_name(symbols->modules->jit, address, &name))
        return false;
    const char *kept = keep_jit_name(symbols, name.name);
    if (!kept)
        return false;
    ret->function = strchr(kept, '@') ? kept : shown_name(symbols, kept);
    ret->offset = address - name.start;
    ret->jit = true;
    return true;
}

/* For where the file is not: module_symbol gives it there. Names of symbols it keeps itself. */
static void keep_name(const struct symbols *symbols, uint64_t address,
                      const struct source_frame *frame)
{
    const struct code_name name = {.name = frame->name, .start = frame->start};
    code_name_keep(symbols->modules->process, address, &name);
}

/* Fills resolved->locations from its key. False without memory. */
static bool locate(struct symbols *symbols, struct resolved *resolved)
{
    uint64_t pc = resolved->key.pc, lookup_pc = resolved->key.lookup_pc;
    struct module *module = modules_find(symbols->modules, lookup_pc);
    struct source_frame frames[SOURCE_FRAMES_MAX];
    size_t count = find_in_go(symbols, module, lookup_pc, frames);
    bool is_go = count > 0;
    if (!count)
        count = find_source(symbols, module, lookup_pc, frames);
    if (!count)
        frames[count++] = (struct source_frame){0};

    resolved->locations = calloc(count, sizeof(*resolved->locations));
    if (!resolved->locations)
        return false;
    resolved->count = count;
    for (size_t i = 0; i < count; i++) {
        set_location(symbols, module, &frames[i], &resolved->locations[i]);
        resolved->locations[i].inlined = i + 1 < count;
    }

    struct location *physical = &resolved->locations[count - 1];
    struct symbol symbol;
    if (!is_go && module && module_symbol(module, lookup_pc, &symbol)) {
        physical->function = shown_name(symbols, symbol.name);
        physical->offset = pc - symbol.address;
    } else if (physical->function) {
        physical->offset = pc - frames[count - 1].start;
        keep_name(symbols, lookup_pc, &frames[count - 1]);
    } else if (find_registered(symbols, lookup_pc, physical)) {
        physical->offset += pc - lookup_pc;
    }
    return true;
}

/* A new entry of the table; NULL without memory. */
static struct resolved *resolve(struct symbols *symbols, const struct key *key)
{
    struct resolved *resolved = calloc(1, sizeof(*resolved));
    if (!resolved)
        return NULL;
    resolved->key = *key;
    if (locate(symbols, resolved)) {
        HASH_ADD(hh, symbols->resolved, key, sizeof(resolved->key), resolved);
        if (resolved->hh.tbl)
            return resolved;
    }
    free(resolved->locations);
    free(resolved);
    return NULL;
}

const struct location *symbols_resolve(struct symbols *symbols, uint64_t pc, uint64_t lookup_pc,
                                       size_t *count)
{
    const struct key key = {pc, lookup_pc};
    struct resolved *resolved;
    HASH_FIND(hh, symbols->resolved, &key, sizeof(key), resolved);
    if (!resolved) {
        resolved = resolve(symbols, &key);
        if (!resolved) {
            *count = 1;
            return &symbols->no_memory;
        }
    }
    *count = resolved->count;
    return resolved->locations;
}

bool symbols_describe(struct symbols *symbols, uint64_t address, char *buffer, size_t size)
{
    struct module *module = modules_find(symbols->modules, address);
    struct symbol symbol;
    if (!module)
        return false;
    const char *slash = strrchr(module->path, '/');
    const char *file = slash ? slash + 1 : module->path;
    if (!module_symbol(module, address, &symbol)) {
        snprintf(buffer, size, "%s+0x%" PRIx64, file, address - module->start);
        return true;
    }
    const char *name = shown_name(symbols, symbol.name);
    uint64_t offset = address - symbol.address;
    if (offset)
        snprintf(buffer, size, "%s+0x%" PRIx64 " (%s)", name, offset, file);
    else
        snprintf(buffer, size, "%s (%s)", name, file);
    return true;
}
