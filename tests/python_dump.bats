# Python frames in dumps, read from outside. The judge is the interpreter itself: its faulthandler prints all stacks
# without running Python code.

setup() {
    load helpers
    JUDGES=$TOP/tests/judges
    SHAPES=$TOP/tests/targets/python_shapes.py
}

teardown() {
    end_all
}

# start_python PYTHON PROGRAM [ARGUMENTS...]: as start; its output is in $output_file.
start_python() {
    start_quietly "$@"
    wait_until 30 grep -qs '^ready' "$output_file"
}

# shows_the_same: dump and interpreter agree on every frame of python_shapes.py. Leaves the dump in $dump, the figures in
# $agreement.
shows_the_same() {
    dump=$BATS_TEST_TMPDIR/dump.json
    "$ATTACH" --dump --max-pause 10000 --format json -o "$dump" "$pid"
    kill -USR1 "$pid"
    wait_until 20 grep -qs 'most recent call first' "$output_file"
    agreement=$("$JUDGES/compare_python_frames" "$dump" "$output_file")
}

# agree PYTHON: they do, once all threads have come to where they stay.
agree() {
    start_python "$1" "$SHAPES"
    wait_until 30 shows_the_same
    echo "# $1: $agreement" >&3
    # All of them have their place among the native ones.
    run -0 jq '[.threads[] | .python_frames_apart // [] | length] | add' "$dump"
    assert_output 0
    run -0 jq -c '[.threads[].python_problem] | unique' "$dump"
    assert_output '[null]'
}

# line_of TEXT: the number of the first line of python_shapes.py with it.
line_of() {
    grep -nF "$1" "$SHAPES" | head -n 1 | cut -d: -f1
}

@test "Debian's python3: every Python frame that the interpreter itself shows, with its line" {
    agree /usr/bin/python3
    run -0 jq -r .python.version "$dump"
    assert_output "$(/usr/bin/python3 -c 'import platform; print(platform.python_version())')"
}

@test "the debug build of python3: every Python frame that the interpreter itself shows, with its line" {
    agree /usr/bin/python3.11d
}

@test "Python frames stand among the native ones, and those that only run them are left out unless asked for" {
    start_python /usr/bin/python3 "$SHAPES"
    wait_until 30 shows_the_same
    run -0 "$ATTACH" --dump --max-pause 10000 "$pid"
    assert_line --regexp "^  #[0-9]+ +nap at .*/python_shapes.py:$(line_of 'time.sleep(10000)') \[python\]$"
    assert_line --regexp '^  #[0-9]+ +inner at <string>:4 \[python\]$'
    assert_line --regexp '^  #[0-9]+ +𐐿𐐨𐑅 at ☃𝒳.py:2 \[python\]$'
    refute_output --partial _PyEval_EvalFrameDefault
    assert_line --regexp '^  \.\.\. [0-9]+ frames of the interpreter left out: --interpreter-frames shows them$'
    # C code that Python called, and that called Python, is where it belongs.
    places=$(sed -nE 's/^  #[0-9]+ +(called_by_c\S*|qsort).*/\1/p' <<<"$output")
    assert_equal "$places" "$(printf '%s\n' 'called_by_c.<locals>.<lambda>' qsort called_by_c)"
    run -0 "$ATTACH" --dump --max-pause 10000 --interpreter-frames "$pid"
    assert_line --regexp '^  #[0-9]+ +_PyEval_EvalFrameDefault'
    refute_output --partial 'left out'
}

@test "what is saved of a Python program shows the same frames, and not its heap" {
    start_python /usr/bin/python3 "$SHAPES"
    wait_until 30 shows_the_same
    "$ATTACH" --dump --save "$BATS_TEST_TMPDIR/saved" -o "$BATS_TEST_TMPDIR/then" --max-pause 10000 "$pid"
    end_all
    "$ATTACH" --dump --load "$BATS_TEST_TMPDIR/saved" -o "$BATS_TEST_TMPDIR/later"
    run -0 diff "$BATS_TEST_TMPDIR/then" "$BATS_TEST_TMPDIR/later"
    run -0 grep -c '\[python\]' "$BATS_TEST_TMPDIR/later"
    assert [ "$output" -gt 100 ]
    # The documentation string of the program is in its memory, and of no frame's concern.
    run -1 grep -a 'What is awkward' "$BATS_TEST_TMPDIR/saved"
}

