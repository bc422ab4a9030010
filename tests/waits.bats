# Why threads wait, on whom, and who never goes on.

setup() {
    load helpers
}

teardown() {
    end_all
}

# dump [OPTIONS] PID: a dump into $output, without source lines.
dump() {
    run -0 "$ATTACH" --dump --no-source --all-threads-listed "$@"
}

# tid NAME: the id of the thread with this name in $output.
tid() {
    sed -n "s/^thread \([0-9]*\) \"$1\" .*/\1/p" <<<"$output"
}

# waits NAME PATTERN: the line under the head of the thread with this name matches the whole pattern.
waits() {
    local line
    line=$(grep -A1 "^thread [0-9]* \"$1\" " <<<"$output" | tail -n 1)
    [[ $line =~ ^'  '$2$ ]] || fail "$1: $line, not $2"
}

# python EXPRESSION: evaluates it with d = the JSON document in $output, t = its threads by name.
python() {
    python3 -c "import json, sys
d = json.load(sys.stdin)
t = {x['name']: x for x in d['threads']}
print(($1))" <<<"$output"
}

# glibc_locks_are_told [OPTIONS] PID: for each kind of lock of the target lock_waiters.
glibc_locks_are_told() {
    dump "$@"
    local at='0x[0-9a-f]+' by
    by="held by $(tid holder) \"holder\""
    waits plain "waits for mutex $at <plain> $by"
    waits timed "waits for mutex $at <plain> $by"
    waits recursive "waits for recursive mutex $at <recursive> $by"
    waits checking "waits for error-checking mutex $at <checking> $by"
    waits robust "waits for robust mutex $at <robust> $by"
    waits inheriting "waits for priority-inheriting mutex $at <inheriting> $by"
    waits both "waits for robust priority-inheriting recursive mutex $at <both> $by"
    waits shared "waits for process-shared recursive mutex $at </dev/zero> $by"
    waits reader "waits to read under rwlock $at <written> $by"
    waits timed_reader "waits to read under rwlock $at <written> $by"
    waits writer "waits to write under rwlock $at <written> $by"
    waits writer2 "waits to write under rwlock $at <written> $by"
    waits other_writer "waits to write under rwlock $at <being_read>, held by 1 reader"
    waits timed_writer "waits to write under rwlock $at <being_read>, held by 1 reader"
    waits condition "waits for condition $at <never>, then for mutex $at <own>"
    waits semaphore "waits for semaphore $at <empty>"
    waits timed_sem "waits for semaphore $at <empty>"
    waits barrier1 "waits at barrier $at <barrier>, 2 of 3 have come"
    waits barrier2 "waits at barrier $at <barrier>, 2 of 3 have come"
    waits join "waits for the end of $(tid holder) \"holder\""
    waits once2 "waits for another thread to finish pthread_once $at <once>"
    assert_line "$(tid holder) \"holder\" holds up 13 threads"
}

@test "each kind of lock of glibc is told, with its name and who holds it" {
    start lock_waiters
    glibc_locks_are_told "$pid"
}

@test "the locks are told without debug files, when all are stopped, and under raw names" {
    start lock_waiters
    glibc_locks_are_told --freeze --max-pause 2000 "$pid"
    glibc_locks_are_told --raw-names "$pid"
    # Where glibc's own debug file is installed, its internal names are known: hide it.
    local script='mount -t tmpfs none /usr/lib/debug 2>/dev/null; exec "$@"'
    mkdir -p "$BATS_TEST_TMPDIR/bin"
    printf '#!/bin/bash\nexec unshare -m bash -c %q bash %q "$@"\n' "$script" "$ATTACH" >"$BATS_TEST_TMPDIR/bin/attach"
    chmod +x "$BATS_TEST_TMPDIR/bin/attach"
    unshare -m true 2>/dev/null || skip "no mount namespaces here"
    ATTACH=$BATS_TEST_TMPDIR/bin/attach glibc_locks_are_told "$pid"
}

@test "a stripped program's locks are told too, by their places in its file" {
    strip -o "$BATS_TEST_TMPDIR/lock_waiters" "$TARGETS/lock_waiters"
    start "$BATS_TEST_TMPDIR/lock_waiters"
    dump "$pid"
    local place='0x[0-9a-f]+ <lock_waiters\+0x[0-9a-f]+>'
    waits plain "waits for mutex $place held by $(tid holder) \"holder\""
    waits robust "waits for robust mutex $place held by $(tid holder) \"holder\""
    waits writer "waits to write under rwlock $place held by $(tid holder) \"holder\""
    waits condition "waits for condition $place, then for mutex $place"
    waits join "waits for the end of $(tid holder) \"holder\""
    waits once2 "waits for another thread to finish pthread_once $place"
}

@test "in a static program the locks are told by its own symbols" {
    start lock_waiters_static
    glibc_locks_are_told "$pid"
}

