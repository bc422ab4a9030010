/*
 * A client of the manhole that speaks frames, well or badly: its arguments are a socket and what to
 * do there, in order. What comes back is printed, one frame a line. Ends with 0 when all was done,
 * and 3 when the server closed before.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "payload/protocol.h"

static int fd;
static uint32_t last_id;

static void send_bytes(const void *data, size_t size)
{
    for (const char *position = data; size;) {
        ssize_t sent = send(fd, position, size, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        position += sent;
        size -= (size_t)sent;
    }
}

static void send_frame(uint32_t type, const void *data, size_t size)
{
    struct manhole_frame header = {(uint32_t)size, type, ++last_id};
    send_bytes(&header, sizeof(header));
    send_bytes(data, size);
}

/* 0 at the end of the stream. */
static int receive(void *data, size_t size)
{
    for (char *position = data; size;) {
        struct pollfd one = {fd, POLLIN, 0};
        if (poll(&one, 1, 60000) == 0) {
            printf("TIMEOUT\n");
            exit(4);
        }
        ssize_t got = recv(fd, position, size, 0);
        if (got <= 0)
            return 0;
        position += got;
        size -= (size_t)got;
    }
    return 1;
}

static void print_frame(const struct manhole_frame *header, const char *data)
{
    struct manhole_result result;
    switch (header->type) {
    case MANHOLE_HELLO:
        printf("HELLO %.*s", (int)header->length, data);
        break;
    case MANHOLE_OUTPUT:
        printf("OUTPUT %u %.*s", header->id, (int)header->length, data);
        break;
    case MANHOLE_RESULT:
        memcpy(&result, data, sizeof(result));
        printf("RESULT %u %u %d %.*s\n", header->id, result.outcome, result.signal,
               (int)(header->length - sizeof(result)), data + sizeof(result));
        break;
    case MANHOLE_DATA:
        printf("DATA %u %u %.*s\n", header->id, header->length,
               (int)(header->length < 64 ? header->length : 64), data);
        break;
    case MANHOLE_BYE:
        printf("BYE %.*s\n", (int)header->length, data);
        break;
    default:
        printf("STRANGE %u\n", header->type);
    }
    fflush(stdout);
}

/* Prints frames up to the one that answers, or the goodbye. */
static void await(uint32_t type)
{
    static char data[MANHOLE_FRAME_MAX + 1];
    struct manhole_frame header;
    do {
        if (!receive(&header, sizeof(header)) || header.length > MANHOLE_FRAME_MAX ||
            !receive(data, header.length)) {
            printf("CLOSED\n");
            exit(3);
        }
        data[header.length] = '\0';
        print_frame(&header, data);
        if (header.type == MANHOLE_BYE) {
            printf("%s", receive(data, 1) ? "MORE\n" : "CLOSED\n");
            exit(3);
        }
    } while (header.type != type && header.type != MANHOLE_RESULT);
}

/* Everything before the line is a banner; a refusal comes instead of it. */
static void upgrade(void)
{
    char line[512];
    size_t used = 0;
    send_bytes(MANHOLE_UPGRADE, strlen(MANHOLE_UPGRADE));
    while (used < sizeof(line) - 1 && receive(line + used, 1)) {
        line[++used] = '\0';
        if (used >= strlen(MANHOLE_UPGRADED) &&
            !strcmp(line + used - strlen(MANHOLE_UPGRADED), MANHOLE_UPGRADED)) {
            await(MANHOLE_HELLO);
            return;
        }
    }
    printf("LINE %s", line);
    exit(3);
}

static void send_hex(const char *hex)
{
    unsigned byte;
    for (; sscanf(hex, "%2x", &byte) == 1; hex += 2)
        send_bytes(&(unsigned char){(unsigned char)byte}, 1);
}

static void act(const char *word, const char *value)
{
    if (!strcmp(word, "upgrade")) {
        upgrade();
    } else if (!strcmp(word, "run")) {
        send_frame(MANHOLE_RUN, value, strlen(value));
        await(MANHOLE_RESULT);
    } else if (!strcmp(word, "send")) {
        send_frame(MANHOLE_RUN, value, strlen(value));
    } else if (!strcmp(word, "await")) {
        await(MANHOLE_RESULT);
    } else if (!strcmp(word, "interrupt")) {
        send_frame(MANHOLE_INTERRUPT, NULL, 0);
    } else if (!strcmp(word, "detach")) {
        send_frame(MANHOLE_DETACH, NULL, 0);
        await(MANHOLE_BYE);
    } else if (!strcmp(word, "complete")) {
        send_frame(MANHOLE_COMPLETE, value, strlen(value));
        await(MANHOLE_RESULT);
    } else if (!strcmp(word, "read")) {
        struct manhole_range range = {0, 0};
        sscanf(value, "%li,%li", (long *)&range.address, (long *)&range.size);
        send_frame(MANHOLE_READ, &range, sizeof(range));
        await(MANHOLE_DATA);
    } else if (!strcmp(word, "raw")) {
        send_hex(value);
    } else if (!strcmp(word, "halfclose")) {
        shutdown(fd, SHUT_WR);
    } else if (!strcmp(word, "flood")) {
        for (int i = 0; i < atoi(value); i++)
            send_frame(MANHOLE_RUN, "help", 4);
    } else if (!strcmp(word, "pause")) { /* until the test has seen what it waits for */
        printf("PAUSED\n");
        fflush(stdout);
        while (access(value, F_OK) != 0)
            usleep(20000);
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (argc < 2)
        return 2;
    strncpy(address.sun_path, argv[1], sizeof(address.sun_path) - 1);
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        printf("NO CONNECTION %s\n", strerror(errno));
        return 5;
    }
    for (int i = 2; i < argc; i++) {
        char *value = strchr(argv[i], ':');
        if (value)
            *value++ = '\0';
        act(argv[i], value ? value : "");
    }
    return 0;
}
