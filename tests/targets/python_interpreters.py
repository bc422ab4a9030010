"""Two interpreters in one process, each asleep in a thread of its own.

What is awkward: the second one was made by the main thread, whose id its state has, and runs in another.
"""
import threading
import time
import _xxsubinterpreters as interpreters

second = interpreters.create()
code = """
import time
def inner():
    print("ready", flush=True)
    time.sleep(10000)
inner()
"""
threading.Thread(target=lambda: interpreters.run_string(second, code), daemon=True).start()
time.sleep(10000)
