#include "payload/orders.h"

#include "payload/bell.h"
#include "payload/lock.h"
#include "payload/sys.h"
#include "payload/text.h"

#include <stdatomic.h>

#define LOCK_MS 1000
#define TAKEN 1 /* addresses of orders are even */

static struct {
    _Atomic bool wish;
    _Atomic uint32_t answers;
    struct lock answer_lock; /* of the last answer; never taken in a handler */
    int status;
    char message[512];
    _Atomic bool closed;
    _Atomic uintptr_t current; /* a struct order's address, with TAKEN by the listener; 0: none */
} state;

/* --- The socket. --- */

void orders_want_socket(void)
{
    atomic_store(&state.wish, true);
    bell_ring();
}

uint32_t orders_socket_answers(void)
{
    return atomic_load(&state.answers);
}

bool orders_wait_for_socket(uint32_t answers, uint64_t end)
{
    while (atomic_load(&state.answers) == answers) {
        uint64_t now = sys_now_ms();
        if (now >= end)
            return false;
        lock_wait(&state.answers, answers, (long)(end - now));
    }
    return true;
}

int orders_socket_status(char *message, size_t message_size)
{
    if (!lock_take(&state.answer_lock, LOCK_MS))
        return EBUSY;
    int status = state.status;
    text_copy(message, message_size, state.message);
    lock_release(&state.answer_lock);
    return status;
}

bool orders_take_wish(void)
{
    return atomic_exchange(&state.wish, false);
}

void orders_answer_wish(int status, const char *message)
{
    if (lock_take(&state.answer_lock, LOCK_MS)) {
        state.status = status;
        text_copy(state.message, sizeof(state.message), message);
        lock_release(&state.answer_lock);
    }
    atomic_fetch_add(&state.answers, 1);
    lock_wake(&state.answers);
}

/* --- One client. --- */

/*
 * The listener closes first and then looks for an order; who gives one does it the other way round:
 * one of the two sees the other, and nobody waits for a listener that is gone.
 */
bool orders_give(struct order *order)
{
    uintptr_t none = 0, mine = (uintptr_t)order;
    order->status = 0;
    atomic_store(&order->done, 0);
    if (atomic_load(&state.closed) || !atomic_compare_exchange_strong(&state.current, &none, mine))
        return false;
    if (atomic_load(&state.closed) && atomic_compare_exchange_strong(&state.current, &mine, 0))
        return false;
    bell_ring();
    return true;
}

void orders_wait(struct order *order)
{
    while (!atomic_load(&order->done))
        lock_wait(&order->done, 0, -1);
}

void orders_init(void)
{
    atomic_store(&state.wish, false);
    state.status = 0;
    state.message[0] = '\0';
    orders_open();
}

void orders_forget(void)
{
    atomic_store(&state.current, 0);
}

void orders_open(void)
{
    atomic_store(&state.closed, false);
}

void orders_close(void)
{
    atomic_store(&state.closed, true);
}

struct order *orders_take(void)
{
    uintptr_t current = atomic_load(&state.current);
    if (!current || current & TAKEN ||
        !atomic_compare_exchange_strong(&state.current, &current, current | TAKEN))
        return NULL;
    return (struct order *)current;
}

/* The order is gone when its thread sees that it is done: nothing of it is touched after that. (To
   wake a thread at an address that is no word any more wakes nobody.) */
void orders_finish(struct order *order, int status)
{
    order->status = status;
    atomic_store(&state.current, 0);
    atomic_store(&order->done, 1);
    lock_wake(&order->done);
}
