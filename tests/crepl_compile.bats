# What can be typed into the C console, and how it is compiled.

setup() {
    load helpers
}

teardown() {
    end_all
}

@test "a session that only reads shows what is there" {
    start compiled
    local with=(--read-only)
    c 'calls' 'head->next->id' '(number)(calls) + 1' '(int)(values)[1]' 'sizeof(struct item)' \
        '*(int (*)[4])values' '((int (*)(int))tick) != 0' '&values[2]' 'calls == 0 ? "zero" : "more"' \
        '$1 + _[0]' 'TWICE(LIMIT)' 'ID_OF(head) + READ_CALLS' '.sizeof head' '.threads' '*(int *)8' 'head->id;'
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
    assert_line '$11 = 84'
    assert_line '$12 = 2'
    assert_line --regexp 'SIGSEGV at address 0x8'
    assert_line --regexp '^\$[0-9]+ = 1$'
}

@test "a session that only reads refuses what would write or call, before anything runs" {
    start compiled
    local with=(--read-only) refused=(
        'calls = 5' 'calls += 1' 'calls++' '--calls' 'tick(1)' '(tick)(1)' '(*tick)(1)' '(&tick)(1)'
        '(0, tick)(1)' '((int (*)(int))tick)(1)' '(int)(tick)(1)' '({ calls = 1; })' '(int[]){calls++}[0]'
        'int x = 3;' 'int f(void) { return 1; }' 'for (;;) tick(1);' 'if (1) calls = 3;' '*&calls = 2'
        'values[calls = 1]' 'sizeof(int[tick(1)])' '1 ? tick(1) : 0' 'asm("nop")' 'return;' '"x"[tick(1)]'
        'errno' 'strlen' '(calls, 1)' 'call tick 1' '.call tick 1' '.log x' 'calls <<= 1' '{ tick(1); }'
        'tick(1);' 'head->id = 3' 'SET_CALLS' 'CALL_TICK' '(tick) ARGUMENT' 'STORE(1)'
        'APPLY(tick, 1)' 'SIDE(tick, (1))' 'PASTE(+, +) calls' 'TWICE(tick(1))' 'ID_OF(head) = 3'
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

@test "variables stay with values that have to be computed, of every kind" {
    start compiled
    c 'int n = tick(3);' 'n' 'struct item *p = head->next;' 'p->id' 'number *q = &total, r = total + n;' '*q + r' \
        'int two[2] = {tick(1), 7};' 'two' 'const struct pair h = {tick(1), 0.5};' 'h.whole' 'char *s = calls ? "yes" : "no";' 's' \
        'int (*f)(int) = head->id ? tick : 0;' 'f(1)' $'int a = tick(1),\n    b = 2,\n    *c = &n;' 'a + b + *c' \
        'char name[8] = "abc", first = name[0];' 'first' 'typedef struct { int x; } box;' 'box *o = (void *)head;' 'o->x' \
        'static number *z = 0;' 'z == 0' 'for (int i = 0; i < 2; i++) tick(0);' 'int sum = tick(0); sum += 3;' 'calls'
    assert_success
    assert_line '$1 = 3'
    assert_line '$2 = 2'
    assert_line '$3 = 5'
    assert_line '$4 = {4, 7}'
    assert_line '$5 = 5'
    assert_line --regexp '^\$6 = 0x[0-9a-f]+ "yes"$'
    assert_line '$7 = 6'
    assert_line '$8 = 12'
    assert_line "\$9 = 97 'a'"
    assert_line '$10 = 1'
    assert_line '$11 = 1'
    assert_line '$12 = 7'
    c 'int open[] = {tick(1), 2};' 'int x = tick("a", 2);' 'int y = nosuch;' 'calls'
    assert_failure 1
    assert_line --partial 'open: say how many elements it has'
    assert_line --partial 'nosuch'
    assert_line '$1 = 7'
}

@test "floating operators take variables of the program and of the session on either side" {
    start compiled
    c 'half.part' '1 + half.part' 'half.part + 1' '1 < half.part' 'half.part > 0.25' '3 / half.part' '1 - half.whole * half.part' \
        'double r = 3;' '1 - r' '2ul * r' 'float f = 2;' 'half.part * f' '(1 + r) / (f - 1.5f)' '1 + wide' '$2 + $3'
    assert_success
    assert_equal "$(sed 's/^[^=]*= //' <<<"$output" | paste -sd ' ')" '0.5 1.5 1.5 0 1 6 -1 -2 6 1 8 2.25 3'
}

@test "what is defined anew takes the place of what was there, with another type too" {
    start compiled
    c 'int x = 2, y = 3;' 'double x = 2.5;' 'x + y' 'long x(int n) { return n + y; }' 'x(1)' 'char *y = "y";' 'y' \
        'struct point { int x; }; struct point origin = {1};' 'struct point { double u, v; };' 'sizeof(struct point)' \
        'struct point *there = (void *)head;' 'double point = tick(1) + 0.5;' '1 + point' \
        'struct sweep { long at[9]; };' 'struct sweep s = *(struct sweep *)sweep;' 's.at[8] <= sweep[8]' \
        'struct item { char c; };' 'sizeof(struct item)' 'origin'
    assert_failure 1
    assert_line '$1 = 5.5'
    assert_line '$2 = 4'
    assert_line --regexp '^\$3 = 0x[0-9a-f]+ "y"$'
    assert_line '$4 = 16'
    assert_line '$5 = 2.5'
    assert_line --partial 'origin'
    assert_line '$6 = 1'
    assert_line '$7 = 1'
    refute_line --regexp '^\$8'
}

# goes_on: the busy thread counts, and nobody traces it.
goes_on() {
    local before
    c 'first'
    before=${lines[0]#*= }
    c 'first'
    ((${lines[0]#*= } > before)) && ! grep -q '^TracerPid:[[:space:]]*[1-9]' /proc/"$pid"/task/*/status
}

@test "a frozen expression sees one moment, and all threads go on" {
    start compiled
    local with=(--max-pause 5000)
    # While it is copied live, the thread goes through all of it many times.
    c '.frozen sweep' '$1[0] - $1[4095] <= 1 && $1[0] > 0' '.frozen sweep' '$3[0] - $3[4095] <= 1 && $3[0] > $1[0]' '.frozen values' \
        'values[1] = 9' '$5' '.frozen *head' '.frozen/x "abc"[1]' '$5[3] + _'
    assert_success
    assert_line '$2 = 1'
    assert_line '$4 = 1'
    assert_line '$5 = {1, 2, 3, 4}'
    assert_line '$7 = {1, 2, 3, 4}'
    assert_line '  id = 1,'
    assert_line '$9 = 0x62'
    assert_line '$10 = 102'
    assert_line --regexp '^manhole-attach: the 2 other threads stood for [0-9.]+ ms$'
    wait_until 20 goes_on
}

@test "threads of the program stand too that have the names of the manhole's own" {
    start compiled
    local with=(--max-pause 5000) names
    c 'worker'
    local worker=${lines[-1]#*= }
    for names in 'manhole mh<7' 'mh-python mh-idle'; do
        c 'int named(int tid, const char *name) { char path[64]; sprintf(path, "/proc/self/task/%d/comm", tid);
            int fd = open(path, 1); int n = write(fd, name, strlen(name)); close(fd); return n; }' \
            "named($pid, \"${names% *}\")" "named($worker, \"${names#* }\")" '.frozen sweep' '$3[0] - $3[4095] <= 1 && $3[0] > 0'
        assert_success
        assert_line '$4 = 1'
        assert_line --regexp '^manhole-attach: the 2 other threads stood for [0-9.]+ ms$'
        assert_equal "$(cat /proc/"$pid"/task/{"$pid","$worker"}/comm | paste -sd ' ')" "$names"
    done
    wait_until 20 goes_on
}

@test "what is frozen only reads, not all threads stopped in time is said, and the tool may die" {
    start compiled
    local i
    c '.frozen tick(1)' '.frozen calls = 1' '.frozen int x = 1;' '.frozen' '.frozen *(int *)8' 'calls'
    assert_failure 1
    assert_line --partial "'(' in column 5: a function would be called; while threads stand only what reads may run"
    assert_line --partial "'=' in column 7: an assignment would write"
    assert_line '$1 = 0'
    local with=(--max-pause 0.001)
    c '.frozen calls'
    assert_failure 1
    # They may all stand at once, but nothing can be done by then.
    assert_output --regexp 'nothing was evaluated|had to be let go before the value was copied'
    refute_output --partial '$1'
    for ((i = 0; i < 5; i++)); do
        timeout -s KILL "0.$((i + 3))" "$ATTACH" --max-pause 5000 --eval '.frozen calls' --eval '.frozen calls' \
            --eval '.frozen calls' --eval '.frozen calls' --eval '.frozen calls' --eval '.frozen calls' "$pid" || true
    done
    with=()
    wait_until 20 goes_on
}

@test "macros of the program are known: with parameters, by way of others, and what they name" {
    start compiled
    c 'LIMIT' 'TWICE(LIMIT + 1)' 'ONLY_HERE' 'READ_CALLS + 1' 'CALL_TICK' 'ID_OF(head)' 'int f(int n) { return TWICE(n) + BASE; }' 'f(4)' \
        'int a[BASE];' 'sizeof a' 'SET_CALLS' 'head->id == ARGUMENT' 'STEP' 'GONE' 'ONLY_HERE + nosuch'
    assert_failure 1
    assert_equal "$(sed -n 's/^[$][0-9]* = //p' <<<"$output" | paste -sd ' ')" '42 86 8 1 1 2 48 160 99 1'
    assert_line --regexp "STEP is ambiguous: a macro, in .*compiled.*\.c 'STEP 3', in .*compiled_other\.c 'STEP 7'"
    assert_line --partial 'GONE is not known'
    assert_line --partial 'nosuch is not known'
}

@test "without debug information a header brings types and declarations" {
    strip -g -o "$BATS_TEST_TMPDIR/stripped" "$TARGETS/compiled"
    start "$BATS_TEST_TMPDIR/stripped"
    pid=${started[-1]}
    local id header=$BATS_TEST_TMPDIR/types.h
    id=$(readelf -n "$TARGETS/compiled" | sed -n 's/.*Build ID: //p')
    cat >"$header" <<'HEADER'
#include <stdint.h>
struct pair { int64_t whole; double part; };
typedef struct item { int id; struct item *next; } item_t;
enum { ANSWER = 42 };
extern item_t *head;
extern volatile int calls, values[4];
extern struct pair half;
int tick(int n);
struct pair halve(struct pair pair);
static inline int64_t whole_of(const struct pair *pair) { return pair->whole; }
HEADER
    printf 'struct broken {\nint x\n};\n' >"$BATS_TEST_TMPDIR/broken.h"
    unset DEBUGINFOD_URLS
    c 'sizeof(calls)' ".load $header" 'head->next->id' 'half.part' 'tick(2) + calls' 'ANSWER' '((item_t *)head)->id' 'whole_of(&half)' \
        'int own(item_t *i) { return i->id + tick(0); }' 'own(head)' 'item_t *p = head->next;' 'p->next == 0' ".load $header" 'values[3]'
    assert_success
    assert_equal "$(sed -n 's/^[$][0-9]* = //p' <<<"$output" | grep -v '{' | paste -sd ' ')" '4 2 0.5 4 42 1 4 3 1 4'
    assert_equal "$(grep -c 'has no debug information' <<<"$output")" 1
    assert_line --partial "debuginfod-find debuginfo $id"
    c ".load $BATS_TEST_TMPDIR/broken.h" '.load /nonexistent.h' '.load /tmp' ".load $header" 'halve(half)' '.frozen head->id' '.frozen tick(1)'
    assert_failure 1
    assert_line --regexp 'broken\.h:[23]: error: '
    assert_line --partial '/nonexistent.h: No such file or directory'
    assert_line --partial '/tmp: is no file'
    assert_line --partial 'halve cannot be called from here: it passes a structure by value'
    assert_line '$1 = 1'
    assert_line --partial 'a function would be called'
}

@test "thread-local variables are those of the thread that is named" {
    start compiled
    local worker
    c 'worker'
    worker=${lines[0]#*= }
    local with=(--max-pause 5000)
    c 'of_thread' ".thread $worker" 'of_thread' '&of_thread == 0' 'of_thread = 78' ".thread $pid" 'of_thread' '.thread' \
        ".thread $worker" 'of_thread' '.thread 0' 'of_thread'
    assert_success
    assert_equal "$(sed -n 's/^[$][0-9]* = //p' <<<"$output" | paste -sd ' ')" '5 77 0 78 33 78 5'
    assert_equal "$(grep -c "those of thread $pid$" <<<"$output")" 2
    assert_line "thread-local variables are those of the session's own thread"
    c '.thread 1' '.thread x' ".thread $worker" '.frozen of_thread' 'errno'
    assert_failure 1
    assert_equal "$(grep -c 'no thread of this process' <<<"$output")" 2
    assert_line '$1 = 78'
    wait_until 20 goes_on
}

@test "gcc and clang make the same values of the same text, and pass structures as the program does" {
    start compiled
    local with=(--max-pause 5000) expected text=('calls * 0 + 41 + 1' '$1 + 1' 'head->next->id' 'half.part * 3' 'const int k = tick(0) * 0 + 7;' 'k' '"abc"'
        'int f(int n) { return n * 2; }' 'f(k)' 'static struct pair g = {3, 0.25};' 'g.whole' 'switch (k) { case 7: g.whole = 9; }'
        'g.whole' '.frozen *values' 'values[1] + wide')
    mkdir "$BATS_TEST_TMPDIR/files"
    export TMPDIR=$BATS_TEST_TMPDIR/files
    c "${text[@]}" 'halve(half)'
    assert_failure 1
    assert_line --partial 'halve cannot be called from here: it passes struct pair by value'
    expected=$(sed -n 's/^[$][0-9]* = //p' <<<"$output")
    assert_equal "$(paste -sd ' ' <<<"$expected")" '42 43 2 1.5 7 "abc" 14 3 9 1 3.25'
    c '.cc gcc' '.cc' "${text[@]}" 'halve(half).part' 'g = halve(g)'
    assert_success
    assert_line --index 0 gcc
    assert_equal "$(sed -n 's/^[$][0-9]* = //p' <<<"$output" | head -n 11)" "$expected"
    assert_line '$12 = 0.25'
    assert_line '  whole = 4,'
    c '.cc clang' '.cc' 'head->next->id' 'const int k = 7;' 'k + wide' '"abc"' 'halve(half).part'
    assert_success
    assert_line --index 0 clang
    assert_equal "$(sed -n 's/^[$][0-9]* = //p' <<<"$output" | paste -sd ' ')" '2 8.25 "abc" 0.25'
    assert_equal "$(ls -A "$TMPDIR")" ''
}

@test "code of several compilers works together, says its mistakes, and one that is missing is not taken" {
    start compiled
    mkdir "$BATS_TEST_TMPDIR/files" "$BATS_TEST_TMPDIR/none"
    export TMPDIR=$BATS_TEST_TMPDIR/files
    c 'int one(int n) { return n + 1; }' '.cc gcc' 'int two(int n) { return one(n) * 2; }' 'struct pair same(struct pair p) { return p; }' \
        '.cc tcc' 'two(1)' 'int three(int n) { return two(n) + 1; }' 'same(half)' '.cc gcc' 'three(1)' 'same(half).part' '.cc nosuch' '.cc' \
        $'{\n    const int y = 1;\n    calls = 2, y = 3;\n}' $'{\n    calls = 0;\n    *(volatile int *)8;\n}' '.readonly' 'calls' 'calls = 1'
    assert_failure 1
    assert_line '$1 = 4'
    assert_line '$2 = 5'
    assert_line '$3 = 0.5'
    assert_line '$4 = 0'
    assert_line --partial 'same is of another compiler and passes a structure by value, which tcc does otherwise'
    assert_line --partial 'takes one of gcc, clang and tcc'
    assert_line gcc
    assert_line --regexp ": line 3: assignment of read-only variable 'y'"
    assert_output --partial $'\n      calls = 2, y = 3;\n                   ^'
    assert_line --partial 'SIGSEGV at address 0x8'
    refute_line --regexp 'line [0-9].*SIGSEGV|SIGSEGV.*line [0-9]'
    assert_line --partial 'an assignment would write'
    local PATH=$BATS_TEST_TMPDIR/none
    run "$ATTACH" --eval '.cc clang' --eval '.cc' --eval '6 * 7' "$pid"
    PATH=/usr/bin:/bin
    assert_failure 1
    assert_line --partial 'clang is not installed: that takes the package clang; it goes on with tcc'
    assert_line tcc
    assert_line '$1 = 42'
    assert_equal "$(ls -A "$TMPDIR")" ''
}
