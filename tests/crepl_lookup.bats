# The C console: names looked up, by commands that say what something is, where it is, and what there is.

setup() {
    load helpers
}

teardown() {
    end_all
}

@test ".type tells a structure's members with their places and holes, down to bits" {
    start declared
    c '.type struct bits' '.type struct everything'
    assert_success
    assert_output --partial 'struct bits {
/*     0:0      4 */   unsigned int a : 3;
/*     0:3      4 */   int b : 5;
/*       1      7 */   /* hole: 7 bytes */
/*     8:0      8 */   long int c : 33;
/*    12:1      4 */   enum colour d : 4;
/*    12:5      1 */   _Bool e : 1;
/*    12:6        */   /* hole: 2 bits */
/*    13:0      1 */   unsigned char f : 7;
/*    13:7        */   /* hole: 1 bit */'
    assert_line '/*    21:6        */   /* padding: 18 bits */'
    assert_line --regexp '^}; /\* 24 bytes, declared_types\.h:[0-9]+ \*/$'
    # Members of what has no name stand in their places, from the outermost structure on.
    assert_output --partial 'struct everything {
/*       0      4 */   union {
/*       0      4 */     struct {
/*       0      2 */       short int x;
/*       2      2 */       short int y;
                         };
/*       0      4 */     int both;'
    assert_line '                       } member;'
    assert_line '/*      88     24 */   int (*(*functions[3])(void))[4];'
    assert_line '/*     184      8 */   /* hole: 8 bytes */'
}

@test ".type of names: what they are, with files where several have one, also of what the compiler left out" {
    start declared
    c '.type list' '.type declared_other.c::hidden' '.type changed' '.type only_inlined' '.type folded' '.type count_calls::calls' \
        '.type enum colour' '.type numbers[1]' '.type *list' 'struct point *' '.type struct point *' '.type unsigned long' \
        '.type strlen' '.type struct nosuch' '.type hidden' '.type' '.type list->nosuch' 'struct mine { int x; } mine;' '.type mine'
    assert_failure 1
    assert_output --partial 'struct item *list; /* declared.c:24 */
struct item {
/*       0      4 */   int value;
/*       4      4 */   /* hole: 4 bytes */
/*       8      8 */   struct item *before;'
    assert_output --partial 'static struct item declared_other.c::hidden; /* declared_other.c:8 */
struct item {
/*       0      8 */   char *text;'
    assert_line 'static int changed(int constant, int x); /* declared.c:65 */'
    assert_line 'static int only_inlined(int x); /* declared.c:69 */'
    assert_line 'static const int folded; /* declared.c:36 */'
    assert_line 'static int count_calls::calls; /* declared.c:75 */'
    assert_line --regexp '^  RED( = [0-9]+)?,$'
    assert_line 'long'
    assert_line 'struct point *'
    assert_line 'unsigned long'
    assert_line --partial ' strlen(const char *)'
    assert_line --partial 'struct nosuch is not known'
    assert_line --partial 'hidden is ambiguous: say declared.c::hidden or declared_other.c::hidden'
    assert_line --partial 'a name, a type or an expression is missing'
    assert_line --partial 'nosuch'
    assert_line --regexp '^extern struct mine \{ *int x *; *\} mine'
}

@test ".type runs nothing" {
    start evaluated
    c 'int calls = 0; int called(void) { return ++calls; }' '.type called()' '.type calls++' '.sizeof called()' 'calls'
    assert_success
    assert_line --index 0 'int'
    assert_line --index 1 'int'
    assert_line --index 2 '4'
    assert_line '$1 = 0'
}

@test ".symbol tells functions with their lines, variables with their types, and the mapping" {
    start evaluated
    c '.symbol main' '.symbol &head->name' '.symbol 0x10' '.symbol *head' '.symbol head->nosuch' 'malloc(100)' '.symbol _' \
        '.symbol strlen' '.symbol'
    assert_failure 1
    assert_line --index 0 --regexp '^0x[0-9a-f]+: main at evaluated\.c:[0-9]+$'
    assert_line --index 1 --regexp '^mapped: 0x[0-9a-f]+-0x[0-9a-f]+ r-xp .*/targets/evaluated from byte 0x[0-9a-f]+ on$'
    assert_line --index 2 --regexp '^0x[0-9a-f]+: second\+4, an object of 56 bytes$'
    assert_line --index 3 --regexp '^struct item second; /\* evaluated\.c:26 \*/$'
    assert_line --index 4 --regexp '^mapped: 0x[0-9a-f]+-0x[0-9a-f]+ rw-p '
    assert_line --partial '0x10: nothing is mapped there'
    assert_line --partial 'that is no address but of type struct item'
    assert_line --partial 'nosuch'
    assert_line --regexp '^0x[0-9a-f]+: no name that is known$'
    assert_line --regexp '^mapped: 0x[0-9a-f]+-0x[0-9a-f]+ rw-p (\[heap\]|anonymous memory)$'
    assert_line --regexp '^mapped: .* r-xp .*libc\.so\.6 from byte '
    assert_line --partial 'an address or an expression is missing'
}

@test ".vars, .functions and .types list each thing once, as it has to be typed, sorted" {
    start declared
    c '.vars' '.functions' '.types ^(item|holder|point)$' '.functions ^str(len|cpy)$' '.vars ^nosuch' '.vars ('
    assert_failure 1
    assert_line 'static int declared.c::count_calls::calls; /* declared.c:75 */'
    assert_line 'static long int declared.c::count_others::calls; /* declared.c:80 */'
    assert_line 'static struct item declared.c::hidden; /* declared.c:23 */'
    assert_line 'static struct item declared_other.c::hidden; /* declared_other.c:8 */'
    assert_line 'static int written_only; /* declared.c:37, optimised out */'
    assert_line 'static int only_inlined(int x); /* declared.c:69, no code of its own */'
    assert_line 'int many(const char *format, ...); /* declared.c:89 */'
    assert_line --regexp '^[0-9]+ functions of the program itself'
    assert_output --partial 'struct declared.c::holder; /* declared.c:1000 */
struct declared_other.c::holder; /* declared_other.c:1000 */
struct declared.c::item; /* declared.c:16 */
struct declared_other.c::item; /* declared_other.c:4 */
struct point; /* declared_types.h:'
    assert_line --regexp '^5 types$'
    assert_line --regexp 'strlen\(const char \*.*libc\.so\.6 \*/$'
    assert_line --regexp '^[2-9] functions$'
    assert_line '0 variables'
    assert_line --partial '(: no extended regular expression: '
    # What there is of the program by its own symbol table.
    local expected
    expected=$(nm "$TARGETS/declared" | grep -cE ' [Tt] (changed|count_calls|count_others|gives_mixed|helper|main|many|old_style|other_sum|takes_big|takes_mixed|takes_point)(\.|$)')
    c '.functions'
    # And the one that is inlined everywhere.
    assert_equal "${#lines[@]}" $((expected + 1 + 1))
}

@test "names of C++ are listed with their scopes, and what fills a class is not guessed" {
    start declared_cxx
    c '.functions shop::' '.vars shop::' '.type shop::derived' '.symbol shop::derived::twice'
    assert_success
    assert_line --regexp '^int shop::overloaded\(double x\); '
    assert_line --regexp '^int shop::overloaded\(int x\); '
    assert_line --regexp '^int shop::derived::instances; '
    assert_line --regexp '^/\* +29 +3 \*/   /\* no member known: 3 bytes \*/$'
    assert_line --regexp '^0x[0-9a-f]+: shop::derived::twice\(\) const at '
}

@test "a terminal gets a part of a long list, everybody else gets all of it" {
    start evaluated
    "$ATTACH" --eval '.functions .' --eval '.types ^int$' "$pid" >"$BATS_TEST_TMPDIR/all"
    (($(wc -l <"$BATS_TEST_TMPDIR/all") > 1000))
    run ! grep -q '^\.\.\. and' "$BATS_TEST_TMPDIR/all"
    # One and the same in all units of all modules.
    (($(grep -c '^int; ' "$BATS_TEST_TMPDIR/all") <= 5))
    timeout 120 script -qec "'$ATTACH' --eval '.functions .' $pid" /dev/null </dev/null >"$BATS_TEST_TMPDIR/shown"
    grep -qE '^\.\.\. and [0-9]+ more' "$BATS_TEST_TMPDIR/shown"
    assert_equal "$(wc -l <"$BATS_TEST_TMPDIR/shown")" 202
}

@test "broken debug information is looked up without harm" {
    local seed program
    for seed in $(seq "$(scaled 15)"); do
        program=$BATS_TEST_TMPDIR/declared$seed
        cp "$TARGETS/declared" "$program"
        "$TOP/tests/tools/break_debug_information" "$program" "$seed"
        start "$program"
        c '.vars' '.functions' '.types' '.type everything' '.type struct bits' '.type list->after' '.symbol main' \
            '.symbol 0x10' '.vars ^count'
        ((status <= 1)) || fail "seed $seed: status $status: $output"
        assert_line --partial '0x10: nothing is mapped there'
        end "$pid"
    done
}

@test "functions of the C library that are about processes, random bytes and memory files have their prototypes" {
    start declared
    c 'int fd = memfd_create("x", 1);' 'fd > 2' 'close(fd)' 'unsigned char bytes[8];' 'getrandom(bytes, 8, 0)' 'tgkill(getpid(), getpid(), 0)' \
        '.type copy_file_range' '.type eventfd'
    assert_success
    assert_equal "$(sed -n 's/^[$][0-9]* = //p' <<<"$output" | paste -sd ' ')" '1 0 8 0'
    assert_line --partial 'long copy_file_range(int, long *, int, long *, unsigned long, unsigned int)'
    assert_line --partial 'int eventfd(unsigned int, int)'
}

@test "a library's function that the program only calls is called there, whatever its debug information seems to say" {
    start declared_by_lto
    run -0 "$ATTACH" --eval 'getpid()' "$pid"
    assert_output --partial " = $pid"
}
