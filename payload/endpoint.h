/* The socket in the file system: made without a moment in which others could use it or we could
   delete what is not ours. */
#ifndef PAYLOAD_ENDPOINT_H
#define PAYLOAD_ENDPOINT_H

#include "payload/descriptor.h"

#include <stddef.h>
#include <sys/types.h>

struct endpoint {
    struct descriptor listening;
    char path[108];
    pid_t owner; /* the process that made it: no child of it removes the file */
    dev_t device;
    ino_t inode;
};

#define ENDPOINT_NONE ((struct endpoint){.listening = DESCRIPTOR_NONE})

/* Where it will be: `path`, or /tmp/manhole-<pid> if that is "". 0 or EINVAL with a line. */
int endpoint_name(const char *path, char name[108], char *message, size_t message_size);

/* Makes and binds it at such a name. 0, or an errno with a line in `message`. */
int endpoint_open(struct endpoint *endpoint, const char *path, char *message, size_t message_size);

/* Closes it and removes the file, if it is still the one that was made. */
void endpoint_close(struct endpoint *endpoint);
/* In a forked child: only the descriptor is closed. */
void endpoint_forget(struct endpoint *endpoint);
/* Only removes the file. */
void endpoint_unlink(const struct endpoint *endpoint);

#endif
