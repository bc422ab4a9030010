# The scenarios of python-manhole's own tests, by their numbers, against a program that is not Python: preloaded, and the
# telling ones injected as well. Those that another suite has:
#
#   5                  handlers.bats: exec gives each line one framed answer, and neither banner nor prompt
#   5                  handlers.bats: 200 clients of exec one after the other
#   6                  handlers.bats: a function of a shared object serves the client, again and again, and leaves nothing
#   9                  exit.bats: with --daemon-connection the program exits, and the client sees the end
#   10                 exit.bats: while a client is connected the program waits in exit, and the client can go on evaluating
#   10                 exit.bats: so it does when main returns, and a client of manhole-attach is told, too
#   13                 fork.bats: a child that executes another program, by whatever way, shows no socket and has nothing of ours
#   26                 activation.bats: 100,000 signals that the program blocks: the manhole's threads take none of them
#   27                 activation.bats: with an empty sigmask the manhole's threads take the program's signals, and go on
#   28                 activation.bats: activate_on: no socket before the signal, and the second signal changes nothing
#   28                 activation.bats: an injected manhole sleeps until its signal, says so, and leaves the handler as it was
#   29                 options.bats: options that contradict each other are refused
#   29                 activation.bats: activation on the signal of a oneshot is a conflict, and nothing is touched
#   30                 activation.bats: oneshot_on: the thread waits while one client is served, and each signal serves one
#   30                 activation.bats: an injected oneshot serves one client at each signal
#   31                 activation.bats: a fault in a oneshot session hurts nobody, and the next signal serves another one
#   34                 activation.bats: the manhole's threads block what sigmask says, and never faults or the C library's own
#   35                 fork.bats: 100 times 50 children that execute at once: none hangs, none shows a socket
#   36                 prefork.bats: nginx under load: no request fails while every worker is attached, used and left, and reloaded ones have theirs
#   39                 options.bats: the help fits a screen, names every option, and goes to standard output
#   40                 clients.bats: every form of the signal's name wakes a manhole, as with manhole-cli
#   43                 clients.bats: every form of the signal's name wakes a manhole, as with manhole-cli
#   44                 clients.bats: every form of the signal's name wakes a manhole, as with manhole-cli
#   45                 clients.bats: every form of the signal's name wakes a manhole, as with manhole-cli

setup() {
    load helpers
    load helper_program
}

teardown() {
    end_helper
}

# --- The log. ---

@test "scenario 1: what is not installed says so, to the program and to who comes from outside" {
    start_helper uninstalled
    tell log hello
    assert_equal "$reply" 'log Manhole is not installed!'
    tell uninstall
    assert_equal "$reply" 'uninstall Manhole is not installed!'
    end_helper
    start_helper alone
    run "$ATTACH" --uninstall "$pid"
    assert_failure 6
    assert_output --partial "manhole-attach: process $pid: no manhole is installed; 'manhole-attach --list' shows"
}

@test "scenario 2: the log goes to a descriptor" {
    local to=$BATS_TEST_TMPDIR/by-descriptor
    exec 9>"$to"
    start_helper preloaded verbose_destination=9
    exec 9>&-
    tell log FOOBAR
    assert_equal "$reply" 'log done'
    log=$to
    wait_until 10 log_has 1 FOOBAR
    run -0 sed -E "s/^Manhole\[$pid:[0-9]+\.[0-9]{4}\]: //" "$to"
    assert_line "Manhole UDS path: /tmp/manhole-$pid"
    assert_line FOOBAR
}

@test "scenario 3: the log goes to a path" {
    start_helper preloaded
    tell log FOOBAR
    assert_equal "$reply" 'log done'
    run -0 sed -E "s/^Manhole\[$pid:[0-9]+\.[0-9]{4}\]: //" "$log"
    assert_line "Manhole UDS path: /tmp/manhole-$pid"
    assert_line FOOBAR
}

# --- Sessions. ---

# serves COUNT [BEFORE]: COUNT sessions one after another, each with all that one has; the log knew BEFORE of them.
serves() {
    local i n said before=${2:-0}
    for ((i = 1; i <= $1; i++)); do
        n=$((before + i))
        said=$(grep -cx FOOBAR "$out" || true)
        waits_again "$n"
        say 'call say_out "FOOBAR"' 'call getpid'
        assert_line "######### ProcessID=$pid, ThreadID=$pid #########"
        assert_line --regexp '^#[0-9]+ +0x[0-9a-f]{16} main\+0x[0-9a-f]+ \(helper\)$'
        assert_output --partial "$pid:helper> = $pid (0x"
        assert_output --partial FOOBAR
        wait_until 20 has_said $((said + 1))
        wait_until 20 log_has "$n" 'UID:0 GID:0'
        wait_until 20 log_has "$n" 'Cleaned up.'
    done
    waits_again $((n + 1))
}

# The program's own stream has it, too.
has_said() {
    (($(grep -cx FOOBAR "$out") >= $1))
}

