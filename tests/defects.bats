# What python-manhole gets wrong, what its tests leave out, and two users. Where another suite has the test it is named
# here; `style.bats` sees to it that each of them exists, and that no row is left out.
#
# The defects, by the rows of the inventory of python-manhole: errors (E), credentials (C), the socket (4), threads (L),
# forks (F), signals (S), sessions (R). "-" begins a reason why there is nothing to test.
#
#   E1                 payload.bats: installing gives the path, and a second time MANHOLE_ALREADY_INSTALLED with it
#   E1                 attach.bats: installing again with another path is refused, and with --replace it moves
#   E2                 attach.bats: uninstalling what has no manhole says so with status 6
#   E3                 options.bats: options that contradict each other are refused
#   E4                 payload.bats: only root and the program's own user get in
#   E4                 sessions.bats: clients that are refused are logged at a limited rate
#   E5                 options.bats: each install option says what it takes
#   E5                 payload.bats: bad paths and bad options are refused with a cause, and nothing is left
#   E6                 defects.bats: a bind that fails is told, by whatever way it was asked for, and the program goes on
#   E7                 activation.bats: activate_on: no socket before the signal, and the second signal changes nothing
#   E8                 payload.bats: without free descriptors it waits, and serves when there are some again
#   E9                 - C has no default time-out that a socket could inherit
#   C1                 payload.bats: only root and the program's own user get in
#   C2                 defects.bats: it is the effective user on both sides that counts
#   C3                 payload.bats: the socket is 0600 whatever the umask
#   C4                 payload.bats: the log has python-manhole's shape
#   C4                 sessions.bats: a second client of frames is told at once who holds the manhole
#   4.1                attach.bats: a target in its own mount and pid namespace is attached
#   4.1                clients.bats: a service with a private /tmp is attached by pid, and its socket is there alone
#   4.2                payload.bats: what is at the path and is not an abandoned socket of ours stays
#   4.2                defects.bats: what is at the path stays there, and the program without a manhole, when one is injected
#   4.3                sessions.bats: 50 clients at once are all served, one after the other
#   4.3                sessions.bats: a second client of frames is told at once who holds the manhole
#   4.4                attach.bats: a path that somebody else listens on is not taken
#   4.4                attach.bats: a socket served by another process than the one asked for is not talked to
#   4.5                defects.bats: a socket left behind by SIGTERM, SIGKILL or exec is known as abandoned, and the next one takes the path
#   4.5                list.bats: the socket of a process that was killed is stale, and --clean removes it
#   4.6                payload.bats: a forked child neither serves nor removes its parent's socket, and may have its own
#   4.7                payload.bats: 100 rounds of loading, installing, uninstalling and unloading leave nothing
#   4.8                attach.bats: a socket that was removed is one clear line, and --replace makes a new one
#   L1                 payload.bats: at rest there are two threads that never wake, and block what they must and no more
#   L2                 payload.bats: 20 clients one after the other, each with a fault, leave a manhole like new
#   L3                 sessions.bats: a client of text waits for its turn, and what it said meanwhile is answered then
#   L3                 sessions.bats: a second client of frames is told at once who holds the manhole
#   L4                 exit.bats: while a client is connected the program waits in exit, and the client can go on evaluating
#   L4                 exit.bats: with --daemon-connection the program exits, and the client sees the end
#   L5                 fork.bats: a forked child gets a manhole of its own after the delay, and says so in the log
#   L6                 defects.bats: installing again and again leaves no thread, no descriptor, no mapping, and one manhole
#   L7                 payload.bats: libmanhole.so depends on libc alone, and on no version of it
#   L7                 inject.bats: programs with a sanitizer are attached through its own functions
#   L8                 activation.bats: in forked and vforked children the signals of activation do nothing
#   F1                 fork.bats: a forked child gets a manhole of its own after the delay, and says so in the log
#   F2                 fork.bats: a forked child gets a manhole of its own after the delay, and says so in the log
#   F3                 fork.bats: children of forkpty, daemon and other children have theirs too
#   F3                 fork.bats: a child that executes another program, by whatever way, shows no socket and has nothing of ours
#   F4                 defects.bats: a client sees its end although a child of the program lives
#   F5                 fork.bats: children of a program that allocates and makes threads all the time do not hang, with either allocator
#   S1                 activation.bats: the program's own handler is kept whole, and put back
#   S1                 clients.bats: every form of the signal's name wakes a manhole, as with manhole-cli
#   S2                 activation.bats: a oneshot of a thread that allocates all the time never meets its lock
#   S3                 activation.bats: a fault in a oneshot session hurts nobody, and the next signal serves another one
#   S4                 scenarios.bats: scenario 32: a signal to the thread that accepts does not keep it from serving
#   S5                 activation.bats: the console of a oneshot sees the stack of the thread that waits for it
#   S6                 defects.bats: clients that vanish give the program no SIGPIPE, and make no write of it fail
#   R1                 stacks.bats: a client of text gets the stacks of all threads, then the banner, then the prompt
#   R2                 payload.bats: nc -U gets a banner, a prompt and answers
#   R3                 stacks.bats: a client of text gets the stacks of all threads, then the banner, then the prompt
#   R3                 stacks.bats: redis-server: the stacks from inside are those from outside
#   R4                 names.bats: names given with --local stand for numbers and symbols, and come before the program's
#   R4                 payload.bats: threads, maps, fds and env show what /proc shows
#   R5                 payload.bats: mistakes are named and lose nothing
#   R5                 payload.bats: every kind of fault ends the call and not the program
#   R6                 console.bats: quit leaves as Ctrl-D does
#   R7                 sessions.bats: a half-closed client still gets all its answers, and its last line needs no newline
#   R8                 sessions.bats: clients that connect and vanish, in all ways, leave nothing
#   R9                 sessions.bats: NULs and bytes of all kinds do no harm
#   R9                 sessions.bats: a line of more than a megabyte is refused, and the session goes on
#   R10                payload.bats: hanging up cuts off what runs, and the next client is served
#   R10                payload.bats: INTERRUPT cuts off what runs, and waits behind nothing
#   R11                redirect.bats: what is printed on a pipe, by C code or its children, is shown and still goes there
#   R12                redirect.bats: what is printed on a pipe, by C code or its children, is shown and still goes there
#   R13                redirect.bats: it is shown while the evaluation runs
#   R14                redirect.bats: a client who does not read costs the program nothing, and is told how much he missed
#   R14                sessions.bats: a client that never reads is dropped in the end, and the program never notices
#   R15                redirect.bats: after a fault, an interruption or an ended thread all is as before
#   R16                payload.bats: after sessions with calls and faults everything is as it was
#   R17                - the kernel vouches for the user, and the log says who came; commands are not recorded
#
# What its tests leave out:
#
#   second-activation  activation.bats: activate_on: no socket before the signal, and the second signal changes nothing
#   failed-bind        defects.bats: a bind that fails is told, by whatever way it was asked for, and the program goes on
#   regular-file       payload.bats: what is at the path and is not an abandoned socket of ours stays
#   child-exit         payload.bats: a forked child neither serves nor removes its parent's socket, and may have its own
#   stale-socket       defects.bats: a socket left behind by SIGTERM, SIGKILL or exec is known as abandoned, and the next one takes the path
#   stale-socket       defects.bats: a program that became another one by exec gets a manhole at the same path
#   stalled-client     redirect.bats: a client who does not read costs the program nothing, and is told how much he missed
#   stalled-client     sessions.bats: uninstalling does not wait for a client that never reads, floods or just sits there
#   no-sigpipe         defects.bats: clients that vanish give the program no SIGPIPE, and make no write of it fail
#   eof-despite-fork   defects.bats: a client sees its end although a child of the program lives
#   interruptible      payload.bats: hanging up cuts off what runs, and the next client is served
#   reinstall          defects.bats: installing again and again leaves no thread, no descriptor, no mapping, and one manhole
#   queued-clients     sessions.bats: 50 clients at once are all served, one after the other
#   invalid-bytes      sessions.bats: NULs and bytes of all kinds do no harm
#   huge-line          sessions.bats: a line of more than a megabyte is refused, and the session goes on
#   no-newline         sessions.bats: a half-closed client still gets all its answers, and its last line needs no newline
#   umask-0            payload.bats: the socket is 0600 whatever the umask
#   uid-and-euid       defects.bats: it is the effective user on both sides that counts
#   counts             inject.bats: after a loan the code, the mappings, the masks and the descriptors are as before
#   counts             payload.bats: after sessions with calls and faults everything is as it was
#   errno              defects.bats: no errno changes, whoever is borrowed or shows its stack
#   signal-mask        inject.bats: after a loan the code, the mappings, the masks and the descriptors are as before
#   registers          inject.bats: a thread that is borrowed in the middle of its own code keeps every register
#   restart            inject.bats: no blocking call returns, whichever thread is borrowed
#   restart            inject.bats: no signal is lost, and none is invented, while its thread is borrowed
#   killed-target      attach.bats: the target's end in the middle of a session is told, with status 3
#   killed-target      console.bats: the target's end while a command runs is told, with status 3
#   blocking-call      inject.bats: no blocking call returns, whichever thread is borrowed
#   in-malloc          inject.bats: a program that does nothing but allocate is borrowed only outside of malloc
#   loader-lock        defects.bats: a program that holds the loader's lock makes the attach give up, with the reason, and the next one work
#   stopped            inject.bats: a stopped program is left alone, with a clear message, and stays stopped
#   zombie             process.bats: a zombie is named as one, with the parent that should collect it
#   vfork              defects.bats: a parent in vfork is left alone, with the reason
#   traced             defects.bats: a program under another tracer is left alone, and the tracer named
#
# Two users:
#
#   other-user         payload.bats: only root and the program's own user get in
#   other-user         attach.bats: a manhole that root installed serves the target's own user, and no other
#   unmapped           defects.bats: a client whose user has no name in the program's user namespace is refused
#   unmapped           defects.bats: a program in a user namespace of its own lets in its own user, root as that one, and no other
#   squatting          payload.bats: what is at the path and is not an abandoned socket of ours stays
#   squatting          defects.bats: what is at the path stays there, and the program without a manhole, when one is injected

