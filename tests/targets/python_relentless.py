"""One thread that keeps the GIL in C code, or gives it only when it is asked for it: a regular expression that never ends,
and an endless loop. SIGINT ends each."""
import re
import signal

import python_census

value = 1


def search():
    try:
        re.match("(a+)+$", "a" * 64 + "b")
    except KeyboardInterrupt:
        return "ended"


def loop():
    try:
        while True:
            pass
    except KeyboardInterrupt:
        return "ended"


signal.signal(signal.SIGINT, signal.default_int_handler)
python_census.obey(search, loop)
