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
    printf '%s\n' 'total = 0' 'for n in range(3):' '    total += n' '' 'print("total", total)' 'counter' >script.py
    run --separate-stderr -1 "$ATTACH" --eval 'server.port' --eval 'print(counter); 1/0' --eval '.c' --eval '1 ? 7 : 8' \
        --eval .py --file script.py --eval 'exit()' --eval 'print("never")' "$pid"
    assert_output $'8080\n41\n$1 = 7\ntotal 3\n41'
    assert_equal "$stderr" $'Traceback (most recent call last):\n  File "<console>", line 1, in <module>\nZeroDivisionError: division by zero'
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
