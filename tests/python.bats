# The Python console: in processes that never imported anything of ours. See payload/python.h, man/manhole-python.7.

setup() {
    load helpers
    cd "$BATS_TEST_TMPDIR"
}

teardown() {
    exec 7>&-
    end_all
}

# The program of tests/targets/NAME.py, by Debian's Python or another.
start_python() {
    start_obeying "${PYTHON:-/usr/bin/python3}" "$TOP/tests/targets/$1.py"
}

# What a client of plain text sees: its standard input is what it types.
text_client() {
    run timeout 60 nc -U "/tmp/manhole-$pid"
}

@test "a client of text sees the Python stacks, the banner and a prompt, and has Python and C" {
    start_python python_program
    run -0 "$ATTACH" --install "$pid"
    text_client <<'END'
counter
server.port + _
def twice(n):
    return 2 * n

twice(21)
1/0
.c
sym malloc
.py
print(twice(1), file=sys.stderr)
.threads
exit()
END
    assert_success
    assert_line --regexp "^######### ProcessID=$pid, ThreadID=[0-9]+, Name=worker, NativeID=[0-9]+ #########$"
    assert_line --regexp "^######### ProcessID=$pid, ThreadID=[0-9]+, Name=MainThread, NativeID=$pid #########$"
    assert_line "File: \"$TOP/tests/targets/python_program.py\", line 16, in serve"
    assert_line '  time.sleep(0.05)'
    assert_line '#############################################'
    assert_line --regexp '^Python 3\.[0-9]+\.[0-9]+.* on linux$'
    assert_line 'Type "help", "copyright", "credits" or "license" for more information.'
    assert_line '(ManholeConsole)'
    assert_line '>>> 41'
    assert_line '>>> 8121'
    assert_line '>>> ... ... >>> 42'
    assert_line '>>> Traceback (most recent call last):'
    assert_line '  File "<console>", line 1, in <module>'
    assert_line 'ZeroDivisionError: division by zero'
    assert_line --regexp "^>>> $pid:.*> malloc = 0x.* function"
    assert_line --regexp '^[0-9]+:.*> >>> 2$'
    assert_line --regexp '^ +[0-9]+ . mh-python .*\(manhole\)$'
    refute_output --partial manhole/payload
    assert_output --partial '>>> goodbye'
    tell still here
    assert_equal "$reply" 'echo still here'
}

@test "manhole-attach speaks Python where there is an interpreter: --eval, --file, standard input, JSON" {
    start_python python_program
    printf '%s\n' 'total = 0' 'for n in range(3):' '    total += n' '' 'print("total", total)' 'counter' .locals \
        'if total:' '    1/0' 'print("never")' >script.py
    run --separate-stderr -1 "$ATTACH" --eval 'server.port' --eval 'print(counter); 1/0' --eval '.c' --eval '1 ? 7 : 8' \
        --eval .py --file script.py --eval 'exit()' --eval 'print("never")' "$pid"
    assert_output $'8080\n41\n$1 = 7\ntotal 3\n41\nthere are none: they are given when the manhole is installed (--local NAME=EXPRESSION)'
    local trace=$'Traceback (most recent call last):\n  File "<console>", line'
    assert_equal "$stderr" "$trace 1, in <module>
ZeroDivisionError: division by zero
$trace 2, in <module>
ZeroDivisionError: division by zero"
    run -0 "$ATTACH" "$pid" <<<$'if counter:\n  print("yes")\nelse:\n  print("no")\n.threads\n(1 +\n1)'
    assert_line --index 0 yes
    assert_line --index -1 2
    run -1 "$ATTACH" --format json --eval '[server.port, "x"]' --eval 'print(1); missing' "$pid"
    assert_equal "$(jq -c '[.outcome, .value, .type, .number, .output, .error]' <<<"$output")" \
        '["done","[8080, '"'x'"']","list",null,"",null]
["failed",null,null,null,"1\n","NameError: name '"'missing'"' is not defined"]'
    assert_equal "$(jq -j .traceback <<<"${lines[1]}" | tail -1)" "NameError: name 'missing' is not defined"
    run -0 "$ATTACH" --lang c --eval '1 ? 7 : 8' "$pid"
    assert_output '$1 = 7'
    run -1 "$ATTACH" --read-only --eval .py "$pid"
    assert_output --partial 'Python could do anything, and this session only reads (--read-only)'
    run -2 "$ATTACH" --read-only --lang python "$pid"
    run -2 "$ATTACH" --dump --lang python "$pid"
    run -2 "$ATTACH" --lang perl "$pid"
    start poller
    run -5 "$ATTACH" --lang python --eval 1 "$pid"
    assert_output 'manhole-attach: --lang python: there is no Python interpreter in this process'
    run -0 "$ATTACH" --eval '1 ? 7 : 8' "$pid"
    assert_output '$1 = 7'
}

