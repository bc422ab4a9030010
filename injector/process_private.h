/* What process.c and remote_memory.c do on a live target, for process_answers.c. Nobody else
 * includes this. */
#ifndef INJECTOR_PROCESS_PRIVATE_H
#define INJECTOR_PROCESS_PRIVATE_H

#include "injector/process.h"
#include "injector/recording.h"

/* As process_read_file, process_read_link and process_read_system_file. */
ssize_t live_read_file(const struct process *process, pid_t tid, const char *name, char **ret);
ssize_t live_read_link(const struct process *process, pid_t tid, const char *name, char *buffer,
                       size_t size);
ssize_t live_read_system_file(const char *name, char **ret);

/* Keeps what was got of `size` bytes that were asked for, to be given to who asks the same. */
void keep_memory_answer(const struct process *process, uint64_t address, size_t size,
                        const void *bytes, size_t got);

/* remote_memory.c; as remote_read_ranges. */
void live_read_ranges(const struct process *process, struct remote_range *ranges, size_t count);

#endif
