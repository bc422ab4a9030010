# What is answered to C typed into a program: as documents, where it is wrong, what faulted and where, and on a terminal.

setup() {
    load helpers
}

teardown() {
    end_all
}

# evals CODE...: the options that evaluate each, in $evals.
evals() {
    local code
    evals=()
    for code in "$@"; do
        evals+=(--eval "$code")
    done
}

# documents CODE...: evaluates each in one session; the documents in $output, what stands on standard error in $stderr.
documents() {
    evals "$@"
    run --separate-stderr timeout 120 "$ATTACH" --format json "${evals[@]}" "$pid"
}

# of N FILTER: what jq finds in the document with that number, from 0.
of() {
    jq -cas ".[$1] | $2" <<<"$output"
}

@test "with --format json each text is answered by a document of one line" {
    start evaluated
    documents 'limit' 'head->next->name' 'int sum = 0; sum += limit; printf("sum %d", sum);' '.threads' 'nosuch' \
        '*(int *)8' 'frobnicate()' '.frobnicate' '$2' 'printf("a\xff\n")' 'printf'
    assert_failure 1
    assert_equal "${#lines[@]}" 11
    assert_equal "$(of 0 '[.input, .outcome, .number, .type, .value, .output, .error, .signal]')" \
        '["limit","done",1,"volatile int","10","",null,null]'
    assert_equal "$(of 1 '[.number, .type, .value]')" '[2,"char [16]","\"three\""]'
    assert_equal "$(of 2 '[.outcome, .number, .type, .value, .output]')" '["done",null,null,null,"sum 10\n"]'
    assert_equal "$(of 3 '[.outcome, .value, (.output | test("evaluated"))]')" '["done",null,true]'
    assert_equal "$(of 4 '[.outcome, .value, (.error | test("nosuch is not known"))]')" '["failed",null,true]'
    assert_equal "$(of 5 '[.outcome, .signal, (.error | test("0x8"))]')" '["faulted","SIGSEGV",true]'
    assert_equal "$(of 6 '.outcome')" '"failed"'
    assert_equal "$(of 7 '.outcome')" '"unknown"'
    assert_equal "$(of 8 '[.number, .value]')" '[3,"\"three\""]'
    assert_equal "$(of 9 '[.value, .output]')" '["3","a\ufffd\n"]'
    assert_equal "$(of 9 .output_cut)" false
    refute [ -n "$stderr" ]
}

