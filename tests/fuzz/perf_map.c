/* A perf map: any program may write one for its process. */
#include "injector/perf_map.h"

#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct perf_map *map = perf_map_parse(fuzz_text(data, size), size);
    struct jit_name name;
    for (unsigned shift = 0; map && shift < 64; shift++) {
        uint64_t address = (UINT64_C(1) << shift) + shift;
        if (perf_map_find(map, address, &name) &&
            (!*name.name || address < name.start || address - name.start >= name.size))
            abort();
    }
    perf_map_close(map);
    return 0;
}
