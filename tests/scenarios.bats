# The scenarios of python-manhole's own tests, by their numbers, against a program that is not Python.

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
        assert_output --partial "$pid:helper> = $pid (0x"
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

@test "scenario 4: twenty sessions one after another: banner, prompt, print, leave" {
    local form
    for form in preloaded injected; do
        start_helper $form
        serves 20
        end_helper
    done
}

# --- One or several. ---

@test "scenario 7: a second install is refused" {
    start_helper preloaded
    tell install
    assert_equal "$reply" 'install 4098 Manhole already installed!'
    serves 1
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

# --- Leaving. ---

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

# --- Installed by the environment. ---

@test "scenario 33: the environment installs it, and a mistake in it costs the program nothing" {
    start_helper preloaded verbose=True
    serves 1
    end_helper
    start_helper preloaded no_such_option=1
    run -0 cat "$out"
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
