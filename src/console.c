#include "src/console.h"

#include "injector/cleanup.h"
#include "src/answer.h"
#include "src/completion.h"
#include "src/history.h"
#include "src/message.h"
#include "src/pager.h"
#include "src/script.h"
#include "src/value_colours.h"

#include <errno.h>
#include <histedit.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <wchar.h>

/* Around what the editor is not to count in a prompt. */
#define PROMPT_ESCAPE '\1'

/* Why the editor gave no line. */
enum pause_reason {
    PAUSE_NONE,   /* the end of the input: Ctrl-D, or the terminal went away */
    PAUSE_CLEAR,  /* Ctrl-C: a new line, please */
    PAUSE_LOST,   /* the manhole closed the connection */
    PAUSE_BYE,    /* the manhole said goodbye */
    PAUSE_SIGNAL, /* we are asked to end */
    PAUSE_FRAME,  /* while a command reads a line: there is an answer of it, or something else */
};

struct console {
    struct evaluator *evaluator;
    struct session *session; /* the evaluator's */
    char *pending;           /* C that goes on in the line being typed; or NULL */
    pid_t pid;
    EditLine *editor;
    struct line_history history;
    FILE *out;
    bool colour;
    sigset_t mask;    /* before the console, for what it starts */
    const char *name; /* of the process, safe for a terminal */
    char prompt[96], continuation[96];
    const char *input_prompt; /* a command reads a line, and shows this; NULL: none does */
    enum pause_reason reason;
    char goodbye[256];     /* of PAUSE_BYE */
    mbstate_t input_state; /* of the characters the user types */
};

static const int console_signals[] = {SIGINT, SIGWINCH, SIGTSTP, SIGCONT, SIGTERM, SIGHUP};

static struct console *console_of(EditLine *editor)
{
    void *console = NULL;
    el_get(editor, EL_CLIENTDATA, &console);
    return console;
}

static char *prompt_text(EditLine *editor)
{
    struct console *console = console_of(editor);
    if (console->input_prompt)
        return (char *)console->input_prompt;
    return console->pending ? console->continuation : console->prompt;
}

/* What arrives while a line is being typed stands above that line. */
static void show_above(struct console *console, const char *text, size_t size)
{
    fputs("\r\033[K", console->out);
    fflush(console->out);
    terminal_write(console->session->out, text, size);
    terminal_end_line(console->session->out);
    el_set(console->editor, EL_REFRESH);
}

static void suspend_self(struct console *console)
{
    el_set(console->editor, EL_PREP_TERM, 0);
    raise(SIGSTOP);
    el_set(console->editor, EL_PREP_TERM, 1);
    el_set(console->editor, EL_REFRESH);
}

/* Signals while a line is being typed; false when the editor is to give up that line. */
static bool take_prompt_signals(struct console *console)
{
    struct signalfd_siginfo info;
    while (read(console->session->signal_fd, &info, sizeof(info)) == sizeof(info)) {
        switch (info.ssi_signo) {
        case SIGINT:
            console->reason = PAUSE_CLEAR;
            return false;
        case SIGTERM:
        case SIGHUP:
            console->reason = PAUSE_SIGNAL;
            return false;
        case SIGWINCH:
            el_resize(console->editor);
            break;
        case SIGTSTP:
            suspend_self(console);
            break;
        default: /* SIGCONT after SIGSTOP of somebody else: the shell changed the terminal */
            el_set(console->editor, EL_PREP_TERM, 1);
            el_set(console->editor, EL_REFRESH);
        }
    }
    return true;
}

/* What the manhole sends while nothing runs; false when it is the end. */
static bool take_prompt_frames(struct console *console)
{
    struct client *client = console->session->client;
    client_pump(client);
    struct client_frame frame;
    while (client_next(client, &frame)) {
        if (frame.type == MANHOLE_OUTPUT) {
            show_above(console, frame.data, frame.size);
        } else if (console->input_prompt) {
            client_unget(client);
            console->reason = PAUSE_FRAME;
            return false;
        } else if (frame.type == MANHOLE_BYE) {
            char raw[sizeof(console->goodbye)];
            snprintf(raw, sizeof(raw), "%.*s", (int)frame.size, frame.data);
            raw[strcspn(raw, "\n")] = '\0';
            message_sanitize(raw, console->goodbye, sizeof(console->goodbye));
            console->reason = PAUSE_BYE;
            return false;
        }
    }
    if (client_closed(client))
        console->reason = PAUSE_LOST;
    return !client_closed(client);
}

