"""A program that never heard of a manhole: two threads, names in __main__, prints what it is told on standard input.

Awkward: it imports as little as a program can (no traceback, no linecache, no codeop), so that whatever a console would
import is seen in sys.modules.
"""
import sys
import threading
import time


class Server:
    port = 8080

    def serve(self):
        while True:
            time.sleep(0.05)


server = Server()
counter = 41
threading.Thread(target=server.serve, name="worker", daemon=True).start()
print("ready", flush=True)
for line in sys.stdin:
    if line == "modules\n":
        print("modules", *sorted(sys.modules), flush=True)
    elif line == "state\n":
        print("state", sys.stdout is sys.__stdout__, sys.stderr is sys.__stderr__, sys.stdin is sys.__stdin__,
              sys.displayhook is sys.__displayhook__, sorted(n for n in dir(sys) if n.startswith("last_")),
              sorted(thread.name for thread in threading.enumerate()), counter, flush=True)
    else:
        print("echo", line, end="", flush=True)
