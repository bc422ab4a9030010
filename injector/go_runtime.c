#include "injector/go_runtime.h"

#include "injector/cleanup.h"
#include "injector/go_table.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/*
 * Offsets in struct g and struct m, bytes. Common to all versions since Go 1.9: g.stack 0, g.m 48,
 * g.sched 56 and in it sp, pc and the address of the goroutine itself; m begins with g0 and a
 * gobuf.
 */
#define G_BYTES 216
#define G_M 48
#define G_SP 56
#define G_PC 64
#define G_SELF 72

/* g.syscallsp, with g.syscallpc behind it: behind a gobuf with `ret`, and without. */
static const uint16_t syscall_offsets[] = {112, 104};

static const struct layout {
    uint16_t status, id, wait_reason;
} layouts[] = {
    /* Go 1.14 to 1.22; and again where gobuf has lost `ret` and syscallbp has come (1.25, 1.26) */
    {.status = 144, .id = 152, .wait_reason = 176},
    /* Go 1.23, 1.24: with syscallbp and `ret` */
    {.status = 152, .id = 160, .wait_reason = 184},
};

/* m.procid: behind a gobuf with `ret`, and without. */
static const uint16_t thread_offsets[] = {72, 64};

#define STATUS_SCAN_BIT 0x1000
/* No program has more goroutines, or variables of more bytes. */
#define GOROUTINES_LIMIT 100000000
#define SECTION_MAX (UINT64_C(1) << 26)
#define REASONS_MAX 64

struct go_runtime {
    const struct snapshot *snapshot;
    const struct process *process;
    struct module *module;
    const struct layout *layout;
    uint64_t all;     /* address of the slice runtime.allgs: pointer, length, capacity */
    uint64_t reasons; /* address of runtime.waitReasonStrings; 0: not known */
};

static bool read_words(const struct process *process, uint64_t address, uint64_t *words,
                       size_t count)
{
    size_t size = count * sizeof(*words);
    return remote_read(process, address, words, size) == size;
}

static uint64_t word_at(const uint8_t *bytes, size_t offset)
{
    uint64_t word;
    memcpy(&word, bytes + offset, sizeof(word));
    return word;
}

static void parse_g(const struct layout *layout, const uint8_t bytes[G_BYTES], struct go_g *ret)
{
    uint32_t status;
    memcpy(&status, bytes + layout->status, sizeof(status));
    *ret = (struct go_g){
        .stack_low = word_at(bytes, 0),
        .stack_high = word_at(bytes, 8),
        .sp = word_at(bytes, G_SP),
        .pc = word_at(bytes, G_PC),
        .m = word_at(bytes, G_M),
        .id = word_at(bytes, layout->id),
        .status = (int32_t)(status & ~(uint32_t)STATUS_SCAN_BIT),
        .wait_reason = bytes[layout->wait_reason],
    };
    memcpy(ret->marks, bytes + layout->wait_reason + 1, sizeof(ret->marks));
}

/*
 * Where a goroutine entered its system call or C code: its gobuf may be newer (runtime.asmcgocall).
 * Which offsets hold shows in what is there: a place on its stack, and one in Go code.
 */
static void set_syscall_place(const struct go_runtime *runtime, const uint8_t bytes[G_BYTES],
                              struct go_g *g)
{
    const struct go_table *table = module_go_table(runtime->module);
    struct go_function function;
    for (size_t i = 0; i < sizeof(syscall_offsets) / sizeof(syscall_offsets[0]); i++) {
        uint64_t sp = word_at(bytes, syscall_offsets[i]);
        uint64_t pc = word_at(bytes, syscall_offsets[i] + 8u);
        if (sp < g->stack_low || sp >= g->stack_high || !table ||
            !go_table_function(table, pc, &function))
            continue;
        g->sp = sp;
        g->pc = pc;
        return;
    }
}

/* What holds of every goroutine that is not dead, if the layout is the right one. */
static bool is_plausible(const struct layout *layout, const uint8_t bytes[G_BYTES],
                         uint64_t address)
{
    struct go_g g;
    parse_g(layout, bytes, &g);
    if (g.status < 0 || g.status > GO_STATUS_MAX)
        return false;
    if (g.status == GO_DEAD || g.status == GO_IDLE)
        return true;
    return g.stack_low && g.stack_low < g.stack_high && g.id && g.id < UINT64_C(1) << 48 &&
           word_at(bytes, G_SELF) == address;
}