setup() {
    load helpers
    load helper_program
    CLIENT=$TARGETS/frames_client
}

teardown() {
    end_helper
}

# serves: a session is as it should be, at $socket.
serves() {
    say 'call getpid'
    [[ $output == *"= $pid (0x"* ]]
}

# --- The socket. ---

@test "a bind that fails is told, by whatever way it was asked for, and the program goes on" {
    local path=/nowhere/at/all
    start_helper uninstalled
    tell install "path=$path"
    assert_equal "$reply" 'install 2 no such file or directory'
    end_helper
    start_helper preloaded "socket_path=$path"
    grep -qx "manhole: MANHOLE: $path: cannot make the socket: ENOENT: no manhole is installed" "$errors"
    tell out alive
    assert_equal "$reply" alive
    end_helper
    start_helper alone
    local before
    run "$ATTACH" --install --socket-path "$path" "$pid"
    assert_failure
    assert_output --partial "$path: cannot make the socket: ENOENT"
    # Once is what the C library keeps of a thread; a second time must add nothing.
    before=$(counts_of "$pid")
    run "$ATTACH" --install --socket-path "$path" "$pid"
    assert_failure
    assert_equal "$(counts_of "$pid")" "$before"
    refute grep -q libmanhole "/proc/$pid/maps"
    tell out alive
    assert_equal "$reply" alive
}

