#include "src/crepl/link_object.h"

#include "injector/arch/arch.h"
#include "injector/cleanup.h"

#include <gelf.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

/* As much as there is room for in the target (loader.c). */
#define SIZE_MAX_ (UINT64_C(64) << 20)

struct linking {
    const struct compile_input *input;
    Elf *elf;
    uint64_t *places; /* of each section in the target, by its index; 0: it does not go there */
    size_t section_count;
    size_t strings; /* the section with the names of the symbols */
    Elf_Data *symbols;
    struct complaint *complaint;
    struct compiled *ret;
};

static void fail(struct linking *linking, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void fail(struct linking *linking, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    linking->complaint->failed = true;
    linking->complaint->line = 0;
    vsnprintf(linking->complaint->text, sizeof(linking->complaint->text), format, arguments);
    va_end(arguments);
}

/* --- Places. --- */

enum part { PART_CODE, PART_DATA, PART_ZEROES, PART_NONE };

static enum part part_of(const GElf_Shdr *header)
{
    if (!(header->sh_flags & SHF_ALLOC) || header->sh_type == SHT_NOTE || !header->sh_size)
        return PART_NONE;
    if (header->sh_flags & SHF_EXECINSTR)
        return PART_CODE;
    return header->sh_type == SHT_NOBITS ? PART_ZEROES : PART_DATA;
}

static uint64_t align(uint64_t value, uint64_t alignment)
{
    return alignment ? (value + alignment - 1) / alignment * alignment : value;
}

static void place_part(struct linking *linking, enum part part, uint64_t *at)
{
    Elf_Scn *section = NULL;
    while ((section = elf_nextscn(linking->elf, section)) && !linking->complaint->failed) {
        GElf_Shdr header;
        if (!gelf_getshdr(section, &header) || part_of(&header) != part)
            continue;
        if (header.sh_flags & SHF_TLS)
            fail(linking, "thread-local variables cannot be defined here");
        else if (header.sh_size > SIZE_MAX_ || header.sh_addralign > SIZE_MAX_ ||
                 *at - linking->input->address > SIZE_MAX_)
            fail(linking, "the code is too large");
        else {
            *at = align(*at, header.sh_addralign);
            linking->places[elf_ndxscn(section)] = *at;
            *at += header.sh_size;
        }
    }
}

/* Code, then data on pages of its own, then what is zero. */
static void place_all(struct linking *linking)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), start = linking->input->address, at = start;
    struct compiled *ret = linking->ret;
    place_part(linking, PART_CODE, &at);
    at = align(at, page);
    ret->code_size = at - start;
    place_part(linking, PART_DATA, &at);
    ret->image_size = at - start;
    place_part(linking, PART_ZEROES, &at);
    ret->size = align(at, page) - start;
}

static struct error *copy_sections(struct linking *linking)
{
    struct compiled *ret = linking->ret;
    Elf_Scn *section = NULL;
    ret->image = calloc(1, ret->image_size + 1);
    if (!ret->image)
        return error_no_memory();
    while ((section = elf_nextscn(linking->elf, section))) {
        uint64_t place = linking->places[elf_ndxscn(section)];
        GElf_Shdr header;
        if (!place || !gelf_getshdr(section, &header) || header.sh_type == SHT_NOBITS)
            continue;
        const Elf_Data *data = elf_getdata(section, NULL);
        if (data && data->d_buf && data->d_size == header.sh_size)
            memcpy(ret->image + (place - linking->input->address), data->d_buf, data->d_size);
        else
            fail(linking, "the compiler's object file cannot be read");
    }
    return NULL;
}

/* --- Symbols. --- */

static void find_symbols(struct linking *linking)
{
    Elf_Scn *section = NULL;
    while ((section = elf_nextscn(linking->elf, section))) {
        GElf_Shdr header;
        if (!gelf_getshdr(section, &header) || header.sh_type != SHT_SYMTAB)
            continue;
        linking->strings = header.sh_link;
        linking->symbols = elf_getdata(section, NULL);
    }
}

static const char *name_of(const struct linking *linking, const GElf_Sym *symbol)
{
    const char *name = elf_strptr(linking->elf, linking->strings, symbol->st_name);
    return name ? name : "";
}

static bool is_here(const struct linking *linking, const GElf_Sym *symbol)
{
    return symbol->st_shndx < linking->section_count && linking->places[symbol->st_shndx];
}

static uint64_t find_given(struct linking *linking, const char *name)
{
    const struct compile_input *input = linking->input;
    for (size_t i = 0; i < input->given_count; i++)
        if (strcmp(input->given[i].name, name) == 0)
            return input->given[i].address;
    fail(linking, "undefined symbol '%s'", name);
    return 0;
}

