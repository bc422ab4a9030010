# The loan of a thread: what it may not do to the target, wherever the target is, and whenever we are killed.

setup() {
    load helpers
    load helper_program
}

teardown() {
    local one
    end_helper
    for one in "${started[@]}"; do
        rm -f "/tmp/manhole-$one"
    done
    end_all
}

# output_of NAME: what a target printed.
output_of() {
    cat "$BATS_TEST_TMPDIR/$1.out"
}

# lines_of NAME: how much a target printed, to see that it goes on.
lines_of() {
    output_of "$1" | wc -l
}

goes_on() {
    local before
    before=$(lines_of "$1")
    wait_until 20 has_more_than "$1" "$before"
}

has_more_than() {
    (($(lines_of "$1") > $2))
}

# rounds N: installs and uninstalls N times.
rounds() {
    local round
    for ((round = 0; round < $1; round++)); do
        "$ATTACH" --install --timeout 30 "$pid" >/dev/null
        "$ATTACH" --uninstall --timeout 30 "$pid"
    done
}

# code_of PID: the bytes of all executable mappings, as one checksum.
code_of() {
    python3 - "$1" <<'PYTHON'
import hashlib, sys
total = hashlib.sha256()
with open(f'/proc/{sys.argv[1]}/mem', 'rb') as memory:
    for line in open(f'/proc/{sys.argv[1]}/maps'):
        if 'x' in line.split()[1] and '/' in line:
            start, end = (int(x, 16) for x in line.split()[0].split('-'))
            memory.seek(start)
            total.update(memory.read(end - start))
print(total.hexdigest())
PYTHON
}

# No thread of PID is traced or stopped.
is_free() {
    ! grep -hs '^TracerPid:' /proc/"$1"/task/*/status | grep -qv '[[:space:]]0$' &&
        ! grep -hs '^State:' /proc/"$1"/task/*/status | grep -q '[tT] ('
}

