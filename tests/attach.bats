# Attaching without a terminal: install, run commands, uninstall, and everything that may be in the way.

setup() {
    load helpers
}

teardown() {
    local one
    manholes+=("${started[@]}")
    end_all
    # A process that was killed leaves its socket behind.
    for one in "${manholes[@]}"; do
        rm -f "/tmp/manhole-$one"
    done
}

# start_sleeper: an idle program that stays for the test; sets $pid.
start_sleeper() {
    start_quietly "$(command -v sleep)" 1000
    wait_until 20 is_sleeping "$pid"
    manholes+=("$pid")
}

is_sleeping() {
    grep -q '^State:[[:space:]]S' "/proc/$1/status" && [[ $(readlink "/proc/$1/exe") != *bash ]]
}

# The threads by name. jemalloc starts background threads of its own when another thread first allocates: those
# are redis's, not ours.
threads_of() {
    cat "/proc/$1"/task/*/comm | grep -v '^jemalloc_bg_thd$' | sort
}

start_redis_here() {
    start_redis
    manholes+=("$pid")
}

@test "a redis-server is attached, runs a function, and is as before after uninstall" {
    start_redis_here
    local threads maps fds
    threads=$(threads_of "$pid")
    fds=$(ls "/proc/$pid/fd" | wc -l)
    run --separate-stderr "$ATTACH" --eval 'call getpid' "$pid"
    assert_success
    assert_output --partial "$pid"
    assert_equal "$stderr" ''
    run "$ATTACH" --uninstall "$pid"
    assert_success
    assert_output ''
    assert_equal "$(threads_of "$pid")" "$threads"
    assert_equal "$(ls "/proc/$pid/fd" | wc -l)" "$fds"
    run grep -c libmanhole "/proc/$pid/maps"
    assert_output 0
    assert [ ! -e "/tmp/manhole-$pid" ]
    redis_answers
}

@test "install prints the path of a socket of ours, and nothing else, on standard output" {
    start_sleeper
    run --separate-stderr "$ATTACH" --install "$pid"
    assert_success
    assert_output "/tmp/manhole-$pid"
    assert_equal "$stderr" ''
    assert [ -S "/tmp/manhole-$pid" ]
    assert_equal "$(stat -c %a "/tmp/manhole-$pid")" 600
}

@test "installing again is a success that says so" {
    start_sleeper
    "$ATTACH" --install "$pid"
    run --separate-stderr "$ATTACH" --install "$pid"
    assert_success
    assert_output "/tmp/manhole-$pid"
    assert_equal "$stderr" "manhole-attach: process $pid: already installed"
}

@test "four that install at once end with one manhole and four successes" {
    start_redis_here
    local one installs=()
    for one in 1 2 3 4; do
        "$ATTACH" --install "$pid" >"$BATS_TEST_TMPDIR/install.$one" 3>&- &
        installs+=($!)
    done
    for one in "${installs[@]}"; do
        wait "$one"
    done
    run cat "$BATS_TEST_TMPDIR"/install.*
    assert_output "/tmp/manhole-$pid
/tmp/manhole-$pid
/tmp/manhole-$pid
/tmp/manhole-$pid"
    run "$ATTACH" --eval 'call getpid' "$pid"
    assert_success
    "$ATTACH" --uninstall "$pid"
    run grep -c libmanhole "/proc/$pid/maps"
    assert_output 0
}

@test "installing again with another path is refused, and with --replace it moves" {
    start_sleeper
    "$ATTACH" --install "$pid"
    local path=$BATS_TEST_TMPDIR/elsewhere
    run "$ATTACH" --install --socket-path "$path" "$pid"
    assert_failure 6
    assert_output --partial "already installed at /tmp/manhole-$pid"
    run "$ATTACH" --install --replace --socket-path "$path" "$pid"
    assert_success
    assert_output "$path"
    assert [ ! -e "/tmp/manhole-$pid" ]
    run "$ATTACH" --eval 'call getpid' "$pid"
    assert_success
    assert_output --partial "$pid"
}

@test "a manhole at a path of the user's choice is found by pid" {
    start_sleeper
    local path=$BATS_TEST_TMPDIR/a-manhole-with-another-name
    "$ATTACH" --install --socket-path "$path" "$pid"
    run --separate-stderr "$ATTACH" --install "$pid"
    assert_success
    assert_output "$path"
    run "$ATTACH" --uninstall "$pid"
    assert_success
    assert [ ! -e "$path" ]
}

@test "the longest path that a socket can have works" {
    start_sleeper
    local directory path
    directory=$(mktemp -d /tmp/manhole-test-XXXXXX)
    path=$directory/$(printf '%0*d' $((107 - ${#directory} - 1)) 0)
    assert_equal "${#path}" 107
    run "$ATTACH" --install --socket-path "$path" "$pid"
    assert_success
    assert_output "$path"
    run "$ATTACH" --eval 'call getpid' "$pid"
    assert_success
    "$ATTACH" --uninstall "$pid"
    rmdir "$directory"
}

@test "uninstalling what has no manhole says so with status 6" {
    start_sleeper
    run "$ATTACH" --uninstall "$pid"
    assert_failure 6
    assert_output --partial 'no manhole is installed'
}

@test "the path of a socket finds the process, for attaching and for uninstalling" {
    start_sleeper
    local path
    path=$("$ATTACH" --install "$pid")
    run "$ATTACH" --eval 'call getpid' "$path"
    assert_success
    assert_output --partial "$pid"
    run "$ATTACH" --uninstall "$path"
    assert_success
    assert [ ! -e "$path" ]
}

@test "commands on standard input run one after another, without prompt or banner" {
    start_sleeper
    run --separate-stderr "$ATTACH" "$pid" <<<"# a comment, then a blank line

call getpid
call getppid"
    assert_success
    assert_equal "${#lines[@]}" 2
    assert_line --index 0 --partial "$pid"
    assert_line --index 1 --partial "$$"
    assert_equal "$stderr" ''
}

@test "a command that fails does not stop those after it, and the status is 1" {
    start_sleeper
    run --separate-stderr "$ATTACH" --eval 'no-such-command' --eval 'call getpid' "$pid"
    assert_failure 1
    assert_output --partial "$pid"
    assert_regex "$stderr" $'(^|\n)manhole-attach: no-such-command: '
}

@test "a command that faults is reported, the process lives, and the status is 1" {
    start_sleeper
    run --separate-stderr "$ATTACH" --eval 'call strlen 8' --eval 'call getpid' "$pid"
    assert_failure 1
    assert_output --partial "$pid"
    assert_regex "$stderr" 'SIGSEGV'
    assert alive "$pid"
}

@test "a static function, which the manhole cannot know, is found from outside" {
    start static_names
    run --separate-stderr "$ATTACH" --eval 'call hidden_sum 40 2' --eval 'sym hidden_value' "$pid"
    assert_success
    assert_line --index 0 --regexp '^= 42 '
    assert_line --index 1 --regexp '^hidden_value = 0x[0-9a-f]+, static, of 8 bytes in .*/static_names$'
    assert_equal "$stderr" ''
}

