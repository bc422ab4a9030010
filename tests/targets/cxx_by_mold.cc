/* The same linked by mold, which lays out segments in a way of its own. */
// BUILD: -fuse-ld=mold
#include "tests/targets/cxx_workers.cc"
