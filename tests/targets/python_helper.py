"""What python-manhole's tests call their helper: prints, forks, executes and raises when it is told to, on its main thread,
while another thread works. It never imported anything of a manhole's, and counts what it should never notice.
"""
import os
import signal
import subprocess
import sys
import threading
import time

import python_census

k1 = 4711
names = {"k2": 4712}
worked, failures = 0, []
spoken = sys.stdout


def work():
    """Its stream is the program's, whatever a session does with its own; so are its errors."""
    global worked
    while True:
        worked += 1
        if sys.stdout.fileno() != 1 or not isinstance(sys.stdout, type(spoken)) or sys.stdout.encoding != "utf-8":
            failures.append("another stream: %r" % sys.stdout)
        time.sleep(0.001)


def say(*words):
    print(*words, flush=True)


def complain(*words):
    print(*words, file=sys.stderr, flush=True)


def live_on():
    while True:
        signal.pause()


def fork():
    child = os.fork()
    return child or live_on()


def forkpty():
    child, terminal = os.forkpty()
    return child or live_on()


def fork_in_thread():
    """Of the child nobody but the thread that forked is left."""
    children = []
    thread = threading.Thread(target=lambda: children.append(fork()))
    thread.start()
    thread.join()
    return children[0]


def spawn(count):
    """Programs started in the ways that Python has for it; how many ended well."""
    ways = (lambda: subprocess.call(["true"]), lambda: subprocess.call(["true"], close_fds=False), lambda: os.system("true"),
            lambda: subprocess.call(["true"], preexec_fn=lambda: None))
    return sum(ways[number % len(ways)]() == 0 for number in range(int(count)))


def write_on(count):
    """Prints a lot, to both streams; how long the longest line took, in milliseconds."""
    longest = 0
    for number in range(int(count)):
        start = time.monotonic()
        print("x" * 100, file=(sys.stdout, sys.stderr)[number % 2], flush=True)
        longest = max(longest, time.monotonic() - start)
        if number % 10 == 0:
            time.sleep(0.001)
    return int(longest * 1000)


def health():
    return "%s %s" % ("works" if worked else "still", failures or "well")


def leave(status):
    sys.exit(int(status))


if __name__ == "__main__":
    threading.Thread(target=work, name="worker", daemon=True).start()
    python_census.obey(say, complain, fork, forkpty, fork_in_thread, spawn, write_on, health, leave)
