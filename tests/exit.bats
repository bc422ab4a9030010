# A program that exits while a client is connected.

setup() {
    load helpers
    log=$BATS_TEST_TMPDIR/log
    out=$BATS_TEST_TMPDIR/forker.out
    client_out=$BATS_TEST_TMPDIR/client
}

teardown() {
    exec 7>&- 8>&-
    end_all
    rm -f "/tmp/manhole-$pid"
}

# installed [OPTIONS]: tests/targets/forker.c with a manhole.
installed() {
    local control=$BATS_TEST_TMPDIR/control
    rm -f "$control" "$log"
    mkfifo "$control"
    "$TARGETS/forker" <"$control" >"$out" 2>&1 3>&- 7>&- 8>&- &
    pid=$!
    started+=("$pid")
    exec 7>"$control"
    wait_until 20 grep -qs '^ready' "$out"
    run -0 "$ATTACH" --install --verbose-destination "$log" "$@" "$pid"
}

# connect CLIENT...: a client that says what is written to descriptor 8.
connect() {
    local words=$BATS_TEST_TMPDIR/words
    rm -f "$words" "$client_out"
    mkfifo "$words"
    "$@" <"$words" >"$client_out" 2>&1 3>&- 7>&- 8>&- &
    client=$!
    started+=("$client")
    exec 8>"$words"
    wait_until 20 log_has 'Accepted connection'
}
connect_plainly() {
    connect socat -t 1 - "UNIX-CONNECT:/tmp/manhole-$pid"
    wait_until 20 shows '> '
}

shows() {
    grep -qsE -- "$1" "$client_out"
}
is_gone() {
    ! alive "$1"
}
log_has() {
    grep -qsE -- "$1" "$log"
}

# The program is in its exit handler, and waits.
waits_for_client() {
    wait_until 20 shows 'the program is exiting: it waits for you to leave'
    wait_until 20 log_has 'the program is exiting: it waits for you to leave .*PID:'
    alive "$pid"
    refute grep -q 'atexit ran' "$out"
}

# ended STATUS: it did, with that status, its own handlers having run, and the socket is gone.
ended() {
    local status=0
    wait_until 20 is_gone "$pid"
    wait "$pid" || status=$?
    assert_equal "$status" "$1"
    grep -q 'atexit ran' "$out"
    [[ ! -e /tmp/manhole-$pid ]]
}

@test "while a client is connected the program waits in exit, and the client can go on evaluating" {
    installed
    connect_plainly
    echo 'leave 3' >&7
    waits_for_client
    echo 'call add 40 2' >&8
    wait_until 20 shows '= 42 '
    echo 'bogus' >&8
    wait_until 20 shows "no such command: 'bogus'"
    alive "$pid"
    # There will be no other client.
    run socat -t 10 - "UNIX-CONNECT:/tmp/manhole-$pid" </dev/null
    assert_output --partial 'manhole: busy'
    echo quit >&8
    ended 3
    shows goodbye
}

@test "so it does when main returns, and a client of manhole-attach is told, too" {
    installed
    connect "$ATTACH" --file - "/tmp/manhole-$pid"
    exec 7>&-
    waits_for_client
    echo 'call add 40 2' >&8
    wait_until 20 shows '= 42 '
    exec 8>&-
    ended 7
}

@test "it goes on at once when the client is gone, however it went" {
    local how
    for how in 'kill -KILL $client' 'exec 8>&-'; do
        installed
        connect_plainly
        exec 7>&-
        waits_for_client
        eval "$how"
        ended 7
    done
}

@test "a client whose evaluation never ends is no longer waited for when it is gone" {
    installed
    connect_plainly
    echo 'call sleep 1000' >&8
    wait_until 20 eval 'grep -q "mh<" /proc/$pid/task/*/comm'
    echo 'leave 4' >&7
    wait_until 20 waits_in_exit
    kill -KILL "$client"
    ended 4
}

# The main thread is in a futex, and no longer in read.
waits_in_exit() {
    grep -q '^202 ' "/proc/$pid/syscall"
}

@test "with --daemon-connection the program exits, and the client sees the end" {
    installed --daemon-connection
    connect_plainly
    echo 'leave 3' >&7
    ended 3
    wait_until 20 is_gone "$client"
    shows 'the manhole is being closed'
    refute shows 'the program is exiting'
}

@test "SIGTERM and _exit end it as they always do" {
    installed
    connect_plainly
    kill -TERM "$pid"
    wait_until 20 is_gone "$pid"
    wait_until 20 is_gone "$client"
    refute grep -q 'atexit ran' "$out"
    installed
    connect_plainly
    echo 'leave_quickly 6' >&7
    wait_until 20 is_gone "$pid"
    local status=0
    wait "$pid" || status=$?
    assert_equal "$status" 6
}

@test "a second exit, from a signal handler while the first waits, ends it" {
    installed
    connect_plainly
    echo 'leave 3' >&7
    waits_for_client
    kill -USR1 "$pid"
    ended 10
    wait_until 20 is_gone "$client"
}

@test "a function that the console calls and that exits ends the program, waiting for nobody" {
    installed
    connect_plainly
    echo 'call leave_with 9' >&8
    ended 9
    wait_until 20 is_gone "$client"
}

@test "uninstalling while it waits lets it exit" {
    local round
    for round in {1..5}; do
        installed
        connect_plainly
        echo 'leave 3' >&7
        waits_for_client
        run "$ATTACH" --uninstall "$pid"
        ended 3
        shows 'the manhole is being closed'
        exec 8>&-
    done
}

@test "without a client it exits at once, and so it does after one has left" {
    installed
    echo 'leave 3' >&7
    ended 3
    installed
    connect_plainly
    echo quit >&8
    wait_until 20 is_gone "$client"
    echo 'leave 2' >&7
    ended 2
}
