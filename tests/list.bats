# Which processes have a manhole.

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

# start_sleeper [COMMAND...]: an idle program, run by COMMAND; sets $pid.
start_sleeper() {
    start_quietly "$(command -v env)" "$@" sleep 1000
    wait_until 20 is_sleep "$pid"
    manholes+=("$pid")
}

is_sleep() {
    [[ $(cat "/proc/$1/comm") == sleep ]]
}

as_nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)

@test "a process with a manhole is listed with pid, user, program and socket, until it is uninstalled" {
    start_sleeper
    "$ATTACH" --install "$pid"
    run --separate-stderr "$ATTACH" --list
    assert_success
    assert_line --index 0 --regexp '^ *PID +USER +PROGRAM +SOCKET$'
    assert_line --regexp "^ *$pid +root +sleep +/tmp/manhole-$pid$"
    "$ATTACH" --uninstall "$pid"
    run "$ATTACH" --list
    assert_success
    refute_line --regexp "^ *$pid "
}

@test "a manhole at another path is listed with that path" {
    start_sleeper
    local path=$BATS_TEST_TMPDIR/elsewhere
    "$ATTACH" --install --socket-path "$path" "$pid"
    run "$ATTACH" --list
    assert_success
    assert_line --regexp "^ *$pid +root +sleep +$path$"
}

@test "a program that merely has a socket is not listed" {
    start_redis
    run "$ATTACH" --list
    assert_success
    refute_line --regexp "^ *$pid "
}

@test "no manhole at all is a note and status 0" {
    # A pid namespace of its own, so that no other process is seen.
    run --separate-stderr "$UNSHARED" "$ATTACH" --list
    assert_success
    assert_output ''
    assert_equal "$stderr" 'manhole-attach: no manhole found'
}

@test "without privileges the own manholes are listed, and what could not be read is said" {
    need_other_users
    start_sleeper "${as_nobody[@]}"
    "$ATTACH" --install "$pid"
    exec 5<"$ATTACH"
    run --separate-stderr "${as_nobody[@]}" /proc/self/fd/5 --list
    exec 5<&-
    assert_success
    assert_line --regexp "^ *$pid +nobody +sleep +/tmp/manhole-$pid$"
    assert_regex "$stderr" 'could not be read'
}
