/* /proc/PID/maps, as a target can make it: files of any name, any number of mappings. */
#include "injector/maps.h"

#include "tests/fuzz/fuzz.h"

static struct maps *parse(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    struct maps *maps = NULL;
    error_destroy(maps_parse(text, &maps));
    free(text);
    return maps;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct maps *maps = parse(data, size), *half = parse(data, size / 2);
    uint64_t end = 0;
    for (size_t i = 0; maps && i < maps->count; i++) {
        const struct mapping *mapping = &maps->mappings[i];
        /* What everybody relies on. */
        if (mapping->start < end || mapping->start >= mapping->end ||
            maps_find(maps, mapping->start) != mapping ||
            maps_find(maps, mapping->end - 1) != mapping || strlen(mapping->path) > size)
            abort();
        end = mapping->end;
    }
    if (maps && half)
        maps_same_code(maps, half);
    maps_destroy(half);
    maps_destroy(maps);
    return 0;
}
