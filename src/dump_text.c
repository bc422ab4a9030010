/* The dump as people read it: for a terminal of 80 to 120 columns, and for mails and tickets. */
#include "injector/cleanup.h"
#include "src/dump_goroutines.h"
#include "src/dump_text_private.h"
#include "src/dump_waits.h"
#include "src/python_frames.h"
#include "src/syscalls.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A stack that more threads than this have is shown once. */
#define GROUP_ABOVE 3
/* Paths of source files longer than this lose their beginning. */
#define LONGEST_SOURCE_PATH 44
#define LINE_WIDTH 100

static const struct palette plain = {"", "", "", "", "", ""};
static const struct palette coloured = {
    .head = "\033[1m",
    .function = "\033[36m",
    .source = "\033[32m",
    .faint = "\033[2m",
    .warning = "\033[33m",
    .end = "\033[0m",
};

void text_head(const struct printer *printer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs(printer->colour->head, printer->out);
    vfprintf(printer->out, format, arguments);
    fprintf(printer->out, "%s\n", printer->colour->end);
    va_end(arguments);
}

/* The end of a long path, from the beginning of a component. */
static const char *shorten_path(const char *path, const char **dots)
{
    size_t length = strlen(path);
    *dots = "";
    if (length <= LONGEST_SOURCE_PATH)
        return path;
    const char *slash = strchr(path + length - LONGEST_SOURCE_PATH, '/');
    const char *tail = slash && slash[1] ? slash + 1 : base_name(path);
    while (strncmp(tail, "../", 3) == 0)
        tail += 3;
    *dots = ".../";
    return tail;
}

/* Which threads look alike: the same state and the same frames, so that one text is true of all. */

struct fingerprint {
    const struct report_thread *thread;
    const struct wait *wait;
    size_t index; /* in the report */
    uint64_t hash;
};

