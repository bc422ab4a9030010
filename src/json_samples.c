/* What repeated looks add to the JSON document. */
#include "src/json_values.h"
#include "src/samples.h"

static json_object *frame_object(const struct sample_frame *frame)
{
    json_object *object = json_object_new_object();
    json_put(object, "function", frame->named ? json_text(frame->name) : NULL);
    json_put(object, "name", json_text(frame->name));
    json_put(object, "module", json_text(frame->module));
    json_put(object, "file", json_text(frame->file));
    json_put(object, "inlined", json_object_new_boolean(frame->inlined));
    json_put(object, "guess", json_object_new_boolean(frame->guess));
    return object;
}

static json_object *stack_object(const struct sample_stack *stack)
{
    json_object *object = json_object_new_object();
    json_put(object, "count", json_object_new_int64((int64_t)stack->count));
    json_put(object, "same_addresses", json_object_new_boolean(!stack->moved));
    json_put(object, "flaw", stack->flaw ? json_text(stack->flaw->name) : NULL);
    json_object *frames = json_object_new_array_ext((int)stack->depth + 1);
    for (size_t i = 0; i < stack->depth; i++)
        json_object_array_add(frames, frame_object(stack->frames[i]));
    json_put(object, "frames", frames);
    return object;
}

json_object *json_thread_samples(const struct sample_thread *thread)
{
    json_object *object = json_object_new_object();
    json_put(object, "count", json_object_new_int64((int64_t)thread->seen));
    json_put(object, "context_switches",
             thread->switches_known ? json_object_new_int64((int64_t)thread->switches) : NULL);
    json_object *stacks = json_object_new_array_ext((int)thread->stack_count + 1);
    for (size_t i = 0; i < thread->stack_count; i++)
        json_object_array_add(stacks, stack_object(&thread->stacks[i]));
    json_put(object, "stacks", stacks);
    return object;
}

static json_object *ended_object(const struct sample_thread *thread)
{
    json_object *object = json_object_new_object();
    json_put(object, "tid", json_object_new_int(thread->tid));
    json_put(object, "name", json_text(thread->name));
    json_put(object, "samples", json_thread_samples(thread));
    return object;
}

json_object *json_process_samples(const struct samples *samples)
{
    json_object *object = json_object_new_object();
    json_put(object, "count", json_object_new_int64((int64_t)samples->count));
    json_put(object, "began", json_time(&samples->began));
    json_put(object, "period_us", json_object_new_int64((int64_t)samples_period_us(samples)));
    json_put(object, "threads_paused", json_object_new_int64((int64_t)samples->pauses));
    json_put(object, "pause_us", json_object_new_int64((int64_t)samples->pause_us));
    json_put(object, "longest_pause_us", json_object_new_int64((int64_t)samples->longest_pause_us));
    json_object *ended = json_object_new_array();
    for (size_t i = 0; i < samples->thread_count; i++) {
        if (samples->threads[i].last < samples->count)
            json_object_array_add(ended, ended_object(&samples->threads[i]));
    }
    json_put(object, "ended_threads", ended);
    return object;
}
