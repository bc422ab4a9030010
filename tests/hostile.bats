# Where a target can be that makes it hard: under filters and limits, in other namespaces, about to end. Whatever is
# asked of manhole-attach there works, or is refused in one line that says what to do next; and the target is as before.

setup() {
    load helpers
}

teardown() {
    local one
    end_all
    for one in "${targets[@]}"; do
        rm -f "/tmp/manhole-$one"
    done
}

# begin NAME [ARGUMENTS...]: start, and remember what the target is like.
begin() {
    start "$@"
    targets+=("$pid")
    wait_until 20 is_asleep
    before=$(belongings)
}

is_asleep() {
    grep -q '^State:[[:space:]]S' "/proc/$pid/status"
}

# What a target has that we might change: mappings (the heap may grow), descriptors, threads with their signal masks.
belongings() {
    sed 's/\(.*\) .* .* .*  *\[heap\]/heap/' "/proc/$pid/maps" | grep -v heap
    find "/proc/$pid/fd" -type l -printf '%f %l\n' | sort
    grep -H '^SigBlk:' "/proc/$pid"/task/*/status
}

has_its_belongings() {
    [[ $(belongings) == "$before" ]]
}

# Beyond that a first thread leaves what is the C library's: an arena of malloc.
is_as_before() {
    alive "$pid"
    wait_until 20 has_its_belongings || diff <(echo "$before") <(belongings)
}

number_of() {
    printf '#include <sys/syscall.h>\nSYS_%s\n' "$1" | gcc -E -P -x c - | tail -n 1
}

# attach OPTIONS: must not hang, and the target must live on; sets $status and $output.
attach() {
    run timeout 60 "$ATTACH" "$@" "$pid"
    alive "$pid" || fail "$* has ended the target: $output"
}

dumps() {
    attach --dump --max-pause 10000 # on a busy machine a thread takes its time to stop
    assert_success
    assert_line --regexp '^ *#0 '
}

# works: all that there is, twice, since the first thread that the target gets may cost it an arena of malloc.
works() {
    dumps
    local round
    for round in 1 2; do
        attach --install
        assert_success
        attach --eval '1 + 1' --eval 'call getpid'
        assert_success
        assert_line --partial '= 2'
        attach --uninstall
        assert_success
        ((round == 2)) || before=$(belongings)
    done
    is_as_before
}

# says STATUS TEXT: the last refusal was that: one line, with the next step.
says() {
    [[ $status =~ ^$1$ ]] || fail "status $status: $output"
    assert_equal "${#lines[@]}" 1
    assert_line --regexp "^manhole-attach: .*$2.*; "
}

# refuses STATUS TEXT: nothing can be installed, with this reason, and so nothing is there to be uninstalled.
refuses() {
    dumps
    attach --install
    says "$@"
    attach --eval '1 + 1'
    says "$@"
    attach --uninstall
    says 6 'no manhole is installed'
    is_as_before
}

# --- Filters of system calls. ---

# The calls that a loan and the payload may need, as injector/seccomp.c lists them.
listed_calls() {
    sed -n 's/^    {SYS_\([a-z0-9_]*\), .*/\1/p' "$TOP/injector/seccomp.c" | sort -u
}

@test "no other system calls are made than those that a filter is asked about before" {
    local calls numbers
    calls=$(listed_calls)
    numbers=$({ echo '#include <sys/syscall.h>' && sed 's/^/SYS_/' <<<"$calls"; } | gcc -E -P -x c - | tail -n "$(wc -l <<<"$calls")")
    # shellcheck disable=SC2086
    begin allow_list kill $numbers
    works
    attach --install --verbose-destination "$BATS_TEST_TMPDIR/log"
    attach --eval '*(volatile int *)1' --eval 'call puts "shown"' --eval .bt --eval .threads --eval .fds --eval '.frozen 1'
    assert_line shown
    assert_line --partial 'SIGSEGV'
    assert_line --regexp '^\$[0-9]+ = 1$'
    run timeout 20 socat -t 10 - "UNIX-CONNECT:/tmp/manhole-$pid" <<<$'help\nbt\nexit'
    assert_line --partial 'goodbye'
    attach --uninstall
    assert_success
    is_as_before
}

@test "a program that may make no call but its own is not attached, whatever the answer to others would be" {
    local answer
    for answer in strict kill thread trap; do
        begin allow_list "$answer" "$(number_of read)"
        refuses 5 'seccomp.* would kill'
        end "$pid"
    done
    begin allow_list refuse "$(number_of read)"
    refuses 5 'seccomp filter that refuses'
}

@test "whatever call a filter refuses, the target lives, and stays as it is or gets a manhole that answers" {
    local calls=(rseq close mprotect openat pipe2 sigaltstack fcntl) call
    ((${SOAK:-0} == 0)) || mapfile -t calls < <(listed_calls)
    for call in "${calls[@]}"; do
        begin filtered "$(number_of "$call")" refuse
        attach --install
        if ((status)); then
            before=$(belongings)
            attach --install
            says '[145]' ''
            is_as_before
        else
            attach --eval '1 + 1'
            assert_line --partial '= 2'
            attach --uninstall
            assert_success
            wait_until 20 has_one_thread
        fi
        end "$pid"
    done
}

