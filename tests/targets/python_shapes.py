"""Python code in all the shapes that a stack may show it in, each asleep in a thread of its own for as long as it takes.

What is awkward: Python frames that need no native frame of their own (3.11), and such that do; C code between them;
generators and coroutines, whose frames are not where others are; code without a file; names of 1, 2 and 4 bytes a
character. On SIGUSR1 the interpreter's own faulthandler prints all stacks to standard error, without running Python code.
"""
import asyncio
import ctypes
import faulthandler
import signal
import sys
import threading
import time

waiting = []
lock = threading.Lock()


def nap():
    waiting.append(None)
    time.sleep(10000)


def recurse(depth=50):
    if depth:
        return recurse(depth - 1)
    nap()


def takes_lock():
    waiting.append(None)
    with lock:
        pass


def called_by_sorted():
    sorted([2, 1], key=lambda item: nap())


def called_by_c():
    kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    numbers = (ctypes.c_int * 2)(2, 1)
    ctypes.CDLL(None).qsort(numbers, 2, ctypes.sizeof(ctypes.c_int), kind(lambda one, other: nap()))


def generator():
    yield 1
    yield nap()


def delegating():
    yield from generator()


def iterates():
    return [item for item in delegating()]


async def coroutine():
    await asyncio.sleep(0)
    nap()


async def awaits():
    await coroutine()


def runs_loop():
    asyncio.run(awaits())


def waits_in_loop():
    async def ends_later():
        waiting.append(None)
        await asyncio.sleep(10000)

    asyncio.run(ends_later())


class Outer:
    class Inner:
        def __enter__(self):
            nap()

        def __exit__(self, *ignored):
            pass

    def method(self):
        with \
                self.Inner():
            pass


def without_file():
    exec("def inner():\n\n\n    nap()\ninner()", {"nap": nap})


def other_names():
    for name, file in (("größe", "dir/ä.py"), ("ширина", "окно.py"), ("𐐿𐐨𐑅", "☃𝒳.py")):
        exec(compile(f"def {name}():\n    following()\n", file, "exec"), globals())
    calls = iter((ширина, 𐐿𐐨𐑅, nap))
    globals()["following"] = lambda: next(calls)()
    größe()


def long_line_table():
    source = "def long(x):\n" + "    x += 1\n" * 3000 + "    nap()\n"
    names = {"nap": nap}
    exec(compile(source, "long.py", "exec"), names)
    names["long"](0)


shapes = [recurse, takes_lock, called_by_sorted, called_by_c, iterates, runs_loop, waits_in_loop, Outer().method,
          without_file, other_names, long_line_table, lambda: nap()]
if __name__ == "__main__":
    faulthandler.register(signal.SIGUSR1, file=sys.stderr, all_threads=True)
    lock.acquire()
    threads = [threading.Thread(target=shape, daemon=True) for shape in shapes]
    for thread in threads:
        thread.start()
    while len(waiting) < len(threads):
        time.sleep(0.01)
    for thread in threads + [threading.main_thread()]:
        print(f"thread {thread.native_id} is {thread.ident:#018x}", flush=True)
    print("ready", flush=True)
    time.sleep(10000)