# leaves_stale HOW: the program ends, or becomes another one, and its socket stays behind.
leaves_stale() {
    local path=$BATS_TEST_TMPDIR/socket
    start_helper preloaded "socket_path=$path"
    wait_until 10 test -S "$path"
    case $1 in
    exec) echo 'exec /bin/cat' >&7 && wait_until 20 has_become cat ;;
    *) kill -"$1" "$pid" && wait "$pid" || true ;;
    esac
    [[ -S $path ]]
}

has_become() {
    [[ $(cat "/proc/$pid/comm") == "$1" ]]
}

@test "a socket left behind by SIGTERM, SIGKILL or exec is known as abandoned, and the next one takes the path" {
    local how
    for how in TERM KILL exec; do
        leaves_stale $how
        run "$ATTACH" --eval 'call getpid' "$BATS_TEST_TMPDIR/socket"
        assert_failure 6
        assert_output --partial 'nobody serves this socket any more'
        start_helper preloaded "socket_path=$BATS_TEST_TMPDIR/socket"
        socket=$BATS_TEST_TMPDIR/socket
        serves
        end_helper
        rm -f "$socket"
    done
}

@test "a program that became another one by exec gets a manhole at the same path" {
    start_helper preloaded
    wait_until 10 test -S "$socket"
    echo 'exec /bin/cat' >&7
    wait_until 20 has_become cat
    [[ -S $socket ]]
    run "$ATTACH" --install "$pid"
    assert_success
    assert_output "$socket"
    serves
}

