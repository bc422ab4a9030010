#include "injector/elf_image.h"

#include "injector/arch/arch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Files up to this size are read, larger ones mapped, bytes. */
#define READ_LIMIT (1024 * 1024)

static bool read_all(int fd, uint8_t *bytes, size_t size)
{
    size_t done = 0;
    while (done < size) {
        ssize_t got = pread(fd, bytes + done, size - done, (off_t)done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        done += (size_t)got;
    }
    return true;
}

bool file_bytes_read(int fd, struct file_bytes *ret)
{
    struct stat stat;
    if (fstat(fd, &stat) < 0)
        return false;
    if (!S_ISREG(stat.st_mode) || stat.st_size <= 0) {
        errno = EINVAL;
        return false;
    }

    size_t size = (size_t)stat.st_size;
    if (size > READ_LIMIT) {
        void *bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (bytes == MAP_FAILED)
            return false;
        *ret = (struct file_bytes){bytes, size, true, stat.st_mtim};
        return true;
    }
    uint8_t *bytes = malloc(size);
    if (!bytes)
        return false;
    if (!read_all(fd, bytes, size)) {
        free(bytes);
        return false;
    }
    *ret = (struct file_bytes){bytes, size, false, stat.st_mtim};
    return true;
}

bool file_bytes_changed(const struct file_bytes *file, int fd)
{
    struct stat stat;
    return fstat(fd, &stat) < 0 || (size_t)stat.st_size != file->size ||
           stat.st_mtim.tv_sec != file->modified.tv_sec ||
           stat.st_mtim.tv_nsec != file->modified.tv_nsec;
}

void file_bytes_deinit(struct file_bytes *file)
{
    if (file->mapped)
        munmap(file->bytes, file->size);
    else
        free(file->bytes);
    *file = (struct file_bytes){0};
}

const uint8_t *elf_image_at(const struct elf_image *image, uint64_t offset, uint64_t size)
{
    if (offset > image->size || size > image->size - offset)
        return NULL;
    return image->bytes + offset;
}

static bool is_ours(const Elf64_Ehdr *header)
{
    return !memcmp(header->e_ident, ELFMAG, SELFMAG) && header->e_ident[EI_CLASS] == ELFCLASS64 &&
           header->e_ident[EI_DATA] ==
               (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB) &&
           header->e_machine == arch_elf_machine;
}

static bool copy_segments(struct elf_image *image)
{
    const Elf64_Ehdr *header = &image->header;
    size_t size = (size_t)header->e_phnum * sizeof(Elf64_Phdr);
    if (!size) /* a debug file may do without */
        return true;
    const uint8_t *from = elf_image_at(image, header->e_phoff, size);
    if (header->e_phentsize != sizeof(Elf64_Phdr) || !from)
        return false;
    image->segments = malloc(size);
    if (!image->segments)
        return false;
    memcpy(image->segments, from, size);
    image->segment_count = header->e_phnum;
    return true;
}

static void copy_sections(struct elf_image *image)
{
    const Elf64_Ehdr *header = &image->header;
    if (!header->e_shoff || header->e_shentsize != sizeof(Elf64_Shdr))
        return;
    uint64_t count = header->e_shnum;
    if (!count) { /* more than fit e_shnum: gABI, sh_size of the first entry */
        const uint8_t *first = elf_image_at(image, header->e_shoff, sizeof(Elf64_Shdr));
        Elf64_Shdr section;
        if (!first)
            return;
        memcpy(&section, first, sizeof(section));
        count = section.sh_size;
    }
    if (!count || count > image->size / sizeof(Elf64_Shdr))
        return;
    const uint8_t *from = elf_image_at(image, header->e_shoff, count * sizeof(Elf64_Shdr));
    if (!from)
        return;
    image->sections = malloc(count * sizeof(Elf64_Shdr));
    if (!image->sections)
        return;
    memcpy(image->sections, from, count * sizeof(Elf64_Shdr));
    image->section_count = count;
}

bool elf_image_init(struct elf_image *image, const uint8_t *bytes, size_t size)
{
    *image = (struct elf_image){.bytes = bytes, .size = size};
    const uint8_t *header = bytes ? elf_image_at(image, 0, sizeof(image->header)) : NULL;
    if (!header)
        return false;
    memcpy(&image->header, header, sizeof(image->header));
    if (!is_ours(&image->header) || !copy_segments(image)) {
        *image = (struct elf_image){0};
        return false;
    }
    copy_sections(image);
    return true;
}

void elf_image_deinit(struct elf_image *image)
{
    free(image->segments);
    free(image->sections);
    *image = (struct elf_image){0};
}

uint64_t elf_image_headers_size(const struct elf_image *image)
{
    uint64_t size = image->segment_count * sizeof(Elf64_Phdr);
    if (size)
        size += image->header.e_phoff;
    return size > sizeof(Elf64_Ehdr) ? size : sizeof(Elf64_Ehdr);
}

const Elf64_Phdr *elf_image_segment_at(const struct elf_image *image, uint64_t vaddr)
{
    for (size_t i = 0; i < image->segment_count; i++) {
        const Elf64_Phdr *segment = &image->segments[i];
        if (segment->p_type == PT_LOAD && vaddr >= segment->p_vaddr &&
            vaddr - segment->p_vaddr < segment->p_filesz)
            return segment;
    }
    return NULL;
}

const uint8_t *elf_image_at_vaddr(const struct elf_image *image, uint64_t vaddr, uint64_t size)
{
    const Elf64_Phdr *segment = elf_image_segment_at(image, vaddr);
    if (!segment)
        return NULL;
    uint64_t within = vaddr - segment->p_vaddr;
    if (size > segment->p_filesz - within || segment->p_offset > image->size)
        return NULL;
    return elf_image_at(image, segment->p_offset + within, size);
}

const Elf64_Phdr *elf_image_find_segment(const struct elf_image *image, uint32_t type)
{
    for (size_t i = 0; i < image->segment_count; i++) {
        if (image->segments[i].p_type == type)
            return &image->segments[i];
    }
    return NULL;
}

const char *elf_image_string(const struct elf_image *image, const Elf64_Shdr *table, uint64_t at)
{
    if (table->sh_type != SHT_STRTAB || at >= table->sh_size)
        return NULL;
    const uint8_t *strings = elf_image_at(image, table->sh_offset, table->sh_size);
    if (!strings || !memchr(strings + at, 0, table->sh_size - at))
        return NULL;
    return (const char *)strings + at;
}

const Elf64_Shdr *elf_image_find_section(const struct elf_image *image, const char *name)
{
    size_t names = image->header.e_shstrndx;
    if (names == SHN_XINDEX && image->section_count)
        names = image->sections[0].sh_link;
    if (names >= image->section_count)
        return NULL;
    for (size_t i = 0; i < image->section_count; i++) {
        const Elf64_Shdr *section = &image->sections[i];
        if (section->sh_type == SHT_NOBITS || section->sh_type == SHT_NULL)
            continue;
        const char *its = elf_image_string(image, &image->sections[names], section->sh_name);
        if (its && !strcmp(its, name))
            return section;
    }
    return NULL;
}

const Elf64_Shdr *elf_image_find_section_type(const struct elf_image *image, uint32_t type)
{
    for (size_t i = 0; i < image->section_count; i++) {
        if (image->sections[i].sh_type == type)
            return &image->sections[i];
    }
    return NULL;
}

bool elf_image_extent(const struct elf_image *image, uint64_t *low, uint64_t *high)
{
    uint64_t lowest = UINT64_MAX, highest = 0;
    for (size_t i = 0; i < image->segment_count; i++) {
        const Elf64_Phdr *segment = &image->segments[i];
        uint64_t end;
        if (segment->p_type != PT_LOAD || !segment->p_memsz)
            continue;
        if (__builtin_add_overflow(segment->p_vaddr, segment->p_memsz, &end) ||
            end > UINT64_MAX - ELF_PAGE_SIZE)
            return false;
        if (segment->p_vaddr < lowest)
            lowest = segment->p_vaddr;
        if (end > highest)
            highest = end;
    }
    if (lowest >= highest)
        return false;
    *low = page_floor(lowest);
    *high = page_ceiling(highest);
    return true;
}

size_t elf_notes_build_id(const uint8_t *notes, size_t size, uint64_t align, uint8_t *id,
                          size_t max)
{
    /* 4 but for the rare note segment that asks for 8 (.note.gnu.property), gABI. */
    size_t mask = align == 8 ? 7 : 3;
    size_t at = 0;
    while (size - at >= sizeof(Elf64_Nhdr)) {
        Elf64_Nhdr note;
        memcpy(&note, notes + at, sizeof(note));
        size_t name = at + sizeof(note);
        if (note.n_namesz > size - name)
            break;
        size_t description = (name + note.n_namesz + mask) & ~mask;
        if (description > size || note.n_descsz > size - description)
            break;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == sizeof(ELF_NOTE_GNU) &&
            !memcmp(notes + name, ELF_NOTE_GNU, sizeof(ELF_NOTE_GNU)) && note.n_descsz &&
            note.n_descsz <= max) {
            memcpy(id, notes + description, note.n_descsz);
            return note.n_descsz;
        }
        at = (description + note.n_descsz + mask) & ~mask;
        if (at > size)
            break;
    }
    return 0;
}

size_t elf_image_build_id(const struct elf_image *image, uint8_t *id, size_t max)
{
    size_t found = 0;
    /* Sections first: the program headers of a debug file describe bytes it does not hold. */
    for (size_t i = 0; i < image->section_count && !found; i++) {
        const Elf64_Shdr *section = &image->sections[i];
        const uint8_t *notes;
        if (section->sh_type == SHT_NOTE &&
            (notes = elf_image_at(image, section->sh_offset, section->sh_size)))
            found = elf_notes_build_id(notes, section->sh_size, section->sh_addralign, id, max);
    }
    for (size_t i = 0; i < image->segment_count && !found; i++) {
        const Elf64_Phdr *segment = &image->segments[i];
        const uint8_t *notes;
        if (segment->p_type == PT_NOTE &&
            (notes = elf_image_at(image, segment->p_offset, segment->p_filesz)))
            found = elf_notes_build_id(notes, segment->p_filesz, segment->p_align, id, max);
    }
    return found;
}
