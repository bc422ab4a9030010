#include "payload/console.h"

#include "payload/code.h"
#include "payload/dump.h"
#include "payload/handler.h"
#include "payload/locals.h"
#include "payload/log.h"
#include "payload/places.h"
#include "payload/python.h"
#include "payload/python_tee.h"
#include "payload/redirect.h"
#include "payload/sys.h"
#include "payload/text.h"

#include <string.h>

/* Lines up to this size are copied to the worker's stack, longer ones to pages of their own. */
#define SHORT_LINE 2048

static void command_help(struct request *request, const char *arguments);

static void command_log(struct request *request, const char *arguments)
{
    if (!*arguments) {
        output_text(request->output, "the log goes to ");
        output_clean(request->output, log_destination(), strlen(log_destination()));
        output_text(request->output, "\n");
        return;
    }
    log_line("%s", arguments);
}

static void command_quit(struct request *request, const char *arguments)
{
    (void)arguments;
    request->quit = true;
}

static const struct command commands[] = {
    {"help", "[COMMAND]", "what there is, or more about one command", NULL, command_help},
    {"bt", "[TID]", "the stacks of all threads, or of one",
     "The stack of a thread that sleeps is read without touching it. Where that does not tell all "
     "(a\n"
     "thread that runs, a register that the kernel does not show), the thread is sent a real-time\n"
     "signal and records its stack in the handler. Without TID only threads are asked that this "
     "does\n"
     "not disturb: those that compute, and those in a call that goes on after a handler. With TID\n"
     "it is asked in any case, which may end its call with EINTR (epoll_wait, poll, "
     "nanosleep...);\n"
     "one that blocks the signal, or waits for signals itself, never. 'manhole-attach --dump' "
     "looks\n"
     "from outside, and disturbs none.\n",
     command_bt},
    {"threads", "", "all threads: id, name, state, and the system call they are in", NULL,
     command_threads},
    {"maps", "", "the memory map", NULL, command_maps},
    {"fds", "", "the open descriptors", NULL, command_fds},
    {"env", "", "the environment, as it is now", NULL, command_env},
    {"locals", "", "the names that were given when the manhole was installed (--local)", NULL,
     command_locals},
    {"read", "NAME|ADDRESS LENGTH",
     "a dump of memory; what cannot be read is said, and hurts nobody", NULL, command_read},
    {"sym", "NAME|ADDRESS", "where a symbol is, or what is at an address",
     "NAME is looked up in the dynamic symbol tables of all that is loaded, in load order. Static\n"
     "functions are not in them.\n",
     command_sym},
    {"call", "NAME|ADDRESS [ARGUMENT]...", "calls a function with up to 6 arguments",
     "An argument is an integer (12, 0x1f, -1), a character ('a', '\\n'), a string (\"hello\\n\", "
     "which\n"
     "stays where it is until you leave) or a symbol, whose address it is. The result is shown as "
     "a\n"
     "signed number, in hex, and as a string or symbol if it looks like one. The function runs on "
     "a\n"
     "thread of the manhole. A fault in it ends the call, not the process; Ctrl-C of "
     "manhole-attach\n"
     "and hanging up cut it off, but what it held by then, a lock say, stays held. What is "
     "printed\n"
     "meanwhile, by it, its children or the rest of the program, is shown here too.\n"
     "Threads that it starts have all signals blocked. A function that calls exit() ends the\n"
     "process.\n",
     command_call},
    {"log", "[MESSAGE]", "writes a line to the manhole's log, or says where that goes", NULL,
     command_log},
    {"quit", "", "leaves; the program goes on", NULL, command_quit},
    {"exit", "", "the same", NULL, command_quit},
};
#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

void request_fail(struct request *request, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    text_vformat(request->text, sizeof(request->text), format, arguments);
    va_end(arguments);
    if (request->result.outcome == MANHOLE_DONE)
        request->result.outcome = MANHOLE_FAILED;
}

