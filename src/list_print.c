/* The list as text, for people, and as JSON. */
#include "src/json_values.h"
#include "src/list.h"
#include "src/message.h"
#include "src/signal_names.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>

#define USER_MAX 64
#define PERSON_MAX 512

static const char *user_name(uid_t uid, char *buffer)
{
    const struct passwd *entry = uid == (uid_t)-1 ? NULL : getpwuid(uid);
    if (entry)
        message_sanitize(entry->pw_name, buffer, USER_MAX);
    else if (uid == (uid_t)-1)
        strcpy(buffer, "?");
    else
        snprintf(buffer, USER_MAX, "%u", uid);
    return buffer;
}

/* --- Text. --- */

enum { COLUMNS = 6 };

struct cells {
    char pid[16], user[USER_MAX], program[256], socket[4 * SOCKET_PATH_MAX], since[32],
        client[PERSON_MAX];
};

static void format_client(const struct list_row *row, char *buffer)
{
    char user[USER_MAX], name[256], more[32] = "";
    if (row->place.session_count > 1)
        snprintf(more, sizeof(more), ", and %zu more", row->place.session_count - 1);
    if (!row->place.session_count)
        strcpy(buffer, "-");
    else if (!row->client.pid)
        snprintf(buffer, PERSON_MAX, "? (out of sight)%s", more);
    else
        snprintf(buffer, PERSON_MAX, "%d %s %s%s", row->client.pid,
                 user_name(row->client.uid, user),
                 message_sanitize(row->client.name, name, sizeof(name)), more);
}

static void format_since(const struct timespec *since, char *buffer, size_t size)
{
    struct tm local;
    bool known = since->tv_sec && localtime_r(&since->tv_sec, &local);
    if (!known || !strftime(buffer, size, "%Y-%m-%d %H:%M:%S", &local))
        snprintf(buffer, size, "?");
}

/* Of one that sleeps: until when. */
static void format_socket(const struct manhole_place *place, char *buffer, size_t size)
{
    char names[128];
    signal_names(place->wakes_on, names, sizeof(names));
    if (!place->sleeps)
        message_sanitize(place->socket_path, buffer, size);
    else
        snprintf(buffer, size, "asleep until %s", *names ? names : "manhole_activate");
}

static void format_row(const struct list_row *row, struct cells *ret)
{
    snprintf(ret->pid, sizeof(ret->pid), "%d", row->process.pid);
    user_name(row->process.uid, ret->user);
    message_sanitize(row->process.name, ret->program, sizeof(ret->program));
    format_socket(&row->place, ret->socket, sizeof(ret->socket));
    format_since(&row->place.since, ret->since, sizeof(ret->since));
    format_client(row, ret->client);
}

static void columns_of(const struct cells *cells, const char *columns[COLUMNS])
{
    const char *const all[COLUMNS] = {cells->pid,    cells->user,  cells->program,
                                      cells->socket, cells->since, cells->client};
    memcpy(columns, all, sizeof(all));
}

/* The last column ends the line. */
static void print_columns(const char *const columns[COLUMNS], const int widths[COLUMNS])
{
    printf("%*s", widths[0], columns[0]);
    for (size_t i = 1; i + 1 < COLUMNS; i++)
        printf(" %-*s", widths[i], columns[i]);
    printf(" %s\n", columns[COLUMNS - 1]);
}

static void print_manholes(const struct listing *listing)
{
    static const char *const head[COLUMNS] = {"PID",    "USER",  "PROGRAM",
                                              "SOCKET", "SINCE", "CLIENT"};
    const char *columns[COLUMNS];
    int widths[COLUMNS] = {7};
    struct cells cells;
    if (!listing->count)
        return;
    for (size_t i = 0; i <= listing->count; i++) {
        if (i < listing->count) {
            format_row(&listing->rows[i], &cells);
            columns_of(&cells, columns);
        } else {
            memcpy(columns, head, sizeof(columns));
        }
        for (size_t j = 0; j < COLUMNS; j++)
            if ((int)strlen(columns[j]) > widths[j])
                widths[j] = (int)strlen(columns[j]);
    }
    print_columns(head, widths);
    for (size_t i = 0; i < listing->count; i++) {
        format_row(&listing->rows[i], &cells);
        columns_of(&cells, columns);
        print_columns(columns, widths);
    }
}