# look_at_busy COUNT: samples of python_busy.py as folded stacks, without the threads.
look_at_busy() {
    "$ATTACH" --dump --max-pause 10000 --format folded --count "$1" --interval 5 "$pid" | sed 's/^[^;]*;//; s/ [0-9]*$//'
}

@test "Python frames of threads that run are of one moment, that at which they were stopped" {
    start_python /usr/bin/python3 "$TOP/tests/targets/python_busy.py"
    stacks=$(look_at_busy "$(scaled 300)")
    # Each look found where both were: the spinning one, and one of the two that alternate.
    run -0 grep -c ';spin' <<<"$stacks"
    run -0 grep -cE ';alternate;(left|right)' <<<"$stacks"
    run -1 grep -E 'left;right|right;left|left_leaf;right|right_leaf;left' <<<"$stacks"
    # They are true, and have their place.
    run -0 "$ATTACH" --dump --max-pause 10000 --format json "$pid"
    assert_equal "$(jq -c '[.threads[].python_problem] | unique' <<<"$output")" '[null]'
    assert_equal "$(jq -c '[.threads[].python_frames_apart] | unique' <<<"$output")" '[[]]'
    assert_equal "$(jq -c '[.threads[] | [.how == "frozen" or .how == "blocked", .problem]] | unique' <<<"$output")" '[[true,null]]'
    assert_equal "$(jq -r '.threads[1].frames[] | select(.function == "spin") | .language' <<<"$output")" python
    # So it is with all threads stopped at once.
    run -0 "$ATTACH" --dump --freeze --max-pause 10000 --format json "$pid"
    assert_equal "$(jq -c '[.threads[] | .how, .python_problem] | unique' <<<"$output")" '[null,"frozen"]'
}

# load_saved VERSION: unpacks the saved look at Python 3.VERSION running snapshots/served.py, into $saved. Each was made
# with the interpreter in /opt/python3.VERSION, which need not be here: all that is wanted of it is in the file.
load_saved() {
    saved=$BATS_TEST_TMPDIR/python3.$1
    base64 -d "$TOP/tests/snapshots/python3.$1" >"$saved"
}

@test "saved looks at Python 3.8, 3.9, 3.10, 3.12 and 3.13 show their frames and variables by the layout of each" {
    sources=$TOP/tests/snapshots/served.py
    napping=$(grep -n 'time.sleep' "$sources" | cut -d: -f1) calling=$(grep -n 'sorted(' "$sources" | cut -d: -f1)
    recursing=$(grep -n 'self.serve' "$sources" | cut -d: -f1) yielding=$(grep -n 'yield' "$sources" | cut -d: -f1)
    last=$(grep -n 'pass' "$sources" | cut -d: -f1)
    for minor in 8 9 10 12 13; do
        class= scope=
        ((minor < 11)) || class=Server. scope='Server.serve.<locals>.' # co_qualname
        load_saved "$minor"
        run -0 "$ATTACH" --dump --locals --load "$saved" --format json
        assert_equal "$(jq -r .python.version <<<"$output" | cut -d. -f1,2)" "3.$minor"
        frames=$(jq -r '.threads[0].frames[] | select(.language == "python") | "\(.function) \(.line)"' <<<"$output")
        assert_equal "$frames" "${class}handle $napping
${scope}<lambda> $calling
${class}serve $calling
${class}serve $recursing
${class}serve $recursing
requests $yielding
<module> $((last - 1))"
        # Addresses apart, so as a program prints them.
        variables=$(jq -r '.threads[0].frames[] | select(.language == "python") | (.arguments, .locals)[] | "\(.name) = \(.value)"' \
            <<<"$output" | sed 's/0x[0-9a-f]*/ADDRESS/')
        self="self = <__main__.Server object at ADDRESS name='größe', failure=FileNotFoundError(2, 'none')>"
        assert_equal "$variables" "$self
größe = 2
values = [2, -1180591620717411303424, 1.5, 2j, 'größe', b'\x00', (None, True), {'key': {0}}, frozenset({'a'})]
request = 2
$self
$self
depth = 0
$self
depth = 1
$self
depth = 2"
        # All in their place: none is left over.
        assert_equal "$(jq -c '[.threads[] | .python_problem, .python_frames_apart]' <<<"$output")" '[null,[]]'
    done
}

