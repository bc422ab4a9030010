#include "src/dump_goroutines.h"

#include "injector/cleanup.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* --- As text. --- */

static int compare_frames(const struct report_thread *a, const struct report_thread *b)
{
    if (a->frame_count != b->frame_count)
        return a->frame_count < b->frame_count ? -1 : 1;
    for (size_t i = 0; i < a->frame_count; i++) {
        uint64_t x = a->frames[i].frame.pc, y = b->frames[i].frame.pc;
        if (x != y)
            return x < y ? -1 : 1;
    }
    return 0;
}

/* Zero for goroutines that one text is true of. One in a system call is told by its thread. */
static int compare_alike(const struct report_goroutine *a, const struct report_goroutine *b)
{
    int order = strcmp(a->goroutine->state, b->goroutine->state);
    if (!order)
        order = a->goroutine->moved - b->goroutine->moved;
    if (!order)
        order = a->goroutine->tid - b->goroutine->tid;
    return order ? order : compare_frames(&a->stack, &b->stack);
}

static int compare_pointers(const void *left, const void *right)
{
    const struct report_goroutine *a = *(const struct report_goroutine *const *)left;
    const struct report_goroutine *b = *(const struct report_goroutine *const *)right;
    int order = compare_alike(a, b);
    if (!order)
        order = a->goroutine->id < b->goroutine->id ? -1 : a->goroutine->id > b->goroutine->id;
    return order;
}

/* A group, and its first goroutine in the order of ids. */
struct group {
    const struct report_goroutine *const *first;
    size_t count;
};

static int compare_groups(const void *left, const void *right)
{
    const struct group *a = left, *b = right;
    uint64_t x = a->first[0]->goroutine->id, y = b->first[0]->goroutine->id;
    return x < y ? -1 : x > y;
}

static size_t find_groups(const struct report_goroutine *const *sorted, size_t count, bool together,
                          struct group *groups)
{
    size_t found = 0;
    for (size_t i = 0; i < count;) {
        size_t end = i + 1;
        while (together && end < count && !compare_alike(sorted[i], sorted[end]))
            end++;
        groups[found++] = (struct group){&sorted[i], end - i};
        i = end;
    }
    qsort(groups, found, sizeof(*groups), compare_groups);
    return found;
}

#define IDS_SHOWN 16

static void print_head(const struct printer *printer, const struct group *group)
{
    const struct goroutine *goroutine = group->first[0]->goroutine;
    char thread[48] = "";
    if (goroutine->tid)
        snprintf(thread, sizeof(thread), " on thread %d", goroutine->tid);
    if (group->count == 1) {
        text_head(printer, "goroutine %" PRIu64 " [%s]%s:", goroutine->id, goroutine->state,
                  thread);
        return;
    }
    text_head(printer, "%zu goroutines with the same stack [%s]:", group->count, goroutine->state);
    fputs("  goroutines", printer->out);
    for (size_t i = 0; i < group->count && i < IDS_SHOWN; i++)
        fprintf(printer->out, " %" PRIu64, group->first[i]->goroutine->id);
    fputs(group->count > IDS_SHOWN ? " ...\n" : "\n", printer->out);
}

static void print_group(const struct printer *printer, const struct group *group)
{
    const struct report_goroutine *goroutine = group->first[0];
    print_head(printer, group);
    for (size_t i = 0; i < goroutine->stack.frame_count; i++)
        text_frame(printer, i, &goroutine->stack.frames[i]);
    if (goroutine->goroutine->moved)
        text_remark(printer, "it ran each time it was looked at");
    else if (goroutine->stack.reason)
        text_remark(printer, goroutine->stack.reason);
    fputc('\n', printer->out);
}

static void print_counts(const struct printer *printer, const struct goroutines *goroutines)
{
    char text[128];
    if (goroutines->running) {
        snprintf(text, sizeof(text), "%zu more goroutines run, or are about to",
                 goroutines->running);
        text_remark(printer, text);
    }
    if (goroutines->not_read) {
        snprintf(text, sizeof(text), "%zu more goroutines were not read", goroutines->not_read);
        text_remark(printer, text);
    }
    if (goroutines->running || goroutines->not_read)
        fputc('\n', printer->out);
}

void dump_goroutines_text(const struct printer *printer, const struct report *report, bool together)
{
    const struct goroutines *goroutines = report->goroutines;
    if (!goroutines)
        return;
    if (goroutines->problem) {
        text_head(printer, "goroutines:");
        text_remark(printer, goroutines->problem);
        fputc('\n', printer->out);
        return;
    }
    size_t count = goroutines->count;
    CLEANUP_FREE const struct report_goroutine **sorted = calloc(count + 1, sizeof(*sorted));
    CLEANUP_FREE struct group *groups = calloc(count + 1, sizeof(*groups));
    if (!sorted || !groups) {
        text_remark(printer, "out of memory: the goroutines cannot be shown");
        return;
    }
    for (size_t i = 0; i < count; i++)
        sorted[i] = &report->goroutine_stacks[i];
    qsort(sorted, count, sizeof(*sorted), compare_pointers);
    size_t found = find_groups(sorted, count, together, groups);
    for (size_t i = 0; i < found; i++)
        print_group(printer, &groups[i]);
    print_counts(printer, goroutines);
}

/* --- As JSON. --- */

json_object *dump_goroutine_object(const struct report_goroutine *goroutine,
                                   json_object *(*frame_object)(const struct report_frame *))
{
    const struct goroutine *one = goroutine->goroutine;
    const struct report_thread *stack = &goroutine->stack;
    json_object *object = json_object_new_object();
    json_object *frames = json_object_new_array_ext((int)stack->frame_count + 1);
    if (!object || !frames) {
        json_object_put(object);
        json_object_put(frames);
        return NULL;
    }
    for (size_t i = 0; i < stack->frame_count; i++)
        json_object_array_add(frames, frame_object(&stack->frames[i]));
    json_object_object_add(object, "id", json_object_new_int64((int64_t)one->id));
    json_object_object_add(object, "state", json_object_new_string(one->state));
    json_object_object_add(object, "tid", one->tid ? json_object_new_int(one->tid) : NULL);
    json_object_object_add(object, "moved", json_object_new_boolean(one->moved));
    json_object_object_add(object, "frames", frames);
    json_object_object_add(object, "complete",
                           json_object_new_boolean(!one->moved && stack->end == UNWIND_COMPLETE));
    return object;
}
