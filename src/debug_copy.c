#include "src/debug_copy.h"

#include <gelf.h>
#include <libelf.h>
#include <string.h>

#define KIND "debug"
#define SECTIONS_MAX 48
/* Of sections in the file: those of numbers, as their addresses are aligned to in memory. */
#define ALIGNMENT 16

/* Header, sections, their names, padding and the table of sections. */
struct copy {
    Elf64_Ehdr header;
    Elf64_Shdr sections[SECTIONS_MAX];
    size_t count;
    char names[SECTIONS_MAX * 32];
    size_t names_size;
    uint64_t size; /* of the file so far */
    struct iovec parts[2 * SECTIONS_MAX + 4];
    size_t part_count;
};

bool debug_copy_open(const struct user_cache_key *key, struct user_cache_file *ret)
{
    return user_cache_open(key, KIND, ret);
}

bool debug_copy_exists(const struct user_cache_key *key)
{
    return user_cache_has(key, KIND);
}

static bool is_wanted(const char *name)
{
    return name && (strncmp(name, ".debug_", 7) == 0 || strcmp(name, ".gnu_debugaltlink") == 0);
}

static const char *section_name(Elf *elf, Elf_Scn *section, GElf_Shdr *header)
{
    size_t names;
    return elf_getshdrstrndx(elf, &names) == 0 && gelf_getshdr(section, header)
               ? elf_strptr(elf, names, header->sh_name)
               : NULL;
}

/* An open Dwarf does not tell any more. */
static bool is_compressed(int fd)
{
    bool compressed = false;
    Elf *elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
    for (Elf_Scn *section = elf ? elf_nextscn(elf, NULL) : NULL; section;
         section = elf_nextscn(elf, section)) {
        GElf_Shdr header;
        if (is_wanted(section_name(elf, section, &header)) && (header.sh_flags & SHF_COMPRESSED))
            compressed = true;
    }
    elf_end(elf);
    return compressed;
}

static void add_part(struct copy *copy, const void *bytes, size_t size)
{
    static const char zeroes[ALIGNMENT];
    size_t padding = -size % ALIGNMENT;
    copy->parts[copy->part_count++] = (struct iovec){(void *)bytes, size};
    copy->parts[copy->part_count++] = (struct iovec){(void *)zeroes, padding};
    copy->size += size + padding;
}

/* False where the names of sections are none that a compiler gives. */
static bool add_section(struct copy *copy, const char *name, uint32_t type, uint64_t flags,
                        uint64_t entry_size, const void *bytes, size_t size)
{
    size_t length = strlen(name) + 1;
    if (copy->count == SECTIONS_MAX || length > sizeof(copy->names) - copy->names_size)
        return false;
    copy->sections[copy->count++] = (Elf64_Shdr){
        .sh_name = (uint32_t)copy->names_size,
        .sh_type = type,
        .sh_flags = flags,
        .sh_offset = copy->size,
        .sh_size = size,
        .sh_addralign = 1,
        .sh_entsize = entry_size,
    };
    memcpy(copy->names + copy->names_size, name, length);
    copy->names_size += length;
    add_part(copy, bytes, size);
    return true;
}

static bool add_sections(struct copy *copy, Elf *elf)
{
    for (Elf_Scn *section = elf_nextscn(elf, NULL); section; section = elf_nextscn(elf, section)) {
        GElf_Shdr header;
        const char *name = section_name(elf, section, &header);
        /* Those of an older form are left as they are. */
        if (name && strncmp(name, ".zdebug", 7) == 0)
            return false;
        if (!is_wanted(name) || header.sh_type == SHT_NOBITS)
            continue;
        /* What libdw has decompressed it shows as if it had never been otherwise. */
        Elf_Data *data = elf_rawdata(section, NULL);
        if (!data || (header.sh_flags & SHF_COMPRESSED) ||
            !add_section(copy, name, header.sh_type, header.sh_flags, header.sh_entsize,
                         data->d_buf, data->d_size))
            return false;
    }
    return true;
}

static bool make(struct copy *copy, Elf *elf)
{
    GElf_Ehdr original;
    if (!gelf_getehdr(elf, &original) || original.e_ident[EI_CLASS] != ELFCLASS64)
        return false;
    copy->header = original;
    add_part(copy, &copy->header, sizeof(copy->header));
    if (!add_section(copy, "", SHT_NULL, 0, 0, "", 0) || !add_sections(copy, elf))
        return false;
    copy->sections[0] = (Elf64_Shdr){0};
    /* Its own name is in it when it is written. */
    size_t size = copy->names_size + sizeof(".shstrtab");
    if (!add_section(copy, ".shstrtab", SHT_STRTAB, 0, 0, copy->names, size))
        return false;
    copy->header.e_phoff = 0;
    copy->header.e_phnum = 0;
    copy->header.e_shoff = copy->size;
    copy->header.e_shentsize = sizeof(copy->sections[0]);
    copy->header.e_shnum = (Elf64_Half)copy->count;
    copy->header.e_shstrndx = (Elf64_Half)(copy->count - 1);
    add_part(copy, copy->sections, copy->count * sizeof(copy->sections[0]));
    return true;
}

void debug_copy_save(const struct user_cache_key *key, int fd, Dwarf *dwarf)
{
    struct copy copy = {0};
    Elf *elf = dwarf_getelf(dwarf);
    if (elf && is_compressed(fd) && make(&copy, elf))
        user_cache_save(key, KIND, copy.parts, copy.part_count);
}
