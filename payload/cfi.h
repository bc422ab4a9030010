/*
 * One step from a frame to its caller, by the unwind tables that the program carries in memory:
 * .eh_frame, found through the search table of .eh_frame_hdr. Nothing is called, nothing is
 * guessed: what the tables do not say is not known. Formats: LSB Core, "Exception Frames"; DWARF 5,
 * sections 2.5 and 6.4. All that is read is checked: it may be broken, or change meanwhile.
 */
#ifndef PAYLOAD_CFI_H
#define PAYLOAD_CFI_H

#include "payload/modules.h"
#include "payload/registers.h"
#include "payload/view.h"

enum cfi_step {
    CFI_DONE,
    CFI_OUTERMOST,      /* the tables say that there is no caller */
    CFI_NO_TABLE,       /* none covers this code, or what is there makes no sense */
    CFI_NEEDS_REGISTER, /* one whose value is not known */
    CFI_UNREADABLE,     /* the tables lead to memory that cannot be read */
};

/* Where an address has its table entry (FDE), with what its CIE says. */
struct cfi_entry {
    uintptr_t start, end;                       /* the code it is about */
    uintptr_t first_program, first_program_end; /* the CIE's instructions */
    uintptr_t program, program_end;             /* its own */
    uint64_t code_alignment;
    int64_t data_alignment;
    bool signal_frame; /* that code is a signal handler's way back */
};

/* `code`: the view to read the tables through. False: there is none. */
bool cfi_find(struct view *code, const struct module *module, uintptr_t address,
              struct cfi_entry *ret);

/* Room for one step: too large for the stack of a thread of the program. */
struct cfi_work;
size_t cfi_work_size(void);

/*
 * From a frame at `address` (for a return address: one less) to its caller: *registers changes when
 * it is CFI_DONE. `stack`: the view to read the stack through.
 */
enum cfi_step cfi_step(struct cfi_work *work, struct view *code, struct view *stack,
                       const struct cfi_entry *entry, uintptr_t address,
                       struct registers *registers);

/* --- For the files of this part: cfi_find.c, cfi_step.c, cfi_expression.c. --- */

/* Reads forward; what lies beyond the end, or cannot be read, is 0 and clears `ok`. */
struct cfi_reader {
    struct view *view;
    uintptr_t at, end;
    bool ok;
};

uint64_t cfi_read_fixed(struct cfi_reader *reader, unsigned size);
uint64_t cfi_read_unsigned(struct cfi_reader *reader); /* LEB128 */
int64_t cfi_read_signed(struct cfi_reader *reader);
/* `size` bytes with a sign. */
int64_t cfi_read_fixed_signed(struct cfi_reader *reader, unsigned size);
void cfi_skip(struct cfi_reader *reader, uint64_t size);

/* A location expression, `size` bytes at `program`, in a frame with these registers; begins with
 *value on its stack if `pushed`. */
enum cfi_step cfi_evaluate(struct view *code, struct view *stack, uintptr_t program, uint64_t size,
                           const struct registers *registers, bool pushed, uint64_t *value);

#endif
