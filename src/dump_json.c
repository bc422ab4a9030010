/* The dump as programs read it: the document of DESIGN.md section 3, one per target. */
#include "src/dump.h"
#include "src/dump_goroutines.h"
#include "src/json_values.h"
#include "src/syscalls.h"
#include "src/waits.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Short, since almost every line has them. */
static void put(json_object *object, const char *key, json_object *value)
{
    json_put(object, key, value);
}

static json_object *text(const char *bytes)
{
    return json_text(bytes);
}

static json_object *address(uint64_t value)
{
    char hex[24];
    int length = snprintf(hex, sizeof(hex), "0x%" PRIx64, value);
    return json_object_new_string_len(hex, length);
}

static json_object *build_id(const struct module *module)
{
    char hex[2 * BUILD_ID_MAX + 1];
    if (!module || module->build_id_size == 0)
        return NULL;
    for (size_t i = 0; i < module->build_id_size; i++)
        snprintf(hex + 2 * i, 3, "%02x", module->build_id[i]);
    return json_object_new_string_len(hex, (int)(2 * module->build_id_size));
}

static json_object *variable_object(const struct variable *variable)
{
    json_object *object = json_object_new_object();
    put(object, "name", text(variable->name));
    put(object, "type", text(variable->type));
    put(object, "value", text(variable->value));
    put(object, "live", json_object_new_boolean(variable->live));
    return object;
}

/* Of --locals: native frames without debug information have none. */
static void put_values(json_object *object, const struct frame_variables *values)
{
    if (!values)
        return;
    json_object *arguments = json_object_new_array(), *locals = json_object_new_array();
    for (size_t i = 0; i < values->count; i++) {
        const struct variable *variable = &values->variables[i];
        json_object_array_add(variable->argument ? arguments : locals, variable_object(variable));
    }
    put(object, "arguments", arguments);
    put(object, "locals", locals);
    put(object, "locals_cut", json_object_new_boolean(values->cut));
}

static json_object *function_offset(const struct report_frame *frame)
{
    return frame->location.function && !frame->python ? address(frame->location.offset) : NULL;
}

static json_object *frame_object(const struct report_frame *frame)
{
    const struct location *location = &frame->location;
    const struct module *module = location->module;
    json_object *object = json_object_new_object();
    put(object, "pc", address(frame->frame.pc));
    put(object, "module", module ? text(module->path) : NULL);
    put(object, "build_id", build_id(module));
    put(object, "file_state", module ? text(file_state_name(module->file_state)) : NULL);
    /* The address in the file, as addr2line and eu-addr2line take it. */
    put(object, "offset", module ? address(frame->frame.pc - module->bias) : NULL);
    put(object, "function", text(location->function));
    put(object, "function_offset", function_offset(frame));
    put(object, "file", text(location->file));
    put(object, "line", location->line > 0 ? json_object_new_int(location->line) : NULL);
    put(object, "column", location->column > 0 ? json_object_new_int(location->column) : NULL);
    put(object, "jit", json_object_new_boolean(location->jit));
    put(object, "inlined", json_object_new_boolean(location->inlined));
    put(object, "how", json_object_new_string(frame_how_name(frame->frame.how)));
    put(object, "signal_frame", json_object_new_boolean(frame->frame.signal_frame));
    if (frame->python)
        put(object, "language", json_object_new_string("python"));
    put_values(object, frame->values);
    return object;
}

static json_object *syscall_object(struct snapshot *snapshot, const struct thread_snapshot *thread)
{
    if (!thread->in_syscall || thread->syscall_number < 0)
        return NULL;
    char call[1024];
    json_object *object = json_object_new_object();
    put(object, "number", json_object_new_int64(thread->syscall_number));
    put(object, "name", text(syscall_name(thread->syscall_number)));
    json_object *arguments = json_object_new_array_ext(6);
    for (size_t i = 0; i < 6; i++)
        json_object_array_add(arguments, address(thread->syscall_arguments[i]));
    put(object, "arguments", arguments);
    syscall_format(snapshot, thread, call, sizeof(call));
    put(object, "text", text(call));
    return object;
}

static const char *how_name(enum thread_how how)
{
    switch (how) {
    case THREAD_BLOCKED:
        return "blocked";
    case THREAD_FROZEN:
        return "frozen";
    case THREAD_RACY:
        return "racy";
    case THREAD_UNREADABLE:
        return "unreadable";
    }
    return "unreadable";
}