/* The first goroutine of a program runs runtime.main, has the number 1, and never ends. */
static bool is_first(const struct layout *layout, const uint8_t bytes[G_BYTES], uint64_t address)
{
    struct go_g g;
    parse_g(layout, bytes, &g);
    return is_plausible(layout, bytes, address) && g.id == 1 && g.status != GO_DEAD;
}

/* The layout by which a list of goroutines makes sense; NULL: none, or it is no such list. */
static const struct layout *find_layout(const struct process *process, const uint64_t slice[3])
{
    uint64_t addresses[64];
    uint8_t bytes[G_BYTES];
    size_t count = slice[1] < 64 ? slice[1] : 64;
    if (!slice[0] || slice[0] % 8 || !slice[1] || slice[1] > slice[2] ||
        slice[2] > GOROUTINES_LIMIT || !read_words(process, slice[0], addresses, count))
        return NULL;
    for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
        const struct layout *layout = &layouts[i];
        size_t good = 0;
        while (good < count &&
               remote_read(process, addresses[good], bytes, sizeof(bytes)) == sizeof(bytes) &&
               (good ? is_plausible(layout, bytes, addresses[good])
                     : is_first(layout, bytes, addresses[good])))
            good++;
        if (good == count)
            return layout;
    }
    return NULL;
}

/* The bytes of variables between two words of the module's data. NULL: not known. */
static uint8_t *read_section(struct go_runtime *runtime, enum go_module_word from,
                             enum go_module_word to, uint64_t *start, size_t *size)
{
    const struct go_table *table = module_go_table(runtime->module);
    uint64_t end;
    if (!table || !go_table_module_word(table, from, start) ||
        !go_table_module_word(table, to, &end) || end <= *start || end - *start > SECTION_MAX)
        return NULL;
    uint8_t *bytes = malloc(end - *start);
    *size = bytes ? remote_read(runtime->process, *start, bytes, end - *start) : 0;
    return bytes;
}

static bool may_point(const struct go_runtime *runtime, uint64_t address)
{
    const struct mapping *mapping =
        address % 8 ? NULL : maps_find(runtime->snapshot->maps, address);
    return mapping && mapping->readable && mapping->writable;
}

/* In a stripped program: the one variable that is a list of goroutines. */
static void search_all(struct go_runtime *runtime)
{
    uint64_t start;
    size_t size;
    CLEANUP_FREE uint8_t *bytes = read_section(runtime, GO_BSS, GO_BSS_END, &start, &size);
    for (size_t at = 0; bytes && at + 24 <= size; at += 8) {
        uint64_t slice[3];
        memcpy(slice, bytes + at, sizeof(slice));
        if (!slice[1] || slice[1] > slice[2] || slice[2] > GOROUTINES_LIMIT ||
            !may_point(runtime, slice[0]))
            continue;
        runtime->layout = find_layout(runtime->process, slice);
        if (runtime->layout) {
            runtime->all = start + at;
            return;
        }
    }
}

static void find_all(struct go_runtime *runtime)
{
    uint64_t slice[3];
    runtime->all = module_symbol_address(runtime->module, "runtime.allgs", NULL);
    if (!runtime->all)
        search_all(runtime);
    else if (read_words(runtime->process, runtime->all, slice, 3))
        runtime->layout = find_layout(runtime->process, slice);
}

/*
 * The texts of waiting, as a Go array of strings. Which number has which text differs between
 * versions, so the program's own array is used: "", "GC assist marking", "IO wait", and so on.
 */
static void find_reasons(struct go_runtime *runtime)
{
    static const char first[] = "GC assist marking", second[] = "IO wait";
    const uint64_t lengths[2] = {sizeof(first) - 1, sizeof(second) - 1};
    runtime->reasons = module_symbol_address(runtime->module, "runtime.waitReasonStrings", NULL);
    if (runtime->reasons)
        return;
    uint64_t start;
    size_t size;
    CLEANUP_FREE uint8_t *bytes = read_section(runtime, GO_DATA, GO_DATA_END, &start, &size);
    for (size_t at = 0; bytes && at + 48 <= size; at += 8) {
        char text[sizeof(first)] = "";
        if (word_at(bytes, at + 8) || word_at(bytes, at + 24) != lengths[0] ||
            word_at(bytes, at + 40) != lengths[1])
            continue;
        remote_read(runtime->process, word_at(bytes, at + 16), text, sizeof(first) - 1);
        if (!strcmp(text, first)) {
            runtime->reasons = start + at;
            return;
        }
    }
}

