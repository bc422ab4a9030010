/* Names of symbols as compilers write them, and as somebody does who wants the demangler to burst.
 */
// PARTS: src/demangle.c
#include "src/demangle.h"

#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *raw = fuzz_text(data, size);
    char *shown = demangle(raw);
    if (shown && strlen(shown) >= 65536)
        abort();
    free(shown);
    free(raw);
    return 0;
}
