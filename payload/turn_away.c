#include "payload/turn_away.h"

#include "payload/log.h"
#include "payload/sys.h"

#include <string.h>

#define WINDOW_MS 10000
#define LINES_MAX 5

static struct {
    uint64_t until; /* ms: the end of the window */
    unsigned lines, left_out;
} state;

void turn_away(struct descriptor *socket, const char *line)
{
    char ignored[256];
    if (descriptor_intact(socket)) {
        sys_send(socket->fd, line, strlen(line)); /* it fits into an empty buffer */
        /* What it has sent is taken: closing with unread data would reset the connection. */
        while (sys_recv(socket->fd, ignored, sizeof(ignored)) > 0)
            ;
    }
    descriptor_close(socket);
}

bool turn_away_is_logged(void)
{
    uint64_t now = sys_now_ms();
    if (now >= state.until) {
        if (state.left_out)
            log_line("%u more clients were turned away", state.left_out);
        state.until = now + WINDOW_MS;
        state.lines = state.left_out = 0;
    }
    if (state.lines == LINES_MAX) {
        state.left_out++;
        return false;
    }
    state.lines++;
    return true;
}