@test "after a session the interpreter is as it was: modules, streams, threads, names" {
    start_python python_program
    tell modules
    local before=$reply
    tell state
    local state=$reply
    run -1 "$ATTACH" --eval 'counter = 99; f = lambda: counter; x = [f]; f()' --eval '1/0' --eval 'sys.stdout' \
        --eval 'import threading; threading.current_thread().name' "$pid"
    assert_line 99
    assert_line --partial Dummy-
    tell modules
    assert_equal "$reply" "$before"
    tell state
    assert_equal "$reply" "$state"
    run -0 "$ATTACH" --uninstall "$pid"
    tell modules
    assert_equal "$reply" "$before"
    tell state
    assert_equal "$reply" "$state"
    refute grep -q 'mh-\|manhole' "/proc/$pid"/task/*/comm
    refute grep -q libmanhole "/proc/$pid/maps"
}

# --- The lock. ---

of_python() {
    grep -qx mh-python "/proc/$pid"/task/*/comm
}

@test "while C code holds the GIL there is no Python console, and it is said who holds it; C is there" {
    start_python python_gil
    run -0 "$ATTACH" --eval value "$pid"
    assert_output "'free'"
    tell hold
    wait_until 20 grep -q '^34 ' "/proc/$pid/syscall"
    run -1 "$ATTACH" --eval value --eval '.call getpid' "$pid"
    assert_line --regexp "value: Python's lock \(the GIL\) was not to be had within 2\.000 seconds: thread $pid \(python3\) holds it, and is in pause\("
    assert_line --partial "= $pid "
    text_client <<<quit
    assert_line "no Python console: Python's lock (the GIL) was not to be had within 2.000 seconds"
    assert_line --regexp "in process $pid \(python3\); 'help' lists the commands"
    run -6 "$ATTACH" --uninstall "$pid"
    assert_output --regexp "thread [0-9]+ waits for Python's lock \(the GIL\)"
    kill -USR1 "$pid"
    wait_until 20 grep -q "^released \['MainThread', 'ticker'\]" "$out"
    # Whoever waited for nothing has given it back at once.
    wait_until 20 not of_python
    run -0 "$ATTACH" --eval value "$pid"
    assert_output "'free'"
    run -0 "$ATTACH" --uninstall "$pid"
}

not() {
    ! "$@"
}

