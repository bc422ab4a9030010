# What a dump does to the process it looks at: nothing that anybody could notice.

setup() {
    load helpers
}

teardown() {
    end_all
}

# dump [OPTIONS] PID: a dump in JSON into $report. Exit status 1, "done in part", is for others to judge.
dump() {
    local status=0
    "$ATTACH" --dump --format json "$@" >"$BATS_TEST_TMPDIR/report" 2>"$BATS_TEST_TMPDIR/errors" || status=$?
    if ((status > 1)); then
        cat "$BATS_TEST_TMPDIR/errors"
        return "$status"
    fi
}

# report EXPRESSION: prints it, evaluated by Python with d = the last dump, t = its threads.
report() {
    python3 -c "import json, sys
d = json.load(open(sys.argv[1])); t = d['threads']
print(($1))" "$BATS_TEST_TMPDIR/report"
}

# states PID: the state letters of all threads, sorted, as one word.
states() {
    sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' /proc/"$1"/task/*/status 2>/dev/null | sort | tr -d '\n'
}

# child_of NAME: the pid that a target printed as "child PID".
child_of() {
    sed -n 's/^child //p' "$BATS_TEST_TMPDIR/$1.out"
}

# No thread of PID is traced, and none stands in a tracing stop.
is_free() {
    ! grep -hs '^TracerPid:' /proc/"$1"/task/*/status | grep -qv '[[:space:]]0$' && [[ $(states "$1") != *t* ]]
}

# ticks PID: processor time used, to see that it goes on.
ticks() {
    sed 's/.*) //' "/proc/$1/stat" | cut -d' ' -f12
}

has_run_since() {
    (($(ticks "$1") > $2))
}

@test "a dump of a process whose threads are all blocked makes no ptrace call and starts no helper" {
    start sleepers_and_spinners 20 0
    run -0 strace -f -o "$BATS_TEST_TMPDIR/trace" -e trace=ptrace,fork,vfork,clone,clone3 \
        "$ATTACH" --dump --format json "$pid"
    run grep -c -E 'ptrace\(|fork\(|clone' "$BATS_TEST_TMPDIR/trace"
    assert_output 0
    dump "$pid"
    assert_equal "$(report "sorted({x['how'] for x in t})")" "['blocked']"
    assert_equal "$(report "len(t), d['threads_paused'], d['pause_us']")" "(21, 0, 0)"
}

@test "only the threads that run are stopped" {
    start sleepers_and_spinners 30 2
    dump --max-pause 5000 "$pid" # on a busy machine threads that compute take their time to stop
    assert_equal "$(report "sum(x['how'] == 'blocked' for x in t)")" 31
    assert_equal "$(report "sum(x['how'] == 'frozen' for x in t)")" 2
    assert_equal "$(report "d['threads_paused']")" 2
    is_free "$pid"
}

@test "a helper that a busy machine lets begin late is waited for" {
    start sleepers_and_spinners 1 1
    ASAN_OPTIONS=detect_leaks=0 run -0 strace -f -o /dev/null -e trace=ptrace \
        -e inject=ptrace:delay_enter=1500000:when=1 "$ATTACH" --dump --max-pause 10000 --format json "$pid"
    assert_equal "$(jq -c '[.threads[].how] | sort' <<<"$output")" '["blocked","blocked","frozen"]'
}

@test "with --freeze every thread is stopped, and every one runs again" {
    start sleepers_and_spinners 100 1
    dump --freeze --max-pause 2000 "$pid"
    assert_equal "$(report "sum(x['how'] == 'frozen' for x in t)")" 102
    assert_equal "$(report "d['threads_paused']")" 102
    is_free "$pid"
    wait_until 20 has_run_since "$pid" "$(ticks "$pid")"
}

@test "stacks that were copied whole while they stood are not said to be newer" {
    # Its functions have personality routines, whose addresses stand in memory that may be written.
    start cxx_workers
    run -0 "$ATTACH" --dump --freeze --max-pause 5000 "$pid"
    refute_output --partial 'after the thread went on'
    assert_line --regexp '^paused [1-9][0-9]* of '
}

@test "no blocking call returns because of dumps or freezes" {
    start blocking_calls
    for round in {1..10}; do
        dump "$pid"
        dump --freeze "$pid"
        dump --freeze --max-pause 1 "$pid"
    done
    # All threads have run and blocked again, or still hold what disturbed them.
    is_free "$pid"
    wait_until 20 only_sleeps "$pid"
    run grep '^returned' "$BATS_TEST_TMPDIR/blocking_calls.out"
    assert_failure 1
}

only_sleeps() {
    [[ $(states "$1") =~ ^S+$ ]]
}

@test "the test of blocking calls would notice a tool that disturbs them" {
    start blocking_calls
    for tid in /proc/"$pid"/task/*; do
        kill -STOP "$pid"
        kill -CONT "$pid"
    done
    wait_until 20 grep -q '^returned epoll_wait:' "$BATS_TEST_TMPDIR/blocking_calls.out"
}

@test "a stopped process stays stopped and goes on when it is continued" {
    start sleepers_and_spinners 3 1
    kill -STOP "$pid"
    wait_until 20 eval '[[ $(states $pid) == TTTTT ]]'
    dump "$pid"
    assert_equal "$(report "sorted({x['how'] for x in t})")" "['blocked']"
    assert_equal "$(states "$pid")" TTTTT
    dump --freeze "$pid"
    assert_equal "$(report "{x['how'] for x in t} <= {'frozen', 'blocked'}")" True
    wait_until 20 eval '[[ $(states $pid) == TTTTT ]]'
    is_free "$pid"
    local before
    before=$(ticks "$pid")
    kill -CONT "$pid"
    wait_until 20 has_run_since "$pid" "$before"
}

@test "the parent of a process sees no stop and no continuation" {
    start watchful_parent
    local child
    child=$(child_of watchful_parent)
    for round in {1..5}; do
        dump "$child"
        dump --freeze "$child"
    done
    # The proof that it watches: a real stop is the first news it gets.
    kill -STOP "$child"
    wait_until 20 grep -qv -e '^child' -e '^ready' "$BATS_TEST_TMPDIR/watchful_parent.out"
    run grep -v -e '^child' -e '^ready' "$BATS_TEST_TMPDIR/watchful_parent.out"
    assert_output stopped
}

@test "a parent in vfork is shown and not waited for" {
    start vfork_parent
    wait_until 20 eval '[[ $(states $pid) == D ]]'
    for option in "" --freeze; do
        SECONDS=0
        dump $option "$pid"
        ((SECONDS < 5))
        assert_equal "$(report "[x['how'] for x in t], [x['state'] for x in t]")" "(['blocked'], ['D'])"
        assert_equal "$(states "$pid")" D
        is_free "$pid"
    done
}

@test "a process lives on in its threads after the main one has ended" {
    start zombie_leader
    dump "$pid"
    assert_equal "$(report "[(x['state'], x['how']) for x in t]")" "[('Z', 'unreadable'), ('S', 'blocked')]"
    dump --freeze --max-pause 5000 "$pid"
    assert_equal "$(report "[(x['state'], x['how']) for x in t]")" "[('Z', 'unreadable'), ('S', 'frozen')]"
}

@test "a process under another tracer is dumped, and its running threads say who that is" {
    start sleepers_and_spinners 3 1
    strace -f -o /dev/null -p "$pid" 2>"$BATS_TEST_TMPDIR/strace.err" 3>&- &
    started+=("$!")
    local tracer=$!
    wait_until 20 grep -q "with 5 threads" "$BATS_TEST_TMPDIR/strace.err"
    dump "$pid"
    assert_equal "$(report "sum(x['how'] == 'blocked' for x in t)")" 4
    assert_equal "$(report "sum(x['how'] in ('racy', 'unreadable') for x in t)")" 1
    grep -q "process $tracer (strace)" "$BATS_TEST_TMPDIR/report"
    dump --freeze "$pid"
    assert_equal "$(report "sum(x['how'] == 'blocked' for x in t)")" 4
}

@test "threads that come and go do not make a dump fail" {
    start thread_churn
    for round in $(seq "$(scaled 40)"); do
        dump "$pid"
        dump --freeze "$pid"
        assert_equal "$(report "$pid in [x['tid'] for x in t]")" True
    done
    wait_until 20 is_free "$pid"
    alive "$pid"
}

@test "signals that arrive during many freezes are all delivered" {
    start signal_counter
    for round in $(seq "$(scaled 200)"); do
        dump --freeze "$pid"
    done
    kill -USR2 "$(child_of signal_counter)"
    wait_until 60 grep -q '^sent' "$BATS_TEST_TMPDIR/signal_counter.out"
    run sed -n 's/^sent \([0-9]*\), received \1$/equal/p' "$BATS_TEST_TMPDIR/signal_counter.out"
    assert_output equal
}

@test "the pause is bounded by --max-pause" {
    start sleepers_and_spinners 400 1
    dump --freeze --max-pause 1 "$pid"
    # 1 ms, our own overrun until the helper is killed, and a slow machine.
    (($(report "d['pause_us']") < 15000))
    wait_until 20 is_free "$pid"
    wait_until 20 has_run_since "$pid" "$(ticks "$pid")"
}

@test "whoever kills the tool in the middle of a freeze leaves a process that runs" {
    start sleepers_and_spinners 5 1
    local call before
    before=$(ticks "$pid")
    # Each of the calls by which the helper moves threads, then samples of all calls of the tool.
    for call in $(seq 1 6 40); do
        strace -f -o /dev/null -e trace=ptrace,wait4 -e inject=ptrace:signal=SIGKILL:when="$call" \
            "$ATTACH" --dump --freeze "$pid" >/dev/null 2>&1 || true
        wait_until 20 is_free "$pid"
    done
    for call in $(seq 5 80 400); do
        strace -o /dev/null -e inject=all:signal=SIGKILL:when="$call" \
            "$ATTACH" --dump --freeze "$pid" >/dev/null 2>&1 || true
        wait_until 20 is_free "$pid"
    done
    # While it waits for the helper, which then lets all go.
    run strace -o /dev/null -e inject=ppoll:signal=SIGKILL:when=1 "$ATTACH" --dump --freeze "$pid"
    assert_equal "$status" 137
    wait_until 20 is_free "$pid"

    wait_until 20 has_run_since "$pid" "$before"
    dump --freeze --max-pause 2000 "$pid"
    assert_equal "$(report "sum(x['how'] == 'frozen' for x in t)")" 7
}

@test "without /proc/TID/syscall all threads are stopped for the copy instead" {
    start sleepers_and_spinners 5 1
    LD_PRELOAD=$TARGETS/without_syscall_files dump "$pid"
    assert_equal "$(report "[x['how'] for x in t]")" "$(report "['frozen'] * 7")"
    is_free "$pid"
}

@test "a worker of io_uring is listed with the reason why it has no frames" {
    start io_worker
    dump "$pid"
    assert_equal "$(report "sum(x['how'] == 'unreadable' and x['name'].startswith('iou-wrk') for x in t)")" 1
    dump --freeze "$pid"
    assert_equal "$(report "sum(x['how'] == 'frozen' for x in t)")" 1
}
