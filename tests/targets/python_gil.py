"""A program whose main thread, told `hold`, keeps the GIL until SIGUSR1 comes: it calls C without giving it back.

Awkward: nothing of Python can run meanwhile, and whoever asks for the GIL waits. Told `fork`, it forks a child that sleeps.
"""
import ctypes
import os
import signal
import sys
import threading
import time

program = ctypes.PyDLL(None)
value = "free"
signal.signal(signal.SIGUSR1, lambda number, frame: None)


def tick():
    while True:
        time.sleep(0.02)


threading.Thread(target=tick, name="ticker", daemon=True).start()
print("ready", flush=True)
for line in sys.stdin:
    if line == "hold\n":
        print("holding", flush=True)
        program.pause()
        print("released", sorted(thread.name for thread in threading.enumerate()), flush=True)
    elif line == "fork\n":
        child = os.fork()
        if not child:
            value = "of the child"
            time.sleep(1000)
        print("child", child, flush=True)
