#include "injector/module.h"

#include "injector/cfi.h"
#include "injector/code_name.h"
#include "injector/go_table.h"
#include "injector/jit.h"
#include "injector/module_private.h"
#include "injector/symbol_index.h"

#include <stdlib.h>
#include <string.h>

/* What memory shows at the start of a mapping that may begin a module. */
struct head {
    uint8_t bytes[4096];
    size_t size;
};

static bool is_file(const struct mapping *mapping)
{
    return mapping->inode && mapping->path[0] == '/';
}

static bool is_vdso(const struct mapping *mapping)
{
    return !strcmp(mapping->path, "[vdso]");
}

static bool same_file(const struct mapping *one, const struct mapping *other)
{
    return one->inode == other->inode && one->device_major == other->device_major &&
           one->device_minor == other->device_minor && !strcmp(one->path, other->path);
}

/* The index after the last mapping of the file that maps[from] maps, no matter what lies between:
   memory of .bss, guard pages. */
static size_t run_end(const struct maps *maps, size_t from)
{
    size_t end = from + 1;
    for (size_t i = end; i < maps->count; i++) {
        const struct mapping *mapping = &maps->mappings[i];
        if (same_file(&maps->mappings[from], mapping))
            end = i + 1;
        else if (is_file(mapping))
            break;
    }
    return end;
}

/* The end of the addresses that the ELF file whose head is at `start` spans; 0: no ELF file. */
static uint64_t extent_end(const struct head *head, uint64_t start)
{
    struct elf_image elf;
    uint64_t low, high, end = 0;
    if (!elf_image_init(&elf, head->bytes, head->size))
        return 0;
    if (elf_image_extent(&elf, &low, &high) && high - low <= UINT64_MAX - start)
        end = start + (high - low);
    elf_image_deinit(&elf);
    return end;
}

static struct error *module_create(struct modules *modules, size_t first, size_t last,
                                   uint64_t extent)
{
    const struct mapping *mappings = modules->maps->mappings;
    struct module *module = calloc(1, sizeof(*module));
    struct module_private *priv = calloc(1, sizeof(*priv));
    char *path = strdup(mappings[first].path);
    if (!module || !priv || !path) {
        free(module);
        free(priv);
        free(path);
        return error_no_memory();
    }
    *priv = (struct module_private){
        .process = modules->process,
        .mappings = &mappings[first],
        .mapping_count = last - first,
        .number = modules->count,
        .debug = {.fd = -1},
        .shared = {.fd = -1},
    };
    *module = (struct module){
        .path = path,
        .start = mappings[first].start,
        .end = mappings[last - 1].end > extent ? mappings[last - 1].end : extent,
        .fd = -1,
        .priv = priv,
    };
    modules->modules[modules->count++] = module;
    return NULL;
}

static void module_destroy(struct module *module)
{
    cfi_destroy(module->priv->cfi);
    symbol_index_destroy(module->priv->symbols);
    mini_debug_close(module);
    go_table_close(module->priv->go);
    debug_file_close(module);
    module_file_close(module);
    free(module->priv);
    free(module->path);
    free(module);
}

static bool any_executable(const struct maps *maps, size_t first, size_t last)
{
    for (size_t i = first; i < last; i++) {
        if (maps->mappings[i].executable && same_file(&maps->mappings[i], &maps->mappings[first]))
            return true;
    }
    return false;
}

/*
 * One run of mappings of a file may hold it several times (dlmopen, a program that maps itself), so
 * each ELF header in memory says how far its own module reaches. File offsets alone do not tell:
 * lld and mold let two segments share a page of the file.
 */
static struct error *add_run(struct modules *modules, size_t first, size_t end,
                             const struct head *heads)
{
    const struct maps *maps = modules->maps;
    while (first < end) {
        uint64_t extent = extent_end(&heads[first], maps->mappings[first].start);
        size_t last = first + 1;
        for (size_t i = last; i < end && (!extent || maps->mappings[i].start < extent); i++) {
            if (same_file(&maps->mappings[first], &maps->mappings[i]))
                last = i + 1;
        }
        if (any_executable(maps, first, last)) {
            struct error *error = module_create(modules, first, last, extent);
            if (error)
                return error;
        }
        for (first = last; first < end && !is_file(&maps->mappings[first]); first++)
            ;
    }
    return NULL;
}

/* Of an ELF file its headers are kept in a recording; of other files that are mapped, nothing. */
static void keep_headers(const struct process *process, uint64_t address, const struct head *head)
{
    struct elf_image elf;
    if (!elf_image_init(&elf, head->bytes, head->size))
        return;
    remote_keep(process, address, head->bytes, elf_image_headers_size(&elf));
    elf_image_deinit(&elf);
}

/* Reads the heads of all mappings of files that start at the start of one, in few system calls. */
static struct error *read_heads(const struct process *process, const struct maps *maps,
                                struct head **ret)
{
    struct head *heads = calloc(maps->count + 1, sizeof(*heads));
    struct remote_range *ranges = calloc(maps->count + 1, sizeof(*ranges));
    size_t *owners = calloc(maps->count + 1, sizeof(*owners));
    size_t count = 0;
    if (!heads || !ranges || !owners) {
        free(heads);
        free(ranges);
        free(owners);
        return error_no_memory();
    }
    for (size_t i = 0; i < maps->count; i++) {
        const struct mapping *mapping = &maps->mappings[i];
        if (!mapping->readable || mapping->offset || !(is_file(mapping) || is_vdso(mapping)))
            continue;
        owners[count] = i;
        ranges[count++] = (struct remote_range){
            .address = mapping->start,
            .buffer = heads[i].bytes,
            .size = sizeof(heads[i].bytes),
        };
    }
    remote_peek_ranges(process, ranges, count);
    for (size_t i = 0; i < count; i++) {
        heads[owners[i]].size = ranges[i].got;
        keep_headers(process, ranges[i].address, &heads[owners[i]]);
    }
    free(ranges);
    free(owners);
    *ret = heads;
    return NULL;
}

