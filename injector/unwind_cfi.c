/*
 * libunwind's remote interface (libunwind-dynamic(3), _UPT(3)) with accessors of ours. Its own ones
 * for ptrace are wrong for lld layouts, deleted files and the vDSO, and slow.
 */
#include "injector/unwind_private.h"

#include "injector/arch/arch.h"
#include "injector/jit.h"

#include <string.h>

/* Exported, but in no header; made for remote unwinders like this one. */
#define dwarf_search_unwind_table UNW_OBJ(dwarf_search_unwind_table)
extern int dwarf_search_unwind_table(unw_addr_space_t space, unw_word_t ip, unw_dyn_info_t *info,
                                     unw_proc_info_t *ret, int need_unwind_info, void *argument);

/* Where the search table of one entry is that libunwind gets: no user memory can be there. */
#define ENTRY_ADDRESS (CFI_SYNTHETIC_BASE - 0x1000)

/* No honest step reads more words. */
#define READS_PER_STEP 200000

/* Rows kept in memory, per target. */
#define CACHE_ROWS 4096

/* The part of a word that a region holds; the rest of it reads as 0. */
static bool read_region(const struct cfi_region *region, uint64_t address, unw_word_t *ret)
{
    uint8_t word[sizeof(*ret)] = {0};
    if (address >= region->end || address + sizeof(word) <= region->start)
        return false;
    uint64_t from = address < region->start ? region->start : address;
    uint64_t to = region->end - address < sizeof(word) ? region->end : address + sizeof(word);
    memcpy(word + (from - address), region->bytes + (from - region->start), to - from);
    memcpy(ret, word, sizeof(*ret));
    return true;
}

bool walk_read(struct walk *walk, uint64_t address, void *buffer, size_t size)
{
    const struct memory_slice *stack = &walk->thread->stack;
    if (address >= stack->start && address - stack->start < stack->size &&
        size <= stack->size - (address - stack->start)) {
        memcpy(buffer, stack->bytes + (address - stack->start), size);
        return true;
    }
    struct module *module = modules_find(walk->unwinder->modules, address);
    if (module && module_code_at(module, address, buffer, size))
        return true;
    struct snapshot *snapshot = walk->unwinder->snapshot;
    if (snapshot_read(snapshot, walk->thread, address, buffer, size, &walk->live) != size)
        return false;
    remote_keep(snapshot->process, address, buffer, size);
    return true;
}

static bool read_synthetic(struct walk *walk, uint64_t address, unw_word_t *ret)
{
    /* The only entry: its code starts below all code, its FDE is at the table's base. */
    static const int32_t entry[2] = {INT32_MIN, 0};
    if (address == ENTRY_ADDRESS) {
        memcpy(ret, entry, sizeof(entry));
        return true;
    }
    if (address < CFI_SYNTHETIC_BASE)
        return false;
    size_t number = (address - CFI_SYNTHETIC_BASE) >> CFI_SYNTHETIC_SHIFT;
    struct modules *modules = walk->unwinder->modules;
    struct cfi_region region;
    return number < modules->count && cfi_synthetic_region(modules->modules[number], &region) &&
           read_region(&region, address, ret);
}

static int access_mem(unw_addr_space_t space, unw_word_t address, unw_word_t *value, int write,
                      void *argument)
{
    (void)space;
    struct walk *walk = argument;
    if (write || !walk->reads_left)
        return -UNW_EINVAL;
    walk->reads_left--;
    if (read_region(&walk->region, address, value))
        return 0;
    if (address >= ENTRY_ADDRESS && read_synthetic(walk, address, value))
        return 0;
    if (walk_read(walk, address, value, sizeof(*value)))
        return 0;
    walk->unreadable = true;
    return -UNW_EINVAL;
}

static int access_reg(unw_addr_space_t space, unw_regnum_t number, unw_word_t *value, int write,
                      void *argument)
{
    (void)space;
    struct walk *walk = argument;
    if (write || number < 0)
        return -UNW_EREADONLYREG;
    if (!register_known(&walk->registers, (unsigned)number)) {
        walk->unknown_register = true;
        if ((unsigned)number < arch_register_count &&
            !register_known(&walk->thread->registers, (unsigned)number))
            walk->needs_register = true;
        return -UNW_EBADREG;
    }
    *value = walk->registers.value[number];
    return 0;
}

static int access_fpreg(unw_addr_space_t space, unw_regnum_t number, unw_fpreg_t *value, int write,
                        void *argument)
{
    (void)space, (void)number, (void)value, (void)write, (void)argument;
    return -UNW_EBADREG;
}

/* Rows of such code hold for one look only. */
static bool find_in_jit(struct walk *walk, uint64_t pc, struct cfi_entry *ret)
{
    struct unwinder *unwinder = walk->unwinder;
    if (!jit_find_cfi(unwinder->modules->jit, pc, ret))
        return false;
    unwinder->jit_rows = true;
    return true;
}

/*
 * The entry is looked up here; libunwind gets a table that holds nothing else. Its search would
 * read a large table byte by byte, and computes offsets in 32 bits.
 */
