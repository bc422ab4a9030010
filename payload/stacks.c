#include "payload/stacks.h"

#include "payload/console.h"
#include "payload/lock.h"
#include "payload/memory.h"
#include "payload/proc.h"
#include "payload/signals.h"
#include "payload/symbols.h"
#include "payload/sys.h"
#include "payload/text.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <string.h>
#include <unwind.h>

/* glibc before 2.34 keeps them in libdl, which the program need not have. */
#pragma weak dlopen
#pragma weak dlsym
#pragma weak dlclose

#define BIT(signal) (1ull << ((signal)-1))
#define MAX_FRAMES 128
#define SCRATCH_BYTES (128u << 10)
/* How long a thread may take to answer, and one that has begun to finish, ms. */
#define ANSWER_MS 1000
#define FINISH_MS 5000

enum how {
    HOW_RECORDED,
    HOW_FAULTED, /* the unwinder met something it could not read: the frames before it are good */
    HOW_TOP_ONLY,
    HOW_BLOCKS,
    HOW_WAITS,
    HOW_STOPPED,
    HOW_BUSY,
    HOW_SILENT,
    HOW_GONE,
};

struct record {
    struct record *next;
    int tid;
    enum how how;
    struct proc_thread thread;
    size_t count;
    bool more;  /* frames beyond MAX_FRAMES */
    bool blind; /* no unwind information for the last frame: the stack may go on */
    uintptr_t pcs[MAX_FRAMES];
    bool exact[MAX_FRAMES]; /* the pc itself, not a return address */
};

/* The word that decides who goes on: the number of the question, and its phase. */
enum phase { AT_REST, ASKED, RECORDING };
#define PHASE_BITS 2
#define WORD(number, phase) ((uint32_t)(number) << PHASE_BITS | (phase))

typedef _Unwind_Reason_Code backtrace_function(_Unwind_Trace_Fn, void *);
typedef _Unwind_Ptr ip_function(struct _Unwind_Context *, int *);
/* libgcc's unwind-dw2-fde.h: the entry for a pc, or NULL; fills in three pointers. */
typedef const void *find_function(void *pc, void *bases[3]);

static struct {
    void *library;
    backtrace_function *backtrace;
    ip_function *get_ip;
    find_function *find_entry; /* may be NULL */
    int signal;
    _Atomic uint32_t word;
    uint32_t number;
    int asked; /* the thread that was asked last */
    struct record *record;
    struct stack scratch; /* the handler unwinds here: the thread's own stack may be nearly full */
} state;

static enum phase phase_of(uint32_t word)
{
    return word & ((1u << PHASE_BITS) - 1);
}

bool stacks_at_rest(void)
{
    return phase_of(atomic_load(&state.word)) != RECORDING && signals_in_flight() == 0;
}

pid_t stacks_stuck_thread(void)
{
    return state.asked;
}

void stacks_release(void)
{
    if (state.library && dlclose)
        dlclose(state.library);
    state.library = NULL;
    state.backtrace = NULL;
    state.get_ip = NULL;
    state.find_entry = NULL;
}

/* --- In the thread that is asked. --- */

static void add_frame(struct record *record, uintptr_t pc, bool exact)
{
    if (record->count == MAX_FRAMES) {
        record->more = true;
        return;
    }
    record->pcs[record->count] = pc;
    record->exact[record->count] = exact;
    record->count++;
}

struct walk {
    struct record *record;
    uintptr_t from; /* the interrupted pc: the frames above it are ours */
    bool begun;
};

static _Unwind_Reason_Code visit(struct _Unwind_Context *context, void *argument)
{
    struct walk *walk = argument;
    int exact = 0;
    uintptr_t pc = state.get_ip(context, &exact);
    if (!walk->begun && pc != walk->from)
        return _URC_NO_REASON;
    if (!pc)
        return _URC_NORMAL_STOP;
    /* The first one is known already, and is there even if the unwinder fails. */
    if (walk->begun)
        add_frame(walk->record, pc, exact != 0);
    walk->begun = true;
    return walk->record->more ? _URC_NORMAL_STOP : _URC_NO_REASON;
}

