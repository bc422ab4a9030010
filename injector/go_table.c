#include "injector/go_table.h"

#include "injector/module_private.h"

#include <stdlib.h>
#include <string.h>

/* No table is larger, bytes. */
#define TABLE_MAX (UINT64_C(1) << 29)
/* How much initialised data is searched for runtime.moduledata, bytes. */
#define DATA_MAX (UINT64_C(1) << 26)
/* Steps of the longest program of values that belongs to one function. */
#define STEPS_MAX (1 << 20)
#define NONE UINT8_MAX

/*
 * Where things are, by form. Offsets of struct _func in bytes; those of the header in words behind
 * its first 8 bytes; those of moduledata in words. src/runtime/symtab.go, runtime2.go of the
 * versions named; the word "flag" of form 1.16 is there from Go 1.17 on, and zero before.
 */
struct form {
    uint32_t magic;
    uint8_t word;       /* bytes of each of the two numbers of an entry of functab */
    bool relative;      /* entries count from the start of text, not from 0 */
    uint8_t text_start; /* header */
    uint8_t names, units, files, values, functions; /* header: of each table */
    uint8_t func_name, func_pcsp, func_pcfile, func_pcln, func_npcdata, func_unit, func_flag,
        func_nfuncdata, func_size;
    uint8_t call_size, call_name, call_parent_pc;        /* struct inlinedCall */
    uint8_t data, data_end, bss, bss_end, function_data; /* moduledata */
};

static const struct form forms[] = {
    {.magic = 0xfffffffb, /* Go 1.2 to 1.15 */
     .word = 8,
     .text_start = NONE,
     .names = NONE,
     .units = NONE,
     .files = NONE,
     .values = NONE,
     .functions = NONE,
     .func_name = 8,
     .func_pcsp = 20,
     .func_pcfile = 24,
     .func_pcln = 28,
     .func_npcdata = 32,
     .func_unit = NONE,
     .func_flag = NONE,
     .func_nfuncdata = 39,
     .func_size = 40,
     .call_size = 20,
     .call_name = 12,
     .call_parent_pc = 16,
     .data = NONE,
     .data_end = NONE,
     .bss = NONE,
     .bss_end = NONE,
     .function_data = NONE},
    {.magic = 0xfffffffa, /* Go 1.16, 1.17 */
     .word = 8,
     .text_start = NONE,
     .names = 2,
     .units = 3,
     .files = 4,
     .values = 5,
     .functions = 6,
     .func_name = 8,
     .func_pcsp = 20,
     .func_pcfile = 24,
     .func_pcln = 28,
     .func_npcdata = 32,
     .func_unit = 36,
     .func_flag = 41,
     .func_nfuncdata = 43,
     .func_size = 44,
     .call_size = 20,
     .call_name = 12,
     .call_parent_pc = 16,
     .data = 26,
     .data_end = 27,
     .bss = 28,
     .bss_end = 29,
     .function_data = NONE},
    {.magic = 0xfffffff0, /* Go 1.18, 1.19 */
     .word = 4,
     .relative = true,
     .text_start = 2,
     .names = 3,
     .units = 4,
     .files = 5,
     .values = 6,
     .functions = 7,
     .func_name = 4,
     .func_pcsp = 16,
     .func_pcfile = 20,
     .func_pcln = 24,
     .func_npcdata = 28,
     .func_unit = 32,
     .func_flag = 37,
     .func_nfuncdata = 39,
     .func_size = 40,
     .call_size = 20,
     .call_name = 12,
     .call_parent_pc = 16,
     .data = 26,
     .data_end = 27,
     .bss = 28,
     .bss_end = 29,
     .function_data = 38},
    {.magic = 0xfffffff1, /* Go 1.20 and later */
     .word = 4,
     .relative = true,
     .text_start = 2,
     .names = 3,
     .units = 4,
     .files = 5,
     .values = 6,
     .functions = 7,
     .func_name = 4,
     .func_pcsp = 16,
     .func_pcfile = 20,
     .func_pcln = 24,
     .func_npcdata = 28,
     .func_unit = 32,
     .func_flag = 41,
     .func_nfuncdata = 43,
     .func_size = 44,
     .call_size = 16,
     .call_name = 4,
     .call_parent_pc = 8,
     .data = 26,
     .data_end = 27,
     .bss = 28,
     .bss_end = 29,
     .function_data = 40},
};

