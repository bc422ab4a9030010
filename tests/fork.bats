# Forked children: they get a manhole of their own, or nothing at all.

setup() {
    load helpers
    log=$BATS_TEST_TMPDIR/log
    place=$BATS_TEST_TMPDIR
}

teardown() {
    exec 7>&- 8>&-
    end "${children[@]}"
    end_all
    # Children that end by _exit leave theirs.
    local one
    for one in "/tmp/manhole-$pid" $(sed -n 's/.*UDS path: //p' "$log" 2>/dev/null); do
        rm -f "$one"
    done
}

# start_forker [LAUNCHER...]: tests/targets/forker.c, which obeys what `tell` says.
start_forker() {
    out=$place/forker.out
    mkfifo "$place/control"
    "$@" "$TARGETS/${FORKER:-forker}" <"$place/control" >"$out" 2>&1 3>&- 7>&- 8>&- &
    pid=$!
    started+=("$pid")
    exec 7>"$place/control"
    wait_until 20 grep -qs '^ready' "$out"
}

# tell WORDS: sets $reply to the line that answers it.
tell() {
    local before
    before=$(wc -l <"$out")
    echo "$*" >&7
    wait_until "${PATIENCE:-60}" has_lines "$out" $((before + 1))
    reply=$(sed -n "$((before + 1))p" "$out")
}

has_lines() {
    (($(wc -l <"$1") >= $2))
}