static void unwind(struct walk *walk)
{
    state.backtrace(visit, walk);
    struct record *record = walk->record;
    size_t last = record->count - 1;
    void *bases[3];
    record->blind = state.find_entry && !record->more &&
                    !state.find_entry((void *)(record->pcs[last] - !record->exact[last]), bases);
}

/* The signal handler. */
static bool record_own_stack(int signal, const siginfo_t *info, void *context)
{
    (void)signal;
    if (info->si_code != SI_QUEUE || info->si_pid != sys_getpid())
        return false;
    uint32_t number = (uint32_t)(uintptr_t)info->si_value.sival_ptr;
    uint32_t asked = WORD(number, ASKED);
    if (!atomic_compare_exchange_strong(&state.word, &asked, WORD(number, RECORDING)))
        return true; /* too late: nobody waits for the answer any more */
    struct walk walk = {.record = state.record, .from = arch_context_pc(context)};
    add_frame(walk.record, walk.from, true);
    walk.record->how = HOW_TOP_ONLY;
    if (state.backtrace) {
        bool whole = guard_run_in_handler((uintptr_t)unwind, &walk, stack_top(&state.scratch));
        walk.record->how = !whole ? HOW_FAULTED : walk.begun ? HOW_RECORDED : HOW_TOP_ONLY;
    }
    atomic_store(&state.word, WORD(number, AT_REST));
    lock_wake(&state.word);
    return true;
}

/* --- In the worker. --- */

static uint64_t blocked_signals(int tid)
{
    char status[4096];
    uint64_t blocked = 0;
    if (proc_read_thread(tid, "status", status, sizeof(status)) > 0)
        proc_status_mask(status, "SigBlk", &blocked);
    return blocked;
}

/* A thread in sigwaitinfo(3) would be handed our signal as an answer, whatever its mask. */
static bool waits_for_signals(const struct proc_thread *thread)
{
    uint64_t set = 0;
    return thread->call == SYS_rt_sigtimedwait &&
           (memory_read(thread->arguments[0], &set, sizeof(set)) != sizeof(set) ||
            set & BIT(state.signal));
}

/* Why a thread must not be asked; HOW_RECORDED: it may. */
static enum how why_not(struct record *record)
{
    if (!proc_look_at_thread(record->tid, &record->thread))
        return HOW_GONE;
    switch (record->thread.state) {
    case 'Z':
    case 'X':
        return HOW_GONE;
    case 'T':
    case 't':
        return HOW_STOPPED;
    case 'D':
        return HOW_BUSY;
    }
    if (waits_for_signals(&record->thread))
        return HOW_WAITS;
    return blocked_signals(record->tid) & BIT(state.signal) ? HOW_BLOCKS : HOW_RECORDED;
}

/* True when the word has left `word` before the time is over. */
static bool wait_while(uint32_t word, unsigned milliseconds)
{
    uint64_t end = sys_now_ms() + milliseconds;
    while (atomic_load(&state.word) == word) {
        if (sys_now_ms() >= end)
            return false;
        lock_wait(&state.word, word, 50);
    }
    return true;
}

/*
 * The answer is there, but the thread still has to leave the handler: until then its mask holds our
 * signal. After that nothing of ours runs in it.
 */
static void wait_until_left(int tid)
{
    for (unsigned i = 0; i < ANSWER_MS && blocked_signals(tid) & BIT(state.signal); i++)
        sys_sleep_ms(i < 10 ? 0 : 1);
}

