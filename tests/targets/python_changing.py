"""Variables that change all the time, of threads that never sleep, and of one that sleeps while others change what it has.

What is awkward: values are made and freed a million times a second, each where another one has just been. At any moment
both halves of `pair` and of `text` are equal, and n, pair and text are not further apart than one step.
"""
import threading
import time

shared = None


def spin():
    n = 10 ** 12
    while True:
        n += 1
        pair = (n, n)
        text = "%d %d" % pair


def keep(ready):
    cell = (0, 0)
    items = []
    table = {"left": 0, "right": 0}
    still = (7 ** 30, 7 ** 30)

    def change():
        nonlocal cell
        n = 10 ** 12
        while True:
            n += 1
            cell = (n, n)
            items[:] = [n] * (n % 100)
            table.update(left=n, right=n)
            if n % 1000 == 0:
                table.clear()

    threading.Thread(target=change, daemon=True).start()
    ready.set()
    time.sleep(10000)
    return cell


if __name__ == "__main__":
    begun = threading.Event()
    threading.Thread(target=keep, args=(begun,), daemon=True).start()
    begun.wait()
    print("ready", flush=True)
    spin()
