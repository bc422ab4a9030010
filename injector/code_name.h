/*
 * The names of code, kept by address in the recording of a target (recording.h): for code that no
 * file holds, and for files that are not there where a snapshot is loaded.
 */
#ifndef INJECTOR_CODE_NAME_H
#define INJECTOR_CODE_NAME_H

#include "injector/process.h"

#include <stdbool.h>
#include <stdint.h>

struct code_name {
    const char *name; /* raw */
    uint64_t start, size;
};

/* Keeps the name of the code at an address; nothing without a recording, or of a saved target. */
void code_name_keep(const struct process *process, uint64_t address, const struct code_name *name);

/* The name that was kept; owned by the recording. False: none, or the target is not a saved one. */
bool code_name_recall(const struct process *process, uint64_t address, struct code_name *ret);

#endif
