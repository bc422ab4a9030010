# Who talks to a manhole, and how he comes to it: nc and socat, paths of every kind, processes in containers, and the
# signal that wakes a manhole which sleeps.

setup() {
    load helpers
}

teardown() {
    local one
    manholes+=("${started[@]}")
    end_all
    for one in "${manholes[@]}"; do
        rm -f "/tmp/manhole-$one"
    done
}

is_sleep() {
    [[ $(cat "/proc/$1/comm") == sleep ]]
}

# start_sleeper [COMMAND...]: an idle program, run by COMMAND; sets $pid.
start_sleeper() {
    start_quietly "$(command -v env)" "$@" sleep 1000
    wait_until 20 is_sleep "$pid"
}

# start_reading COMMAND [ARGUMENT...]: starts it in the background with what is written to descriptor 4 as its standard
# input, and its output in $output_file; sets $pid.
start_reading() {
    mkfifo "$BATS_TEST_TMPDIR/input"
    exec 4<>"$BATS_TEST_TMPDIR/input"
    output_file=$BATS_TEST_TMPDIR/${1##*/}.out
    "$@" <"$BATS_TEST_TMPDIR/input" >"$output_file" 2>&1 3>&- 4>&- &
    pid=$!
    started+=("$pid")
}

# --- Other clients. ---

@test "nc -U is a client: stacks, banner, prompt, answers, and the end" {
    start_sleeper
    local path
    path=$("$ATTACH" --install "$pid")
    run -0 timeout 20 nc -N -U "$path" <<<"call getpid"
    assert_line --index 0 --partial "ProcessID=$pid"
    assert_line --partial "process $pid (sleep)"
    assert_output --regexp "$pid:sleep> = $pid "
    run -0 timeout 20 nc -U "$path" <<<$'call getppid\nquit'
    assert_output --partial "= $$ "
}

@test "socat on a terminal is a client, with readline where it has that" {
    start_sleeper
    local path target=$pid terminal=-
    path=$("$ATTACH" --install "$pid")
    ! socat -V | grep -q 'define WITH_READLINE' || terminal=READLINE
    start_reading script -qefc "socat $terminal UNIX-CONNECT:$path" /dev/null
    wait_until 20 grep -q "^$target:sleep> " "$output_file"
    echo 'call getpid' >&4
    wait_until 20 grep -q "= $target " "$output_file"
    echo 'quit' >&4
    wait "$pid"
    exec 4>&-
    run -0 "$ATTACH" --eval 'call getpid' "$target"
}

# --- Paths. ---

@test "a manhole is reached by a path that is longer than a socket's may be" {
    start_sleeper
    local short=$BATS_TEST_TMPDIR/s long=$BATS_TEST_TMPDIR path i
    for i in 1 2 3; do
        long+=/$(printf '%060d' "$i")
    done
    mkdir -p "$long"
    ln -s "$long" "$short"
    "$ATTACH" --install --socket-path "$short/manhole" "$pid"
    path=$long/manhole
    assert [ -S "$path" ]
    ((${#path} > 180))
    run -0 "$ATTACH" --eval 'call getpid' "$path"
    assert_output --partial "= $pid "
    run -0 "$ATTACH" --uninstall "$path"
    assert [ ! -e "$path" ]
}

@test "a manhole is reached by a path from the current directory, and by a symbolic link" {
    start_sleeper
    cd "$BATS_TEST_TMPDIR"
    "$ATTACH" --install --socket-path "$PWD/manhole" "$pid"
    run -0 "$ATTACH" --eval 'call getpid' ./manhole
    assert_output --partial "= $pid "
    ln -s manhole link
    run -0 "$ATTACH" --eval 'call getpid' ./link
    assert_output --partial "= $pid "
}

@test "a path is waited for as long as -t says, and without it not at all" {
    local path=$BATS_TEST_TMPDIR/manhole
    run -3 "$ATTACH" --eval 'call getpid' "$path"
    local before=$EPOCHREALTIME
    run -3 "$ATTACH" -t 0.5 --eval 'call getpid' "$path"
    assert_output --partial "$path: no such socket"
    ((${EPOCHREALTIME/./} - ${before/./} >= 500000))
    start_sleeper
    local target=$pid
    "$ATTACH" -t 60 --eval 'call getpid' "$path" >"$BATS_TEST_TMPDIR/answer" 2>&1 3>&- &
    local attach=$!
    started+=("$attach")
    wait_until 20 is_polling "$attach"
    "$ATTACH" --install --socket-path "$path" "$target"
    wait "$attach"
    run cat "$BATS_TEST_TMPDIR/answer"
    assert_output --regexp "^= $target "
}

# Asleep in poll(2), number 7 (asm/unistd_64.h).
is_polling() {
    grep -q '^7 ' "/proc/$1/syscall" 2>/dev/null
}

# --- Other namespaces. ---

@test "a process of a container is attached by the pid we see, at the path that it sees" {
    # Process 1 of its pid namespace, in a mount namespace with another /tmp.
    start_quietly "$UNSHARED" sh -c 'mount -t tmpfs tmpfs /tmp && exec sleep 1000'
    wait_until 20 pgrep -P "$pid" -x sleep
    local target
    target=$(pgrep -P "$pid" -x sleep)
    run -0 --separate-stderr "$ATTACH" --eval 'call getpid' "$target"
    assert_output --regexp '^= 1 '
    assert_equal "$stderr" ''
    assert [ -S "/proc/$target/root/tmp/manhole-1" ]
    run "$ATTACH" --list
    assert_line --regexp "^ *$target +root +sleep +/tmp/manhole-1 "
    # The same by path, as nc has it too.
    run -0 --separate-stderr "$ATTACH" --eval 'call getpid' "/proc/$target/root/tmp/manhole-1"
    assert_output --regexp '^= 1 '
    run -0 timeout 20 nc -N -U "/proc/$target/root/tmp/manhole-1" <<<'call getpid'
    assert_output --partial '= 1 '
    run -0 "$ATTACH" --uninstall "$target"
    assert [ ! -e "/proc/$target/root/tmp/manhole-1" ]
}

@test "a service with a private /tmp is attached by pid, and its socket is there alone" {
    start_quietly "$UNSHARED" --mount sh -c 'mount -t tmpfs tmpfs /tmp && exec sleep 1000'
    wait_until 20 is_sleep "$pid"
    rm -f "/tmp/manhole-$pid"
    run -0 --separate-stderr "$ATTACH" --eval 'call getpid' "$pid"
    assert_output --regexp "^= $pid "
    assert_equal "$stderr" ''
    assert [ -S "/proc/$pid/root/tmp/manhole-$pid" ]
    assert [ ! -e "/tmp/manhole-$pid" ]
    run -0 "$ATTACH" --uninstall "$pid"
    assert [ ! -e "/proc/$pid/root/tmp/manhole-$pid" ]
}

@test "a manhole in a private /tmp is not mistaken for one of the same path outside" {
    start_quietly "$UNSHARED" --mount sh -c 'mount -t tmpfs tmpfs /tmp && exec sleep 1000'
    wait_until 20 is_sleep "$pid"
    local target=$pid
    rm -f "/tmp/manhole-$target"
    start_quietly "$(command -v nc)" -lkU "/tmp/manhole-$target"
    wait_until 20 test -S "/tmp/manhole-$target"
    run -0 "$ATTACH" --eval 'call getpid' "$target"
    assert_output --regexp "^= $target "
    assert_equal "$(cat "$BATS_TEST_TMPDIR/nc.out")" ''
}

# --- The signal. ---

# start_opening [ARGUMENT]: a program whose manhole opens on SIGUSR2; sets $pid.
start_opening() {
    start opens_on_signal "$BUILD/libmanhole.so" "$@"
    # Of an earlier process with this pid, perhaps.
    rm -f "/tmp/manhole-$pid"
}

# start_deaf: the same, but it blocks the signal until "go" is written to descriptor 4.
start_deaf() {
    start_reading "$TARGETS/opens_on_signal" "$BUILD/libmanhole.so" blocked
    wait_until 20 grep -qs '^ready' "$output_file"
}

@test "every form of the signal's name wakes a manhole, as with manhole-cli" {
    local form
    for form in -USR2 -2 '-s USR2' '-s SIGUSR2' '-s 12' '-s usr2' --signal=USR2 '--signal SIGUSR2'; do
        start_opening
        assert [ ! -e "/tmp/manhole-$pid" ]
        # shellcheck disable=SC2086
        run -0 --separate-stderr "$ATTACH" $form -t 20 --eval 'call getpid' "$pid"
        assert_output --regexp "^= $pid "
        assert_equal "$stderr" ''
        end "$pid"
    done
}

@test "a manhole that listens already gets no signal" {
    start_sleeper
    "$ATTACH" --install "$pid"
    # It would end the program.
    run -0 "$ATTACH" -USR2 --eval 'call getpid' "$pid"
    assert_output --regexp "^= $pid "
    assert alive "$pid"
}

@test "a process without a manhole gets no signal, and status 6" {
    start_sleeper
    run -6 "$ATTACH" -USR2 --eval 'call getpid' "$pid"
    assert_output --partial "process $pid: no manhole is installed; SIGUSR2 was not sent"
    assert alive "$pid"
}

@test "a signal that the process does not catch is not sent, and the status is 6" {
    start_opening
    run -6 "$ATTACH" -USR1 --eval 'call getpid' "$pid"
    assert_output --partial 'does not catch SIGUSR1, which may end it; not sent'
    run -6 "$ATTACH" -s HUP --eval 'call getpid' "$pid"
    assert_output --partial 'does not catch SIGHUP, and ignores it; not sent'
    assert alive "$pid"
    run -0 "$ATTACH" -USR2 -t 20 --eval 'call getpid' "$pid"
}

@test "a signal that nobody takes is waited for as long as -t says, and the status is 7" {
    start_deaf
    local before=$EPOCHREALTIME
    run -7 "$ATTACH" -USR2 -t 0.5 --eval 'call getpid' "$pid"
    assert_output --partial "process $pid: SIGUSR2 was sent, but nothing listens after 0.5 s: no thread has taken the signal"
    ((${EPOCHREALTIME/./} - ${before/./} >= 500000))
    # Without -t it is one second.
    run -7 "$ATTACH" -USR2 --eval 'call getpid' "$pid"
    assert_output --partial 'after 1 s'
    # While it waits, the socket comes.
    "$ATTACH" -USR2 --timeout 60 --eval 'call getpid' "$pid" >"$BATS_TEST_TMPDIR/answer" 2>&1 3>&- 4>&- &
    local attach=$!
    started+=("$attach")
    echo go >&4
    wait "$attach"
    exec 4>&-
    run cat "$BATS_TEST_TMPDIR/answer"
    assert_output --regexp "^= $pid "
}

@test "a process that ends while its manhole is waited for is status 3" {
    start_deaf
    "$ATTACH" -USR2 -t 60 --eval 'call getpid' "$pid" >"$BATS_TEST_TMPDIR/answer" 2>&1 3>&- 4>&- &
    local attach=$! status=0
    started+=("$attach")
    wait_until 20 grep -q '^ShdPnd:.*800$' "/proc/$pid/status"
    end "$pid"
    wait "$attach" || status=$?
    exec 4>&-
    assert_equal "$status" 3
}

@test "another user's process is not signalled, and the status is 4" {
    need_other_users
    start_opening
    exec 5<"$ATTACH"
    run -4 setpriv --reuid=65534 --regid=65534 --clear-groups /proc/self/fd/5 -USR2 --eval 'call getpid' "$pid"
    exec 5<&-
    assert alive "$pid"
    refute [ -e "/tmp/manhole-$pid" ]
}

# usage_error PATTERN OPTION...: the tool refuses the options with one line that says PATTERN.
usage_error() {
    local pattern=$1
    shift
    run -2 --separate-stderr "$ATTACH" "$@"
    assert_equal "${#stderr_lines[@]}" 1
    assert_regex "$stderr" "^manhole-attach: .*$pattern"
}

@test "a signal is refused where it makes no sense" {
    usage_error 'NOPE: no such signal' -s NOPE 1
    usage_error '12341234: no such signal' -s 12341234 1
    usage_error 'that signal cannot be used' -s KILL 1
    usage_error 'that signal cannot be used' -s SEGV 1
    usage_error 'that signal cannot be used' -s 33 1
    usage_error 'two signals' -USR1 -USR2 1
    usage_error 'two signals' -1 -s USR2 1
    usage_error 'unknown option -U' -USR3 1
    usage_error 'unknown option -U' -U SR2 1
    usage_error '-s: its value is missing' -s
    usage_error '--signal is no option of --dump' -USR2 --dump 1
    usage_error '--signal is no option of --uninstall' -USR2 --uninstall 1
    usage_error '--socket-path is an option of installing' -USR2 --socket-path /tmp/x 1
    usage_error "'/tmp/manhole-1' is no process id" -USR2 /tmp/manhole-1
    usage_error "'-5' is no process id" -5
    usage_error '--timeout x: give seconds' -t x 1
}
