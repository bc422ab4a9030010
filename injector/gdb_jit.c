#include "injector/gdb_jit.h"

#include "injector/cfi_parse.h"
#include "injector/debug_frame.h"
#include "injector/elf_image.h"
#include "injector/symbol_index.h"

#include <stdlib.h>
#include <string.h>

/* No honest list is longer, no file of it larger, and no more is read of all, bytes. */
#define ENTRIES_MAX 65536
#define FILE_MAX (UINT64_C(64) << 20)
#define ALL_MAX (UINT64_C(512) << 20)

/* struct jit_descriptor and jit_code_entry, version 1, of a 64-bit program (gdb manual). */
struct descriptor {
    uint32_t version, action;
    uint64_t relevant, first;
};

struct entry {
    uint64_t next, previous, file, size;
};

/* One registered file; it stays where it is, since its symbols refer to it. */
struct object {
    uint8_t *bytes; /* a copy */
    struct elf_image elf;
    uint64_t low, high; /* its code, runtime addresses */
    struct symbol_index *symbols;
    uint8_t *table_bytes; /* of .eh_frame, a copy; NULL: none */
    struct cfi_section table_section;
    struct cfi_table table;
};

struct gdb_jit {
    const struct process *process;
    struct object **objects;
    size_t count, capacity;
    uint64_t total; /* bytes read */
};

static void object_destroy(struct object *object)
{
    if (!object)
        return;
    symbol_index_destroy(object->symbols);
    cfi_table_deinit(&object->table);
    free(object->table_bytes);
    elf_image_deinit(&object->elf);
    free(object->bytes);
    free(object);
}

static bool read_struct(const struct gdb_jit *jit, uint64_t address, void *ret, size_t size)
{
    return address && remote_read(jit->process, address, ret, size) == size;
}

/* Values of symbols in a relocatable file count from the start of their section (gABI). */
static void relocate_symbols(struct object *object)
{
    const struct elf_image *elf = &object->elf;
    const Elf64_Shdr *table = elf_image_find_section_type(elf, SHT_SYMTAB);
    if (elf->header.e_type != ET_REL || !table ||
        !elf_image_at(elf, table->sh_offset, table->sh_size))
        return;
    for (uint64_t at = 0; at + sizeof(Elf64_Sym) <= table->sh_size; at += sizeof(Elf64_Sym)) {
        Elf64_Sym symbol;
        uint8_t *place = object->bytes + table->sh_offset + at;
        memcpy(&symbol, place, sizeof(symbol));
        if (symbol.st_shndx >= elf->section_count)
            continue;
        symbol.st_value += elf->sections[symbol.st_shndx].sh_addr;
        memcpy(place, &symbol, sizeof(symbol));
    }
}

/* Sections have the addresses where the code is. False: the file tells of no code. */
static bool find_code(struct object *object)
{
    object->low = UINT64_MAX;
    for (size_t i = 0; i < object->elf.section_count; i++) {
        const Elf64_Shdr *section = &object->elf.sections[i];
        if (!(section->sh_flags & SHF_EXECINSTR) || !section->sh_addr || !section->sh_size ||
            section->sh_size > UINT64_MAX - section->sh_addr)
            continue;
        if (section->sh_addr < object->low)
            object->low = section->sh_addr;
        if (section->sh_addr + section->sh_size > object->high)
            object->high = section->sh_addr + section->sh_size;
    }
    return object->low < object->high;
}

/*
 * The table that was loaded with the code is the relocated one; the one in the file need not be,
 * unless it was loaded nowhere: then it is used where it stands in the file.
 */
static void read_table(const struct gdb_jit *jit, uint64_t file, struct object *object)
{
    const Elf64_Shdr *section = elf_image_find_section(&object->elf, ".eh_frame");
    if (!section || !section->sh_size || section->sh_size > FILE_MAX)
        return;
    const uint8_t *in_file = elf_image_at(&object->elf, section->sh_offset, section->sh_size);
    uint64_t address = section->sh_addr ? section->sh_addr : file + section->sh_offset;
    object->table_bytes = malloc(section->sh_size);
    if (!object->table_bytes || (!section->sh_addr && !in_file))
        return;
    if (!section->sh_addr)
        memcpy(object->table_bytes, in_file, section->sh_size);
    else if (!read_struct(jit, address, object->table_bytes, section->sh_size))
        return;
    object->table_section = (struct cfi_section){
        .bytes = object->table_bytes, .size = section->sh_size, .vaddr = address};
    cfi_table_scan(&object->table_section, 0, section->sh_size, &object->table);
}

