/*
 * The right file of a module. The build-id in target memory decides; a file without one must be the
 * very inode that is mapped. What fails that gives no name: a replaced binary would give false
 * ones.
 */
#include "injector/module_private.h"

#include "injector/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

/* No note segment worth reading is larger, bytes. */
#define NOTES_MAX 65536
/* No image taken from memory is larger, bytes. */
#define MEMORY_IMAGE_MAX (UINT64_C(1) << 30)
/* Devices and FIFOs must neither block us nor become our terminal. */
#define OPEN_FLAGS (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

/* What target memory says of the module. */
struct in_memory {
    struct file_bytes head; /* ELF header and program headers */
    struct elf_image elf;   /* segment_count 0: memory shows none */
    uint8_t build_id[BUILD_ID_MAX];
    size_t build_id_size;
};

/* As module.c does, who keeps of it what is needed. */
static bool peek_remote(const struct process *process, uint64_t address, size_t size,
                        struct file_bytes *ret)
{
    uint8_t *bytes = malloc(size ? size : 1);
    if (!bytes)
        return false;
    *ret = (struct file_bytes){.bytes = bytes, .size = remote_peek(process, address, bytes, size)};
    return true;
}

static bool read_remote(const struct process *process, uint64_t address, size_t size,
                        struct file_bytes *ret)
{
    uint8_t *bytes = malloc(size ? size : 1);
    if (!bytes)
        return false;
    *ret = (struct file_bytes){.bytes = bytes, .size = remote_read(process, address, bytes, size)};
    return true;
}

/* Header and program headers; these nearly always lie in the first page. */
static void read_head(const struct module *module, struct in_memory *memory)
{
    const struct mapping *first = &module->priv->mappings[0];
    size_t want = first->end - first->start < 4096 ? first->end - first->start : 4096;
    if (first->offset || !peek_remote(module->priv->process, first->start, want, &memory->head))
        return;
    if (memory->head.size < sizeof(Elf64_Ehdr))
        return;
    Elf64_Ehdr header;
    memcpy(&header, memory->head.bytes, sizeof(header));
    uint64_t needed = header.e_phoff + (uint64_t)header.e_phnum * sizeof(Elf64_Phdr);
    if (header.e_phoff < NOTES_MAX && needed > memory->head.size &&
        needed <= first->end - first->start) {
        file_bytes_deinit(&memory->head);
        if (!read_remote(module->priv->process, first->start, needed, &memory->head))
            return;
    }
    if (!elf_image_init(&memory->elf, memory->head.bytes, memory->head.size))
        memory->elf = (struct elf_image){0};
}

static void read_build_id(const struct module *module, struct in_memory *memory)
{
    for (size_t i = 0; i < memory->elf.segment_count && !memory->build_id_size; i++) {
        const Elf64_Phdr *segment = &memory->elf.segments[i];
        struct file_bytes notes = {0};
        if (segment->p_type != PT_NOTE || segment->p_filesz > NOTES_MAX ||
            !read_remote(module->priv->process, module->bias + segment->p_vaddr, segment->p_filesz,
                         &notes))
            continue;
        memory->build_id_size = elf_notes_build_id(notes.bytes, notes.size, segment->p_align,
                                                   memory->build_id, BUILD_ID_MAX);
        file_bytes_deinit(&notes);
    }
}

static void look_into_memory(struct module *module, struct in_memory *memory)
{
    uint64_t low, high;
    *memory = (struct in_memory){0};
    read_head(module, memory);
    if (!elf_image_extent(&memory->elf, &low, &high))
        return;
    module->bias = module->start - low;
    read_build_id(module, memory);
}

static void in_memory_deinit(struct in_memory *memory)
{
    elf_image_deinit(&memory->elf);
    file_bytes_deinit(&memory->head);
}

int module_open_in_root(const struct process *process, const char *path)
{
    CLEANUP_CLOSE int root = process_open_file(process, 0, "root", O_PATH | O_DIRECTORY);
    if (root < 0)
        return -1;
    while (*path == '/')
        path++;
    struct open_how how = {
        .flags = OPEN_FLAGS,
        .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
    };
    int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
    if (fd < 0 && (errno == ENOSYS || errno == EPERM)) /* before Linux 5.6; old seccomp filters */
        fd = openat(root, path, OPEN_FLAGS);
    return fd;
}

/* Both files' headers say where everything else is: a file rebuilt in place differs there. */
static bool same_headers(const struct elf_image *file, const struct in_memory *memory)
{
    return !memory->elf.segment_count ||
           (!memcmp(&file->header, &memory->elf.header, sizeof(file->header)) &&
            file->segment_count == memory->elf.segment_count &&
            !memcmp(file->segments, memory->elf.segments,
                    file->segment_count * sizeof(*file->segments)));
}

