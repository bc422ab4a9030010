#include "injector/bus_guard.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* More objects than the program and its libraries are. */
#define OBJECTS_MAX 128
/* Of a line of /proc/PID/maps: all before the path fits (proc(5)). */
#define LINE_MAX_USED 128

struct range {
    uintptr_t start, end;
};

/* The program and its libraries: zeros are no help there. Constant once the guard is installed. */
static struct range objects[OBJECTS_MAX];
static size_t object_count;
static struct sigaction previous;

static int note_object(struct dl_phdr_info *info, size_t size, void *context)
{
    (void)size;
    (void)context;
    for (size_t i = 0; i < info->dlpi_phnum && object_count < OBJECTS_MAX; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + segment->p_vaddr;
        if (segment->p_type == PT_LOAD)
            objects[object_count++] = (struct range){start, start + segment->p_memsz};
    }
    return 0;
}

static bool is_program(uintptr_t address)
{
    for (size_t i = 0; i < object_count; i++) {
        if (address >= objects[i].start && address < objects[i].end)
            return true;
    }
    return false;
}

/* Everything from here on runs in a signal handler: async-signal-safe functions (signal-safety(7))
   and mmap(2), a plain system call, alone. */

static const char *parse_hex(const char *text, uintptr_t *ret)
{
    for (*ret = 0;; text++) {
        if (*text >= '0' && *text <= '9')
            *ret = *ret << 4 | (uintptr_t)(*text - '0');
        else if (*text >= 'a' && *text <= 'f')
            *ret = *ret << 4 | (uintptr_t)(*text - 'a' + 10);
        else
            return text;
    }
}

/*
 * "start-end perms offset dev inode path" (proc(5)): true for a private mapping of a file, not
 * executable, that holds the address.
 */
static bool is_file_mapping(const char *line, uintptr_t address, struct range *ret)
{
    const char *text = parse_hex(line, &ret->start);
    if (*text++ != '-')
        return false;
    text = parse_hex(text, &ret->end);
    if (address < ret->start || address >= ret->end || strlen(text) < strlen(" rwxp "))
        return false;
    if (text[3] == 'x' || text[4] != 'p')
        return false;
    for (int fields = 0; fields < 4; fields++) { /* perms, offset, dev: behind them is the inode */
        text = strchr(text, ' ');
        if (!text)
            return false;
        text++;
    }
    return *text >= '1' && *text <= '9';
}

static bool find_file_mapping(uintptr_t address, struct range *ret)
{
    char buffer[1024], line[LINE_MAX_USED];
    size_t length = 0;
    bool found = false;
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    for (ssize_t got; !found && (got = read(fd, buffer, sizeof(buffer))) > 0;) {
        for (ssize_t i = 0; i < got && !found; i++) {
            if (buffer[i] != '\n') {
                if (length < sizeof(line) - 1)
                    line[length++] = buffer[i];
                continue;
            }
            line[length] = '\0';
            length = 0;
            found = is_file_mapping(line, address, ret);
        }
    }
    close(fd);
    return found;
}

/* Zeros instead of the mapping from there to its end: the file ends before. */
static bool put_zeros(uintptr_t address)
{
    struct range mapping;
    if (is_program(address) || !find_file_mapping(address, &mapping))
        return false;
    uintptr_t page = address & ~((uintptr_t)sysconf(_SC_PAGESIZE) - 1);
    return mmap((void *)page, mapping.end - page, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) != MAP_FAILED;
}

static void handle(int number, siginfo_t *info, void *context)
{
    (void)context;
    int errnum = errno;
    if (info->si_code != BUS_ADRERR || !put_zeros((uintptr_t)info->si_addr)) {
        sigaction(number, &previous, NULL); /* a fault comes again, and finds that */
        if (info->si_code <= 0)             /* ... but not what kill(2) sent */
            raise(number);
    }
    errno = errnum;
}

void bus_guard_install(void)
{
    struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO};
    dl_iterate_phdr(note_object, NULL);
    sigemptyset(&action.sa_mask);
    (void)sigaction(SIGBUS, &action, &previous); /* EINVAL and EFAULT cannot come of these */
}
