# Arguments and local variables with their values: those that gdb sees, and no others.

setup() {
    load helpers
    JUDGES=$TOP/tests/judges
}

teardown() {
    end_all
}

# A pause may be long here: what is looked for are values, and other tests may have the processors.
dump_locals() {
    "$ATTACH" --dump --locals --max-pause 10000 "$@"
}

# ask_gdb PID FILE: what gdb says of all variables of the process. (In the C locale it takes UTF-8 for bytes.)
ask_gdb() {
    LC_ALL=C.UTF-8 gdb --batch --quiet -nx -iex 'set debuginfod enabled off' -p "$1" -x "$JUDGES/gdb_values.py" \
        2>"$2.errors" >"$2" && grep -q '^VALUES ' "$2"
}

# agree PROGRAM VALUES: dump and gdb agree on all variables of the program, and on that many values at least.
# Leaves dump.json and judgement in $BATS_TEST_TMPDIR, the comparison in $output.
agree() {
    local dump=$BATS_TEST_TMPDIR/dump.json judgement=$BATS_TEST_TMPDIR/judgement
    start "$1"
    dump_locals --format json -o "$dump" "$pid"
    ask_gdb "$pid" "$judgement"
    run -0 "$JUDGES/compare_values" "$dump" "$judgement"
    echo "# $output" >&3
    assert [ "${output%% *}" -ge "$2" ]
}

# frame_of FUNCTION: the frames of $output that are in this function, with their variables.
frame_of() {
    awk -v name="$1" '/^  #/ { shown = $2 ~ "^" name "([+]|$)" } /^$/ { shown = 0 } shown' <<<"$output"
}

@test "C without optimization, by gcc: every value that gdb shows" {
    agree values 70
    assert_output --partial ' 0 unknown'
}

@test "C with optimization, by gcc: every value that gdb shows" {
    agree values_optimized 50
    assert_output --partial ' 0 unknown'
}

@test "C without optimization, by clang: every value that gdb shows" {
    agree values_by_clang 70
    assert_output --partial ' 0 unknown'
}

@test "C with optimization, by clang: every value that gdb shows and that calls cannot have changed" {
    agree values_optimized_by_clang 30
}

@test "C++ without optimization: every value that gdb shows" {
    agree values_cxx 20
}

@test "C++ with optimization: every value that gdb shows" {
    agree values_cxx_optimized 12
}

@test "the comparison notices one wrong value, a lost one, and one too many" {
    agree values 70
    local dump=$BATS_TEST_TMPDIR/dump.json judgement=$BATS_TEST_TMPDIR/judgement change
    for change in 's/17179/17178/; s/"value": "20"/"value": "21"/' 's/"name": "in_a_block"/"name": "elsewhere"/' \
        's/wild = 0x10/wild = 0x18/' 's/y = 0.1}/y = 0.2}/' 's/hällo/hollo/'; do
        sed "$change" "$dump" >"$dump.changed"
        run cmp -s "$dump" "$dump.changed"
        assert_failure
        run -1 "$JUDGES/compare_values" "$dump.changed" "$judgement"
        assert_output --partial 'ours'
    done
}

@test "arguments come before local variables, in the order of the source" {
    start values_optimized
    run -0 dump_locals "$pid"
    run -0 frame_of in_registers
    assert_line --index 1 --regexp '^        arg   wait = 0x[0-9a-f]+ <wait_in_(read|poll)>$'
    assert_line --index 2 '        arg   fd = 3'
    assert_line --index 3 --regexp '^        arg   kept = [24]000$'
    assert_line --index 4 '        arg   lost = 99'
    assert_line --index 5 --regexp '^        arg   by_value = .*$'
    assert_line --index 6 --regexp '^        local .*$'
}

@test "strings are escaped and cut, long arrays are cut with a count" {
    start values
    run -0 dump_locals "$pid"
    run -0 frame_of all_types
    assert_output --partial 'name = "tab\t \"quoted\" \\ \033[31m", empty = "",'
    assert_output --partial '"hällo\n\001", null = 0x0,'
    assert_output --regexp 'local many = \{0, 1, 4, .*, 39204, 39601\.\.\. 800 more\}'
    assert_output --partial 'local zeros = {0 <repeats 300 times>}'
    assert_output --regexp 'local long_text = "abcdef.{194}"\.\.\.'
}

