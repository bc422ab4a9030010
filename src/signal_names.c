#include "src/signal_names.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The last one that the kernel has (_NSIG, asm/signal.h). */
#define LAST_SIGNAL 64

static const struct {
    const char *name;
    int number;
} names[] = {
#include "signal_names.inc"
};

/* "+3" or "-3" behind the name of one end of the real-time signals, or nothing: its distance. */
static bool parse_distance(const char *text, char sign, int *ret)
{
    *ret = 0;
    if (!*text)
        return true;
    if (*text != sign || text[1] < '0' || text[1] > '9' || strlen(text) > 3)
        return false;
    char *end;
    *ret = (int)strtol(text + 1, &end, 10);
    return !*end;
}

static int real_time_signal(const char *name)
{
    int distance, number = 0;
    if (strncasecmp(name, "RTMIN", 5) == 0 && parse_distance(name + 5, '+', &distance))
        number = SIGRTMIN + distance;
    else if (strncasecmp(name, "RTMAX", 5) == 0 && parse_distance(name + 5, '-', &distance))
        number = SIGRTMAX - distance;
    return number >= SIGRTMIN && number <= SIGRTMAX ? number : 0;
}

int signal_number(const char *name)
{
    if (*name && name[strspn(name, "0123456789")] == '\0')
        return strlen(name) <= 2 && atoi(name) <= LAST_SIGNAL ? atoi(name) : 0;
    if (strncasecmp(name, "SIG", 3) == 0)
        name += 3;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcasecmp(names[i].name, name) == 0)
            return names[i].number;
    return real_time_signal(name);
}

const char *signal_name(int number)
{
    static char text[16];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (names[i].number == number)
            return names[i].name;
    if (number < SIGRTMIN || number > SIGRTMAX)
        return "?";
    snprintf(text, sizeof(text), "RTMIN+%d", number - SIGRTMIN);
    return text;
}

void signal_names(uint64_t mask, char *buffer, size_t size)
{
    size_t used = 0;
    buffer[0] = '\0';
    for (int number = 1; number <= LAST_SIGNAL && used < size; number++)
        if (mask >> (number - 1) & 1)
            used += (size_t)snprintf(buffer + used, size - used, "%sSIG%s", used ? " or " : "",
                                     signal_name(number));
}
