# The C console: C typed into running programs, with their own types, variables and functions.

setup() {
    load helpers
}

teardown() {
    end_all
}

@test "expressions show their values by their types" {
    start evaluated
    c 'limit' 'head' 'head->next->name' 'matrix' 'motto' 'ratio * 2' 'head->colour' 'GREEN' 'precise' \
        "'x'" '1.5f' '"abc"' 'sizeof(struct item)' '(char)65' 'limit == 10 && head' '-1L' '&matrix[1]'
    assert_success
    assert_line --index 0 '$1 = 10'
    assert_line --index 1 --regexp '^\$2 = \(struct item \*\) 0x[0-9a-f]+ <second>$'
    assert_line --index 2 '$3 = "three"'
    assert_line --index 3 '$4 = {{1, 2, 3}, {4, 5, 6}}'
    assert_line --index 4 --regexp '^\$5 = 0x[0-9a-f]+ "hello \\"world\\""$'
    assert_line --index 5 '$6 = 1'
    assert_line --index 6 '$7 = GREEN'
    assert_line --index 7 '$8 = 5'
    assert_line --index 8 '$9 = 1.25'
    assert_line --index 9 "\$10 = 120"
    assert_line --index 10 '$11 = 1.5'
    assert_line --index 11 '$12 = "abc"'
    assert_line --index 12 '$13 = 56'
    assert_line --index 13 "\$14 = 65 'A'"
    assert_line --index 14 '$15 = 1'
    assert_line --index 15 '$16 = -1'
    assert_line --index 16 --regexp '^\$17 = \(int \(\*\)\[3\]\) 0x[0-9a-f]+ <matrix\+12>$'
}

@test "a structure is shown member by member, bit-fields, enumerators and functions by name" {
    start evaluated
    c '*head'
    assert_success
    assert_output --regexp '^\$1 = \{
  id = 2,
  name = "two",
  colour = GREEN,
  flags = 7,
  more = 31,
  weight = 2.25,
  next = 0x[0-9a-f]+ <third>,
  change = 0x[0-9a-f]+ <twice>
\}$'
}

@test "functions are called, static ones too, and those that pick their implementation at the start" {
    start evaluated
    c 'twice(21)' 'add_up(twice(4), 1)' 'head->change(5)' 'strlen(motto)' 'getpid()' 'twice'
    assert_success
    assert_line --index 0 '$1 = 42'
    assert_line --index 1 '$2 = 9'
    assert_line --index 2 '$3 = 10'
    assert_line --index 3 '$4 = 13'
    assert_line --index 4 "\$5 = $pid"
    assert_line --index 5 --regexp '^\$6 = \(int \(\*\)\(int\)\) 0x[0-9a-f]+ <twice>$'
}

@test "assignments change the program, bit-fields without their neighbours" {
    start evaluated
    c 'limit = 99' 'head->flags = 2' '*head' 'head->next->weight += 0.25'
    assert_success
    assert_line '$1 = 99'
    assert_line '  flags = 2,'
    assert_line '  more = 31,'
    assert_line '$4 = 3.75'
    run timeout 60 gdb --batch --quiet -nx -iex 'set debuginfod enabled off' -p "$pid" -ex 'print limit' -ex 'print head->flags' </dev/null
    assert_line '$1 = 99'
    assert_line '$2 = 2'
}

@test "results have names, and the last one is _" {
    start evaluated
    c 'add_up(1, 2)' '$1 * 10' '_ + 1' 'matrix' '$4[1][2]' 'head' '$6->next->id' '$7 + $1'
    assert_success
    assert_line --index 1 '$2 = 30'
    assert_line --index 2 '$3 = 31'
    assert_line --index 4 '$5 = 6'
    assert_line --index 6 '$7 = 3'
    assert_line --index 7 '$8 = 6'
}

@test "what is defined stays for the session: functions, variables, types" {
    start evaluated
    c 'int factorial(int n) { return n < 2 ? 1 : n * factorial(n - 1); }' 'factorial(6)' \
        'struct point { int x, y; }; static struct point origin = {3, 4};' 'origin.x * origin.y' \
        'origin.y = twice(5);' 'origin.y' 'int table[3] = {7, 8, 9};' 'table' \
        'int total(void) { int sum = 0; for (int i = 0; i < 3; i++) sum += table[i]; return sum; }' 'total()' \
        'int factorial(int n) { return -n; }' 'factorial(6)'
    assert_success
    assert_line '$1 = 720'
    assert_line '$2 = 12'
    assert_line '$4 = 10'
    assert_line '$5 = {7, 8, 9}'
    assert_line '$6 = 24'
    assert_line '$7 = -6'
}

@test "a function whose address the program was given stays when the session has ended" {
    start evaluated
    c 'int thrice(int x) { return 3 * x; }' 'head->change = thrice' 'head->change(5)'
    assert_success
    assert_line '$2 = 15'
    c 'head->change(6)'
    assert_success
    assert_line '$1 = 18'
}

