"""The Python side of a session: what code.InteractiveConsole does, as a guest.

Executed once for each session, in a dictionary that is no module, on a thread of the manhole's own
(python_thread.c), which gives in `given`: the interpreter's `modules`, the descriptor `fd` of a pipe to
the client, `stderr`: whether that stream is the client's too, `tee`: that of another pipe, for a copy of
what all other threads print, or -1, `lines`: that of a socket where the client's lines are asked for, and `locals`: the names of --local.

It imports nothing, so that sys.modules stays as it is; what it needs is part of every interpreter.
Nothing that the program may keep a reference to (a stream, a function the user defined) depends on
this dictionary, which is emptied when the session ends.
"""
modules, fd = given["modules"], given["fd"]
sys, posix, builtins = modules["sys"], modules["posix"], modules["builtins"]
get_ident = modules["_thread"].get_ident
ident = get_ident()
NAME = "<console>"

# How an evaluation ended: protocol.h, enum manhole_outcome; LEFT is ours.
DONE, FAILED, INTERRUPTED, INCOMPLETE, LEFT = 0, 1, 3, 5, 100


class State:
    """What changes during a session; `value` was displayed last, and is not sent yet."""
    value = None
    holds_values = False
    flags = 0
    streams = {}
    last = None
    borrowed = frozenset()


state = State()


# --- What the client is told. ---

def printable(text):
    """Text of the program that is to act on no terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in text)


def to_bytes(text):
    return text.encode("utf-8", "backslashreplace")


# The program may close our descriptor and open a file of its own under its number.
def identity(fd, fstat=posix.fstat):
    status = fstat(fd)
    return status.st_dev, status.st_ino


def make_send(fd, identity=identity, own=identity(fd), write=posix.write):
    def send(data):
        while data:
            if identity(fd) != own:
                raise OSError("the connection to the manhole's client was closed")
            data = data[write(fd, data):]
    return send


send = make_send(fd)


def send_value():
    value, state.value = state.value, None
    if value:
        send(value[0] + b"\n")


def say(data):
    send_value()
    send(data)


def make_read_line(fd, read=posix.read, write=posix.write, identity=identity):
    own, asked = identity(fd), []

    def read_line():
        """The client's next line, as bytes with the newline; b"" at the end of the input. Who is interrupted in between
        has asked already when he comes again."""
        if identity(fd) != own:
            raise OSError("the connection to the manhole's client was closed")
        if not asked:
            write(fd, b"?")
            asked.append(True)
        parts = []
        while True:
            piece = read(fd, 8192)
            parts.append(piece[1:])
            if piece[:1] != b"+":
                asked.clear()
                if piece[:1] == b"!":
                    raise KeyboardInterrupt
                return b"".join(parts)

    return read_line, asked


read_line, asked = make_read_line(given["lines"])


# --- What other threads print. ---

TEE_MAX = 64 << 10  # characters of one piece
PIPE_BUF = 4096  # what a pipe takes whole or not at all: pipe(7)


def make_tee(fd, tees, write=posix.write, identity=identity, printable=printable, to_bytes=to_bytes):
    """For the threads of the program, after they have written: a copy of the text to the client, whole lines at a time.
    Nobody waits: what the pipe does not take is counted, and a notice stands where it is missing. `tees` is empty when
    there is nobody to copy for any more: then nothing of what is used here may be there."""
    pending, lost, own = [], [], identity(fd)

    def take_pending():
        parts = []
        while pending:
            parts.append(pending.pop(0))
        return "".join(parts)

    def lose(count):
        lost.append(count)
        if len(lost) > 1000:  # nobody reads any more
            lost[:] = [sum(lost)]

    def push(data):
        for start in range(0, len(data), PIPE_BUF):
            try:
                write(fd, data[start:start + PIPE_BUF])
            except BlockingIOError:
                lose(len(data) - start)
                return

    def tee(text, is_flushed=False):
        if not tees:
            return
        try:
            if text:
                pending.append(text[:TEE_MAX])
            if len(text) > TEE_MAX:
                lose(len(to_bytes(text[TEE_MAX:])))
            if not pending or not (is_flushed or "\n" in text or len(pending) > 100):
                return
            data = to_bytes(printable(take_pending()))
            if identity(fd) != own:
                tees.clear()
            elif lost:
                missing = sum(lost)
                lost.clear()
                data = b"\n[%d bytes dropped]\n" % missing + data
            if tees:
                push(data)
        except OSError:
            tees.clear()  # the program has closed the pipe, or it is a child, which has it no more
        except Exception:
            pass  # who prints is not to hear of it

    return tee


def make_copies(tees):
    """What other threads get of a stream in place of its own methods, by their names."""

    def copy_write(write):
        def copying_write(text):
            written = write(text)
            for tee in tees[:]:
                tee(text)
            return written
        return copying_write

    def copy_writelines(writelines):
        def copying_writelines(lines):
            lines = [*lines]
            writelines(lines)
            for tee in tees[:]:
                for line in lines:
                    tee(line)
        return copying_writelines

    def copy_flush(flush):
        def copying_flush():
            flush()
            for tee in tees[:]:
                tee("", True)
        return copying_flush

    return {"write": copy_write, "writelines": copy_writelines, "flush": copy_flush}


tees = []
if given["tee"] >= 0:
    tees.append(make_tee(given["tee"], tees))
copies = make_copies(tees)
teed = {"stdout", "stderr"} if tees else set()
tee_codes = [tee.__code__ for tee in tees]


def await_tees(frames=sys._current_frames, allocate_lock=modules["_thread"].allocate_lock):
    """Until no thread is in the middle of such a copy any more, which cannot take long; then the pipe may be closed, and its
    number be another file's."""
    nap = allocate_lock()
    nap.acquire()
    for _ in range(2000):
        for frame in frames().values():
            while frame is not None and frame.f_code not in tee_codes:
                frame = frame.f_back
            if frame is not None:
                break
        else:
            return
        nap.acquire(True, 0.001)