# make_child HOW: sets $child.
make_child() {
    tell "$1"
    [[ $reply == 'child '* ]] || fail "$reply"
    child=${reply#child }
    children+=("$child")
}

install() {
    run -0 "$ATTACH" --install "$@" "$pid"
}

# installed [OPTIONS]: a forker with a manhole that logs to $log.
installed() {
    start_forker
    install --verbose-destination "$log" "$@"
}

is_gone() {
    ! alive "$1"
}

log_has() {
    grep -qsE "$1" "$log"
}

listens() {
    [[ -S /tmp/manhole-$1 ]] && log_has "^Manhole\[$1:.*Waiting for new connection \(in pid:$1\)"
}

# What of ours a process holds: its threads, its code, and the sockets, pipes and files that the program has not.
threads_of() {
    grep -hE '^(manhole|mh-idle|mh<.*)$' "/proc/$1"/task/*/comm
}
descriptors_of() {
    readlink "/proc/$1/fd"/* | sort
}

# A session of two commands.
session() {
    run -0 "$ATTACH" --eval 'call add 40 2' --eval 'call getpid' "$1"
    assert_line --index 0 --partial '= 42 '
    assert_line --index 1 --partial "= $1 "
}

# has_own_manhole PID: it comes, and serves twice.
has_own_manhole() {
    wait_until 20 listens "$1"
    session "$1"
    session "$1"
}

@test "a forked child gets a manhole of its own after the delay, and says so in the log" {
    installed
    session "$pid"
    session "$pid"
    make_child fork
    has_own_manhole "$child"
    run -0 grep -o "^Manhole\[$child:.*" "$log"
    assert_line --index 0 --regexp 'Fork detected\. Reinstalling Manhole\.$'
    assert_line --index 1 --regexp 'Delaying UDS binding 0\.5 seconds \.\.\.$'
    assert_line --index 2 --regexp "Manhole UDS path: /tmp/manhole-$child\$"
    log_has "^Manhole\[$pid:.*Patched <fork> and <forkpty>\."
    session "$pid"
    run -0 "$ATTACH" --list
    assert_line --regexp " $pid .*/tmp/manhole-$pid"
    assert_line --regexp " $child .*/tmp/manhole-$child"
}

@test "children of forkpty, daemon and other children have theirs too" {
    installed --reinstall-delay 0
    local how
    for how in forkpty daemon grandchild; do
        local before
        before=$(wc -l <"$out")
        make_child "$how"
        [[ $how == daemon ]] || has_own_manhole "$child"
        [[ $how == forkpty ]] && continue
        # The second one, of the child.
        wait_until 20 has_lines "$out" $((before + 2))
        child=$(sed "1,${before}d" "$out" | sed -n 's/^child //p' | grep -vx "$child")
        children+=("$child")
        has_own_manhole "$child"
    done
    session "$pid"
}

@test "a child of Python's os.fork has one: the fork is the C library's, whoever calls it" {
    start_quietly /usr/bin/python3 -c '
import os, sys, time
print("ready", flush=True)
while not os.path.exists(sys.argv[1]): time.sleep(0.01)
if os.fork() == 0: print("child", os.getpid(), flush=True)
time.sleep(1000)' "$place/go"
    wait_until 20 grep -qs ready "$output_file"
    install
    touch "$place/go"
    wait_until 20 grep -qs child "$output_file"
    children+=("$(sed -n 's/^child //p' "$output_file")")
    wait_until 20 test -S "/tmp/manhole-${children[0]}"
    run -0 "$ATTACH" --eval '.call getpid' "${children[0]}"
    assert_output --partial "= ${children[0]} "
}

@test "a child that executes another program, by whatever way, shows no socket and has nothing of ours" {
    start_forker
    make_child exec
    wait_until 20 executes_sleep "$child"
    local clean
    clean=$(descriptors_of "$child")
    install --verbose-destination "$log" --reinstall-delay 5
    local how
    for how in exec vfork spawn; do
        make_child "$how"
        wait_until 20 executes_sleep "$child"
        assert_equal "$(descriptors_of "$child")" "$clean"
        assert_equal "$(ls "/proc/$child/task" | wc -l)" 1
        refute bound "$child"
        if [[ $how == exec ]]; then
            log_has "^Manhole\[$child:.*Delaying UDS binding 5 seconds"
        else
            refute log_has "^Manhole\[$child:"
        fi
    done
    session "$pid"
}

# A file of that name may be of an older process of the same number.
bound() {
    grep -q " /tmp/manhole-$1\$" /proc/net/unix
}

executes_sleep() {
    [[ $(readlink "/proc/$1/exe") != "$TARGETS"/* && $(cat "/proc/$1/comm") == sleep ]]
}

@test "100 times 50 children that execute at once: none hangs, none shows a socket" {
    installed
    local round rounds
    rounds=$(scaled 100)
    for ((round = 0; round < rounds; round++)); do
        tell execs 50
        assert_equal "$reply" 'execs done, bad 0'
    done
    assert_equal "$(grep -c 'UDS path' "$log")" 1
    session "$pid"
}

@test "children of a program that allocates and makes threads all the time do not hang, with either allocator" {
    local preload
    for preload in '' libjemalloc.so.2; do
        place=$BATS_TEST_TMPDIR/$preload-
        mkdir "$place"
        start_forker env LD_PRELOAD="$preload"
        tell busy
        install --verbose-destination "$log" --reinstall-delay 0
        local round rounds
        rounds=$(scaled 10)
        for ((round = 0; round < rounds; round++)); do
            tell forks 100
            assert_equal "$reply" 'forks done, bad 0'
        done
        make_child fork
        has_own_manhole "$child"
        session "$pid"
        end "$pid"
    done
}

@test "children that are forked while the console evaluates and looks at stacks are whole" {
    installed
    tell busy
    mkfifo "$place/commands"
    "$ATTACH" --file - "$pid" <"$place/commands" >"$place/client.out" 2>&1 3>&- 7>&- 8>&- &
    local client=$!
    started+=("$client")
    exec 8>"$place/commands"
    printf 'bt\ncall usleep 1000\n%.0s' {1..60} >&8
    wait_until 20 grep -qs 'thread' "$place/client.out"
    local round rounds
    rounds=$(scaled 20)
    for ((round = 0; round < rounds; round++)); do
        tell forks 50
        assert_equal "$reply" 'forks done, bad 0'
        make_child fork
        wait_until 20 listens "$child"
        run -0 "$ATTACH" --uninstall "$child"
        assert_output ''
        # Of the fault handlers that the console had in place none is left: SEGV 11, BUS 7, ABRT 6.
        # (33 is glibc's own. USR1 is the program's.)
        local caught
        caught=$(sed -n 's/^SigCgt:[[:space:]]*//p' "/proc/$child/status")
        assert_equal "$((0x$caught & ~(1 << 32)))" $((1 << 9))
    done
    exec 8>&-
    wait "$client"
}

@test "no descriptor of ours stays in a child that gets no manhole" {
    start_forker
    make_child fork
    local clean
    clean=$(descriptors_of "$child")
    install --verbose-destination "$log" --no-patch-fork
    log_has 'Not patching fork and forkpty. Told not to.'
    make_child fork
    wait_until 20 eval "[[ \$(descriptors_of $child) == \"$clean\" ]]"
    refute threads_of "$child"
    # And while one waits for its delay: only its own log.
    install --replace --verbose-destination "$log" --reinstall-delay 1000
    make_child fork
    wait_until 20 log_has "^Manhole\[$child:.*Delaying UDS binding 1000 seconds"
    assert_equal "$(descriptors_of "$child" | grep -vxF "$log")" "$clean"
    # That one may be attached, too, without waiting; or be without one.
    run -0 "$ATTACH" --install "$child"
    assert_output "/tmp/manhole-$child"
    session "$child"
    make_child fork
    wait_until 20 log_has "^Manhole\[$child:.*Delaying UDS binding 1000 seconds"
    run -0 "$ATTACH" --uninstall "$child"
    refute threads_of "$child"
    refute grep -q libmanhole "/proc/$child/maps"
}

@test "the parent's client sees the end of its session though children live" {
    local how
    installed --reinstall-delay 1000
    for how in fork clone; do
        socat -t 30 - "UNIX-CONNECT:/tmp/manhole-$pid" < <(wait_until 60 test -e "$place/$how" && echo quit) \
            >"$place/client" 2>&1 3>&- 7>&- 8>&- &
        local client=$!
        started+=("$client")
        wait_until 20 grep -qs '> ' "$place/client"
        make_child "$how"
        touch "$place/$how"
        wait_until 20 is_gone "$client"
        alive "$child"
        rm "$place/client"
    done
}

@test "with a socket path of its own nothing happens to children, and they do nothing to the socket" {
    installed --socket-path "$place/socket"
    log_has "Not patching fork and forkpty. Using user socket path $place/socket\."
    mkfifo "$place/commands"
    socat -t 30 - "UNIX-CONNECT:$place/socket" <"$place/commands" >"$place/client" 3>&- 7>&- 8>&- &
    started+=("$!")
    exec 8>"$place/commands"
    echo 'log BEFORE FORK' >&8
    wait_until 20 log_has 'BEFORE FORK'
    make_child exit
    tell reap
    assert_equal "$reply" "ended $child with 5"
    make_child fork
    echo 'log AFTER FORK' >&8
    wait_until 20 log_has 'AFTER FORK'
    [[ -S $place/socket ]]
    refute bound "$child"
    refute threads_of "$child"
    refute log_has "^Manhole\[$child:"
    echo quit >&8
}

@test "a child that exits during the delay does so at once, with its own status" {
    installed --reinstall-delay 1000
    local i
    for i in {1..20}; do
        make_child exit
        tell reap
        assert_equal "$reply" "ended $child with 5"
    done
    [[ -S /tmp/manhole-$pid ]]
    session "$pid"
}

@test "after uninstalling, the parent forks as if nothing had been" {
    installed --reinstall-delay 0
    make_child fork
    has_own_manhole "$child"
    local first=$child
    run -0 "$ATTACH" --uninstall "$pid"
    assert_output ''
    refute grep -q libmanhole "/proc/$pid/maps"
    local before
    before=$(wc -l <"$log")
    tell forks 20
    assert_equal "$reply" 'forks done, bad 0'
    make_child fork
    assert_equal "$(wc -l <"$log")" "$before"
    # The child's own is another matter.
    session "$first"
    run -0 "$ATTACH" --uninstall "$first"
    assert_output ''
    refute grep -q libmanhole "/proc/$first/maps"
    # And again, in the same process.
    install --verbose-destination "$log" --reinstall-delay 0
    make_child fork
    has_own_manhole "$child"
}

@test "with musl, too" {
    FORKER=forker_musl
    start_forker env LD_PRELOAD="$BUILD/libmanhole.so" MANHOLE="verbose_destination=$log,reinstall_delay=0.2"
    make_child fork
    wait_until 20 listens "$child"
    log_has "^Manhole\[$child:.*Delaying UDS binding 0\.2 seconds"
    run -0 socat -t 30 - "UNIX-CONNECT:/tmp/manhole-$child" <<<$'call getpid\nquit'
    assert_output --partial "= $child "
    tell busy
    tell forks 200
    assert_equal "$reply" 'forks done, bad 0'
    tell execs 200
    assert_equal "$reply" 'execs done, bad 0'
}

@test "children of a program with a sanitizer, or with a malloc of its own, are left alone" {
    FORKER=forker_tsan start_forker
    install --verbose-destination "$log" --reinstall-delay 0
    log_has 'Not patching fork and forkpty. The program is built with a sanitizer'
    tell forks 10
    assert_equal "$reply" 'forks done, bad 0'
    end "$pid"
    rm "$place/control" "$log"

    gcc -shared -fPIC -o "$place/own_malloc.so" -x c - <<'END'
#include <stddef.h>
extern void *__libc_calloc(size_t, size_t);
void *calloc(size_t count, size_t size) { return __libc_calloc(count, size); }
END
    start_forker env LD_PRELOAD="$place/own_malloc.so"
    install --verbose-destination "$log" --reinstall-delay 0
    log_has 'Not patching fork and forkpty. The program has a malloc of its own'
    make_child fork
    wait_until 20 eval '! threads_of $child'
    refute log_has "^Manhole\[$child:"
}
