#include "src/crepl/addresses.h"

#include <dwarf.h>
#include <elf.h>
#include <string.h>

/* --- Variables. --- */

/* The number of an operation that is an address or an offset, by index or as it stands. */
static bool operand(Dwarf_Attribute *location, const Dwarf_Op *operation, uint64_t *ret)
{
    Dwarf_Attribute indexed;
    switch (operation->atom) {
    case DW_OP_addr:
    case DW_OP_const4u:
    case DW_OP_const8u:
    case DW_OP_constu:
        *ret = operation->number;
        return true;
    case DW_OP_addrx:
    case DW_OP_GNU_addr_index:
        return dwarf_getlocation_attr(location, operation, &indexed) == 0 &&
               dwarf_formaddr(&indexed, ret) == 0;
    case DW_OP_constx:
    case DW_OP_GNU_const_index:
        return dwarf_getlocation_attr(location, operation, &indexed) == 0 &&
               dwarf_formudata(&indexed, ret) == 0;
    default:
        return false;
    }
}

static bool is_address(const Dwarf_Op *operation)
{
    return operation->atom == DW_OP_addr || operation->atom == DW_OP_addrx ||
           operation->atom == DW_OP_GNU_addr_index;
}

static bool is_tls(const Dwarf_Op *operation)
{
    return operation->atom == DW_OP_GNU_push_tls_address ||
           operation->atom == DW_OP_form_tls_address;
}

/* What follows an address: "+ n" in one step or two (clang merges small variables into one). */
static bool add_rest(const Dwarf_Op *rest, size_t count, uint64_t *value)
{
    if (count == 0)
        return true;
    if (count == 1 && rest[0].atom == DW_OP_plus_uconst) {
        *value += rest[0].number;
        return true;
    }
    if (count == 2 && rest[0].atom == DW_OP_constu && rest[1].atom == DW_OP_plus) {
        *value += rest[0].number;
        return true;
    }
    return false;
}

static void by_location(struct module *module, Dwarf_Attribute *location, struct address *ret)
{
    Dwarf_Op *operations;
    size_t count;
    uint64_t value;
    if (dwarf_getlocation(location, &operations, &count) != 0 || !count ||
        !operand(location, &operations[0], &value))
        return;
    if (count == 2 && is_tls(&operations[1])) {
        *ret = (struct address){.kind = ADDRESS_TLS, .module = module, .value = value};
        return;
    }
    /* What the linker dropped is at 0, or at the highest address (lld). */
    if (!is_address(&operations[0]) || !value || value >= UINT64_MAX - 1 ||
        !add_rest(operations + 1, count - 1, &value))
        return;
    *ret =
        (struct address){.kind = ADDRESS_MEMORY, .module = module, .value = value + module->bias};
}

static void by_constant(Dwarf_Die *die, struct address *ret)
{
    Dwarf_Attribute attribute;
    Dwarf_Sword number;
    Dwarf_Word word;
    if (!dwarf_attr_integrate(die, DW_AT_const_value, &attribute))
        return;
    if (dwarf_formsdata(&attribute, &number) == 0)
        *ret = (struct address){.kind = ADDRESS_CONSTANT, .value = (uint64_t)number};
    else if (dwarf_formudata(&attribute, &word) == 0)
        *ret = (struct address){.kind = ADDRESS_CONSTANT, .value = word};
}

void address_of_variable(struct module *module, Dwarf_Die *die, struct address *ret)
{
    Dwarf_Attribute attribute;
    *ret = (struct address){.kind = ADDRESS_NONE};
    module_open(module);
    if (dwarf_attr_integrate(die, DW_AT_location, &attribute))
        by_location(module, &attribute, ret);
    if (ret->kind == ADDRESS_NONE)
        by_constant(die, ret);
}

/* --- Functions. --- */

static bool is_changed_copy(const char *symbol)
{
    static const char *const marks[] = {".constprop.", ".isra.", ".part.", ".cold"};
    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
        if (strstr(symbol, marks[i]))
            return true;
    }
    return false;
}

/* LLVM marks so what lost or changed arguments without another name (DWARF 5, 3.3.1.1). */
static bool must_not_be_called(Dwarf_Die *die)
{
    Dwarf_Attribute attribute;
    Dwarf_Word convention;
    return dwarf_attr_integrate(die, DW_AT_calling_convention, &attribute) &&
           dwarf_formudata(&attribute, &convention) == 0 && convention == DW_CC_nocall;
}

/* Of a function in several parts (gcc moves what seldom runs away) the first one is entered. */
static bool find_entry(Dwarf_Die *die, Dwarf_Addr *ret)
{
    Dwarf_Addr base, end;
    return dwarf_entrypc(die, ret) == 0 || dwarf_ranges(die, 0, &base, ret, &end) > 0;
}

void address_of_function(struct module *module, Dwarf_Die *die, struct address *ret)
{
    Dwarf_Addr pc;
    struct symbol symbol;
    *ret = (struct address){.kind = ADDRESS_NONE};
    if (!find_entry(die, &pc) || !pc || pc >= UINT64_MAX - 1)
        return;
    module_open(module);
    *ret = (struct address){.kind = ADDRESS_MEMORY, .module = module, .value = pc + module->bias};
    if (module_symbol(module, ret->value, &symbol) && symbol.address == ret->value) {
        ret->symbol = symbol.name;
        ret->size = symbol.size;
        if (symbol.type == STT_GNU_IFUNC)
            ret->kind = ADDRESS_BY_NAME;
        else if (is_changed_copy(symbol.name))
            ret->kind = ADDRESS_CHANGED;
    }
    if (must_not_be_called(die))
        ret->kind = ADDRESS_CHANGED;
}

/* --- Symbols. --- */

void address_of_symbol(struct module *module, const char *name, bool function, struct address *ret)
{
    struct symbol symbol;
    uint64_t address = module_symbol_address(module, name, &symbol);
    *ret = (struct address){.kind = ADDRESS_NONE};
    if (!address)
        return;
    bool is_function = symbol.type == STT_FUNC || symbol.type == STT_GNU_IFUNC;
    bool is_object = symbol.type == STT_OBJECT || symbol.type == STT_COMMON;
    if (function ? !is_function : !is_object)
        return;
    *ret = (struct address){
        .kind = symbol.type == STT_GNU_IFUNC ? ADDRESS_BY_NAME : ADDRESS_MEMORY,
        .module = module,
        .value = address,
        .size = symbol.size,
        .symbol = symbol.name,
    };
}
