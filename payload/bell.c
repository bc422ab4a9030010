#include "payload/bell.h"

#include "payload/descriptor.h"
#include "payload/lock.h"
#include "payload/sys.h"
#include "payload/text.h"

#include <stdatomic.h>

static struct {
    _Atomic uint32_t rings;
    _Atomic bool piped; /* set after both ends, cleared before they change */
    struct descriptor read, write;
} state;

/* Ring first, then look for the pipe; the listener opens that first, then counts the rings: one of
   the two sees the other. */
void bell_ring(void)
{
    atomic_fetch_add(&state.rings, 1);
    lock_wake(&state.rings);
    if (atomic_load(&state.piped) && descriptor_intact(&state.write))
        sys_write(state.write.fd, "", 1); /* fails only when it is readable anyway */
}

void bell_init(void)
{
    atomic_store(&state.piped, false);
    state.read = state.write = DESCRIPTOR_NONE;
}

int bell_open_pipe(char *message, size_t message_size)
{
    if (bell_descriptor() >= 0 && descriptor_intact(&state.write))
        return 0;
    bell_deinit();
    int ends[2];
    long status = SYS_CALL(SYS_pipe2, ends, O_CLOEXEC | O_NONBLOCK, 0, 0, 0, 0);
    if (status < 0) {
        char name[16];
        text_format(message, message_size, "no pipe: %s", text_errno((int)-status, name));
        return (int)-status;
    }
    for (size_t i = 0; i < 2; i++) {
        long moved = sys_move_high(ends[i]);
        ends[i] = moved < 0 ? -1 : (int)moved;
    }
    state.read = ends[0] < 0 ? DESCRIPTOR_NONE : descriptor_take(ends[0]);
    state.write = ends[1] < 0 ? DESCRIPTOR_NONE : descriptor_take(ends[1]);
    if (ends[0] >= 0 && ends[1] >= 0) {
        atomic_store(&state.piped, true);
        return 0;
    }
    bell_deinit();
    text_format(message, message_size, "no room for a pipe: EMFILE");
    return EMFILE;
}

int bell_descriptor(void)
{
    return descriptor_intact(&state.read) ? state.read.fd : -1;
}

void bell_hush(void)
{
    char bytes[64];
    sys_read(state.read.fd, bytes, sizeof(bytes));
}

uint32_t bell_rings(void)
{
    return atomic_load(&state.rings);
}

void bell_wait(uint32_t rings, long timeout_ms)
{
    lock_wait(&state.rings, rings, timeout_ms);
}

void bell_deinit(void)
{
    atomic_store(&state.piped, false);
    descriptor_close(&state.read);
    descriptor_close(&state.write);
}
