"""Threads with values of their own and locks between them. With the argument `churn` others come and go, and garbage with
them; with `replaced`, what a program can replace is replaced: the streams by objects that are no files, hooks, and the
tracing and profiling functions of all threads; all of it counts, and would notice a guest.
"""
import gc
import sys
import threading
import time

import python_census

local, lock = threading.local(), threading.Lock()
counts, wrong, raised, foreign = [0] * 4, [], [], set()
born, step = 0, 1


class Stream:
    def __init__(self, stream):
        self.stream, self.written = stream, 0

    def write(self, text):
        self.written += 1
        return self.stream.write(text)

    def flush(self):
        self.stream.flush()


def work(number):
    local.number = number
    while True:
        with lock:
            counts[number] += step
        if local.number != number:
            wrong.append(number)
        time.sleep(0.001)


def churn():
    global born
    while True:
        thread = threading.Thread(target=lambda: [[cycle].append(cycle) for cycle in [[] for _ in range(1000)]])
        thread.start()
        thread.join()
        born += 1
        gc.collect(0)


def notice(frame, event, argument):
    if frame.f_code.co_filename == "<manhole>":
        foreign.add(frame.f_code.co_name)
    return notice


def thread_hook(arguments):
    raised.append(arguments.exc_type.__name__)


def hook(*ignored):
    wrong.append("the program's hook was called")


def replace():
    sys.stdout, sys.stderr = Stream(sys.stdout), Stream(sys.stderr)
    sys.excepthook = sys.displayhook = sys.unraisablehook = hook
    threading.excepthook = thread_hook
    threading.settrace(notice)
    threading.setprofile(notice)
    sys.settrace(notice)
    sys.setprofile(notice)


def health():
    before = list(counts), born
    while any(map(int.__eq__, counts, before[0])) or (born == before[1] > 0):
        time.sleep(0.001)
    return " ".join(map(str, ("works", *wrong, *raised, *foreign)))


def written():
    return sys.stdout.written


python_census.busy = True
if "replaced" in sys.argv:
    replace()
for number in range(len(counts)):
    threading.Thread(target=work, args=(number,), daemon=True).start()
if "churn" in sys.argv:
    threading.Thread(target=churn, name="churn", daemon=True).start()
python_census.obey(health, written)