/* What is known of who holds what a thread waits for, under keys that begin with "owner". */
static void put_owner(json_object *object, const struct wait_owner *owner)
{
    bool known = owner->kind != OWNER_UNKNOWN;
    put(object, "owner", known && owner->tid ? json_object_new_int(owner->tid) : NULL);
    put(object, "owner_name", known && owner->name[0] ? text(owner->name) : NULL);
    put(object, "owner_pid", known && owner->pid ? json_object_new_int(owner->pid) : NULL);
    put(object, "owner_missing", json_object_new_boolean(owner->kind == OWNER_MISSING));
}

static json_object *waits_for_object(const struct wait *wait)
{
    if (wait->kind == WAIT_UNKNOWN)
        return NULL;
    json_object *object = json_object_new_object();
    put(object, "kind", json_object_new_string(wait_kind_name(wait->kind)));
    put(object, "type", wait->type[0] ? text(wait->type) : NULL);
    put(object, "address", wait->address ? address(wait->address) : NULL);
    put(object, "symbol", text(wait->place));
    put_owner(object, &wait->owner);
    put(object, "mutex", wait->mutex ? address(wait->mutex) : NULL);
    put(object, "mutex_symbol", text(wait->mutex_place));
    put(object, "detail", text(wait->detail));
    put(object, "guessed", json_object_new_boolean(wait->guessed));
    put(object, "verified", json_object_new_boolean(wait->verified));
    return object;
}

static json_object *deadlocks_array(const struct report *report)
{
    const struct waits *waits = report->waits;
    json_object *array = json_object_new_array_ext((int)waits->deadlock_count + 1);
    for (size_t i = 0; i < waits->deadlock_count; i++) {
        const struct deadlock *deadlock = &waits->deadlocks[i];
        json_object *tids = json_object_new_array_ext((int)deadlock->count);
        for (size_t j = 0; j < deadlock->count; j++)
            json_object_array_add(
                tids, json_object_new_int(report->threads[deadlock->threads[j]].thread->tid));
        json_object_array_add(array, tids);
    }
    return array;
}

static json_object *blockers_array(const struct waits *waits)
{
    json_object *array = json_object_new_array_ext((int)waits->blocker_count + 1);
    for (size_t i = 0; i < waits->blocker_count; i++) {
        json_object *object = json_object_new_object();
        put_owner(object, &waits->blockers[i].who);
        put(object, "threads_behind", json_object_new_int64((int64_t)waits->blockers[i].behind));
        json_object_array_add(array, object);
    }
    return array;
}

/* Of a Python frame whose native one is not known: no more. */
static json_object *python_frame_object(const struct report_frame *frame)
{
    const struct location *location = &frame->location;
    json_object *object = json_object_new_object();
    put(object, "function", text(location->function));
    put(object, "file", text(location->file));
    put(object, "line", location->line > 0 ? json_object_new_int(location->line) : NULL);
    put(object, "language", json_object_new_string("python"));
    put_values(object, frame->values);
    return object;
}

/* Of a thread that runs Python code: what its frames do not say of it. */
static void put_python(json_object *object, const struct report_python *python)
{
    if (!python)
        return;
    json_object *apart = json_object_new_array_ext((int)python->apart_count + 1);
    for (size_t i = 0; i < python->apart_count; i++)
        json_object_array_add(apart, python_frame_object(&python->apart[i]));
    put(object, "python_frames_apart", apart);
    put(object, "python_problem", text(python->problem));
}

static json_object *thread_object(const struct report *report, const struct report_thread *thread)
{
    const struct thread_snapshot *seen = thread->thread;
    const struct wait *wait = &report->waits->waits[thread - report->threads];
    char state[2] = {seen->state, '\0'};
    json_object *object = json_object_new_object();
    put(object, "tid", json_object_new_int(seen->tid));
    put(object, "name", text(seen->name));
    put(object, "state", text(state));
    put(object, "how", json_object_new_string(how_name(seen->how)));
    put(object, "problem", text(seen->problem));
    put(object, "syscall", syscall_object(report->snapshot, seen));
    put(object, "wait_channel", seen->wait_channel[0] ? text(seen->wait_channel) : NULL);
    put(object, "waits_for", waits_for_object(wait));
    if (report->python)
        put(object, "holds_gil", json_object_new_boolean(wait->holds_gil));
    json_object *frames = json_object_new_array_ext((int)thread->frame_count + 1);
    for (size_t i = 0; i < thread->frame_count; i++)
        json_object_array_add(frames, frame_object(&thread->frames[i]));
    put(object, "frames", frames);
    put_python(object, thread->python);
    put(object, "complete", json_object_new_boolean(thread->end == UNWIND_COMPLETE));
    put(object, "stack_ends", text(thread->reason));
    put(object, "live_reads", json_object_new_boolean(thread->live));
    if (thread->samples)
        put(object, "samples", json_thread_samples(thread->samples));
    put(object, "frames_saved", json_object_new_boolean(thread->saved));
    return object;
}

