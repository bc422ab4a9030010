"""A Python program whose list of threads makes no sense.

What is awkward: the list looks the way it does for a moment while a thread is put into it, and stays like that.
"""
import ctypes
import time

current = ctypes.pythonapi.PyThreadState_Get
current.restype = ctypes.c_void_p
ctypes.c_uint64.from_address(current()).value = 1  # prev, the first member (Include/cpython/pystate.h)
print("ready", flush=True)
time.sleep(10**6)
