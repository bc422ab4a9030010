"""What a Python program can see of itself: for the programs of these tests, which tell by it whether a guest left anything.

obey() makes a program obey its standard input, a line at a time; `keep` counts, and `compare` says what is different since:
modules, threads and their states, what sys and builtins have, objects by type, references, signal handlers, descriptors.
"""
import collections
import ctypes
import gc
import os
import signal
import sys
import threading

python = ctypes.pythonapi
for function in python.PyInterpreterState_Head, python.PyInterpreterState_ThreadHead, python.PyThreadState_Next:
    function.restype = ctypes.c_void_p
python.PyInterpreterState_ThreadHead.argtypes = python.PyThreadState_Next.argtypes = [ctypes.c_void_p]
# PyCF_ONLY_AST: what the interpreter makes once, when it first parses a line to point at its columns in a traceback.
compile("0", "<none>", "eval", 0x400)
kept = {}
busy = False  # the program does so much meanwhile that its objects and threads are not to be counted


def thread_states():
    state, count = python.PyInterpreterState_ThreadHead(python.PyInterpreterState_Head()), 0
    while state:
        state, count = python.PyThreadState_Next(state), count + 1
    return count


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4


def lasting():
    """What stays, whatever the program does meanwhile."""
    return {
        "modules": sorted(sys.modules),
        "handlers": [str(signal.getsignal(number)) for number in range(1, 32)],
        "sys": {name: id(value) for name, value in vars(sys).items()},
        "builtins": {name: id(value) for name, value in vars(sys.modules["builtins"]).items()},
        "main": sorted(vars(sys.modules["__main__"])),
        "switch interval": sys.getswitchinterval(),
        "recursion limit": sys.getrecursionlimit(),
        "encoding": [sys.getfilesystemencoding(), sys.getdefaultencoding()],
        "hooks": [id(sys.gettrace()), id(sys.getprofile()), gc.isenabled(), *gc.get_threshold()],
        "descriptors": len(os.listdir("/proc/self/fd")),
    }


def census():
    gc.collect()
    found = lasting()
    if busy:
        return found
    found.update({
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "active": sorted(threading._active),
        "dangling": len(threading._dangling),
        "frames": sorted(sys._current_frames()),
        "states": thread_states(),
        "tasks": len(os.listdir("/proc/self/task")),
        "references": {module.__name__: [sys.getrefcount(module), sys.getrefcount(vars(module))]
                       for module in map(sys.modules.get, ("builtins", "sys", "__main__", "threading", "posix", "_io"))},
        "streams": [sys.getrefcount(stream) for stream in (sys.stdin, sys.stdout, sys.stderr)],
        "objects": None,
    })
    # Last, so that what stands here already is counted, too.
    found["objects"] = dict(collections.Counter(type(one).__module__ + "." + type(one).__name__
                                                for one in gc.get_objects()))
    return found


def differences(before, after, name):
    if isinstance(before, dict):
        return [text for key in sorted({*before, *after}, key=str)
                for text in differences(before.get(key), after.get(key), f"{name} {key}")]
    return [] if before == after else [f"{name}: {before} -> {after}"]


def compare():
    now, found = census(), []
    for name in now:
        found += differences(kept[name], now[name], name)
    return "; ".join(found) or "nothing"


def keep():
    for _ in range(3):  # so that what is kept counts itself, too
        kept.update(census())
    return "kept"


def obey(*functions):
    """Obeys until the end of standard input: a line is the name of a function and its arguments, and is answered by the
    name and what it returns, if anything."""
    known = {function.__name__: function for function in (keep, compare, resident, *functions)}
    print("ready", flush=True)
    for line in sys.stdin:
        name, *arguments = line.split()
        answer = known[name](*arguments)
        if answer is not None:
            print(name, answer, flush=True)
