"""A server and its clients in one asyncio loop, which must never stand still: answers are counted, and the longest wait."""
import asyncio
import sys
import threading
import time

import python_census

loop = None
greeting = b"hello"
answers, wrong, longest = 0, 0, 0.0


async def serve(reader, writer):
    while line := await reader.readline():
        writer.write(greeting + b" " + line)
        await writer.drain()


async def ask(number):
    global answers, wrong
    reader, writer = await asyncio.open_unix_connection(sys.argv[1])
    while True:
        writer.write(b"%d\n" % number)
        line = await reader.readline()
        wrong += line not in (b"hello %d\n" % number, b"changed %d\n" % number)
        answers += 1
        await asyncio.sleep(0.001)


async def watch():
    global longest
    while True:
        before = time.monotonic()
        await asyncio.sleep(0.01)
        longest = max(longest, time.monotonic() - before)


async def main():
    global loop
    loop = asyncio.get_running_loop()
    async with await asyncio.start_unix_server(serve, sys.argv[1]):
        tasks = [asyncio.create_task(ask(number), name="client %d" % number) for number in range(5)]
        await asyncio.gather(watch(), *tasks)


def health():
    """Good while there are answers, of all clients."""
    before = answers
    time.sleep(0.05)
    clients = sum(task.get_name().startswith("client") for task in asyncio.all_tasks(loop))
    return "%s %d clients %d wrong" % ("answers" if answers > before else "silent", clients, wrong)


def stood_still():
    return int(longest * 1000)


threading.Thread(target=python_census.obey, args=(health, stood_still), daemon=True).start()
asyncio.run(main())