@test "scenario 4: twenty sessions one after another: stacks, prompt, print, leave" {
    start_helper preloaded
    serves 20
}

@test "scenario 4, injected: the same with a manhole that came later" {
    start_helper injected
    serves 20
}

# --- One or several. ---

@test "scenario 7: a second install is refused" {
    start_helper preloaded
    tell install
    assert_equal "$reply" 'install 4098 Manhole already installed!'
    serves 1
}

@test "scenario 8: without strictness the second install replaces the first, a oneshot at that" {
    start_helper uninstalled
    tell install oneshot_on=12
    assert_equal "$reply" 'install 0 done'
    is_gone "$socket"
    tell install strict=0 "log=$log"
    assert_equal "$reply" 'install 0 done'
    serves 2
}

# --- Names. ---

@test "scenario 11: the console has the names it was given" {
    local form
    for form in preloaded injected; do
        start_helper $form "locals='number=4711,advance=next_k1'"
        say 'call labs number' 'call advance' 'call advance' 'call labs nonumber'
        assert_output --partial '= 4711 (0x1267)'
        assert_output --partial '= 4712 (0x1268)'
        assert_output --partial '= 4713 (0x1269)'
        assert_output --partial 'nonumber: no such symbol'
        end_helper
    done
}

# --- Children. ---

# make_child HOW: a child of the program, with a manhole of its own, as $child; $socket is its.
make_child() {
    tell "$1"
    child=${reply#child }
    started+=("$child")
    socket=/tmp/manhole-$child
    sockets+=("$socket")
    wait_until 30 test -S "$socket"
}

@test "scenario 12: a forked child's console has the names, too" {
    local form
    for form in preloaded injected; do
        start_helper $form "locals='number=4711,advance=next_k1'"
        make_child fork
        say 'call labs number' 'call advance' 'call getpid'
        assert_output --partial '= 4711 (0x1267)'
        assert_output --partial '= 4712 (0x1268)'
        assert_output --partial "= $child (0x"
        end_helper
    done
}

@test "scenarios 23 and 24: two sessions in the parent, then two in its child of fork or forkpty, at a path of its own" {
    local form how i
    for form in preloaded injected; do
        for how in fork forkpty; do
            start_helper $form
            serves 2
            make_child $how
            for i in 1 2; do
                say 'call getpid'
                assert_line "######### ProcessID=$child, ThreadID=$child #########"
                assert_output --partial "$child:helper> = $child (0x"
            done
            end_helper
        done
    done
}

# --- The socket. ---

@test "scenario 14: the socket is where the program wants it" {
    local form
    for form in preloaded injected; do
        start_helper $form "socket_path=$BATS_TEST_TMPDIR/my.socket"
        is_gone "$socket"
        socket=$BATS_TEST_TMPDIR/my.socket
        serves 2
        "$ATTACH" --uninstall "$pid"
        tell numbers
        is_gone "$socket"
        end_helper
    done
}

# --- What is printed. ---

@test "scenarios 16 to 18: stderr, the stacks and errors reach the client" {
    local form
    for form in preloaded injected; do
        start_helper $form
        say 'call say_err "STDERR"' bt NO_SUCH_NAME 'call NO_SUCH_NAME'
        assert_line --regexp '(^|> )STDERR$'
        assert_output --partial "thread $pid (helper) "
        assert_line --regexp '^#[0-9]+ +0x[0-9a-f]{16} main\+0x[0-9a-f]+ \(helper\)$'
        assert_output --partial "no such command: 'NO_SUCH_NAME'"
        assert_output --partial 'NO_SUCH_NAME: no such symbol'
        grep -qx STDERR "$errors"
        end_helper
    done
}

@test "scenarios 19 to 21: with stderr left alone, stdout, the stacks and errors reach the client all the same" {
    local form
    for form in preloaded injected; do
        start_helper $form redirect_stderr=0
        say 'call say_err "STDERR"' 'call say_out "STDOUT"' bt NO_SUCH_NAME 'call NO_SUCH_NAME'
        assert_line --regexp '(^|> )STDOUT$'
        refute_output --partial STDERR
        assert_output --partial "thread $pid (helper) "
        assert_line --regexp '^#[0-9]+ +0x[0-9a-f]{16} main\+0x[0-9a-f]+ \(helper\)$'
        assert_output --partial "no such command: 'NO_SUCH_NAME'"
        assert_output --partial 'NO_SUCH_NAME: no such symbol'
        grep -qx STDERR "$errors"
        end_helper
    done
}

# --- Leaving. ---

@test "scenario 15: with a path of its own a session goes on through a fork, and the child has no manhole" {
    local child
    start_helper preloaded "socket_path=$BATS_TEST_TMPDIR/my.socket"
    socket=$BATS_TEST_TMPDIR/my.socket
    open_session
    echo 'call say_out "BEFORE FORK"' >&8
    wait_until 20 session_has 'BEFORE FORK'
    tell fork
    child=${reply#child }
    started+=("$child")
    echo 'call say_out "AFTER FORK"' >&8
    wait_until 20 session_has 'AFTER FORK'
    is_gone "/tmp/manhole-$child"
    echo exit >&8
    wait "$client"
    alive "$child"
    end "$child"
    [[ -S $socket ]]
    serves 1 1
}

@test "scenario 22: a client that half-closes, then closes, leaves everything clean" {
    local form
    for form in preloaded injected; do
        start_helper $form
        waits_again 1
        run timeout 60 python3 - "$socket" <<'PYTHON'
import socket, sys
client = socket.socket(socket.AF_UNIX)
client.connect(sys.argv[1])
got = b""
while b"> " not in got:
    got += client.recv(4096)
client.sendall(b"call say_out \"FOOBAR\"\n")
client.shutdown(socket.SHUT_WR)
client.shutdown(socket.SHUT_RD)
client.close()
PYTHON
        assert_success
        wait_until 20 log_has 1 'DONE.'
        wait_until 20 log_has 1 'Cleaned up.'
        waits_again 2
        serves 1 1
        end_helper
    done
}

@test "scenario 25: a client that is neither root nor of the program's user is refused, and the next one served" {
    need_other_users
    # A directory that others may enter, and a socket that they may open: only the kernel's word is between.
    local place
    place=$(mktemp -d)
    chmod 711 "$place"
    start_helper preloaded "socket_path=$place/socket"
    socket=$place/socket
    chmod 666 "$socket"
    waits_again 1
    run setpriv --reuid 65534 --regid 65533 --clear-groups socat -t 10 - "UNIX-CONNECT:$socket" </dev/null
    assert_output 'manhole: permission denied: uid 65534 may not, uid 0 and root may'
    run -0 grep -c "Can't accept client with PID:[0-9]* UID:65534 GID:65533. It doesn't match the current EUID:0 or ROOT." "$log"
    assert_output 1
    serves 1
    rm -rf "$place"
}

# --- Signals. ---

@test "scenario 32: a signal to the thread that accepts does not keep it from serving" {
    local task round
    start_helper preloaded
    waits_again 1
    for round in {1..20}; do
        for task in /proc/"$pid"/task/*; do
            # SIGUSR1 has a handler here; SIGWINCH has none.
            [[ ${task##*/} == "$pid" ]] || perl -e 'syscall(234, $ARGV[0], $ARGV[1], $_) for 10, 28' "$pid" "${task##*/}"
        done
    done
    serves 2
}

