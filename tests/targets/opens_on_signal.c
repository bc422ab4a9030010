// BUILD: -ldl
/*
 * A program that loads libmanhole (argv[1]) and has it listen from the first SIGUSR2 on, by a
 * handler of its own. Awkward: SIGUSR1 would end it, it ignores SIGHUP, and with a second argument
 * it blocks SIGUSR2, so that the signal comes and nothing happens until the line "go" is read.
 */
#include <dlfcn.h>
#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "payload/manhole.h"

static sem_t came;

static void take(int signal)
{
    (void)signal;
    sem_post(&came);
}

static void block(int how)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigprocmask(how, &set, NULL);
}

int main(int argc, char **argv)
{
    void *library = argc > 1 ? dlopen(argv[1], RTLD_NOW) : NULL;
    int (*install)(const struct manhole_options *) =
        library ? (int (*)(const struct manhole_options *))dlsym(library, "manhole_install") : NULL;
    if (!install)
        return 1;
    struct manhole_options options = MANHOLE_OPTIONS_DEFAULT;
    options.verbose = 0;
    char line[16];
    sem_init(&came, 0, 0);
    signal(SIGHUP, SIG_IGN);
    if (argc > 2)
        block(SIG_BLOCK);
    sigaction(SIGUSR2, &(struct sigaction){.sa_handler = take}, NULL);
    puts("ready");
    fflush(stdout);
    if (argc > 2 && fgets(line, sizeof(line), stdin))
        block(SIG_UNBLOCK);
    while (sem_wait(&came) < 0 && errno == EINTR)
        ;
    printf("installed: %d\n", install(&options));
    fflush(stdout);
    for (;;)
        pause();
}
