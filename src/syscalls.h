/* System calls for people: names, and arguments decoded by kind. */
#ifndef SRC_SYSCALLS_H
#define SRC_SYSCALLS_H

#include "injector/snapshot.h"

#include <stddef.h>
#include <stdint.h>

/* The name, or NULL for a number this build does not know. */
const char *syscall_name(long number);

/*
 * "epoll_wait(epfd 5 <anon_inode:[eventpoll]>, events 0x7f.., maxevents 64, timeout 100 ms)": the
 * call that a thread was in, with as many arguments as it has, into buffer (always terminated).
 * Reads the target's fd links, and what the arguments point to as far as that is of the time of the
 * call; nothing of it reaches the text unsanitized. The calls of a 64-bit target only.
 */
void syscall_format(struct snapshot *snapshot, const struct thread_snapshot *thread, char *buffer,
                    size_t size);

#endif
