// BUILD: -O2
#include "tests/targets/values_cxx.cc"
