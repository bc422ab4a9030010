// CC: clang
// BUILD: -O0
#include "tests/targets/values.c"