struct error *go_runtime_open(const struct snapshot *snapshot, struct module *module,
                              struct go_runtime **ret)
{
    struct go_runtime *runtime = calloc(1, sizeof(*runtime));
    *ret = NULL;
    if (!runtime)
        return error_no_memory();
    runtime->snapshot = snapshot;
    runtime->process = snapshot->process;
    runtime->module = module;
    find_all(runtime);
    if (!runtime->layout) {
        go_runtime_close(runtime);
        return NULL;
    }
    find_reasons(runtime);
    *ret = runtime;
    return NULL;
}

void go_runtime_close(struct go_runtime *runtime)
{
    free(runtime);
}

struct error *go_runtime_goroutines(struct go_runtime *runtime, size_t max, uint64_t **ret,
                                    size_t *count, size_t *rest)
{
    uint64_t slice[3];
    *ret = NULL;
    *count = *rest = 0;
    if (!read_words(runtime->process, runtime->all, slice, 3) || slice[1] > slice[2] ||
        slice[2] > GOROUTINES_LIMIT)
        return NULL;
    size_t wanted = slice[1] < max ? slice[1] : max;
    uint64_t *addresses = calloc(wanted + 1, sizeof(*addresses));
    if (!addresses)
        return error_no_memory();
    *count = remote_read(runtime->process, slice[0], addresses, wanted * sizeof(*addresses)) /
             sizeof(*addresses);
    *rest = slice[1] - wanted;
    *ret = addresses;
    return NULL;
}

#define READ_MAX 64

void go_runtime_read(struct go_runtime *runtime, const uint64_t *addresses, size_t count,
                     struct go_g *ret, size_t stride)
{
    uint8_t bytes[READ_MAX][G_BYTES];
    struct remote_range ranges[READ_MAX];
    for (size_t from = 0; from < count; from += READ_MAX) {
        size_t some = count - from < READ_MAX ? count - from : READ_MAX;
        for (size_t i = 0; i < some; i++)
            ranges[i] = (struct remote_range){addresses[from + i], bytes[i], G_BYTES, 0};
        remote_read_ranges(runtime->process, ranges, some);
        for (size_t i = 0; i < some; i++) {
            struct go_g *g = (struct go_g *)((char *)ret + (from + i) * stride);
            *g = (struct go_g){.status = GO_UNREADABLE};
            if (ranges[i].got == G_BYTES &&
                is_plausible(runtime->layout, bytes[i], addresses[from + i]))
                parse_g(runtime->layout, bytes[i], g);
            if (g->status == GO_SYSCALL)
                set_syscall_place(runtime, bytes[i], g);
        }
    }
}

bool go_runtime_wait_reason(struct go_runtime *runtime, const struct go_g *g, char *buffer,
                            size_t size)
{
    uint64_t text[2]; /* a Go string: pointer, length */
    if (!runtime->reasons || g->wait_reason >= REASONS_MAX ||
        !read_words(runtime->process, runtime->reasons + (uint64_t)g->wait_reason * 16, text, 2) ||
        !text[1] || text[1] >= size ||
        remote_read(runtime->process, text[0], buffer, text[1]) != text[1])
        return false;
    buffer[text[1]] = '\0';
    for (const char *p = buffer; p < buffer + text[1]; p++)
        if (!isprint((unsigned char)*p))
            return false;
    return true;
}

pid_t go_runtime_thread(struct go_runtime *runtime, const struct go_g *g)
{
    /* It has the numbers of its own pid namespace. */
    if (runtime->process->namespace_pid != runtime->process->pid)
        return 0;
    for (size_t i = 0; g->m && i < sizeof(thread_offsets) / sizeof(thread_offsets[0]); i++) {
        uint64_t tid;
        if (!read_words(runtime->process, g->m + thread_offsets[i], &tid, 1))
            continue;
        const struct snapshot *snapshot = runtime->snapshot;
        for (size_t j = 0; j < snapshot->thread_count; j++)
            if ((uint64_t)snapshot->threads[j].tid == tid)
                return (pid_t)tid;
    }
    return 0;
}
