/* The unwind tables that a walk along the stack of a thread will need, read before it is stopped.
 */
#ifndef INJECTOR_STACK_TABLES_H
#define INJECTOR_STACK_TABLES_H

#include "injector/module.h"

#include <stddef.h>
#include <sys/types.h>

/*
 * Makes the tables of all modules into whose code the thread's stack leads now, `size` bytes of it
 * from its stack pointer on: a few, where the target may have hundreds. Of a thread that does not
 * sleep, the tables of all. A walk that meets others nevertheless reads them then.
 */
void stack_tables_load(struct modules *modules, pid_t tid, size_t size);

#endif
