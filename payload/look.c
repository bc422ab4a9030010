/* Commands that show what the kernel knows of this process. */
#include "payload/console.h"
#include "payload/memory.h"
#include "payload/proc.h"
#include "payload/sys.h"
#include "payload/text.h"
#include "payload/thread.h"

#include <string.h>
#include <unistd.h>

static void fail_to_read(struct request *request, const char *path, long status)
{
    char name[16];
    request_fail(request, "%s: cannot be read here: %s", path, text_errno((int)-status, name));
}

static bool show_thread(int tid, void *context)
{
    struct output *output = ((struct request *)context)->output;
    struct proc_thread thread;
    if (!proc_look_at_thread(tid, &thread))
        return true;
    char call[64] = "", wchan[64] = "";
    if (thread.call >= 0)
        text_format(call, sizeof(call), "syscall %ld", thread.call);
    else if (thread.call == -2)
        text_format(call, sizeof(call), "running");
    if (thread.call >= 0 && proc_read_thread(tid, "wchan", wchan, sizeof(wchan)) <= 0)
        wchan[0] = '\0';
    output_format(output, "%7d %c %-16s %-12s", tid, thread.state, thread.name, call);
    if (wchan[0] && !text_equal(wchan, "0"))
        output_format(output, " %s", wchan);
    output_format(output, "%s\n", thread_is_own(tid) ? " (manhole)" : "");
    return output_wanted(output);
}

void command_threads(struct request *request, const char *arguments)
{
    (void)arguments;
    long status = proc_each_number("/proc/self/task", show_thread, request);
    if (status < 0)
        fail_to_read(request, "/proc/self/task", status);
}

void command_maps(struct request *request, const char *arguments)
{
    (void)arguments;
    long fd = sys_move_high(sys_open("/proc/self/maps", O_RDONLY, 0));
    if (fd < 0) {
        fail_to_read(request, "/proc/self/maps", fd);
        return;
    }
    char text[4096];
    long got;
    while (output_wanted(request->output) && (got = sys_read((int)fd, text, sizeof(text))) > 0)
        output_bytes(request->output, text, (size_t)got);
    sys_close((int)fd);
}

static bool show_descriptor(int fd, void *context)
{
    struct output *output = ((struct request *)context)->output;
    char path[64], link[512];
    text_format(path, sizeof(path), "/proc/self/fd/%d", fd);
    long length = sys_readlink(path, link, sizeof(link));
    if (length < 0)
        return true;
    output_format(output, "%5d ", fd);
    output_clean(output, link, (size_t)length);
    output_text(output, "\n");
    return output_wanted(output);
}

void command_fds(struct request *request, const char *arguments)
{
    (void)arguments;
    long status = proc_each_number("/proc/self/fd", show_descriptor, request);
    if (status < 0)
        fail_to_read(request, "/proc/self/fd", status);
}

/* The program may change it meanwhile: looked at with care, it can be out of date, but not hurt. */
void command_env(struct request *request, const char *arguments)
{
    (void)arguments;
    uintptr_t entry, list = (uintptr_t)environ;
    for (; list && memory_read(list, &entry, sizeof(entry)) == sizeof(entry) && entry;
         list += sizeof(entry)) {
        char text[8192];
        bool whole;
        if (!output_wanted(request->output))
            return;
        if (!memory_read_string(entry, text, sizeof(text), &whole))
            continue;
        output_clean(request->output, text, strlen(text));
        output_text(request->output, whole ? "\n" : "... (longer)\n");
    }
}