# --- Streams. ---

def make_streams(ident, get_ident, say, to_bytes, read_line, tees, copies):
    """Objects for sys.stdin, sys.stdout and sys.stderr: of another thread all goes to what was there
    before, of the session's to the client. Pure closures: after the session they only pass on."""

    class Nothing:
        """Where the program has no such stream (None)."""

        def write(self, text):
            return len(text)

        def flush(self):
            pass

    class Raw:
        def write(self, data):
            say(bytes(data))
            return len(data)

        def flush(self):
            pass

    class Own:
        """What the session's thread sees."""
        encoding, errors, newlines = "utf-8", "backslashreplace", None
        closed, line_buffering, write_through = False, False, True

        def __init__(self, name, readable):
            self.name = name
            self.mode = "r" if readable else "w"
            self.is_readable = readable
            self.rest = ""
            self.buffer = Raw()

        def __repr__(self):
            return "<%s of the manhole's client>" % self.name

        def write(self, text):
            if not isinstance(text, str):
                raise TypeError("write() argument must be str, not " + type(text).__name__)
            say(to_bytes(text))
            return len(text)

        def writelines(self, lines):
            for line in lines:
                self.write(line)

        def readline(self, size=-1):
            if not self.is_readable:
                raise OSError("not readable")
            text = self.rest or read_line().decode("utf-8", "surrogateescape")
            if text[-2:] == "\r\n":
                text = text[:-2] + "\n"
            end = len(text) if size is None or size < 0 else size
            self.rest = text[end:]
            return text[:end]

        def readlines(self, hint=-1):
            return list(iter(self.readline, ""))

        def read(self, size=-1):
            return "".join(self.readlines()) if size is None or size < 0 else self.readline(size)

        def flush(self):
            pass

        close = detach = flush

        def isatty(self):
            return False

        def readable(self):
            return self.is_readable

        def writable(self):
            return not self.is_readable

        def seekable(self):
            return False

        def fileno(self):
            raise OSError("this stream goes to the manhole's client: it has no descriptor")

        def __next__(self):
            line = self.readline()
            if not line:
                raise StopIteration
            return line

    def make(name, original):
        own = Own(name, name == "stdin")
        seen = Nothing() if original is None else original
        copied = {} if name == "stdin" else copies
        is_open = []

        class Stream:
            manhole_passes_to = original

            def __getattribute__(self, attribute):
                if is_open and get_ident() == ident:
                    return getattr(own, attribute)
                if tees and attribute in copied:
                    return copied[attribute](getattr(seen, attribute))
                return getattr(seen, attribute)

            def __setattr__(self, attribute, value):
                setattr(own if is_open and get_ident() == ident else seen, attribute, value)

            def __iter__(self):
                return iter(seen) if not (is_open and get_ident() == ident) else self

            def __next__(self):
                return next(own if is_open and get_ident() == ident else seen)

            def __enter__(self):
                return self

            def __exit__(self, *ignored):
                return None

            def __repr__(self):
                return repr(own if is_open and get_ident() == ident else seen)

        return Stream(), original, is_open

    return make


