/*
 * What the C library calls of ours: in each child of fork(2), and when the program exits. Both are
 * registered once, and taken back before the code is unmapped.
 */
#ifndef PAYLOAD_HOOKS_H
#define PAYLOAD_HOOKS_H

/*
 * `in_child` runs in the child, on the thread that forked, after the handlers of all that was
 * registered before: to be called when a thread was made already, so that the allocator and its
 * handlers are there. `at_exit` runs on the thread that calls exit(3), before the program's own
 * exit handlers of earlier; not when libmanhole is unloaded. 0, or an errno: children will not
 * know.
 */
int hooks_register(void (*in_child)(void), void (*at_exit)(void));

/* For the destructor: afterwards the C library knows nothing of us. */
void hooks_unregister(void);

#endif