/* Bits of funcFlag (Go 1.17 and later), numbers of PCDATA_* and FUNCDATA_* (internal/abi). */
#define FLAG_TOP_FRAME 1
#define FLAG_SP_WRITE 2
#define PCDATA_INLINE_INDEX 2
#define FUNCDATA_INLINE_TREE 3

/* Bytes of a table within the whole. */
struct span {
    const uint8_t *bytes;
    size_t size;
};

struct go_table {
    struct module *module;
    const struct form *form;
    uint64_t address; /* runtime, of the header */
    struct span whole;
    uint8_t *copy; /* under `whole`, where that is no part of the file; or NULL */
    uint64_t text; /* runtime address that relative entries count from */
    size_t function_count;
    struct span entries, names, units, files, values, functions;
    uint8_t quantum; /* bytes: program counters are multiples */

    uint64_t module_data[48]; /* its first words, all zero: not found */
};

static bool get(const struct span *span, uint64_t at, void *ret, size_t size)
{
    if (at > span->size || size > span->size - at)
        return false;
    memcpy(ret, span->bytes + at, size);
    return true;
}

static bool get_u32(const struct span *span, uint64_t at, uint32_t *ret)
{
    return get(span, at, ret, sizeof(*ret));
}

static const char *get_string(const struct span *span, uint64_t at)
{
    if (at >= span->size || !memchr(span->bytes + at, '\0', span->size - at))
        return NULL;
    return (const char *)span->bytes + at;
}