# masks_of PID: the signal masks of all threads.
masks_of() {
    grep -H '^SigBlk:' /proc/"$1"/task/*/status
}

masks_are() {
    [[ $(masks_of "$1") == "$2" ]]
}

@test "after a loan the code, the mappings, the masks and the descriptors are as before" {
    start poller
    local code maps masks fds
    code=$(code_of "$pid")
    masks=$(masks_of "$pid")
    rounds 1 # libc keeps an arena of malloc for the first thread that needs one
    maps=$(cat "/proc/$pid/maps")
    fds=$(ls "/proc/$pid/fd")
    rounds "$(scaled 50)"
    assert_equal "$(code_of "$pid")" "$code"
    assert_equal "$(cat "/proc/$pid/maps")" "$maps"
    assert_equal "$(masks_of "$pid")" "$masks"
    assert_equal "$(ls "/proc/$pid/fd")" "$fds"
    is_free "$pid"
}

@test "a thread that is borrowed in the middle of its own code keeps every register" {
    start keeps_registers
    rounds "$(scaled 50)"
    goes_on keeps_registers
    refute grep -m 5 bad "$BATS_TEST_TMPDIR/keeps_registers.out"
}

@test "no signal is lost, and none is invented, while its thread is borrowed" {
    start signal_storm
    wait_until 20 has_more_than signal_storm 1
    rounds "$(scaled 50)"
    goes_on signal_storm
    refute grep -m 5 bad "$BATS_TEST_TMPDIR/signal_storm.out"
}

@test "the first real-time signal is the program's: no thread of ours takes it, and no loan is disturbed by it" {
    start_obeying "$TARGETS/rt_signals"
    "$ATTACH" --install "$pid" >/dev/null
    tell go
    assert_equal "$reply" 'received 100 of 100'
    "$ATTACH" --uninstall "$pid"
    exec 7>&-
    # Its main thread is borrowed while it gets five hundred of them a second.
    start bystander "$BATS_TEST_TMPDIR/report" signals
    rounds 3
    alive "$pid"
    assert_equal "$(output_of bystander)" ready
}

@test "a program that does nothing but allocate is borrowed only outside of malloc" {
    start malloc_hammer
    rounds "$(scaled 40)"
    alive "$pid"
    assert_equal "$(output_of malloc_hammer)" ready
    end "$pid"
    start malloc_hammer 3
    rounds 3
    alive "$pid"
    assert_equal "$(output_of malloc_hammer)" ready
}

@test "a program with a malloc of its own that waits for a lock is not borrowed, nor stopped to find out" {
    start own_malloc
    run -7 env ASAN_OPTIONS=detect_leaks=0 strace -f -e trace=ptrace -o "$BATS_TEST_TMPDIR/calls" "$ATTACH" --install --timeout 1 "$pid"
    assert_output --partial 'not asleep in a plain call (the allocator is part of the program)'
    refute grep -q PTRACE_SEIZE "$BATS_TEST_TMPDIR/calls"
}

@test "no blocking call returns, whichever thread is borrowed" {
    start blocking_calls
    rounds "$(scaled 40)"
    assert_equal "$(output_of blocking_calls)" ready
}

@test "a program in a tight loop is attached" {
    start sleepers_and_spinners 0 1
    rounds 3
    alive "$pid"
}

@test "programs with a sanitizer are attached through its own functions" {
    local name
    for name in poller_asan poller_tsan; do
        start $name
        rounds 3
        alive "$pid"
        refute grep -E 'SEGV|CHECK failed' "$BATS_TEST_TMPDIR/$name.out"
    done
}

@test "a program of musl is attached; what it never unloads is said to stay, and serves again" {
    start poller_musl
    local round
    for round in 1 2 3; do
        run "$ATTACH" --install "$pid"
        assert_success
        run "$ATTACH" --uninstall "$pid"
        assert_success
        assert_output --partial 'stays mapped'
    done
    alive "$pid"
}

@test "a libmanhole that the program preloaded is used where it is, and stays when it is closed" {
    local round
    start_helper preloaded
    for round in 1 2; do
        run "$ATTACH" --uninstall "$pid"
        assert_success
        assert_output --partial 'the program itself holds it'
        is_gone "$socket"
        run "$ATTACH" --install "$pid"
        assert_success
        say 'call getpid'
        assert_output --partial "= $pid (0x"
    done
    tell uninstall
    assert_equal "$reply" 'uninstall done'
    kill -INT "$pid"
    wait "$pid"
    grep -qx 'atexit ran' "$out"
}

@test "a libmanhole that the program opened stays open for it" {
    start "$(command -v python3)" -c '
import ctypes, _ctypes, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
library = ctypes.CDLL(sys.argv[1])
print("ready", flush=True)
signal.sigwait([signal.SIGTERM])
library.manhole_error_text.restype = ctypes.c_char_p
print(library.manhole_error_text(0).decode(), _ctypes.dlclose(library._handle))
' "$BUILD/libmanhole.so"
    rounds 3
    kill -TERM "$pid"
    wait "$pid"
    assert_equal "$(tail -n 1 "$output_file")" 'done None'
}

@test "a program in its own pid and mount namespace is attached" {
    start_quietly "$UNSHARED" "$TARGETS/poller"
    wait_until 20 grep -qs ready "$BATS_TEST_TMPDIR/unshared.out"
    pid=$(tr -d ' ' <"/proc/$pid/task/$pid/children")
    started+=("$pid")
    rounds 3
    alive "$pid"
}

@test "a thread in a signal handler is not borrowed; when the handler returns it is" {
    start in_a_handler
    run "$ATTACH" --install "$pid"
    assert_failure 7
    assert_output --partial 'times in a signal handler'
    is_free "$pid"
    kill -TERM "$pid"
    rounds 1
}

@test "one whose handler came in a plain call is borrowed, and the handler goes on" {
    local call
    for call in pause sigprocmask; do
        start in_a_handler "$call"
        run -0 "$ATTACH" --dump "$pid"
        assert_output --partial '[signal handler called]'
        rounds 2
        run -0 "$ATTACH" --dump "$pid"
        assert_output --partial '[signal handler called]'
        kill -TERM "$pid"
        wait_until 20 is_out_of_the_handler
        rounds 1
        end "$pid"
    done
}

is_out_of_the_handler() {
    run -0 "$ATTACH" --dump "$pid"
    [[ $output != *'[signal handler called]'* ]]
}

@test "a stopped program is left alone, with a clear message, and stays stopped" {
    start poller
    kill -STOP "$pid"
    wait_until 10 grep -q 'State:.T' "/proc/$pid/status"
    run "$ATTACH" --install "$pid"
    assert_failure 7
    assert_output --partial "kill -CONT $pid"
    grep -q 'State:.T' "/proc/$pid/status"
    kill -CONT "$pid"
    rounds 1
}

@test "a seccomp filter that would kill the program for a call of ours is respected" {
    local call
    for call in memfd_create munmap listen; do
        start filtered "$(number_of $call)" kill
        run "$ATTACH" --install "$pid"
        assert_failure 5
        assert_output --partial seccomp
        alive "$pid"
        end "$pid"
    done
}

@test "a seccomp filter that refuses a call is no harm, and its errno is told" {
    start filtered "$(number_of memfd_create)" refuse
    run "$ATTACH" --install "$pid"
    assert_failure 1
    assert_output --partial 'memory file for the payload: Operation not permitted'
    alive "$pid"
    is_free "$pid"
}

number_of() {
    printf '#include <sys/syscall.h>\nSYS_%s\n' "$1" | gcc -E -P -x c - | tail -n 1
}

# install_and_die N CALL: --install that is killed at its Nth CALL.
install_and_die() {
    strace -f -o /dev/null -e trace="$2" -e inject="$2:signal=KILL:when=$1" \
        "$ATTACH" --install "$pid" >/dev/null 2>&1
}

@test "killed at any ptrace call, we leave a program that goes on, and the next attach cleans up" {
    # Else glibc gives two threads of ours that live at once an arena each, and keeps them.
    MALLOC_ARENA_MAX=1 start keeps_registers
    local maps code masks n
    code=$(code_of "$pid")
    masks=$(masks_of "$pid")
    rounds 1
    maps=$(cat "/proc/$pid/maps")
    for ((n = 1; n <= 20; n += 20 / $(scaled 60))); do
        run install_and_die "$n" ptrace
        alive "$pid"
        wait_until 10 is_free "$pid"
        goes_on keeps_registers
        # A new thread that waits for orders in vain ends when the next loan asks it to.
        rounds 1
        wait_until 20 one_thread "$pid"
        wait_until 10 masks_are "$pid" "$masks"
    done
    refute grep -m 5 bad "$BATS_TEST_TMPDIR/keeps_registers.out"
    assert_equal "$(code_of "$pid")" "$code"
    assert_equal "$(grep -v heap "/proc/$pid/maps")" "$(grep -v heap <<<"$maps")"
}

one_thread() {
    [[ $(ls "/proc/$1/task") == "$1" ]]
}

@test "killed while the new thread waits for the payload, we leave no thread behind" {
    start poller
    local n
    # The sixth is the order to load what was written before.
    for n in 1 2 3 4 5 6; do
        run install_and_die "$n" pwrite64
    done
    run install_and_die 1 write
    alive "$pid"
    is_free "$pid"
    wait_until 30 two_threads "$pid"
    rounds 1
}

two_threads() {
    [[ $(ls "/proc/$1/task" | wc -l) == 2 ]]
}

@test "gdb attaches to what has a manhole: it finds no descriptor of its own behind its name" {
    start poller
    "$ATTACH" --install "$pid"
    run timeout --signal=KILL 60 gdb --batch --quiet -nx -iex 'set debuginfod enabled off' -p "$pid" \
        -ex 'info threads' </dev/null
    assert_success
    assert_output --partial '"manhole"'
    alive "$pid"
}
