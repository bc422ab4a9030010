# What can be typed into the C console, and how it is compiled.

setup() {
    load helpers
}

teardown() {
    end_all
}

# compiled: the target, ready; sets $pid.
compiled() {
    start "$TARGETS/compiled"
    pid=${started[-1]}
}

# c CODE...: evaluates each in one session, with the options in $with; sets $output.
c() {
    local codes=() code
    for code in "$@"; do
        codes+=(--eval "$code")
    done
    run timeout 120 "$ATTACH" "${with[@]}" "${codes[@]}" "$pid"
}

@test "a session that only reads shows what is there" {
    compiled
    local with=(--read-only)
    c 'calls' 'head->next->id' '(number)(calls) + 1' '(int)(values)[1]' 'sizeof(struct item)' \
        '*(int (*)[4])values' '((int (*)(int))tick) != 0' '&values[2]' 'calls == 0 ? "zero" : "more"' \
        '$1 + _[0]' '.sizeof head' '.threads' '*(int *)8' 'head->id;'
    assert_failure 1
    assert_line --index 0 '$1 = 0'
    assert_line '$2 = 2'
    assert_line '$3 = 1'
    assert_line '$4 = 2'
    assert_line '$5 = 16'
    assert_line '$6 = {1, 2, 3, 4}'
    assert_line '$7 = 1'
    assert_line --regexp '^\$8 = \(.*int \*\) 0x[0-9a-f]+ <values\+8>$'
    assert_line --regexp '"zero"$'
    assert_line --regexp 'SIGSEGV at address 0x8'
    assert_line --regexp '^\$[0-9]+ = 1$'
}

@test "a session that only reads refuses what would write or call, before anything runs" {
    compiled
    local with=(--read-only) refused=(
        'calls = 5' 'calls += 1' 'calls++' '--calls' 'tick(1)' '(tick)(1)' '(*tick)(1)' '(&tick)(1)'
        '(0, tick)(1)' '((int (*)(int))tick)(1)' '(int)(tick)(1)' '({ calls = 1; })' '(int[]){calls++}[0]'
        'int x = 3;' 'int f(void) { return 1; }' 'for (;;) tick(1);' 'if (1) calls = 3;' '*&calls = 2'
        'values[calls = 1]' 'sizeof(int[tick(1)])' '1 ? tick(1) : 0' 'asm("nop")' 'return;' '"x"[tick(1)]'
        'errno' 'strlen' '(calls, 1)' 'call tick 1' '.call tick 1' '.log x' 'calls <<= 1' '{ tick(1); }'
        'tick(1);' 'head->id = 3' 'SET_CALLS' 'CALL_TICK' 'tick ARGUMENT' '(tick) ARGUMENT'
        $'#define W calls = 5\nW' $'calls +\\\n+')
    c "${refused[@]}" 'calls'
    assert_failure 1
    assert_line '$1 = 0'
    refute_line --regexp '^\$2'
    assert_line --partial "'=' in column 7: an assignment would write; this session only reads (--read-only)"
    assert_line --partial "'(' in column 5: a function would be called"
    assert_equal "$(grep -c '^manhole-attach: ' <<<"$output")" "${#refused[@]}"
    refute_line --partial 'faulted'
    with=()
    c '.readonly' 'tick(1)' '.readonly off' 'calls'
    assert_line --partial 'a function would be called'
    assert_line '$1 = 0'
    run -2 "$ATTACH" --dump --read-only "$pid"
    assert_output --partial '--read-only is an option of the console'
}
