/*
 * A unit test of injector/maps.c: prints "ok" when the memory maps below are understood as they
 * should be. They hold what hostile or merely odd programs put there. The file is included, since
 * it needs nothing but these few functions beside it.
 */
#include "injector/error.c"
#include "injector/maps.c"

#include <time.h>

int process_open_file(const struct process *process, pid_t tid, const char *name, int flags)
{
    (void)process, (void)tid, (void)name, (void)flags;
    return -1;
}

ssize_t process_read_file(const struct process *process, pid_t tid, const char *name, char **ret)
{
    (void)process, (void)tid, (void)name, (void)ret;
    return -1;
}

struct error *process_explain_refusal(const struct process *process, const char *what, int errnum)
{
    (void)process;
    return error_create(ERROR_NOT_PERMITTED, errnum, "%s", what);
}

struct error *process_check_alive(const struct process *process)
{
    (void)process;
    return NULL;
}

#define EXPECT(condition)                                            \
    do {                                                             \
        if (!(condition)) {                                          \
            printf("line %d: not true: %s\n", __LINE__, #condition); \
            exit(1);                                                 \
        }                                                            \
    } while (0)

static struct maps *parse(const char *constant)
{
    struct maps *maps;
    char *text = strdup(constant);
    struct error *error = maps_parse(text, &maps);
    free(text); /* nothing may point into it */
    if (error) {
        error_destroy(error);
        return NULL;
    }
    return maps;
}

static void test_names(void)
{
    struct maps *maps = parse(
        "00400000-00452000 r-xp 00000000 08:02 173521      /usr/bin/dbus-daemon\n"
        "00651000-00652000 r--p 00051000 08:02 173521      /usr/bin/dbus-daemon\n"
        "00652000-00655000 rw-p 00052000 08:02 173521      /usr/bin/dbus-daemon (deleted)\n"
        "00655000-00656000 rw-p 00052000 08:02 173522      /usr/bin/dbus-daemon (deleted)\n"
        "00e03000-00e24000 rw-p 00000000 00:00 0           [heap]\n"
        "00e24000-00e25000 rw-p 00000000 00:00 0           [anon:cache (deleted)]\n"
        "35b1800000-35b1820000 r-xp 00001000 fd:1f 135522  /a\\012b c\\011 (deleted) (deleted)\n"
        "35b1a20000-35b1a21000 rw-s 00000000 00:01 7        \n"
        "35b1a21000-35b1a22000 ---p 00000000 00:00 0 \n"
        "7fffb2c0d000-7fffb2c2e000 rw-p 00000000 00:00 0   [stack]\n"
        "7fffb2d48000-7fffb2d49000 r-xp 00000000 00:00 0   [vdso]\n"
        "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]");
    EXPECT(maps && maps->count == 12);
    const struct mapping *m = maps->mappings;
    EXPECT(m[0].start == 0x400000 && m[0].end == 0x452000 && m[0].inode == 173521);
    EXPECT(m[0].device_major == 8 && m[0].device_minor == 2);
    EXPECT(m[0].readable && !m[0].writable && m[0].executable && !m[0].shared && !m[0].deleted);
    EXPECT(!strcmp(m[1].path, "/usr/bin/dbus-daemon") && m[1].offset == 0x51000);
    EXPECT(!strcmp(m[2].path, "/usr/bin/dbus-daemon") && m[2].deleted && !m[1].deleted);
    EXPECT(!strcmp(m[3].path, "/usr/bin/dbus-daemon") && m[3].deleted);
    EXPECT(!strcmp(m[4].path, "[heap]"));
    EXPECT(!strcmp(m[5].path, "[anon:cache (deleted)]") && !m[5].deleted);
    EXPECT(!strcmp(m[6].path, "/a\nb c\\011 (deleted)") && m[6].deleted);
    EXPECT(m[6].device_major == 0xfd && m[6].device_minor == 0x1f);
    EXPECT(!strcmp(m[7].path, "") && m[7].shared && !strcmp(m[8].path, ""));
    EXPECT(!strcmp(m[9].path, "[stack]") && !strcmp(m[11].path, "[vsyscall]"));

    EXPECT(maps_find(maps, 0x400000) == &m[0] && maps_find(maps, 0x451fff) == &m[0]);
    EXPECT(!maps_find(maps, 0x452000) && !maps_find(maps, 0) && !maps_find(maps, UINT64_MAX));
    EXPECT(maps_find(maps, 0xffffffffff600fff) == &m[11]);
    maps_destroy(maps);
}

static void test_nonsense(void)
{
    static const char *const lines[] = {
        "x",
        "1000-2000",
        "1000-2000 r-xp",
        "1000-2000 r-xp 0 8:2",
        "2000-1000 r-xp 00000000 08:02 1 /a\n",
        "1000-1000 r-xp 00000000 08:02 1 /a\n",
        "11111111111111111-2 r-xp 00000000 08:02 1 /a\n",
        "1000-2000 r-xp 00000000 08:02 1x /a\n",
        "1000-3000 r-xp 00000000 08:02 1 /a\n2000-4000 r-xp 00000000 08:02 1 /a\n",
        "\n",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        EXPECT(!parse(lines[i]));
    struct maps *empty = parse("");
    EXPECT(empty && !empty->count && !maps_find(empty, 0));
    maps_destroy(empty);
}

/* As many mappings as a process may have (vm.max_map_count), in a time nobody notices. */
static void test_many(void)
{
    enum { COUNT = 65530 };
    char *text = malloc(COUNT * 100), *p = text;
    for (long i = 0; i < COUNT; i++)
        p += sprintf(p, "%lx-%lx rw-p 00000000 08:02 %ld /some/library-%ld.so (deleted)\n",
                     0x1000 + i * 0x2000, 0x2000 + i * 0x2000, i + 1, i / 4);
    clock_t before = clock();
    struct maps *maps = parse(text);
    EXPECT(maps && maps->count == COUNT);
    EXPECT(clock() - before < CLOCKS_PER_SEC / 2);
    for (size_t i = 0; i < COUNT; i++)
        EXPECT(maps_find(maps, 0x1800 + i * 0x2000) == &maps->mappings[i]);
    maps_destroy(maps);
    free(text);
}

int main(void)
{
    test_names();
    test_nonsense();
    test_many();
    puts("ok");
}
