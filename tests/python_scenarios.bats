# The scenarios of python-manhole's own tests that speak of Python, by their numbers, and what its users found broken in it,
# against a Python program that never imported anything of a manhole's (tests/targets/python_helper.py). Those that do not
# speak of Python are in scenarios.bats.

setup() {
    load helpers
    load helper_program
    HELPER=(/usr/bin/python3 "$TOP/tests/targets/python_helper.py")
    LEAVE='exit()'
}

teardown() {
    end_helper
}

# unharmed: the program works, and saw nothing of ours.
unharmed() {
    tell health
    assert_equal "$reply" 'health works well'
}

# says TEXT: the session that is open shows it within some seconds.
says() {
    wait_until 20 session_has "$1"
}

# The prompt of a session is there; what it was told before is done.
prompts() {
    wait_until 20 prompt_is_last
}

prompt_is_last() {
    [[ $(tail -c 4 "$session") == '>>> ' ]]
}

leave_session() {
    echo 'exit()' >&8
    wait "$client"
    exec 8>&-
}

# make_child HOW: a child of the program, with a manhole of its own, as $child; $socket is its.
make_child() {
    tell "$1"
    child=${reply#"$1 "}
    started+=("$child")
    socket=/tmp/manhole-$child
    sockets+=("$socket")
    wait_until 30 test -S "$socket"
}

@test "scenario 4: sessions one after another: stacks, banner, prompt, print, leave; nothing stays" {
    local i count
    count=$(scaled 100)
    start_helper injected
    tell keep
    for ((i = 1; i <= count; i++)); do
        say 'print("FOOBAR")' '1234+2345'
        assert_line --regexp "^######### ProcessID=$pid, ThreadID=[0-9]+, Name=MainThread, NativeID=$pid #########$"
        assert_line '(ManholeConsole)'
        assert_line '>>> FOOBAR'
        assert_line '>>> 3579'
        wait_until 20 log_has "$i" 'UID:0 GID:0'
        wait_until 20 log_has "$i" 'Cleaned up.'
        waits_again $((i + 1))
    done
    # What the session prints is the client's alone.
    refute grep -q FOOBAR "$out"
    tell compare
    assert_equal "$reply" 'compare nothing'
    unharmed
}

@test "scenarios 5 and 6: exec runs each line in Python, with the program's names, and says what came of it" {
    start_helper injected connection_handler=exec "locals='answer=42'"
    run timeout 60 nc -U "$socket" <<'END'
.py
print("FOOBAR%d" % answer)
k1
kept = []
kept.append(k1); print(kept)
1/0
print("after")
exit()
END
    assert_success
    # What is printed comes in as many blocks as it came in pieces: a newline may be one of its own.
    assert_output --partial FOOBAR42
    assert_output --partial $'\n4711'
    assert_output --partial $'\n[4711]'
    assert_line --regexp '^failed [0-9]+$'
    assert_line --partial 'ZeroDivisionError: division by zero'
    assert_output --partial $'\nafter'
    assert_output --partial goodbye
    log_has 1 "Running: 'kept.append(k1); print(kept)'."
    unharmed
}

@test "scenarios 11, 12, 23 and 24: names of --local, in the program and in children of fork and forkpty, two sessions each" {
    local form parent_socket how i
    for form in preloaded injected; do
        start_helper $form "locals='number=4711'"
        parent_socket=$socket
        for how in fork $([[ $form == preloaded ]] || echo forkpty fork_in_thread); do
            socket=$parent_socket
            say 'os.getpid()' 'number + 1' 'names["k2"]' 'no_such_name'
            assert_line ">>> $pid"
            assert_line '>>> 4712'
            assert_line "NameError: name 'no_such_name' is not defined"
            make_child $how
            for i in 1 2; do
                say 'os.getpid()' 'number + 2' 'names["k2"] += 1; names["k2"]'
                assert_line --partial "ProcessID=$child, "
                assert_line ">>> $child"
                assert_line '>>> 4713'
                assert_line ">>> $((4712 + i))"
            done
            end "$child"
        done
        unharmed
        end_helper
    done
}

@test "scenario 15: a session goes on through forks; who forks is not asked by whom, and the child has the program's streams" {
    start_helper injected "socket_path=$BATS_TEST_TMPDIR/my.socket"
    socket=$BATS_TEST_TMPDIR/my.socket
    tell keep
    open_session
    echo 'kept = "BEFORE"' >&8
    # In the middle of an evaluation, when the streams of the session are in their place.
    echo 'modules = sys.modules; modules["time"].sleep(0.5); print(kept, "FORK")' >&8
    tell fork
    child=${reply#fork }
    started+=("$child")
    says 'BEFORE FORK'
    echo 'print("AFTER", kept)' >&8
    says 'AFTER BEFORE'
    # Of the session's own making: the child ends, and the session stays.
    echo 'child = os.fork() or os._exit(0); print("waited", os.waitpid(child, 0)[1])' >&8
    says 'waited 0'
    leave_session
    end "$child"
    unharmed
    tell compare
    assert_equal "$reply" 'compare nothing'
}

@test "scenarios 16 to 21: stderr, stacks and tracebacks reach the client; with stderr left alone, all but stderr" {
    start_helper injected
    say 'print("ERR" "OR", file=sys.stderr)' 'dump_stacktraces()' NO_SUCH_NAME
    assert_line '>>> ERROR'
    assert_equal "$(grep -c "ThreadID=.*Name=MainThread" <<<"$output")" 2
    assert_equal "$(grep -c '#############################################$' <<<"$output")" 2
    assert_line '>>> Traceback (most recent call last):'
    assert_line "NameError: name 'NO_SUCH_NAME' is not defined"
    refute grep -q ERROR "$errors"
    unharmed
    end_helper
    start_helper injected redirect_stderr=0
    say 'print("ERR" "OR", file=sys.stderr)' 'print("OUT" "PUT")' NO_SUCH_NAME
    assert_line '>>> >>> OUTPUT'
    assert_line "NameError: name 'NO_SUCH_NAME' is not defined"
    refute_output --partial ERROR
    grep -qx ERROR "$errors"
    unharmed
}

@test "with --redirect the client sees what all of Python prints, as it comes; the program's output stays whole, and its streams come back" {
    local how
    start_helper injected redirect=1
    for how in vanish uninstall; do
        tell keep
        open_session
        # At the prompt, and while the session itself runs.
        tell say "at the prompt, $how"
        says "at the prompt, $how"
        tell_only complain "also there, $how"
        says "also there, $how"
        echo 'print("beg" + "un"); while_it_is_there = [__main__.time.sleep(0.01) for _ in range(10 ** 6)]' >&8
        says begun
        tell say "meanwhile, $how"
        says "meanwhile, $how"
        wait_until 20 grep -qx "also there, $how" "$errors"
        if [[ $how == vanish ]]; then
            end "$client"
        else
            run -0 timeout 60 "$ATTACH" --uninstall --timeout 20 "$pid"
        fi
        exec 8>&-
        wait_until 20 has_no_session
        tell say "afterwards, $how"
        refute session_has "afterwards, $how"
        tell compare
        # What is gone with the manhole is gone.
        [[ $how == vanish ]] && assert_equal "$reply" 'compare nothing'
        assert_regex "$reply" '^compare (nothing|descriptors: [0-9]+ -> [0-9]+; tasks: 4 -> 2)$'
        unharmed
    done
}

# The notice stands where something is missing, before what is printed next.
is_told() {
    tell say another
    grep -qs told "$BATS_TEST_TMPDIR/stalled"
}

@test "with --redirect a client that does not read costs the program nothing, and is told what it missed" {
    local client longest
    start_helper injected redirect=1
    mkfifo "$BATS_TEST_TMPDIR/go"
    /usr/bin/python3 -c '
import socket, sys
client, got = socket.socket(socket.AF_UNIX), b""
client.connect(sys.argv[1])
while b">>> " not in got:
    got += client.recv(4096)
print("stalled", flush=True)
sys.stdin.readline()
while b" bytes dropped]\n" not in got:
    piece = client.recv(4096)
    assert piece
    got += piece
print("told", flush=True)' "$socket" <"$BATS_TEST_TMPDIR/go" >"$BATS_TEST_TMPDIR/stalled" 3>&- 7>&- 8>&- &
    client=$!
    started+=("$client")
    exec 8>"$BATS_TEST_TMPDIR/go"
    wait_until 20 grep -qs stalled "$BATS_TEST_TMPDIR/stalled"
    tell_only write_on 4000
    wait_until 60 grep -qs '^write_on ' "$out"
    longest=$(sed -n 's/^write_on //p' "$out")
    ((longest < 1000)) || fail "a line took $longest ms"
    assert_equal "$(grep -c xxx "$out")" 2000
    assert_equal "$(grep -c xxx "$errors")" 2000
    echo >&8
    wait_until 20 is_told
    wait "$client"
    unharmed
}

# No thread of the program speaks Python for a client.
has_no_session() {
    ! grep -qx mh-python "/proc/$pid"/task/*/comm
}

@test "scenario 22, and clients that vanish or send what is no text: the next one is served, and nothing of them stays" {
    local how i=1
    start_helper injected
    tell keep
    for how in graceful abrupt 'while asleep' 'bad bytes'; do
        run timeout 60 /usr/bin/python3 - "$socket" "$how" <<'PYTHON'
import socket, struct, sys
client, how = socket.socket(socket.AF_UNIX), sys.argv[2]
client.connect(sys.argv[1])
got = b""
def read_to(text):
    global got
    while text not in got:
        piece = client.recv(4096)
        assert piece, got
        got += piece
    got = got.split(text, 1)[1]
read_to(b">>> ")
if how == "graceful":
    client.sendall(b"print('FOOBAR')\n")
    client.shutdown(socket.SHUT_WR)
    client.shutdown(socket.SHUT_RD)
elif how == "while asleep":
    client.sendall(b"print('beg' + 'un'); [sys.modules['time'].sleep(0.01) for _ in range(10 ** 6)]\n")
    read_to(b"begun")
elif how == "bad bytes":
    client.sendall(b"\xff\xfe = 1\n")
    read_to(b">>> ")
    client.sendall(b"print('\xe4')\n")
    read_to(b">>> ")
    client.sendall(b"'a\0b'\n")
    read_to(b">>> ")
    client.sendall("print('größe')\n".encode())
    read_to("größe".encode())
client.close()
PYTHON
        assert_success
        wait_until 30 log_has $i 'Cleaned up.'
        i=$((i + 1))
        waits_again $i
    done
    say '1234+2345'
    assert_line '>>> 3579'
    wait_until 20 log_has 5 'Cleaned up.'
    tell compare
    assert_equal "$reply" 'compare nothing'
    unharmed
}

@test "scenarios 28 and 33: a manhole of the environment sleeps until its signal, in a Python that has handlers of its own" {
    start_helper preloaded activate_on=USR2
    is_gone "$socket"
    kill -USR2 "$pid"
    wait_until 20 test -S "$socket"
    kill -USR2 "$pid"
    say 'signal = sys.modules["signal"]; signal.getsignal(signal.SIGINT) is signal.default_int_handler' k1
    assert_line '>>> True'
    assert_line '>>> 4711'
    unharmed
    kill -INT "$pid"
    wait_until 20 is_gone "/proc/$pid/exe"
    run tail -n 1 "$errors"
    assert_output KeyboardInterrupt
}

@test "scenarios 30 and 31: oneshot_on: a session on the signal, SystemExit in it is its end alone, and the next signal serves another" {
    local i
    start_helper injected oneshot_on=USR2
    is_gone "$socket"
    for i in 1 2; do
        kill -USR2 "$pid"
        wait_until 20 test -S "$socket"
        say 'names["k2"] += 1; names["k2"]' 'raise SystemExit()'
        assert_line ">>> $((4712 + i))"
        wait_until 20 is_gone "$socket"
    done
    unharmed
}

@test "scenario 35: children that execute at once: none hangs, none shows a socket, while a session stays" {
    local count
    count=$(scaled 200)
    start_helper injected
    open_session
    echo 'print("beg" + "un"); sys.modules["time"].sleep(0.3)' >&8
    says begun
    tell spawn "$count"
    assert_equal "$reply" "spawn $count"
    leave_session
    run grep -c 'UDS path' "$log"
    assert_output 1
    unharmed
}

@test "scenario 46: what is printed arrives at once, line by line" {
    local i
    start_helper injected
    open_session
    echo 'import time' >&8
    echo 'for i in range(5): print("li" f"ne{i}"); time.sleep(60 if i == 4 else 0.01)' >&8
    echo >&8
    for i in 0 1 2 3 4; do
        says "line$i"
    done
    # The program's own lines are the program's.
    tell say spoken
    assert_equal "$reply" spoken
    tell_only complain spoken
    wait_until 20 grep -qx spoken "$errors"
    refute session_has spoken
    end "$client"
    wait_until 20 log_has 1 'Cleaned up.'
    unharmed
}

@test "issue 59: an exception leaves nothing, however large what it held was; sys.last_* are what they were" {
    start_helper injected
    tell keep
    say 'def fails(): data = [bytearray(1 << 20) for _ in range(200)]; raise ValueError(len(data))' '' 'fails()' \
        'len(sys.last_traceback.tb_next.tb_frame.f_locals["data"])'
    assert_line 'ValueError: 200'
    assert_line '>>> 200'
    wait_until 20 log_has 1 'Cleaned up.'
    tell resident
    ((${reply#resident } < 100000)) || fail "$reply kB"
    tell compare
    assert_equal "$reply" 'compare nothing'
    unharmed
}

@test "a client that stops reading costs the program nothing: its prints do not wait, and the next client is served" {
    local longest
    start_helper injected
    # It reads the prompt, and then no more.
    /usr/bin/python3 -c '
import socket, sys, time
client = socket.socket(socket.AF_UNIX)
client.connect(sys.argv[1])
got = b""
while b">>> " not in got:
    got += client.recv(4096)
client.sendall(b"while True: print(\"y\" * 1000)\n\n")
print("stalled", flush=True)
time.sleep(1000)' "$socket" >"$BATS_TEST_TMPDIR/stalled" 3>&- 7>&- &
    client=$!
    started+=("$client")
    wait_until 20 grep -qs stalled "$BATS_TEST_TMPDIR/stalled"
    tell_only write_on 2000
    wait_until 60 grep -qs '^write_on ' "$out"
    longest=$(sed -n 's/^write_on //p' "$out")
    ((longest < 1000)) || fail "a line took $longest ms"
    unharmed
    end "$client"
    wait_until 30 log_has 1 'Cleaned up.'
    say '1234+2345'
    assert_line '>>> 3579'
}