make_stream = make_streams(ident, get_ident, say, to_bytes, read_line, tees, copies)


def make_hook(original, ident=ident, get_ident=get_ident):
    def displayhook(value):
        if is_open and get_ident() == ident:
            display(value)
        else:
            original(value)
    displayhook.manhole_passes_to = original
    is_open = []
    return displayhook, original, is_open


def make_collector(original, ident=ident, get_ident=get_ident):
    """A stream that keeps what the session's thread writes; of another thread all goes to what was
    there before."""

    class Collector:
        def write(self, text):
            return parts.append(text) if is_own() else original.write(text)

        def flush(self):
            if not is_own():
                original.flush()

        def __getattr__(self, attribute):
            if is_own():
                raise AttributeError(attribute)
            return getattr(original, attribute)

    def is_own():
        return is_open and get_ident() == ident

    parts, is_open = [], [True]
    return Collector(), parts, is_open


def settle(name):
    """What is sys.NAME. A thread of the program that had put something else in place of ours for a
    while may have put ours back since: then it is what was there before that."""
    current = getattr(sys, name, None)
    while True:
        attributes = type(current).__dict__ if name != "displayhook" else getattr(current, "__dict__", {})
        if "manhole_passes_to" not in attributes:
            return current
        current = attributes["manhole_passes_to"]
        setattr(sys, name, current)


def begin():
    """Puts the session's streams in place. Called around each evaluation, as is end()."""
    asked.clear()
    for name in ["stdin", "stdout", "displayhook"] + (["stderr"] if given["stderr"] else []):
        if name in state.streams and getattr(sys, name, None) is state.streams[name][0]:
            state.streams[name][2].append(True)
            continue
        original = settle(name)
        if name not in state.streams or state.streams[name][1] is not original:
            made = make_hook(original) if name == "displayhook" else make_stream(name, original)
            state.streams[name] = made
        mine, _, is_open = state.streams[name]
        is_open.append(True)
        setattr(sys, name, mine)


def end():
    """Puts back what was there, unless something else has been put there meanwhile, or other threads' output is to be
    seen on."""
    for name, (mine, original, is_open) in state.streams.items():
        if getattr(sys, name, None) is mine and not (tees and name in teed):
            setattr(sys, name, original)
        is_open.clear()


if tees:
    begin()
    end()


# --- The names of a session. ---

class Exit:
    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return "Use %s() or Ctrl-D (i.e. EOF) to leave; the program goes on" % self.name

    def __call__(self, code=None):
        raise SystemExit(code)


def make_namespace(modules, importer):
    class Namespace(dict):
        """Names that the session has not are those of __main__, as they are at that moment."""

        def __missing__(self, name):
            main = modules.get("__main__")
            if main is not None and name in main.__dict__ and name[:2] != "__":
                return main.__dict__[name]
            if name in ("socket", "traceback"):
                self[name] = importer(name)
                return self[name]
            raise KeyError(name)

    return Namespace()


def dump_stacktraces():
    """The Python stacks of all threads, as python-manhole shows them, and what their threads are."""
    send_value()
    send(to_bytes(stacks()))


names = make_namespace(modules, builtins.__import__)
names.update({"__name__": "__console__", "__doc__": None, "__builtins__": builtins, "sys": sys,
              "dump_stacktraces": dump_stacktraces, "exit": Exit("exit"), "quit": Exit("quit")})
for known in "os", "__main__":
    if known in modules:
        names[known] = modules[known]
names.update(given["locals"])


# --- Stacks. ---

def source_line(path, number, read):
    """A line of a source file, or ''; `read` keeps the files that were read."""
    if path not in read:
        read[path] = []
        try:
            mode = posix.stat(path).st_mode
            if mode & 0o170000 == 0o100000:
                with modules["_io"].open(path, "rb") as file:
                    read[path] = file.read(8 << 20).split(b"\n")
        except (OSError, ValueError):
            pass
    lines = read[path]
    return lines[number - 1].decode("utf-8", "replace").strip() if 0 < number <= len(lines) else ""


def thread_names():
    """By their idents; only a program that imported threading has names for them."""
    active = getattr(modules.get("threading"), "_active", {})
    return {ident: "".join((", Name=", thread.name, ", NativeID=%s" % thread.native_id
                            if getattr(thread, "native_id", None) else ""))
            for ident, thread in list(active.items())}


