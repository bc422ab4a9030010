#include "payload/modules.h"

#include "payload/sys.h"
#include "payload/text.h"

#include <elf.h>
#include <string.h>

#define FIRST_BYTES (16u << 10) /* of the list, which grows */
/* A line of /proc/self/maps: 73 bytes and a path (proc(5); fs/proc/task_mmu.c). */
#define LINE_BYTES (73 + 4096 + 16)
#define SEGMENTS_MAX 64 /* of one file; linkers make about a dozen */
#define DELETED " (deleted)"

/* One line of the kernel's list. */
struct mapping {
    uintptr_t start, end;
    uint64_t offset, device, inode;
    bool readable, executable;
    const char *path;
};

/* The file that the mappings at hand belong to; they follow one another. */
struct file {
    uint64_t device, inode;
    uintptr_t header; /* where its first bytes are mapped; 0: nowhere yet */
    bool parsed;      /* the header was looked at */
    Elf64_Phdr segments[SEGMENTS_MAX];
    size_t segment_count; /* 0: it is no ELF file of ours */
    const char *name;     /* in the arena, once an executable mapping asked for it */
};

/* --- The kernel's list. --- */

static unsigned hex_digit(char c)
{
    return c >= '0' && c <= '9' ? (unsigned)(c - '0') : c >= 'a' && c <= 'f' ? c - 'a' + 10u : 16;
}

static const char *take_hex(const char *text, uint64_t *ret)
{
    *ret = 0;
    for (unsigned digit; (digit = hex_digit(*text)) < 16; text++)
        *ret = *ret << 4 | digit;
    return text;
}

/* "start-end rwxp offset major:minor inode   path" (proc(5)). */
static bool parse_line(const char *line, struct mapping *ret)
{
    uint64_t start, end, major, minor;
    bool overflow;
    line = take_hex(line, &start);
    if (*line++ != '-')
        return false;
    line = take_hex(line, &end);
    if (line[0] != ' ' || !line[1] || !line[2] || !line[3] || !line[4])
        return false;
    ret->readable = line[1] == 'r';
    ret->executable = line[3] == 'x';
    line = take_hex(text_skip_blanks(line + 5), &ret->offset);
    line = take_hex(text_skip_blanks(line), &major);
    if (*line++ != ':')
        return false;
    line = text_number(text_skip_blanks(take_hex(line, &minor)), &ret->inode, &overflow);
    if (!line)
        return false;
    ret->device = major << 32 | minor;
    ret->start = start;
    ret->end = end;
    ret->path = text_skip_blanks(line);
    return start < end;
}

/* Calls `each` for every mapping. 0 or an errno. */
static int each_mapping(void (*each)(const struct mapping *mapping, void *context), void *context)
{
    long fd = sys_move_high(sys_open("/proc/self/maps", O_RDONLY, 0));
    if (fd < 0)
        return (int)-fd;
    char text[2 * LINE_BYTES];
    size_t used = 0;
    long got;
    while ((got = sys_read((int)fd, text + used, sizeof(text) - used)) > 0) {
        used += (size_t)got;
        size_t taken = 0;
        for (size_t at = 0; at < used; at++) {
            struct mapping mapping;
            if (text[at] != '\n')
                continue;
            text[at] = '\0';
            if (parse_line(text + taken, &mapping))
                each(&mapping, context);
            taken = at + 1;
        }
        if (!taken && used == sizeof(text))
            break; /* a line that cannot be */
        memmove(text, text + taken, used - taken);
        used -= taken;
    }
    sys_close((int)fd);
    return got < 0 ? (int)-got : 0;
}

/* --- From mappings to modules. --- */

struct reading {
    struct modules *modules;
    struct file file;
    bool no_memory;
};

static void parse_header(struct file *file)
{
    Elf64_Ehdr header;
    file->parsed = true;
    if (memory_read(file->header, &header, sizeof(header)) != sizeof(header) ||
        memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
        header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phnum > SEGMENTS_MAX)
        return;
    size_t size = header.e_phnum * sizeof(Elf64_Phdr);
    if (memory_read(file->header + header.e_phoff, file->segments, size) == size)
        file->segment_count = header.e_phnum;
}

static uint64_t page_of(uint64_t value)
{
    return value & ~(uint64_t)(MEMORY_PAGE - 1);
}

/*
 * How far the loader moved the file: as its header says of the executable segment that this mapping
 * shows. A mapping that no such segment explains is none that a loader made.
 */
static bool find_bias(const struct file *file, const struct mapping *mapping, uintptr_t *ret)
{
    for (size_t i = 0; i < file->segment_count; i++) {
        const Elf64_Phdr *segment = &file->segments[i];
        if (segment->p_type != PT_LOAD || !(segment->p_flags & PF_X) ||
            mapping->offset < page_of(segment->p_offset) ||
            mapping->offset >= segment->p_offset + segment->p_filesz)
            continue;
        *ret = mapping->start - (mapping->offset - page_of(segment->p_offset)) -
               page_of(segment->p_vaddr);
        return true;
    }
    return false;
}

/* The header was found at the place where this bias puts it. */
static bool bias_fits(const struct file *file, uintptr_t bias)
{
    for (size_t i = 0; i < file->segment_count; i++)
        if (file->segments[i].p_type == PT_LOAD && page_of(file->segments[i].p_offset) == 0 &&
            bias + page_of(file->segments[i].p_vaddr) == file->header)
            return true;
    return false;
}