/* A number of 7 bits a byte, the lowest first (encoding/binary, "varint"). */
static bool get_varint(const struct span *span, uint64_t *at, uint32_t *ret)
{
    *ret = 0;
    for (unsigned shift = 0; shift < 32; shift += 7) {
        uint8_t byte;
        if (!get(span, (*at)++, &byte, 1))
            return false;
        *ret |= (uint32_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return true;
    }
    return false;
}

/* One of the two numbers of an entry of functab: 0 its start, 1 its record. */
static uint64_t entry_word(const struct go_table *table, size_t index, unsigned which)
{
    uint64_t word = 0;
    get(&table->entries, (index * 2 + which) * table->form->word, &word, table->form->word);
    return word;
}

static uint64_t entry_start(const struct go_table *table, size_t index)
{
    return entry_word(table, index, 0) + table->text;
}

/* --- Finding the table. --- */

static bool header_word(const struct go_table *table, uint8_t number, uint64_t *ret)
{
    return get(&table->whole, 8 + (uint64_t)number * 8, ret, sizeof(*ret));
}

static bool span_from(const struct go_table *table, uint8_t number, struct span *ret)
{
    uint64_t offset = 0;
    if (number != NONE && !header_word(table, number, &offset))
        return false;
    if (offset > table->whole.size)
        return false;
    *ret = (struct span){table->whole.bytes + offset, table->whole.size - offset};
    return true;
}

static const struct form *form_of(const uint8_t *header)
{
    /* magic, two zeros, the code alignment of this architecture, the size of a pointer */
    uint32_t magic;
    memcpy(&magic, header, sizeof(magic));
    if (header[4] || header[5] || !header[6] || header[6] > 4 || header[7] != 8)
        return NULL;
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
        if (forms[i].magic == magic)
            return &forms[i];
    return NULL;
}

/* In Go 1.2 the functions follow the header, and the file names' table is found behind them. */
static bool find_old_tables(struct go_table *table)
{
    uint64_t end = 8 + 8 + (table->function_count * 2 + 1) * table->form->word;
    uint32_t files;
    if (!get_u32(&table->whole, end, &files) || files > table->whole.size)
        return false;
    table->entries = (struct span){table->whole.bytes + 16, (size_t)(end - 16)};
    table->units = (struct span){table->whole.bytes + files, table->whole.size - files};
    return true;
}

static bool find_tables(struct go_table *table)
{
    const struct form *form = table->form;
    uint64_t count;
    table->quantum = table->whole.bytes[6];
    if (!header_word(table, 0, &count) || !count || count > table->whole.size / 2 / form->word)
        return false;
    table->function_count = (size_t)count;
    if (!span_from(table, form->names, &table->names) ||
        !span_from(table, form->files, &table->files) ||
        !span_from(table, form->values, &table->values) ||
        !span_from(table, form->functions, &table->functions))
        return false;
    if (form->units == NONE)
        return find_old_tables(table);
    size_t size = (table->function_count * 2 + 1) * form->word;
    if (!span_from(table, form->units, &table->units) || size > table->functions.size)
        return false;
    table->entries = (struct span){table->functions.bytes, size};
    return true;
}

/* Its name ends in those of the architecture and the system. */
static bool is_entry_point(const char *name)
{
    return !strncmp(name, "_rt0_", 5);
}

/*
 * Where text begins is in the header, as the loader has relocated it in memory. Newer versions may
 * leave it out: then the symbol tells, or the section, if Go's entry point is where that would
 * have it.
 */
static bool find_text(struct go_table *table)
{
    struct module *module = table->module;
    struct go_function entry;
    if (!table->form->relative)
        return true;
    uint64_t at = table->address + 8 + (uint64_t)table->form->text_start * 8;
    if (remote_read(module->priv->process, at, &table->text, sizeof(table->text)) !=
        sizeof(table->text))
        return false;
    if (table->text)
        return table->text >= module->start && table->text < module->end;
    table->text = module_symbol_address(module, "runtime.text", NULL);
    const Elf64_Shdr *section = elf_image_find_section(&module->priv->elf, ".text");
    if (table->text || !section)
        return table->text;
    table->text = section->sh_addr + module->bias;
    return go_table_function(table, module_entry(module), &entry) &&
           entry.start == module_entry(module) && is_entry_point(entry.name);
}

/* runtime.moduledata begins with the addresses of the header and of the names. */
static void find_module_data(struct go_table *table)
{
    const struct elf_image *elf = &table->module->priv->elf;
    const uint64_t wanted[2] = {
        table->address, table->address + (uint64_t)(table->names.bytes - table->whole.bytes)};
    if (table->form->names == NONE)
        return;
    for (size_t i = 0; i < elf->segment_count; i++) {
        const Elf64_Phdr *segment = &elf->segments[i];
        if (segment->p_type != PT_LOAD || !(segment->p_flags & PF_W) ||
            segment->p_filesz > DATA_MAX)
            continue;
        uint8_t *bytes = malloc(segment->p_filesz + 1);
        size_t size =
            bytes ? remote_read(table->module->priv->process,
                                segment->p_vaddr + table->module->bias, bytes, segment->p_filesz)
                  : 0;
        for (size_t at = 0; at + sizeof(table->module_data) <= size; at += 8) {
            if (memcmp(bytes + at, wanted, sizeof(wanted)))
                continue;
            memcpy(table->module_data, bytes + at, sizeof(table->module_data));
            free(bytes);
            return;
        }
        free(bytes);
    }
}

/* The section; in a position-independent program linked by a C linker it is part of another. */
static bool find_section(const struct elf_image *elf, uint64_t *vaddr, uint64_t *size)
{
    const Elf64_Shdr *section = elf_image_find_section(elf, ".gopclntab");
    if (!section)
        section = elf_image_find_section(elf, ".data.rel.ro.gopclntab");
    if (section) {
        *vaddr = section->sh_addr;
        *size = section->sh_size;
        return true;
    }
    section = elf_image_find_section(elf, ".data.rel.ro");
    if (!section || !elf_image_find_section(elf, ".go.buildinfo"))
        return false;
    const uint8_t *bytes = elf_image_at(elf, section->sh_offset, section->sh_size);
    for (uint64_t at = 0; bytes && at + 64 <= section->sh_size; at += 8) {
        if (form_of(bytes + at)) {
            *vaddr = section->sh_addr + at;
            *size = section->sh_size - at;
            return true;
        }
    }
    return false;
}

static bool load(struct go_table *table)
{
    struct module *module = table->module;
    const struct elf_image *elf = &module->priv->elf;
    uint64_t vaddr, size;
    if (!find_section(elf, &vaddr, &size) || size < 64 || size > TABLE_MAX)
        return false;
    table->address = vaddr + module->bias;
    table->whole = (struct span){elf_image_at_vaddr(elf, vaddr, size), size};
    if (!table->whole.bytes || !(table->form = form_of(table->whole.bytes)))
        return false;
    /* Addresses that the loader has yet to relocate are right in memory alone. */
    if (!table->form->relative && elf->header.e_type == ET_DYN) {
        table->copy = malloc(size);
        if (!table->copy ||
            remote_read(module->priv->process, table->address, table->copy, size) != size)
            return false;
        table->whole.bytes = table->copy;
    }
    if (!find_tables(table) || !find_text(table))
        return false;
    find_module_data(table);
    return true;
}

struct go_table *go_table_open(struct module *module)
{
    struct go_table *table = calloc(1, sizeof(*table));
    if (!table)
        return NULL;
    table->module = module;
    module_open(module);
    if (module->image && load(table))
        return table;
    go_table_close(table);
    return NULL;
}

void go_table_close(struct go_table *table)
{
    if (!table)
        return;
    free(table->copy);
    free(table);
}

bool go_table_module_word(const struct go_table *table, enum go_module_word word, uint64_t *ret)
{
    const struct form *form = table->form;
    const uint8_t index[] = {[GO_DATA] = form->data,
                             [GO_DATA_END] = form->data_end,
                             [GO_BSS] = form->bss,
                             [GO_BSS_END] = form->bss_end,
                             [GO_FUNCTION_DATA] = form->function_data};
    if (!table->module_data[0] || index[word] == NONE)
        return false;
    *ret = table->module_data[index[word]];
    return true;
}

/* --- Functions. --- */

/* Before Go 1.17 no flag tells these. */
static bool is_one_of(const char *name, const char *const *names)
{
    for (; *names; names++)
        if (!strcmp(name, *names))
            return true;
    return false;
}

static void set_kind(const struct go_table *table, struct go_function *function)
{
    static const char *const outermost[] = {"runtime.goexit", "runtime.mstart", "runtime.rt0_go",
                                            NULL};
    static const char *const switching[] = {"runtime.mcall", "runtime.systemstack",
                                            "runtime.asmcgocall", "runtime.morestack", NULL};
    static const char *const injected[] = {"runtime.sigpanic", "runtime.asyncPreempt", NULL};
    uint8_t flag = 0;
    if (table->form->func_flag != NONE)
        get(&table->functions, function->record + table->form->func_flag, &flag, sizeof(flag));
    function->outermost = flag & FLAG_TOP_FRAME || is_one_of(function->name, outermost) ||
                          is_entry_point(function->name);
    function->switches_stack = flag & FLAG_SP_WRITE || is_one_of(function->name, switching);
    function->injected_call = is_one_of(function->name, injected);
}

bool go_table_function(const struct go_table *table, uint64_t pc, struct go_function *ret)
{
    if (pc < entry_start(table, 0) || pc >= entry_start(table, table->function_count))
        return false;
    size_t low = 0, high = table->function_count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (entry_start(table, middle) <= pc)
            low = middle;
        else
            high = middle;
    }
    uint32_t name;
    *ret = (struct go_function){
        .start = entry_start(table, low),
        .end = entry_start(table, low + 1),
        .record = (size_t)entry_word(table, low, 1),
    };
    if (!get_u32(&table->functions, ret->record + table->form->func_name, &name))
        return false;
    ret->name = get_string(&table->names, name);
    if (!ret->name || !ret->name[0] || pc < ret->start || pc >= ret->end)
        return false;
    set_kind(table, ret);
    return true;
}

