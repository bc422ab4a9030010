# Hostile data, in short: each fuzzer of tests/fuzz replays its corpus, which holds every input that ever showed a
# defect, and then tries new ones for a moment. `make fuzz` is the long form.

setup() {
    load helpers
}

need_fuzzers() {
    [[ -z ${SANITIZE-} ]] || skip "fuzzers have sanitizers of their own"
    command -v clang >/dev/null || skip "there is no clang"
    [[ -e $(clang -print-file-name="libclang_rt.fuzzer-$(uname -m).a") ]] || skip "this clang has no libFuzzer"
}

@test "the corpora, and new inputs for a moment, find nothing in what reads hostile data" {
    need_fuzzers
    local name names=()
    for name in "$TOP"/tests/fuzz/*.c; do
        # Most of the program would have to be built for that one: see the next test.
        [[ $name == */report.c ]] || names+=("$(basename "$name" .c)")
    done
    # As make itself names the directory: only so does it know what is old.
    run -0 make -C "$TOP" --no-print-directory BUILD="${BUILD#"$TOP"/}" FUZZERS="${names[*]}" fuzzers
    BUILD=$BUILD/fuzz JOBS=2 SEED=1 run -0 "$TOP/tests/fuzz/run" "$(scaled 10)" "${names[@]}"
    for name in "${names[@]}"; do
        assert_line --regexp "^$name +[1-9][0-9]* executions, .*: no finding$"
        [[ $(ls "$TOP/tests/fuzz/corpus/$name") ]] || fail "$name has no corpus"
    done
}

# fit_for_a_terminal FILE: no control character but newline, none of those that UTF-8 has either, and all of it UTF-8.
fit_for_a_terminal() {
    python3 - "$1" <<'END'
import sys
text = open(sys.argv[1], "rb").read().decode()
bad = [c for c in text if ord(c) < 32 and c != "\n" or 127 <= ord(c) < 160]
sys.exit(bool(bad))
END
}

@test "saved looks that showed a defect are shown by the program: no crash, no endless wait, no control characters" {
    local file form status
    for file in "$TOP"/tests/fuzz/corpus/{snapshot,report}/*; do
        [[ -e $file ]] || continue
        for form in text json folded; do
            status=0
            timeout 60 "$ATTACH" --dump --locals --load "$file" --format "$form" >"$BATS_TEST_TMPDIR/out" 2>&1 || status=$?
            [[ $status == [0125] ]] || fail "$file: $form: status $status: $(head -c 1000 "$BATS_TEST_TMPDIR/out")"
            fit_for_a_terminal "$BATS_TEST_TMPDIR/out" || fail "$file: $form"
        done
    done
}

@test "a finding is reported, kept, and fails the run" {
    need_fuzzers
    local here=$BATS_TEST_TMPDIR
    cat >"$here/planted.c" <<'END_OF_C'
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *bytes = calloc(1, size + 1);
    volatile uint8_t last = bytes[size + (size > 2 && data[0] == 'b' && data[1] == 'u' && data[2] == 'g')];
    (void)last;
    free(bytes);
    return 0;
}
END_OF_C
    clang -O1 -fsanitize=fuzzer,address,undefined -o "$here/planted" "$here/planted.c"
    BUILD=$here SEED=1 run -123 --separate-stderr "$TOP/tests/fuzz/run" 60 planted
    assert_output --regexp '^planted .*: FINDING '"$here"'/findings/planted-crash-'
    [[ $stderr == *heap-buffer-overflow* ]]
    [[ $(cat "$here"/findings/planted-crash-*) == bug* ]]
}
