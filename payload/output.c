#include "payload/output.h"

#include "payload/sys.h"
#include "payload/text.h"
#include "payload/worker.h"

#include <string.h>

void output_init(struct output *output, const struct descriptor *socket, enum output_form form,
                 uint32_t id)
{
    output->socket = *socket;
    output->form = form;
    output->id = id;
    output->dead = output->stalled = false;
    output->used = 0;
}

bool output_wanted(const struct output *output)
{
    return !output->dead && !worker_interrupted();
}

/* Until the client reads. The listener's shutdown(2) of the socket ends the wait. */
static bool wait_for_room(struct output *output)
{
    struct pollfd one = {.fd = output->socket.fd, .events = POLLOUT};
    long ready = sys_poll(&one, 1, OUTPUT_STALL_MS);
    output->stalled = ready == 0;
    return ready > 0 || ready == -EINTR;
}

static void send_all(struct output *output, const void *data, size_t size)
{
    const char *position = data;
    while (size && !output->dead) {
        long sent = descriptor_intact(&output->socket) ? sys_send(output->socket.fd, position, size)
                                                       : -EBADF;
        if (sent > 0) {
            position += sent;
            size -= (size_t)sent;
        } else if (sent == -EINTR) {
            continue;
        } else if (sent != -EAGAIN || !wait_for_room(output)) {
            output->dead = true;
        }
    }
}

static void send_header(struct output *output, enum manhole_frame_type type, size_t size)
{
    struct manhole_frame header = {(uint32_t)size, type, output->id};
    send_all(output, &header, sizeof(header));
}

void output_raw(struct output *output, const void *data, size_t size)
{
    send_all(output, data, size);
}

size_t output_head(const struct output *output, size_t size, char head[OUTPUT_HEAD_BYTES])
{
    if (output->form == OUTPUT_TEXT)
        return 0;
    if (output->form == OUTPUT_BLOCKS)
        return text_format(head, OUTPUT_HEAD_BYTES, MANHOLE_BLOCK_OUTPUT " %zu\n", size);
    struct manhole_frame header = {(uint32_t)size, MANHOLE_OUTPUT, output->id};
    memcpy(head, &header, sizeof(header));
    return sizeof(header);
}

void output_flush(struct output *output)
{
    if (!output->used)
        return;
    char head[OUTPUT_HEAD_BYTES];
    send_all(output, head, output_head(output, output->used, head));
    send_all(output, output->buffer, output->used);
    output->used = 0;
}

void output_block(struct output *output, const char *word, const char *text)
{
    char head[OUTPUT_HEAD_BYTES];
    size_t size = strlen(text);
    output_flush(output);
    send_all(output, head, text_format(head, sizeof(head), "%s %zu\n", word, size));
    send_all(output, text, size);
}

void output_bytes(struct output *output, const void *data, size_t size)
{
    const char *position = data;
    while (size && !output->dead) {
        size_t piece = sizeof(output->buffer) - output->used;
        if (piece > size)
            piece = size;
        memcpy(output->buffer + output->used, position, piece);
        output->used += piece;
        position += piece;
        size -= piece;
        if (output->used == sizeof(output->buffer))
            output_flush(output);
    }
}

void output_text(struct output *output, const char *text)
{
    output_bytes(output, text, strlen(text));
}

void output_format(struct output *output, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    size_t size = text_vformat(text, sizeof(text), format, arguments);
    va_end(arguments);
    output_bytes(output, text, size);
}

void output_clean(struct output *output, const char *text, size_t length)
{
    while (length && !output->dead) {
        char clean[512];
        size_t taken;
        size_t size = text_sanitize(clean, sizeof(clean), text, length, &taken);
        output_bytes(output, clean, size);
        text += taken;
        length -= taken;
    }
}

void output_frame(struct output *output, enum manhole_frame_type type, const void *head,
                  size_t head_size, const void *data, size_t size)
{
    output_flush(output);
    send_header(output, type, head_size + size);
    send_all(output, head, head_size);
    send_all(output, data, size);
}
