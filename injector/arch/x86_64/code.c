/* What the unwinder has to recognise in x86_64 machine code (AMD64 manual, volume 3). */
#include "injector/arch/arch.h"

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

int arch_return_address_offset(const uint8_t *before, size_t before_length, const uint8_t *at,
                               size_t at_length)
{
#define AT(bytes) starts_with(at, at_length, bytes, sizeof(bytes) - 1)
    if (AT("\xf3\x0f\x1e\xfa")) /* endbr64 */
        return 0;
    if (AT("\x55\x48\x89\xe5") || AT("\x55\x48\x8b\xec")) /* push %rbp; mov %rsp,%rbp */
        return 0;
    if (before_length >= 1 && before[-1] == 0x55 && (AT("\x48\x89\xe5") || AT("\x48\x8b\xec")))
        return 8;                                   /* between the two */
    if (AT("\xc3") || AT("\xf3\xc3") || AT("\xc2")) /* ret */
        return 0;
    if (AT("\x5d\xc3")) /* pop %rbp; ret */
        return 8;
    return -1;
#undef AT
}

bool arch_is_signal_return(const uint8_t *at, size_t length)
{
    static const char with_rax[] = "\x48\xc7\xc0\x0f\0\0\0\x0f\x05"; /* mov $15,%rax; syscall */
    static const char with_eax[] = "\xb8\x0f\0\0\0\x0f\x05";         /* mov $15,%eax; syscall */
    return starts_with(at, length, with_rax, sizeof(with_rax) - 1) ||
           starts_with(at, length, with_eax, sizeof(with_eax) - 1);
}
