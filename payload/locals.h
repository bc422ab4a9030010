/*
 * The option `locals`: names of the user's for the console, each for a number or the address of a
 * symbol. They come before the symbols of the program.
 */
#ifndef PAYLOAD_LOCALS_H
#define PAYLOAD_LOCALS_H

#include "payload/console.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Takes "NAME=EXPRESSION,..."; an expression is a number or a symbol, or sums and differences of
 * such ("table+0x10"). Symbols are resolved here, once: a forked child that takes the same text
 * again keeps what was found. 0; or EINVAL with a line in `message`, and then nothing is changed.
 */
int locals_open(const char *text, char *message, size_t message_size);
void locals_close(void);

/* False when there is no such name. */
bool locals_find(const char *name, uint64_t *ret);

/* The names in order, from 0; false behind the last one. `name` is locals.c's. */
bool locals_at(size_t at, const char **name, uint64_t *value);

void command_locals(struct request *request, const char *arguments);

#endif