@test "documents of a script have its lines, and what is printed between them" {
    start evaluated
    run --separate-stderr -1 timeout 120 "$ATTACH" --format json --file - "$pid" <<'SCRIPT'
# nothing
int twofold(int x)
{
    return 2 * x;
}
twofold(limit)
for (;;
SCRIPT
    assert_equal "$(of 0 .input)" '"int twofold(int x)\n{\n    return 2 * x;\n}"'
    assert_equal "$(of 1 '[.number, .value]')" '[1,"20"]'
    assert_equal "$(of 2 '[.input, .outcome]')" '["for (;;","failed"]'
    assert_equal "${#lines[@]}" 3
}

@test "a process that is gone is a document too, and the exit status that it is without" {
    start evaluated
    documents 'limit' "kill($pid, 9)" 'limit'
    local status_of_json=$status
    assert_equal "$(of 0 .outcome)" '"done"'
    assert_equal "$(of 1 '[.outcome, .value]')" '["lost",null]'
    assert_equal "${#lines[@]}" 2
    start evaluated
    evals 'limit' "kill($pid, 9)" 'limit'
    run timeout 120 "$ATTACH" "${evals[@]}" "$pid"
    assert_equal "$status" "$status_of_json"
}

@test "what does not compile has a caret under it, and none where the place is not certain" {
    start evaluated
    evals 'limit + nosuch + 1' "head->$(printf '%0100d' 0 | tr 0 x)" 'head->nmae' $'int a = 1;\tint b c;' \
        $'"\xc3\xa9" + nosuch' 'limit[0]' 'twice(1) + twice()' $'int x = \001nosuch;'
    run --separate-stderr timeout 120 "$ATTACH" "${evals[@]}" "$pid"
    assert_failure 1
    assert_equal "$output" ""
    local long
    long=$(printf '%0100d' 0 | tr 0 x)
    assert_equal "$stderr" "manhole-attach: limit: nosuch is not known
  limit + nosuch + 1
          ^~~~~~
manhole-attach: head->$long: field not found: $long
  head->${long:0:94}
        ^$(printf '%094d' 0 | tr 0 '~')
manhole-attach: head->nmae: field not found: nmae
  head->nmae
        ^~~~
manhole-attach: int: ';' expected (got \"c\")
  int a = 1; int b c;
                   ^
manhole-attach: \"é\": nosuch is not known
  \"é\" + nosuch
manhole-attach: limit[0]: pointer expected
manhole-attach: twice(1): too few arguments to function
manhole-attach: int: nosuch is not known
  int x = ?nosuch;
           ^~~~~~"
}

@test "the line of a mistake is that of the script, the document has it within its text" {
    start evaluated
    printf '%s\n' limit '' 'int f(int x)' '{' $'\treturn x +' $'\t\thead->nmae;' '}' 'struct item x =' \
        '  { .nmae = 1,' ' 2};' 'twice(' ' [1]);' '' '' 'for (;;) {' >"$BATS_TEST_TMPDIR/script"
    run --separate-stderr timeout 120 "$ATTACH" --file "$BATS_TEST_TMPDIR/script" "$pid"
    assert_failure 1
    assert_equal "$output" '$1 = 10'
    assert_equal "$stderr" "manhole-attach: int: line 6: field not found: nmae
    head->nmae;
          ^~~~
manhole-attach: struct: near line 9: field expected
    { .nmae = 1,
manhole-attach: twice(: near line 12: identifier expected
   [1]);
manhole-attach: for: line 15: '{' is not closed
  for (;;) {
           ^"
    run --separate-stderr timeout 120 "$ATTACH" --format json --file "$BATS_TEST_TMPDIR/script" "$pid"
    assert_equal "$(jq -cas 'map([.line, .column])' <<<"$output")" '[[null,null],[4,9],[2,null],[2,null],[1,10]]'
}

rounds_of() {
    "$ATTACH" --eval rounds "$pid" | sed 's/.* = //'
}

rounds_passed() {
    (($(rounds_of) > $1))
}

# goes_on: the program does its work as before.
goes_on() {
    wait_until 20 rounds_passed "$(rounds_of)"
}

@test "exit called by what was typed ends that, and not the program; in a forked child it exits" {
    start evaluated
    documents 'exit(3)' '_exit(3)' 'quick_exit(0); limit' 'int leave(void) { _Exit(1); return 3; }' 'leave()' 'exit(3)' \
        'abort()' 'int child = fork(); if (!child) _exit(7); int s; waitpid(child, &s, 0); printf("%d", s >> 8);' \
        'void (*out)(int) = exit;' 'out(1);' 'limit'
    assert_failure 1
    local i
    for i in 0 1 2 4 5 9; do
        assert_equal "$(of $i '[.outcome, .signal, (.error | test("exit was called: it ended what was typed"; "i"))]')" \
            '["failed",null,true]'
    done
    assert_equal "$(of 6 '[.outcome, .signal]')" '["faulted","SIGABRT"]'
    assert_equal "$(of 7 .output)" '"7\n"'
    assert_equal "$(of 10 .value)" '"10"'
    goes_on
}

@test "each kind of fault is told by its signal, and the program goes on" {
    start evaluated
    : >"$BATS_TEST_TMPDIR/empty"
    documents '*(volatile int *)8' "*(volatile char *)mmap(0, 4096, 1, 2, open(\"$BATS_TEST_TMPDIR/empty\", 0), 0);" \
        '1 / (limit - 10)' '((void (*)(void))8)();' '{ asm("ud2"); }' 'abort()' \
        'int deep(int n) { char waste[4096]; waste[0] = n; return deep(n + 1) + waste[0]; }' 'deep(1)' \
        'char *p = malloc(24); free(p); free(p);' 'free((void *)1234)' 'strlen((char *)1)' 'malloc(100) != 0'
    assert_failure 1
    assert_equal "$(jq -cas 'map(.signal)' <<<"$output")" \
        '["SIGSEGV","SIGBUS","SIGFPE","SIGSEGV","SIGILL","SIGABRT",null,"SIGSEGV","SIGABRT","SIGSEGV","SIGSEGV",null]'
    assert_equal "$(jq -cas 'map(.stack | arrays | last) | unique' <<<"$output")" '["... the stack goes on","what was typed itself"]'
    assert_equal "$(of 3 '[.address, .stack]')" '["0x8",["0x8","what was typed itself"]]'
    assert_equal "$(of 7 '.stack[:2]')" '["deep","deep"]'
    assert_equal "$(of 8 '[.address, (.stack | map(select(test("free"))) | length > 0), (.error | test("left held"))]')" '[null,true,true]'
    assert_equal "$(of 11 .value)" '"1"'
    goes_on
}

@test "a fault is told with its line and the functions on the way to it, whoever called them" {
    start evaluated
    cat >"$BATS_TEST_TMPDIR/script" <<'SCRIPT'
int total(struct item *i)
{
    int sum = 0;
    for (;; i = i->next)
        sum += i->id;
}
add_up(total(head), 1)
for (int i = 3; i >= 0; i--) {

    int x = 12 / i;
    limit += x - x;
}
{ struct item *nowhere = (void *)16;
  *nowhere = *head; }
int worse(const void *a, const void *b)
{
    return *(int *)a / (limit - limit);
}
qsort(matrix, 6, 4, worse)
*(int *)8
limit
SCRIPT
    run --separate-stderr timeout 120 "$ATTACH" --file "$BATS_TEST_TMPDIR/script" "$pid"
    assert_failure 1
    assert_equal "$output" '$1 = 10'
    local qsort
    qsort=$(grep -E '^  #[0-9]+ .*\(libc' <<<"$stderr")
    assert [ -n "$qsort" ]
    stderr=$(grep -vE '^  #[0-9]+ .*\(libc' <<<"$stderr" | sed -E 's/^  #([1-9]|[1-9][0-9]) +/  #N  /')
    assert_equal "$stderr" "manhole-attach: add_up(total(head),: line 7: ended by SIGSEGV at address 0x0, in total, line 5 of its text
  #0  total, line 5 of its text
  #N  what was typed itself
manhole-attach: for: line 10: ended by SIGFPE in what was typed itself
      int x = 12 / i;
manhole-attach: {: line 14: ended by SIGSEGV at address 0x10, in memmove
    *nowhere = *head; }
  #0  memmove
  #N  what was typed itself
manhole-attach: qsort(matrix,: line 19: ended by SIGFPE in worse, line 3 of its text; what it held, a lock say, it may have left held
  #0  worse, line 3 of its text
  #N  what was typed itself
manhole-attach: *(int: line 20: ended by SIGSEGV at address 0x8, in what was typed itself"
    run --separate-stderr timeout 120 "$ATTACH" --format json --file "$BATS_TEST_TMPDIR/script" "$pid"
    assert_equal "$(jq -cas 'map([.line, .address])' <<<"$output")" \
        '[[null,null],[1,"0x0"],[3,null],[2,"0x10"],[null,null],[1,null],[1,"0x8"],[null,null]]'
    goes_on
}

answers_eleven() {
    [[ $("$ATTACH" --eval 'limit + 1' "$pid") == '$1 = 11' ]]
}

@test "a client that is lost ends what waits for a lock that never comes, by force" {
    start evaluated
    local waits='char lock[40] = {0}; pthread_mutex_lock(lock); write(1, "begun\n", 6); pthread_mutex_lock(lock);' client
    "$ATTACH" --eval "$waits" "$pid" >"$BATS_TEST_TMPDIR/client.out" 2>&1 3>&- &
    client=$!
    started+=("$client")
    wait_until 20 grep -q '^begun' "$BATS_TEST_TMPDIR/client.out"
    end "$client"
    wait_until 20 answers_eleven
    goes_on
}
