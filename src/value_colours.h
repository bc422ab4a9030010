/* The text of a value in colours: its name, strings and characters, numbers. */
#ifndef SRC_VALUE_COLOURS_H
#define SRC_VALUE_COLOURS_H

#include "src/terminal.h"

/* Of the terminal's own sixteen colours; none is what only a colour tells. */
#define COLOUR_PROMPT "\033[1m"
#define COLOUR_NAME "\033[1m"
#define COLOUR_STRING "\033[32m"
#define COLOUR_NUMBER "\033[36m"
#define COLOUR_ERROR "\033[31m"
#define COLOUR_END "\033[0m"

/* Writes a text of the target, which is made safe as terminal_write does. */
void value_colours_write(struct terminal *out, const char *text);

#endif
