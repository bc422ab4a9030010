/* System calls for people: names, and arguments decoded by kind. */
#ifndef SRC_SYSCALLS_H
#define SRC_SYSCALLS_H

#include "injector/process.h"

#include <stddef.h>
#include <stdint.h>

/* The name, or NULL for a number this build does not know. */
const char *syscall_name(long number);

/*
 * "epoll_wait(epfd 5 <anon_inode:[eventpoll]>, events 0x7f.., maxevents 64, timeout 100 ms)": the
 * call with as many arguments as it has, into buffer (always terminated). Reads the target's fd
 * links and what its arguments point to; nothing of it reaches the text unsanitized. The calls of
 * a 64-bit target only.
 */
void syscall_format(const struct process *process, long number, const uint64_t arguments[6],
                    char *buffer, size_t size);

#endif
