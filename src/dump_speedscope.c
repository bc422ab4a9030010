/*
 * The JSON that www.speedscope.app opens: a table of frames, and one profile per thread with its
 * stacks in the order they were seen (www.speedscope.app/file-format-schema.json, "FileFormat").
 */
#include "injector/cleanup.h"
#include "src/json_values.h"
#include "src/profile.h"

#include <stdlib.h>
#include <string.h>

#define SCHEMA "https://www.speedscope.app/file-format-schema.json"

static json_object *frame_object(const struct sample_frame *frame)
{
    json_object *object = json_object_new_object();
    char *guess = NULL;
    if (frame->guess && asprintf(&guess, "%s" PROFILE_GUESS, frame->name) < 0)
        guess = NULL;
    json_put(object, "name", json_text(guess ? guess : frame->name));
    free(guess);
    const char *file = frame->file ? frame->file : frame->module;
    if (file) /* the schema knows no null */
        json_put(object, "file", json_text(file));
    return object;
}

static json_object *stack_array(const struct sample_stack *stack, size_t first_frame)
{
    json_object *array = json_object_new_array_ext((int)stack->depth + 1);
    if (stack->flaw)
        json_object_array_add(array,
                              json_object_new_int64((int64_t)(first_frame + stack->flaw->number)));
    for (size_t i = stack->depth; i > 0; i--)
        json_object_array_add(
            array, json_object_new_int64((int64_t)(first_frame + stack->frames[i - 1]->number)));
    return array;
}

/* What one sample stands for: the time to the next, or itself where there is none. */
static double weight_of_one(const struct samples *samples)
{
    uint64_t period = samples_period_us(samples);
    return period ? (double)period / 1000 : 1;
}

static json_object *profile_name(const struct samples *samples, const struct sample_thread *thread)
{
    char *name;
    if (asprintf(&name, "%s (thread %d of process %d)", thread->name, thread->tid, samples->pid) <
        0)
        return NULL;
    json_object *object = json_text(name);
    free(name);
    return object;
}

/* NULL without memory. `first_frame`: where the frames of the process begin in the table. */
static json_object *profile_object(const struct samples *samples,
                                   const struct sample_thread *thread, size_t first_frame)
{
    CLEANUP_FREE const struct sample_stack **by_number =
        calloc(thread->stack_count + 1, sizeof(*by_number));
    if (!by_number)
        return NULL;
    for (size_t i = 0; i < thread->stack_count; i++)
        by_number[thread->stacks[i].number] = &thread->stacks[i];

    double one = weight_of_one(samples);
    json_object *stacks = json_object_new_array_ext((int)thread->run_count + 1);
    json_object *weights = json_object_new_array_ext((int)thread->run_count + 1);
    for (size_t i = 0; i < thread->run_count; i++) {
        const struct sample_run *run = &thread->sequence[i];
        json_object_array_add(stacks, stack_array(by_number[run->stack], first_frame));
        json_object_array_add(weights, json_object_new_double((double)run->count * one));
    }
    json_object *object = json_object_new_object();
    json_put(object, "type", json_object_new_string("sampled"));
    json_put(object, "name", profile_name(samples, thread));
    json_put(object, "unit",
             json_object_new_string(samples_period_us(samples) ? "milliseconds" : "none"));
    json_put(object, "startValue", json_object_new_double((double)(thread->first - 1) * one));
    json_put(object, "endValue",
             json_object_new_double((double)(thread->first - 1 + thread->seen) * one));
    json_put(object, "samples", stacks);
    json_put(object, "weights", weights);
    return object;
}

static struct error *fill(const struct sampled *sampled, size_t count, json_object *frames,
                          json_object *profiles)
{
    size_t first_frame = 0;
    for (size_t i = 0; i < count; i++) {
        const struct samples *samples = sampled[i].samples;
        for (size_t j = 0; samples && j < samples->frame_count; j++)
            json_object_array_add(frames, frame_object(samples->frames[j]));
        for (size_t j = 0; samples && j < samples->thread_count; j++) {
            json_object *profile = profile_object(samples, &samples->threads[j], first_frame);
            if (!profile)
                return error_no_memory();
            json_object_array_add(profiles, profile);
        }
        first_frame += samples ? samples->frame_count : 0;
    }
    return NULL;
}

struct error *dump_speedscope(const struct sampled *sampled, size_t count, FILE *out)
{
    CLEANUP_JSON json_object *document = json_object_new_object();
    json_object *shared = json_object_new_object();
    json_object *frames = json_object_new_array(), *profiles = json_object_new_array();
    json_put(document, "$schema", json_object_new_string(SCHEMA));
    json_put(document, "exporter", json_object_new_string("manhole-attach " MANHOLE_VERSION_TEXT));
    json_put(shared, "frames", frames);
    json_put(document, "shared", shared);
    json_put(document, "profiles", profiles);
    struct error *error = fill(sampled, count, frames, profiles);
    if (error)
        return error;
    const char *json = json_object_to_json_string_ext(document, JSON_C_TO_STRING_PLAIN |
                                                                    JSON_C_TO_STRING_NOSLASHESCAPE);
    if (!json)
        return error_no_memory();
    json_print(out, json, strlen(json));
    fputc('\n', out);
    return NULL;
}
