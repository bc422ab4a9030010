/* What a client says to a manhole, whose program must live on: lines of text, or frames. No job is
   done: see the worker below. */
// PARTS: payload/memory.c payload/text.c payload/descriptor.c payload/lock.c
#include "payload/session.c"
#include "tests/fuzz/fuzz.h"

#include <errno.h>

/* --- A worker that has done everything as soon as it was asked to. --- */

static bool has_job, asks; /* asks: for a line of input, before it is done */
static uint8_t sum;        /* of the bytes of the job: all of them are there */
int worker_replace(void)
{
    return 0;
}
void worker_give(const struct job *job)
{
    if (has_job)
        abort();
    has_job = true;
    for (size_t i = 0; i < job->size; i++)
        sum ^= (uint8_t)job->data[i];
    asks = sum % 8 == 5;
}
bool input_asked(void)
{
    return asks;
}
void input_give(const char *line, size_t size)
{
    for (size_t i = 0; i < size; i++)
        sum ^= (uint8_t)line[i];
    asks = false;
}
bool input_took_interrupt(void)
{
    return false;
}
void worker_forget_interrupt(void)
{
}
bool worker_busy(void)
{
    return has_job;
}
bool worker_take_result(enum job_result *result)
{
    if (asks)
        return false;
    bool had = has_job;
    *result = sum % 64 == 63 ? JOB_QUIT : JOB_DONE;
    has_job = false;
    return had;
}
void worker_interrupt(void)
{
}
bool worker_answering(void)
{
    return !asks && sum % 2;
}
bool worker_is_dead(void)
{
    return false;
}
void worker_rest(void)
{
}
void code_end_session(void)
{
}
void code_forget(void)
{
}
enum handler handler_kind(void)
{
    return sum % 4 == 3 ? HANDLER_EXEC : HANDLER_CONSOLE;
}
void log_line(const char *format, ...)
{
    (void)format;
}
void python_forget(void)
{
}
void python_end_session(void)
{
}
void redirect_bury(void)
{
}
/* Nobody prints anything. */
struct pollfd python_tee_events(void)
{
    return (struct pollfd){.fd = -1};
}

/* The payload's own way to the kernel is left out: it is beside its signal handlers. */
long arch_syscall(long number, long a, long b, long c, long d, long e, long f)
{
    long result = syscall(number, a, b, c, d, e, f);
    return result < 0 ? -errno : result;
}

/* --- The client. --- */

#define PIECE 700 /* bytes sent between two steps of the session */
#define STEPS_MAX 100000

static void converse(int fd, const uint8_t *data, size_t size)
{
    size_t sent = 0;
    for (unsigned step = 0; session_active(); step++) {
        size_t piece = size - sent < PIECE ? size - sent : PIECE;
        ssize_t n = send(fd, data + sent, piece, MSG_DONTWAIT | MSG_NOSIGNAL);
        sent += n > 0 ? (size_t)n : 0;
        if (sent == size)
            shutdown(fd, SHUT_WR);
        struct pollfd events = session_events();
        session_step(events.fd >= 0 && poll(&events, 1, 0) > 0 ? events.revents : 0);
        if (step == STEPS_MAX)
            abort(); /* it never ends */
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int ends[2];
    struct ucred peer = {.pid = getpid()};
    if (!size || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
        return 0;
    sum = data[0];
    asks = false;
    if (!session_begin(ends[0], &peer))
        abort();
    converse(ends[1], data + 1, size - 1);
    close(ends[1]);
    return 0;
}
