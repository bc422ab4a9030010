# Variables of Python frames in dumps, with their values, read from outside. The judge is the program itself: it prints what
# it sees of its own frames.

setup() {
    load helpers
    JUDGES=$TOP/tests/judges
    VALUES=$TOP/tests/targets/python_values.py
}

teardown() {
    end_all
}

# A pause may be long here: what is looked for are values, and other tests may have the processors.
dump_locals() {
    "$ATTACH" --dump --locals --max-pause 10000 "$@"
}

# start_python PYTHON PROGRAM: as start; its output is in $output_file.
start_python() {
    start_quietly "$@"
    wait_until 30 grep -qs '^ready' "$output_file"
}

# is_asleep: the process is in the call that the program ends with.
is_asleep() {
    grep -qs nanosleep "/proc/$pid/wchan" || [[ $(cut -d' ' -f1 "/proc/$pid/syscall") == 230 ]]
}

# agree PYTHON: dump and program agree on all variables. Leaves the dump in $dump.
agree() {
    dump=$BATS_TEST_TMPDIR/dump.json
    start_python "$1" "$VALUES"
    wait_until 20 is_asleep
    dump_locals --format json -o "$dump" "$pid"
    kill -USR1 "$pid"
    wait_until 20 grep -qs '^done' "$output_file"
    run -0 "$JUDGES/compare_python_values" "$dump" "$output_file"
    echo "# $1: $output" >&3
    assert_output '90 values agree'
}

@test "Debian's python3: every variable with the value that the program itself sees" {
    agree /usr/bin/python3
    # The judge notices a wrong value, a lost one, a wrong type, and one that is said to be read later.
    for change in 's/it'\''s\\""/it'\''s\\"x"/' 's/"name": "celsius"/"name": "kelvin"/' 's/"type": "list"/"type": "int"/' \
        's/"live": false/"live": true/' 's/18446744073709551617/18446744073709551616/'; do
        sed "$change" "$dump" >"$dump.changed"
        run cmp -s "$dump" "$dump.changed"
        assert_failure
        run -1 "$JUDGES/compare_python_values" "$dump.changed" "$output_file"
    done
    # The text has them below their frames, those of C code as ever, and nothing that a terminal would obey.
    run -0 dump_locals "$pid"
    assert_line '        arg   shared = [0, 1, 4]'
    assert_line '        arg   rest = (1, 2)'
    assert_line "        local escapes = '\\x1b[31mred\\n\\t\\\\'"
    assert_line '        local unbound = <unbound>'
    refute_output --partial $'\x1b'
    # What is saved shows the same, and without having been asked for is not in the file.
    dump_locals --save "$BATS_TEST_TMPDIR/saved" -o "$BATS_TEST_TMPDIR/then" "$pid"
    "$ATTACH" --dump --save "$BATS_TEST_TMPDIR/plain" "$pid"
    end_all
    "$ATTACH" --dump --locals --load "$BATS_TEST_TMPDIR/saved" -o "$BATS_TEST_TMPDIR/later"
    run -0 diff "$BATS_TEST_TMPDIR/then" "$BATS_TEST_TMPDIR/later"
    run -0 "$ATTACH" --dump --locals --load "$BATS_TEST_TMPDIR/plain"
    refute_output --partial 'of the class'
    assert_output --regexp '#[0-9]+ +Body at '
}

@test "the debug build of python3: every variable with the value that the program itself sees" {
    agree /usr/bin/python3.11d
}

# of_one_moment: the invariants of python_changing.py hold in $dump; prints how many values of each kind were seen.
of_one_moment() {
    /usr/bin/python3 - "$dump" <<'PYTHON'
import ast, collections, json, sys
seen = collections.Counter()
for thread in json.load(open(sys.argv[1]))["threads"]:
    for frame in thread["frames"]:
        values = {v["name"]: v["value"] for v in frame.get("arguments", []) + frame.get("locals", [])
                  if not v["live"] and v["value"][0] != "<"} if frame.get("language") == "python" else {}
        assert all(v["value"] in ("<unbound>", "<changing>", "<not copied>") or v["value"][0] != "<" or "object at" in v["value"]
                   or v["value"].startswith("<function")
                   for v in frame.get("locals", []) if frame.get("language") == "python"), frame
        name = frame["function"].rsplit(".", 1)[-1]
        if name == "spin" and "text" in values:
            n, pair = int(values["n"]), ast.literal_eval(values["pair"])
            left, right = map(int, ast.literal_eval(values["text"]).split())
            assert pair[0] == pair[1] and left == right and 0 <= n - pair[0] <= 1 and 0 <= pair[0] - left <= 1, values
            seen["spin"] += 1
        if name == "keep":
            assert ast.literal_eval(values["still"]) == (7 ** 30,) * 2, values
            seen["still"] += 1
            if "cell" in values:
                pair = ast.literal_eval(values["cell"])
                assert pair[0] == pair[1], values
                seen["cell"] += 1
print(" ".join("%s:%d" % pair for pair in sorted(seen.items())))
PYTHON
}

@test "values of threads that run, and of what they change of others', are of one moment or said not to be" {
    start_python /usr/bin/python3 "$TOP/tests/targets/python_changing.py"
    dump=$BATS_TEST_TMPDIR/dump.json
    spun=0
    for round in $(seq "$(scaled 40)"); do
        how=()
        ((round % 2)) || how=(--freeze)
        dump_locals "${how[@]}" --format json -o "$dump" "$pid"
        run -0 of_one_moment
        assert_output --partial still:1
        [[ $output != *spin:1* ]] || ((++spun))
    done
    assert [ "$spun" -gt 0 ]
    # They are saved as they were shown.
    dump_locals --freeze --save "$BATS_TEST_TMPDIR/saved" -o "$BATS_TEST_TMPDIR/then" "$pid"
    "$ATTACH" --dump --locals --load "$BATS_TEST_TMPDIR/saved" -o "$BATS_TEST_TMPDIR/later"
    run -0 diff "$BATS_TEST_TMPDIR/then" "$BATS_TEST_TMPDIR/later"
}

@test "what is not copied of a thread while it is stopped is said not to be, and not shown as it is later" {
    start_python /usr/bin/python3 "$TOP/tests/targets/python_much.py"
    run -0 dump_locals --freeze --format json "$pid"
    jq -r '.threads[0].frames[] | select(.function == "spin") | .locals[].value' <<<"$output" >"$BATS_TEST_TMPDIR/values"
    whole=$(/usr/bin/python3 -c 'print("[" + ", ".join(repr(chr(97 + n) * 200) + "..." for n in range(8)) + "]")')
    assert_equal "$(wc -l <"$BATS_TEST_TMPDIR/values")" 400
    run -0 grep -cxF "$whole" "$BATS_TEST_TMPDIR/values"
    assert [ "$output" -gt 50 ]
    run -0 grep -cxF '<not copied>' "$BATS_TEST_TMPDIR/values"
    assert [ "$output" -gt 50 ]
    # Nothing else, but for such of which some items are on pages that others were copied for.
    item="('[a-h]{200}'\.\.\.|<not copied>)"
    run -1 grep -vxE "<not copied>|\[$item(, $item){0,7}\]" "$BATS_TEST_TMPDIR/values"
}
