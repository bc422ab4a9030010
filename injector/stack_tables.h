/* The unwind tables that a walk along the stack of a thread will need, read before it is stopped.
 */
#ifndef INJECTOR_STACK_TABLES_H
#define INJECTOR_STACK_TABLES_H

#include "injector/arch/arch.h"
#include "injector/module.h"

#include <stddef.h>

/*
 * Makes the tables of all modules into whose code a sleeping thread's stack leads, `size` bytes of
 * it from its stack pointer on: a few, where the target may have hundreds. A walk that meets others
 * nevertheless reads them then.
 */
void stack_tables_load(struct modules *modules, const struct registers *asleep, size_t size);

/* The tables of all modules: for a thread of which it is not known where it is. */
void stack_tables_load_all(struct modules *modules);

#endif
