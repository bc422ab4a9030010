/*
 * A descriptor of ours in a program that may close all it finds (closefrom in a daemon) and then
 * open files of its own under the same numbers: each use asks first whether it is still ours.
 */
#ifndef PAYLOAD_DESCRIPTOR_H
#define PAYLOAD_DESCRIPTOR_H

#include <stdbool.h>
#include <sys/types.h>

/* Sockets, pipes and files have inodes of their own; eventfds and the like share one, so there are
   none here. `fd` is -1 when there is none. */
struct descriptor {
    int fd;
    dev_t device;
    ino_t inode;
};

#define DESCRIPTOR_NONE ((struct descriptor){.fd = -1})

/*
 * Another descriptor for what `fd` (whose status this is) writes to, in a high place,
 * close-on-exec; or a negated errno. A pipe or terminal may block a writer, and its O_NONBLOCK
 * belongs to the open file, which the program shares: where the kernel allows it, it is opened
 * again, non-blocking.
 */
struct stat;
long descriptor_of_our_own(int fd, const struct stat *status);

/* Takes `fd`. */
struct descriptor descriptor_take(int fd);
bool descriptor_intact(const struct descriptor *descriptor);
/* Closes it, if it is still ours; then there is none. */
void descriptor_close(struct descriptor *descriptor);

#endif