/* The next word of a line, cut if it is too long; returns what comes after it and the blanks. */
static const char *take_word(const char *line, char *word, size_t size)
{
    size_t length = 0;
    while (line[length] && !text_is_blank(line[length]))
        length++;
    text_format(word, size, "%.*s", (int)length, line);
    return text_skip_blanks(line + length);
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (text_equal(commands[i].name, name))
            return &commands[i];
    return NULL;
}

static void unknown_command(struct request *request, const char *name)
{
    char clean[160];
    clean[text_sanitize(clean, sizeof(clean) - 1, name, strlen(name), NULL)] = '\0';
    request->result.outcome = MANHOLE_UNKNOWN;
    request_fail(request, "no such command: '%s'; 'help' lists them", clean);
}

static void command_help(struct request *request, const char *arguments)
{
    struct output *output = request->output;
    char name[64];
    take_word(arguments, name, sizeof(name));
    const struct command *command = find_command(name);
    if (command) {
        output_format(output, "%s %s\n    %s\n", command->name, command->arguments,
                      command->summary);
        if (command->details)
            output_text(output, command->details);
        return;
    }
    if (*name) {
        unknown_command(request, name);
        return;
    }
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        char usage[64];
        text_format(usage, sizeof(usage), "%s %s", commands[i].name, commands[i].arguments);
        output_format(output, "%-32s %s\n", usage, commands[i].summary);
    }
    output_format(output, "%-32s %s\n", ".py, .c",
                  "speak Python, where there is an interpreter; and C again");
}

void request_explain(struct request *request, enum guard_outcome outcome,
                     const struct guard_report *report, const char *what)
{
    char where[512], name[16];
    switch (outcome) {
    case GUARD_RETURNED:
        return;
    case GUARD_CUT:
        request->result.outcome = MANHOLE_INTERRUPTED;
        request_fail(request,
                     report->forced ? "%s: cut off where it was; what it held, a lock say, it may "
                                      "have left held"
                                    : "%s: interrupted",
                     what);
        return;
    case GUARD_FAULTED:
        request->result.outcome = MANHOLE_FAULTED;
        request->result.signal = report->signal;
        if (code_holds(report->pc))
            text_copy(where, sizeof(where), "what was typed itself");
        else
            places_describe_address(report->pc, where, sizeof(where));
        if (report->code > 0 && (report->signal == SIGSEGV || report->signal == SIGBUS))
            request_fail(request, "%s: ended by %s at address 0x%lx, in %s", what,
                         text_signal(report->signal, name), report->address, where);
        else
            request_fail(request, "%s: ended by %s in %s", what, text_signal(report->signal, name),
                         where);
        return;
    }
}

/* --- Jobs. --- */

static void process_name(char *name, size_t size)
{
    char raw[32];
    long fd = sys_move_high(sys_open("/proc/self/comm", O_RDONLY, 0));
    long length = fd < 0 ? 0 : sys_read((int)fd, raw, sizeof(raw));
    if (fd >= 0)
        sys_close((int)fd);
    if (length > 0 && raw[length - 1] == '\n')
        length--;
    name[text_sanitize(name, size - 1, raw, length > 0 ? (size_t)length : 0, NULL)] = '\0';
}

static size_t banner(char *buffer, size_t size)
{
    char name[80];
    process_name(name, sizeof(name));
    return text_format(buffer, size,
                       "manhole %s in process %d (%s); 'help' lists the commands, 'quit' leaves\n",
                       MANHOLE_VERSION_TEXT, sys_getpid(), name);
}

static void prompt(struct output *output)
{
    char name[80];
    if (python_prompt(output))
        return;
    process_name(name, sizeof(name));
    output_format(output, "%d:%s> ", sys_getpid(), name);
}