@test "installing again and again leaves no thread, no descriptor, no mapping, and one manhole" {
    local round before
    start_helper preloaded
    tell install strict=0
    before=$(counts_of "$pid")
    for round in {1..20}; do
        tell install strict=0
        assert_equal "$reply" 'install 0 done'
    done
    assert_equal "$(counts_of "$pid")" "$before"
    assert_equal "$(grep -c "$socket" /proc/net/unix)" 1
    serves
    end_helper
    start_helper injected
    "$ATTACH" --install --replace "$pid"
    before=$(counts_of "$pid")
    for round in {1..5}; do
        "$ATTACH" --install --replace "$pid"
    done
    assert_equal "$(counts_of "$pid")" "$before"
    serves
}

# --- What the program must not notice. ---

@test "clients that vanish give the program no SIGPIPE, and make no write of it fail" {
    local i
    start_helper preloaded
    tell write
    for i in {1..20}; do
        # It asks, and is gone before the answer.
        perl -MSocket -e 'socket(S, PF_UNIX, SOCK_STREAM, 0); connect(S, pack_sockaddr_un($ARGV[0]));
            syswrite(S, "maps\ncall say_out \"x\"\nmaps\n"); shutdown(S, 0); select(undef, undef, undef, $ARGV[1] * 0.02)' "$socket" $((i % 3))
    done
    wait_until 30 serves
    echo numbers >&7
    wait_until 30 grep -qs '^numbers' "$out"
    run -0 grep -m 1 '^numbers' "$out"
    assert_output --partial 'pipe_signals 0 failed_writes 0'
}

@test "no errno changes, whoever is borrowed or shows its stack" {
    start keeps_errno
    local round
    sockets+=("/tmp/manhole-$pid")
    for round in {1..10}; do
        "$ATTACH" --dump --freeze --max-pause 1000 "$pid" >/dev/null
        run "$ATTACH" --eval bt --eval 'call getppid' "$pid"
        assert_output --partial "= $$ (0x"
        "$ATTACH" --uninstall "$pid"
    done
    assert_equal "$(cat "$output_file")" ready
}

