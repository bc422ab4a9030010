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
    attach --dump
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
