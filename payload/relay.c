#include "payload/relay.h"

#include "payload/sys.h"
#include "payload/text.h"

#include <string.h>

#define NOTICE_BYTES 64

void relay_begin(struct relay *relay, const struct output *output)
{
    output_init(&relay->to, &output->socket, output->form, output->id);
    relay->dead = output->dead;
    relay->open_line = false;
    relay->dropped = 0;
    relay->start = relay->size = 0;
    relay->head_start = relay->head_size = relay->block_left = 0;
}

static size_t free_bytes(const struct relay *relay)
{
    return RELAY_BYTES - (relay->size - relay->start);
}

static void append(struct relay *relay, const char *data, size_t size)
{
    if (relay->size + size > RELAY_BYTES) {
        memmove(relay->bytes, relay->bytes + relay->start, relay->size - relay->start);
        relay->size -= relay->start;
        relay->start = 0;
    }
    memcpy(relay->bytes + relay->size, data, size);
    relay->size += size;
    relay->open_line = data[size - 1] != '\n';
}

static size_t write_notice(struct relay *relay, char notice[NOTICE_BYTES])
{
    size_t size = text_format(notice, NOTICE_BYTES, "%s[%lu bytes dropped]\n",
                              relay->open_line ? "\n" : "", relay->dropped);
    relay->dropped = 0;
    return size;
}

/* All or nothing. Once something was dropped there must be some room again, so that notices do not
   take the place of what they are about. */
static void add_piece(struct relay *relay, const char *data, size_t size, size_t printed)
{
    char notice[NOTICE_BYTES];
    if (free_bytes(relay) < size + (relay->dropped ? RELAY_BYTES / 4 : 0)) {
        relay->dropped += printed;
        return;
    }
    if (relay->dropped)
        append(relay, notice, write_notice(relay, notice));
    append(relay, data, size);
}

/* The length of what text_sanitize need not see: newlines and tabs. */
static size_t plain_blanks(const char *data, size_t size)
{
    size_t length = 0;
    while (length < size && (data[length] == '\n' || data[length] == '\t'))
        length++;
    return length;
}

/* A byte 0xc2 at the end may begin a C1 control character that comes with the next piece. */
static void add_as_text(struct relay *relay, const char *data, size_t size)
{
    char clean[512];
    while (size) {
        size_t length = plain_blanks(data, size);
        if (length) {
            add_piece(relay, data, length, length);
        } else {
            while (length < size && data[length] != '\n' && data[length] != '\t')
                length++;
            bool is_cut = length == size && (unsigned char)data[size - 1] == 0xc2;
            if (is_cut && length > 1)
                length--;
            size_t written = is_cut && length == 1
                                 ? text_format(clean, sizeof(clean), "\\xc2")
                                 : text_sanitize(clean, sizeof(clean), data, length, &length);
            add_piece(relay, clean, written, length);
        }
        data += length;
        size -= length;
    }
}

void relay_add(struct relay *relay, const char *data, size_t size)
{
    if (relay->dead || !size)
        return;
    if (relay->to.form == OUTPUT_TEXT)
        add_as_text(relay, data, size);
    else
        add_piece(relay, data, size, size);
}

struct pollfd relay_events(const struct relay *relay)
{
    struct pollfd events = {.fd = -1, .events = POLLOUT};
    if (!relay->dead && relay->size > relay->start)
        events.fd = relay->to.socket.fd;
    return events;
}

static void begin_block(struct relay *relay)
{
    relay->block_left = relay->size - relay->start;
    relay->head_start = 0;
    relay->head_size = output_head(&relay->to, relay->block_left, relay->head);
}

/* Bytes that the client took, 0 when it takes none now. */
static size_t send_some(struct relay *relay, const char *data, size_t size)
{
    long sent =
        descriptor_intact(&relay->to.socket) ? sys_send(relay->to.socket.fd, data, size) : -EBADF;
    if (sent < 0 && sent != -EAGAIN && sent != -EINTR)
        relay->dead = true;
    return sent > 0 ? (size_t)sent : 0;
}

void relay_step(struct relay *relay)
{
    while (!relay->dead && relay->size > relay->start) {
        if (!relay->block_left)
            begin_block(relay);
        if (relay->head_start < relay->head_size) {
            size_t sent = send_some(relay, relay->head + relay->head_start,
                                    relay->head_size - relay->head_start);
            relay->head_start += sent;
            if (!sent)
                return;
            continue;
        }
        size_t sent = send_some(relay, relay->bytes + relay->start, relay->block_left);
        relay->start += sent;
        relay->block_left -= sent;
        if (!sent)
            return;
    }
    relay->start = relay->size = 0;
}

void relay_finish(struct relay *relay, struct output *output)
{
    if (relay->dead) {
        output->dead = true;
        return;
    }
    char notice[NOTICE_BYTES];
    if (relay->block_left) {
        output_raw(output, relay->head + relay->head_start, relay->head_size - relay->head_start);
        output_raw(output, relay->bytes + relay->start, relay->block_left);
        relay->start += relay->block_left;
    }
    output_bytes(output, relay->bytes + relay->start, relay->size - relay->start);
    if (relay->dropped)
        output_bytes(output, notice, write_notice(relay, notice));
    else if (relay->open_line)
        output_text(output, "\n");
    relay->start = relay->size = relay->block_left = 0;
}
