"""Variables of Python code with values of all kinds, in functions, in a class and in a module, which then sleep.

What is awkward: numbers of any size, strings of 1, 2 and 4 bytes a character, with quotes and terminal escapes in them,
containers in themselves, objects of types derived from the built-in ones, dicts that share their keys, variables that other
functions have, too, and such that have no value. On SIGUSR1 the program prints what it sees of them itself: one line of
JSON for each of its frames.
"""
import collections
import enum
import json
import math
import signal
import sys
import time
import types

BASES = (int, float, complex, str, bytes, tuple, list, dict, set, frozenset)
BRACKETS = {tuple: "()", list: "[]", dict: "{}", set: "{}", frozenset: "{}"}


def type_name(type_):
    module = "" if type_.__module__ == "builtins" else type_.__module__ + "."
    return module + type_.__qualname__


def items(value, depth):
    shown = [expected(key, depth + 1) + ": " + expected(item, depth + 1) for key, item in value.items()] \
        if isinstance(value, dict) else [expected(item, depth + 1) for item in value]
    more = "... %d more" % (len(shown) - 50) if len(shown) > 50 else "," * (len(shown) == 1 and isinstance(value, tuple))
    return ", ".join(shown[:50]) + more


def contained(value, base, depth):
    if not value:
        return repr(base())
    text = BRACKETS[base][0] + (items(value, depth) if depth < 3 else "...") + BRACKETS[base][1]
    return "frozenset(%s)" % text if base is frozenset else text


def expected(value, depth=0):
    """The text that a dump shows of a value: as the manual says."""
    if isinstance(value, types.FunctionType):
        return "<function %s at 0x%x>" % (value.__qualname__, id(value))
    if isinstance(value, type):
        return "<class '%s'>" % type_name(value)
    if isinstance(value, types.ModuleType):
        return "<module '%s'>" % value.__name__
    base = next((base for base in BASES if isinstance(value, base)), None)
    if value is None or value is Ellipsis or isinstance(value, bool):
        return repr(value)
    if isinstance(value, BaseException):
        return "%s(%s)" % (type_name(type(value)), ", ".join(expected(item, depth + 1) for item in value.args))
    if base is None:
        attributes = "" if depth else ", ".join("%s=%s" % (name, expected(item, 1)) for name, item in
                                                getattr(value, "__dict__", {}).items())
        return object.__repr__(value)[:-1] + " " * bool(attributes) + attributes + ">"
    if type(value) is not base:
        return "%s(%s)" % (type_name(type(value)), expected(base(value), depth))
    if base in BRACKETS:
        return contained(value, base, depth)
    if base is int and abs(value) >= 2 ** 1920:
        bits = value.bit_length()
        return "<int of %d bits: %s0x%x...>" % (bits, "-" * (value < 0), abs(value) >> bits - 64)
    return repr(value[:200]) + "..." * (len(value) > 200) if base in (str, bytes) else repr(value)


def is_shown(name, value):
    return not (name.startswith("__") or isinstance(value, (types.ModuleType, types.FunctionType, type)))


def print_frames(_, frame):
    while frame:
        code = frame.f_code
        names = set(code.co_varnames + code.co_cellvars + code.co_freevars)
        arguments = code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & 4) + bool(code.co_flags & 8)
        values = dict(frame.f_locals)
        if not code.co_flags & 1: # of a module or class
            values = {name: value for name, value in values.items() if is_shown(name, value)}
            names = set()
        print(json.dumps({
            "function": code.co_name,
            "arguments": list(code.co_varnames[:arguments]),
            "values": {**{name: "<unbound>" for name in names}, **{name: expected(value) for name, value in values.items()}},
            "types": {name: type_name(type(value)) for name, value in values.items()},
        }))
        frame = frame.f_back
    print("done", flush=True)


class Color(enum.IntEnum):
    RED = 1


class Name(str):
    pass


class Celsius(float):
    pass


class Bag(set):
    pass


