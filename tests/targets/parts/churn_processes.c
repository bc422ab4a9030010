/* Part of churn.c: libraries that come and go, threads that are born and end, children. */
#include "tests/targets/parts/churn.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

void churn_library(void)
{
    void *library = dlopen(library_path, RTLD_NOW | RTLD_LOCAL);
    int (*count)(void) = library ? (int (*)(void))dlsym(library, "churn_count") : NULL;
    if (!count) {
        churn_bad("dlopen", 0);
        return;
    }
    int before = count();
    churn_nap();
    if (count() != before + 1)
        churn_bad("thread storage of a library", before);
    dlclose(library);
}

static _Thread_local long precious = PRECIOUS;

static void *live(void *argument)
{
    unsigned char *block = malloc(500);
    if (precious != PRECIOUS)
        churn_bad("storage of a new thread", precious);
    memset(block, 7, 500);
    churn_exceptions((unsigned)(unsigned long)argument);
    if (block[499] != 7)
        churn_bad("memory of a new thread", block[499]);
    free(block);
    precious = 0;
    return (char *)argument + 1;
}

void churn_threads(void)
{
    pthread_t threads[4];
    void *result;
    long count = 0;
    while (count < 4 && !pthread_create(&threads[count], NULL, live, (void *)(count + 1)))
        count++;
    if (count < 4)
        churn_bad("pthread_create", count);
    for (long i = 0; i < count; i++)
        if (pthread_join(threads[i], &result) || result != (void *)(i + 2))
            churn_bad("result of a thread", (long)result);
}

static void expect_status(pid_t child, int expected)
{
    int status;
    if (child < 0 || waitpid(child, &status, 0) != child)
        churn_bad("child", errno);
    else if (status != expected << 8)
        churn_bad("status of a child", status);
}

static void fork_and_allocate(void)
{
    pid_t child = fork();
    if (!child) {
        churn_free_all();
        for (int i = 0; i < 100; i++)
            free(malloc(100));
        _exit(42);
    }
    expect_status(child, 42);
}

static void fork_and_exec(void)
{
    char *const arguments[] = {"churn", "child", NULL};
    pid_t child = fork();
    if (!child) {
        execve("/proc/self/exe", arguments, environ);
        _exit(1);
    }
    expect_status(child, 43);
}

static void spawn(void)
{
    char *const arguments[] = {"churn", "child", NULL};
    pid_t child;
    int error = posix_spawn(&child, "/proc/self/exe", NULL, NULL, arguments, environ);
    if (error)
        churn_bad("posix_spawn", error);
    else
        expect_status(child, 43);
}

void churn_processes(void)
{
    static void (*const ways[])(void) = {fork_and_allocate, fork_and_exec, spawn};
    ways[churn_random(3)]();
}