@test "Python's structures with anything in them do no harm: what makes no sense is not shown" {
    for minor in 8 10 12 13; do
        load_saved "$minor"
        run -0 python3 - "$ATTACH" "$saved" "$(scaled 100)" <<'END'
import random, struct, subprocess, sys, zlib
attach, saved, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
file = open(saved, "rb").read()
good = zlib.decompress(file[32:-16])
random.seed(6)
ends = {}
words = [good[at:at + 8] for at in range(len(good) // 2, len(good) - 8)
         if good[at + 5:at + 8] == b"\0\0\0" and good[at + 4] and good[at] % 8 == 0] # pointers, mostly
for i in range(rounds):
    bad = bytearray(good)
    for _ in range(random.choice((1, 2, 8, 32))):
        at = random.randrange(len(bad) // 2, len(bad) - 8) # memory comes last
        what = random.choice((b"\0" * 8, b"\xff" * 8, b"\xff" * 7 + b"\x7f", random.randbytes(1), random.choice(words)))
        bad[at:at + len(what)] = what
    body = zlib.compress(bytes(bad), 1)
    tail = struct.pack("<QI", len(bad), zlib.crc32(file[:32] + bytes(bad))) + b"END\n"
    open(saved + ".bad", "wb").write(file[:32] + body + tail)
    done = subprocess.run([attach, "--dump", "--locals", "--load", saved + ".bad", "--max-frames", random.choice(("0", "256"))],
                          capture_output=True, timeout=60)
    ends[done.returncode] = ends.get(done.returncode, 0) + 1
    assert done.returncode in (0, 1, 5), (i, done)
    assert not any(byte < 32 and byte != 10 for byte in done.stdout), (i, done)
assert ends.get(0), ends
END
    done
}

@test "a list of Python threads that makes no sense is said to be so" {
    start_python /usr/bin/python3 "$TOP/tests/targets/python_torn_list.py"
    run -0 "$ATTACH" --dump "$pid"
    assert_line --partial 'the list of Python threads changed while it was read, or is damaged'
    assert_line --partial 'so Python frames of some threads may be missing'
    refute_output --partial '[python]'
    run -0 "$ATTACH" --dump --format json "$pid"
    assert_equal "$(jq -r .python.threads_problem <<<"$output")" 'the list of Python threads changed while it was read, or is damaged'
}

@test "the layouts of Python's structures are those of Debian's headers" {
    run -0 "$TOP/tests/python_layouts" /usr/include/python3.11 /usr/include/python3.11d
    assert_line --regexp '^Python 3\.11\.[0-9]+: 67 offsets compared, 0 wrong$'
    assert_equal "${#lines[@]}" 2
}

@test "each interpreter's frames are those of the thread that runs them" {
    start_python /usr/bin/python3 "$TOP/tests/targets/python_interpreters.py"
    shows_both() {
        "$ATTACH" --dump --max-pause 10000 --format json "$pid" |
            jq -r '.threads[] | [.frames[] | select(.language == "python") | .function] | join(" ")' >"$BATS_TEST_TMPDIR/both"
        diff "$BATS_TEST_TMPDIR/both" - <<'END'
<module>
inner <module> <lambda> Thread.run Thread._bootstrap_inner Thread._bootstrap
END
    }
    wait_until 20 shows_both
}
