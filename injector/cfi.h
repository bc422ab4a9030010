/*
 * Where the unwind table entry (FDE) of a code address is: .eh_frame through the search table of
 * .eh_frame_hdr, or through one made here where that is missing or oddly encoded; then
 * .debug_frame, of the file or its debug file, rewritten into the form of .eh_frame, which is all
 * libunwind reads. Formats: LSB Core, "Exception Frames"; DWARF 5 section 6.4.
 */
#ifndef INJECTOR_CFI_H
#define INJECTOR_CFI_H

#include "injector/module.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Rewritten tables have addresses from here on, where no user memory can be: 4 GiB per module. */
#define CFI_SYNTHETIC_BASE UINT64_C(0xfffe000000000000)
#define CFI_SYNTHETIC_SHIFT 32

struct cfi;
void cfi_destroy(struct cfi *cfi);

/* Bytes that are at [start, end) as the unwinder shall see them. */
struct cfi_region {
    uint64_t start, end;
    const uint8_t *bytes; /* owned by the module */
};

struct cfi_entry {
    uint64_t address;         /* of the FDE, within `region` */
    struct cfi_region region; /* holds it and its CIE */
    uint64_t start, end;      /* the code it is about, runtime addresses */
    bool signal_frame;        /* that code is a signal handler's way back */
};

/*
 * The entry that covers a runtime address. `may_load` false: only from what is in memory already,
 * without any file access. False: none.
 */
bool cfi_find(struct module *module, uint64_t pc, bool may_load, struct cfi_entry *ret);

/* Makes all tables, so that cfi_find without may_load finds the same. */
void cfi_prepare(struct module *module);

/* The rewritten table of a module, if it has one. */
bool cfi_synthetic_region(const struct module *module, struct cfi_region *ret);

#endif
