#include "src/crepl/debug_size.h"

#include <gelf.h>
#include <libelf.h>
#include <string.h>

/* How much longer decompression takes than what follows it. */
#define COMPRESSED_WEIGHT 3

static uint64_t section_size(Elf_Scn *section, const GElf_Shdr *header)
{
    GElf_Chdr compressed;
    if (!(header->sh_flags & SHF_COMPRESSED))
        return header->sh_size;
    return gelf_getchdr(section, &compressed) && compressed.ch_size < UINT64_MAX / COMPRESSED_WEIGHT
               ? COMPRESSED_WEIGHT * compressed.ch_size
               : header->sh_size;
}

static uint64_t find_section(Elf *elf)
{
    size_t names;
    if (elf_getshdrstrndx(elf, &names) < 0)
        return 0;
    for (Elf_Scn *section = elf_nextscn(elf, NULL); section; section = elf_nextscn(elf, section)) {
        GElf_Shdr header;
        const char *name =
            gelf_getshdr(section, &header) ? elf_strptr(elf, names, header.sh_name) : NULL;
        if (name && strcmp(name, ".debug_info") == 0)
            return section_size(section, &header);
    }
    return 0;
}

uint64_t debug_size(struct module *module)
{
    const char *path;
    int fd = module_debug_file(module, &path);
    if (fd < 0)
        return 0;
    elf_version(EV_CURRENT);
    Elf *elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
    uint64_t size = elf ? find_section(elf) : 0;
    elf_end(elf);
    return size;
}