def stacks():
    text, read, known = [], {}, thread_names()
    for thread, frame in sys._current_frames().items():
        if thread == ident:
            continue
        text.append("\n######### ProcessID=%d, ThreadID=%d%s #########"
                    % (posix.getpid(), thread, known.get(thread, "")))
        frames = []
        while frame is not None:
            frames.append((frame.f_code.co_filename, frame.f_lineno or 0, frame.f_code.co_name))
            frame = frame.f_back
        for path, number, function in reversed(frames):
            text.append('File: "%s", line %d, in %s' % (path, number, function))
            line = source_line(path, number, read)
            if line:
                text.append("  " + line)
    text.append("#############################################\n\n")
    return printable("\n".join(text) + "\n")


def greeting():
    text = "Python %s on %s\n" % (sys.version, sys.platform)
    if given["interpreters"] > 1:
        text += "One of %d interpreters in this process: the main one.\n" % given["interpreters"]
    return text + ('Type "help", "copyright", "credits" or "license" for more information.\n'
                   "(ManholeConsole)\n")


# --- Evaluating. ---

def absorb():
    """Where an interrupt is raised that is on its way: at each call, and at each turn of a loop."""
    for _ in (1, 2):
        pass


def display(value):
    if value is None:
        return
    names["_"] = None
    text = to_bytes(repr(value))
    send_value()
    if state.holds_values:
        state.value = text, to_bytes(type(value).__name__)
    else:
        send(text + b"\n")
    names["_"] = value


# Flags of compile(), of all versions (Include/cpython/compile.h); and those that `from __future__`
# leaves in a code object, which hold for all that follows.
DONT_IMPLY_DEDENT, ALLOW_INCOMPLETE, ONLY_AST = 0x200, 0x4000, 0x400
FUTURE = 0x1fe0000 if sys.version_info >= (3, 9) else 0x1fe000


def compiled(source, kind, flags=0):
    code = compile(source, NAME, kind, state.flags | flags, True)
    if not flags & ONLY_AST:
        state.flags |= code.co_flags & FUTURE
    return code


def attempt(source, flags):
    try:
        return compiled(source, "single", flags), None
    except SyntaxError as error:
        return None, error


def is_same(one, other):
    texts = repr(one), repr(other)
    return texts[0] == texts[1] and "was never closed" not in texts[0]


def compile_command(source):
    """As codeop's: None when more lines must follow."""
    if all(not line.strip() or line.strip()[0] == "#" for line in source.split("\n")):
        source = "pass"
    flags = DONT_IMPLY_DEDENT
    if sys.version_info >= (3, 11):
        flags |= ALLOW_INCOMPLETE
    code, _ = attempt(source, flags)
    if code:
        return code
    code, error = attempt(source + "\n", flags)
    if sys.version_info >= (3, 11):
        if code or "incomplete input" in str(error):
            return None
    elif code or not is_same(error, attempt(source + "\n\n", flags)[1]):
        return None
    return compiled(source, "single")


def statements(source):
    """Each statement of a script, compiled when its turn comes."""
    shell = compiled("pass", "single", ONLY_AST)
    for statement in compiled(source, "exec", ONLY_AST).body:
        shell.body = [statement]
        yield compiled(shell, "single")


def cached_lines():
    return getattr(modules.get("linecache"), "cache", {})


def failure(error):
    """(its last line, all that an interpreter prints of it); frames of ours are not in it."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_globals is globals_of_ours:
        trace = trace.tb_next
    remember(type(error), error, trace)
    before = sys.stderr
    sys.stderr, parts, is_open = make_collector(before)
    collector = sys.stderr
    loaded, lines = set(modules), set(cached_lines())
    try:
        sys.__excepthook__(type(error), error, trace)
    finally:
        is_open.clear()
        if sys.stderr is collector:
            sys.stderr = before
    # From 3.13 on it is made of Python, and imports what it needs.
    state.borrowed |= set(modules) - loaded
    for path in set(cached_lines()) - lines:
        cached_lines().pop(path, None)
    text = printable("".join(parts))
    lines = [line for line in text.split("\n") if line and line[0] != " "] or [type(error).__name__]
    return to_bytes(lines[-1]), to_bytes(text)


def remember(kind, error, trace):
    """For pdb.pm(): as an interpreter's own console does; until the session ends."""
    if state.last is None:
        state.last = {}
        for name in "last_type", "last_value", "last_traceback", "last_exc":
            if hasattr(sys, name):
                state.last[name] = getattr(sys, name)
    sys.last_type, sys.last_value, sys.last_traceback = kind, error.with_traceback(trace), trace
    if sys.version_info >= (3, 12):
        sys.last_exc = error


