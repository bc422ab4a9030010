#include "src/terminal.h"

#include "src/message.h"

#include <stdint.h>
#include <string.h>
#include <unistd.h>

void terminal_init(struct terminal *terminal, FILE *out)
{
    *terminal = (struct terminal){.out = out, .is_tty = isatty(fileno(out))};
}

/* Length that a UTF-8 lead byte announces (RFC 3629); 0: no lead byte. */
static size_t sequence_length(unsigned char lead)
{
    if (lead < 0x80)
        return 1;
    if (lead >= 0xc2 && lead <= 0xdf)
        return 2;
    if ((lead & 0xf0) == 0xe0)
        return 3;
    if (lead >= 0xf0 && lead <= 0xf4)
        return 4;
    return 0;
}

/* C0 and C1 controls steer terminals, and so do the overrides of writing direction. */
static bool is_harmless(uint32_t character)
{
    if (character == '\n' || character == '\t')
        return true;
    if (character < 0x20 || (character >= 0x7f && character < 0xa0))
        return false;
    return !(character >= 0x202a && character <= 0x202e) &&
           !(character >= 0x2066 && character <= 0x2069) && character != 0x200e &&
           character != 0x200f;
}

static void flush_pending_as_unknown(struct terminal *terminal)
{
    if (terminal->pending_size)
        fputc('?', terminal->out);
    terminal->pending_size = 0;
}

/* Takes one byte; prints when a character is whole. */
static void write_byte(struct terminal *terminal, char byte)
{
    if (terminal->pending_size && ((unsigned char)byte & 0xc0) != 0x80)
        flush_pending_as_unknown(terminal);
    if (!terminal->pending_size && !sequence_length((unsigned char)byte)) {
        fputc('?', terminal->out);
        return;
    }
    terminal->pending[terminal->pending_size++] = byte;
    size_t length = sequence_length((unsigned char)terminal->pending[0]);
    if (terminal->pending_size < length)
        return;
    terminal->pending[length] = '\0';
    uint32_t character;
    if (message_utf8_length(terminal->pending, &character) == length && is_harmless(character))
        fwrite(terminal->pending, 1, length, terminal->out);
    else
        fputc('?', terminal->out);
    terminal->pending_size = 0;
}

/* Only what a prompt may be made of: no tabs, no control characters. */
static void keep_open_text(struct terminal *terminal, const char *text, size_t size)
{
    char *kept = terminal->open_text;
    size_t used = terminal->line_open ? strlen(kept) : 0;
    bool fits = used || !terminal->line_open;
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '\n') {
            used = 0;
            fits = true;
            continue;
        }
        fits = fits && (unsigned char)text[i] >= 0x20 && used + 1 < sizeof(terminal->open_text);
        if (fits)
            kept[used++] = text[i];
        else
            used = 0;
    }
    kept[used] = '\0';
}

void terminal_write(struct terminal *terminal, const char *text, size_t size)
{
    if (!size)
        return;
    keep_open_text(terminal, text, size);
    if (terminal->is_tty)
        for (size_t i = 0; i < size; i++)
            write_byte(terminal, text[i]);
    else
        fwrite(text, 1, size, terminal->out);
    terminal->line_open = text[size - 1] != '\n';
    fflush(terminal->out);
}

void terminal_end_line(struct terminal *terminal)
{
    flush_pending_as_unknown(terminal);
    if (terminal->line_open)
        fputc('\n', terminal->out);
    terminal->line_open = false;
    fflush(terminal->out);
}