static uint64_t hash_word(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

static uint64_t hash_thread(const struct report_thread *thread)
{
    uint64_t hash = hash_word((uint64_t)thread->thread->state, thread->thread->how);
    for (size_t i = 0; i < thread->frame_count; i++)
        hash = hash_word(hash, thread->frames[i].frame.pc);
    return hash;
}

static int compare_words(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

static int compare_texts(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "");
}

static int compare_frames(const struct report_thread *a, const struct report_thread *b)
{
    int order = compare_words(a->frame_count, b->frame_count);
    for (size_t i = 0; !order && i < a->frame_count; i++) {
        const struct frame *x = &a->frames[i].frame, *y = &b->frames[i].frame;
        order = compare_words(x->pc, y->pc);
        if (!order)
            order = compare_words(x->how, y->how);
        if (!order)
            order = variables_compare(a->frames[i].values, b->frames[i].values);
        if (!order)
            order = python_frames_compare(&a->frames[i], &b->frames[i]);
    }
    return order ? order : python_compare(a->python, b->python);
}

static long call_of(const struct thread_snapshot *thread)
{
    return thread->in_syscall ? thread->syscall_number : -2;
}

/* Zero for threads that may share one text. */
static int compare_alike(const struct fingerprint *x, const struct fingerprint *y)
{
    const struct report_thread *a = x->thread, *b = y->thread;
    int order = compare_words((uint64_t)a->thread->state, (uint64_t)b->thread->state);
    if (!order)
        order = compare_words(a->thread->how, b->thread->how);
    if (!order)
        order = compare_words((uint64_t)call_of(a->thread), (uint64_t)call_of(b->thread));
    if (!order)
        order = compare_texts(a->thread->problem, b->thread->problem);
    if (!order)
        order = compare_texts(a->reason, b->reason);
    if (!order)
        order = compare_words(a->live, b->live);
    if (!order)
        order = compare_words(a->saved, b->saved);
    if (!order)
        order = text_samples_compare(a, b);
    if (!order)
        order = waits_compare(x->wait, y->wait);
    return order ? order : compare_frames(a, b);
}

static int compare_fingerprints(const void *left, const void *right)
{
    const struct fingerprint *a = left, *b = right;
    int order = compare_words(a->hash, b->hash);
    if (!order)
        order = compare_alike(a, b);
    return order ? order : compare_words(a->index, b->index);
}

/* Threads that are shown together: a range of the sorted fingerprints. */
struct group {
    const struct fingerprint *first;
    size_t count;
};

/* Fills groups[index of the first thread] for each group; other entries stay empty. */
static void find_groups(struct fingerprint *sorted, size_t count, bool together,
                        struct group *groups)
{
    size_t start = 0;
    while (start < count) {
        size_t end = start + 1;
        while (end < count && sorted[end].hash == sorted[start].hash &&
               compare_alike(&sorted[end], &sorted[start]) == 0)
            end++;
        bool grouped = together && end - start > GROUP_ABOVE;
        if (grouped)
            groups[sorted[start].index] = (struct group){&sorted[start], end - start};
        for (size_t i = start; !grouped && i < end; i++)
            groups[sorted[i].index] = (struct group){&sorted[i], 1};
        start = end;
    }
}

/* The length of the argument that `call` begins with: up to a comma outside of any bracket. */
static size_t argument_length(const char *call)
{
    int depth = 0;
    const char *c = call;
    for (; *c && !(depth == 0 && c[0] == ',' && c[1] == ' '); c++) {
        if (strchr("([{<", *c))
            depth++;
        else if (strchr(")]}>", *c) && depth-- == 0)
            break;
    }
    return (size_t)(c - call);
}

/* How much of an argument stays: all where both are equal, else the name before its value. */
static size_t shared_length(const char *mine, size_t my_length, const char *theirs,
                            size_t their_length)
{
    if (my_length == their_length && memcmp(mine, theirs, my_length) == 0)
        return my_length;
    const char *space = memchr(mine, ' ', my_length);
    size_t name = space ? (size_t)(space - mine) + 1 : 0;
    return name <= their_length && memcmp(mine, theirs, name) == 0 ? name : 0;
}

#define CALL_MAX 1024

/*
 * Keeps of `call` what `other`, the same call with other arguments, has too: of "read(fd 3, buf
 * 0x10, count 1)" remains "read(fd 3, buf ..., count 1)".
 */
static void keep_common(char call[CALL_MAX], const char *other)
{
    char common[CALL_MAX];
    size_t name = strcspn(call, "(");
    const char *mine = call + name, *theirs = other + strcspn(other, "(");
    size_t used = (size_t)snprintf(common, sizeof(common), "%.*s", (int)name, call);
    const char *separator = "(";
    while (*mine && *theirs && used < sizeof(common)) {
        mine += strlen(separator);
        theirs += strlen(separator);
        size_t length = argument_length(mine), their_length = argument_length(theirs);
        size_t shared = shared_length(mine, length, theirs, their_length);
        bool whole = shared == length && length == their_length;
        used += (size_t)snprintf(common + used, sizeof(common) - used, "%s%.*s%s", separator,
                                 (int)shared, mine, whole ? "" : "...");
        mine += length;
        theirs += their_length;
        separator = ", ";
        if (*mine != ',' || *theirs != ',')
            break;
    }
    if (used < sizeof(common))
        snprintf(common + used, sizeof(common) - used, "%s",
                 *mine == ',' || *theirs == ',' ? ", ...)" : ")");
    memcpy(call, common, sizeof(common));
}

static void print_call(const struct printer *printer, const struct group *group)
{
    char call[CALL_MAX], other[CALL_MAX];
    for (size_t i = 0; i < group->count; i++) {
        syscall_format(printer->report->snapshot, group->first[i].thread->thread,
                       i == 0 ? call : other, sizeof(call));
        if (i > 0 && strcmp(call, other) != 0)
            keep_common(call, other);
    }
    fputs(call, printer->out);
}

static const char *state_word(char state)
{
    switch (state) {
    case 'R':
        return "running";
    case 'S':
        return "asleep";
    case 'D':
        return "in uninterruptible sleep";
    case 'T':
        return "stopped by a signal";
    case 't':
        return "stopped by its tracer";
    case 'Z':
        return "a zombie";
    case 'X':
        return "dead";
    case 'I':
        return "idle";
    }
    return "in an unknown state";
}

/* What the thread does, in the words after its name. */
static void print_state(const struct printer *printer, const struct group *group)
{
    const struct thread_snapshot *thread = group->first->thread->thread;
    FILE *out = printer->out;
    bool in_call = thread->in_syscall && thread->syscall_number >= 0;

    if (in_call && thread->state != 'T' && thread->state != 't') {
        /* A sleeper that was stopped for its registers had been blocked just the same. */
        bool asleep = thread->state == 'S' || thread->state == 'D';
        fputs(asleep && thread->how != THREAD_RACY ? "blocked in " : "in ", out);
        print_call(printer, group);
    } else {
        fputs(state_word(thread->state), out);
        if (in_call) {
            fputs(" in ", out);
            print_call(printer, group);
        } else if (thread->wait_channel[0] && strcmp(thread->wait_channel, "0") != 0 &&
                   thread->state != 'R') {
            fputs(", the kernel waits in ", out);
            print_foreign(printer, thread->wait_channel);
        }
    }
    if (thread->how == THREAD_RACY)
        fprintf(out, "%s  [racy: it may have run meanwhile, frames may be wrong]%s",
                printer->colour->warning, printer->colour->end);
}

static void print_one_head(const struct printer *printer, const struct group *group)
{
    const struct thread_snapshot *thread = group->first->thread->thread;
    fprintf(printer->out, "%sthread %d \"", printer->colour->head, thread->tid);
    print_foreign(printer, thread->name);
    fprintf(printer->out, "\"%s %c ", printer->colour->end, thread->state);
    print_state(printer, group);
    fputc('\n', printer->out);
}

static bool same_names(const struct group *group)
{
    for (size_t i = 1; i < group->count; i++) {
        if (strcmp(group->first[i].thread->thread->name, group->first->thread->thread->name) != 0)
            return false;
    }
    return true;
}

/* Runs of consecutive ids longer than this are shown by their ends. */
#define LONGEST_RUN 8

/* How many threads from `first` on have ids without a gap. */
static size_t run_length(const struct group *group, size_t first)
{
    size_t i = first;
    while (i + 1 < group->count &&
           group->first[i + 1].thread->thread->tid == group->first[i].thread->thread->tid + 1)
        i++;
    return i - first + 1;
}

/* "  tids 101 102 110-141 ...", with names where they differ, in lines of LINE_WIDTH. */
static void print_tids(const struct printer *printer, const struct group *group, bool named)
{
    size_t column = (size_t)fprintf(printer->out, "  tids");
    for (size_t i = 0; i < group->count; i++) {
        const struct thread_snapshot *thread = group->first[i].thread->thread;
        char clean[sizeof(thread->name)], word[sizeof(clean) + 32];
        size_t run = named ? 1 : run_length(group, i);
        int length;
        if (run > LONGEST_RUN) {
            i += run - 1;
            length = snprintf(word, sizeof(word), " %d-%d", thread->tid,
                              group->first[i].thread->thread->tid);
        } else if (named) {
            message_sanitize(thread->name, clean, sizeof(clean));
            length = snprintf(word, sizeof(word), " %d \"%s\"", thread->tid, clean);
        } else {
            length = snprintf(word, sizeof(word), " %d", thread->tid);
        }
        if (column + (size_t)length > LINE_WIDTH)
            column = (size_t)fprintf(printer->out, "\n      ") - 1;
        fputs(word, printer->out);
        column += (size_t)length;
    }
    fputc('\n', printer->out);
}

static void print_group_head(const struct printer *printer, const struct group *group)
{
    const struct thread_snapshot *thread = group->first->thread->thread;
    bool same = same_names(group);
    fprintf(printer->out, "%s%zu threads ", printer->colour->head, group->count);
    if (same) {
        fputc('"', printer->out);
        print_foreign(printer, thread->name);
        fputs("\" ", printer->out);
    }
    fprintf(printer->out, "with the same stack:%s %c ", printer->colour->end, thread->state);
    print_state(printer, group);
    fputc('\n', printer->out);
    print_tids(printer, group, !same);
}

/* Behind the name of a file that is in its place, or never had any, nothing needs to be said. */
static const char *file_remark(enum file_state state)
{
    switch (state) {
    case FILE_DELETED:
        return ", deleted";
    case FILE_REPLACED:
        return ", replaced";
    case FILE_CHANGED:
        return ", changed while it was read";
    case FILE_PRESENT:
    case FILE_MEMORY:
    case FILE_UNKNOWN:
        return "";
    }
    return "";
}

static void print_module(const struct printer *printer, const struct report_frame *frame)
{
    FILE *out = printer->out;
    const struct module *module = frame->location.module;
    fputs(printer->colour->faint, out);
    if (!module) {
        fputs(frame->location.jit ? " (jit)" : " (no file)", out);
    } else {
        fputs(" (", out);
        print_foreign(printer, base_name(module->path));
        /* Without a name: what addr2line and the like can take later. */
        if (!frame->location.function)
            fprintf(out, "+0x%" PRIx64, frame->frame.pc - module->bias);
        fprintf(out, "%s)", file_remark(module->file_state));
    }
    fputs(printer->colour->end, out);
}

static void print_function(const struct printer *printer, const struct report_frame *frame)
{
    const struct location *location = &frame->location;
    FILE *out = printer->out;
    if (location->function) {
        fputs(printer->colour->function, out);
        print_foreign(printer, location->function);
        fputs(printer->colour->end, out);
        if (!location->inlined)
            fprintf(out, "+0x%" PRIx64, location->offset);
        return;
    }
    fprintf(out, "0x%016" PRIx64, frame->frame.pc);
}

void text_source(const struct printer *printer, const struct location *location)
{
    if (!location->file)
        return;
    const char *dots;
    const char *path = shorten_path(location->file, &dots);
    fprintf(printer->out, " at %s%s", printer->colour->source, dots);
    print_foreign(printer, path);
    if (location->line > 0)
        fprintf(printer->out, ":%d", location->line);
    fputs(printer->colour->end, printer->out);
}

/* How a frame was found is worth a word where it is not as sure as tables are. */
static const char *trust(const struct frame *frame)
{
    switch (frame->how) {
    case FRAME_REGISTERS:
    case FRAME_CFI:
    case FRAME_SIGNAL:
        return NULL;
    case FRAME_RETURN:
        return "return address";
    case FRAME_FP:
        return "fp";
    case FRAME_SCAN:
        return "scan: a guess";
    }
    return "?";
}

void text_frame(const struct printer *printer, size_t number, const struct report_frame *frame)
{
    FILE *out = printer->out;
    const struct palette *colour = printer->colour;
    if (frame->python) {
        text_python_frame(printer, number, frame);
        return;
    }
    fprintf(out, "  %s#%-2zu%s ", colour->faint, number, colour->end);
    print_function(printer, frame);
    text_source(printer, &frame->location);
    print_module(printer, frame);
    if (frame->location.inlined)
        fprintf(out, " %s[inlined]%s", colour->faint, colour->end);
    if (frame->frame.signal_frame)
        fprintf(out, " %s[signal handler called]%s", colour->warning, colour->end);
    if (trust(&frame->frame) && !frame->location.inlined)
        fprintf(out, " %s[%s]%s", colour->warning, trust(&frame->frame), colour->end);
    fputc('\n', out);
}

void text_remark(const struct printer *printer, const char *text)
{
    fprintf(printer->out, "  %s... ", printer->colour->warning);
    print_foreign(printer, text);
    fprintf(printer->out, "%s\n", printer->colour->end);
}

/* What the threads of a group wait for, and on whom. */
static void print_waits(const struct printer *printer, const struct group *group)
{
    char text[TEXT_MAX];
    CLEANUP_FREE const struct wait **waits = calloc(group->count, sizeof(*waits));
    if (!waits)
        return;
    for (size_t i = 0; i < group->count; i++)
        waits[i] = group->first[i].wait;
    if (!waits_describe(waits, group->count, text, sizeof(text)))
        return;
    fprintf(printer->out, "  %s", printer->colour->warning);
    print_foreign(printer, text);
    fprintf(printer->out, "%s\n", printer->colour->end);
}

static void print_frames(const struct printer *printer, const struct report_thread *thread)
{
    size_t number = 0;
    for (size_t i = 0; i < thread->frame_count; i++) {
        if (thread->frames[i].folded)
            continue;
        text_frame(printer, number++, &thread->frames[i]);
        text_values(printer, thread->frames[i].values);
    }
    if (thread->reason)
        text_remark(printer, thread->reason);
    text_python_apart(printer, thread);
}

static void print_group(const struct printer *printer, const struct group *group)
{
    const struct report_thread *thread = group->first->thread;
    if (group->count > 1)
        print_group_head(printer, group);
    else
        print_one_head(printer, group);
    print_waits(printer, group);

    bool one_stack = text_samples_print(printer, thread);
    if (one_stack)
        print_frames(printer, thread);
    if (thread->live)
        text_remark(printer, "some of this was read after the thread went on: outer frames may be "
                             "newer than inner ones");
    if (thread->saved)
        text_remark(printer, "these frames were found where it was saved: not all files are here");
    if (thread->thread->problem)
        text_remark(printer, thread->thread->problem);
    fputc('\n', printer->out);
}

static void print_process(const struct printer *printer)
{
    const struct report *report = printer->report;
    const struct timespec *time = &report->snapshot->time;
    struct tm tm;
    char date[64] = "";
    if (localtime_r(&time->tv_sec, &tm))
        strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &tm);
    fprintf(printer->out, "%sprocess %d ", printer->colour->head, report->process->pid);
    print_foreign(printer, report->process->executable);
    fprintf(printer->out, "%s, %zu thread%s, %s.%03ld\n\n", printer->colour->end,
            report->thread_count, report->thread_count == 1 ? "" : "s", date,
            time->tv_nsec / 1000000);
}

