/*
 * The part of process.h whose answers can be kept and given again (recording.h): from a live target
 * and into the recording, if there is one; or from the recording of a saved target.
 */
#include "injector/bytes.h"
#include "injector/process_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct error *process_record(struct process *process)
{
    process->recording = recording_create();
    return process->recording ? NULL : error_no_memory();
}

/* Keeps an answer: `length` bytes of `text`, or -1 with errno. Returns it, errno as it was. */
static ssize_t keep(const struct process *process, const struct question *question, ssize_t length,
                    const char *text)
{
    int errnum = errno;
    if (process->recording)
        recording_add(process->recording, question, length < 0 ? errnum : 0, text,
                      length < 0 ? 0 : (size_t)length);
    errno = errnum;
    return length;
}

/* The recorded answer of a saved target; false with errno: it is an error, or was never asked. */
static bool recall(const struct process *process, const struct question *question,
                   struct answer *ret)
{
    errno = ENOENT;
    if (!recording_next(process->recording, question, ret))
        return false;
    errno = ret->errnum;
    return !ret->errnum;
}

/* The same as text with a NUL behind it. */
static ssize_t recall_text(const struct process *process, const struct question *question,
                           char **ret)
{
    struct answer answer;
    if (!recall(process, question, &answer))
        return -1;
    char *text = malloc(answer.size + 1);
    if (!text) {
        errno = ENOMEM;
        return -1;
    }
    memcpy(text, answer.bytes, answer.size);
    text[answer.size] = '\0';
    *ret = text;
    return (ssize_t)answer.size;
}

ssize_t process_read_file(const struct process *process, pid_t tid, const char *name, char **ret)
{
    const struct question question = {QUESTION_FILE, (uint64_t)tid, 0, name};
    if (process->saved)
        return recall_text(process, &question, ret);
    ssize_t length = live_read_file(process, tid, name, ret);
    return keep(process, &question, length, length < 0 ? NULL : *ret);
}

ssize_t process_read_link(const struct process *process, pid_t tid, const char *name, char *buffer,
                          size_t size)
{
    const struct question question = {QUESTION_LINK, (uint64_t)tid, 0, name};
    struct answer answer;
    if (!process->saved) {
        ssize_t length = live_read_link(process, tid, name, buffer, size);
        return keep(process, &question, length, buffer);
    }
    if (!recall(process, &question, &answer))
        return -1;
    size_t length = answer.size < size ? answer.size : size - 1;
    memcpy(buffer, answer.bytes, length);
    buffer[length] = '\0';
    return (ssize_t)length;
}

ssize_t process_read_system_file(const struct process *process, const char *name, char **ret)
{
    const struct question question = {QUESTION_SYSTEM_FILE, 0, 0, name};
    if (process->saved)
        return recall_text(process, &question, ret);
    ssize_t length = live_read_system_file(name, ret);
    return keep(process, &question, length, length < 0 ? NULL : *ret);
}

/* Whether the target counts its monotonic clocks from where we do. */
static bool shares_our_clocks(const struct process *process)
{
    char ours[64], theirs[64];
    ssize_t our_length = readlink("/proc/self/ns/time", ours, sizeof(ours));
    ssize_t their_length = live_read_link(process, 0, "ns/time", theirs, sizeof(theirs));
    if (our_length < 0)
        return true; /* a kernel without them */
    return our_length == their_length && memcmp(ours, theirs, (size_t)our_length) == 0;
}

bool process_clock(const struct process *process, clockid_t clock, struct timespec *ret)
{
    const struct question question = {QUESTION_CLOCK, (uint64_t)(uint32_t)clock, 0, NULL};
    if (process->saved) {
        struct answer answer;
        if (!recall(process, &question, &answer))
            return false;
        struct byte_reader reader = {.at = answer.bytes, .left = answer.size};
        ret->tv_sec = (time_t)get_u64(&reader);
        ret->tv_nsec = (long)get_u64(&reader);
        return !reader.failed;
    }
    bool known =
        (clock == CLOCK_REALTIME || shares_our_clocks(process)) && clock_gettime(clock, ret) == 0;
    if (known && process->recording) {
        struct byte_writer writer = {0};
        put_u64(&writer, (uint64_t)ret->tv_sec);
        put_u64(&writer, (uint64_t)ret->tv_nsec);
        recording_add(process->recording, &question, 0, writer.bytes, writer.size);
        byte_writer_deinit(&writer);
    }
    return known;
}

/* --- Memory. --- */

static struct question memory_question(uint64_t address, size_t size)
{
    return (struct question){.kind = QUESTION_MEMORY, .number = address, .size = size};
}

/* The very question, if it was asked, or else what is kept of that memory. */
static size_t recall_memory(const struct process *process, const struct remote_range *range)
{
    const struct question question = memory_question(range->address, range->size);
    struct answer answer;
    if (!recording_next(process->recording, &question, &answer))
        return recording_read_memory(process->recording, range->address, range->buffer,
                                     range->size);
    size_t size = answer.size < range->size ? answer.size : range->size;
    memcpy(range->buffer, answer.bytes, size);
    return size;
}

void keep_memory_answer(const struct process *process, uint64_t address, size_t size,
                        const void *bytes, size_t got)
{
    const struct question question = memory_question(address, size);
    if (process->recording && !process->saved)
        recording_add(process->recording, &question, 0, bytes, got);
}

void remote_peek_ranges(const struct process *process, struct remote_range *ranges, size_t count)
{
    if (!process->saved) {
        live_read_ranges(process, ranges, count);
        return;
    }
    for (size_t i = 0; i < count; i++)
        ranges[i].got = recording_read_memory(process->recording, ranges[i].address,
                                              ranges[i].buffer, ranges[i].size);
}

void remote_read_ranges(const struct process *process, struct remote_range *ranges, size_t count)
{
    if (process->saved) {
        for (size_t i = 0; i < count; i++)
            ranges[i].got = recall_memory(process, &ranges[i]);
        return;
    }
    live_read_ranges(process, ranges, count);
    for (size_t i = 0; i < count; i++)
        keep_memory_answer(process, ranges[i].address, ranges[i].size, ranges[i].buffer,
                           ranges[i].got);
}

size_t remote_peek(const struct process *process, uint64_t address, void *buffer, size_t size)
{
    struct remote_range range = {.address = address, .buffer = buffer, .size = size};
    remote_peek_ranges(process, &range, 1);
    return range.got;
}

size_t remote_read(const struct process *process, uint64_t address, void *buffer, size_t size)
{
    struct remote_range range = {.address = address, .buffer = buffer, .size = size};
    remote_read_ranges(process, &range, 1);
    return range.got;
}

void remote_keep(const struct process *process, uint64_t address, const void *bytes, size_t size)
{
    if (process->recording && !process->saved)
        recording_add_memory(process->recording, address, bytes, size);
}