static bool same_inode(int fd, const struct mapping *mapping)
{
    struct stat stat;
    return fstat(fd, &stat) == 0 && stat.st_ino == mapping->inode &&
           major(stat.st_dev) == mapping->device_major &&
           minor(stat.st_dev) == mapping->device_minor;
}

/*
 * Takes the file as the module's if it is the one in memory. `exact`: the kernel itself led to it,
 * so its inode needs no comparison (on overlay file systems maps and stat disagree).
 */
static bool try_file(struct module *module, int fd, bool exact, const struct in_memory *memory)
{
    struct module_private *priv = module->priv;
    struct file_bytes bytes;
    struct elf_image elf;
    if (fd < 0)
        return false;
    if (!file_bytes_read(fd, &bytes)) {
        close(fd);
        return false;
    }
    uint8_t id[BUILD_ID_MAX];
    size_t id_size;
    if (!elf_image_init(&elf, bytes.bytes, bytes.size))
        goto refuse;
    id_size = elf_image_build_id(&elf, id, sizeof(id));
    if (memory->build_id_size) {
        if (id_size != memory->build_id_size || memcmp(id, memory->build_id, id_size))
            goto refuse;
    } else if (!(exact || same_inode(fd, &priv->mappings[0])) || !same_headers(&elf, memory)) {
        goto refuse;
    }

    priv->bytes = bytes;
    priv->elf = elf;
    module->fd = fd;
    module->image = bytes.bytes;
    module->image_size = bytes.size;
    memcpy(module->build_id, id, id_size);
    module->build_id_size = id_size;
    return true;

refuse:
    elf_image_deinit(&elf);
    file_bytes_deinit(&bytes);
    close(fd);
    return false;
}

/*
 * A path of maps is relative to our own root where that is an ancestor of the target's: of a
 * process in a chroot it begins with that root. The rest of it, or NULL where it does not.
 */
static const char *path_below_chroot(const struct module *module)
{
    char root[4096];
    ssize_t length = process_read_link(module->priv->process, 0, "root", root, sizeof(root));
    if (length <= 1)
        return NULL;
    if (strncmp(module->path, root, (size_t)length) || module->path[length] != '/')
        return NULL;
    return module->path + length;
}

static int open_executable(const struct module *module)
{
    const char *executable = module->priv->process->executable;
    size_t length = strlen(module->path);
    if (strncmp(executable, module->path, length) ||
        (executable[length] && strcmp(executable + length, " (deleted)")))
        return -1;
    return process_open_file(module->priv->process, 0, "exe", OPEN_FLAGS & ~O_CLOEXEC);
}

/* Needs CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE (proc(5)), but then finds what no path leads to. */
static int open_map_file(const struct module *module)
{
    const struct mapping *first = &module->priv->mappings[0];
    char name[80];
    snprintf(name, sizeof(name), "map_files/%lx-%lx", (unsigned long)first->start,
             (unsigned long)first->end);
    return openat(module->priv->process->proc_fd, name, OPEN_FLAGS);
}

/* The size of the file as far as segments of it are loaded. */
static uint64_t size_in_memory(const struct module *module, const struct in_memory *memory)
{
    uint64_t size = memory->head.size;
    /* The vDSO holds its section headers too, behind its only segment. */
    if (module->path[0] == '[')
        return module->end - module->start;
    for (size_t i = 0; i < memory->elf.segment_count; i++) {
        const Elf64_Phdr *segment = &memory->elf.segments[i];
        uint64_t end;
        if (segment->p_type == PT_LOAD &&
            !__builtin_add_overflow(segment->p_offset, segment->p_filesz, &end) && end > size)
            size = end;
    }
    return size;
}

/*
 * Reads a segment to its place in the image. True: it holds nothing that the program writes, and is
 * there whole. The program's own data are not kept in a recording, but for the dynamic segment,
 * which the loader wrote.
 */
static bool read_segment(const struct module *module, const Elf64_Phdr *segment, uint8_t *bytes,
                         size_t size)
{
    const struct process *process = module->priv->process;
    uint64_t address = module->bias + segment->p_vaddr;
    uint8_t *to = bytes + segment->p_offset;
    if (segment->p_offset > size || segment->p_filesz > size - segment->p_offset)
        return false;
    if (segment->p_type == PT_LOAD && segment->p_flags & PF_W) {
        remote_peek(process, address, to, segment->p_filesz);
        return false;
    }
    return remote_read(process, address, to, segment->p_filesz) == segment->p_filesz;
}

/* The file as the segments in memory show it; what is not loaded (sections) stays zero. False: no
   segment can be read. */
