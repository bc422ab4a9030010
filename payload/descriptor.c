#include "payload/descriptor.h"

#include "payload/sys.h"
#include "payload/text.h"

long descriptor_of_our_own(int fd, const struct stat *status)
{
    char path[40];
    long own = -1;
    text_format(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (S_ISFIFO(status->st_mode) || S_ISCHR(status->st_mode))
        own = sys_move_high(sys_open(path, O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY, 0));
    return own < 0 ? sys_duplicate_high(fd) : own;
}

struct descriptor descriptor_take(int fd)
{
    struct stat status = {0};
    sys_fstat(fd, &status); /* cannot fail on an open descriptor */
    return (struct descriptor){fd, status.st_dev, status.st_ino};
}

bool descriptor_intact(const struct descriptor *descriptor)
{
    struct stat status;
    return descriptor->fd >= 0 && sys_fstat(descriptor->fd, &status) == 0 &&
           status.st_dev == descriptor->device && status.st_ino == descriptor->inode;
}

void descriptor_close(struct descriptor *descriptor)
{
    if (descriptor_intact(descriptor))
        sys_close(descriptor->fd);
    *descriptor = DESCRIPTOR_NONE;
}
