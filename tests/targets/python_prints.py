"""A program that prints from a thread of its own all the time, and counts what Python keeps when it is told to.

Awkward: its garbage collector is off, and a line of its log that went elsewhere, came late or was lost would be missed.
"""
import gc
import sys
import threading
import time


def log():
    number = 0
    while True:
        number += 1
        print("log", number, file=sys.stderr, flush=True)
        time.sleep(0.002)


gc.disable()
kept = []
threading.Thread(target=log, daemon=True).start()
print("ready", flush=True)
for line in sys.stdin:
    gc.collect()
    print("objects", len(gc.get_objects()), sys.getrefcount(kept), flush=True)