static bool read_image(const struct module *module, const struct in_memory *memory, uint8_t *bytes,
                       size_t size)
{
    if (module->path[0] == '[')
        return remote_read(module->priv->process, module->start, bytes, size) > 0;
    bool any = false;
    memcpy(bytes, memory->head.bytes, memory->head.size);
    for (size_t i = 0; i < memory->elf.segment_count; i++) {
        if (memory->elf.segments[i].p_type == PT_LOAD)
            any |= read_segment(module, &memory->elf.segments[i], bytes, size);
    }
    /* It lies within one of those that are written. */
    const Elf64_Phdr *dynamic = elf_image_find_segment(&memory->elf, PT_DYNAMIC);
    if (dynamic)
        read_segment(module, dynamic, bytes, size);
    return any;
}

static void take_image_from_memory(struct module *module, const struct in_memory *memory)
{
    struct module_private *priv = module->priv;
    memcpy(module->build_id, memory->build_id, memory->build_id_size);
    module->build_id_size = memory->build_id_size;
    uint64_t size = size_in_memory(module, memory);
    if (!memory->elf.segment_count || size > MEMORY_IMAGE_MAX)
        return;
    uint8_t *bytes = calloc(1, size);
    struct elf_image elf;
    if (!bytes || !read_image(module, memory, bytes, size) || !elf_image_init(&elf, bytes, size)) {
        free(bytes);
        return;
    }
    priv->bytes = (struct file_bytes){.bytes = bytes, .size = size};
    priv->elf = elf;
    module->image = bytes;
    module->image_size = size;
    module->from_memory = true;
}

/*
 * The bias of a module whose headers are not in memory: its first mapping is the one of the segment
 * that begins in the same page of the file.
 */
static void bias_from_file(struct module *module)
{
    const struct mapping *first = &module->priv->mappings[0];
    for (size_t i = 0; i < module->priv->elf.segment_count; i++) {
        const Elf64_Phdr *segment = &module->priv->elf.segments[i];
        if (segment->p_type == PT_LOAD && page_floor(segment->p_offset) == first->offset) {
            module->bias = first->start - page_floor(segment->p_vaddr);
            return;
        }
    }
}

/* memfd_create(2): the kernel calls these files so, and deleted. */
static bool is_memory_file(const struct mapping *mapping)
{
    return mapping->deleted && !strncmp(mapping->path, "/memfd:", strlen("/memfd:"));
}

/* Tries what stands at the module's path, as the target sees it, and says what that is. */
static enum file_state open_at_path(struct module *module, const struct in_memory *memory)
{
    const struct module_private *priv = module->priv;
    if (is_memory_file(&priv->mappings[0]))
        return FILE_MEMORY;
    int fd = module_open_in_root(priv->process, module->path);
    bool stands = fd >= 0;
    if (try_file(module, fd, false, memory))
        return FILE_PRESENT;
    const char *below = path_below_chroot(module);
    if (below) {
        fd = module_open_in_root(priv->process, below);
        stands = fd >= 0;
        if (try_file(module, fd, false, memory))
            return FILE_PRESENT;
    }
    /* Another inode alone proves nothing: see try_file. */
    bool deleted = priv->mappings[0].deleted;
    if (stands && (deleted || memory->build_id_size))
        return FILE_REPLACED;
    return deleted ? FILE_DELETED : FILE_UNKNOWN;
}

void module_file_open(struct module *module)
{
    struct in_memory memory;
    look_into_memory(module, &memory);
    module->file_state = FILE_MEMORY;
    if (module->path[0] == '/') {
        module->file_state = open_at_path(module, &memory);
        if (module->fd < 0 && !try_file(module, open_executable(module), true, &memory) &&
            !try_file(module, open_map_file(module), true, &memory) &&
            !try_file(module, open(module->path, OPEN_FLAGS), false, &memory))
            try_file(module, module_recall_file(module), true, &memory);
    }
    if (module->fd < 0)
        take_image_from_memory(module, &memory);
    else if (!memory.elf.segment_count)
        bias_from_file(module);
    if (!module_recall_state(module, &module->file_state))
        module_keep_file(module);
    in_memory_deinit(&memory);
}

const char *file_state_name(enum file_state state)
{
    static const char *const names[] = {
        [FILE_UNKNOWN] = NULL,        [FILE_PRESENT] = "present", [FILE_DELETED] = "deleted",
        [FILE_REPLACED] = "replaced", [FILE_MEMORY] = "memory",   [FILE_CHANGED] = "changed",
    };
    return names[state];
}

void module_file_close(struct module *module)
{
    elf_image_deinit(&module->priv->elf);
    file_bytes_deinit(&module->priv->bytes);
    if (module->fd >= 0)
        close(module->fd);
    module->fd = -1;
}

bool module_file_changed(const struct module *module)
{
    return module->fd >= 0 && file_bytes_changed(&module->priv->bytes, module->fd);
}
