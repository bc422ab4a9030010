# Real Python programs, which never imported anything of a manhole's: each is looked at, used and left, and goes on
# unharmed, by its own checks and counters.

setup() {
    load helpers
    PYTHON=/usr/bin/python3
    PROGRAMS=$TOP/tests/targets
}

teardown() {
    exec 7>&- 8>&-
    end "${children[@]}"
    end_all
    rm -f "/tmp/manhole-$pid" "${children[@]/#//tmp/manhole-}"
}

# start_python PROGRAM [ARGUMENTS...]: tests/targets/PROGRAM.py, which obeys what `tell` says (python_census.py).
start_python() {
    start_obeying "$PYTHON" "$PROGRAMS/$1.py" "${@:2}"
}

# python CODE...: evaluates each in one session with $pid; sets $output.
python() {
    local codes=() code
    for code in "$@"; do
        codes+=(--eval "$code")
    done
    run timeout 120 "$ATTACH" "${codes[@]}" "$pid"
}

# answers WORD ANSWER: what the program itself says.
answers() {
    tell "$1"
    assert_equal "$reply" "${1%% *} $2"
}

# For a session: goes_on(f): what f() gives grows, within 20 seconds.
goes_on='def goes_on(f, time=sys.modules["time"]):
    before = f()
    return any(f() > before or time.sleep(0.01) for _ in range(2000))
'