struct error *modules_create(const struct process *process, const struct maps *maps,
                             struct modules **ret)
{
    struct modules *modules = calloc(1, sizeof(*modules));
    if (!modules)
        return error_no_memory();
    modules->process = process;
    modules->maps = maps;
    modules->modules = calloc(maps->count + 1, sizeof(*modules->modules));
    modules->jit = jit_create(process, modules);
    struct head *heads = NULL;
    struct error *error =
        modules->modules && modules->jit ? read_heads(process, maps, &heads) : error_no_memory();

    for (size_t i = 0; i < maps->count && !error;) {
        const struct mapping *mapping = &maps->mappings[i];
        size_t end = i + 1;
        if (is_file(mapping)) {
            end = run_end(maps, i);
            error = add_run(modules, i, end, heads);
        } else if (is_vdso(mapping)) {
            error = module_create(modules, i, end, 0);
        }
        i = end;
    }
    free(heads);
    if (error) {
        modules_destroy(modules);
        return error;
    }
    *ret = modules;
    return NULL;
}

void modules_destroy(struct modules *modules)
{
    if (!modules)
        return;
    for (size_t i = 0; i < modules->count; i++)
        module_destroy(modules->modules[i]);
    free(modules->modules);
    jit_destroy(modules->jit);
    free(modules);
}

void modules_cleanup(struct modules **modules)
{
    modules_destroy(*modules);
}

void module_open(struct module *module)
{
    if (!module->priv->opened) {
        module->priv->opened = true;
        module_file_open(module);
    }
}

struct module *modules_find(struct modules *modules, uint64_t address)
{
    size_t low = 0, high = modules->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (modules->modules[middle]->start <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (!low || address >= modules->modules[low - 1]->end)
        return NULL;
    struct module *module = modules->modules[low - 1];
    module_open(module);
    return module;
}

void modules_check_files(struct modules *modules)
{
    for (size_t i = 0; i < modules->count; i++) {
        struct module *module = modules->modules[i];
        if (module->priv->opened && (module_file_changed(module) || debug_file_changed(module)))
            module->file_state = FILE_CHANGED;
    }
}

static struct symbol_index *symbols(struct module *module)
{
    module_open(module);
    if (!module->priv->symbols)
        module->priv->symbols = symbol_index_create(module);
    return module->priv->symbols;
}

/* The name that a saved target's module had where it was saved, if its file is not here. */
static bool recall_symbol(const struct module *module, uint64_t address, struct symbol *ret)
{
    struct code_name name;
    if (module->image || !code_name_recall(module->priv->process, address, &name))
        return false;
    *ret = (struct symbol){.name = name.name, .address = name.start, .size = name.size};
    return true;
}

bool module_symbol(struct module *module, uint64_t address, struct symbol *ret)
{
    const struct symbol_index *index = symbols(module);
    if (!index || !symbol_index_find(index, address, ret))
        return recall_symbol(module, address, ret);
    const struct code_name name = {.name = ret->name, .start = ret->address, .size = ret->size};
    code_name_keep(module->priv->process, address, &name);
    return true;
}

uint64_t module_symbol_address(struct module *module, const char *name, struct symbol *ret)
{
    const struct symbol_index *index = symbols(module);
    struct symbol symbol;
    if (!index || !symbol_index_by_name(index, name, &symbol))
        return 0;
    if (ret)
        *ret = symbol;
    return symbol.address;
}

void module_each_symbol(struct module *module, bool (*visit)(const struct symbol *, void *),
                        void *context)
{
    const struct symbol_index *index = symbols(module);
    if (index)
        symbol_index_each(index, visit, context);
}

struct go_table *module_go_table(struct module *module)
{
    if (!module->priv->go_sought) {
        module->priv->go_sought = true;
        module->priv->go = go_table_open(module);
    }
    return module->priv->go;
}

struct module *modules_known_go(struct modules *modules)
{
    for (size_t i = 0; i < modules->count; i++)
        if (modules->modules[i]->priv->go)
            return modules->modules[i];
    return NULL;
}

bool module_code_at(struct module *module, uint64_t address, uint8_t *buffer, size_t size)
{
    module_open(module);
    const struct elf_image *elf = &module->priv->elf;
    uint64_t vaddr = address - module->bias;
    const Elf64_Phdr *segment = elf_image_segment_at(elf, vaddr);
    if (!segment || segment->p_flags & PF_W)
        return false;
    const uint8_t *bytes = elf_image_at_vaddr(elf, vaddr, size);
    if (!bytes)
        return false;
    memcpy(buffer, bytes, size);
    return true;
}

uint64_t module_entry(struct module *module)
{
    module_open(module);
    uint64_t entry = module->image ? module->priv->elf.header.e_entry : 0;
    return entry ? entry + module->bias : 0;
}
