"""Run by gdb: the stacks of all threads in the format of `eu-stack -r`, with the address of each function.

Only frames that exist on the stack: those of inlined functions and of tail calls, which gdb reconstructs, are left
out. A name is the linker's; a function without debug information has that of its symbol.
"""
import re

import gdb


def symbol_at(address):
    """Name and start from the symbol table, as `info symbol` has it ("name + 12 in section .text of ...")."""
    text = gdb.execute(f"info symbol {address}", to_string=True)
    match = re.match(r"(.+?)(?: \+ (\d+))? in section ", text)
    return (match[1], address - int(match[2] or 0)) if match else ("", 0)


def describe(frame, lookup):
    function = frame.function()
    if not function:
        return symbol_at(lookup)
    # The outermost block below those of the file is the function's own; inner ones may be of inlined functions.
    block = frame.block()
    while not (block.superblock.is_static or block.superblock.is_global):
        block = block.superblock
    return function.linkage_name or function.name, block.start


def physical_frames():
    frame = gdb.newest_frame()
    inner = None
    while frame is not None:
        if frame.type() in (gdb.NORMAL_FRAME, gdb.SIGTRAMP_FRAME):
            # A return address may be that of the next function: look one byte before it.
            exact = inner is None or inner.type() == gdb.SIGTRAMP_FRAME or frame.type() == gdb.SIGTRAMP_FRAME
            yield frame, frame.pc() - (0 if exact else 1)
            inner = frame
        frame = frame.older()


for setting in ("backtrace past-main on", "backtrace past-entry on", "height 0", "width 0"):
    gdb.execute("set " + setting)
for thread in sorted(gdb.selected_inferior().threads(), key=lambda thread: thread.ptid[1]):
    thread.switch()
    print(f"TID {thread.ptid[1]}:")
    for number, (frame, lookup) in enumerate(physical_frames()):
        name, start = describe(frame, lookup)
        print(f"#{number} 0x{frame.pc():016x} {name} @{start:#x}")