static bool read_object(struct gdb_jit *jit, const struct entry *entry, struct object *object)
{
    if (!entry->size || entry->size > FILE_MAX || entry->size > ALL_MAX - jit->total)
        return false;
    jit->total += entry->size;
    object->bytes = malloc(entry->size);
    if (!object->bytes || !read_struct(jit, entry->file, object->bytes, entry->size) ||
        !elf_image_init(&object->elf, object->bytes, entry->size) || !find_code(object))
        return false;
    relocate_symbols(object);
    object->symbols = symbol_index_of_image(&object->elf, 0);
    read_table(jit, entry->file, object);
    return true;
}

static bool append(struct gdb_jit *jit, struct object *object)
{
    if (jit->count == jit->capacity) {
        size_t capacity = jit->capacity ? jit->capacity * 2 : 16;
        struct object **objects = reallocarray(jit->objects, capacity, sizeof(*objects));
        if (!objects)
            return false;
        jit->objects = objects;
        jit->capacity = capacity;
    }
    jit->objects[jit->count++] = object;
    return true;
}

/* The list changes while it is read: an entry counts that is the same before and after. */
static void read_list(struct gdb_jit *jit, uint64_t descriptor_address)
{
    struct descriptor descriptor;
    struct entry entry, again;
    if (!read_struct(jit, descriptor_address, &descriptor, sizeof(descriptor)) ||
        descriptor.version != 1)
        return;
    /* An entry met before, set anew whenever their number has doubled: lists may be circular. */
    uint64_t at = descriptor.first, mark = 0;
    for (unsigned i = 0; at && at != mark && i < ENTRIES_MAX; i++, at = entry.next) {
        if (!read_struct(jit, at, &entry, sizeof(entry)))
            return;
        struct object *object = calloc(1, sizeof(*object));
        if (!object || !read_object(jit, &entry, object) ||
            !read_struct(jit, at, &again, sizeof(again)) || memcmp(&entry, &again, sizeof(entry)) ||
            !append(jit, object))
            object_destroy(object);
        if (!(i & (i + 1)))
            mark = at;
    }
}

struct gdb_jit *gdb_jit_open(const struct process *process, struct modules *modules)
{
    struct gdb_jit *jit = calloc(1, sizeof(*jit));
    if (!jit)
        return NULL;
    jit->process = process;
    for (size_t i = 0; i < modules->count; i++) {
        uint64_t address =
            module_symbol_address(modules->modules[i], "__jit_debug_descriptor", NULL);
        if (address)
            read_list(jit, address);
    }
    if (jit->count)
        return jit;
    gdb_jit_close(jit);
    return NULL;
}

void gdb_jit_close(struct gdb_jit *jit)
{
    if (!jit)
        return;
    for (size_t i = 0; i < jit->count; i++)
        object_destroy(jit->objects[i]);
    free(jit->objects);
    free(jit);
}

bool gdb_jit_find_symbol(const struct gdb_jit *jit, uint64_t address, struct symbol *ret)
{
    for (size_t i = 0; i < jit->count; i++) {
        const struct object *object = jit->objects[i];
        if (address >= object->low && address < object->high && object->symbols &&
            symbol_index_find(object->symbols, address, ret))
            return true;
    }
    return false;
}

bool gdb_jit_find_cfi(const struct gdb_jit *jit, uint64_t pc, struct cfi_entry *ret)
{
    for (size_t i = 0; i < jit->count; i++) {
        const struct object *object = jit->objects[i];
        const struct cfi_section *section = &object->table_section;
        size_t at;
        const struct cfi_table_entry *entry = cfi_table_find(&object->table, pc, &at);
        if (!entry)
            continue;
        *ret = (struct cfi_entry){
            .address = section->vaddr + at,
            .region = {section->vaddr, section->vaddr + section->size, section->bytes},
            .start = entry->start,
            .end = entry->end,
        };
        return true;
    }
    return false;
}
