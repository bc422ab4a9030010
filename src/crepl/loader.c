#include "src/crepl/loader.h"

#include "injector/cleanup.h"
#include "injector/maps.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define AREA_BYTES (UINT64_C(64) << 20)
/* Areas beside one another that are tried: what earlier sessions defined may be in the first. */
#define AREAS_TRIED 256

/* Where neither kernels nor C libraries nor sanitizers put anything by themselves, mostly. */
static const uint64_t regions[] = {
    UINT64_C(0x200000000000),
    UINT64_C(0x380000000000),
    UINT64_C(0x480000000000),
    UINT64_C(0x580000000000),
};

static bool is_free_there(const struct maps *maps, uint64_t start)
{
    for (size_t i = 0; i < maps->count; i++)
        if (maps->mappings[i].start < start + AREA_BYTES && maps->mappings[i].end > start)
            return false;
    return true;
}

static bool is_free_here(uint64_t start)
{
    void *wanted = (void *)(uintptr_t)start;
    void *memory = mmap(wanted, AREA_BYTES, PROT_NONE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    if (memory == MAP_FAILED)
        return false;
    munmap(memory, AREA_BYTES);
    return memory == wanted;
}

struct error *loader_init(struct loader *loader, struct session *session)
{
    *loader = (struct loader){.session = session};
    CLEANUP_MAPS struct maps *maps = NULL;
    struct error *error = maps_read(session->process, &maps);
    if (error)
        return error;
    for (size_t i = 0; i < AREAS_TRIED * sizeof(regions) / sizeof(regions[0]); i++) {
        uint64_t start = regions[i / AREAS_TRIED] + i % AREAS_TRIED * AREA_BYTES;
        if (!is_free_there(maps, start) || !is_free_here(start))
            continue;
        loader->next = start;
        loader->end = start + AREA_BYTES;
        return NULL;
    }
    return error_create(ERROR_PARTIAL, 0,
                        "process %d: no address for compiled code is free in it and in "
                        "manhole-attach; use the commands, '.help' lists them",
                        session->process->pid);
}

uint64_t loader_address(const struct loader *loader)
{
    return loader->next;
}

static struct error *load(struct loader *loader, const struct manhole_load *load,
                          const uint8_t *image, size_t size, struct session_answer *ret)
{
    if (load->size > loader->end - loader->next || size > MANHOLE_FRAME_MAX - sizeof(*load))
        return error_create(ERROR_USAGE, 0, "the code is too large: %zu bytes", size);
    CLEANUP_FREE char *request = malloc(sizeof(*load) + size);
    if (!request)
        return error_no_memory();
    memcpy(request, load, sizeof(*load));
    if (size)
        memcpy(request + sizeof(*load), image, size);
    struct error *error = session_request(loader->session, MANHOLE_LOAD, request,
                                          sizeof(*load) + size, NULL, NULL, ret);
    if (!error && ret->outcome == MANHOLE_DONE)
        loader->next += load->size;
    return error;
}

struct error *loader_load(struct loader *loader, const struct compiled *code, bool keep,
                          struct session_answer *ret)
{
    const struct manhole_load request = {loader->next, code->size, code->code_size,
                                         keep ? MANHOLE_KEEP : 0};
    return load(loader, &request, code->image, code->image_size, ret);
}

struct error *loader_reserve(struct loader *loader, uint64_t size, uint64_t *address,
                             struct session_answer *ret)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    const struct manhole_load request = {loader->next, (size + page - 1) / page * page, 0, 0};
    *address = loader->next;
    return load(loader, &request, NULL, 0, ret);
}

struct error *loader_execute(struct loader *loader, uint64_t address, struct session_answer *ret)
{
    return session_request(loader->session, MANHOLE_EXECUTE, &address, sizeof(address), NULL, NULL,
                           ret);
}

struct error *loader_unload(struct loader *loader, const struct compiled *code, uint64_t address)
{
    const struct manhole_range range = {address, code->size};
    struct session_answer answer;
    struct error *error = session_request(loader->session, MANHOLE_UNLOAD, &range, sizeof(range),
                                          NULL, NULL, &answer);
    if (!error && answer.outcome == MANHOLE_DONE && address + code->size == loader->next)
        loader->next = address;
    return error;
}
