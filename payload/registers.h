/* Registers of one frame, as far as they are known; by the numbers that DWARF gives them. */
#ifndef PAYLOAD_REGISTERS_H
#define PAYLOAD_REGISTERS_H

#include "payload/arch/arch.h"

#include <stdbool.h>
#include <stdint.h>

struct registers {
    uint64_t value[ARCH_REGISTERS_MAX];
    uint64_t known; /* bit n: value[n] is */
};

static inline bool register_known(const struct registers *registers, uint64_t number)
{
    return number < ARCH_REGISTERS_MAX && registers->known >> number & 1;
}

static inline void register_set(struct registers *registers, unsigned number, uint64_t value)
{
    registers->value[number] = value;
    registers->known |= UINT64_C(1) << number;
}

#endif
