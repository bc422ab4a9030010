#include "src/sockets.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static const struct table {
    const char *file, *protocol;
} tables[] = {
    {"net/tcp", "tcp"},  {"net/tcp6", "tcp"},  {"net/udp", "udp"},
    {"net/udp6", "udp"}, {"net/unix", "unix"},
};
#define TABLES (sizeof(tables) / sizeof(tables[0]))

/* One line of a table. */
struct row {
    uint64_t inode;
    const struct table *table;
    const char *line;
};

struct sockets {
    char *texts[TABLES];
    struct row *rows; /* ascending by inode */
    size_t count;
};

/* Addresses as the kernel prints them: words of its own byte order in hexadecimal. */
struct inet_row {
    char local[33], remote[33];
    unsigned local_port, remote_port, state;
    uint64_t inode;
};

static bool parse_inet(const char *line, struct inet_row *ret)
{
    return sscanf(line,
                  " %*u: %32[0-9A-Fa-f]:%x %32[0-9A-Fa-f]:%x %x %*x:%*x %*x:%*x %*x %*u %*u "
                  "%" SCNu64,
                  ret->local, &ret->local_port, ret->remote, &ret->remote_port, &ret->state,
                  &ret->inode) == 6;
}

struct unix_row {
    unsigned flags, type, state;
    uint64_t inode;
    int path; /* offset in the line */
};

static bool parse_unix(const char *line, struct unix_row *ret)
{
    ret->path = 0;
    return sscanf(line, " %*x: %*x %*x %x %x %x %" SCNu64 "%n", &ret->flags, &ret->type,
                  &ret->state, &ret->inode, &ret->path) == 4;
}

static bool is_unix(const struct table *table)
{
    return strcmp(table->protocol, "unix") == 0;
}

static uint64_t inode_of(const struct table *table, const char *line)
{
    struct inet_row inet;
    struct unix_row local;
    if (is_unix(table))
        return parse_unix(line, &local) ? local.inode : 0;
    return parse_inet(line, &inet) ? inet.inode : 0;
}

static bool add_rows(struct sockets *sockets, const struct table *table, char *text)
{
    size_t lines = 1;
    for (const char *c = text; *c; c++)
        lines += *c == '\n';
    struct row *rows = reallocarray(sockets->rows, sockets->count + lines, sizeof(*rows));
    if (!rows)
        return false;
    sockets->rows = rows;
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n"));) {
        uint64_t inode = inode_of(table, line);
        if (inode)
            rows[sockets->count++] = (struct row){inode, table, line};
    }
    return true;
}

static int compare_rows(const void *left, const void *right)
{
    const struct row *a = left, *b = right;
    return a->inode < b->inode ? -1 : a->inode > b->inode;
}

struct sockets *sockets_read(const struct process *process)
{
    struct sockets *sockets = calloc(1, sizeof(*sockets));
    for (size_t i = 0; i < TABLES && sockets; i++) {
        if (process_read_file(process, 0, tables[i].file, &sockets->texts[i]) <= 0)
            continue;
        if (!add_rows(sockets, &tables[i], sockets->texts[i])) {
            sockets_destroy(sockets);
            return NULL;
        }
    }
    if (sockets && sockets->count)
        qsort(sockets->rows, sockets->count, sizeof(*sockets->rows), compare_rows);
    return sockets;
}

void sockets_destroy(struct sockets *sockets)
{
    if (!sockets)
        return;
    for (size_t i = 0; i < TABLES; i++)
        free(sockets->texts[i]);
    free(sockets->rows);
    free(sockets);
}

/* "127.0.0.1:80", "[::1]:80". */
static void format_address(const char *hex, unsigned port, char *buffer, size_t size)
{
    uint32_t words[4] = {0};
    char text[INET6_ADDRSTRLEN] = "?";
    size_t count = strlen(hex) / 8;
    for (size_t i = 0; i < count && i < 4; i++)
        sscanf(hex + 8 * i, "%8" SCNx32, &words[i]);
    inet_ntop(count == 4 ? AF_INET6 : AF_INET, words, text, sizeof(text));
    snprintf(buffer, size, count == 4 ? "[%s]:%u" : "%s:%u", text, port);
}

/* include/net/tcp_states.h of the kernel. */
static const char *tcp_state(unsigned state)
{
    static const char *const names[] = {
        NULL,        "established",      "connecting", "connection asked for",   "closing",
        "closing",   "closed (waiting)", "closed",     "the peer has closed it", "closing",
        "listening", "closing",
    };
    return state < sizeof(names) / sizeof(names[0]) ? names[state] : NULL;
}

static void describe_inet(const struct row *row, char *buffer, size_t size)
{
    struct inet_row inet;
    char local[64], remote[64];
    if (!parse_inet(row->line, &inet))
        return;
    format_address(inet.local, inet.local_port, local, sizeof(local));
    format_address(inet.remote, inet.remote_port, remote, sizeof(remote));
    bool tcp = strcmp(row->table->protocol, "tcp") == 0;
    const char *state = tcp ? tcp_state(inet.state) : NULL;
    snprintf(buffer, size, "%s %s%s%s%s%s", row->table->protocol, local,
             inet.remote_port ? " to " : "", inet.remote_port ? remote : "", state ? ", " : "",
             state ? state : "");
}

/* States of include/uapi/linux/net.h; the flag of a listening socket is __SO_ACCEPTCON there. */
static void describe_unix(const struct row *row, char *buffer, size_t size)
{
    enum { ACCEPTING = 1 << 16, CONNECTED = 3 };
    struct unix_row local;
    if (!parse_unix(row->line, &local))
        return;
    const char *path = row->line + local.path;
    const char *type = local.type == SOCK_STREAM  ? "stream"
                       : local.type == SOCK_DGRAM ? "datagram"
                                                  : "packet";
    snprintf(buffer, size, "unix %s%s%s", type, path,
             local.flags & ACCEPTING    ? ", listening"
             : local.state == CONNECTED ? ", connected"
                                        : "");
}

bool sockets_describe(const struct sockets *sockets, uint64_t inode, char *buffer, size_t size)
{
    const struct row key = {.inode = inode};
    const struct row *row =
        sockets->count ? bsearch(&key, sockets->rows, sockets->count, sizeof(key), compare_rows)
                       : NULL;
    buffer[0] = '\0';
    if (row && is_unix(row->table))
        describe_unix(row, buffer, size);
    else if (row)
        describe_inet(row, buffer, size);
    return buffer[0];
}
