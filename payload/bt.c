/*
 * The command `bt`: stacks of threads that sleep are read without touching them. Of all threads, it
 * asks only those whom that cannot disturb; one that is named it asks in any case.
 */
#include "payload/asleep.h"
#include "payload/console.h"
#include "payload/names.h"
#include "payload/stacks.h"
#include "payload/sys.h"
#include "payload/text.h"
#include "payload/thread.h"

/* A thread that computes: it runs at each of so many looks, and did not sleep between them. */
#define LOOKS 5
#define LOOK_MS 2

struct bt {
    struct request *request;
    struct unwinder unwinder;
    struct names names;
    struct trace asleep, asked;
    int only; /* this thread, or 0 */
    size_t shown;
};

static uint64_t times_slept(pid_t tid)
{
    char status[4096];
    return proc_read_thread(tid, "status", status, sizeof(status)) > 0
               ? proc_status_number(status, "voluntary_ctxt_switches")
               : 0;
}

/* It will hardly begin to wait in the moment in which our signal comes. */
static bool computes(pid_t tid)
{
    uint64_t slept = times_slept(tid);
    for (unsigned i = 0; i < LOOKS; i++) {
        struct proc_thread thread;
        proc_look_at_call(tid, &thread);
        if (thread.call != -2)
            return false;
        sys_sleep_ms(LOOK_MS);
    }
    return times_slept(tid) == slept;
}

static bool may_ask(const struct bt *bt, pid_t tid, enum asleep how,
                    const struct proc_thread *thread)
{
    if (bt->only)
        return true;
    return how == ASLEEP_RUNNING ? computes(tid) : stacks_call_restarts(thread);
}

static bool is_whole(enum asleep how, const struct trace *trace)
{
    return how == ASLEEP_PROVED && trace->end != UNWIND_NEEDS_REGISTER;
}

static void show_frames(struct bt *bt, const struct trace *trace)
{
    names_learn(&bt->names, &bt->unwinder, trace);
    for (size_t i = 0; i < trace->count; i++) {
        const char *name = names_get(&bt->names, trace->pcs[i], trace->exact[i]);
        output_format(bt->request->output, "#%-3zu 0x%016lx %s\n", i, trace->pcs[i],
                      name ? name : "");
    }
}

/* What is missing of a stack, and why. */
static void show_remark(struct bt *bt, const struct trace *trace, enum asleep how, pid_t tid,
                        const char *refusal)
{
    struct output *output = bt->request->output;
    if (trace->count && trace->end != UNWIND_OUTERMOST)
        output_format(output, "     ... (%s)\n", unwind_explain(trace->end));
    else if (!trace->count)
        output_format(output, "     %s\n",
                      how == ASLEEP_RUNNING ? "running"
                                            : "the kernel does not show where it stands");
    if (refusal)
        output_format(output, "     %s\n", refusal);
    else if (!is_whole(how, trace))
        output_format(
            output, "     not asked, since that could end its system call: 'bt %d' asks it\n", tid);
}

static void show_thread(struct bt *bt, pid_t tid)
{
    struct proc_thread thread;
    enum asleep how = asleep_look(&bt->unwinder, tid, &thread, &bt->asleep);
    if (how == ASLEEP_GONE)
        return;
    const struct trace *trace = &bt->asleep;
    const char *refusal = NULL;
    if (!is_whole(how, trace) && may_ask(bt, tid, how, &thread)) {
        enum stacks_answer answer = stacks_ask(&bt->unwinder, tid, &thread, &bt->asked);
        refusal = stacks_explain(answer);
        if (answer == STACKS_RECORDED || answer == STACKS_FAULTED) {
            trace = &bt->asked;
            how = ASLEEP_PROVED;
        }
    }
    struct output *output = bt->request->output;
    output_format(output, "%sthread %d (%s) %c", bt->shown++ ? "\n" : "", tid, thread.name,
                  thread.state);
    if (thread.call >= 0)
        output_format(output, ", syscall %ld", thread.call);
    output_text(output, "\n");
    show_frames(bt, trace);
    show_remark(bt, trace, how, tid, refusal);
}

static bool visit(int tid, void *context)
{
    struct bt *bt = context;
    if (!thread_is_own(tid) && (!bt->only || tid == bt->only))
        show_thread(bt, tid);
    return stacks_at_rest() && output_wanted(bt->request->output);
}

static void show_threads(struct bt *bt)
{
    char name[16];
    struct request *request = bt->request;
    int status = unwinder_init(&bt->unwinder);
    if (!status && !names_init(&bt->names))
        status = ENOMEM;
    if (!status)
        status = (int)-proc_each_number("/proc/self/task", visit, bt);
    if (status)
        request_fail(request, "bt: /proc/self cannot be read here: %s", text_errno(status, name));
    else if (bt->only && !bt->shown)
        request_fail(request, "bt: no thread %d here", bt->only);
    else if (!modules_still_hold(&bt->unwinder.modules))
        output_text(request->output, "modules came or went meanwhile: a name may be wrong\n");
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
        request_fail(request, "bt: thread %d is still recording its stack", stacks_stuck_thread());
        return;
    }
    struct bt *bt = memory_map(sizeof(*bt));
    if (!bt) {
        request_fail(request, "bt: no memory");
        return;
    }
    bt->request = request;
    bt->only = (int)only;
    show_threads(bt);
    /* A thread that still records writes into these: rather lost than pulled away. */
    if (!stacks_at_rest())
        return;
    names_deinit(&bt->names);
    unwinder_deinit(&bt->unwinder);
    memory_unmap(bt, sizeof(*bt));
}
