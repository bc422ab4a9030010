/* What the unwinder has to recognise in x86_64 machine code (AMD64 manual, volume 3). */
#include "injector/arch/arch.h"

#include <elf.h>
#include <string.h>

#define OPCODE_CALL_REL32 0xe8
#define OPCODE_GROUP5 \
    0xff /* with 2 in the middle field of ModRM: call through register or memory */

static bool is_direct_call(const uint8_t *end, size_t length)
{
    return length >= 5 && end[-5] == OPCODE_CALL_REL32;
}

/* The length that ModRM (and SIB) say of an indirect call without prefixes; 0: it is none. */
static size_t indirect_call_length(const uint8_t *code, size_t length)
{
    if (length < 2 || code[0] != OPCODE_GROUP5 || (code[1] >> 3 & 7) != 2)
        return 0;
    unsigned mod = code[1] >> 6, rm = code[1] & 7;
    if (mod == 3)
        return 2;
    bool sib = rm == 4;
    if (sib && length < 3)
        return 0;
    size_t displacement = mod == 1 ? 1 : mod == 2 || rm == 5 || (sib && (code[2] & 7) == 5) ? 4 : 0;
    return 2 + sib + displacement;
}

bool arch_is_call_before(const uint8_t *end, size_t length)
{
    if (is_direct_call(end, length))
        return true;
    for (size_t n = 2; n <= 7 && n <= length; n++)
        if (indirect_call_length(end - n, n) == n)
            return true;
    return false;
}

bool arch_call_target(const uint8_t *end, size_t length, uint64_t address, uint64_t *ret)
{
    int32_t relative;
    if (!is_direct_call(end, length))
        return false;
    memcpy(&relative, end - sizeof(relative), sizeof(relative));
    *ret = address + (uint64_t)(int64_t)relative;
    return true;
}

static bool starts_with(const uint8_t *at, size_t length, const char *bytes, size_t size)
{
    return length >= size && !memcmp(at, bytes, size);
}

/* Call or jump through a pointer, by its distance from the end of the instruction. */
#define CALL_THROUGH "\xff\x15"
#define JUMP_THROUGH "\xff\x25"

/* The address such an instruction names, whose distance ends at `end`, runtime address `address`.
 */
static uint64_t slot_before(const uint8_t *end, uint64_t address)
{
    int32_t relative;
    memcpy(&relative, end - sizeof(relative), sizeof(relative));
    return address + (uint64_t)(int64_t)relative;
}

bool arch_call_slot(const uint8_t *end, size_t length, uint64_t address, uint64_t *ret)
{
    if (length < 6 || !starts_with(end - 6, 6, CALL_THROUGH, 2))
        return false;
    *ret = slot_before(end, address);
    return true;
}

bool arch_jump_slot(const uint8_t *at, size_t length, uint64_t address, uint64_t *ret)
{
    size_t start = starts_with(at, length, "\xf3\x0f\x1e\xfa", 4) ? 4 : 0; /* endbr64 */
    start += starts_with(at + start, length - start, "\xf2", 1);           /* bnd */
    if (length - start < 6 || !starts_with(at + start, length - start, JUMP_THROUGH, 2))
        return false;
    *ret = slot_before(at + start + 6, address + start + 6);
    return true;
}

/* Code before the program counter, from it on, and behind that; with operands of any value between:
   four bytes before it if there is `before`, four behind `at` if there is `then`. */
struct place {
    const char *before, *at, *then;
    uint8_t before_size, at_size, then_size;
    bool adjacent; /* no operand between `before` and `at` */
    struct arch_return_place result;
};
#define OPERAND_SIZE 4
#define BYTES(name, bytes) .name = (bytes), .name##_size = sizeof(bytes) - 1