/* Before the banner, as python-manhole does; a client of frames has a better way. */
static void show_stacks(struct output *output)
{
    struct dump dump;
    int status = dump_make(&dump_for_prompt, NULL, &dump);
    char name[16];
    if (status)
        output_format(output, "no stacks: /proc/self cannot be read here: %s\n",
                      text_errno(status, name));
    output_bytes(output, dump.text, dump.size);
    dump_deinit(&dump);
}

static void greet(const struct job *job, struct output *output)
{
    char text[256];
    size_t size = banner(text, sizeof(text));
    if (job->kind == JOB_UPGRADE) {
        worker_answer();
        output->form = OUTPUT_TEXT;
        output_text(output, MANHOLE_UPGRADED);
        output_flush(output);
        output->form = OUTPUT_FRAMES;
        output_frame(output, MANHOLE_HELLO, NULL, 0, text, size);
        return;
    }
    char why[PYTHON_WHY_BYTES];
    if (!python_greet(output, why)) {
        show_stacks(output);
        if (*why)
            output_format(output, "no Python console: %s\n", why);
        output_bytes(output, text, size);
    }
    prompt(output);
    output_flush(output);
}

/* The outcome's name, for clients of blocks. */
static const char *const blocks[] = {
    [MANHOLE_DONE] = MANHOLE_BLOCK_OK,         [MANHOLE_FAILED] = MANHOLE_BLOCK_FAILED,
    [MANHOLE_FAULTED] = MANHOLE_BLOCK_FAULTED, [MANHOLE_INTERRUPTED] = MANHOLE_BLOCK_INTERRUPTED,
    [MANHOLE_UNKNOWN] = MANHOLE_BLOCK_UNKNOWN, [MANHOLE_INCOMPLETE] = MANHOLE_BLOCK_FAILED,
    [MANHOLE_NO_GIL] = MANHOLE_BLOCK_FAILED,
};

/* Between two commands: in text the prompt stands there already. */
static void notify(const struct job *job, struct output *output)
{
    bool text = output->form == OUTPUT_TEXT;
    worker_answer();
    if (text)
        output_text(output, "\n");
    output_bytes(output, job->data, job->size);
    output_text(output, "\n");
    if (text)
        prompt(output);
    output_flush(output);
}

/* The outcome, however it came about. */
static void finish(struct request *request)
{
    struct output *output = request->output;
    if (worker_interrupted() && request->result.outcome == MANHOLE_DONE) {
        request->result.outcome = MANHOLE_INTERRUPTED;
        request_fail(request, "interrupted");
    }
    worker_answer();
    size_t size = strlen(request->text);
    if (output->form == OUTPUT_BLOCKS) {
        output_block(output, blocks[request->result.outcome], request->text);
        return;
    }
    if (output->form == OUTPUT_FRAMES) {
        output_frame(output, MANHOLE_RESULT, &request->result, sizeof(request->result),
                     request->text, size);
        return;
    }
    if (size) {
        output_bytes(output, request->text, size);
        output_text(output, "\n");
    }
    prompt(output);
    output_flush(output);
}

static void run_command(struct request *request, const char *line)
{
    char name[64];
    const char *arguments = take_word(text_skip_blanks(line), name, sizeof(name));
    if (!*name)
        return;
    if (request->output->form == OUTPUT_BLOCKS)
        log_line("Running: '%s'.", line);
    if (text_equal(name, "exit()")) /* as python-manhole's users are used to */
        text_copy(name, sizeof(name), "exit");
    const struct command *command = find_command(name);
    if (command)
        command->run(request, arguments);
    else
        unknown_command(request, name);
}

/* The line, ended by NUL and without blanks at its end. */
static void run_line(struct request *request)
{
    const struct job *job = request->job;
    size_t size = job->size;
    while (size && (text_is_blank(job->data[size - 1]) || job->data[size - 1] == '\r'))
        size--;
    for (size_t i = 0; i < size; i++) {
        if (!job->data[i]) {
            request_fail(request, "the line contains a NUL byte, and was not run");
            return;
        }
    }
    char brief[SHORT_LINE];
    char *line = size < sizeof(brief) ? brief : memory_map(size + 1);
    if (!line) {
        request_fail(request, "no memory for a line of %zu bytes", size);
        return;
    }
    memcpy(line, job->data, size);
    line[size] = '\0';
    run_command(request, line);
    if (line != brief)
        memory_unmap(line, size + 1);
}

