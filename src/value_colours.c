#include "src/value_colours.h"

#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           (unsigned char)c >= 0x80;
}

/* Up to the quote that ends it, or all there is. */
static size_t quoted_length(const char *text)
{
    size_t length = 1;
    while (text[length] && text[length] != *text)
        length += text[length] == '\\' && text[length + 1] ? 2 : 1;
    return text[length] ? length + 1 : length;
}

static size_t word_length(const char *text)
{
    size_t length = 1;
    while (is_word(text[length]) || (is_digit(*text) && text[length] == '.'))
        length++;
    return length;
}

/* The next piece of one colour; *colour is NULL for none. */
static size_t next_piece(const char *text, const char **colour)
{
    *colour = NULL;
    if (*text == '"' || *text == '\'') {
        *colour = COLOUR_STRING;
        return quoted_length(text);
    }
    if (is_word(*text)) {
        *colour = is_digit(*text) ? COLOUR_NUMBER : NULL;
        return word_length(text);
    }
    size_t length = 1;
    while (text[length] && text[length] != '"' && text[length] != '\'' && !is_word(text[length]))
        length++;
    return length;
}

void value_colours_write(struct terminal *out, const char *text)
{
    while (*text) {
        const char *colour;
        size_t length = next_piece(text, &colour);
        if (colour)
            fputs(colour, out->out);
        terminal_write(out, text, length);
        if (colour)
            fputs(COLOUR_END, out->out);
        text += length;
    }
}