/* One byte from the terminal: 1 with a whole character, 0 at the end, -1 when more is needed. */
static int read_byte(struct console *console, wchar_t *ret)
{
    char byte;
    ssize_t got = read(STDIN_FILENO, &byte, 1);
    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return -1;
    if (got <= 0)
        return 0;
    size_t used = mbrtowc(ret, &byte, 1, &console->input_state);
    if (used == (size_t)-2)
        return -1;
    if (used == (size_t)-1) {
        memset(&console->input_state, 0, sizeof(console->input_state));
        *ret = L'?';
    }
    return 1;
}

/* For EL_GETCFN: the next character, with an eye on the manhole and on signals. */
static int read_character(EditLine *editor, wchar_t *ret)
{
    struct console *console = console_of(editor);
    for (;;) {
        struct pollfd fds[] = {
            {.fd = STDIN_FILENO, .events = POLLIN},
            {.fd = client_fd(console->session->client),
             .events = client_events(console->session->client)},
            {.fd = console->session->signal_fd, .events = POLLIN},
        };
        if (poll(fds, 3, -1) < 0) {
            if (errno == EINTR)
                continue;
            return -1;
        }
        if ((fds[2].revents && !take_prompt_signals(console)) ||
            (fds[1].revents && !take_prompt_frames(console))) {
            errno = EINTR;
            return -1;
        }
        if (fds[0].revents) {
            int got = read_byte(console, ret);
            if (got >= 0)
                return got;
        }
    }
}

static size_t terminal_columns(struct console *console)
{
    struct winsize size;
    if (ioctl(fileno(console->out), TIOCGWINSZ, &size) == 0 && size.ws_col)
        return size.ws_col;
    return 80;
}

static void list_candidates(struct console *console, const struct candidates *candidates)
{
    size_t widest = 0;
    for (size_t i = 0; i < candidates->count; i++)
        if (strlen(candidates->words[i]) > widest)
            widest = strlen(candidates->words[i]);
    size_t columns = terminal_columns(console) / (widest + 2);
    if (!columns)
        columns = 1;
    fputc('\n', console->out);
    for (size_t i = 0; i < candidates->count; i++) {
        char clean[512];
        message_sanitize(candidates->words[i], clean, sizeof(clean));
        bool last = (i + 1) % columns == 0 || i + 1 == candidates->count;
        fprintf(console->out, "%-*s%s", last ? 0 : (int)widest + 2, clean, last ? "\n" : "");
    }
    if (candidates->total > candidates->count)
        fprintf(console->out, "... and %zu more\n", candidates->total - candidates->count);
    fflush(console->out);
}

/* The key of completion: adds what is certain, or shows what there is to choose from. */
static unsigned char complete(EditLine *editor, int key)
{
    (void)key;
    struct console *console = console_of(editor);
    if (console->input_prompt)
        return CC_ERROR; /* the manhole answers nothing else meanwhile */
    const LineInfo *info = el_line(editor);
    CLEANUP_FREE char *line = strndup(info->buffer, (size_t)(info->cursor - info->buffer));
    if (!line)
        return CC_ERROR;
    struct candidates candidates;
    completion_find(console->evaluator, console->pending, line, &candidates);
    unsigned char action = CC_ERROR;
    size_t typed = strlen(line) - candidates.word_start;
    if (candidates.total == 1) {
        el_insertstr(editor, candidates.common + typed);
        if (candidates.ends_word)
            el_insertstr(editor, " ");
        action = CC_REFRESH;
    } else if (candidates.common && strlen(candidates.common) > typed) {
        el_insertstr(editor, candidates.common + typed);
        action = CC_REFRESH;
    } else if (candidates.total) {
        list_candidates(console, &candidates);
        action = CC_REDISPLAY;
    }
    candidates_deinit(&candidates);
    return action;
}

static bool start_editor(struct console *console)
{
    console->editor = el_init("manhole-attach", stdin, console->out, stderr);
    if (!console->editor)
        return false;
    EditLine *editor = console->editor;
    el_set(editor, EL_CLIENTDATA, console);
    el_set(editor, EL_SIGNAL, 0);
    el_set(editor, EL_PROMPT_ESC, prompt_text, PROMPT_ESCAPE);
    el_set(editor, EL_EDITOR, "emacs");
    if (console->history.history)
        el_set(editor, EL_HIST, history, console->history.history);
    /* The wide form keeps the strings as they are; el_set would copy them and never free them. */
    el_wset(editor, EL_ADDFN, L"manhole-complete", L"complete a command, a name or a member",
            complete);
    el_set(editor, EL_BIND, "^I", "manhole-complete", NULL);
    el_set(editor, EL_BIND, "^R", "em-inc-search-prev", NULL);
    el_source(editor, NULL); /* the user's own ~/.editrc may bind anew */
    el_set(editor, EL_GETCFN, read_character);
    /* While a command runs: keys typed ahead reach the next prompt as they are. A Ctrl-D that the
       line discipline takes for the end of a line of its own would be lost (termios(3), ICANON). */
    el_set(editor, EL_SETTY, "-x", "-icanon", NULL);
    return true;
}

