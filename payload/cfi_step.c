/* The row of the unwind table for an address, and what it says of the caller's registers. */
#include "payload/cfi.h"

#include <string.h>

#define REMEMBERED_MAX 8
/* Of one table entry; a function of a megabyte has some ten thousands. */
#define INSTRUCTIONS_MAX 200000

/* DWARF 5, section 7.24; the last three are GNU's, from binutils' include/dwarf2.def. */
enum {
    CFA_ADVANCE = 0x1, /* these three in the two highest bits, with an operand in the others */
    CFA_OFFSET = 0x2,
    CFA_RESTORE = 0x3,
    CFA_NOP = 0x00,
    CFA_SET_LOC = 0x01,
    CFA_ADVANCE1 = 0x02,
    CFA_ADVANCE4 = 0x04,
    CFA_OFFSET_EXTENDED = 0x05,
    CFA_RESTORE_EXTENDED = 0x06,
    CFA_UNDEFINED = 0x07,
    CFA_SAME_VALUE = 0x08,
    CFA_REGISTER = 0x09,
    CFA_REMEMBER_STATE = 0x0a,
    CFA_RESTORE_STATE = 0x0b,
    CFA_DEF_CFA = 0x0c,
    CFA_DEF_CFA_REGISTER = 0x0d,
    CFA_DEF_CFA_OFFSET = 0x0e,
    CFA_DEF_CFA_EXPRESSION = 0x0f,
    CFA_EXPRESSION = 0x10,
    CFA_OFFSET_EXTENDED_SF = 0x11,
    CFA_DEF_CFA_SF = 0x12,
    CFA_DEF_CFA_OFFSET_SF = 0x13,
    CFA_VAL_OFFSET = 0x14,
    CFA_VAL_OFFSET_SF = 0x15,
    CFA_VAL_EXPRESSION = 0x16,
    CFA_GNU_ARGS_SIZE = 0x2e,
    CFA_GNU_NEGATIVE_OFFSET_EXTENDED = 0x2f,
};

enum rule_kind {
    RULE_NONE, /* nothing is said */
    RULE_UNDEFINED,
    RULE_SAME,
    RULE_AT_OFFSET,     /* kept at the frame's address + value */
    RULE_OFFSET,        /* is the frame's address + value */
    RULE_REGISTER,      /* is in register `value` */
    RULE_AT_EXPRESSION, /* kept at what `size` bytes at `value` compute */
    RULE_EXPRESSION,
};

struct rule {
    enum rule_kind kind;
    uint64_t value, size;
};

struct row {
    struct rule frame; /* the frame's address: RULE_REGISTER with `offset`, or RULE_EXPRESSION */
    int64_t offset;
    struct rule registers[ARCH_REGISTERS_MAX];
};

struct cfi_work {
    struct row row, first; /* first: after the CIE's instructions */
    struct row remembered[REMEMBERED_MAX];
    size_t remembered_count;
};

size_t cfi_work_size(void)
{
    return sizeof(struct cfi_work);
}

/* --- The row. --- */

struct program {
    struct cfi_work *work;
    const struct cfi_entry *entry;
    struct cfi_reader reader;
    uintptr_t location, address; /* the row's, and the one that is looked for */
    bool first;                  /* the CIE's part: it has no rows to restore */
    bool done;                   /* the next row begins behind the address */
};

/* Registers that we do not follow (vectors, say) may have rules, which do not matter. */
static void set_rule(struct program *program, uint64_t number, enum rule_kind kind, uint64_t value,
                     uint64_t size)
{
    if (number < ARCH_REGISTERS_MAX)
        program->work->row.registers[number] = (struct rule){kind, value, size};
}

static void set_offset(struct program *program, uint64_t number, enum rule_kind kind,
                       int64_t factor)
{
    set_rule(program, number, kind, (uint64_t)(factor * program->entry->data_alignment), 0);
}

static void set_expression(struct program *program, uint64_t number, enum rule_kind kind)
{
    uint64_t size = cfi_read_unsigned(&program->reader);
    set_rule(program, number, kind, program->reader.at, size);
    cfi_skip(&program->reader, size);
}

static void restore(struct program *program, uint64_t number)
{
    if (program->first)
        program->reader.ok = false;
    else if (number < ARCH_REGISTERS_MAX)
        program->work->row.registers[number] = program->work->first.registers[number];
}

static void advance(struct program *program, uint64_t units)
{
    program->location += units * program->entry->code_alignment;
    program->done = program->location > program->address;
}

static void remember(struct program *program)
{
    struct cfi_work *work = program->work;
    if (work->remembered_count == REMEMBERED_MAX)
        program->reader.ok = false;
    else
        work->remembered[work->remembered_count++] = work->row;
}

static void recall(struct program *program)
{
    struct cfi_work *work = program->work;
    if (!work->remembered_count)
        program->reader.ok = false;
    else
        work->row = work->remembered[--work->remembered_count];
}

