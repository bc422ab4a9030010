/*
 * The separate debug file of a module (gdb manual, "Debugging Information in Separate Files"): by
 * build-id, then by the name and checksum in .gnu_debuglink; in the target's root, then in ours.
 */
#include "injector/module_private.h"

#include "injector/cleanup.h"
#include "injector/debug_server.h"
#include "injector/symbol_index.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#define DEBUG_DIRECTORY "/usr/lib/debug"

static bool has_debug_info(const struct elf_image *elf)
{
    return elf_image_find_section(elf, ".debug_info") ||
           elf_image_find_section(elf, ".zdebug_info");
}

/* What a candidate must prove. */
struct expectation {
    const uint8_t *build_id; /* of this size, or ... */
    size_t build_id_size;
    const uint32_t *crc; /* ... when that is 0: this checksum of the whole file */
};

static bool is_expected(const struct file_bytes *bytes, const struct elf_image *elf,
                        const struct expectation *expected)
{
    uint8_t id[BUILD_ID_MAX];
    size_t size = elf_image_build_id(elf, id, sizeof(id));
    if (expected->build_id_size)
        return size == expected->build_id_size && !memcmp(id, expected->build_id, size);
    return expected->crc &&
           (uint32_t)crc32_z(crc32_z(0, NULL, 0), bytes->bytes, bytes->size) == *expected->crc;
}

/* Takes the file if it is the expected one; closes `fd` otherwise. */
static bool take(int fd, const char *path, const struct expectation *expected,
                 struct debug_file *ret)
{
    struct file_bytes bytes;
    struct elf_image elf;
    if (fd < 0)
        return false;
    if (!file_bytes_read(fd, &bytes)) {
        close(fd);
        return false;
    }
    char *copy = strdup(path);
    if (copy && elf_image_init(&elf, bytes.bytes, bytes.size)) {
        if (is_expected(&bytes, &elf, expected)) {
            *ret = (struct debug_file){fd, copy, bytes, elf};
            return true;
        }
        elf_image_deinit(&elf);
    }
    free(copy);
    file_bytes_deinit(&bytes);
    close(fd);
    return false;
}

static void drop(struct debug_file *file)
{
    elf_image_deinit(&file->elf);
    file_bytes_deinit(&file->bytes);
    free(file->path);
    if (file->fd >= 0)
        close(file->fd);
    *file = (struct debug_file){.fd = -1};
}

static bool try_path(const struct process *process, const char *path,
                     const struct expectation *expected, struct debug_file *ret)
{
    return take(module_open_in_root(process, path), path, expected, ret) ||
           take(open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), path, expected, ret);
}

static bool find_by_build_id(const struct process *process, const struct expectation *expected,
                             struct debug_file *ret)
{
    char path[sizeof(DEBUG_DIRECTORY "/.build-id//.debug") + 2 * BUILD_ID_MAX];
    const uint8_t *id = expected->build_id;
    if (expected->build_id_size < 2)
        return false;
    int at = snprintf(path, sizeof(path), DEBUG_DIRECTORY "/.build-id/%02x/", id[0]);
    for (size_t i = 1; i < expected->build_id_size; i++)
        at += snprintf(path + at, sizeof(path) - (size_t)at, "%02x", id[i]);
    snprintf(path + at, sizeof(path) - (size_t)at, ".debug");
    return try_path(process, path, expected, ret);
}

/* .gnu_debuglink: a file name, padded to 4 bytes, and the CRC-32 of that file. */
static const char *read_debug_link(const struct elf_image *elf, uint32_t *crc)
{
    const Elf64_Shdr *section = elf_image_find_section(elf, ".gnu_debuglink");
    const uint8_t *bytes = section ? elf_image_at(elf, section->sh_offset, section->sh_size) : NULL;
    const uint8_t *end = bytes ? memchr(bytes, 0, section->sh_size) : NULL;
    if (!end || end == bytes || memchr(bytes, '/', (size_t)(end - bytes)))
        return NULL;
    size_t at = ((size_t)(end - bytes) + 4) & ~(size_t)3;
    if (section->sh_size < 4 || at > section->sh_size - 4)
        return NULL;
    memcpy(crc, bytes + at, sizeof(*crc));
    return (const char *)bytes;
}