/* SIGINT and its kin become readable on a descriptor; `before` is the mask to put back. */
static int open_signals(sigset_t *before)
{
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof(console_signals) / sizeof(console_signals[0]); i++)
        sigaddset(&set, console_signals[i]);
    sigprocmask(SIG_BLOCK, &set, before);
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static void say_goodbye(struct console *console, const char *why)
{
    fprintf(console->out,
            "%s%sleft: process %d goes on, its manhole stays open "
            "('manhole-attach --uninstall %d' closes it)\n",
            why, *why ? "; " : "", console->pid, console->pid);
    fflush(console->out);
}

/* No line came: returns true when the console is over, with its exit status. */
static bool take_pause(struct console *console, int *status)
{
    enum pause_reason reason = console->reason;
    console->reason = PAUSE_NONE;
    fputs(reason == PAUSE_CLEAR ? "^C\n" : "\n", console->out);
    switch (reason) {
    case PAUSE_CLEAR:
        return false;
    case PAUSE_LOST:
        *status = message_error(client_lost(console->session->client));
        return true;
    case PAUSE_BYE:
        *status =
            message_error(error_create(ERROR_STATE, 0, "process %d: the manhole said goodbye: %s",
                                       console->pid, console->goodbye));
        return true;
    case PAUSE_SIGNAL:
    case PAUSE_FRAME:
    case PAUSE_NONE:
        session_leave(console->session);
        say_goodbye(console, "");
        return true;
    }
    return true;
}

/* A line for a command that reads one: behind what it has shown, as far as that can be a prompt. */
static enum session_input read_line(void *reader, char **ret)
{
    struct console *console = reader;
    struct terminal *terminal = console->session->out;
    char prompt[sizeof(terminal->open_text)];
    if (terminal->line_open && !*terminal->open_text)
        terminal_end_line(terminal);
    message_sanitize(terminal->line_open ? terminal->open_text : "", prompt, sizeof(prompt));
    fputs("\r", console->out);
    console->input_prompt = prompt;
    int length = 0;
    memset(&console->input_state, 0, sizeof(console->input_state));
    const char *got = el_gets(console->editor, &length);
    console->input_prompt = NULL;
    enum pause_reason reason = console->reason;
    console->reason = PAUSE_NONE;
    if (got && length > 0) {
        terminal->line_open = false; /* by the newline that was typed */
        *ret = strdup(got);
        return *ret ? INPUT_LINE : INPUT_END;
    }
    if (reason == PAUSE_FRAME)
        return INPUT_DISTURBED;
    fputs(reason == PAUSE_CLEAR ? "^C" : "\n", console->out);
    terminal->line_open = reason == PAUSE_CLEAR;
    if (reason == PAUSE_CLEAR)
        return INPUT_INTERRUPTED;
    return reason == PAUSE_NONE ? INPUT_END : reason == PAUSE_SIGNAL ? INPUT_LEFT : INPUT_DISTURBED;
}

/* What this end adds to the manhole's commands. */
static void print_keys(struct console *console)
{
    fprintf(console->out,
            "keys: TAB completes names, members and commands, Ctrl-R searches the history,\n"
            "      Ctrl-C interrupts the running command, twice it leaves, as Ctrl-D does "
            "(the program goes on)\n");
}

static bool is_word(const char *line, const char *word)
{
    line += strspn(line, " \t");
    size_t length = strlen(word);
    return strncmp(line, word, length) == 0 && line[length + strspn(line + length, " \t")] == '\0';
}

/* The terminal's Ctrl-C that the pager got, we got too. */
static void forget_interrupts(void)
{
    const struct timespec now = {0};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    while (sigtimedwait(&set, NULL, &now) == SIGINT)
        ;
}

/* What is longer than the screen goes through a pager. */
static void show_value(struct console *console, const struct evaluated *evaluated)
{
    struct pager pager;
    if (!evaluated->value || !pager_is_needed(fileno(console->out), evaluated->value) ||
        !pager_open(&pager, &console->mask)) {
        answer_show_value(console->session->out, evaluated, console->colour);
        return;
    }
    struct terminal terminal = {.out = pager.in, .is_tty = true};
    answer_show_value(&terminal, evaluated, console->colour && pager.shows_colours);
    pager_close(&pager);
    forget_interrupts();
}