static int find_proc_info(unw_addr_space_t space, unw_word_t ip, unw_proc_info_t *ret,
                          int need_unwind_info, void *argument)
{
    struct walk *walk = argument;
    struct module *module = modules_find(walk->unwinder->modules, ip);
    struct cfi_entry entry;
    if (!(module ? cfi_find(module, ip, true, &entry) : find_in_jit(walk, ip, &entry))) {
        walk->no_entry = true;
        return -UNW_ENOINFO;
    }
    walk->region = entry.region;
    unw_dyn_info_t info = {
        .start_ip = entry.start,
        .end_ip = entry.end,
        .format = UNW_INFO_FORMAT_REMOTE_TABLE,
        .u.rti = {.segbase = entry.address, .table_len = 1, .table_data = ENTRY_ADDRESS},
    };
    /* It fetches the address of the personality routine too, out of data that a program may write,
       and no frame comes of it. */
    bool live = walk->live;
    int result = dwarf_search_unwind_table(space, ip, &info, ret, need_unwind_info, argument);
    walk->live = live;
    if (result < 0)
        walk->no_entry = true;
    return result;
}

/* libunwind allocates from pools of its own and frees it there. */
static void put_unwind_info(unw_addr_space_t space, unw_proc_info_t *info, void *argument)
{
    (void)space, (void)info, (void)argument;
}

static int get_dyn_info_list_addr(unw_addr_space_t space, unw_word_t *ret, void *argument)
{
    (void)space, (void)ret, (void)argument;
    return -UNW_ENOINFO;
}

static int resume(unw_addr_space_t space, unw_cursor_t *cursor, void *argument)
{
    (void)space, (void)cursor, (void)argument;
    return -UNW_EINVAL;
}

static int get_proc_name(unw_addr_space_t space, unw_word_t ip, char *buffer, size_t size,
                         unw_word_t *offset, void *argument)
{
    (void)space, (void)ip, (void)buffer, (void)size, (void)offset, (void)argument;
    return -UNW_EINVAL;
}

struct error *unwinder_create_spaces(struct unwinder *unwinder)
{
    unw_accessors_t accessors = {
        .find_proc_info = find_proc_info,
        .put_unwind_info = put_unwind_info,
        .get_dyn_info_list_addr = get_dyn_info_list_addr,
        .access_mem = access_mem,
        .access_reg = access_reg,
        .access_fpreg = access_fpreg,
        .resume = resume,
        .get_proc_name = get_proc_name,
    };
    unwinder->space = unw_create_addr_space(&accessors, 0);
    unwinder->exact_space = unw_create_addr_space(&accessors, 0);
    if (!unwinder->space || !unwinder->exact_space)
        return error_no_memory();
    /* A refusal of either leaves it slower, not wrong. */
    unw_set_caching_policy(unwinder->space, UNW_CACHE_GLOBAL);
    unw_set_cache_size(unwinder->space, CACHE_ROWS, 0);
    unw_set_caching_policy(unwinder->exact_space, UNW_CACHE_NONE);
    return NULL;
}

static void begin_step(struct walk *walk)
{
    walk->reads_left = READS_PER_STEP;
    walk->no_entry = walk->unknown_register = walk->needs_register = walk->unreadable = false;
}

bool walk_start(struct walk *walk, const struct registers *registers, bool call_site)
{
    struct unwinder *unwinder = walk->unwinder;
    walk->registers = *registers;
    uint64_t pc = registers->value[arch_pc];
    /* libunwind takes the first program counter as it is, hence one within the call instruction. No
       return address can equal a program counter that no call precedes: it needs no other space. */
    walk->adjusted = call_site ? 1 : 0;
    walk->registers.value[arch_pc] = pc - walk->adjusted;
    walk->exact = !call_site && unwinder_facts(unwinder, walk->thread, pc)->after_call;
    begin_step(walk);
    return unw_init_remote(&walk->cursor, walk->exact ? unwinder->exact_space : unwinder->space,
                           walk) == 0;
}

void walk_registers(struct walk *walk, struct registers *ret)
{
    begin_step(walk);
    *ret = (struct registers){0};
    for (unsigned i = 0; i < arch_register_count; i++) {
        unw_word_t value;
        if (unw_get_reg(&walk->cursor, (unw_regnum_t)i, &value) == 0)
            register_set(ret, i, value);
    }
    ret->value[arch_pc] += walk->adjusted;
}

static enum step step_result(const struct walk *walk, int result, bool signal_return)
{
    /* Without a table entry libunwind guesses; its guesses are not told from knowledge, so ours
       are made instead. */
    if (walk->no_entry)
        return STEP_NO_TABLE;
    if (result > 0)
        return STEP_DONE;
    if (result == 0) /* also for a null program counter, which a signal may well have met */
        return signal_return ? STEP_DONE : STEP_OUTERMOST;
    if (walk->unknown_register)
        return walk->needs_register ? STEP_NEEDS_REGISTER : STEP_NO_TABLE;
    return walk->unreadable ? STEP_UNREADABLE : STEP_NO_TABLE;
}

enum step walk_step_cfi(struct walk *walk, bool signal_return)
{
    unw_cursor_t before = walk->cursor;
    begin_step(walk);
    int result = unw_step(&walk->cursor);
    enum step step = step_result(walk, result, signal_return);
    if (step != STEP_DONE) {
        walk->cursor = before;
        return step;
    }
    walk->adjusted = 0;
    /* Into the space where the new frame belongs. */
    unw_word_t pc;
    if (walk->exact || (signal_return && !unw_get_reg(&walk->cursor, UNW_REG_IP, &pc) &&
                        unwinder_facts(walk->unwinder, walk->thread, pc)->after_call)) {
        struct registers registers;
        walk_registers(walk, &registers);
        if (!walk_start(walk, &registers, !signal_return))
            return STEP_UNREADABLE;
    }
    return STEP_DONE;
}