@test "a string that the program was given stays when the session has ended" {
    start evaluated
    c 'motto = "changed"'
    assert_success
    c 'motto'
    assert_output --regexp '^\$1 = 0x[0-9a-f]+ "changed"$'
    run -0 "$ATTACH" --uninstall "$pid"
    c 'motto'
    assert_output --regexp '^\$1 = 0x[0-9a-f]+ "changed"$'
}

@test "statements run, over several lines of a script" {
    start evaluated
    cat >"$BATS_TEST_TMPDIR/script" <<'SCRIPT'
# the sum of the identifiers
int sum = 0;
for (struct item *i = head;
     i;
     i = i->next) {
    sum += i->id;
}
sum
SCRIPT
    run timeout 120 "$ATTACH" --file "$BATS_TEST_TMPDIR/script" "$pid"
    assert_success
    assert_line '$1 = 5'
}

@test "a thread-local variable is that of the session's thread" {
    start evaluated
    c 'per_thread' 'per_thread = 7' 'per_thread'
    assert_success
    assert_line --index 0 '$1 = 42'
    assert_line --index 2 '$3 = 7'
}

@test "what does not compile is said, in one line, and the session goes on" {
    start evaluated
    c 'limit +' 'nosuch' 'add_up("x", 1, 2)' 'head->nomember' 'limit = "a"' 'limit'
    assert_failure 1
    assert_line --partial 'nosuch'
    assert_line --partial 'nomember'
    assert_line --regexp '^\$[0-9]+ = 10$|^\$[0-9]+ = [0-9]+$'
}

@test "a label in what does not compile is forgotten" {
    start evaluated
    c 'again: limit +' 'limit' 'again: limit = 11; if (limit < 11) goto again;' 'limit' \
        'switch (limit) { case 1: +; }' 'case 2: limit = 12;' 'default: limit = 12;' \
        'switch (limit) { case 11: limit = 13; }' 'limit'
    assert_failure 1
    assert_line '$1 = 10'
    assert_line '$2 = 11'
    assert_equal "$(grep -c "'case' and 'default' belong into a switch" <<<"$output")" 2
    assert_line '$3 = 13'
}

@test "each kind of fault ends what was typed, and not the program" {
    start evaluated
    c '*(int *)8' '*(int *)8 = 1' '1 / (limit - 10)' 'abort()' 'strlen((char *)1)' \
        'int deep(int n) { char waste[4096]; waste[0] = n; return deep(n + 1) + waste[0]; }' 'deep(1)' \
        'free((void *)1234)' '((void (*)(void))8)()' 'add_up(20, 3)'
    assert_failure 1
    assert_line --regexp 'SIGSEGV at address 0x8, in what was typed itself$'
    assert_line --regexp 'SIGFPE in what was typed itself$'
    assert_line --partial 'SIGABRT'
    assert_line '$1 = 23'
    process_lives
}

process_lives() {
    local before
    c 'rounds'
    before=${lines[0]#*= }
    wait_until 20 rounds_passed "$before"
}

rounds_passed() {
    c 'rounds'
    ((${lines[0]#*= } > $1))
}

@test "an endless loop ends when the client leaves, and the next one is served" {
    start evaluated
    timeout -s KILL 3 "$ATTACH" --eval 'for (;;);' "$pid" || true
    wait_until 20 answers_again
}

answers_again() {
    c 'add_up(1, 1)'
    [[ $output == '$1 = 2' ]]
}

@test "nothing is left of expressions: not even a map" {
    start evaluated
    c 'add_up(1, 1)'
    local before after
    before=$(grep -c . "/proc/$pid/maps")
    c 'add_up(1, 1)' 'twice(2)' '*head' 'for (int i = 0; i < 10; i++) twice(i);'
    after=$(grep -c . "/proc/$pid/maps")
    assert_equal "$after" "$before"
    run -0 "$ATTACH" --uninstall "$pid"
    run ! grep -q '^0*20000' "/proc/$pid/maps"
}

@test "commands go on as they are, with a dot in front or without" {
    start evaluated
    c '.sym add_up' 'sym add_up' 'call add_up 3 4' '.threads'
    assert_success
    assert_line --partial '= 7 (0x7)'
    assert_line --regexp '^add_up = 0x[0-9a-f]+, static, of [0-9]+ bytes in '
}

@test "commands of the C console stand beside them" {
    start evaluated
    c '.sizeof struct item' '.sizeof head->name' '.sizeof nosuch' '.help'
    assert_failure 1
    assert_line --index 0 56
    assert_line --index 1 16
    assert_line --partial 'nosuch'
    assert_line --regexp '^\.sizeof EXPR'
    assert_line --regexp '^threads '
}
