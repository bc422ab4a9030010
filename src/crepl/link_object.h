/*
 * An object file of another compiler, laid out for its place in the target. No linker is needed:
 * in the large code model (System V ABI, AMD64 supplement, 3.5.1) whatever the code names it has
 * the whole address of, and in one file nothing is to be chosen from several.
 */
#ifndef SRC_CREPL_LINK_OBJECT_H
#define SRC_CREPL_LINK_OBJECT_H

#include "src/crepl/compile_external.h"

/*
 * Reads an object file and gives what compile_at does. What it needs and `input` does
 * not give, or cannot be laid out here, is the complaint. Errors: without memory. *ret is to be
 * freed in any case.
 */
struct error *link_object(int fd, const struct compile_input *input, struct complaint *complaint,
                          struct compiled *ret) MUST_CHECK;

#endif