static void use_header(const struct file *file, const struct mapping *mapping, struct module *to)
{
    uintptr_t bias;
    if (!find_bias(file, mapping, &bias) || !bias_fits(file, bias))
        return;
    to->bias = bias;
    to->first = UINTPTR_MAX;
    for (size_t i = 0; i < file->segment_count; i++) {
        const Elf64_Phdr *segment = &file->segments[i];
        if (segment->p_type == PT_LOAD && bias + segment->p_vaddr < to->first)
            to->first = bias + segment->p_vaddr;
        if (segment->p_type == PT_LOAD && bias + segment->p_vaddr + segment->p_memsz > to->last)
            to->last = bias + segment->p_vaddr + segment->p_memsz;
        if (segment->p_type == PT_GNU_EH_FRAME)
            to->unwind_index = bias + segment->p_vaddr;
        else if (segment->p_type == PT_DYNAMIC)
            to->dynamic = bias + segment->p_vaddr;
    }
}

static const char *keep_name(struct arena *arena, const char *path)
{
    const char *base = text_base_name(path);
    size_t length = strlen(base), deleted = strlen(DELETED);
    if (length > deleted && text_equal(base + length - deleted, DELETED))
        length -= deleted;
    char clean[128];
    clean[text_sanitize(clean, sizeof(clean) - 1, base, length, NULL)] = '\0';
    char *kept = arena_alloc(arena, strlen(clean) + 1);
    if (kept)
        text_copy(kept, strlen(clean) + 1, clean);
    return kept;
}

static struct module *add_module(struct modules *modules)
{
    size_t size = modules->capacity * sizeof(struct module);
    if (modules->count == modules->capacity) {
        struct module *list =
            size ? memory_grow(modules->list, size, 2 * size) : memory_map(FIRST_BYTES);
        if (!list)
            return NULL;
        modules->list = list;
        modules->capacity = (size ? 2 * size : FIRST_BYTES) / sizeof(struct module);
    }
    return &modules->list[modules->count++];
}

/* FNV-1a, 64 bits, a word at a time. */
static void digest(struct modules *modules, uint64_t word)
{
    modules->digest = (modules->digest ^ word) * UINT64_C(0x100000001b3);
}

static bool is_of_file(const struct mapping *mapping)
{
    return mapping->inode || text_equal(mapping->path, "[vdso]");
}

static void digest_mapping(struct modules *modules, const struct mapping *mapping)
{
    if (!mapping->executable || !mapping->inode)
        return;
    digest(modules, mapping->start);
    digest(modules, mapping->end);
    digest(modules, mapping->offset);
    digest(modules, mapping->device);
    digest(modules, mapping->inode);
}

static void take_mapping(const struct mapping *mapping, void *context)
{
    struct reading *reading = context;
    struct file *file = &reading->file;
    digest_mapping(reading->modules, mapping);
    if (is_of_file(mapping)) {
        if (mapping->device != file->device || mapping->inode != file->inode || !mapping->inode ||
            (!mapping->offset && mapping->readable))
            *file = (struct file){.device = mapping->device, .inode = mapping->inode};
        if (!mapping->offset && mapping->readable)
            file->header = mapping->start;
    }
    if (!mapping->executable)
        return;
    struct module *module = add_module(reading->modules);
    if (!module) {
        reading->no_memory = true;
        return;
    }
    *module = (struct module){.start = mapping->start, .end = mapping->end};
    if (!is_of_file(mapping))
        return;
    if (!file->name)
        file->name = keep_name(&reading->modules->arena, mapping->path);
    module->name = file->name;
    if (file->header && !file->parsed)
        parse_header(file);
    use_header(file, mapping, module);
}

int modules_read(struct modules *modules)
{
    *modules = (struct modules){0};
    /* What it holds is too large for the stack of a thread of the program. */
    struct reading *reading = memory_map(sizeof(*reading));
    if (!reading)
        return ENOMEM;
    reading->modules = modules;
    int status = each_mapping(take_mapping, reading);
    if (reading->no_memory)
        status = ENOMEM;
    memory_unmap(reading, sizeof(*reading));
    return status;
}

void modules_deinit(struct modules *modules)
{
    memory_unmap(modules->list, modules->capacity * sizeof(struct module));
    arena_deinit(&modules->arena);
    *modules = (struct modules){0};
}

const struct module *modules_find(const struct modules *modules, uintptr_t address)
{
    size_t low = 0, high = modules->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (modules->list[middle].end <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low < modules->count && modules->list[low].start <= address ? &modules->list[low] : NULL;
}

const struct module *modules_find_file(const struct modules *modules, uintptr_t address)
{
    for (size_t i = 0; i < modules->count; i++)
        if (address >= modules->list[i].first && address < modules->list[i].last)
            return &modules->list[i];
    return NULL;
}

static void digest_only(const struct mapping *mapping, void *context)
{
    digest_mapping(context, mapping);
}

bool modules_still_hold(const struct modules *modules)
{
    struct modules now = {0};
    return each_mapping(digest_only, &now) == 0 && now.digest == modules->digest;
}
