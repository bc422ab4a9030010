# The manhole that sleeps: thread=0, activate_on, oneshot_on, and what a program calls to have a client served; sigmask
# and start_timeout. The target is linked with libmanhole.

setup() {
    load helpers
    HOST=$TARGETS/linked_host
    socket=$BATS_TEST_TMPDIR/socket
    log=$BATS_TEST_TMPDIR/log
}

teardown() {
    exec 7>&-
    end_all
}

# installed OPTIONS: a host whose manhole logs to $log.
installed() {
    start_obeying "$HOST"
    before=$(traces)
    tell install "path=$socket" "log=$log" "$@"
    assert_equal "$reply" "install done: $socket"
}

# say LINE...: a plain text session, up to `quit`; sets $output.
say() {
    run timeout 60 socat -t 50 - "UNIX-CONNECT:$socket" <<<"$(printf '%s\n' "$@" quit)"
}

answers() {
    say 'call getpid'
    [[ $output == *"= $pid (0x"* ]]
}

# traces: what uninstalling must leave as it was: the names of threads, the descriptors, the map's files and handlers.
traces() {
    cat /proc/"$pid"/task/*/comm
    find /proc/"$pid"/fd -mindepth 1 -printf '%f '
    awk '$6 ~ /^\// { print $6 }' "/proc/$pid/maps" | sort -u
    grep -E '^Sig(Blk|Ign|Cgt)' "/proc/$pid/status"
}

# leaves_no_trace: uninstalls.
leaves_no_trace() {
    tell uninstall
    assert_equal "$reply" 'uninstall done'
    is_gone "$socket"
    assert_equal "$(traces)" "$before"
}

is_gone() {
    ! [[ -e $1 || -L $1 ]]
}

log_has() {
    grep -qs -- "$1" "$log"
}

log_counts() {
    (($(grep -cs -- "$1" "$log") >= $2))
}

# is_held: the main thread waits in a handler of ours. It blocks the signal of that handler only there.
is_held() {
    local blocked
    blocked=$(awk '/^SigBlk/ { print $2 }' "/proc/$pid/task/$pid/status")
    (((0x$blocked & (1 << (${1:-12} - 1))) != 0))
}

# thread_named NAME: its tid.
thread_named() {
    local task
    for task in /proc/"$pid"/task/*; do
        [[ $(cat "$task/comm") == "$1" ]] && echo "${task##*/}" && return
    done
    return 1
}