static void define_frame(struct program *program, uint64_t number, int64_t offset)
{
    program->work->row.frame = (struct rule){RULE_REGISTER, number, 0};
    program->work->row.offset = offset;
}

/* The register stays, as in all that is about an offset alone. */
static void define_offset(struct program *program, int64_t offset)
{
    if (program->work->row.frame.kind != RULE_REGISTER)
        program->reader.ok = false;
    program->work->row.offset = offset;
}

/* Instructions about the frame's address; false: it is none of them. */
static bool obey_frame(struct program *program, uint8_t instruction)
{
    struct cfi_reader *reader = &program->reader;
    uint64_t number;
    switch (instruction) {
    case CFA_DEF_CFA:
        number = cfi_read_unsigned(reader);
        define_frame(program, number, (int64_t)cfi_read_unsigned(reader));
        return true;
    case CFA_DEF_CFA_SF:
        number = cfi_read_unsigned(reader);
        define_frame(program, number, cfi_read_signed(reader) * program->entry->data_alignment);
        return true;
    case CFA_DEF_CFA_REGISTER:
        define_offset(program, program->work->row.offset);
        program->work->row.frame.value = cfi_read_unsigned(reader);
        return true;
    case CFA_DEF_CFA_OFFSET:
        define_offset(program, (int64_t)cfi_read_unsigned(reader));
        return true;
    case CFA_DEF_CFA_OFFSET_SF:
        define_offset(program, cfi_read_signed(reader) * program->entry->data_alignment);
        return true;
    case CFA_DEF_CFA_EXPRESSION: {
        uint64_t size = cfi_read_unsigned(reader);
        program->work->row.frame = (struct rule){RULE_EXPRESSION, reader->at, size};
        cfi_skip(reader, size);
        return true;
    }
    }
    return false;
}

/* Instructions about one register. */
static bool obey_register(struct program *program, uint8_t instruction)
{
    struct cfi_reader *reader = &program->reader;
    bool known = (instruction >= CFA_OFFSET_EXTENDED && instruction <= CFA_REGISTER) ||
                 instruction == CFA_EXPRESSION || instruction == CFA_OFFSET_EXTENDED_SF ||
                 (instruction >= CFA_VAL_OFFSET && instruction <= CFA_VAL_EXPRESSION) ||
                 instruction == CFA_GNU_NEGATIVE_OFFSET_EXTENDED;
    if (!known)
        return false;
    uint64_t number = cfi_read_unsigned(reader);
    switch (instruction) {
    case CFA_OFFSET_EXTENDED:
        set_offset(program, number, RULE_AT_OFFSET, (int64_t)cfi_read_unsigned(reader));
        break;
    case CFA_OFFSET_EXTENDED_SF:
        set_offset(program, number, RULE_AT_OFFSET, cfi_read_signed(reader));
        break;
    case CFA_GNU_NEGATIVE_OFFSET_EXTENDED:
        set_offset(program, number, RULE_AT_OFFSET, -(int64_t)cfi_read_unsigned(reader));
        break;
    case CFA_VAL_OFFSET:
        set_offset(program, number, RULE_OFFSET, (int64_t)cfi_read_unsigned(reader));
        break;
    case CFA_VAL_OFFSET_SF:
        set_offset(program, number, RULE_OFFSET, cfi_read_signed(reader));
        break;
    case CFA_RESTORE_EXTENDED:
        restore(program, number);
        break;
    case CFA_UNDEFINED:
        set_rule(program, number, RULE_UNDEFINED, 0, 0);
        break;
    case CFA_SAME_VALUE:
        set_rule(program, number, RULE_SAME, 0, 0);
        break;
    case CFA_REGISTER:
        set_rule(program, number, RULE_REGISTER, cfi_read_unsigned(reader), 0);
        break;
    case CFA_EXPRESSION:
        set_expression(program, number, RULE_AT_EXPRESSION);
        break;
    case CFA_VAL_EXPRESSION:
        set_expression(program, number, RULE_EXPRESSION);
        break;
    }
    return true;
}

static void obey(struct program *program)
{
    struct cfi_reader *reader = &program->reader;
    uint8_t instruction = (uint8_t)cfi_read_fixed(reader, 1), operand = instruction & 0x3f;
    switch (instruction >> 6) {
    case CFA_ADVANCE:
        advance(program, operand);
        return;
    case CFA_OFFSET:
        set_offset(program, operand, RULE_AT_OFFSET, (int64_t)cfi_read_unsigned(reader));
        return;
    case CFA_RESTORE:
        restore(program, operand);
        return;
    }
    if (instruction >= CFA_ADVANCE1 && instruction <= CFA_ADVANCE4)
        advance(program, cfi_read_fixed(reader, 1u << (instruction - CFA_ADVANCE1)));
    else if (instruction == CFA_REMEMBER_STATE)
        remember(program);
    else if (instruction == CFA_RESTORE_STATE)
        recall(program);
    else if (instruction == CFA_GNU_ARGS_SIZE)
        cfi_read_unsigned(reader);
    else if (instruction != CFA_NOP && !obey_frame(program, instruction) &&
             !obey_register(program, instruction))
        reader->ok = false; /* CFA_SET_LOC is one that nobody writes */
}