/* Of clients of text: Python, or a command, with a dot in front or, where nothing else is spoken,
   without. */
static void run_any_line(struct request *request)
{
    const struct job *job = request->job;
    struct job rest = *job;
    if (job->form == OUTPUT_FRAMES || !python_takes_line(request)) {
        const bool dotted = job->form != OUTPUT_FRAMES && job->size && *job->data == '.';
        rest.data += dotted;
        rest.size -= dotted;
        request->job = &rest;
        run_line(request);
        request->job = job;
    }
}

static void complete(struct request *request)
{
    const struct job *job = request->job;
    char line[64];
    text_format(line, sizeof(line), "%.*s", (int)(job->size < 63 ? job->size : 63), job->data);
    const char *word = text_skip_blanks(line);
    if (text_begins(word, "help "))
        word = text_skip_blanks(word + 5);
    if (text_find(word, ' ') || text_find(word, '\t'))
        return;
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (text_begins(commands[i].name, word))
            output_format(request->output, "%s\n", commands[i].name);
}

static void read_range(struct request *request)
{
    struct manhole_range range;
    if (request->job->size != sizeof(range)) {
        request_fail(request, "a range is %zu bytes, not %zu", sizeof(range), request->job->size);
        return;
    }
    memcpy(&range, request->job->data, sizeof(range));
    if (range.size > MANHOLE_FRAME_MAX)
        range.size = MANHOLE_FRAME_MAX;
    char *bytes = range.size ? memory_map(range.size) : NULL;
    size_t got = bytes ? memory_read(range.address, bytes, range.size) : 0;
    if (got)
        output_frame(request->output, MANHOLE_DATA, NULL, 0, bytes, got);
    else
        request_fail(request, range.size ? "0x%lx: not readable" : "0x%lx: no bytes were asked for",
                     range.address);
    memory_unmap(bytes, range.size);
    if (got)
        request->job = NULL; /* answered */
}

static enum job_result result_of(const struct request *request, const struct output *output)
{
    if (output->dead)
        return output->stalled ? JOB_STALLED : JOB_LOST;
    return request->quit ? JOB_QUIT : JOB_DONE;
}

enum job_result console_run(const struct job *job)
{
    struct output output;
    output_init(&output, &job->socket, job->form, job->id);
    redirect_say_rest(&output);
    struct request request = {.job = job, .output = &output};
    switch (job->kind) {
    case JOB_BANNER:
    case JOB_UPGRADE:
        greet(job, &output);
        return result_of(&request, &output);
    case JOB_RUN:
        run_any_line(&request);
        break;
    case JOB_PYTHON:
        python_run(&request);
        break;
    case JOB_PYTHON_COMPLETE:
        python_complete(&request);
        break;
    case JOB_READ:
        read_range(&request);
        break;
    case JOB_COMPLETE:
        complete(&request);
        break;
    case JOB_LOAD:
        code_load(&request);
        break;
    case JOB_UNLOAD:
        code_unload(&request);
        break;
    case JOB_EXECUTE:
        code_execute(&request);
        break;
    case JOB_WRITE:
        code_write(&request);
        break;
    case JOB_REFUSE:
        request_fail(&request, "%.*s", (int)job->size, job->data);
        break;
    case JOB_HANDLE:
        return handler_serve(job);
    case JOB_NOTICE:
        notify(job, &output);
        return result_of(&request, &output);
    case JOB_SHOW:
        worker_answer();
        python_tee_forward(&output);
        return result_of(&request, &output);
    case JOB_STOP:
        break;
    }
    if (request.job && !request.quit)
        finish(&request);
    output_flush(&output);
    return result_of(&request, &output);
}
