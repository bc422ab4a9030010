/* The same linked by lld: segments that share pages of the file, and begin in the middle of one. */
// BUILD: -fuse-ld=lld
#include "tests/targets/cxx_workers.cc"
