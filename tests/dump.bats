# What a dump looks like: as text for people, as JSON for programs.

setup() {
    load helpers
}

teardown() {
    end_all
}

# python EXPRESSION: evaluates it with d = the JSON document in $output, t = its threads by name.
python() {
    python3 -c "import json, sys
d = json.load(sys.stdin)
t = {}
for x in d['threads']: t.setdefault(x['name'], []).append(x)
print(($1))" <<<"$output"
}

# stack_of NAME: the part of $output that shows the thread with this name.
stack_of() {
    sed -n "/^thread [0-9]* \"$1\"/,/^\$/p" <<<"$output"
}

@test "the text begins with the process and ends with what the look cost" {
    start thread_shapes
    run -0 "$ATTACH" --dump "$pid"
    assert_line --index 0 --regexp "^process $pid .*/thread_shapes, 11 threads, [-0-9]+ [.:0-9]+\$"
    assert_line --index -1 'paused 0 of 11 threads for 0 us; 11 blocked, not stopped; 0 racy'
}

@test "a thread shows its id, name, state, call with arguments, and numbered frames" {
    start thread_shapes
    run -0 "$ATTACH" --dump "$pid"
    run -0 stack_of poller
    assert_line --index 0 --regexp \
        '^thread [0-9]+ "poller" S blocked in poll\(fds \[[0-9]+ <pipe:\[[0-9]+\]>, -1\], nfds 2, timeout 60 min\)$'
    assert_line --index 1 --regexp '^  waits on fd [0-9]+ a pipe whose other end is fd [0-9]+ of this process$'
    assert_line --index 2 --regexp '^  #0   ?[_a-z]*poll\+0x[0-9a-f]+ .*\(libc.*\)$'
    assert_line --regexp '^  #[12]   ?poller\+0x[0-9a-f]+ at .*thread_shapes\.c:[0-9]+ \(thread_shapes\)$'
}

@test "a thread that waits for a mutex shows the futex" {
    start thread_shapes
    run -0 "$ATTACH" --dump "$pid"
    assert_line --regexp '"locker" S blocked in futex\(uaddr 0x[0-9a-f]+, WAIT_PRIVATE, val 2, no timeout\)$'
}

