"""Threads that need the GIL and a mutex of C.

What is awkward: the thread "has_gil" waits for the mutex with the GIL held, "has_mutex" has the mutex and waits for the
GIL, which it wakes up for every 5 ms; no thread of the two ever goes on. With an argument: threads that take and give
back both all the time, in an order in which nobody is ever stuck, and one that calls C with the GIL held.
"""
import ctypes
import sys
import threading
import time

with_gil, without_gil = ctypes.PyDLL(None), ctypes.CDLL(None)
mutex = ctypes.create_string_buffer(64)
libc = ctypes.CDLL(None)


def has_mutex():
    with_gil.pthread_mutex_lock(mutex)
    taken.set()
    while True:
        time.sleep(0.001)


def has_gil():
    taken.wait()
    with_gil.pthread_mutex_lock(mutex)


def wants_gil():
    while True:
        time.sleep(0.001)


def wants_lock():
    lock.acquire()


def takes_both():
    while True:
        without_gil.pthread_mutex_lock(mutex)
        sum(range(100))
        with_gil.pthread_mutex_unlock(mutex)


def computes():
    while True:
        sum(range(1000))


def holds_gil():
    while True:
        with_gil.usleep(3000)
        time.sleep(0)


def start(function):
    def run():
        libc.prctl(15, function.__name__.encode(), 0, 0, 0)
        function()
    threading.Thread(target=run, daemon=True).start()


taken = threading.Event()
lock = threading.Lock()
lock.acquire()
busy = [takes_both, takes_both, takes_both, computes, computes, wants_gil, holds_gil, wants_lock]
print("ready", flush=True)  # later it may not get to run any more
for function in busy if len(sys.argv) > 1 else [wants_gil, has_mutex, has_gil]:
    start(function)
threading.Event().wait()
