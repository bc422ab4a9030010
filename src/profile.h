/* The forms that add up samples of all targets into one picture; one file each. */
#ifndef SRC_PROFILE_H
#define SRC_PROFILE_H

#include "src/sampler.h"
#include "src/stack_tree.h"

#include <stdio.h>

/* What follows a name that is a guess. */
#define PROFILE_GUESS " [guess]"

/*
 * One form each, over all targets of which there are samples: at least one. What `out` failed to
 * write shows in ferror(3).
 */
struct error *dump_folded(const struct sampled *sampled, size_t count, FILE *out) MUST_CHECK;
struct error *dump_speedscope(const struct sampled *sampled, size_t count, FILE *out) MUST_CHECK;
struct error *dump_svg(const struct sampled *sampled, size_t count, FILE *out) MUST_CHECK;

/* The call tree of all of them. */
struct error *profile_tree(const struct sampled *sampled, size_t count,
                           struct stack_tree **ret) MUST_CHECK;

#endif
