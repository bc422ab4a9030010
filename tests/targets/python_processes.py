"""Worker processes by multiprocessing, in the way that the argument names (fork or spawn), all asked for their work."""
import multiprocessing
import sys

import python_census

factor = 2
workers = []


def work(connection):
    while True:
        connection.send(connection.recv() * factor)


def more():
    """Another worker; its process id."""
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    workers.append((process, ours))
    return process.pid


def ask(count):
    """Asks each so often; the factors that they used last."""
    used = []
    for process, connection in workers:
        for number in range(1, int(count) + 1):
            connection.send(number)
            used.append(connection.recv() / number)
    return " ".join("%g" % one for one in used[int(count) - 1::int(count)])


if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    python_census.obey(more, ask)
