/* What the open descriptors of a target lead to, beyond what their links say. */
#ifndef SRC_DESCRIPTORS_H
#define SRC_DESCRIPTORS_H

#include "injector/process.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct descriptors;

/* Nothing is read before it is needed; then it is kept. `process` is borrowed. NULL without memory.
 */
struct descriptors *descriptors_create(const struct process *process);
void descriptors_destroy(struct descriptors *descriptors);

/*
 * "tcp 127.0.0.1:4000 to 127.0.0.1:80, established", "a pipe whose other end is fd 4", "a timer
 * that expires in 5 s", "an epoll of 2 descriptors: ..." into buffer. Not sanitized. False: no more
 * is known than the link.
 */
bool descriptors_describe(struct descriptors *descriptors, int fd, char *buffer, size_t size);

/* The inode of the file that is open there, from fdinfo (Linux 5.14); 0: unknown. */
uint64_t descriptors_inode(struct descriptors *descriptors, int fd);

/* The link of a descriptor into buffer; false: there is none. */
bool descriptors_link(const struct descriptors *descriptors, int fd, char *buffer, size_t size);

#endif
