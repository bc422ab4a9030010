#include "payload/handler.h"

#include "payload/console.h"
#include "payload/guard.h"
#include "payload/log.h"
#include "payload/manhole.h"
#include "payload/sys.h"
#include "payload/text.h"

#include <dlfcn.h>
#include <string.h>

/* glibc before 2.34 keeps them in libdl, which the program need not have. */
#pragma weak dlopen
#pragma weak dlsym
#pragma weak dlclose
#pragma weak dlerror

static struct {
    enum handler kind;
    void *library;
    uintptr_t function;
    char text[sizeof(((struct manhole_options *)NULL)->connection_handler)];
} state;

static int refuse(const char *text, const char *why, char *message, size_t size)
{
    char clean[256];
    size_t length = strlen(why);
    clean[text_sanitize(clean, sizeof(clean) - 1, why, length < 250 ? length : 250, NULL)] = '\0';
    text_format(message, size, "connection_handler %.80s: %s", text, clean);
    return EINVAL;
}

static const char *last_error(void)
{
    const char *why = dlerror ? dlerror() : NULL;
    return why ? why : "cannot be loaded";
}

static int load(const char *text, char *message, size_t size)
{
    char path[sizeof(state.text)];
    const char *colon = NULL;
    for (const char *next = text; (next = text_find(next, ':')); next++)
        colon = next;
    if (*text != '/' || !colon || !colon[1])
        return refuse(text, "is not console, exec or /PATH.so:FUNCTION", message, size);
    if (!dlopen || !dlsym || !dlclose) {
        refuse(text, "this program has no dlopen", message, size);
        return ENOTSUP;
    }
    text_format(path, sizeof(path), "%.*s", (int)(colon - text), text);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return refuse(text, last_error(), message, size);
    void *function = dlsym(library, colon + 1);
    if (!function) {
        int status = refuse(text, last_error(), message, size);
        dlclose(library);
        return status;
    }
    handler_close();
    state.kind = HANDLER_FUNCTION;
    state.library = library;
    state.function = (uintptr_t)function;
    return 0;
}

int handler_open(const char *text, char *message, size_t message_size)
{
    if (*state.text && text_equal(text, state.text))
        return 0;
    if (!*text || text_equal(text, "console") || text_equal(text, "exec")) {
        handler_close();
        state.kind = text_equal(text, "exec") ? HANDLER_EXEC : HANDLER_CONSOLE;
    } else {
        int status = load(text, message, message_size);
        if (status)
            return status;
    }
    text_copy(state.text, sizeof(state.text), text);
    return 0;
}

void handler_close(void)
{
    if (state.library)
        dlclose(state.library);
    memset(&state, 0, sizeof(state));
}

enum handler handler_kind(void)
{
    return state.kind;
}

/* What the function will use is a blocking socket, as accept(2) gives it: O_NONBLOCK belongs to the
   open file, and we ourselves say MSG_DONTWAIT. */
static struct descriptor give_descriptor(const struct descriptor *socket)
{
    long fd = descriptor_intact(socket) ? sys_duplicate_high(socket->fd) : -EBADF;
    if (fd < 0)
        return DESCRIPTOR_NONE;
    sys_fcntl((int)fd, F_SETFL, sys_fcntl((int)fd, F_GETFL, 0) & ~O_NONBLOCK);
    return descriptor_take((int)fd);
}

enum job_result handler_serve(const struct job *job)
{
    struct descriptor own = give_descriptor(&job->socket);
    if (own.fd < 0) {
        log_line("connection handler: no descriptor for the client");
        return JOB_LOST;
    }
    uint64_t arguments[ARCH_ARGUMENTS] = {(uint64_t)own.fd}, result;
    struct guard_report report;
    struct request request = {.job = job};
    enum guard_outcome outcome =
        guard_run(GUARD_CUT_ANYWHERE, state.function, arguments, &result, &report);
    descriptor_close(&own);
    if (outcome != GUARD_RETURNED) {
        request_explain(&request, outcome, &report, "the connection handler");
        log_line("ManholeConnectionThread failure: %s", request.text);
    } else if ((int)result) {
        log_line("ManholeConnectionThread failure: the connection handler returned %d",
                 (int)result);
    }
    return JOB_SERVED;
}