@test "identical stacks of more than three threads are shown once, with all their ids" {
    start thread_shapes
    local twins
    twins=$(grep -lx twin /proc/"$pid"/task/*/comm | cut -d/ -f5 | sort -n | tr '\n' ' ')
    run -0 "$ATTACH" --dump "$pid"
    assert_line --regexp '^6 threads "twin" with the same stack: S blocked in read\(fd [0-9]+ <pipe:.*>, buf \.\.\., count 1\)$'
    assert_line "  tids ${twins% }"
    assert_equal "$(grep -c 'twin+0x' <<<"$output")" 1
}

@test "many ids without a gap are shown by their ends" {
    start sleepers_and_spinners 40 0
    run -0 "$ATTACH" --dump "$pid"
    run -0 grep -A1 '^4[01] threads' <<<"$output"
    # However the kernel gave them out: every id is there, or within a range.
    local tid word words=" ${lines[1]#*tids }"
    for tid in /proc/"$pid"/task/*; do
        tid=${tid##*/}
        ((tid != pid)) || continue
        for word in $words; do
            ((tid < ${word%-*} || tid > ${word#*-})) || continue 2
        done
        fail "$tid is not in $words"
    done
}

@test "--all-threads-listed shows each of them" {
    start thread_shapes
    run -0 "$ATTACH" --dump --all-threads-listed "$pid"
    assert_equal "$(grep -c '^thread [0-9]* "twin"' <<<"$output")" 6
    assert_equal "$(grep -c 'twin+0x' <<<"$output")" 6
    refute_output --partial 'with the same stack'
}

@test "no escape sequence of the target reaches the output" {
    start thread_shapes
    run -0 "$ATTACH" --dump "$pid"
    assert_output --partial '"ev?[31mil?"\"'
    refute_output --partial $'\033'
}

@test "bytes that are no UTF-8 do not break the JSON" {
    start thread_shapes
    "$ATTACH" --dump --format json "$pid" >"$BATS_TEST_TMPDIR/json"
    run -0 python3 -c 'import json, sys
d = json.loads(open(sys.argv[1], "rb").read().decode("utf-8", "strict"))
print([x["name"] for x in d["threads"] if x["name"].startswith("ev")])' "$BATS_TEST_TMPDIR/json"
    refute_output '[]'
}

@test "the JSON has every member of the contract" {
    start thread_shapes
    run -0 "$ATTACH" --dump --format json "$pid"
    local document=$output
    assert_equal "$(python "d['version'], d['pid'], d['pause_us'], d['threads_paused'], d['deadlocks']")" \
        "(1, $pid, 0, 0, [])"
    assert_equal "$(python "d['executable']")" "$(realpath "$TARGETS/thread_shapes")"
    run -0 python "__import__('datetime').datetime.fromisoformat(d['time'].replace('Z', '+00:00')).tzinfo"
    assert_output UTC
    output=$document
    assert_equal "$(python "all({'tid', 'name', 'state', 'how', 'syscall', 'waits_for', 'frames'} <= set(x)
        for x in d['threads'])")" True
    assert_equal "$(python "all({'pc', 'module', 'build_id', 'offset', 'function', 'file', 'line', 'inlined',
        'how'} <= set(f) for x in d['threads'] for f in x['frames'])")" True
    assert_equal "$(python "t['poller'][0]['syscall']['name'], t['poller'][0]['state'], t['poller'][0]['how']")" \
        "('poll', 'S', 'blocked')"
    assert_equal "$(python "[f['how'] for f in t['poller'][0]['frames'][:2]]")" "['registers', 'cfi']"
    assert_equal "$(python "[f for f in t['poller'][0]['frames'] if f['function'] == 'poller'][0]['module'] ==
        d['executable']")" True
}

@test "the offset of a frame is the address that eu-addr2line takes" {
    start thread_shapes
    run -0 "$ATTACH" --dump --format json "$pid"
    local place
    place=$(python "[f['offset'] for f in t['twin'][0]['frames'] if f['function'] == 'twin'][0]")
    run -0 eu-addr2line -f -e "$TARGETS/thread_shapes" "$place"
    assert_line --index 0 twin
}

@test "a stack that is cut at --max-frames says so, and 0 is no limit" {
    start thread_shapes
    run -0 "$ATTACH" --dump --max-frames 10 "$pid"
    run -0 stack_of deep
    assert_equal "$(grep -c '^  #' <<<"$output")" 10
    assert_output --partial '... there are more frames'
    run -0 "$ATTACH" --dump --max-frames 0 "$pid"
    run -0 stack_of deep
    assert_equal "$(grep -c 'descend+0x' <<<"$output")" 1001
    refute_output --partial '...'
}

@test "without --max-frames a stack shows 256 frames" {
    start thread_shapes
    run -0 "$ATTACH" --dump "$pid"
    run -0 stack_of deep
    assert_equal "$(grep -c '^  #' <<<"$output")" 256
}

@test "--no-source leaves out files and lines" {
    start thread_shapes
    run -0 "$ATTACH" --dump --no-source "$pid"
    refute_output --partial 'thread_shapes.c'
    assert_output --partial 'poller+0x'
}

@test "a thread whose frame only a register tells is stopped, and no other" {
    start needs_register
    run -0 "$ATTACH" --dump "$pid"
    assert_line --index -1 --regexp '^paused 1 of 6 threads for [0-9]+ us; 5 blocked, not stopped; 0 racy$'
    assert_line --regexp "^thread $pid \"needs_register\" S blocked in pause\(\)\$"
    assert_line --regexp '^  #[0-9]+ +wait_in_frame_of\+0x'
    assert_line --regexp '^  #[0-9]+ +main\+0x'
    assert_line --regexp '^  #[0-9]+ +_start\+0x'
    refute_output --partial '...'
}

@test "-o writes the same to a file, and nothing to standard output" {
    start thread_shapes
    local file=$BATS_TEST_TMPDIR/dump
    run -0 --separate-stderr "$ATTACH" --dump "$pid" -o "$file"
    assert_equal "$output$stderr" ""
    run -0 "$ATTACH" --dump "$pid"
    assert_equal "$(tail -n +2 "$file")" "$(tail -n +2 <<<"$output")"
}

@test "-o keeps the mode of the file it replaces, and follows a symbolic link" {
    start thread_shapes
    echo old >"$BATS_TEST_TMPDIR/real"
    chmod 604 "$BATS_TEST_TMPDIR/real"
    ln -s real "$BATS_TEST_TMPDIR/link"
    run -0 "$ATTACH" --dump "$pid" -o "$BATS_TEST_TMPDIR/link"
    [[ -L $BATS_TEST_TMPDIR/link ]]
    assert_equal "$(stat -c %a "$BATS_TEST_TMPDIR/real")" 604
    run -0 tail -n 1 "$BATS_TEST_TMPDIR/real"
    assert_output --partial 'paused 0 of 11'
}

@test "-o does not touch its file when there is nothing to show" {
    echo old >"$BATS_TEST_TMPDIR/file"
    run -3 "$ATTACH" --dump 4194304 -o "$BATS_TEST_TMPDIR/file"
    assert_equal "$(<"$BATS_TEST_TMPDIR/file")" old
}

@test "several processes come one after another, each with its own summary" {
    start thread_shapes
    local first=$pid
    start static_program
    run -0 "$ATTACH" --dump "$first" "$pid"
    assert_equal "$(grep -c '^process ' <<<"$output")" 2
    assert_equal "$(grep -c '^paused ' <<<"$output")" 2
    run -0 "$ATTACH" --dump --format json "$first" "$pid"
    run -0 python3 -c 'import json, sys
text, pids = sys.stdin.read(), []
while text.strip():
    document, end = json.JSONDecoder().raw_decode(text.lstrip())
    text = text.lstrip()[end:]
    pids.append(document["pid"])
print(*pids)' <<<"$output"
    assert_output "$first $pid"
}

@test "colours are for a terminal, and not with NO_COLOR" {
    start thread_shapes
    run -0 env -u NO_COLOR TERM=xterm script -qec "'$ATTACH' --dump $pid" /dev/null
    assert_output --partial $'\033[1m'
    run -0 env NO_COLOR=1 TERM=xterm script -qec "'$ATTACH' --dump $pid" /dev/null
    refute_output --partial $'\033'
    run -0 env -u NO_COLOR TERM=dumb script -qec "'$ATTACH' --dump $pid" /dev/null
    refute_output --partial $'\033'
}
