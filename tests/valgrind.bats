# The tool under valgrind: no memory is read that is not there, none is read before it is written, none is lost.

setup() {
    load helpers
    [[ -z ${SANITIZE-} ]] || skip 'a sanitized tool watches itself'
}

teardown() {
    end_all
}

# watched STATUS ARGUMENTS...: the tool ends with STATUS and valgrind finds nothing. (Calls of the kernel that it does
# not know it fails, as an old kernel would, and says so.) Helpers of the tool are not reported on: they end at once.
watched() {
    local status=$1
    shift
    run -"$status" valgrind -q --log-file="$BATS_TEST_TMPDIR/valgrind.%p" --error-exitcode=99 --child-silent-after-fork=yes --leak-check=full \
        --errors-for-leak-kinds=definite,indirect --show-leak-kinds=definite,indirect "$ATTACH" "$@"
    run -1 grep -hE '^==[0-9]+==' "$BATS_TEST_TMPDIR"/valgrind.*
}

@test "valgrind finds nothing in what a dump does, nor in what is saved and loaded" {
    start thread_shapes
    watched 0 --dump --locals --save "$BATS_TEST_TMPDIR/saved" --max-pause 10000 "$pid"
    watched 0 --dump --load "$BATS_TEST_TMPDIR/saved" --format json
    watched 0 --dump --freeze --max-pause 10000 --count 2 --interval 10 --format folded "$pid"
    watched 3 --dump 99999999
}

@test "valgrind finds nothing in a look at Python" {
    start_quietly /usr/bin/python3 "$TOP/tests/targets/python_shapes.py"
    wait_until 30 grep -q ready "$output_file"
    watched 0 --dump --locals --max-pause 10000 "$pid"
}

@test "valgrind finds nothing in an attach, an evaluation and a departure" {
    start poller
    watched 0 --eval '1 + 1' "$pid"
    watched 1 --eval '1 +' "$pid"
    watched 0 --list
    watched 0 --uninstall "$pid"
}