/*
 * The value at a program counter, of a table of values that starts at an offset: pairs of varints,
 * the change of the value (zigzag) and for how many quanta of code it stays (go12symtab).
 */
static bool value_at(const struct go_table *table, const struct go_function *function,
                     uint32_t offset, uint64_t pc, int32_t *ret)
{
    uint64_t at = offset, reached = function->start;
    uint32_t value = UINT32_MAX, change, quanta;
    if (!offset)
        return false;
    for (unsigned step = 0; step < STEPS_MAX && reached < function->end; step++) {
        if (!get_varint(&table->values, &at, &change) || (!change && step) ||
            !get_varint(&table->values, &at, &quanta))
            return false;
        value += change & 1 ? ~(change >> 1) : change >> 1;
        reached += (uint64_t)quanta * table->quantum;
        if (pc < reached) {
            *ret = (int32_t)value;
            return true;
        }
    }
    return false;
}

/* The same of a table that a field of the function's record names. */
static bool field_value_at(const struct go_table *table, const struct go_function *function,
                           uint8_t field, uint64_t pc, int32_t *ret)
{
    uint32_t offset;
    return get_u32(&table->functions, function->record + field, &offset) &&
           value_at(table, function, offset, pc, ret);
}

bool go_table_frame_size(const struct go_table *table, const struct go_function *function,
                         uint64_t pc, uint32_t *ret)
{
    int32_t size;
    if (!field_value_at(table, function, table->form->func_pcsp, pc, &size) || size < 0)
        return false;
    *ret = (uint32_t)size;
    return true;
}

