#include "payload/input.h"

#include "payload/bell.h"
#include "payload/python_thread.h"

#include <stdatomic.h>
#include <stdint.h>

enum phase { NONE, ASKED, GIVEN };

static struct {
    _Atomic uint32_t phase; /* enum phase */
    _Atomic bool interrupted;
    const char *line; /* when GIVEN */
    size_t size;
} state;

void input_ask(void)
{
    atomic_store(&state.phase, ASKED);
    bell_ring();
}

bool input_take(const char **line, size_t *size)
{
    if (atomic_load(&state.phase) != GIVEN)
        return false;
    *line = state.line;
    *size = state.size;
    return true;
}

void input_drop(void)
{
    atomic_store(&state.phase, NONE);
}

bool input_asked(void)
{
    return atomic_load(&state.phase) == ASKED;
}

void input_give(const char *line, size_t size)
{
    uint32_t expected = ASKED;
    state.line = line;
    state.size = size;
    /* If it is not wanted any more, it is lost with what wanted it. */
    if (atomic_compare_exchange_strong(&state.phase, &expected, GIVEN))
        python_thread_wake();
}

void input_interrupt(void)
{
    input_drop();
    atomic_store(&state.interrupted, true);
    bell_ring();
}

bool input_took_interrupt(void)
{
    return atomic_exchange(&state.interrupted, false);
}
