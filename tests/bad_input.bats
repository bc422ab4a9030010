# Targets that make no sense, or cannot be looked into: each has its exit status and one clear line.

setup() {
    load helpers
}

teardown() {
    if mountpoint -q "$BATS_TEST_TMPDIR/disk"; then
        umount "$BATS_TEST_TMPDIR/disk"
    fi
    end_all
}

# refuse STATUS PATTERN COMMAND...: COMMAND ends with STATUS, prints nothing, and says PATTERN in one line.
refuse() {
    local status_wanted=$1 pattern=$2
    shift 2
    run "-$status_wanted" --separate-stderr "$@"
    assert_equal "$output" ""
    assert_equal "${#stderr_lines[@]}" 1
    [[ $stderr == "manhole-attach: "*$pattern* ]] || fail "$stderr"
}

# A process that nobody can see any more: its pid was used and waited for.
dead_pid() {
    sleep 0 &
    wait $!
    echo $!
}

@test "no process id" {
    refuse 2 'which process?' "$ATTACH"
    refuse 2 'which process?' "$ATTACH" --dump
    refuse 2 'which process?' "$ATTACH" --install
}

@test "a process id that is no number" {
    local word
    for word in abc 12x '' ' 1' 1.0 +1 0x1; do
        refuse 2 'is no process id' "$ATTACH" --dump "$word"
        refuse 2 'is no process id' "$ATTACH" "$word"
    done
}

@test "process id 0" {
    refuse 2 'is no process id' "$ATTACH" --dump 0
    refuse 2 'is no process id' "$ATTACH" 000
}

@test "a negative process id" {
    refuse 2 "'-5' is no process id" "$ATTACH" --dump -5
    refuse 2 "'-55' is no process id" "$ATTACH" -55
    refuse 2 "'-5' is no process id" "$ATTACH" --dump -- -5
}

@test "a huge process id" {
    refuse 3 'no such process' "$ATTACH" --dump 4194305
    refuse 3 'no such process' "$ATTACH" --dump 2147483648
    refuse 3 'no such process' "$ATTACH" --dump 99999999999999999999999999
}

@test "a process that does not exist" {
    local gone
    gone=$(dead_pid)
    refuse 3 "$gone" "$ATTACH" --dump "$gone"
    refuse 3 "$gone" "$ATTACH" --install "$gone"
}

@test "our own process id" {
    refuse 2 'manhole-attach itself' bash -c "exec '$ATTACH' --dump \$\$"
    refuse 2 'manhole-attach itself' bash -c "exec '$ATTACH' --install \$\$"
}

@test "process 1 of a container is looked into as any other" {
    run -0 "$UNSHARED" bash -c "sleep 60 & '$ATTACH' --dump \$! && kill \$!"
    assert_output --partial '"sleep"'
    # bash itself is process 1 there; its child looks at it.
    run -0 "$UNSHARED" bash -c "'$ATTACH' --dump 1; exit \$?"
    assert_output --partial 'process 1 '
}

@test "a thread of the kernel" {
    [[ -e /proc/2 && $(cat /proc/2/comm) == kthreadd ]] || skip "no kernel threads to be seen here"
    refuse 5 'kernel' "$ATTACH" --dump 2
    refuse 5 'kernel' "$ATTACH" --install 2
}

@test "a zombie" {
    # A shell that becomes another program does not wait for its children.
    start_quietly "$(command -v bash)" -c \
        'while [[ $(<"/proc/$$/comm") != sleep ]]; do sleep 0.05; done & echo $!; exec sleep 1000'
    wait_until 20 grep -q . "$output_file"
    local zombie
    zombie=$(<"$output_file")
    wait_until 20 grep -qs '^State:[[:space:]]Z' "/proc/$zombie/status"
    refuse 5 'zombie' "$ATTACH" --dump "$zombie"
    refuse 5 'zombie' "$ATTACH" --install "$zombie"
}

@test "a thread's id where a process id is wanted" {
    start thread_shapes
    local tid
    tid=$(basename "$(find "/proc/$pid/task" -mindepth 1 -maxdepth 1 ! -name "$pid" | head -1)")
    refuse 2 "$pid" "$ATTACH" --dump "$tid"
}

@test "a process that ends while we look gives a dump or one clear line" {
    local i one status lines_seen seen=0
    for i in $(seq "$(scaled 100)"); do
        sleep "0.0$((i % 10))" &
        one=$!
        status=0
        "$ATTACH" --dump "$one" >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" || status=$?
        lines_seen=$(wc -l <"$BATS_TEST_TMPDIR/err")
        case $status in
        0 | 1) ((lines_seen == 0)) || fail "$(<"$BATS_TEST_TMPDIR/err")" ;;
        # Not yet reaped by us: a zombie, by then.
        3 | 5) ((lines_seen == 1)) || fail "$(<"$BATS_TEST_TMPDIR/err")" ;;
        *) fail "status $status: $(<"$BATS_TEST_TMPDIR/err")" ;;
        esac
        ((status == 0)) && seen=$((seen + 1))
        wait "$one"
    done
    ((seen > 0))
}

