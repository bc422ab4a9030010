/* C++ and Rust names as the source writes them. */
#ifndef SRC_DEMANGLE_H
#define SRC_DEMANGLE_H

/*
 * malloc'ed; NULL: it is no mangled name, or one that stands for more than a person can read. A
 * name of 250 bytes can stand for one of gigabytes, and names are the target's.
 */
char *demangle(const char *name);

#endif