@test "a static name with several definitions is not guessed" {
    start static_names
    run "$ATTACH" --eval 'call repeated' "$pid"
    assert_failure 1
    assert_output --regexp '^manhole-attach: call: repeated: 2 static definitions; .* 0x[0-9a-f]+ in .*, 0x[0-9a-f]+ in '
    run "$ATTACH" --eval 'call no_such_name' "$pid"
    assert_failure 1
    assert_output --partial 'no such symbol'
}

@test "scripts run in the order of the command line, '-' is standard input" {
    start_sleeper
    printf 'call labs 1002' >"$BATS_TEST_TMPDIR/script"
    run "$ATTACH" --eval 'call labs 1001' --file "$BATS_TEST_TMPDIR/script" --file - \
        --eval 'call labs 1004' "$pid" <<<'call labs 1003'
    assert_success
    assert_equal "${#lines[@]}" 4
    for i in 0 1 2 3; do
        assert_line --index "$i" --partial "$((1001 + i))"
    done
}

@test "a script that cannot be read is refused before the target is touched" {
    start_sleeper
    run "$ATTACH" --file "$BATS_TEST_TMPDIR/missing" "$pid"
    assert_failure 2
    assert_output --partial "$BATS_TEST_TMPDIR/missing"
    run grep -c libmanhole "/proc/$pid/maps"
    assert_output 0
}

@test "a second client hears that the manhole is busy, with status 6" {
    start_sleeper
    "$ATTACH" --install "$pid"
    mkfifo "$BATS_TEST_TMPDIR/first"
    "$ATTACH" "$pid" <"$BATS_TEST_TMPDIR/first" >"$BATS_TEST_TMPDIR/first.out" 2>&1 3>&- &
    local first=$!
    started+=("$first")
    exec 4>"$BATS_TEST_TMPDIR/first"
    echo 'call labs 4711' >&4
    wait_until 20 grep -q 4711 "$BATS_TEST_TMPDIR/first.out"
    run "$ATTACH" --eval 'call getpid' "$pid"
    assert_failure 6
    assert_output --partial 'manhole: busy'
    exec 4>&-
    wait "$first"
    run "$ATTACH" --eval 'call getpid' "$pid"
    assert_success
}