@test "another user's process without rights" {
    need_other_users
    ((EUID == 0)) || skip "only root can become somebody else"
    # Somebody who may run the tool, wherever it is built.
    cp "$ATTACH" "$BATS_TEST_TMPDIR/attach"
    chmod 755 "$BATS_TEST_TMPDIR/attach"
    start_quietly "$(command -v sleep)" 1000
    local fd
    exec {fd}<"$BATS_TEST_TMPDIR/attach"
    refuse 4 'root' setpriv --reuid 65534 --regid 65534 --clear-groups "/proc/self/fd/$fd" --dump "$pid"
    exec {fd}<&-
}

@test "a static program can be dumped, but nothing can be installed in it" {
    start static_program
    run -0 "$ATTACH" --dump "$pid"
    assert_output --partial 'wait_here'
    refuse 5 'static' "$ATTACH" --install "$pid"
}

# A kernel without 32-bit programs refuses to execute it.
asleep_or_gone() {
    ! alive "$1" || grep -q '^State:[[:space:]]S' "/proc/$1/status"
}

@test "a 32-bit program" {
    cd "$BATS_TEST_TMPDIR"
    # pause(2), for ever: needs neither a compiler nor a libc for 32 bits.
    cat >small.s <<'END'
        .code32
        .globl _start
_start: movl $29, %eax
        int $0x80
        jmp _start
END
    as --32 -o small.o small.s && ld -m elf_i386 -o small small.o || skip "no 32-bit binutils"
    start_quietly ./small
    wait_until 20 asleep_or_gone "$pid"
    alive "$pid" || skip "the kernel runs no 32-bit programs here"
    refuse 5 '32-bit' "$ATTACH" --dump "$pid"
    refuse 5 '32-bit' "$ATTACH" --install "$pid"
}

@test "of several processes some fail: the others are shown, and the status says in part" {
    local gone
    gone=$(dead_pid)
    start static_program
    run -1 --separate-stderr "$ATTACH" --dump "$gone" "$pid"
    [[ $output == *wait_here* ]]
    assert_equal "${#stderr_lines[@]}" 1
}

@test "of several processes all fail alike: the status says how" {
    run -3 --separate-stderr "$ATTACH" --dump "$(dead_pid)" "$(dead_pid)"
    assert_equal "${#stderr_lines[@]}" 2
}

@test "a file for -o that cannot be written" {
    start_quietly "$(command -v sleep)" 1000
    cd "$BATS_TEST_TMPDIR"
    refuse 1 'Is a directory' "$ATTACH" --dump "$pid" -o .
    refuse 1 'No such file or directory' "$ATTACH" --dump "$pid" -o nowhere/x
    refuse 1 'No space left' "$ATTACH" --dump "$pid" -o /dev/full
    refuse 2 'empty' "$ATTACH" --dump "$pid" -o ''
}

@test "a full disk for -o leaves the old file, and no half a new one" {
    start thread_shapes
    mkdir "$BATS_TEST_TMPDIR/disk"
    mount -t tmpfs -o size=8k tmpfs "$BATS_TEST_TMPDIR/disk" || skip "cannot mount a file system here"
    local file=$BATS_TEST_TMPDIR/disk/dump
    echo old >"$file"
    dd if=/dev/zero of="$BATS_TEST_TMPDIR/disk/filler" bs=1k 2>/dev/null || true
    run -1 --separate-stderr "$ATTACH" --dump --all-threads-listed --max-frames 0 "$pid" -o "$file"
    assert_equal "$output" ""
    assert_equal "${#stderr_lines[@]}" 1
    [[ $stderr == *"No space left"* ]]
    assert_equal "$(ls "$BATS_TEST_TMPDIR/disk")" $'dump\nfiller'
    assert_equal "$(<"$file")" old
}

@test "a standard output that is full or closed is noticed" {
    start_quietly "$(command -v sleep)" 1000
    run -1 --separate-stderr bash -c "'$ATTACH' --dump $pid >/dev/full"
    [[ $stderr == *"No space left"* ]]
    assert_equal "${#stderr_lines[@]}" 1
    run -1 --separate-stderr bash -c "'$ATTACH' --dump $pid >&-"
    [[ $stderr == *"standard output"* ]]
    assert_equal "${#stderr_lines[@]}" 1
}

@test "a reader that has seen enough ends the dump without a word" {
    start thread_shapes
    run --separate-stderr bash -c "'$ATTACH' --dump --format json $pid | head -1"
    assert_equal "$output" '{'
    assert_equal "$stderr" ""
    run --separate-stderr bash -c "trap '' PIPE; '$ATTACH' --dump --format json $pid | head -1"
    assert_equal "$stderr" ""
}
