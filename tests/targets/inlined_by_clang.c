// CC: clang
// BUILD: -O2
/* The same as inlined.c from clang, which makes no .debug_aranges. */
#include "tests/targets/inlined.c"