@test "a socket that nobody serves any more is one clear line, by path and by pid" {
    start_sleeper
    local path
    path=$("$ATTACH" --install "$pid")
    end "$pid"
    run "$ATTACH" --eval 'call getpid' "$path"
    assert_failure 6
    assert_output --partial "$path: nobody serves this socket any more"
    run "$ATTACH" --eval 'call getpid' "$pid"
    assert_failure 3
}

@test "a socket that was removed is one clear line, and --replace makes a new one" {
    start_sleeper
    rm "$("$ATTACH" --install "$pid")"
    run "$ATTACH" --eval 'call getpid' "$pid"
    assert_failure 6
    assert_output --partial '--replace'
    run "$ATTACH" --replace --eval 'call getpid' "$pid"
    assert_success
    assert_output --partial "$pid"
}

@test "a socket served by another process than the one asked for is not talked to" {
    start_sleeper
    local victim=$pid
    "$ATTACH" --install "$victim"
    start_sleeper
    "$ATTACH" --install "$pid"
    mv -f "/tmp/manhole-$pid" "/tmp/manhole-$victim"
    run "$ATTACH" --eval 'call getpid' "$victim"
    assert_failure 6
    assert_output --partial "served by process $pid"
}

@test "a path that somebody else listens on is not taken" {
    start_sleeper
    local victim=$pid
    start_quietly "$(command -v socat)" "UNIX-LISTEN:/tmp/manhole-$victim,fork" EXEC:cat
    wait_until 20 test -S "/tmp/manhole-$victim"
    run "$ATTACH" --install "$victim"
    assert_failure 6
    assert_output --partial "/tmp/manhole-$victim"
    assert alive "$pid"
}

@test "what is no socket, or no manhole, is refused" {
    run "$ATTACH" --eval 'call getpid' /etc/passwd
    assert_failure 2
    assert_output --partial '/etc/passwd: not a socket'
    run "$ATTACH" --eval 'call getpid' "$BATS_TEST_TMPDIR/missing"
    assert_failure 3
    assert_output --partial "$BATS_TEST_TMPDIR/missing: no such socket"
}

@test "a missing payload is one clear line, and the target is untouched" {
    start_sleeper
    cp "$ATTACH" "$BATS_TEST_TMPDIR/"
    if strings -a "$ATTACH" | grep '/libmanhole\.so$' | xargs ls >/dev/null 2>&1; then
        skip 'a payload is installed on this machine'
    fi
    run "$BATS_TEST_TMPDIR/manhole-attach" --install "$pid"
    assert_failure 1
    assert_output --partial 'the payload is missing'
    run grep -c libmanhole "/proc/$pid/maps"
    assert_output 0
}

@test "an unreadable payload is one clear line" {
    start_sleeper
    cp "$ATTACH" "$BUILD/libmanhole.so" "$BATS_TEST_TMPDIR/"
    chmod 000 "$BATS_TEST_TMPDIR/libmanhole.so"
    # Root without the capability that lets it read everything.
    run setpriv --bounding-set=-dac_override,-dac_read_search \
        "$BATS_TEST_TMPDIR/manhole-attach" --install "$pid"
    assert_failure 1
    assert_output --partial 'the payload is unreadable: Permission denied'
}

@test "a payload that is no shared object of this machine is never loaded" {
    start_sleeper
    cp "$ATTACH" "$BATS_TEST_TMPDIR/"
    local payload=$BATS_TEST_TMPDIR/libmanhole.so
    echo '#!/bin/sh' >"$payload"
    run "$BATS_TEST_TMPDIR/manhole-attach" --install "$pid"
    assert_failure 1
    assert_output --partial 'not an ELF file'
    head -c 1000 "$BUILD/libmanhole.so" >"$payload"
    run "$BATS_TEST_TMPDIR/manhole-attach" --install "$pid"
    assert_failure 1
    assert_output --partial 'cut short'
    cp "$BUILD/libmanhole.so" "$payload"
    # e_machine, bytes 18 and 19 (elf(5)): no machine has this number.
    printf '\376\376' | dd of="$payload" bs=1 seek=18 conv=notrunc status=none
    run "$BATS_TEST_TMPDIR/manhole-attach" --install "$pid"
    assert_failure 1
    assert_output --partial 'another machine'
    : >"$payload"
    run "$BATS_TEST_TMPDIR/manhole-attach" --install "$pid"
    assert_failure 1
    assert_output --partial 'empty'
    run grep -c libmanhole "/proc/$pid/maps"
    assert_output 0
}