# leave: takes the manhole away; no thread of it is left, and nothing mapped.
leave() {
    run -0 timeout 120 "$ATTACH" --uninstall --timeout 60 "$pid"
    refute grep -q 'mh-\|manhole' "/proc/$pid"/task/*/comm
    refute grep -q libmanhole "/proc/$pid/maps"
}

# shows FUNCTION FILE...: a dump has these Python frames, one at least for each pair.
shows() {
    run -0 "$ATTACH" --dump --max-pause 10000 "$pid"
    while (($#)); do
        assert_line --regexp "^ *#[0-9]+ +([A-Za-z]+\.)*$1 at .*$2:[0-9]+ \[python\]$"
        shift 2
    done
}

# is_in CALL: the main thread is in this system call, or in none (running).
is_in() {
    [[ $(cat "/proc/$pid/syscall") == "$1"* ]]
}

# --- Programs that wait, and have work to do. ---

@test "asyncio: a server and its clients go on while the console evaluates, in its thread and in the loop" {
    start_python python_asyncio "$BATS_TEST_TMPDIR/socket"
    answers health 'answers 5 clients 0 wrong'
    shows '<module>' python_asyncio.py run_forever base_events.py
    tell stood_still
    python "$goes_on" 'sorted(task.get_name() for task in asyncio.all_tasks(loop))[-2:]' 'goes_on(lambda: answers)' \
        'asyncio.run_coroutine_threadsafe(asyncio.sleep(0, "in the loop"), loop).result(20)' \
        '__main__.greeting = b"changed"' 'goes_on(lambda: answers), wrong'
    assert_success
    assert_output "['client 3', 'client 4']
True
'in the loop'
(True, 0)"
    leave
    answers health 'answers 5 clients 0 wrong'
    tell stood_still
    ((${reply#stood_still } < 2000)) || fail "$reply ms"
}

@test "threads: the console has values of its own, takes the program's locks, and starts threads" {
    start_python python_threads
    tell keep
    shows work python_threads.py
    python "$goes_on" 'hasattr(local, "number")' 'local.number = -1' 'with lock: before = sum(counts)' \
        'goes_on(lambda: sum(counts))' '__main__.step = 2' 'seen = []' \
        'thread = threading.Thread(target=lambda: seen.append(threading.current_thread() is thread)); thread.start(); thread.join(20)' \
        'seen, local.number'
    assert_success
    assert_output $'False\nTrue\n([True], -1)'
    leave
    answers health works
    answers compare nothing
}

@test "what a program has replaced stays so, works, and never sees a manhole: streams, hooks, tracing and profiling" {
    start_python python_threads replaced
    tell written
    local before=${reply#written }
    tell keep
    python 'print("mine")' '42' 'sys.gettrace(), sys.getprofile()' 'print("err", file=sys.stderr)' \
        'thread = threading.Thread(target=lambda: 1/0); thread.start(); thread.join(20); raised'
    assert_success
    assert_output $'mine\n42\n(None, None)\nerr\n[\'ZeroDivisionError\']'
    python 1/0
    assert_failure 1
    leave
    answers health 'works ZeroDivisionError'
    answers compare nothing
    # What the program itself said since then, four answers of four pieces each.
    answers written $((before + 16))
}

@test "rounds of look, attach, use and leave on a program whose threads and garbage come and go" {
    local round rounds after
    rounds=$(scaled 50)
    start_python python_threads churn
    tell keep
    for ((round = 0; round < rounds; round++)); do
        shows work python_threads.py
        python 'before = born; time.sleep(0.02); [value for value in (born > before, step)]' '1/0' 'kept = [bytearray(1 << 20)]; kept.append(kept)'
        assert_failure 1
        assert_output --partial ZeroDivisionError
        leave
        if ((round == 0)); then
            tell resident
            after=${reply#resident }
        fi
    done
    answers health works
    answers compare nothing
    tell resident
    ((${reply#resident } < after + 3000)) || fail "$after, then $reply kB"
}

# --- Programs of several processes. ---

@test "multiprocessing by fork: a parent and its worker are used, and a worker born meanwhile has a manhole of its own" {
    local parent
    start_python python_processes fork
    parent=$pid
    tell more
    children=("${reply#more }")
    answers 'ask 3' '2'
    pid=${children[0]}
    shows work python_processes.py
    python '__main__.factor = 3' 'sys.modules["multiprocessing"].current_process().name'
    assert_output "'ForkProcess-1'"
    leave
    pid=$parent
    answers 'ask 3' '3'
    python 'len(workers)'
    assert_output 1
    tell more
    children+=("${reply#more }")
    pid=${children[1]}
    wait_until 30 test -S "/tmp/manhole-$pid"
    python '__main__.factor = 5'
    assert_success
    leave
    pid=$parent
    leave
    answers 'ask 3' '3 5'
}

@test "multiprocessing by spawn: a parent and its worker are used, and a worker born meanwhile has nothing of it" {
    local parent
    start_python python_processes spawn
    parent=$pid
    tell more
    children=("${reply#more }")
    answers 'ask 3' '2'
    pid=${children[0]}
    python '__main__.work.__globals__["factor"] = 3'
    assert_success
    leave
    pid=$parent
    python 'len(workers)'
    assert_output 1
    tell more
    children+=("${reply#more }")
    answers 'ask 3' '3 2'
    refute grep -q libmanhole "/proc/${children[1]}/maps"
    leave
    answers 'ask 3' '3 2'
}

# web KIND: under load, it is attached to, used and left, and no request fails.
web() {
    local round load good
    start_python python_http "$1" "$BATS_TEST_TMPDIR/socket"
    mkfifo "$BATS_TEST_TMPDIR/end"
    "$PYTHON" "$TOP/tests/tools/http_load.py" "$BATS_TEST_TMPDIR/socket" 3 <"$BATS_TEST_TMPDIR/end" >"$BATS_TEST_TMPDIR/load" 2>&1 3>&- 7>&- 8>&- &
    load=$!
    started+=("$load")
    exec 8>"$BATS_TEST_TMPDIR/end"
    wait_until 60 grep -qs '^loading' "$BATS_TEST_TMPDIR/load"
    for ((round = 0; round < $(scaled 20); round++)); do
        shows serve_forever socketserver.py
        python "$goes_on" 'goes_on(lambda: requests)' '__main__.prefix = "changed "'
        assert_output True
        leave
    done
    exec 8>&-
    wait "$load"
    run -0 cat "$BATS_TEST_TMPDIR/load"
    assert_line --regexp '^good [0-9]+ bad 0 \{\}$'
    good=$(sed -nE 's/^good ([0-9]+) .*/\1/p' <<<"$output")
    assert [ "$good" -gt 20 ]
    answers health served
}

@test "http.server under load: no request fails" {
    web http
}

@test "Flask under load: no request fails" {
    web flask
}

# --- Who does not give the GIL. ---

@test "a regular expression that never ends, and an endless loop of the only thread: said, or spoken to, and both go on" {
    start_python python_relentless
    tell_only search
    wait_until 20 is_in running
    shows search python_relentless.py match re/__init__.py
    run timeout 60 "$ATTACH" --lang python --eval '1 + 1' "$pid"
    assert_failure 1
    assert_output --partial 'was not to be had within'
    kill -INT "$pid"
    wait_until 20 grep -q '^search ended' "$out"
    tell_only loop
    wait_until 20 is_in running
    shows loop python_relentless.py
    python 'value' '__main__.value = 7' 'sum(range(10**6))'
    assert_success
    assert_output $'1\n499999500000'
    leave
    kill -INT "$pid"
    wait_until 20 grep -q '^loop ended' "$out"
    python value
    assert_output 7
}

# --- Interpreters that are not the program, or not alone. ---