globals_of_ours = globals()
OPTED_OUT = {"disable_remote_debug", "disable-remote-debug"}
EVALUATE, SCRIPT, COMPLETE, STACKS, GREETING = range(5)


def serve(task, text, holds_values):
    """Does a task of enum python_task: (outcome, and the texts of enum python_text)."""
    if OPTED_OUT & set(getattr(sys, "_xoptions", ())):
        return FAILED, b"the program was started with -X disable_remote_debug: no Python console", b"", b"", b""
    if task == EVALUATE or task == SCRIPT:
        return run(text, task == SCRIPT, holds_values)
    answer = complete(text) if task == COMPLETE else stacks() if task == STACKS else greeting()
    return DONE, to_bytes(answer), b"", b"", b""


def run(source, is_script, holds_values):
    """Evaluates; (outcome, a line that says why, the traceback, the value's repr, its type)."""
    state.holds_values, state.value = holds_values, None
    try:
        if is_script:
            for code in statements(source):
                exec(code, names)
        else:
            code = compile_command(source)
            if code is None:
                return INCOMPLETE, b"", b"", b"", b""
            exec(code, names)
    except SystemExit:
        send_value()
        return LEFT, b"", b"", b"", b""
    except BaseException as error:
        send_value()
        outcome = INTERRUPTED if isinstance(error, KeyboardInterrupt) else FAILED
        return (outcome,) + failure(error) + (b"", b"")
    finally:
        sys.settrace(None)  # a debugger that steps on is not to stop in what puts the streams back
    value, state.value = state.value or (b"", b""), None
    return (DONE, b"", b"") + value


# --- Completion: what rlcompleter finds. ---

KEYWORDS = ("False None True and as assert async await break class continue def del elif else except "
            "finally for from global if import in is lambda nonlocal not or pass raise return try while "
            "with yield").split()


def members(value):
    found = set(dir(value))
    found.update(dir(type(value)))
    return found


def resolve(path):
    """The object of a dotted name. A property would run code of the program: none is asked."""
    first = path[0]
    try:
        value = names[first]
    except KeyError:
        value = getattr(builtins, first)
    for name in path[1:]:
        if isinstance(getattr(type(value), name, None), property):
            raise AttributeError(name)
        value = getattr(value, name)
    return value


def complete(word):
    """Candidates for a dotted name, a line each."""
    path = word.split(".")
    try:
        if len(path) == 1:
            found = set(KEYWORDS) | set(names) | set(dir(builtins))
            found.update(getattr(modules.get("__main__"), "__dict__", ()))
        else:
            found = members(resolve(path[:-1]))
    except Exception:
        return ""
    before, last = word[:len(word) - len(path[-1])], path[-1]
    found = sorted(name for name in found if isinstance(name, str) and name.startswith(last)
                   and (last or name[0] != "_"))
    return "".join(before + name + "\n" for name in found)


# --- The end. ---

def restore_last():
    for name in "last_type", "last_value", "last_traceback", "last_exc":
        if state.last is not None and hasattr(sys, name):
            delattr(sys, name)
    for name, value in (state.last or {}).items():
        setattr(sys, name, value)


def give_modules_back():
    """Takes away the modules that were imported for us, if nobody else has come to use one since."""
    ours = {id(modules[name]): name for name in state.borrowed if name in modules}
    users = [names] + [getattr(module, "__dict__", {}) for name, module in list(modules.items())
                       if name not in state.borrowed]
    if ours and not any(id(value) in ours for user in users for value in list(user.values())):
        for name in ours.values():
            del modules[name]


def forget_thread():
    """threading.current_thread() makes an entry for a thread it does not know."""
    threading = modules.get("threading")
    active = getattr(threading, "_active", {})
    if isinstance(active.get(ident), getattr(threading, "_DummyThread", ())):
        del active[ident]


def close():
    tees.clear()
    if teed:
        await_tees()
    end()
    for name in state.streams:
        settle(name)
    state.streams.clear()
    restore_last()
    forget_thread()
    give_modules_back()
    names.pop("_", None)
    # Functions of the user's refer to `names`; where that is all that does, nobody will miss them.
    own = [value for value in names.values()
           if getattr(value, "__globals__", None) is names and sys.getrefcount(value) <= 3]
    if sys.getrefcount(names) == 2 + len(own):
        names.clear()