@test "the JSON tells name, type and value of each" {
    start values
    run -0 dump_locals --format json "$pid"
    run -0 jq -c '[.threads[].frames[] | select(.function == "all_types")][0]
        | [.arguments[], .locals[]] | map({(.name): [.type, .live]}) | add' <<<"$output"
    assert_output --partial '"wait":["long int (*)(int)",false]'
    assert_output --partial '"e":["struct everything",false]'
    assert_output --partial '"words":["const char *[3]",false]'
    assert_output --partial '"many":["int [1000]",false]'
    assert_output --partial '"origin":["const struct point",false]'
}

@test "without --locals there are none" {
    start values
    run -0 "$ATTACH" --dump "$pid"
    refute_output --regexp '^ +(arg|local) '
    run -0 "$ATTACH" --dump --format json "$pid"
    refute_output --partial '"locals"'
}

@test "a value in a register stops the thread that has it, and no other" {
    start kept_value
    run -0 dump_locals "$pid"
    assert_line --index -1 --regexp '^paused 1 of 11 threads for [0-9]+ us; 10 blocked, not stopped; 0 racy$'
    run -0 frame_of wait_with
    assert_line '        local kept = 21'
}

@test "a thread that is stopped twice counts once" {
    start values_optimized
    local -i round
    for ((round = 0; round < 10; round++)); do
        # Too short to read anything, so that there is a second time.
        run -0 "$ATTACH" --dump --locals --max-pause 0.001 "$pid"
        [[ ${lines[-1]} =~ ^paused\ ([0-9]+)\ of\ 4\ threads.*\ ([0-9]+)\ blocked,\ not\ stopped ]] || fail "${lines[-1]}"
        ((BASH_REMATCH[1] + BASH_REMATCH[2] <= 4)) || fail "${lines[-1]}"
    done
}

@test "threads with the same stack and other values are not shown as one" {
    start kept_value
    run -0 dump_locals "$pid"
    assert_line '        local number = 100'
    assert_line '        local number = 101'
}

@test "what a running thread had elsewhere than on its stack is marked as read later" {
    start running_values
    run -0 dump_locals "$pid"
    run -0 frame_of run_with
    assert_line --regexp '^        arg   on_heap = 0x[0-9a-f]+ "from the heap" \[read later\]$'
    assert_line --regexp '^        arg   constant = 0x[0-9a-f]+ "from the file"$'
    assert_line '        local on_stack = 5'
}

@test "a program without debug information has no variables, and nothing fails" {
    objcopy --strip-debug "$TARGETS/values" "$BATS_TEST_TMPDIR/values"
    start "$BATS_TEST_TMPDIR/values"
    run -0 dump_locals --format json "$pid"
    run -0 jq -c '[.threads[].frames[] | select(.module | endswith("/values")) | has("locals")] | unique' <<<"$output"
    assert_output '[false]'
}

@test "damaged debug information costs values, never the dump" {
    local seed rounds=$(scaled 20) program
    for program in values_optimized values_cxx; do
        for ((seed = 1; seed <= rounds; seed++)); do
            cp "$TARGETS/$program" "$BATS_TEST_TMPDIR/$program"
            "$TOP/tests/tools/break_debug_information" "$BATS_TEST_TMPDIR/$program" "$seed"
            start "$BATS_TEST_TMPDIR/$program"
            run timeout 60 "$ATTACH" --dump --locals "$pid"
            end "$pid"
            ((status == 0)) || fail "$program, seed $seed: status $status: ${lines[*]: -3}"
            assert_line --index -1 --regexp '^paused [0-9]+ of [0-9]+ threads '
        done
    done
}

@test "a saved dump has the values that were on stacks, and nothing from the heap" {
    local saved=$BATS_TEST_TMPDIR/saved
    cp "$TARGETS/running_values" "$BATS_TEST_TMPDIR"
    start "$BATS_TEST_TMPDIR/running_values"
    dump_locals --save "$saved" -o "$BATS_TEST_TMPDIR/text" "$pid"
    run -0 grep -c 'from the heap' "$BATS_TEST_TMPDIR/text"
    end "$pid"
    run -0 "$ATTACH" --dump --load "$saved" --locals
    run -0 frame_of run_with
    assert_line --regexp '^        arg   on_heap = 0x[0-9a-f]+ <not saved>'
    assert_line '        local on_stack = 5'
    # Without the file there are frames, as they were found, and no values of it.
    rm "$BATS_TEST_TMPDIR/running_values"
    run -0 "$ATTACH" --dump --load "$saved" --locals
    assert_output --partial 'run_with'
    refute_output --partial 'on_stack'
}
