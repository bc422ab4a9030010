#include "payload/fork.h"

#include "payload/memory.h"
#include "payload/text.h"

#include <elf.h>
#include <stdlib.h>

/* In programs that are built with a sanitizer: its runtime's entry. */
#pragma weak __asan_init
#pragma weak __tsan_init
#pragma weak __msan_init
#pragma weak __lsan_do_leak_check
extern void __asan_init(void), __tsan_init(void), __msan_init(void), __lsan_do_leak_check(void);
/* jemalloc's: it knows fork(2) (its src/jemalloc.c registers handlers when it is first used). */
#pragma weak mallctl
extern int mallctl(const char *, void *, size_t *, void *, size_t);
/* What a thread's memory comes from (glibc: elf/dl-tls.c). Programs that are linked to fixed
   addresses and take malloc's have an address of their own for that. */
#pragma weak calloc
/* Of the C library itself, and nobody replaces it. */
extern void __cxa_finalize(void *handle);

/* Where the module begins that holds `address`: its segments up to the code are mapped without a
   gap (ELF gABI, chapter 5: the file header is in the first one). 0: not found. */
static uintptr_t module_start(uintptr_t address)
{
    char magic[SELFMAG + 1] = "";
    for (uintptr_t page = address / MEMORY_PAGE * MEMORY_PAGE;; page -= MEMORY_PAGE) {
        if (memory_read(page, magic, SELFMAG) != SELFMAG)
            return 0;
        if (text_begins(magic, ELFMAG))
            return page;
    }
}

static bool allocator_survives(void)
{
    uintptr_t allocator = module_start((uintptr_t)calloc);
    return allocator && (allocator == module_start((uintptr_t)__cxa_finalize) ||
                         (mallctl && allocator == module_start((uintptr_t)mallctl)));
}

bool fork_patched(const struct manhole_options *options, int registered, char *why, size_t size)
{
    *why = '\0';
    if (!options->patch_fork)
        text_copy(why, size, "Told not to.");
    else if (options->activate_on)
        text_format(why, size, "Activation is done by signal %u.", options->activate_on);
    else if (options->oneshot_on)
        text_format(why, size, "Oneshot activation is done by signal %u.", options->oneshot_on);
    else if (options->socket_path[0])
        text_format(why, size, "Using user socket path %s.", options->socket_path);
    else if (!options->thread)
        text_copy(why, size, "The manhole is started by hand.");
    else if (registered)
        text_copy(why, size, "The C library does not tell of forks.");
    else if (__asan_init || __tsan_init || __msan_init || __lsan_do_leak_check)
        text_copy(why, size,
                  "The program is built with a sanitizer, which allows no threads "
                  "in forked children.");
    else if (!allocator_survives())
        text_copy(why, size,
                  "The program has a malloc of its own, which may not be usable in "
                  "forked children.");
    return !*why;
}

void fork_format_delay(uint32_t milliseconds, char *buffer, size_t size)
{
    size_t length = text_format(buffer, size, "%u.%03u", milliseconds / 1000, milliseconds % 1000);
    while (buffer[length - 1] == '0')
        buffer[--length] = '\0';
    if (buffer[length - 1] == '.')
        buffer[--length] = '\0';
}