#define INDENT "  "

/*
 * Prints one value, indented as a part of what is around it, and frees it; NULL prints null. False
 * without memory.
 */
static bool print_value(FILE *out, json_object *value, const char *indent)
{
    const char *json = json_object_to_json_string_ext(
        value, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE);
    bool ok = json;
    for (const char *line = json; line;) { /* no string of JSON contains a newline (RFC 8259, 7) */
        const char *end = strchr(line, '\n');
        json_print(out, line, end ? (size_t)(end - line) : strlen(line));
        if (end)
            fprintf(out, "\n%s", indent);
        line = end ? end + 1 : NULL;
    }
    json_object_put(value);
    return ok;
}

/* The array of a Go program's goroutines, as a further member. False without memory. */
static bool print_goroutines(const struct report *report, FILE *out)
{
    bool ok = true;
    const struct goroutines *goroutines = report->goroutines;
    if (!goroutines)
        return true;
    fputs(",\n" INDENT "\"goroutines\": [", out);
    for (size_t i = 0; i < goroutines->count && ok; i++) {
        json_object *object = dump_goroutine_object(&report->goroutine_stacks[i], frame_object);
        fputs(i ? ",\n" INDENT INDENT : "\n" INDENT INDENT, out);
        ok = object && print_value(out, object, INDENT INDENT);
    }
    fputs("\n" INDENT "],\n" INDENT "\"goroutines_problem\": ", out);
    ok = ok && print_value(out, text(goroutines->problem), INDENT);
    fprintf(out, ",\n" INDENT "\"goroutines_running\": %zu", goroutines->running);
    fprintf(out, ",\n" INDENT "\"goroutines_not_read\": %zu", goroutines->not_read);
    return ok;
}

static json_object *python_object(const struct report *report)
{
    const struct python *python = report->python;
    char version[PYTHON_VERSION_TEXT];
    if (!python)
        return NULL;
    json_object *object = json_object_new_object();
    python_version_text(python, version);
    put(object, "version", text(version));
    put(object, "problem", python->problem[0] ? text(python->problem) : NULL);
    put(object, "threads_problem", text(report->python_threads_problem));
    return object;
}

/* The members of the document that are about the whole process, but for the threads. */
static json_object *process_object(const struct report *report)
{
    const struct snapshot *snapshot = report->snapshot;
    json_object *object = json_object_new_object();
    put(object, "version", json_object_new_int(1));
    put(object, "pid", json_object_new_int(report->process->pid));
    put(object, "executable", text(report->process->executable));
    put(object, "time", json_time(&snapshot->time));
    put(object, "pause_us", json_object_new_int64((int64_t)snapshot->pause_us));
    put(object, "threads_paused", json_object_new_int64((int64_t)snapshot->threads_paused));
    put(object, "pause_cut", json_object_new_boolean(snapshot->pause_cut));
    put(object, "python", python_object(report));
    put(object, "deadlocks", deadlocks_array(report));
    put(object, "blockers", blockers_array(report->waits));
    if (report->samples)
        put(object, "samples", json_process_samples(report->samples));
    return object;
}

/*
 * The document is never in memory as a whole: ten thousand threads would take most of a gigabyte.
 */
struct error *dump_json(const struct report *report, const struct dump_options *options, FILE *out)
{
    (void)options; /* they shape the report itself */
    CLEANUP_JSON json_object *process = process_object(report);
    bool ok = process;
    fputs("{", out);
    json_object_object_foreach(process, key, value)
    {
        fprintf(out, "\n" INDENT "\"%s\": ", key);
        ok &= print_value(out, json_object_get(value), INDENT);
        fputs(",", out);
    }
    fputs("\n" INDENT "\"threads\": [", out);
    for (size_t i = 0; i < report->thread_count && ok; i++) {
        fputs(i ? ",\n" INDENT INDENT : "\n" INDENT INDENT, out);
        ok = print_value(out, thread_object(report, &report->threads[i]), INDENT INDENT);
    }
    fputs("\n" INDENT "]", out);
    ok = ok && print_goroutines(report, out);
    fputs("\n}\n", out);
    return ok ? NULL : error_no_memory();
}
