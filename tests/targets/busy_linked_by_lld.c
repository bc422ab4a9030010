// BUILD: -fuse-ld=lld -Wl,-z,lazy
/* The same with stubs of lld, which have no unwind tables. */
#include "tests/targets/busy_with_libc.c"