@test "a target in its own mount and pid namespace is attached" {
    start_quietly "$UNSHARED" \
        sh -c 'mount -t tmpfs none /tmp && exec sleep 1000'
    local outer=$pid
    wait_until 20 child_is_sleeping "$outer"
    pid=$(pgrep -P "$outer")
    run --separate-stderr "$ATTACH" --install "$pid"
    assert_success
    assert_output /tmp/manhole-1
    assert [ -S "/proc/$pid/root/tmp/manhole-1" ]
    run "$ATTACH" --eval 'call getpid' "$pid"
    assert_success
    assert_output --regexp '\b1\b'
    run "$ATTACH" --list
    assert_line --regexp "^ *$pid .* /tmp/manhole-1 "
    run "$ATTACH" --uninstall "$pid"
    assert_success
}

child_is_sleeping() {
    local child
    child=$(pgrep -P "$1") && [[ $(cat "/proc/$child/comm") == sleep ]]
}

@test "the target's end in the middle of a session is told, with status 3" {
    start_sleeper
    run "$ATTACH" --eval "call kill $pid 9" --eval 'call getpid' "$pid"
    assert_failure 3
    assert_output --partial "$pid"
    assert_output --partial 'ended'
}

@test "the target's end while a script waits for input is told at once" {
    start_sleeper
    mkfifo "$BATS_TEST_TMPDIR/script"
    "$ATTACH" "$pid" <"$BATS_TEST_TMPDIR/script" >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
    local attach=$! status=0
    started+=("$attach")
    exec 4>"$BATS_TEST_TMPDIR/script"
    echo 'call labs 4711' >&4
    wait_until 20 grep -q 4711 "$BATS_TEST_TMPDIR/out"
    end "$pid"
    wait "$attach" || status=$?
    assert_equal "$status" 3
    exec 4>&-
}

@test "a manhole that root installed serves the target's own user, and no other" {
    need_other_users
    start_quietly "$(command -v setpriv)" --reuid=65534 --regid=65534 --clear-groups sleep 1000
    wait_until 20 is_sleeping "$pid"
    manholes+=("$pid")
    cp "$ATTACH" "$BUILD/libmanhole.so" "$BATS_TEST_TMPDIR/"
    local path private=/proc/self/fd/5
    path=$("$ATTACH" --install "$pid")
    # The directory of the test is closed to others: the binary is given as an open file.
    exec 5<"$ATTACH"
    run setpriv --reuid=65534 --regid=65534 --clear-groups "$private" --eval 'call getpid' "$pid"
    assert_success
    assert_output --partial "$pid"
    run setpriv --reuid=65533 --regid=65533 --clear-groups "$private" --eval 'call getpid' "$path"
    assert_failure 4
    exec 5<&-
}

@test "check tells what attach would do and touches nothing" {
    start_sleeper
    run --separate-stderr "$ATTACH" --check "$pid"
    assert_success
    assert_output --partial 'attach would load'
    assert_output --partial "/tmp/manhole-$pid"
    run grep -c libmanhole "/proc/$pid/maps"
    assert_output 0
    "$ATTACH" --install "$pid"
    run "$ATTACH" --check "$pid"
    assert_success
    assert_output --partial "attach would connect to /tmp/manhole-$pid"
}

@test "check uses no ptrace call at all" {
    start_sleeper
    # The leak checker of a sanitized build does not work under strace.
    run env ASAN_OPTIONS=detect_leaks=0 strace -f -e trace=ptrace -o "$BATS_TEST_TMPDIR/trace" "$ATTACH" --check "$pid"
    assert_success
    run grep -c 'ptrace(' "$BATS_TEST_TMPDIR/trace"
    assert_output 0
}

@test "check and attach give the same status for a static program" {
    start static_program
    run "$ATTACH" --check "$pid"
    assert_failure 5
    run "$ATTACH" --eval 'call getpid' "$pid"
    assert_failure 5
}

@test "check and attach give the same status for another user's process" {
    need_other_users
    start_sleeper
    exec 5<"$ATTACH"
    run setpriv --reuid=65534 --regid=65534 --clear-groups /proc/self/fd/5 --check "$pid"
    assert_failure 4
    assert_line --regexp '^manhole-attach: '
    run setpriv --reuid=65534 --regid=65534 --clear-groups /proc/self/fd/5 --eval 'call getpid' "$pid"
    assert_failure 4
    exec 5<&-
}