static bool run(struct program *program, uintptr_t from, uintptr_t end)
{
    program->reader.at = from;
    program->reader.end = end;
    for (size_t i = 0; program->reader.ok && !program->done && program->reader.at < end; i++) {
        if (i == INSTRUCTIONS_MAX)
            return false;
        obey(program);
    }
    return program->reader.ok;
}

static bool find_row(struct cfi_work *work, struct view *code, const struct cfi_entry *entry,
                     uintptr_t address)
{
    struct program program = {
        .work = work,
        .entry = entry,
        .reader = {.view = code, .ok = true},
        .location = entry->start,
        .address = address,
        .first = true,
    };
    memset(work, 0, sizeof(*work));
    if (!run(&program, entry->first_program, entry->first_program_end) || program.done)
        return false;
    work->first = work->row;
    program.first = false;
    return run(&program, entry->program, entry->program_end);
}

/* --- What it says. --- */

struct frame {
    struct view *code, *stack;
    const struct registers *registers;
    uint64_t address;
};

static enum cfi_step find_frame(const struct row *row, struct frame *frame)
{
    if (row->frame.kind == RULE_EXPRESSION)
        return cfi_evaluate(frame->code, frame->stack, row->frame.value, row->frame.size,
                            frame->registers, false, &frame->address);
    if (row->frame.kind != RULE_REGISTER || row->frame.value >= ARCH_REGISTERS_MAX)
        return CFI_NO_TABLE;
    if (!register_known(frame->registers, row->frame.value))
        return CFI_NEEDS_REGISTER;
    frame->address = frame->registers->value[row->frame.value] + (uint64_t)row->offset;
    return CFI_DONE;
}

static enum cfi_step load(const struct frame *frame, uint64_t address, uint64_t *value)
{
    return view_read(frame->stack, address, value, sizeof(*value)) ? CFI_DONE : CFI_UNREADABLE;
}

/* The value that the caller's register has. */
static enum cfi_step find_value(const struct frame *frame, const struct rule *rule, unsigned number,
                                uint64_t *value)
{
    enum cfi_step step;
    switch (rule->kind) {
    case RULE_NONE:
        if (!(arch_registers_kept >> number & 1))
            return CFI_NEEDS_REGISTER; /* a function may leave anything in it */
        __attribute__((fallthrough));
    case RULE_SAME:
        *value = frame->registers->value[number];
        return register_known(frame->registers, number) ? CFI_DONE : CFI_NEEDS_REGISTER;
    case RULE_UNDEFINED:
        return CFI_OUTERMOST;
    case RULE_AT_OFFSET:
        return load(frame, frame->address + rule->value, value);
    case RULE_OFFSET:
        *value = frame->address + rule->value;
        return CFI_DONE;
    case RULE_REGISTER:
        if (!register_known(frame->registers, rule->value))
            return CFI_NEEDS_REGISTER;
        *value = frame->registers->value[rule->value];
        return CFI_DONE;
    case RULE_AT_EXPRESSION:
    case RULE_EXPRESSION:
        /* The frame's address is on the expression's stack (section 6.4.2.3). */
        *value = frame->address;
        step = cfi_evaluate(frame->code, frame->stack, rule->value, rule->size, frame->registers,
                            true, value);
        return step == CFI_DONE && rule->kind == RULE_AT_EXPRESSION ? load(frame, *value, value)
                                                                    : step;
    }
    return CFI_NO_TABLE;
}

enum cfi_step cfi_step(struct cfi_work *work, struct view *code, struct view *stack,
                       const struct cfi_entry *entry, uintptr_t address,
                       struct registers *registers)
{
    if (!find_row(work, code, entry, address))
        return CFI_NO_TABLE;
    struct frame frame = {code, stack, registers, 0};
    enum cfi_step step = find_frame(&work->row, &frame);
    if (step != CFI_DONE)
        return step;
    struct registers caller = {.known = 0};
    const struct rule *rules = work->row.registers;
    for (unsigned i = 0; i < arch_register_count; i++) {
        uint64_t value;
        if (i == arch_register_sp && rules[i].kind == RULE_NONE) {
            register_set(&caller, i, frame.address);
            continue;
        }
        step = find_value(&frame, &rules[i], i, &value);
        if (step == CFI_DONE)
            register_set(&caller, i, value);
        else if (i == arch_register_pc || i == arch_register_sp)
            return rules[i].kind == RULE_NONE ? CFI_NO_TABLE : step;
    }
    *registers = caller;
    return CFI_DONE;
}
