/*
 * step_through PROGRAM STEPS [TABLES]: runs the program one instruction at a time and unwinds at
 * each, from the first one of main on. Fails unless every stack is complete and has main once,
 * right below the start code; with TABLES also unless all frames come from unwind tables. Prints
 * the first stacks that are wrong.
 */
#include "injector/tracee.h"
#include "injector/unwind.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static struct process *process;
static struct maps *maps;
static struct modules *modules;
static uint64_t main_start, main_end;

static void check(struct error *error)
{
    if (!error)
        return;
    fprintf(stderr, "step_through: %s\n", error->message);
    exit(2);
}

static void look(void)
{
    modules_destroy(modules);
    maps_destroy(maps);
    check(maps_read(process, &maps));
    check(modules_create(process, maps, &modules));
}

/* Single steps until a signal other than the step's own has been passed on. */
static void step(pid_t pid)
{
    int signal = 0, status;
    do {
        if (ptrace(PTRACE_SINGLESTEP, pid, 0, signal) < 0 || waitpid(pid, &status, 0) < 0 ||
            !WIFSTOPPED(status)) {
            fprintf(stderr, "step_through: the program ended\n");
            exit(2);
        }
        signal = WSTOPSIG(status);
    } while (signal != SIGTRAP);
}

static const char *name_of(const struct frame *frame)
{
    struct module *module = modules_find(modules, frame_lookup_pc(frame));
    static struct symbol symbol;
    return module && module_symbol(module, frame_lookup_pc(frame), &symbol) ? symbol.name : "?";
}

static bool is_right(const struct stack *stack, bool tables)
{
    size_t mains = 0;
    for (size_t i = 0; i < stack->count; i++) {
        const struct frame *frame = &stack->frames[i];
        uint64_t pc = frame_lookup_pc(frame);
        mains += pc >= main_start && pc < main_end;
        if (frame->how == FRAME_SCAN || (tables && i && frame->how != FRAME_CFI))
            return false;
    }
    return stack->end == UNWIND_COMPLETE && mains == 1 &&
           !strcmp(name_of(&stack->frames[stack->count - 1]), "_start");
}

static void print(const struct stack *stack)
{
    for (size_t i = 0; i < stack->count; i++)
        printf("%s%#lx %s [%s]", i ? " <- " : "", stack->frames[i].pc, name_of(&stack->frames[i]),
               frame_how_name(stack->frames[i].how));
    printf(": %s\n", stack->reason ? stack->reason : "");
}

static bool unwind_here(pid_t pid, const struct arch_regset *regset, bool tables)
{
    struct snapshot *snapshot;
    struct unwinder *unwinder;
    struct stack stack;
    check(snapshot_of_stopped_thread(process, maps, pid, regset, 65536, &snapshot));
    check(unwinder_create(snapshot, modules, &unwinder));
    check(unwind_thread(unwinder, &snapshot->threads[0], UNWIND_ALL_RULES, 0, &stack));
    bool right = is_right(&stack, tables);
    if (!right)
        print(&stack);
    stack_deinit(&stack);
    unwinder_destroy(unwinder);
    snapshot_destroy(snapshot);
    return right;
}

/* The first mapped module is not ours to guess: main is in the one the program was started from. */
static void find_main(const char *program)
{
    for (size_t i = 0; i < modules->count; i++) {
        struct symbol symbol;
        if (!strcmp(modules->modules[i]->path, program) &&
            module_symbol_address(modules->modules[i], "main", &symbol)) {
            main_start = symbol.address;
            main_end = symbol.address + symbol.size;
        }
    }
}

/* Puts a breakpoint at main, runs there, and takes it away: the loader takes too many steps. */
static void run_to_main(pid_t pid)
{
    long word = ptrace(PTRACE_PEEKTEXT, pid, main_start, 0);
    int status;
    ptrace(PTRACE_POKETEXT, pid, main_start, (word & ~0xffL) | 0xcc);
    if (ptrace(PTRACE_CONT, pid, 0, 0) < 0 || waitpid(pid, &status, 0) < 0 || !WIFSTOPPED(status)) {
        fprintf(stderr, "step_through: main was not reached\n");
        exit(2);
    }
    ptrace(PTRACE_POKETEXT, pid, main_start, word);
    ptrace(PTRACE_POKEUSER, pid, 16 * sizeof(long), main_start); /* rip, <sys/user.h> */
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    pid_t pid = fork();
    if (pid == 0) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        execl(argv[1], argv[1], NULL);
        _exit(127);
    }
    int status;
    waitpid(pid, &status, 0);
    ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_EXITKILL);
    check(process_open(pid, &process));
    look();
    find_main(argv[1]);
    if (!main_start)
        return 2;
    run_to_main(pid);
    look();

    size_t wrong = 0;
    for (long i = 0; i < atol(argv[2]) && wrong < 10; i++) {
        struct arch_regset regset;
        if (tracee_read_regset(pid, &regset) != 0)
            return 2;
        wrong += !unwind_here(pid, &regset, argc > 3);
        step(pid);
    }
    kill(pid, SIGKILL);
    modules_destroy(modules);
    maps_destroy(maps);
    process_close(process);
    return wrong != 0;
}