static void show_failure(struct console *console, const char *text,
                         const struct evaluated *evaluated)
{
    const char *reason = answer_reason(&evaluated->answer);
    if (!*reason || answer_show_traceback(console->out, evaluated))
        return;
    char where[ANSWER_WHERE_BYTES];
    answer_where(&evaluated->place, 1, strchr(text, '\n'), where);
    fprintf(console->out, "%s%s%s%s\n", console->colour ? COLOUR_ERROR : "", where, reason,
            console->colour ? COLOUR_END : "");
    answer_show_place(console->out, text, &evaluated->place, console->colour);
    answer_show_stack(console->out, &evaluated->stack);
}

/* Libedit does not count what stands between two PROMPT_ESCAPE, and leaves it out at the end
   (editline(3)). */
static void set_prompt(struct console *console)
{
    static const char escape[] = {PROMPT_ESCAPE, '\0'};
    const char *mark = console->colour ? escape : "";
    const char *end = console->evaluator->is_python ? ">>>" : ">";
    snprintf(console->prompt, sizeof(console->prompt), "%s%s%s%d:%s%s%s%s%s ", mark,
             console->colour ? COLOUR_PROMPT : "", mark, console->pid, console->name, end, mark,
             console->colour ? COLOUR_END : "", mark);
    int width = snprintf(NULL, 0, "%d:%s%s ", console->pid, console->name, end);
    /* As wide as the prompt, so that the lines of a block stand under one another. */
    snprintf(console->continuation, sizeof(console->continuation), "%*s", width, "... ");
}

/* Runs one line; returns true when the console is over. */
static bool run_line(struct console *console, const char *line, int *status)
{
    CLEANUP_EVALUATED struct evaluated evaluated = {0};
    const struct session_answer *answer = &evaluated.answer;
    struct error *error = evaluator_run(console->evaluator, line, &evaluated);
    set_prompt(console);
    if (error) {
        bool over = error->kind != ERROR_USAGE;
        int kind = message_error(error);
        if (over)
            *status = kind;
        return over;
    }
    if (answer->left) {
        say_goodbye(console, "the command was given up");
        *status = ERROR_DEADLINE;
        return true;
    }
    if (answer->ended) {
        say_goodbye(console, answer->text);
        return true;
    }
    if (answer->outcome == MANHOLE_INCOMPLETE) {
        console->pending = strdup(line);
        return false;
    }
    line_history_add(&console->history, line);
    show_value(console, &evaluated);
    if (answer->outcome == MANHOLE_DONE && is_word(line, "help"))
        print_keys(console);
    show_failure(console, line, &evaluated);
    return false;
}

/* What was typed so far, if it is whole; NULL when it goes on in the next line. An empty line ends
   what the compiler would say is unfinished. */
static char *take_line(struct console *console, const char *got)
{
    char *whole;
    bool empty = got[strspn(got, " \t\n")] == '\0';
    if (empty && !console->pending)
        return NULL;
    if (asprintf(&whole, "%s%s%.*s", console->pending ? console->pending : "",
                 console->pending ? "\n" : "", (int)strcspn(got, "\n"), got) < 0)
        return NULL;
    free(console->pending);
    console->pending = NULL;
    if (!empty && evaluator_wants_more(console->evaluator, whole)) {
        console->pending = whole;
        return NULL;
    }
    return whole;
}

static int read_and_run(struct console *console)
{
    int status = 0;
    for (bool over = false; !over;) {
        int length = 0;
        memset(&console->input_state, 0, sizeof(console->input_state));
        el_resize(console->editor);
        const char *got = el_gets(console->editor, &length);
        if (!got || length <= 0) {
            free(console->pending);
            console->pending = NULL;
            over = take_pause(console, &status);
            continue;
        }
        CLEANUP_FREE char *line = take_line(console, got);
        if (line)
            over = run_line(console, line, &status);
    }
    return status;
}

int console_run(struct evaluator *evaluator, pid_t pid, const char *name, FILE *out)
{
    setlocale(LC_CTYPE, "");
    struct session *session = evaluator->session;
    struct console console = {.evaluator = evaluator, .session = session, .pid = pid, .out = out};
    char clean[64];
    console.colour = message_colour_wanted(fileno(out));
    console.name = message_sanitize(name, clean, sizeof(clean));
    set_prompt(&console);
    line_history_init(&console.history);
    int status;
    session->signal_fd = open_signals(&console.mask);
    if (start_editor(&console)) {
        session->read_line = read_line;
        session->reader = &console;
        status = read_and_run(&console);
        session->read_line = NULL;
        el_end(console.editor);
    } else {
        status = message_error(error_create(ERROR_PARTIAL, 0,
                                            "the terminal cannot be used for editing; check TERM, "
                                            "or give the commands on standard input"));
    }
    if (session->signal_fd >= 0)
        close(session->signal_fd);
    session->signal_fd = -1;
    sigprocmask(SIG_SETMASK, &console.mask, NULL);
    line_history_deinit(&console.history);
    return status;
}