static uint64_t value_of(struct linking *linking, const GElf_Sym *symbol)
{
    if (is_here(linking, symbol))
        return linking->places[symbol->st_shndx] + symbol->st_value;
    return symbol->st_shndx == SHN_ABS ? symbol->st_value
                                       : find_given(linking, name_of(linking, symbol));
}

static struct error *add_symbol(struct compiled *ret, const char *name, uint64_t address)
{
    struct code_symbol *larger =
        reallocarray(ret->symbols, ret->symbol_count + 1, sizeof(*ret->symbols));
    if (!larger)
        return error_no_memory();
    ret->symbols = larger;
    char *copy = strdup(name);
    if (!copy)
        return error_no_memory();
    larger[ret->symbol_count++] = (struct code_symbol){copy, address};
    return NULL;
}

static struct error *collect_symbols(struct linking *linking)
{
    GElf_Sym symbol;
    struct error *error = NULL;
    for (int i = 0; !error && linking->symbols && gelf_getsym(linking->symbols, i, &symbol); i++)
        if (GELF_ST_BIND(symbol.st_info) != STB_LOCAL && is_here(linking, &symbol))
            error = add_symbol(linking->ret, name_of(linking, &symbol), value_of(linking, &symbol));
    return error;
}

/* --- Relocations. --- */

/* Changes `bytes` of the image at an address; false: they are not in it. */
static bool store(struct linking *linking, uint64_t address, uint64_t value, size_t bytes)
{
    uint64_t offset = address - linking->input->address;
    if (offset > linking->ret->image_size || bytes > linking->ret->image_size - offset)
        return false;
    memcpy(linking->ret->image + offset, &value, bytes);
    return true;
}

static void relocate(struct linking *linking, uint64_t place, const GElf_Rela *rela)
{
    GElf_Sym symbol;
    if (!linking->symbols || !gelf_getsym(linking->symbols, (int)GELF_R_SYM(rela->r_info), &symbol))
        return fail(linking, "the compiler's object file cannot be read");
    uint64_t address = place + rela->r_offset;
    uint64_t value = value_of(linking, &symbol) + (uint64_t)rela->r_addend;
    uint64_t distance = value - address;
    bool stored = false;
    switch (arch_relocation(GELF_R_TYPE(rela->r_info))) {
    case ARCH_RELOCATION_ADDRESS:
        stored = store(linking, address, value, 8);
        break;
    case ARCH_RELOCATION_DISTANCE: /* to what is near, of the same code */
        stored = (int64_t)distance == (int32_t)distance && store(linking, address, distance, 4);
        break;
    case ARCH_RELOCATION_OTHER:
        break;
    }
    if (!stored && !linking->complaint->failed)
        fail(linking, "'%s' cannot be reached from code of this compiler (relocation %lu)",
             name_of(linking, &symbol), (unsigned long)GELF_R_TYPE(rela->r_info));
}

static void relocate_all(struct linking *linking)
{
    Elf_Scn *section = NULL;
    while ((section = elf_nextscn(linking->elf, section))) {
        GElf_Shdr header;
        GElf_Rela rela;
        if (!gelf_getshdr(section, &header) || header.sh_type != SHT_RELA ||
            header.sh_info >= linking->section_count || !linking->places[header.sh_info])
            continue;
        Elf_Data *data = elf_getdata(section, NULL);
        for (int i = 0; data && !linking->complaint->failed && gelf_getrela(data, i, &rela); i++)
            relocate(linking, linking->places[header.sh_info], &rela);
    }
}

/* --- All together. --- */

static struct error *link_sections(struct linking *linking)
{
    place_all(linking);
    if (linking->complaint->failed)
        return NULL;
    struct error *error = copy_sections(linking);
    if (error || linking->complaint->failed)
        return error;
    find_symbols(linking);
    relocate_all(linking);
    return linking->complaint->failed ? NULL : collect_symbols(linking);
}

struct error *link_object(int fd, const struct compile_input *input, struct complaint *complaint,
                          struct compiled *ret)
{
    struct linking linking = {.input = input, .complaint = complaint, .ret = ret};
    CLEANUP_FREE uint64_t *places = NULL;
    GElf_Ehdr header;
    struct error *error = NULL;
    ret->is_foreign = true;
    if (elf_version(EV_CURRENT) != EV_NONE)
        linking.elf = elf_begin(fd, ELF_C_READ, NULL);
    if (!linking.elf || !gelf_getehdr(linking.elf, &header) || header.e_type != ET_REL ||
        header.e_machine != arch_elf_machine ||
        elf_getshdrnum(linking.elf, &linking.section_count) != 0) {
        fail(&linking, "the compiler has not made an object file for this machine");
    } else {
        linking.places = places = calloc(linking.section_count + 1, sizeof(*places));
        error = places ? link_sections(&linking) : error_no_memory();
    }
    elf_end(linking.elf);
    return error;
}
