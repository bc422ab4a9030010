// BUILD: -shared -fPIC
/*
 * Preloaded into the tool, makes it believe that the kernel has no /proc/TID/syscall (as gVisor, or
 * one without CONFIG_HAVE_ARCH_TRACEHOOK), which this machine's kernel always has.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int openat(int directory, const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    int mode = va_arg(arguments, int);
    va_end(arguments);
    size_t length = strlen(path);
    if (length > 8 && !strcmp(path + length - 8, "/syscall")) {
        errno = ENOENT;
        return -1;
    }
    return (int)syscall(SYS_openat, directory, path, flags, mode);
}
