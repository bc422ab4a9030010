"""Types at a program on a terminal of its own, for tests: run(ARGUMENTS) starts it, expect() waits for what it shows, type() is a
user; ended() is the exit status."""
import os
import pty
import re
import select
import sys
import time

child = terminal = None
seen = whole = ""  # what was not yet expected; all that was shown


def run(arguments):
    global child, terminal
    child, terminal = pty.fork()
    if not child:
        os.environ.update(TERM="dumb", HOME=os.getcwd(), NO_COLOR="1")
        os.execv(arguments[0], arguments)


def expect(pattern):
    """Up to it, all that was shown is taken as seen."""
    global seen, whole
    end = time.monotonic() + 20
    while not re.search(pattern, seen):
        if time.monotonic() > end:
            sys.exit("waited in vain for %r: %r" % (pattern, seen))
        if select.select([terminal], [], [], 0.1)[0]:
            text = os.read(terminal, 65536).decode(errors="replace")
            seen, whole = seen + text, whole + text
    seen = seen[re.search(pattern, seen).end():]


def shown():
    return whole


def type(text):
    os.write(terminal, text.encode())


def ended():
    return os.WEXITSTATUS(os.waitpid(child, 0)[1])
