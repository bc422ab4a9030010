#!/usr/bin/env python3
"""http_load.py SOCKET THREADS: asks the HTTP server at a UNIX socket again and again, a connection for each
request, until standard input ends. Says "loading" when the first answer is there, and at the end how many were good
and what was wrong with the others."""
import collections
import socket
import sys
import threading
import time

PAUSE = 0.005  # seconds: a load, and something left for the other tests

path, count = sys.argv[1], int(sys.argv[2])
results = collections.Counter()
lock = threading.Lock()
ending = threading.Event()


def ask():
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60)
        connection.connect(path)
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    good = answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"served\n")
    return "good" if good else "answer %r" % answer[:60]


def load():
    while not ending.is_set():
        try:
            result = ask()
        except OSError as error:
            result = repr(error)
        with lock:
            results[result] += 1
            if results.total() == 1:
                print("loading", flush=True)
        time.sleep(PAUSE)


threads = [threading.Thread(target=load) for _ in range(count)]
for thread in threads:
    thread.start()
sys.stdin.read()
ending.set()
for thread in threads:
    thread.join()
good = results.pop("good", 0)
print("good", good, "bad", results.total(), dict(results), flush=True)
