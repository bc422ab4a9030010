/* What frames are called, kept from one stack to the next: most threads stand at the same places.
 */
#ifndef PAYLOAD_NAMES_H
#define PAYLOAD_NAMES_H

#include "payload/memory.h"
#include "payload/unwind.h"

#define NAMES_BUCKETS 512

struct names {
    struct arena arena;
    struct name *buckets[NAMES_BUCKETS];
    struct place *places; /* room to look up some */
};

/* False: no memory. */
bool names_init(struct names *names);
void names_deinit(struct names *names);

/* Looks up what is not known yet of a stack's frames. */
void names_learn(struct names *names, struct unwinder *unwinder, const struct trace *trace);

/* "name+0x12 (module)" and so on, as place_describe; NULL: it was not looked up, or there was no
   memory. `exact`: the address is a program counter, no return address. */
const char *names_get(const struct names *names, uintptr_t pc, bool exact);

#endif
