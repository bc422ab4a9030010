/* A header's text as the compiler sees it. */
#ifndef SRC_CREPL_PREPROCESS_H
#define SRC_CREPL_PREPROCESS_H

#include "injector/error.h"

/*
 * By libtcc, which writes what it preprocessed to standard output only: in a process of its own,
 * for ten seconds at most. *ret is malloc'ed; or *problem: what does not compile, with file and
 * line. ERROR_PARTIAL: no process or no memory for it.
 */
struct error *header_preprocess(const char *path, char **ret, char **problem) MUST_CHECK;

#endif
