/*
 * Files that we have mapped (by file_bytes_read, or inside libelf and libdw) belong to others, who
 * may cut them at any time; reading behind the new end is a SIGBUS (mmap(2)). Under the guard such
 * bytes read as zeros. What is derived from them is as wrong as the file: who reads a file asks
 * file_bytes_changed (elf_image.h) afterwards.
 */
#ifndef INJECTOR_BUS_GUARD_H
#define INJECTOR_BUS_GUARD_H

/*
 * For the whole program, once, before it has threads. Any other SIGBUS does what it would have done
 * without the guard, also one in the program's own code and data.
 */
void bus_guard_install(void);

#endif