static bool find_by_link(struct module *module)
{
    uint32_t crc;
    const char *name = read_debug_link(&module->priv->elf, &crc);
    const char *slash = strrchr(module->path, '/');
    if (!name || !slash)
        return false;
    const struct expectation expected = {module->build_id, module->build_id_size, &crc};
    int directory = (int)(slash - module->path);
    static const char *const before[] = {"", "", DEBUG_DIRECTORY}, *const between[] = {
                                                                       "", "/.debug", ""};
    for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
        char *path;
        if (asprintf(&path, "%s%.*s%s/%s", before[i], directory, module->path, between[i], name) <
            0)
            return false;
        bool found = try_path(module->priv->process, path, &expected, &module->priv->debug);
        free(path);
        if (found)
            return true;
    }
    return false;
}

void debug_file_find(struct module *module)
{
    struct module_private *priv = module->priv;
    module_open(module);
    if (priv->debug_sought)
        return;
    priv->debug_sought = true;
    if (!module->image || has_debug_info(&priv->elf))
        return;
    const struct expectation expected = {module->build_id, module->build_id_size, NULL};
    if (!find_by_build_id(priv->process, &expected, &priv->debug))
        find_by_link(module);
}

static bool fetch(enum debug_server_file what, const struct expectation *expected,
                  struct debug_file *ret)
{
    CLEANUP_FREE char *path = NULL;
    int fd = debug_server_get(what, expected->build_id, expected->build_id_size, &path);
    return fd >= 0 && take(fd, path, expected, ret);
}

void module_fetch_debug_file(struct module *module)
{
    struct module_private *priv = module->priv;
    debug_file_find(module);
    const struct expectation expected = {module->build_id, module->build_id_size, NULL};
    bool has_one = priv->debug.fd >= 0 || has_debug_info(&priv->elf);
    if (has_one || !module->build_id_size || module->path[0] != '/')
        return;
    if (!fetch(DEBUG_SERVER_DEBUGINFO, &expected, &priv->debug) &&
        !(module->from_memory && fetch(DEBUG_SERVER_EXECUTABLE, &expected, &priv->debug)))
        return;
    symbol_index_destroy(priv->symbols); /* made without it */
    priv->symbols = NULL;
}

/* `name` is absolute, or relative to the directory of the file that names it. */
static bool find_by_shared_name(const struct module *module, const char *name,
                                const struct expectation *expected, struct debug_file *ret)
{
    const struct module_private *priv = module->priv;
    const char *from = priv->debug.fd >= 0 ? priv->debug.path : module->path;
    const char *slash = strrchr(from, '/'), *last = strrchr(name, '/');
    CLEANUP_FREE char *beside = NULL, *usual = NULL;
    if (!slash || asprintf(&beside, "%.*s/%s", (int)(slash - from), from, name) < 0 ||
        asprintf(&usual, DEBUG_DIRECTORY "/.dwz/%s", last ? last + 1 : name) < 0)
        return false;
    return try_path(priv->process, name[0] == '/' ? name : beside, expected, ret) ||
           try_path(priv->process, usual, expected, ret);
}

int module_shared_debug_file(struct module *module, const char *name, const uint8_t *build_id,
                             size_t build_id_size)
{
    struct module_private *priv = module->priv;
    const struct expectation expected = {build_id, build_id_size, NULL};
    if (priv->shared_sought || build_id_size > BUILD_ID_MAX)
        return priv->shared.fd;
    priv->shared_sought = true;
    if (!find_by_build_id(priv->process, &expected, &priv->shared) &&
        !find_by_shared_name(module, name, &expected, &priv->shared))
        fetch(DEBUG_SERVER_DEBUGINFO, &expected, &priv->shared);
    return priv->shared.fd;
}

void debug_file_close(struct module *module)
{
    drop(&module->priv->debug);
    drop(&module->priv->shared);
}

static bool changed(const struct debug_file *file)
{
    return file->fd >= 0 && file_bytes_changed(&file->bytes, file->fd);
}

bool debug_file_changed(const struct module *module)
{
    return changed(&module->priv->debug) || changed(&module->priv->shared);
}

int module_debug_file(struct module *module, const char **path)
{
    debug_file_find(module);
    const struct debug_file *debug = &module->priv->debug;
    if (debug->fd >= 0) {
        *path = debug->path;
        return debug->fd;
    }
    if (module->fd >= 0 && has_debug_info(&module->priv->elf)) {
        *path = module->path;
        return module->fd;
    }
    return -1;
}