has_one_thread() {
    [[ $(ls "/proc/$pid/task") == "$pid" ]] && ! grep -q manhole "/proc/$pid/maps"
}

# --- Limits that are reached. ---

# limited RESOURCE=N: a soft limit of the target's; "unlimited" or what the hard limit allows.
limited() {
    prlimit --pid "$pid" "--$1:"
}

# size_of FIELD: of /proc/PID/status, in bytes.
size_of() {
    awk -v field="$1:" '$1 == field { print $2 * 1024 }' "/proc/$pid/status"
}

# tries STATUS TEXT: installing works or says that, and what is there works or says why not.
tries() {
    attach --install
    if ((status)); then
        says "$@"
        attach --eval '1 + 1'
        says "$@"
        attach --uninstall
        says 6 'no manhole is installed'
    else
        attach --eval '1 + 1' --eval 'call getpid'
        [[ $status == 0 || $output == *'manhole-attach: '*[:\;]* ]] || fail "$output"
        attach --uninstall
        assert_success
    fi
    is_as_before
}

# Nobody was interrupted in one of the calls that target makes (tests/targets/blocking_calls.c).
nothing_returned() {
    assert_equal "$(cat "$BATS_TEST_TMPDIR/blocking_calls.out")" ready
}

@test "with little or no memory left below its limits, a program stays as it is" {
    # KiB: for nothing; for the loan, but not the payload; for that, but not its thread; for all.
    local rooms=(0 400 1000 4800) limit size room
    ((${SOAK:-0} == 0)) || mapfile -t rooms < <(seq 0 48 4800)
    # The C library's own arena first, while there is room for it.
    begin blocking_calls
    works
    for limit in as=VmSize data=VmData; do
        size=$(size_of "${limit#*=}")
        for room in "${rooms[@]}"; do
            limited "${limit%=*}=$((size + room * 1024))"
            tries 1 '(new thread|load the payload|start a thread|no memory).*'
        done
        limited "${limit%=*}=unlimited"
    done
    # And while a manhole is there.
    attach --install
    limited "as=$(size_of VmSize)"
    attach --eval '1 + 1'
    says 6 'no memory left for a session'
    attach --uninstall
    says 1 'could not get a new thread: Cannot allocate memory'
    limited as=unlimited
    attach --eval '1 + 1'
    assert_success
    attach --uninstall
    is_as_before
    nothing_returned
}

# leaves FREE: a limit of open files that leaves the target so many.
leaves() {
    local free=0 fd=0
    while ((free < $1)) || [[ -e /proc/$pid/fd/$fd ]]; do
        [[ -e /proc/$pid/fd/$fd ]] || free=$((free + 1))
        fd=$((fd + 1))
    done
    limited "nofile=$fd"
}

@test "with few or no descriptors left, a program stays as it is" {
    local free
    begin poller
    works
    for free in 0 1 2 4 8; do
        leaves $free
        tries 1 'Too many open files|EMFILE'
    done
    # Enough to listen (a socket, a pipe), not to serve.
    leaves 3
    attach --install
    assert_success
    attach --eval '1 + 1'
    says 7 'has no descriptor left for a client'
    attach --uninstall
    assert_success
    is_as_before
    leaves 8
    attach --install
    leaves 0
    attach --uninstall
    assert_success
    is_as_before
}

# --- Places. ---


@test "all namespaces at once: another pid, mount, net and user" {
    unshare --user --map-root-user --mount --pid --net --fork true 2>/dev/null || skip "no user namespaces here"
    start_quietly "$(command -v unshare)" --user --map-root-user --mount --pid --net --fork --kill-child sh -c '
        mount -t proc proc /proc && mount -t tmpfs none /tmp && exec "$0"' "$TARGETS/poller"
    wait_until 20 grep -qs '^ready' "$output_file"
    pid=$(tr -d ' ' <"/proc/$pid/task/$pid/children")
    works
}

@test "a /tmp that is read-only, one that is full, and none" {
    local reason
    for reason in 'ro:4:EROFS' 'size=4k,nr_inodes=1:1:ENOSPC' 'none:2:ENOENT'; do
        # shellcheck disable=SC2016
        start_quietly "$UNSHARED" --mount sh -c '
            mkdir -p "$1/root" && mount -t tmpfs none "$1/root" && cd "$1/root" && mkdir proc lib64 lib usr tmp &&
            mount --rbind /lib lib && mount --rbind /lib64 lib64 && mount --rbind /usr usr && cp "$2" . &&
            mount -t proc proc proc &&
            if [ "$3" = none ]; then rmdir tmp; else mount -t tmpfs -o "$3" none tmp; fi && exec chroot . /poller
            ' sh "$BATS_TEST_TMPDIR" "$TARGETS/poller" "${reason%%:*}"
        wait_until 20 grep -qs '^ready' "$output_file"
        attach --install # for what a first thread leaves
        before=$(belongings)
        refuses "$(cut -d : -f 2 <<<"$reason")" "cannot make the socket: ${reason##*:}"
        end "$pid"
        rm -f "$output_file"
    done
}
