#include "payload/descriptor.h"

#include "payload/sys.h"

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