@test "a C program that loads Python privately, ends it and begins it again: the console follows, even in one session" {
    start_obeying "$TARGETS/embeds_python"
    run timeout 60 "$ATTACH" --lang python --eval 1 "$pid"
    assert_failure 5
    assert_output --partial 'there is no Python interpreter in this process'
    tell begin
    python 'value' '__main__.value = 43' 'threading.current_thread().name[:5]'
    assert_output $'41\n\'Dummy\''
    shows_nothing_else
    # A session stays while the interpreter goes, and another comes.
    mkfifo "$BATS_TEST_TMPDIR/in"
    nc -U "/tmp/manhole-$pid" <"$BATS_TEST_TMPDIR/in" >"$BATS_TEST_TMPDIR/session" 3>&- 7>&- 8>&- &
    started+=($!)
    exec 8>"$BATS_TEST_TMPDIR/in"
    echo 'value + 1000' >&8
    wait_until 20 grep -qs '>>> 1043' "$BATS_TEST_TMPDIR/session"
    tell end
    echo 'value + 2000' >&8
    wait_until 20 grep -qs 'ended\|not running' "$BATS_TEST_TMPDIR/session"
    wait_until 20 grep -qs "$pid:embeds_python> " "$BATS_TEST_TMPDIR/session"
    tell begin
    echo .py >&8
    echo 'value + 3000' >&8
    wait_until 20 grep -qs '3041\|ended' "$BATS_TEST_TMPDIR/session"
    echo 'exit()' >&8
    exec 8>&-
    wait_until 20 leaves
    python value
    assert_output 41
    # A host that keeps the GIL wherever it is.
    tell take
    run timeout 60 "$ATTACH" --eval '1 + 1' "$pid"
    assert_output --partial 'was not to be had within'
    tell give
    python value
    assert_output 42
    leave
}
shows_nothing_else() {
    run -0 "$ATTACH" --dump "$pid"
    refute_output --partial '[python]'
}
leaves() {
    run timeout 30 "$ATTACH" --eval 1 "$pid"
    ((status == 0))
}

@test "subinterpreters are listed, and go on" {
    start_python python_subinterpreters
    run -0 "$ATTACH" --install "$pid"
    run timeout 60 nc -U "/tmp/manhole-$pid" <<<$'where\nexit()'
    assert_line 'One of 3 interpreters in this process: the main one.'
    assert_line ">>> 'the main one'"
    leave
    answers health runs
}

# --- The end. ---

@test "a program that ends while clients are connected ends as it would, with its status, and says nothing of a fatal error" {
    local how status
    for how in idle asleep; do
        start_python python_helper
        run -0 "$ATTACH" --install --daemon-connection "$pid"
        rm -f "$BATS_TEST_TMPDIR/in"
        mkfifo "$BATS_TEST_TMPDIR/in"
        nc -U "/tmp/manhole-$pid" <"$BATS_TEST_TMPDIR/in" >"$BATS_TEST_TMPDIR/session" 3>&- 7>&- 8>&- &
        started+=($!)
        exec 8>"$BATS_TEST_TMPDIR/in"
        [[ $how == idle ]] && echo 'print("beg" + "un")' >&8
        [[ $how == asleep ]] && echo 'print("beg" + "un"); time = __import__("time"); [time.sleep(0.001) for _ in range(10 ** 6)]' >&8
        wait_until 20 grep -qs begun "$BATS_TEST_TMPDIR/session"
        tell_only leave 3
        wait_until 30 is_gone
        status=0
        wait "$pid" || status=$?
        assert_equal "$status" 3
        assert_equal "$(cat "$out")" ready
        exec 7>&- 8>&-
    done
}
is_gone() {
    ! alive "$pid"
}

# --- Nothing stays. ---

@test "after sessions of all kinds nothing is left in the interpreter: Debian's, and its debug build" {
    for PYTHON in /usr/bin/python3 /usr/bin/python3.11d; do
        start_python python_helper
        tell keep
        python '1/0' 'class Kept: pass' 'kept = [Kept()]; kept.append(kept)' 'def f(): return kept' 'f() is kept' \
            'dump_stacktraces()' 'threading.current_thread()' 'threading.local().x = 1' 'generator = (n for n in [1]); next(generator)' \
            'sys.stdout.write("")' 'import traceback_that_is_not' 'lambda: kept' 'raise KeyboardInterrupt'
        assert_failure 1
        run -0 timeout 60 nc -U "/tmp/manhole-$pid" <<<$'def twice(n):\n  return n * 2\n\ntwice(21)\n"open\n_\nexit()'
        assert_line --partial 42
        leave
        answers health 'works well'
        answers compare nothing
        exec 7>&-
        end_all
    done
}
