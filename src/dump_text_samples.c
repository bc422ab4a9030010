#include "src/dump_text_private.h"
#include "src/samples.h"

#include <inttypes.h>

/* Of more stacks of one thread the frequent ones tell enough; flame graphs are for the others. */
#define MOST_STACKS 8

static bool is_always_same(const struct sample_thread *thread)
{
    return thread->stack_count == 1 && !thread->stacks->moved;
}

static int compare_numbers(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

int text_samples_compare(const struct report_thread *a, const struct report_thread *b)
{
    const struct sample_thread *x = a->samples, *y = b->samples;
    if (!x || !y)
        return compare_numbers(x != NULL, y != NULL);
    /* One that moved has a text of its own. */
    if (!is_always_same(x) || !is_always_same(y))
        return compare_numbers((uint64_t)x->tid, (uint64_t)y->tid);
    int order = compare_numbers(x->seen, y->seen);
    if (!order)
        order = compare_numbers(x->switches_known, y->switches_known);
    return order ? order : compare_numbers(x->switches, y->switches);
}

static void print_function(const struct printer *printer, const struct sample_frame *frame)
{
    if (frame->named)
        fputs(printer->colour->function, printer->out);
    print_foreign(printer, frame->name);
    if (frame->named)
        fputs(printer->colour->end, printer->out);
}

/* The samples need not agree on the line, nor on the offset: neither is shown. */
static void print_frame(const struct printer *printer, size_t number,
                        const struct sample_frame *frame)
{
    FILE *out = printer->out;
    const struct palette *colour = printer->colour;
    fprintf(out, "    %s#%-3zu%s", colour->faint, number, colour->end);
    print_function(printer, frame);
    if (frame->file) {
        fprintf(out, " in %s", colour->source);
        print_foreign(printer, base_name(frame->file));
        fputs(colour->end, out);
    }
    fprintf(out, "%s (", colour->faint);
    if (frame->module)
        print_foreign(printer, base_name(frame->module));
    else
        fputs(frame->jit ? "jit" : "no file", out);
    fprintf(out, ")%s", colour->end);
    if (frame->inlined)
        fprintf(out, " %s[inlined]%s", colour->faint, colour->end);
    if (frame->guess)
        fprintf(out, " %s[scan: a guess]%s", colour->warning, colour->end);
    fputc('\n', out);
}

static void print_stack(const struct printer *printer, const struct sample_thread *thread,
                        const struct sample_stack *stack)
{
    fprintf(printer->out, "  %sin %zu of %zu samples:%s\n", printer->colour->head, stack->count,
            thread->seen, printer->colour->end);
    for (size_t i = 0; i < stack->depth; i++)
        print_frame(printer, i, stack->frames[i]);
    if (stack->flaw)
        fprintf(printer->out, "    %s... %s%s\n", printer->colour->warning, stack->flaw->name,
                printer->colour->end);
}

static void print_stacks(const struct printer *printer, const struct sample_thread *thread)
{
    size_t shown = thread->stack_count < MOST_STACKS ? thread->stack_count : MOST_STACKS;
    size_t rest = thread->seen;
    for (size_t i = 0; i < shown; i++) {
        print_stack(printer, thread, &thread->stacks[i]);
        rest -= thread->stacks[i].count;
    }
    if (shown < thread->stack_count)
        fprintf(printer->out,
                "  %sand %zu other stacks in %zu samples; --format folded or svg shows all%s\n",
                printer->colour->faint, thread->stack_count - shown, rest, printer->colour->end);
}

static void print_line(const struct printer *printer, const struct sample_thread *thread)
{
    FILE *out = printer->out;
    size_t count = printer->report->samples->count;
    if (thread->stack_count > 1)
        fprintf(out, "  %zu stacks in %zu samples", thread->stack_count, thread->seen);
    else
        fprintf(out, "  same %s in %zu of %zu samples",
                is_always_same(thread) ? "stack" : "functions", thread->seen, thread->seen);
    if (thread->switches_known)
        fprintf(out, ", %" PRIu64 " context switch%s", thread->switches,
                thread->switches == 1 ? "" : "es");
    if (thread->seen < count)
        fprintf(out, "; not there in the other %zu", count - thread->seen);
    fputc('\n', out);
}

bool text_samples_print(const struct printer *printer, const struct report_thread *thread)
{
    const struct sample_thread *samples = thread->samples;
    if (!samples)
        return true;
    print_line(printer, samples);
    if (samples->stack_count <= 1)
        return true;
    print_stacks(printer, samples);
    return false;
}

void text_samples_print_ended(const struct printer *printer)
{
    const struct samples *samples = printer->report->samples;
    for (size_t i = 0; samples && i < samples->thread_count; i++) {
        const struct sample_thread *thread = &samples->threads[i];
        if (thread->last == samples->count)
            continue;
        fprintf(printer->out, "%sthread %d \"", printer->colour->head, thread->tid);
        print_foreign(printer, thread->name);
        fprintf(printer->out, "\"%s ended\n", printer->colour->end);
        print_line(printer, thread);
        print_stacks(printer, thread);
        fputc('\n', printer->out);
    }
}

void text_samples_print_summary(const struct printer *printer)
{
    const struct samples *samples = printer->report->samples;
    fprintf(printer->out,
            "%zu sample%s in %.1f s; threads paused %zu times, for %" PRIu64 " us in all, %" PRIu64
            " us in the longest sample\n",
            samples->count, samples->count == 1 ? "" : "s",
            (double)(samples->last_us - samples->first_us) / 1e6, samples->pauses,
            samples->pause_us, samples->longest_pause_us);
}