static void ask(struct record *record)
{
    uint32_t number = ++state.number & (UINT32_MAX >> PHASE_BITS);
    state.record = record;
    state.asked = record->tid;
    atomic_store(&state.word, WORD(number, ASKED));
    siginfo_t info = {.si_signo = state.signal, .si_code = SI_QUEUE};
    info.si_pid = sys_getpid();
    info.si_value.sival_ptr = (void *)(uintptr_t)number;
    if (SYS_CALL(SYS_rt_tgsigqueueinfo, sys_getpid(), record->tid, state.signal, &info, 0, 0) < 0) {
        record->how = HOW_GONE;
        atomic_store(&state.word, WORD(number, AT_REST));
        return;
    }
    uint32_t asked = WORD(number, ASKED);
    if (!wait_while(asked, ANSWER_MS) &&
        atomic_compare_exchange_strong(&state.word, &asked, WORD(number, AT_REST))) {
        record->how = HOW_SILENT;
        return;
    }
    if (!wait_while(WORD(number, RECORDING), FINISH_MS)) {
        record->how = HOW_SILENT; /* stacks_at_rest tells everybody */
        return;
    }
    wait_until_left(record->tid);
}

struct collection {
    struct request *request;
    struct arena arena;
    struct record *first, **last;
    int only; /* this thread, or 0 */
    bool unanswered, no_memory;
};

static bool collect(int tid, void *argument)
{
    struct collection *collection = argument;
    if (proc_is_own_thread(tid) || (collection->only && tid != collection->only))
        return true;
    struct record *record = arena_alloc(&collection->arena, sizeof(*record));
    if (!record) {
        collection->no_memory = true;
        return false;
    }
    record->tid = tid;
    record->how = why_not(record);
    if (record->how == HOW_RECORDED)
        ask(record);
    collection->unanswered |= record->how == HOW_SILENT;
    *collection->last = record;
    collection->last = &record->next;
    return stacks_at_rest() && output_wanted(collection->request->output);
}

static _Unwind_Reason_Code visit_nothing(struct _Unwind_Context *context, void *argument)
{
    (void)argument;
    int exact;
    return state.get_ip(context, &exact) ? _URC_NO_REASON : _URC_NORMAL_STOP;
}

