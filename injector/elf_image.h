/*
 * The bytes of one ELF file, each access checked against their end: the file belongs to the target,
 * so nothing in it is to be trusted. ELF64 of our own byte order and machine only (elf(5)).
 */
#ifndef INJECTOR_ELF_IMAGE_H
#define INJECTOR_ELF_IMAGE_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* Bytes of a file, read or mapped, or of target memory. */
struct file_bytes {
    uint8_t *bytes; /* NULL: none */
    size_t size;
    bool mapped;              /* by mmap(2); otherwise malloc'ed */
    struct timespec modified; /* of a file: when that was, last */
};

/*
 * All bytes of a regular file. Small files are read, large ones are mapped: what somebody cuts off
 * them later becomes zeros (injector/bus_guard.h). False with errno otherwise.
 */
bool file_bytes_read(int fd, struct file_bytes *ret);

/* True when the file of that descriptor is not what was read or mapped any more: its size or time
   of modification is another. */
bool file_bytes_changed(const struct file_bytes *file, int fd);

void file_bytes_deinit(struct file_bytes *file);

struct elf_image {
    const uint8_t *bytes; /* borrowed */
    size_t size;
    Elf64_Ehdr header;
    Elf64_Phdr *segments; /* copies: those in the file may be misaligned */
    size_t segment_count;
    Elf64_Shdr *sections; /* none when the section table is cut off, as in target memory */
    size_t section_count;
};

/*
 * Looks at the headers. False when this is no ELF file of ours, its program headers lie outside of
 * it, or memory is short; nothing is held then. Missing or broken section headers are no failure.
 */
bool elf_image_init(struct elf_image *image, const uint8_t *bytes, size_t size);
void elf_image_deinit(struct elf_image *image);

/* The bytes from the start of the file to the end of the ELF header and the program headers. */
uint64_t elf_image_headers_size(const struct elf_image *image);

/* `size` bytes at a file offset, or NULL. */
const uint8_t *elf_image_at(const struct elf_image *image, uint64_t offset, uint64_t size);

/* The loadable segment that holds a virtual address in its file part, or NULL. */
const Elf64_Phdr *elf_image_segment_at(const struct elf_image *image, uint64_t vaddr);

/* `size` bytes at a virtual address, as far as they are in the file; or NULL. */
const uint8_t *elf_image_at_vaddr(const struct elf_image *image, uint64_t vaddr, uint64_t size);

/* The first program header of a type, or NULL. */
const Elf64_Phdr *elf_image_find_segment(const struct elf_image *image, uint32_t type);

/* The section of a name, or of a type; NULL. Neither finds sections without bytes in the file. */
const Elf64_Shdr *elf_image_find_section(const struct elf_image *image, const char *name);
const Elf64_Shdr *elf_image_find_section_type(const struct elf_image *image, uint32_t type);

/* A string in a string table of the file, known to end within it; or NULL. */
const char *elf_image_string(const struct elf_image *image, const Elf64_Shdr *table, uint64_t at);

/* The addresses the loadable segments span, [*low, *high), rounded to pages. False: none. */
bool elf_image_extent(const struct elf_image *image, uint64_t *low, uint64_t *high);

/*
 * The build-id in the bytes of a note segment or section (`align`: of it), copied to `id` (at most
 * `max` bytes). Returns its size, 0: none. gABI "Note Section"; NT_GNU_BUILD_ID of <elf.h>.
 */
size_t elf_notes_build_id(const uint8_t *notes, size_t size, uint64_t align, uint8_t *id,
                          size_t max);

/* The build-id of an image, from its note segments, or from its note sections (a debug file). */
size_t elf_image_build_id(const struct elf_image *image, uint8_t *id, size_t max);

/* Addresses of pages: masks that need no system call. ELF files of x86_64 and arm64 are laid out
   for at least this page size. */
#define ELF_PAGE_SIZE UINT64_C(4096)
static inline uint64_t page_floor(uint64_t address)
{
    return address & ~(ELF_PAGE_SIZE - 1);
}
static inline uint64_t page_ceiling(uint64_t address)
{
    return page_floor(address + ELF_PAGE_SIZE - 1);
}

#endif