# --- Installed by the environment. ---

@test "scenario 33: the environment installs it, and a mistake in it costs the program nothing" {
    start_helper preloaded verbose=True
    serves 1
    end_helper
    start_helper preloaded no_such_option=1
    run -0 cat "$errors"
    assert_line --regexp '^manhole: MANHOLE: .*no_such_option.*: no manhole is installed$'
    is_gone "$socket"
    tell numbers
    [[ $reply == numbers* ]]
    end_helper
    # The empty string is what installs with the defaults: the log goes to standard error.
    exec 7<>"$BATS_TEST_TMPDIR/control"
    LD_PRELOAD=$BUILD/libmanhole.so MANHOLE='' start_quietly "$TARGETS/helper" <"$BATS_TEST_TMPDIR/control"
    sockets+=("/tmp/manhole-$pid")
    wait_until 20 grep -qs "Manhole UDS path: /tmp/manhole-$pid" "$output_file"
}

# --- The client. ---

@test "scenarios 37 and 38: a pid or a signal that is none is refused, with what is expected" {
    run "$ATTACH" asdf
    assert_failure 2
    assert_output --partial "manhole-attach: 'asdf' is no process id: it is a positive number"
    run "$ATTACH" --activate-on NOPE 1
    assert_failure 2
    assert_output --partial '--activate-on NOPE: no such signal; USR1 and USR2 are usual'
    run "$ATTACH" --activate-on 12341234 1
    assert_failure 2
    assert_output --partial '--activate-on 12341234: no such signal'
}

@test "scenario 41: the pid alone is enough, and a number comes back" {
    start_helper preloaded
    run "$ATTACH" "$pid" <<<'call labs 3579'
    assert_success
    assert_output '= 3579 (0xdfb)'
}

@test "scenario 42: the path of the socket is enough, too" {
    start_helper preloaded
    wait_until 20 test -S "$socket"
    run "$ATTACH" "$socket" <<<'call labs 3579'
    assert_success
    assert_output '= 3579 (0xdfb)'
}

@test "scenario 46: what the program prints while something runs arrives at once, line by line" {
    local i
    start_helper preloaded
    open_session
    echo 'call sleep 1000' >&8
    wait_until 20 is_evaluating
    for i in 0 1 2 3 4; do
        tell out "line$i"
        assert_equal "$reply" "line$i"
        wait_until 20 session_has "line$i"
    done
}

# The console's thread is in clock_nanosleep(2).
is_evaluating() {
    local task
    for task in /proc/"$pid"/task/*; do
        [[ $(cat "$task/comm") == 'mh<'* && $(cat "$task/syscall") == 230\ * ]] && return
    done
    return 1
}
