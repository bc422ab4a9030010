#include "payload/proc.h"

#include "payload/sys.h"
#include "payload/text.h"

#include <string.h>

/* As getdents64(2) fills it in. */
struct directory_entry {
    uint64_t inode;
    int64_t offset;
    unsigned short size;
    unsigned char type;
    char name[];
};

long proc_read(const char *path, char *buffer, size_t size)
{
    long fd = sys_move_high(sys_open(path, O_RDONLY, 0));
    if (fd < 0)
        return fd;
    size_t used = 0;
    long got;
    do {
        got = sys_read((int)fd, buffer + used, size - 1 - used);
        used += got > 0 ? (size_t)got : 0;
    } while (got > 0 && used < size - 1);
    sys_close((int)fd);
    buffer[used] = '\0';
    return got < 0 && !used ? got : (long)used;
}

static bool is_number(const char *name, int *ret)
{
    uint64_t value;
    bool overflow;
    const char *end = *name >= '0' && *name <= '9' ? text_number(name, &value, &overflow) : NULL;
    if (!end || *end)
        return false;
    *ret = (int)value;
    return true;
}

long proc_each_number(const char *path, bool (*each)(int number, void *context), void *context)
{
    long fd = sys_move_high(sys_open(path, O_RDONLY | O_DIRECTORY, 0));
    if (fd < 0)
        return fd;
    _Alignas(8) char entries[2048];
    bool more = true;
    long got = 0;
    while (more && (got = SYS_CALL(SYS_getdents64, fd, entries, sizeof(entries), 0, 0, 0)) > 0) {
        for (long at = 0; more && at < got;) {
            const struct directory_entry *entry = (const void *)(entries + at);
            int number;
            if (is_number(entry->name, &number) && number != (int)fd)
                more = each(number, context);
            at += entry->size;
        }
    }
    sys_close((int)fd);
    return got < 0 ? got : 0;
}

long proc_read_thread(pid_t tid, const char *what, char *buffer, size_t size)
{
    char path[64];
    text_format(path, sizeof(path), "/proc/self/task/%d/%s", tid, what);
    return proc_read(path, buffer, size);
}

/* What stands behind "Name:" and blanks; NULL: nothing of that name. */
static const char *find_field(const char *status, const char *name)
{
    size_t length = strlen(name);
    for (const char *line = status; line; line = text_find(line, '\n')) {
        line += *line == '\n';
        if (text_begins(line, name) && line[length] == ':')
            return text_skip_blanks(line + length + 1);
    }
    return NULL;
}

bool proc_status_mask(const char *status, const char *name, uint64_t *ret)
{
    const char *digits = find_field(status, name);
    if (!digits)
        return false;
    *ret = 0;
    for (; *digits && *digits != '\n'; digits++)
        *ret = *ret << 4 | (uint64_t)(*digits <= '9' ? *digits - '0' : (*digits | 0x20) - 'a' + 10);
    return true;
}

uint64_t proc_status_number(const char *status, const char *name)
{
    uint64_t value = 0;
    bool overflow;
    const char *digits = find_field(status, name);
    return digits && text_number(digits, &value, &overflow) ? value : 0;
}

uint64_t proc_thread_runs(pid_t tid)
{
    char text[4096];
    uint64_t value = 0;
    bool overflow;
    if (proc_read_thread(tid, "schedstat", text, sizeof(text)) > 0) {
        const char *position = text;
        for (size_t i = 0; i < 3 && position; i++)
            position = text_number(text_skip_blanks(position), &value, &overflow);
        if (position && value)
            return value;
    }
    if (proc_read_thread(tid, "status", text, sizeof(text)) <= 0)
        return 0;
    return proc_status_number(text, "voluntary_ctxt_switches") +
           proc_status_number(text, "nonvoluntary_ctxt_switches");
}

uint64_t proc_blocked_signals(pid_t tid)
{
    char status[4096];
    uint64_t blocked = 0;
    if (proc_read_thread(tid, "status", status, sizeof(status)) > 0)
        proc_status_mask(status, "SigBlk", &blocked);
    return blocked;
}

/* "running", "-1 0xSP 0xPC", or "NUMBER 0xARGUMENT... 0xSP 0xPC" (proc(5)). */
static void parse_call(const char *text, struct proc_thread *ret)
{
    uint64_t value, place[2] = {0, 0};
    bool overflow;
    ret->call = text_begins(text, "running") ? -2 : -3;
    const char *position = text_number(text, &value, &overflow);
    if (!position)
        return;
    ret->call = (long)value;
    for (size_t i = 0; ret->call >= 0 && position && i < 6; i++)
        position = text_number(text_skip_blanks(position), &ret->arguments[i], &overflow);
    for (size_t i = 0; position && i < 2; i++)
        position = text_number(text_skip_blanks(position), &place[i], &overflow);
    if (position) {
        ret->sp = place[0];
        ret->pc = place[1];
    }
}

void proc_look_at_call(pid_t tid, struct proc_thread *ret)
{
    char text[512];
    *ret = (struct proc_thread){.call = -3};
    if (proc_read_thread(tid, "syscall", text, sizeof(text)) > 0)
        parse_call(text, ret);
}

bool proc_look_at_thread(pid_t tid, struct proc_thread *ret)
{
    char text[512];
    memset(ret, 0, sizeof(*ret));
    ret->state = '?';
    ret->call = -3;
    long size = proc_read_thread(tid, "comm", text, sizeof(text));
    if (size < 0)
        return size != -ENOENT && size != -ESRCH;
    while (size && text[size - 1] == '\n')
        size--;
    ret->name[text_sanitize(ret->name, sizeof(ret->name) - 1, text, (size_t)size, NULL)] = '\0';
    if (proc_read_thread(tid, "stat", text, sizeof(text)) > 0) {
        const char *after = text;
        for (const char *c = text; *c; c++)
            if (*c == ')')
                after = c;
        ret->state = after[0] && after[1] && after[2] ? after[2] : '?';
    }
    if (proc_read_thread(tid, "syscall", text, sizeof(text)) > 0)
        parse_call(text, ret);
    return true;
}