static const char *file_name(const struct go_table *table, const struct go_function *function,
                             uint32_t number)
{
    const struct form *form = table->form;
    uint32_t unit = 0, offset;
    if (form->func_unit != NONE &&
        !get_u32(&table->functions, function->record + form->func_unit, &unit))
        return NULL;
    if (!get_u32(&table->units, ((uint64_t)unit + number) * 4, &offset) || offset == UINT32_MAX)
        return NULL;
    return get_string(&table->files, offset);
}

static void set_place(const struct go_table *table, const struct go_function *function, uint64_t pc,
                      struct go_place *ret)
{
    int32_t file, line;
    if (field_value_at(table, function, table->form->func_pcfile, pc, &file) && file >= 0)
        ret->file = file_name(table, function, (uint32_t)file);
    if (ret->file && field_value_at(table, function, table->form->func_pcln, pc, &line) && line > 0)
        ret->line = line;
}

/* Where the calls that were inlined into the function are described; 0: none, or not known. */
static uint64_t inline_tree(const struct go_table *table, const struct go_function *function,
                            uint32_t npcdata)
{
    const struct form *form = table->form;
    uint64_t base, after = function->record + form->func_size + (uint64_t)npcdata * 4;
    uint8_t count;
    if (!get(&table->functions, function->record + form->func_nfuncdata, &count, sizeof(count)) ||
        count <= FUNCDATA_INLINE_TREE)
        return 0;
    if (form->relative) {
        uint32_t offset;
        if (!go_table_module_word(table, GO_FUNCTION_DATA, &base) ||
            !get_u32(&table->functions, after + FUNCDATA_INLINE_TREE * 4, &offset) ||
            offset == UINT32_MAX)
            return 0;
        return base + offset;
    }
    after = (after + 7) & ~UINT64_C(7);
    return get(&table->functions, after + (uint64_t)FUNCDATA_INLINE_TREE * 8, &base, sizeof(base))
               ? base
               : 0;
}

/* The inlined call that a program counter is in. */
struct inlined {
    const char *name;
    uint64_t parent_pc; /* a place in the function that has the line of the call */
};

static bool find_inlined(const struct go_table *table, const struct go_function *function,
                         uint64_t pc, struct inlined *ret)
{
    const struct form *form = table->form;
    uint32_t npcdata, offset, name, parent;
    int32_t index;
    uint8_t call[32];
    if (!get_u32(&table->functions, function->record + form->func_npcdata, &npcdata) ||
        npcdata <= PCDATA_INLINE_INDEX || npcdata > table->functions.size / 4 ||
        !get_u32(&table->functions,
                 function->record + form->func_size + (uint64_t)PCDATA_INLINE_INDEX * 4, &offset) ||
        !value_at(table, function, offset, pc, &index) || index < 0)
        return false;
    uint64_t tree = inline_tree(table, function, npcdata);
    if (!tree || !module_code_at(table->module, tree + (uint64_t)index * form->call_size, call,
                                 form->call_size))
        return false;
    memcpy(&name, call + form->call_name, sizeof(name));
    memcpy(&parent, call + form->call_parent_pc, sizeof(parent));
    ret->name = get_string(&table->names, name);
    ret->parent_pc = function->start + parent;
    return ret->name && ret->parent_pc < function->end;
}

size_t go_table_places(const struct go_table *table, const struct go_function *function,
                       uint64_t pc, struct go_place *places, size_t max)
{
    struct inlined inlined;
    size_t count = 0;
    while (count + 1 < max && find_inlined(table, function, pc, &inlined)) {
        places[count] = (struct go_place){.function = inlined.name};
        set_place(table, function, pc, &places[count++]);
        pc = inlined.parent_pc;
    }
    places[count] = (struct go_place){.function = function->name};
    set_place(table, function, pc, &places[count++]);
    return count;
}
