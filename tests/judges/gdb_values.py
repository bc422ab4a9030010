"""Run by gdb: the arguments and local variables of all frames of all threads, as gdb prints them.

One JSON document: threads by id, each a list of frames, each with its function and, of what gdb finds in the blocks
around the program counter, lists of [name, value]. Values at the entry of a function, which gdb's Python does not
give, are taken from the line that it prints of a frame.
"""
import json
import re
import sys

import gdb

# "x=2, x@entry=1"; where both are the same "x=x@entry=1".
AT_ENTRY = re.compile(r"(=?)\b(\w+)@entry=([^,) ]+)")
CONSTANTS = (gdb.SYMBOL_LOC_CONST, gdb.SYMBOL_LOC_CONST_BYTES)


def text_of(symbol, frame):
    try:
        return symbol.value(frame).format_string(
            raw=True, static_members=False, deref_refs=True, max_elements=200, repeat_threshold=10, pretty_structs=False)
    except (gdb.MemoryError, gdb.error) as error:
        return f"<error: {error}>"


def blocks_of(frame):
    try:
        block = frame.block()
    except RuntimeError:
        return
    while block:
        yield block
        if block.function:
            return
        block = block.superblock


def values_at_entry():
    """Of the selected frame: those that are others now, and those that are the same."""
    line = gdb.execute("frame", to_string=True).split("\n")[0]
    found = AT_ENTRY.findall(line)
    return ([[name + "@entry", value] for same, name, value in found if not same],
            [[name + "@entry", value] for same, name, value in found if same])


def describe(frame):
    values = []
    frame.select()  # sizes that only the running program knows are those of the selected frame
    for block in blocks_of(frame):
        for symbol in block:
            wanted = symbol.is_argument or symbol.is_variable or symbol.addr_class in CONSTANTS
            if wanted and symbol.addr_class != gdb.SYMBOL_LOC_UNRESOLVED:
                values.append([symbol.name, text_of(symbol, frame)])
    changed, same = values_at_entry()
    return {"function": frame.name(), "inlined": frame.type() == gdb.INLINE_FRAME, "values": values + changed,
            "same_at_entry": same}


def frames():
    frame = gdb.newest_frame()
    while frame is not None:
        # Those of tail calls are not on the stack: gdb reconstructs them.
        if frame.type() != gdb.TAILCALL_FRAME:
            yield describe(frame)
        frame = frame.older()


for setting in ("backtrace past-main on", "backtrace past-entry on", "height 0", "width 0", "print entry-values default"):
    gdb.execute("set " + setting)
threads = {}
for thread in gdb.selected_inferior().threads():
    thread.switch()
    threads[thread.ptid[1]] = list(frames())
print("VALUES " + json.dumps(threads))