class Point:
    class Origin:
        pass

    def __init__(self, x, y):
        self.x = x
        self.y = y


class Failure(Exception):
    pass


class Varied(Point):
    def __init__(self, x):
        if x:
            self.second = x


class Slotted:
    __slots__ = "third"


class LikeRepr:
    def __repr__(self):
        raise RuntimeError("nobody calls this")


Pair = collections.namedtuple("Pair", "left right")


def numbers():
    zero, one, minus, digit, two = 0, 1, -1, 2 ** 30 - 1, 2 ** 30
    word, signed, more = 2 ** 63, -2 ** 63, 2 ** 64 + 1
    large, larger, largest, minus_huge = 3 ** 300, 2 ** 1920 - 1, 2 ** 1920, -(7 ** 5000)
    yes, no, nothing, dots = True, False, None, ...
    floats = [0.0, -0.0, 1.0, 0.1, -2.5, 1e15, 1e16, 123456789012345680.0, 1e-4, 1e-5, 5e-324, 1.7976931348623157e308,
              2 / 3, 1 / 3, 100.0, 1234.5, math.pi, math.inf, -math.inf, math.nan]
    complexes = [0j, 1j, -1j, 1 + 2j, complex(-0.0, 1), complex(1.5, -0.0), complex(math.nan, math.inf), 1e20 + 1e-7j]
    signal.signal(signal.SIGUSR1, print_frames)
    print("ready", flush=True)
    while True:
        time.sleep(10000)
    return locals()


def texts():
    empty, plain, quoted, double = "", "plain", "it's", 'say "it\'s"'
    latin, wide, wider = "h\xe4llo", "\u2603 snow", "\U00010428 \u2603"
    escapes, bidi, lone, controls = "\x1b[31mred\n\t\\", "\u202eabc\u200b\ufeff", "\udc80\ud800", "\x7f\x85\xa0\0"
    long, exactly, cut_wide = "ab" * 400, "x" * 200, "\u2603" * 201
    raw, raw_quoted, raw_long = b"\0\xff\n", b"it's", b"y" * 300
    return numbers()


def containers(shared, *rest, key="word", **others):
    empty = [(), [], {}, set(), frozenset()]
    single, nested, lists = (1,), (1, (2, (3, (4,)))), [[1, 2], [[3]], [[[4]]]]
    many, fifty = list(range(200)), tuple(range(50))
    mixed = {"a": 1, 2: "two", None: [3.5], (1, 2): {"b"}}
    holes = {i: i for i in range(20)}
    for i in range(0, 20, 3):
        del holes[i]
    kept = set(range(30)) - set(range(0, 30, 4))
    split, other_split = Point(1, "y").__dict__, Point([2], None).__dict__
    circle = []
    circle.append(circle)
    mine = "seen by inner"

    def inner():
        own = shared, mine, late
        return texts()
    late = "after inner"
    return inner()


def objects():
    color, name, celsius, bag, pair = Color.RED, Name("n\u2603"), Celsius(1.5), Bag([1]), Pair(1, "r")
    ordered, default, counter = collections.OrderedDict(a=1), collections.defaultdict(list, b=[]), collections.Counter("aab")
    point, origin, class_, enum_ = Point(0, 0), Point.Origin(), Point.Origin, Color
    function, method, built_in, module, strange = objects, Point(1, 1).__init__, len, json, LikeRepr()
    deque, error, iterator = collections.deque([1]), ValueError("wrong"), iter([1])
    errors = [KeyError("k", 2), OSError(), Failure("bad", (1,))]
    materialized, varied, slotted = Point([1, None], "y"), Varied(2), Slotted()
    materialized.__dict__["z"] = point
    varied.first = slotted.third = 3
    squares = [n * n for n in range(3)]
    fluid = 1
    if point is None:
        unbound = 1
    del fluid
    return containers(squares, 1, 2, key=None, extra=3)
    return unbound


class Body:
    attribute = "of the class"
    count = 3
    objects()
