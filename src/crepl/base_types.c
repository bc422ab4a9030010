#include "src/crepl/base_types.h"

#include "src/crepl/layout.h"
#include "src/types.h"

#include <dwarf.h>
#include <string.h>

const char *integer_type_text(uint64_t size, bool is_signed)
{
    switch (size) {
    case 1:
        return is_signed ? "signed char" : "unsigned char";
    case 2:
        return is_signed ? "short" : "unsigned short";
    case 4:
        return is_signed ? "int" : "unsigned int";
    case 8:
        return is_signed ? "long" : "unsigned long";
    default:
        return NULL;
    }
}

static const char *integer_text(uint64_t size, bool is_signed, const char *name)
{
    if (size == 1 && strcmp(name, "char") == 0)
        return "char";
    if (size == 8 && strstr(name, "long long"))
        return is_signed ? "long long" : "unsigned long long";
    return integer_type_text(size, is_signed);
}

static const char *floating_text(uint64_t size, const char *name)
{
    switch (size) {
    case 4:
        return "float";
    case 8:
        return "double";
    case 16:
        return strcmp(name, "long double") == 0 ? name : NULL;
    default:
        return NULL;
    }
}

const char *base_type_text(Dwarf_Die *die)
{
    uint64_t size, encoding;
    const char *name = type_die_name(die);
    if (!type_byte_size(die, &size) || !layout_number(die, DW_AT_encoding, &encoding))
        return NULL;
    if (!name)
        name = "";
    switch (encoding) {
    case DW_ATE_boolean:
        return size == 1 ? "_Bool" : integer_type_text(size, false);
    case DW_ATE_signed:
    case DW_ATE_signed_char:
        return integer_text(size, true, name);
    case DW_ATE_unsigned:
    case DW_ATE_unsigned_char:
    case DW_ATE_UTF:
    case DW_ATE_address:
        /* Rust's char is a character of four bytes. */
        return integer_text(size, false, name);
    case DW_ATE_float:
        return floating_text(size, name);
    default:
        return NULL;
    }
}