@test "musl's locks are told as far as musl keeps a record" {
    start lock_waiters_musl
    dump "$pid"
    local at='0x[0-9a-f]+' by guess='( \[a guess\])?'
    by="held by $(tid holder) \"holder\""
    waits plain "waits for mutex $at <plain>, of whose holder musl keeps no record$guess"
    waits recursive "waits for recursive mutex $at <recursive> $by"
    waits checking "waits for error-checking mutex $at <checking> $by"
    waits robust "waits for robust mutex $at <robust> $by"
    waits both "waits for robust priority-inheriting recursive mutex $at <both> $by"
    waits inheriting "waits for priority-inheriting mutex $at <inheriting(\+0x4)?> $by"
    waits shared "waits for process-shared recursive mutex $at </dev/zero> $by"
    waits reader "waits to read under rwlock $at <written>, held by a writer, of whom musl keeps no record$guess"
    waits writer "waits to write under rwlock $at <written>, held by a writer, of whom musl keeps no record$guess"
    waits other_writer "waits to write under rwlock $at <being_read>, held by 1 reader$guess"
    waits condition "waits for condition$guess"
    waits semaphore "waits for semaphore $at <empty>$guess"
    waits barrier2 "waits at barrier$guess"
    waits join "waits for the end of $(tid holder) \"holder\""
    waits once2 "waits for another thread to finish pthread_once $at <once>$guess"
}

# deadlock_is_told HOW PATTERN: in each of a hundred dumps (make soak) the first line behind the head matches.
deadlock_is_told() {
    local round rounds line
    rounds=$(scaled 100)
    start deadlock "$1"
    for ((round = 0; round < rounds; round++)); do
        run -0 "$ATTACH" --dump --no-source "$pid"
        line=${lines[1]}
        [[ $line =~ ^$2$ ]] || fail "round $round: $line"
    done
    end_all
}

@test "deadlocks come first, with all locks and threads in them" {
    local t='[0-9]+' m='mutex 0x[0-9a-f]+'
    deadlock_is_told 2 "DEADLOCK: $t \"circle-0\" waits for $m <locks\+0x28> held by $t \"circle-1\", which waits for $m <locks> held by $t \"circle-0\"; 2 more threads wait behind"
    deadlock_is_told 3 "DEADLOCK: $t \"circle-0\" waits for $m <locks\+0x28> held by $t \"circle-1\", which waits for $m <locks\+0x50> held by $t \"circle-2\", which waits for $m <locks> held by $t \"circle-0\"; 3 more threads wait behind"
    deadlock_is_told self "DEADLOCK: $t \"self-0\" waits for $m <locks> held by $t \"self-0\""
    deadlock_is_told join "DEADLOCK: $t \"joined-1\" waits for $m <locks> held by $t \"holder-0\", which waits for the end of $t \"joined-1\""
    deadlock_is_told writers "DEADLOCK: $t \"writer-0\" waits for $m <locks> held by $t \"writer-1\", which waits to read under rwlock 0x[0-9a-f]+ <rwlock> held by $t \"writer-0\""
}

@test "the root of a chain is named, with the number of threads behind it" {
    deadlock_is_told chain '[0-9]+ "join-0" holds up 2 threads'
}

@test "a deadlock is told when all threads are stopped at once, too" {
    start deadlock 2
    run -0 "$ATTACH" --dump --freeze --max-pause 2000 "$pid"
    assert_line --index 1 --regexp '^DEADLOCK: .*"circle-0" waits for .*"circle-1", which waits for .*"circle-0"'
}

@test "the JSON has owners, deadlocks and blockers" {
    start deadlock 2
    run -0 "$ATTACH" --dump --format json "$pid"
    assert_equal "$(python "d['deadlocks'] == [[t['circle-0']['tid'], t['circle-1']['tid']]]")" True
    assert_equal "$(python "t['circle-0']['waits_for']['owner'] == t['circle-1']['tid']")" True
    assert_equal "$(python "[t['circle-1']['waits_for'][k] for k in ('kind', 'type', 'symbol', 'owner_name', 'owner_missing', 'verified')]")" \
        "['mutex', None, 'locks', 'circle-0', False, True]"
    end_all
    start deadlock chain
    run -0 "$ATTACH" --dump --format json "$pid"
    assert_equal "$(python "d['deadlocks'], [(b['owner_name'], b['threads_behind']) for b in d['blockers']]")" \
        "([], [('join-0', 2)])"
    assert_equal "$(python "t['join-2']['waits_for']['kind'], t['join-2']['waits_for']['owner'] == t['join-1']['tid']")" \
        "('join', True)"
}

@test "locks that are taken and given back in the right order never look like a deadlock" {
    start lock_order
    local round rounds
    rounds=$((${SOAK:-0} ? 1000 : 20))
    for ((round = 0; round < rounds; round++)); do
        run "$ATTACH" --dump --no-source --no-inlines "$pid"
        [[ $status == [01] ]] || fail "$output"
        refute_output --partial DEADLOCK
    done
}

@test "threads with the same stack are shown together when they wait on the same owner alone" {
    start deadlock 8
    run -0 "$ATTACH" --dump "$pid"
    refute_output --partial 'with the same stack'
    assert_equal "$(grep -c '^  waits for mutex .* held by ' <<<"$output")" 16
}