static void print_summary(const struct printer *printer)
{
    const struct snapshot *snapshot = printer->report->snapshot;
    size_t count[THREAD_UNREADABLE + 1] = {0};
    for (size_t i = 0; i < snapshot->thread_count; i++) {
        const struct thread_snapshot *thread = &snapshot->threads[i];
        /* Stopped in vain: what is known of it was read while it slept, but it was not spared. */
        if (thread->how != THREAD_BLOCKED || !thread->paused)
            count[thread->how]++;
    }
    fprintf(printer->out,
            "paused %zu of %zu threads for %" PRIu64 " us; %zu blocked, not stopped; %zu racy",
            snapshot->threads_paused, snapshot->thread_count, snapshot->pause_us,
            count[THREAD_BLOCKED], count[THREAD_RACY]);
    if (count[THREAD_UNREADABLE] > 0)
        fprintf(printer->out, "; %zu unreadable", count[THREAD_UNREADABLE]);
    if (snapshot->pause_cut)
        fputs("; not every thread stopped within --max-pause", printer->out);
    fputc('\n', printer->out);
}

static void print_threads(const struct printer *printer, bool together, struct fingerprint *sorted,
                          struct group *groups)
{
    const struct report *report = printer->report;
    for (size_t i = 0; i < report->thread_count; i++)
        sorted[i] = (struct fingerprint){&report->threads[i], &report->waits->waits[i], i,
                                         hash_thread(&report->threads[i])};
    qsort(sorted, report->thread_count, sizeof(*sorted), compare_fingerprints);
    find_groups(sorted, report->thread_count, together, groups);
    for (size_t i = 0; i < report->thread_count; i++) {
        if (groups[i].count > 0)
            print_group(printer, &groups[i]);
    }
}

void dump_text(const struct report *report, const struct dump_options *options, FILE *out,
               bool colour)
{
    struct printer printer = {.report = report, .colour = colour ? &coloured : &plain, .out = out};
    CLEANUP_FREE struct fingerprint *sorted = calloc(report->thread_count + 1, sizeof(*sorted));
    CLEANUP_FREE struct group *groups = calloc(report->thread_count + 1, sizeof(*groups));

    print_process(&printer);
    text_python_problem(&printer);
    waits_print_summary(report, out, printer.colour->warning, printer.colour->end);
    if (sorted && groups)
        print_threads(&printer, !options->all_threads_listed, sorted, groups);
    else
        fputs("(out of memory: the stacks cannot be shown)\n", out);
    dump_goroutines_text(&printer, report, !options->all_threads_listed);
    text_samples_print_ended(&printer);
    if (report->samples)
        text_samples_print_summary(&printer);
    else
        print_summary(&printer);
}
