#include "src/progress.h"

#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 300

struct progress {
    char text[128];
    pthread_t thread;
    pthread_mutex_t mutex; /* of all that follows, and of text */
    pthread_cond_t changed;
    bool ended;
    bool stale; /* the text is another one than what is shown */
    int width;  /* of what is shown */
};

/* In place of what is shown. */
static void show(struct progress *progress)
{
    int width = (int)strlen(progress->text) + 4;
    dprintf(STDERR_FILENO, "\r%s ...%*s", progress->text,
            progress->width > width ? progress->width - width : 0, "");
    progress->width = width > progress->width ? width : progress->width;
    progress->stale = false;
}

static void *show_when_slow(void *argument)
{
    struct progress *progress = argument;
    struct timespec moment;
    clock_gettime(CLOCK_MONOTONIC, &moment);
    moment.tv_nsec += PATIENCE_MS * 1000000L;
    moment.tv_sec += moment.tv_nsec / 1000000000;
    moment.tv_nsec %= 1000000000;

    bool shown = false;
    pthread_mutex_lock(&progress->mutex);
    while (!progress->ended) {
        if (shown && progress->stale)
            show(progress);
        else if (shown)
            pthread_cond_wait(&progress->changed, &progress->mutex);
        else
            shown = pthread_cond_timedwait(&progress->changed, &progress->mutex, &moment) != 0;
    }
    pthread_mutex_unlock(&progress->mutex);
    if (progress->width)
        dprintf(STDERR_FILENO, "\r%*s\r", progress->width, "");
    return NULL;
}

static bool start_thread(struct progress *progress)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&progress->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&progress->mutex, NULL);

    /* Signals are for the thread that works. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int errnum = pthread_create(&progress->thread, NULL, show_when_slow, progress);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return errnum == 0;
}

struct progress *progress_start(const char *text)
{
    if (!isatty(STDERR_FILENO))
        return NULL;
    struct progress *progress = calloc(1, sizeof(*progress));
    if (!progress)
        return NULL;
    snprintf(progress->text, sizeof(progress->text), "%s", text);
    progress->stale = true;
    if (start_thread(progress))
        return progress;
    free(progress);
    return NULL;
}

void progress_update(struct progress *progress, const char *format, ...)
{
    if (!progress)
        return;
    va_list arguments;
    va_start(arguments, format);
    pthread_mutex_lock(&progress->mutex);
    vsnprintf(progress->text, sizeof(progress->text), format, arguments);
    progress->stale = true;
    pthread_cond_signal(&progress->changed);
    pthread_mutex_unlock(&progress->mutex);
    va_end(arguments);
}

void progress_end(struct progress *progress)
{
    if (!progress)
        return;
    pthread_mutex_lock(&progress->mutex);
    progress->ended = true;
    pthread_cond_signal(&progress->changed);
    pthread_mutex_unlock(&progress->mutex);
    pthread_join(progress->thread, NULL);
    pthread_cond_destroy(&progress->changed);
    pthread_mutex_destroy(&progress->mutex);
    free(progress);
}

void progress_cleanup(struct progress **progress)
{
    progress_end(*progress);
}