@test "a lock that another process holds names that process and its thread" {
    start foreign_locks
    dump "$pid"
    local holder pattern
    holder=$(sed -n 's/^holder //p' "$BATS_TEST_TMPDIR/foreign_locks.out")
    pattern="held by [0-9]+ \"far holder\" of process $holder"
    waits plain "waits for process-shared mutex 0x[0-9a-f]+ </dev/zero> $pattern"
    waits robust "waits for robust process-shared mutex 0x[0-9a-f]+ </dev/zero> $pattern"
    waits inheriting "waits for priority-inheriting process-shared mutex 0x[0-9a-f]+ </dev/zero> $pattern"
    assert_line --regexp "^[0-9]+ \"far holder\" of process $holder holds up 3 threads$"
}

@test "a holder that is no thread of the process is not taken for one" {
    start foreign_locks
    local forked
    forked=$(sed -n 's/^forked //p' "$BATS_TEST_TMPDIR/foreign_locks.out")
    wait_until 20 grep -q '^202 ' "/proc/$forked/syscall"
    dump "$forked"
    waits foreign_locks 'waits for mutex 0x[0-9a-f]+ <forked> held by [0-9]+, which is no thread of this process: it ended with the lock held, or held it when the process forked'
}

# of NAME: what the target wrote about itself under that name.
of() {
    sed -n "s/^$1 //p" "$output_file"
}

@test "descriptors are told with their peers, their other ends and what they watch" {
    start waits_on "$BATS_TEST_TMPDIR"
    dump "$pid"
    local listening connected
    listening="tcp 127\.0\.0\.1:$(of port), listening"
    connected="tcp 127\.0\.0\.1:[0-9]+ to 127\.0\.0\.1:$(of port), established"
    waits tcp "waits on $connected"
    waits unix "waits on unix stream $BATS_TEST_TMPDIR/socket, listening"
    waits epoll "waits on an epoll of 2 descriptors: [0-9]+ ($listening; [0-9]+ a pipe whose other end is fd [0-9]+ of this process|a pipe whose other end is fd [0-9]+ of this process; [0-9]+ $listening)"
    waits timer 'waits on a timer that expires in [0-9.]+ min'
    waits pipe 'waits on a pipe whose other end is fd [0-9]+ of this process'
    waits orphan 'waits on a pipe whose other end is no descriptor of this process'
    waits poll "waits on fd [0-9]+ $connected, fd [0-9]+ $listening"
}

# file_locks_told ROUNDS: both waiters of waits_on, which is $pid, are told the holder in each of so many dumps
# (make soak).
file_locks_told() {
    local word round rounds told=$'\n'"  waits for a lock of $BATS_TEST_TMPDIR/file held by process $(of holder) \"lock holder\""$'\n'
    rounds=$(scaled "$1")
    for ((round = 0; round < rounds; round++)); do
        dump "$pid"
        for word in flock record; do
            [[ $output =~ \"$word\"\ [^$'\n']*"$told" ]] || fail "round $round, $word: $output"
        done
    done
}

@test "a file lock that another process holds names it, a hundred times of a hundred" {
    start waits_on "$BATS_TEST_TMPDIR"
    file_locks_told 100
    assert_line "process $(of holder) \"lock holder\" holds up 3 threads" # one more waits for its end
    run -0 "$ATTACH" --dump --format json "$pid"
    assert_equal "$(python "t['record']['waits_for']['kind'], t['record']['waits_for']['owner'], t['record']['waits_for']['owner_pid']")" \
        "('file-lock', None, $(of holder))"
}

# on_one_processor COMMAND...: a shell function, of which the processes it starts stay there.
on_one_processor() {
    local all
    all=$(taskset -cp "$BASHPID" | sed 's/.*: //')
    taskset -cp "${all%%[,-]*}" "$BASHPID"
    "$@"
    taskset -cp "$all" "$BASHPID"
}

@test "nor is it missed among a thousand others that come and go" {
    # The kernel lists the locks by the processor they were taken on, newest first: those of the noise come before.
    on_one_processor start waits_on "$BATS_TEST_TMPDIR"
    local waiting=$pid told=$output_file
    on_one_processor start lock_noise "$BATS_TEST_TMPDIR"
    pid=$waiting output_file=$told
    file_locks_told 100
}

@test "of a file that several hold parts of, each waiter is told who holds its own" {
    start file_ranges "$BATS_TEST_TMPDIR"
    dump "$pid"
    waits first "waits for a lock of $BATS_TEST_TMPDIR/ranges held by process $(of holder-0) \"file_ranges\""
    waits second "waits for a lock of $BATS_TEST_TMPDIR/ranges held by process $(of holder-1) \"file_ranges\""
}

@test "children are told by name and state" {
    start waits_on "$BATS_TEST_TMPDIR"
    dump "$pid"
    waits child "waits for process $(of holder) \"lock holder\", in state S \(sleeping\)"
    waits any "waits for any of 2 children, .*$(of holder) \"lock holder\".*"
    waits vfork 'waits for process [0-9]+ "vfork", in state S \(sleeping\), to execute a program or end'
}
