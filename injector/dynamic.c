#include "injector/dynamic.h"

#include "injector/module_private.h"

#include <string.h>

/* glibc adds the bias to these entries in memory, musl and files do not. */
static uint64_t unbiased(const struct module *module, uint64_t value)
{
    return module->from_memory && value >= module->start && value < module->end
               ? value - module->bias
               : value;
}

void dynamic_read(const struct module *module, const struct elf_image *elf,
                  struct symbol_tables *ret)
{
    *ret = (struct symbol_tables){0};
    const Elf64_Phdr *segment = elf_image_find_segment(elf, PT_DYNAMIC);
    if (!segment)
        return;
    for (uint64_t at = 0; at + sizeof(Elf64_Dyn) <= segment->p_filesz; at += sizeof(Elf64_Dyn)) {
        Elf64_Dyn entry;
        const uint8_t *from = elf_image_at_vaddr(elf, segment->p_vaddr + at, sizeof(entry));
        if (!from)
            return;
        memcpy(&entry, from, sizeof(entry));
        uint64_t value = unbiased(module, entry.d_un.d_ptr);
        switch (entry.d_tag) {
        case DT_NULL:
            return;
        case DT_SYMTAB:
            ret->symbols = value;
            break;
        case DT_STRTAB:
            ret->strings = value;
            break;
        case DT_STRSZ:
            ret->strings_size = entry.d_un.d_val;
            break;
        case DT_HASH:
            ret->hash = value;
            break;
        case DT_GNU_HASH:
            ret->gnu_hash = value;
            break;
        default:
            break;
        }
    }
}

static bool read_image(const void *context, uint64_t vaddr, void *buffer, size_t size)
{
    const uint8_t *from = elf_image_at_vaddr(context, vaddr, size);
    if (from)
        memcpy(buffer, from, size);
    return from;
}

size_t dynamic_symbol_count(const struct elf_image *elf, const struct symbol_tables *tables)
{
    return symbol_hash_count(tables, &(struct symbol_reader){read_image, elf});
}

static bool take_first(const Elf64_Sym *symbol, uint64_t number, void *context)
{
    (void)number;
    *(Elf64_Sym *)context = *symbol;
    return true;
}

uint64_t module_export(struct module *module, const char *name, uint64_t *size)
{
    struct symbol_tables tables;
    Elf64_Sym symbol;
    module_open(module);
    const struct elf_image *elf = &module->priv->elf;
    if (!module->image)
        return 0;
    dynamic_read(module, elf, &tables);
    if (!symbol_hash_find(&tables, &(struct symbol_reader){read_image, elf}, name, take_first,
                          &symbol))
        return 0;
    if (size)
        *size = symbol.st_size;
    return symbol.st_value + module->bias;
}