static const char *fate_name(enum stale_fate fate)
{
    return fate == STALE_REMOVED ? "removed" : fate == STALE_LEFT ? "left" : "stale";
}

static void print_stale(const struct stale_sockets *stale)
{
    for (size_t i = 0; i < stale->count; i++) {
        const struct stale_socket *socket = &stale->sockets[i];
        char user[USER_MAX];
        printf("%s %s of %s: %s\n", fate_name(socket->fate), socket->path,
               user_name(socket->uid, user), socket->why);
    }
}

void list_print_text(const struct listing *listing)
{
    print_manholes(listing);
    print_stale(&listing->stale);
}

/* --- JSON. --- */

static void put_process(json_object *object, const struct list_process *process)
{
    char user[USER_MAX];
    bool known = process->pid != 0;
    bool owned = process->uid != (uid_t)-1;
    json_put(object, "pid", known ? json_object_new_int(process->pid) : NULL);
    json_put(object, "uid", owned ? json_object_new_int64(process->uid) : NULL);
    json_put(object, "user", owned ? json_text(user_name(process->uid, user)) : NULL);
    json_put(object, "program", known ? json_text(process->name) : NULL);
}

static json_object *client_object(const struct list_row *row)
{
    if (!row->place.session_count)
        return NULL;
    json_object *object = json_object_new_object();
    put_process(object, &row->client);
    return object;
}

/* As --signal takes them. */
static json_object *signals_array(uint64_t mask)
{
    json_object *array = json_object_new_array();
    for (int number = 1; number <= 8 * (int)sizeof(mask); number++)
        if (mask >> (number - 1) & 1)
            json_object_array_add(array, json_object_new_string(signal_name(number)));
    return array;
}

static json_object *row_object(const struct list_row *row)
{
    json_object *object = json_object_new_object();
    put_process(object, &row->process);
    json_put(object, "socket", row->place.sleeps ? NULL : json_text(row->place.socket_path));
    json_put(object, "wakes_on", row->place.sleeps ? signals_array(row->place.wakes_on) : NULL);
    json_put(object, "since", row->place.since.tv_sec ? json_time(&row->place.since) : NULL);
    json_put(object, "client", client_object(row));
    json_put(object, "clients_connected", json_object_new_int64((int64_t)row->place.session_count));
    return object;
}

static json_object *stale_object(const struct stale_socket *socket)
{
    char user[USER_MAX];
    json_object *object = json_object_new_object();
    json_put(object, "path", json_text(socket->path));
    json_put(object, "pid", json_object_new_int(socket->pid));
    json_put(object, "uid", json_object_new_int64(socket->uid));
    json_put(object, "user", json_text(user_name(socket->uid, user)));
    json_put(object, "state", json_text(fate_name(socket->fate)));
    json_put(object, "why", json_text(socket->why));
    return object;
}

struct error *list_print_json(const struct listing *listing)
{
    CLEANUP_JSON json_object *document = json_object_new_object();
    json_object *manholes = json_object_new_array(), *stale = json_object_new_array();
    for (size_t i = 0; i < listing->count; i++)
        json_object_array_add(manholes, row_object(&listing->rows[i]));
    for (size_t i = 0; i < listing->stale.count; i++)
        json_object_array_add(stale, stale_object(&listing->stale.sockets[i]));
    json_put(document, "version", json_object_new_int(1));
    json_put(document, "manholes", manholes);
    json_put(document, "stale_sockets", stale);
    json_put(document, "processes_not_read", json_object_new_int64((int64_t)listing->unread));
    const char *text = json_object_to_json_string_ext(document, JSON_C_TO_STRING_PRETTY |
                                                                    JSON_C_TO_STRING_NOSLASHESCAPE);
    if (!text)
        return error_no_memory();
    json_print(stdout, text, strlen(text));
    putchar('\n');
    return NULL;
}
