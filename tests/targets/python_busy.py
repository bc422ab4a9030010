"""Python code that never sleeps, and whose stack changes all the time.

What is awkward: frames, and the memory they are in, change while they are looked at. Only left calls left_leaf, only right
calls right_leaf: whoever sees another pair has seen two moments. A thread that only waits for the interpreter's lock wakes
200 times a second to ask for it.
"""
import threading


def left_leaf(n):
    return sum(i for i in range(n))


def right_leaf(n):
    return [str(i) for i in range(n)]


def left(n):
    return left_leaf(n) if n < 10 else left(n // 2)


def right(n):
    return right_leaf(n) if n < 10 else right(n // 2)


def alternate():
    while True:
        left(20)
        right(40)


def spin():
    while True:
        pass


if __name__ == "__main__":
    threading.Thread(target=spin, daemon=True).start()
    print("ready", flush=True)
    alternate()
