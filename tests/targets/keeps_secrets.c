/*
 * Text in every kind of memory: on the stack, in the heap, in a variable, in a data file that is
 * mapped. None of it stands in the program's file as such.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static char variable[4096] = "x"; /* in .data */

/* "secret" and where, made at run time. */
static void write_secret(char *to, const char *where)
{
    strcpy(to, "terces");
    for (size_t i = 0; i < 3; i++) {
        char c = to[i];
        to[i] = to[5 - i];
        to[5 - i] = c;
    }
    strcat(to, where);
}

int main(void)
{
    char stack[64];
    char *heap = malloc(1 << 20);
    FILE *file = tmpfile();
    char *mapped = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(file), 0);
    if (!heap || ftruncate(fileno(file), 4096))
        return 1;
    write_secret(stack, " on the stack");
    write_secret(heap, " in the heap");
    write_secret(variable, " in a variable");
    write_secret(mapped, " in a mapped file");
    puts("ready");
    fflush(stdout);
    for (;;)
        if (pause() && stack[0] != heap[0])
            return 1;
}