@test "a client sees its end although a child of the program lives" {
    local go=$BATS_TEST_TMPDIR/go
    start_helper preloaded socket_path="$BATS_TEST_TMPDIR/socket"
    socket=$BATS_TEST_TMPDIR/socket
    python3 - "$socket" "$go" >"$BATS_TEST_TMPDIR/client" 3>&- 7>&- <<'PYTHON' &
import os, socket, sys, time
client = socket.socket(socket.AF_UNIX)
client.settimeout(30)
client.connect(sys.argv[1])
got = b""
while not got.endswith(b"> "):
    got += client.recv(4096)
print("connected", flush=True)
while not os.path.exists(sys.argv[2]):
    time.sleep(0.05)
client.sendall(b"exit\n")
while client.recv(4096):
    pass
print("end", flush=True)
PYTHON
    started+=($!)
    wait_until 20 grep -qs connected "$BATS_TEST_TMPDIR/client"
    tell fork
    local child=${reply#child }
    started+=("$child")
    touch "$go"
    wait_until 20 grep -qs end "$BATS_TEST_TMPDIR/client"
    alive "$child"
    wait_until 10 serves
}

# --- Awkward moments for an attach. ---

@test "a program that holds the loader's lock makes the attach give up, with the reason, and the next one work" {
    start_obedient "$TARGETS/payload_host" "$BUILD/libmanhole.so" "$BATS_TEST_TMPDIR/socket"
    sockets+=("/tmp/manhole-$pid")
    tell loader
    run "$ATTACH" --install --timeout 2 "$pid"
    assert_failure 7
    assert_output --partial 'dlopen'
    tell release
    wait_until 20 only_its_threads 2
    wait_until 20 installs
    "$ATTACH" --uninstall "$pid"
}

only_its_threads() {
    (($(ls "/proc/$pid/task" | wc -l) <= $1))
}

installs() {
    "$ATTACH" --install "$pid"
}

@test "a parent in vfork is left alone, with the reason" {
    start vfork_parent
    run "$ATTACH" --install --timeout 2 "$pid"
    assert_failure 7
    assert_output --partial 'in an uninterruptible wait of the kernel'
    alive "$pid"
}

@test "a program under another tracer is left alone, and the tracer named" {
    start poller
    # All its threads: a free one would be borrowed.
    strace -f -o /dev/null -p "$pid" 2>/dev/null 3>&- &
    local tracer=$!
    started+=("$tracer")
    wait_until 10 is_traced
    run "$ATTACH" --install "$pid"
    assert_failure 4
    assert_output --partial "process $tracer (strace) traces it already"
    alive "$tracer"
    alive "$pid"
}

is_traced() {
    ! grep -q '^TracerPid:[[:space:]]0$' "/proc/$pid"/task/*/status
}

# --- Two users. ---

# as_user UID COMMAND...: with that effective user; nothing else of it is of that user.
as_effective_user() {
    local uid=$1
    shift
    setpriv --euid "$uid" --clear-groups "$@"
}

@test "it is the effective user on both sides that counts" {
    need_other_users
    local place
    place=$(mktemp -d)
    chmod 711 "$place"
    start_helper preloaded "socket_path=$place/socket"
    socket=$place/socket
    chmod 666 "$socket"
    # The program acts as another user for a while.
    tell users 0 65534 0
    assert_equal "$reply" 'users 0'
    run as_effective_user 65534 socat -t 10 - "UNIX-CONNECT:$socket" <<<exit
    assert_output --partial goodbye
    run as_effective_user 1234 socat -t 10 - "UNIX-CONNECT:$socket" </dev/null
    assert_output 'manhole: permission denied: uid 1234 may not, uid 65534 and root may'
    serves
    # And back: who was let in is not any more, though the program still is that user really.
    tell users 65534 0 0
    assert_equal "$reply" 'users 0'
    run as_effective_user 65534 socat -t 10 - "UNIX-CONNECT:$socket" </dev/null
    assert_output 'manhole: permission denied: uid 65534 may not, uid 0 and root may'
    serves
    rm -rf "$place"
}

@test "what is at the path stays there, and the program without a manhole, when one is injected" {
    start_helper alone
    local path=$BATS_TEST_TMPDIR/at-the-path
    refused() {
        run "$ATTACH" --install --socket-path "$path" "$pid"
        assert_failure 6
        assert_output --partial "$path: is there already, and $1: not touched"
        refute grep -q libmanhole "/proc/$pid/maps"
    }
    echo precious >"$path"
    refused 'is no socket'
    assert_equal "$(cat "$path")" precious
    ln -sf /etc/passwd "$path"
    refused 'is no socket'
    assert_equal "$(readlink "$path")" /etc/passwd
    ln -sfn /nowhere "$path"
    refused 'is no socket'
    assert_equal "$(readlink "$path")" /nowhere
    rm "$path"
    mkdir "$path"
    refused 'is no socket'
    [[ -d $path ]]
    rmdir "$path"
    perl -MSocket -e 'socket(S, PF_UNIX, SOCK_STREAM, 0); bind(S, pack_sockaddr_un($ARGV[0]))' "$path"
    chown 65534 "$path"
    refused "is another user's"
    [[ -S $path ]]
    rm "$path"
    socat "UNIX-LISTEN:$path,fork" - 3>&- 7>&- &
    started+=($!)
    wait_until 10 test -S "$path"
    refused 'somebody listens at it'
    [[ -S $path ]]
}

@test "a client whose user has no name in the program's user namespace is refused" {
    unshare --user true 2>/dev/null || skip "no user namespaces here"
    need_other_users
    local place
    place=$(mktemp -d)
    chmod 711 "$place"
    socket=$place/socket
    # Its own user is not mapped either: both are the overflow user there.
    start_obedient unshare --user env LD_PRELOAD="$BUILD/libmanhole.so" \
        MANHOLE="socket_path=$socket,verbose_destination=$place/log" "$TARGETS/helper"
    wait_until 10 test -S "$socket"
    chmod 666 "$socket"
    run setpriv --reuid 1234 --clear-groups socat -t 10 - "UNIX-CONNECT:$socket" </dev/null
    assert_output --regexp '^manhole: permission denied: '
    grep -q "Can't accept client with" "$place/log"
    rm -rf "$place"
}

@test "a program in a user namespace of its own lets in its own user, root as that one, and no other" {
    unshare --user --keep-caps true 2>/dev/null || skip "no user namespaces here"
    need_other_users
    mkfifo "$BATS_TEST_TMPDIR/go"
    exec 7<>"$BATS_TEST_TMPDIR/go"
    start_quietly "$(command -v unshare)" --user --keep-caps sh -c '
        read line <"$0" && exec setpriv --reuid 0 --regid 0 --clear-groups sleep 1000' "$BATS_TEST_TMPDIR/go"
    wait_until 20 has_its_own_users
    echo '0 100000 1000' >"/proc/$pid/gid_map"
    echo '0 100000 1000' >"/proc/$pid/uid_map"
    echo go >&7
    wait_until 20 has_become sleep
    socket=/tmp/manhole-$pid
    sockets+=("$socket")
    run "$ATTACH" --eval 'call getuid' "$pid"
    assert_success
    assert_output '= 0 (0x0)'
    run setpriv --reuid 100000 --regid 100000 --clear-groups socat -t 10 - "UNIX-CONNECT:$socket" <<<exit
    assert_output --partial goodbye
    # Those outside are all one user to it, root among them.
    chmod 666 "$socket"
    local user
    for user in 0 1234; do
        run setpriv --reuid $user --clear-groups socat -t 10 - "UNIX-CONNECT:$socket" </dev/null
        assert_output 'manhole: permission denied: uid 65534 may not, uid 0 and root may'
    done
    run "$ATTACH" --uninstall "$pid"
    assert_success
}

has_its_own_users() {
    [[ $(readlink "/proc/$pid/ns/user") != $(readlink /proc/self/ns/user) ]]
}
