// BUILD: -O2
#include "tests/targets/values.c"
