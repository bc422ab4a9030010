/* The call of inject.h in a helper process, which puts everything right when we are killed. */
#include "injector/helper.h"
#include "injector/inject_private.h"
#include "injector/mailbox.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* How long the helper may take to put things right: a thread to come home, another to end, a second
 * loan. */
#define ORPHAN_US 5000000

/* Shared with the helper: what it tells before it ends. */
struct outcome {
    _Atomic bool told;
    struct inject_result result;
    bool failed; /* the rest is an error */
    enum error_kind kind;
    int errnum;
    char message[2048]; /* cut off */
};

_Noreturn static void run_helper(struct process *process, const struct inject_request *request,
                                 struct outcome *outcome)
{
    helper_limit_orphan(ORPHAN_US);
    struct error *error = inject_here(process, request, &outcome->result);
    if (error) {
        outcome->failed = true;
        outcome->kind = error->kind;
        outcome->errnum = error->errnum;
        snprintf(outcome->message, sizeof(outcome->message), "%s", error->message);
    }
    outcome->told = true;
    _exit(0);
}

static struct error *read_helper(const struct outcome *outcome, struct inject_result *ret)
{
    if (!outcome->told)
        return error_create(ERROR_PARTIAL, 0,
                            "the helper process was killed before it had done its work; try again");
    *ret = outcome->result;
    return outcome->failed ? error_create(outcome->kind, outcome->errnum, "%s", outcome->message)
                           : NULL;
}

static struct error *run_in_helper(struct process *process, const struct inject_request *request,
                                   struct outcome *outcome, struct inject_result *ret)
{
    struct helper helper;
    struct error *error = helper_start("nothing can be run in the target", &helper);
    if (error)
        return error;
    if (helper.pid == 0)
        run_helper(process, request, outcome);
    helper_end(&helper);
    return read_helper(outcome, ret);
}

struct error *inject_call(struct process *process, const struct inject_request *request,
                          struct inject_result *ret)
{
    *ret = (struct inject_result){0};
    if (request->argument_size > INJECT_ARGUMENT_MAX ||
        strlen(request->function) >= MAILBOX_MESSAGE - MAILBOX_FUNCTION)
        return error_create(ERROR_USAGE, 0, "the argument of %s is too long", request->function);
    struct outcome *outcome =
        mmap(NULL, sizeof(*outcome), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (outcome == MAP_FAILED)
        return error_no_memory();
    /* Ctrl-C and the like wait a moment: our death now would be harmless, but cut it short. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    struct error *error = run_in_helper(process, request, outcome, ret);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    munmap(outcome, sizeof(*outcome));
    return error;
}