/* The first row that fits counts: the stubs of lazy binding before the jumps they contain. */
static const struct place places[] = {
    {BYTES(at, "\xf3\x0f\x1e\xfa")}, /* endbr64 */
    {BYTES(at, "\x55\x48\x89\xe5")}, /* push %rbp; mov %rsp,%rbp */
    {BYTES(at, "\x55\x48\x8b\xec")}, /* another encoding */
    /* between the two */
    {BYTES(before, "\x55"), .adjacent = true, BYTES(at, "\x48\x89\xe5"), .result = {8, true}},
    {BYTES(before, "\x55"), .adjacent = true, BYTES(at, "\x48\x8b\xec"), .result = {8, true}},
    {BYTES(at, "\xc3")},                          /* ret */
    {BYTES(at, "\xf3\xc3")},                      /* rep ret */
    {BYTES(at, "\xc2")},                          /* ret n */
    {BYTES(at, "\x5d\xc3"), .result = {8, true}}, /* pop %rbp; ret */
    /* The stub that all share: push GOT[1]; jmp *GOT[2], entered with a number pushed. */
    {BYTES(before, "\xff\x35"), BYTES(at, "\xff\x25"), .result = {16, false}},
    {BYTES(before, "\xff\x35"), BYTES(at, "\xf2\xff\x25"), .result = {16, false}},
    {BYTES(at, "\xff\x35"), BYTES(then, "\xff\x25"), .result = {8, false}},
    {BYTES(at, "\xff\x35"), BYTES(then, "\xf2\xff\x25"), .result = {8, false}},
    /* The stub of one function: push number; jmp shared stub. */
    {BYTES(before, "\x68"), BYTES(at, "\xe9"), .result = {8, false}},
    {BYTES(before, "\x68"), BYTES(at, "\xf2\xe9"), .result = {8, false}},
    {BYTES(at, "\x68"), BYTES(then, "\xe9")},
    {BYTES(at, "\x68"), BYTES(then, "\xf2\xe9")},
    /* Its first instruction: jmp *GOT[n]; also a tail call into another file. */
    {BYTES(at, "\xff\x25")},
    {BYTES(at, "\xf2\xff\x25")},
};

static bool fits_before(const struct place *place, const uint8_t *before, size_t length)
{
    size_t back = (size_t)place->before_size + (place->adjacent ? 0 : OPERAND_SIZE);
    return !place->before_size ||
           (back <= length && !memcmp(before - back, place->before, place->before_size));
}

static bool fits_at(const struct place *place, const uint8_t *at, size_t length)
{
    size_t ahead = (size_t)place->at_size + OPERAND_SIZE;
    return starts_with(at, length, place->at, place->at_size) &&
           (!place->then_size || (ahead <= length && starts_with(at + ahead, length - ahead,
                                                                 place->then, place->then_size)));
}

bool arch_find_return_place(const uint8_t *before, size_t before_length, const uint8_t *at,
                            size_t at_length, struct arch_return_place *ret)
{
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        const struct place *place = &places[i];
        if (fits_before(place, before, before_length) && fits_at(place, at, at_length)) {
            *ret = place->result;
            return true;
        }
    }
    return false;
}

bool arch_is_signal_return(const uint8_t *at, size_t length)
{
    static const char with_rax[] = "\x48\xc7\xc0\x0f\0\0\0\x0f\x05"; /* mov $15,%rax; syscall */
    static const char with_eax[] = "\xb8\x0f\0\0\0\x0f\x05";         /* mov $15,%eax; syscall */
    return starts_with(at, length, with_rax, sizeof(with_rax) - 1) ||
           starts_with(at, length, with_eax, sizeof(with_eax) - 1);
}

/* System V ABI, AMD64 supplement, 4.4.1. A call by way of a linkage table may be a direct one. */
enum arch_relocation arch_relocation(uint64_t type)
{
    switch (type) {
    case R_X86_64_64:
        return ARCH_RELOCATION_ADDRESS;
    case R_X86_64_PC32:
    case R_X86_64_PLT32:
        return ARCH_RELOCATION_DISTANCE;
    default:
        return ARCH_RELOCATION_OTHER;
    }
}