beats_grow() {
    tell beats
    local one=${reply#beats } other
    one=${one%% *}
    tell beats
    other=${reply#beats }
    ((${other%% *} > one))
}

# assert_ends TEXT END
assert_ends() {
    [[ $1 == *"$2" ]] || fail "'$1' does not end in '$2'"
}

# --- Asleep. ---

@test "a manhole without thread sleeps: two threads at rest, no socket, no descriptor" {
    start_obeying "$HOST"
    before=$(traces)
    local fds=/proc/$pid/fd count
    count=$(find "$fds" | wc -l)
    tell install "path=$socket" thread=0
    assert_equal "$reply" "install done: $socket"
    is_gone "$socket"
    assert_equal "$(find "$fds" | wc -l)" "$count"
    assert_equal "$(cat /proc/"$pid"/task/*/comm | sort | paste -sd ' ')" 'linked_host manhole mh-idle'
    tell status
    assert_equal "$reply" "status $socket sleeps until the program calls manhole_activate"
    tell install "path=$socket" thread=0
    assert_equal "$reply" "install Manhole already installed!: already installed at $socket"
    leaves_no_trace
}

@test "manhole_activate wakes it for good, and a second time changes nothing" {
    installed thread=0
    tell activate
    assert_equal "$reply" "activate done: $socket"
    answers
    tell activate
    assert_equal "$reply" "activate done: $socket"
    answers
    tell status
    assert_equal "$reply" "status $socket free"
    run -0 grep -c 'Manhole UDS path' "$log"
    assert_output 1
    leaves_no_trace
}

@test "without a manhole all that asks for one says so" {
    start_obeying "$HOST"
    local word
    for word in activate oneshot "handle $BATS_TEST_TMPDIR/own" uninstall; do
        tell_only "$word"
        [[ $word != handle* ]] || wait_until 10 test -S "$BATS_TEST_TMPDIR/own"
        [[ $word != handle* ]] || socat -u OPEN:/dev/null "UNIX-CONNECT:$BATS_TEST_TMPDIR/own"
    done
    wait_until 20 has_lines "$out" 5
    run -0 grep -c 'Manhole is not installed!' "$out"
    assert_output 4
}

@test "a sleeping manhole survives a program that closes all its descriptors" {
    installed thread=0 activate_on=12
    tell close
    kill -USR2 "$pid"
    wait_until 10 test -S "$socket"
    answers
    tell uninstall
    assert_equal "$reply" 'uninstall done'
}

# --- activate_on. ---

@test "activate_on: no socket before the signal, and the second signal changes nothing" {
    installed activate_on=12
    is_gone "$socket"
    tell status
    assert_equal "$reply" "status $socket sleeps until SIGUSR2"
    kill -USR2 "$pid"
    wait_until 10 test -S "$socket"
    answers
    kill -USR2 "$pid"
    tell status
    assert_equal "$reply" "status $socket free"
    answers
    run -0 grep -c 'Manhole UDS path' "$log"
    assert_output 1
    leaves_no_trace
}

@test "activate_on in the MANHOLE variable of a program that is not linked with us" {
    local program
    for program in poller poller_musl; do
        [[ -x $TARGETS/$program ]] || continue
        MANHOLE="activate_on='USR2', socket_path='$socket', verbose_destination=$log" \
            LD_PRELOAD=$BUILD/libmanhole.so start "$program"
        is_gone "$socket"
        kill -USR2 "$pid"
        wait_until 10 test -S "$socket"
        answers
        end "$pid"
        rm -f "$socket"
    done
}

@test "the program's own handler is kept whole, and put back" {
    start_obeying "$HOST"
    tell handler 12
    before=$(traces)
    tell install "path=$socket" activate_on=12
    kill -USR2 "$pid"
    wait_until 10 test -S "$socket"
    tell action 12
    assert_equal "$reply" 'action strange'
    tell handled
    assert_equal "$reply" 'handled 0'
    leaves_no_trace
    tell action 12
    assert_equal "$reply" 'action mine'
    kill -USR2 "$pid"
    tell handled
    assert_equal "$reply" 'handled 1'
}

@test "a signal that was ignored is ignored again, and one that killed kills again" {
    start_obeying "$HOST"
    tell ignore 12
    tell install "path=$socket" activate_on=12 oneshot_on=10
    tell uninstall
    tell action 12
    assert_equal "$reply" 'action ignored'
    tell action 10
    assert_equal "$reply" 'action default'
}

@test "a handler that the program sets later wins, and stays" {
    installed activate_on=12
    tell handler 12
    kill -USR2 "$pid"
    tell handled
    assert_equal "$reply" 'handled 1'
    is_gone "$socket"
    tell uninstall
    assert_equal "$reply" 'uninstall done'
    tell action 12
    assert_equal "$reply" 'action mine'
}

@test "a path that cannot be bound is logged and in the status, and the next signal tries again" {
    touch "$socket"
    installed activate_on=12
    kill -USR2 "$pid"
    wait_until 10 log_has "Activation failure: $socket: is there already, and is no socket: not touched"
    tell status
    assert_equal "$reply" "status $socket sleeps until SIGUSR2; the last try failed: $socket: is there already, and is no socket: not touched"
    rm "$socket"
    kill -USR2 "$pid"
    wait_until 10 test -S "$socket"
    answers
    leaves_no_trace
}

@test "signals on a thread with the smallest stack spoil nothing of it" {
    installed activate_on=12
    tell small
    tell shoot 12 1000
    assert_equal "$reply" 'shoot 0'
    wait_until 10 test -S "$socket"
    answers
    beats_grow
    tell beats
    assert_ends "$reply" 'spoilt 0'
    tell uninstall
    assert_equal "$reply" 'uninstall done'
    beats_grow
}

@test "activation on the signal of a oneshot is a conflict, and nothing is touched" {
    start_obeying "$HOST"
    before=$(traces)
    tell install "path=$socket" activate_on=12 oneshot_on=12
    assert_equal "$reply" "install the options contradict each other: You cannot do activation of the Manhole thread on the same signal that you want to do oneshot activation !"
    assert_equal "$(traces)" "$before"
    tell action 12
    assert_equal "$reply" 'action default'
    tell install "path=$socket"
    assert_equal "$reply" "install done: $socket"
}

# --- oneshot_on. ---

# shoot: sends the oneshot signal, and waits for the socket.
shoot() {
    kill -USR2 "$pid"
    wait_until 10 test -S "$socket"
    is_held
}

is_free() {
    ! is_held
}

@test "oneshot_on: the thread waits while one client is served, and each signal serves one" {
    installed oneshot_on=12
    tell small
    local round
    for round in 1 2 3; do
        is_gone "$socket"
        is_free
        shoot
        tell_only handled
        answers
        wait_until 10 is_free
        is_gone "$socket"
        wait_until 10 has_lines "$out" $((3 + round))
    done
    tell beats
    assert_ends "$reply" 'spoilt 0'
    tell uninstall
    assert_equal "$reply" 'uninstall done'
    tell action 12
    assert_equal "$reply" 'action default'
}

@test "while the thread waits nothing of it runs, and the others go on" {
    installed oneshot_on=12
    tell small
    shoot
    local before
    before=$(wc -l <"$out")
    tell_only beats
    say 'call usleep 300000' 'call getpid' 'threads'
    assert_output --partial "= $pid (0x"
    wait_until 10 has_lines "$out" $((before + 1))
    reply=$(tail -n 1 "$out")
    [[ ${reply#beats } != 0* ]]
}

@test "the console of a oneshot sees the stack of the thread that waits for it" {
    installed oneshot_on=12
    shoot
    say bt
    assert_output --partial "thread $pid (linked_host)"
    assert_output --partial 'libc.so.6'
    refute_output --partial 'did not answer'
    refute_output --partial 'still recording'
    wait_until 10 is_free
}

@test "a fault in a oneshot session hurts nobody, and the next signal serves another one" {
    installed oneshot_on=12
    shoot
    say 'call strlen 0' 'call abort' 'call getpid'
    assert_output --partial 'strlen: ended by SIGSEGV'
    assert_output --partial "= $pid (0x"
    wait_until 10 is_free
    shoot
    answers
    wait_until 10 is_free
    leaves_no_trace
}

@test "the signal again, while a client is served or waited for, changes nothing" {
    installed oneshot_on=12
    tell small
    shoot
    kill -USR2 "$pid" # now it is the other thread's
    answers
    wait_until 10 is_free
    is_gone "$socket"
    tell beats
    run -0 grep -c 'Manhole UDS path' "$log"
    assert_output 1
}

@test "when nobody connects the thread goes on after the time that was given" {
    installed oneshot_on=12 oneshot_timeout=300
    kill -USR2 "$pid"
    wait_until 10 log_has 'Oneshot failure: nobody connected in time'
    wait_until 10 is_free
    is_gone "$socket"
    kill -USR2 "$pid"
    wait_until 10 log_counts 'Oneshot failure' 2
    leaves_no_trace
}

@test "a client that vanishes lets the thread go on at once, though what it ran has not ended" {
    installed oneshot_on=12
    shoot
    "$TARGETS/frames_client" "$socket" upgrade 'send:call sleep 1000' "pause:$BATS_TEST_TMPDIR/go" \
        >"$BATS_TEST_TMPDIR/client" 3>&- 7>&- &
    local client=$!
    started+=("$client")
    wait_until 10 grep -qs PAUSED "$BATS_TEST_TMPDIR/client"
    is_held
    end "$client"
    wait_until 10 is_free
    is_gone "$socket"
    tell handled
    assert_equal "$reply" 'handled 0'
}

@test "a client that may not in does not use up the shot" {
    need_other_users
    installed oneshot_on=12
    shoot
    chmod 777 "$BATS_TEST_TMPDIR" "$socket"
    local up=$BATS_TEST_TMPDIR
    until [[ $up == / ]]; do
        up=$(dirname "$up")
        [[ $up == /tmp ]] && break
        chmod o+x "$up"
    done
    run setpriv --reuid 65534 --regid 65534 --clear-groups timeout 20 socat -t 10 - "UNIX-CONNECT:$socket" </dev/null
    assert_output --partial 'permission denied'
    is_held
    answers
    wait_until 10 is_free
}

@test "uninstalling lets go of a thread that is held" {
    installed oneshot_on=12
    tell small
    tell shoot 12
    wait_until 10 test -S "$socket"
    tell uninstall
    assert_equal "$reply" 'uninstall done'
    is_gone "$socket"
    log_has 'Oneshot failure: the manhole is being closed'
    beats_grow
}

@test "SIGTERM ends a program whose thread is held, as ever" {
    installed oneshot_on=12
    shoot
    kill -TERM "$pid"
    wait_until 10 eval '! alive "$pid"'
}

@test "a handler of the program waits until the thread goes on" {
    installed oneshot_on=12
    tell handler 10
    shoot
    kill -USR1 "$pid"
    answers
    wait_until 10 is_free
    tell handled
    assert_equal "$reply" 'handled 1'
}

@test "in forked and vforked children the signals of activation do nothing" {
    installed activate_on=12 oneshot_on=10
    tell fork
    assert_equal "$reply" 'child ended 0'
    tell vfork
    assert_equal "$reply" 'child ended 0'
    is_gone "$socket"
    leaves_no_trace
}

@test "a oneshot before and after an activation, by two signals of one installation" {
    installed activate_on=12 oneshot_on=10
    kill -USR1 "$pid"
    wait_until 10 test -S "$socket"
    is_held 10
    answers
    wait_until 10 is_gone "$socket"
    kill -USR2 "$pid"
    wait_until 10 test -S "$socket"
    kill -USR1 "$pid"
    wait_until 10 is_held 10
    kill -USR2 "$pid"
    answers
    wait_until 10 eval '! is_held 10'
    [[ -S $socket ]]
    answers
    leaves_no_trace
}

@test "a oneshot while a client is there does not hold the thread" {
    installed activate_on=12 oneshot_on=10
    kill -USR2 "$pid"
    wait_until 10 test -S "$socket"
    "$TARGETS/frames_client" "$socket" upgrade 'run:help' "pause:$BATS_TEST_TMPDIR/go" detach \
        >"$BATS_TEST_TMPDIR/client" 3>&- 7>&- &
    started+=($!)
    wait_until 10 grep -qs PAUSED "$BATS_TEST_TMPDIR/client"
    kill -USR1 "$pid"
    wait_until 10 log_has 'Oneshot failure: there is a client already'
    tell handled
    assert_equal "$reply" 'handled 0'
    touch "$BATS_TEST_TMPDIR/go"
}

@test "the same with musl" {
    HOST=$TARGETS/linked_host_musl
    [[ -x $HOST ]] || skip "no musl here"
    installed activate_on=12 oneshot_on=10
    kill -USR1 "$pid"
    wait_until 10 test -S "$socket"
    answers
    wait_until 10 is_gone "$socket"
    kill -USR2 "$pid"
    wait_until 10 test -S "$socket"
    answers
    tell uninstall
    assert_equal "$reply" 'uninstall done'
    tell action 12
    assert_equal "$reply" 'action default'
}

@test "a oneshot of a thread that allocates all the time never meets its lock" {
    installed oneshot_on=12
    tell small
    local i
    for i in {1..10}; do
        tell shoot 12
        wait_until 10 test -S "$socket"
        say 'call malloc 100' bt
        assert_output --partial '= '
        wait_until 10 is_gone "$socket"
    done
    beats_grow
}

# --- What a program calls. ---

@test "manhole_handle_oneshot serves one client while it waits, and leaves no socket" {
    installed thread=0
    tell_only oneshot
    wait_until 10 test -S "$socket"
    answers
    wait_until 10 grep -q '^oneshot done' "$out"
    is_gone "$socket"
    leaves_no_trace
}

@test "manhole_handle_oneshot says why it served nobody" {
    installed thread=0 oneshot_timeout=200
    tell oneshot
    assert_equal "$reply" 'oneshot Connection timed out'
    touch "$socket"
    tell oneshot
    assert_equal "$reply" "oneshot Address already in use"
    [[ -f $socket ]]
}

@test "manhole_handle serves a connection of the program's own, and shuts it down" {
    installed thread=0
    local own=$BATS_TEST_TMPDIR/own
    tell_only "handle $own"
    wait_until 10 test -S "$own"
    run timeout 60 socat -t 50 - "UNIX-CONNECT:$own" <<<"$(printf 'call getpid\nquit\n')"
    assert_output --partial "= $pid (0x"
    refute_output --partial after
    wait_until 10 grep -q '^handle done, then Broken pipe' "$out"
    log_has 'Accepted connection on fd:[0-9]* from PID:'
    is_gone "$socket"
    leaves_no_trace
}

@test "manhole_handle turns away whom the manhole would" {
    need_other_users
    installed thread=0
    local own=$BATS_TEST_TMPDIR/own
    tell_only "handle $own"
    wait_until 10 test -S "$own"
    chmod 777 "$BATS_TEST_TMPDIR" "$own"
    run setpriv --reuid 65534 --regid 65534 --clear-groups timeout 20 socat -t 10 - "UNIX-CONNECT:$own" </dev/null
    wait_until 10 grep -q '^handle the client is neither root nor' "$out"
    log_has "Can't accept client with PID:[0-9]* UID:65534"
}

@test "manhole_run_repl leaves a socket as it was, after quit" {
    installed thread=0
    local own=$BATS_TEST_TMPDIR/own
    tell_only "repl $own"
    wait_until 10 test -S "$own"
    run timeout 60 socat -t 50 - "UNIX-CONNECT:$own" <<<"$(printf 'call getpid\nquit\n')"
    assert_output --partial "= $pid (0x"
    assert_line after
    wait_until 10 grep -q '^repl done, then open' "$out"
    leaves_no_trace
}

@test "manhole_run_repl is a console on a terminal" {
    installed thread=0
    local terminal=$BATS_TEST_TMPDIR/terminal
    mkfifo "$BATS_TEST_TMPDIR/keys"
    socat "OPEN:$BATS_TEST_TMPDIR/keys,rdonly!!OPEN:$BATS_TEST_TMPDIR/screen,creat,wronly" \
        "PTY,link=$terminal,raw,echo=0,wait-slave" 3>&- 7>&- &
    started+=($!)
    exec 8>"$BATS_TEST_TMPDIR/keys"
    wait_until 10 test -e "$terminal"
    tell_only "repl-file $terminal"
    wait_until 10 grep -qs linked_host "$BATS_TEST_TMPDIR/screen"
    echo 'call getpid' >&8
    wait_until 10 grep -q "= $pid (0x" "$BATS_TEST_TMPDIR/screen"
    echo quit >&8
    wait_until 10 grep -q '^repl done, then open' "$out"
    exec 8>&-
}

@test "manhole_run_repl refuses a stream that goes one way only" {
    installed thread=0
    tell repl-input /dev/null
    assert_equal "$reply" 'repl Invalid argument, then Bad file descriptor'
}

# --- Their threads. ---

# blocked NAME: what a thread of the manhole blocks.
blocked() {
    awk '/^SigBlk/ { print $2 }' "/proc/$pid/task/$(thread_named "$1")/status"
}

@test "the manhole's threads block what sigmask says, and never faults or the C library's own" {
    local mask
    start_obeying "$HOST"
    # All; none; USR1 (python-manhole's test); faults, 32 and 33 alone.
    for mask in ffffffffffffffff:fffffffe3ffbfa27 0:0000000000000000 200:0000000000000200 \
        1c00004d8:0000000000000000; do
        tell install "path=$socket" "sigmask=${mask%:*}"
        assert_equal "$(blocked manhole) $(blocked mh-idle)" "${mask#*:} ${mask#*:}"
        tell uninstall
        assert_equal "$reply" 'uninstall done'
    done
    tell install "path=$socket" sigmask=0 oneshot_on=12
    assert_equal "$(blocked manhole)" 0000000000000800
}

@test "100,000 signals that the program blocks: the manhole's threads take none of them" {
    installed
    tell signals 100000
    assert_equal "$reply" 'signals handled 0'
    answers
    leaves_no_trace
}

@test "with an empty sigmask the manhole's threads take the program's signals, and go on" {
    installed sigmask=0
    tell signals 100000
    [[ $reply == 'signals handled '* && $reply != *' 0' ]]
    say 'call usleep 1000' 'call strlen 0' 'call getpid' bt
    assert_output --partial "= $pid (0x"
    leaves_no_trace
}

# --- start_timeout. ---

@test "installing fails when the threads do not start in time, and leaves nothing" {
    start_obeying "$HOST"
    before=$(traces)
    tell delay 700
    tell install "path=$socket" "log=$log" start_timeout=200 activate_on=12
    assert_equal "$reply" 'install Connection timed out: the threads did not start within 0.200 seconds (start_timeout)'
    is_gone "$socket"
    assert_equal "$(traces)" "$before"
    tell install "path=$socket" start_timeout=20000
    assert_equal "$reply" "install done: $socket"
    answers
}

is_alone() {
    (($(find "/proc/$pid/task" -mindepth 1 -maxdepth 1 | wc -l) == 1))
}

@test "threads that start much too late end at once, and can be uninstalled" {
    start_obeying "$HOST"
    tell delay 8000
    tell install "path=$socket" start_timeout=50
    assert_ends "$reply" '(start_timeout)'
    tell status
    assert_equal "$reply" "status $socket lost: its threads did not start in time"
    wait_until 30 is_alone
    tell uninstall
    assert_equal "$reply" 'uninstall done'
    is_gone "$socket"
    tell delay 0
    tell install "path=$socket"
    assert_equal "$reply" "install done: $socket"
    answers
}

@test "a manhole of MANHOLE comes late where threads start late, and a line says so" {
    # Nobody would try again, as whoever installs it may.
    local gate=$BATS_TEST_TMPDIR/gate
    GATE=$gate MANHOLE="start_timeout=0.2,socket_path='$socket',verbose_destination=$log" start_obeying "$HOST"
    tell status
    assert_equal "$reply" "status $socket lost: its threads have not started yet"
    touch "$gate"
    wait_until 30 grep -q 'Manhole UDS path' "$log"
    run -0 cat "$log"
    assert_line --partial 'WARNING: the threads did not start within 0.200 seconds (start_timeout); the manhole comes when they do'
    answers
}

# --- By manhole-attach. ---

# attach_to STATUS ARGUMENTS...
attach_to() {
    local expected=$1
    shift
    run --separate-stderr "-$expected" timeout 60 "$ATTACH" "$@" "$pid" </dev/null
}

@test "an injected manhole sleeps until its signal, says so, and leaves the handler as it was" {
    start poller
    local actions
    actions=$(grep -E '^Sig(Blk|Ign|Cgt)' "/proc/$pid/status")
    attach_to 0 --install --activate-on USR2 --socket-path "$socket"
    assert_output "$socket"
    assert_equal "$stderr" "manhole-attach: process $pid: sleeps until SIGUSR2"
    is_gone "$socket"
    # Nothing runs in the program for these, and it gets no signal that its manhole does not wait for.
    attach_to 6 -USR1 --eval 'call getpid'
    assert_equal "$stderr" "manhole-attach: process $pid: its manhole sleeps until SIGUSR2; SIGUSR1 was not sent"
    run --separate-stderr -0 "$ATTACH" --list
    assert_line --regexp "^ *$pid .* asleep until SIGUSR2 "
    run --separate-stderr -0 "$ATTACH" --list --format json
    assert_equal "$(jq -c ".manholes[] | select(.pid == $pid) | [.socket, .wakes_on]" <<<"$output")" '[null,["USR2"]]'
    local arguments
    for arguments in '' --install '--install --activate-on USR2'; do
        # shellcheck disable=SC2086
        attach_to 6 $arguments
        assert_equal "$stderr" "manhole-attach: process $pid: the manhole at $socket sleeps until SIGUSR2; 'manhole-attach -USR2 $pid' wakes it"
    done
    attach_to 0 -USR2 --eval 'call getpid' -t 20
    assert_output --partial "= $pid (0x"
    [[ -S $socket ]]
    run --separate-stderr -0 "$ATTACH" --list --format json
    assert_equal "$(jq -c ".manholes[] | select(.pid == $pid) | [.socket, .wakes_on]" <<<"$output")" "[\"$socket\",null]"
    attach_to 0 --uninstall
    is_gone "$socket"
    assert_equal "$(grep -E '^Sig(Blk|Ign|Cgt)' "/proc/$pid/status")" "$actions"
    refute grep -q libmanhole "/proc/$pid/maps"
}

@test "an injected oneshot serves one client at each signal" {
    local program
    for program in poller poller_musl; do
        [[ -x $TARGETS/$program ]] || continue
        start "$program"
        attach_to 0 --install --oneshot-on SIGUSR1 --socket-path "$socket"
        assert_equal "$stderr" "manhole-attach: process $pid: sleeps until SIGUSR1, each for one client"
        local round
        for round in 1 2; do
            attach_to 0 -USR1 --eval 'call getpid' -t 20
            assert_output --partial "= $pid (0x"
            wait_until 10 is_gone "$socket"
        done
        attach_to 0 --uninstall
        end "$pid"
    done
}

@test "a manhole that sleeps is replaced by --replace" {
    start poller
    attach_to 0 --install --no-thread --socket-path "$socket"
    assert_equal "$stderr" "manhole-attach: process $pid: sleeps until the program calls manhole_activate"
    attach_to 6 --install
    assert_equal "$stderr" "manhole-attach: process $pid: the manhole at $socket sleeps until the program calls manhole_activate; wait for that, or install with --replace"
    attach_to 0 --install --replace --socket-path "$socket"
    assert_output "$socket"
    attach_to 0 --eval 'call getpid'
    assert_output --partial "= $pid (0x"
}
