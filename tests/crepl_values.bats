# The C console: values by their types, as gdb shows them.

setup() {
    load helpers
    JUDGES=$TOP/tests/judges
}

teardown() {
    end_all
}

# all_types: the target, ready; sets $pid.
all_types() {
    start "$TARGETS/all_types"
}

# ours EXPRESSIONS FILE: what one session of ours says of all of them.
ours() {
    sed -E '/^(#|$)/d; s/ (=>|!!) .*//' "$1" >"$BATS_TEST_TMPDIR/script"
    timeout 300 "$ATTACH" --file "$BATS_TEST_TMPDIR/script" "$pid" >"$2" 2>"$2.errors"
}

# ask_gdb EXPRESSIONS FILE: what gdb says of them. (In the C locale it takes UTF-8 for bytes.)
ask_gdb() {
    EXPRESSIONS=$1 LC_ALL=C.UTF-8 timeout 300 gdb --batch --quiet -nx -iex 'set debuginfod enabled off' -p "$pid" \
        -x "$JUDGES/gdb_expressions.py" </dev/null >"$2" 2>"$2.errors"
}

@test "every value of hundreds of expressions is the one that gdb shows, and the comparison notices one that is not" {
    local ours=$BATS_TEST_TMPDIR/ours judgement=$BATS_TEST_TMPDIR/judgement change
    all_types
    ask_gdb "$JUDGES/expressions" "$judgement"
    ours "$JUDGES/expressions" "$ours" || { cat "$ours.errors"; false; }
    assert_equal "$(cat "$ours.errors")" ''
    run "$JUDGES/compare_expressions" "$JUDGES/expressions" "$ours" "$judgement"
    assert_success
    echo "# $output" >&3
    assert [ "${output%% *}" -ge 300 ]
    for change in 's/= 4294967295$/= 4294967294/' 's/0.3333333333333333$/0.3333333333333334/' 's/(READ | WRITE)/(READ | RUN)/' \
        's/<twice>/<half>/' 's/across = -5/across = 5/' 's/"ab\\000cd"/"ab"/' 's/(struct point \*)/(struct nested *)/' \
        's/<repeats 24 times>/<repeats 25 times>/' 's/^\$9 = .*//'; do
        sed "$change" "$ours" >"$ours.changed"
        run cmp -s "$ours" "$ours.changed"
        assert_failure
        run -1 "$JUDGES/compare_expressions" "$JUDGES/expressions" "$ours.changed" "$judgement"
        assert_output --partial 'ours'
    done
}