/* Loads the unwinder, and lets it do once whatever it does the first time: not in a handler. */
static void load_unwinder(void)
{
    void *library = dlopen("libgcc_s.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return;
    backtrace_function *backtrace = (backtrace_function *)dlsym(library, "_Unwind_Backtrace");
    state.get_ip = (ip_function *)dlsym(library, "_Unwind_GetIPInfo");
    state.find_entry = (find_function *)dlsym(library, "_Unwind_Find_FDE");
    state.library = library;
    if (!backtrace || !state.get_ip)
        return;
    backtrace(visit_nothing, NULL);
    state.backtrace = backtrace;
}

static bool prepare(struct request *request)
{
    uint64_t none[ARCH_ARGUMENTS] = {0}, result;
    struct guard_report report;
    if (!state.library && dlopen && dlsym) {
        enum guard_outcome outcome =
            guard_run(GUARD_CUT_WAITING, (uintptr_t)load_unwinder, none, &result, &report);
        if (outcome != GUARD_RETURNED) {
            request_explain(request, outcome, &report, "loading libgcc_s.so.1");
            return false;
        }
    }
    if (!stack_init(&state.scratch, SCRATCH_BYTES)) {
        request_fail(request, "bt: no memory");
        return false;
    }
    return true;
}

/* --- What is shown. --- */

static const char *explain(enum how how)
{
    switch (how) {
    case HOW_RECORDED:
        return NULL;
    case HOW_FAULTED:
        return "the unwinder could not go on from here";
    case HOW_TOP_ONLY:
        return state.backtrace ? "the unwinder found no frame here"
                               : "no libgcc_s.so.1 here to unwind with; manhole-attach --dump can";
    case HOW_BLOCKS:
        return "blocks our signal: not asked; manhole-attach --dump shows its stack";
    case HOW_WAITS:
        return "waits for signals itself: not disturbed; manhole-attach --dump shows its stack";
    case HOW_STOPPED:
        return "is stopped";
    case HOW_BUSY:
        return "is in an uninterruptible system call";
    case HOW_SILENT:
        return "did not answer in time";
    case HOW_GONE:
        return "ended meanwhile";
    }
    return NULL;
}

/* Return addresses belong to the call before them. */
static void show_frames(struct output *output, const struct record *record, struct place *places)
{
    uintptr_t addresses[MAX_FRAMES];
    for (size_t i = 0; i < record->count; i++)
        addresses[i] = record->pcs[i] - !record->exact[i];
    uint64_t result,
        arguments[ARCH_ARGUMENTS] = {(uintptr_t)addresses, record->count, (uintptr_t)places};
    struct guard_report report;
    if (guard_run(GUARD_CUT_WAITING, (uintptr_t)symbols_by_address, arguments, &result, &report) !=
        GUARD_RETURNED)
        memset(places, 0, record->count * sizeof(*places));
    for (size_t i = 0; i < record->count; i++) {
        char where[512];
        symbols_describe(&places[i], record->pcs[i], where, sizeof(where));
        output_format(output, "#%-3zu 0x%016lx %s\n", i, record->pcs[i], where);
    }
}

static void show(struct request *request, const struct collection *collection)
{
    struct output *output = request->output;
    struct place *places = memory_map(MAX_FRAMES * sizeof(*places));
    for (struct record *record = collection->first; record && places && output_wanted(output);
         record = record->next) {
        const char *remark = explain(record->how);
        output_format(output, "%sthread %d (%s) %c", record == collection->first ? "" : "\n",
                      record->tid, record->thread.name, record->thread.state);
        if (record->thread.call >= 0)
            output_format(output, ", syscall %ld", record->thread.call);
        output_text(output, "\n");
        show_frames(output, record, places);
        if (record->more)
            output_format(output, "     more than %d frames\n", MAX_FRAMES);
        if (record->blind && !remark)
            remark = "no unwind information here: the stack may go on";
        if (remark)
            output_format(output, "     %s\n", remark);
    }
    if (!places)
        request_fail(request, "bt: no memory");
    memory_unmap(places, MAX_FRAMES * sizeof(*places));
}

static void collect_all(struct request *request, struct collection *collection)
{
    state.signal = signals_choose();
    guard_take_faults();
    signals_take(state.signal, true, record_own_stack);
    long status = proc_each_number("/proc/self/task", collect, collection);
    if (collection->unanswered)
        signals_give_back_flushed(state.signal);
    else
        signals_give_back(state.signal);
    guard_give_back_faults();
    char name[16];
    if (status < 0)
        request_fail(request, "/proc/self/task: cannot be read here: %s",
                     text_errno((int)-status, name));
    else if (collection->no_memory)
        request_fail(request, "bt: no memory for all threads");
}

void command_bt(struct request *request, const char *arguments)
{
    uint64_t only = 0;
    bool overflow;
    const char *rest = *arguments ? text_number(arguments, &only, &overflow) : arguments;
    if (!rest || *text_skip_blanks(rest) || only > INT32_MAX || (*arguments && !only)) {
        request_fail(request, "bt: takes a thread id or nothing; 'threads' lists them");
        return;
    }
    if (!stacks_at_rest()) {
        request_fail(request, "bt: thread %d is still recording its stack", state.asked);
        return;
    }
    struct collection collection = {.request = request, .only = (int)only};
    collection.last = &collection.first;
    if (!prepare(request))
        return;
    collect_all(request, &collection);
    if (only && !collection.first)
        request_fail(request, "bt: no thread %d here", (int)only);
    else
        show(request, &collection);
    /* A thread that still records writes into these: rather lost than pulled away. */
    if (!stacks_at_rest())
        return;
    stack_deinit(&state.scratch);
    arena_deinit(&collection.arena);
}
