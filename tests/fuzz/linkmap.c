/* The list of a dynamic loader that the target made up: the bytes are its memory. */
#include "injector/linkmap.h"

#include "tests/fuzz/fuzz.h"

#include <elf.h>

#define MEMORY_AT 0x1000 /* where its program headers are */
#define HEADERS 3

static void tell_auxiliary_vector(struct recording *recording)
{
    const Elf64_auxv_t entries[] = {
        {AT_PHDR, {MEMORY_AT}}, {AT_PHNUM, {HEADERS}}, {AT_BASE, {2 * MEMORY_AT}}, {AT_NULL, {0}}};
    const struct question question = {QUESTION_FILE, 0, 0, "auxv"};
    recording_add(recording, &question, 0, entries, sizeof(entries));
}

static void count(const struct export *export, void *context)
{
    *(uint64_t *)context += export->size;
}

static void look_up(const struct linkmap *linkmap)
{
    struct export export;
    uint64_t sum = 0;
    linkmap_function(linkmap, "malloc", &export);
    for (size_t i = 0; i < linkmap->count && i < 4; i++)
        linkmap_each_definition(linkmap, &linkmap->objects[i], "f", count, &sum);
    linkmap_find(linkmap, MEMORY_AT);
    linkmap_find_soname(linkmap, "libc.so.6");
    linkmap_is_consistent(linkmap);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[] = "1000-4000 r-xp 00000000 00:01 5 /fuzz\n"
                  "4000-6000 rw-p 00003000 00:01 5 /fuzz\n"
                  "6000-7000 rw-p 00000000 00:00 0 \n";
    struct process process;
    struct maps *maps = NULL;
    struct linkmap *linkmap = NULL;
    fuzz_process_init(&process);
    tell_auxiliary_vector(process.recording);
    recording_add_memory(process.recording, MEMORY_AT, data, size);
    error_destroy(maps_parse(text, &maps));
    error_destroy(linkmap_read(&process, maps, &linkmap));
    if (linkmap)
        look_up(linkmap);
    linkmap_destroy(linkmap);
    maps_destroy(maps);
    fuzz_process_deinit(&process);
    return 0;
}