@test "an endless loop is interrupted when its client leaves, and what cannot be interrupted is left alone" {
    start_python python_gil
    run -0 "$ATTACH" --install "$pid"
    "$ATTACH" --eval 'while True: pass' "$pid" >loop.out 2>&1 3>&- &
    local client=$!
    wait_until 20 of_python
    wait_until 20 grep -q 'mh<' "/proc/$pid"/task/*/comm
    kill -KILL "$client"
    wait "$client" || true
    wait_until 20 not of_python
    # In a system call that the interpreter begins again: until that ends, C is there, and Python says why it is not.
    mkfifo "$BATS_TEST_TMPDIR/pipe"
    "$ATTACH" --eval "open('$BATS_TEST_TMPDIR/pipe').read()" "$pid" >pipe.out 2>&1 3>&- &
    client=$!
    wait_until 20 of_python
    exec 8>"$BATS_TEST_TMPDIR/pipe"
    kill -KILL "$client"
    wait "$client" || true
    local answer
    wait_until 20 client_is_served
    run -1 "$ATTACH" --eval value --eval '.call getpid' "$pid"
    assert_line --regexp 'value: what ran in Python before has not ended yet \(thread [0-9]+\)'
    assert_line --partial "= $pid "
    exec 8>&-
    wait_until 20 not of_python
    run -0 "$ATTACH" --eval value "$pid"
    assert_output "'free'"
    run -0 "$ATTACH" --uninstall "$pid"
}

client_is_served() {
    "$ATTACH" --lang c --eval '.call getpid' "$pid" >/dev/null 2>&1
}

# --- Forks. ---

@test "a child has a Python console of its own, though its parent's session was open; code that forks ends in the child" {
    start_python python_gil
    run -0 "$ATTACH" --install "$pid"
    mkfifo typed
    nc -U "/tmp/manhole-$pid" <typed >session.out 3>&- &
    started+=($!)
    exec 8>typed
    echo 'import os; r = os.fork() or os._exit(3); os.waitpid(r, 0)[1] >> 8' >&8
    wait_until 20 grep -q '^>>> 3$' session.out
    # One after the other: what both print at once comes in pieces.
    echo 'r = os.fork(); s = r and os.waitpid(r, 0)[1]; print("here", r != 0, s)' >&8
    wait_until 20 grep -q 'here True 0' session.out
    grep -q 'here False 0' session.out
    tell fork
    local child=${reply#child }
    started+=("$child")
    wait_until 20 test -S "/tmp/manhole-$child"
    run -0 "$ATTACH" --eval value --eval 'sys.stdout is sys.__stdout__' --eval 'len(sys._current_frames())' "$child"
    assert_line --index 0 "'of the child'"
    run -0 "$ATTACH" --uninstall "$child"
    echo 'value' >&8
    wait_until 20 grep -q "'free'" session.out
    exec 8>&-
}

# --- Where it is found, and where not. ---

@test "an interpreter in a C program is found though its library is local; one that was not started is none" {
    start python_host
    run -0 "$ATTACH" --eval value --eval 'sys.version_info[:2]' "$pid"
    assert_output $'\'embedded\'\n(3, 11)'
    run -0 "$ATTACH" --uninstall "$pid"
    start python_host off
    run -5 "$ATTACH" --lang python --eval value "$pid"
    assert_output --partial 'the Python interpreter of this process is not running'
}

@test "a program that wants no remote debugger gets none: by its environment, by -X" {
    PYTHON_DISABLE_REMOTE_DEBUG=1 start_python python_program
    run -5 "$ATTACH" --lang python --eval 1+1 "$pid"
    assert_output --partial 'PYTHON_DISABLE_REMOTE_DEBUG: no Python console'
    run -0 "$ATTACH" --eval '.call getpid' "$pid"
    text_client <<<quit
    assert_line --partial 'no Python console: the program was started with PYTHON_DISABLE_REMOTE_DEBUG'
    end_all
    start_obeying /usr/bin/python3 -X disable_remote_debug "$TOP/tests/targets/python_program.py"
    run -1 "$ATTACH" --eval 1+1 "$pid"
    assert_output --partial 'started with -X disable_remote_debug: no Python console'
}

# --- Streams. ---

@test "the streams are the session's thread's alone, what is printed comes at once, and no object stays" {
    start_obeying sh -c "exec /usr/bin/python3 '$TOP/tests/targets/python_prints.py' 2>'$BATS_TEST_TMPDIR/log'"
    run -0 "$ATTACH" --install "$pid"
    # Once: what the interpreter itself keeps of the first time.
    a_session
    local before
    before=$(objects)
    mkfifo typed
    nc -U "/tmp/manhole-$pid" <typed >session.out 3>&- &
    local client=$!
    started+=("$client")
    exec 8>typed
    # It prints, and goes on only when that was seen.
    echo 'import time, os; print("first", end=""); print("second", file=sys.stderr)
while not os.path.exists("'"$PWD"'/go"): time.sleep(0.01)

f = lambda: [kept, f]
x = [f, f()]; os.write(1, b"direct\n"); print("a\x1bb", len("\udc80"))
raise ValueError("\x1b[31m")
exit()' >&8
    wait_until 20 grep -q 'firstsecond' session.out
    touch go
    wait "$client"
    exec 8>&-
    refute grep -q '^log [0-9]\|^direct' session.out
    grep -q 'ValueError: \\x1b\[31m' session.out
    grep -q '^direct$' "$out"
    a_session
    a_session
    # One or two more are those of a moment; three would be one a session.
    assert [ $(($(objects) - before)) -lt 3 ]
    tell objects
    assert_equal "${reply##* }" 2
    # Each line of the log, in order.
    awk '$1 != "log" || $2 != NR { exit 1 }' log
    assert [ "$(wc -l <log)" -gt 10 ]
    run -0 "$ATTACH" --uninstall "$pid"
}

@test "what another thread writes to stderr while a traceback of the session is made is not lost" {
    start_obeying sh -c "exec /usr/bin/python3 '$TOP/tests/targets/python_prints.py' 2>'$BATS_TEST_TMPDIR/log'"
    run -0 "$ATTACH" --install "$pid"
    # Tracebacks whose lines are read from files: each read lets the other thread run.
    text_client < <(echo 'import json' && yes 'json.loads("")' | head -200 && echo 'exit()')
    assert_equal "$(grep -c '^json.decoder.JSONDecodeError' <<<"$output")" 200
    refute_line --regexp '^log [0-9]'
    awk '$1 != "log" || $2 != NR { exit 1 }' log
    assert [ "$(wc -l <log)" -gt 10 ]
}

a_session() {
    run -1 "$ATTACH" --eval '1/0' --eval 'f = lambda: [kept, f]; x = [f()]; x' "$pid"
    wait_until 20 not of_python
}

objects() {
    tell objects
    echo "$reply" | cut -d ' ' -f 2
}

@test "a client that reads nothing keeps neither the lock nor the program waiting" {
    start_python python_gil
    run -0 "$ATTACH" --install "$pid"
    mkfifo typed
    # It types, and never reads.
    /usr/bin/python3 -c 'import socket, sys, time
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(b"while True: print(\"x\" * 1000)\n\n")
time.sleep(1000)' "/tmp/manhole-$pid" 3>&- &
    local client=$!
    started+=("$client")
    # Its thread waits for room, without the lock: the program forks, and what it does for that needs the lock.
    wait_until 20 of_python
    wait_until 20 waits_for_room
    tell fork
    started+=("${reply#child }")
    assert_regex "$reply" '^child [0-9]+$'
    end "$client"
    wait_until 20 not of_python
    run -0 "$ATTACH" --eval value "$pid"
    assert_output "'free'"
}

# The thread of Python is in write(2).
waits_for_room() {
    local task
    for task in "/proc/$pid"/task/*; do
        [[ $(cat "$task/comm") == mh-python && $(cat "$task/syscall") == '1 '* ]] && return
    done
    return 1
}

# --- Input. ---

@test "what the session reads is the client's next line, to the end of input; pdb works so, and the program's input is its own" {
    start_python python_program
    run -0 "$ATTACH" --install "$pid"
    run -0 timeout 60 socat -t 20 - "UNIX-CONNECT:/tmp/manhole-$pid" < <(
        cat <<'END'
name = input("name? ")
Gröte
name
sys.stdin.readline(3), sys.stdin.readline(), sys.stdin.readlines is not None
abcdef
import pdb
def f(n):
    m = n * 2
    return 1 / (m - 4)

f(2)
pdb.post_mortem(sys.last_traceback)
p n, m
q
def g(n):
    pdb.set_trace()
    return n + 1

g(41)
p "n", n
c
sum(len(sys.stdin.readline()) for _ in range(8000))
END
        # Much more than is kept of what the client sends, while one statement reads it.
        yes 'a line of 23 characters' | head -n 8000
        echo 'len(input()), "long"'
        printf '%0300000d\n' 0
        printf '%s\n' '[line for line in sys.stdin], input()' one two
    )
    assert_line ">>> name? >>> 'Gröte'"
    assert_line ">>> ('abc', 'def\n', True)"
    assert_line '(Pdb) (2, 4)'
    assert_line "(Pdb) ('n', 41)"
    assert_line '(Pdb) 42'
    assert_line ">>> (300000, 'long')"
    assert_line '>>> 192000'
    assert_line 'EOFError: EOF when reading a line'
    tell still here
    assert_equal "$reply" 'echo still here'
    # A script has nothing to read from.
    run -1 "$ATTACH" --eval 'sys.stdin.read()' --eval 'input("? ")' "$pid" <<<'a line'
    assert_line "''"
    assert_line 'EOFError: EOF when reading a line'
    # Who is gone does not keep the code waiting.
    /usr/bin/python3 -c '
import socket, sys
client, got = socket.socket(socket.AF_UNIX), b""
client.connect(sys.argv[1])
client.sendall(b"while True: name = input(\"name? \")\n\n")
while b"name? " not in got:
    got += client.recv(4096)' "/tmp/manhole-$pid"
    wait_until 20 not of_python
    run -0 "$ATTACH" --uninstall "$pid"
}

@test "at the terminal what a command reads is typed behind what it shows; Ctrl-C interrupts it, Ctrl-D ends the input" {
    start_python python_program
    at_terminal <<'END'
expect(r"python3>>> ")
type("name = input('na' + 'me? ')\r"); expect(r"name\? "); type("Gr\u00f6tx\x7fe\r"); expect(">>> ")
type("name\r"); expect("'Gr\u00f6te'"); expect(">>> ")
type("input('whi' + 'ch? ')\r"); expect(r"which\? "); type("\x04"); expect("EOFError"); expect(">>> ")
type("input('whi' + 'ch? ')\r"); expect(r"which\? "); type("\x03"); expect("KeyboardInterrupt"); expect(">>> ")
type("import pdb\r"); expect(">>> ")
type("def f(n): return 1 / n\r"); expect(r"\.\.\. "); type("\r"); expect(">>> ")
type("f(0)\r"); expect("ZeroDivisionError"); expect(">>> ")
type("pdb.post_mortem(sys.last_traceback)\r"); expect(r"\(Pdb\) "); type("p 'n', n\r"); expect(r"\('n', 0\)"); expect(r"\(Pdb\) ")
type("\x03"); expect("--KeyboardInterrupt--"); expect(r"\(Pdb\) ")
type("p 'n', n\r"); expect(r"\('n', 0\)"); expect(r"\(Pdb\) "); type("q\r"); expect(">>> ")
type("6 * 7\r"); expect(r"42\s"); expect(">>> ")
type("exit()\r"); expect("left: process")
END
}

# at_terminal: a script of tests/tools/terminal.py types at a console for $pid.
at_terminal() {
    run -0 env PYTHONPATH="$TOP/tests/tools" PYTHONDONTWRITEBYTECODE=1 timeout 60 /usr/bin/python3 - "$ATTACH" "$pid" \
        < <(echo 'from terminal import *; run(sys.argv[1:])' && cat)
}

@test "at the terminal: a prompt, lines that go on, TAB, Ctrl-C, and both consoles" {
    start_python python_program
    at_terminal <<'END'
expect(r"Name=worker"); expect(r"\(ManholeConsole\)"); expect(r"\d+:python3>>> ")
type("server.po\t"); expect("server.port"); type("\r"); expect(r"8080\s"); expect(">>> ")
type("def f(n):\r"); expect(r"\.\.\. "); type("    return n\r"); expect(r"\.\.\. "); type("\r"); expect(">>> ")
type("f(7) * 6\r"); expect(r"42\s"); expect(">>> ")
type("print('go' + 'ing'); sum(0 for _ in iter(int, 1))\r"); expect(r"going\s")
type("\x03"); expect("KeyboardInterrupt"); expect(">>> ")
type(".c\r"); expect(r"python3> "); type("1 ? 7 : 8\r"); expect(r"\$1 = 7"); expect("> ")
type(".py\r"); expect(">>> "); type("f(3)\r"); expect(r"3\s"); expect(">>> ")
type("exit()\r"); expect("left: process")
END
}

@test "Ctrl-C does not reach a call that sleeps; a second one leaves at once, and the program goes on" {
    start_python python_program
    at_terminal <<'END'
expect(r"python3>>> ")
type("import time; print('sle' + 'eping'); time.sleep(1000)\r"); expect(r"sleeping\s")
type("\x03"); expect(r"\^C\r\n")
type("\x03"); expect("the command was given up; left: process")
assert "once more" not in shown()
assert ended() == 7
END
    tell still here
    assert_equal "$reply" 'echo still here'
    wait_until 20 client_is_served
}

@test "exec answers lines of Python in blocks, after .py" {
    start_python python_program
    run -0 "$ATTACH" --install --connection-handler exec "$pid"
    text_client <<<$'sym nothing_of_this_name\n.py\nprint(counter)\nn = 2; n * 21\n1/0\nexit()'
    assert_line --index 0 --regexp '^failed [0-9]+$'
    assert_line --partial 'output 3'
    assert_line 42
    assert_line --partial 'failed 35'
    assert_line --partial 'ZeroDivisionError: division by zero'
    assert_output --partial 'bye'
}
