/*
 * A read from an empty pipe that io_uring handed to a worker. Awkward: the worker "iou-wrk-PID" is
 * listed as a thread of this process, but has no stack in it and cannot be traced.
 */
#include <linux/io_uring.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void)
{
    static char byte;
    struct io_uring_params p = {0};
    int ends[2], ring = (int)syscall(SYS_io_uring_setup, 4, &p);
    if (ring < 0 || pipe(ends))
        return 1;
    size_t size = p.sq_off.array + p.sq_entries * sizeof(unsigned);
    char *queue = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
    struct io_uring_sqe *entries = mmap(NULL, p.sq_entries * sizeof(*entries),
                                        PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);
    if (queue == MAP_FAILED || entries == MAP_FAILED)
        return 1;
    entries[0] = (struct io_uring_sqe){.opcode = IORING_OP_READ,
                                       .flags = IOSQE_ASYNC,
                                       .fd = ends[0],
                                       .addr = (unsigned long)&byte,
                                       .len = 1};
    ((unsigned *)(queue + p.sq_off.array))[0] = 0;
    __atomic_store_n((unsigned *)(queue + p.sq_off.tail), 1, __ATOMIC_RELEASE);
    if (syscall(SYS_io_uring_enter, ring, 1, 0, 0, NULL, 0) != 1)
        return 1;
    usleep(100000); /* to let the worker start */
    printf("ready\n");
    fflush(stdout);
    for (;;)
        pause();
}
