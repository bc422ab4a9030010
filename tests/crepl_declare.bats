# The C console's names: a snippet of C becomes declarations of what it mentions in the target, and these are right.

setup() {
    load helpers
}

teardown() {
    end_all
}

setup_file() {
    load helpers
    export DECLARE=$BATS_FILE_TMPDIR/declare
    local objects sanitize=()
    mapfile -t objects < <(find "$BUILD/src" -name '*.o' ! -path "$BUILD/src/main.o")
    if nm "$BUILD/libinjector.a" 2>/dev/null | grep -q __asan_; then sanitize+=(-fsanitize=address); fi
    if nm "$BUILD/libinjector.a" 2>/dev/null | grep -q __ubsan_; then sanitize+=(-fsanitize=undefined); fi
    # The libraries that the Makefile links the program with.
    local libraries
    libraries=$(sed -n 's/^LIBRARIES := //p' "$TOP/Makefile")
    # shellcheck disable=SC2086
    "${CC:-gcc}" "${sanitize[@]}" -I"$TOP" -D_GNU_SOURCE -g -o "$DECLARE" "$TOP/tests/tools/declare.c" \
        -Wl,--wrap=gen_opf "${objects[@]}" "$BUILD/libinjector.a" $libraries
}

# declare WHAT SNIPPET [TEXT]: see tests/tools/declare.c; of the process $pid.
declare_in() {
    "$DECLARE" "$1" "$pid" "${@:2}"
}

# declares SNIPPET: its declarations are in $output and $BATS_TEST_TMPDIR/text.c, nothing is refused, and both
# compilers take them, static assertions and all.
declares() {
    run -0 declare_in problems "$1"
    refute_output --partial refused
    run -0 declare_in text "$1"
    printf '%s\n' "$output" >"$BATS_TEST_TMPDIR/text.c"
    compiles "$BATS_TEST_TMPDIR/text.c"
}

compiles() {
    gcc -std=gnu17 -w -c -o "$BATS_TEST_TMPDIR/by_gcc.o" "$1" || fail "gcc does not compile $1"
    tcc -c -o "$BATS_TEST_TMPDIR/by_tcc.o" "$1" || fail "tcc does not compile $1"
}

# problems SNIPPET: what is said of it, in $output.
problems() {
    run -0 declare_in problems "$1"
}

# binding SNIPPET NAME: the line of that binding in $output.
binding() {
    run -0 declare_in bindings "$1"
    assert_line --regexp "^$2 "
    output=$(grep "^$2 " <<<"$output")
}

# address_of PROGRAM SYMBOL: where the symbol table says it is, from the load address on.
address_of() {
    local base
    base=$(awk -v program="$1" '$6 == program { split($1, range, "-"); print "0x" range[1]; exit }' "/proc/$pid/maps")
    printf '0x%x\n' $((0x$(nm "$1" | awk -v name="$2" '$3 == name { print $1 }') + base))
}

@test "tokens: what is used, named, defined and declared" {
    run -0 "$DECLARE" tokens 'int f(struct item *p, list_t q) { for (int i = 0; i < n; i++) p->next.x = q + g(i); }'
    assert_line 'ordinary f defined called'
    assert_line 'tag item'
    assert_line 'ordinary p declared'
    assert_line 'ordinary list_t type'
    assert_line 'ordinary q declared'
    assert_line 'ordinary i declared'
    assert_line 'ordinary n'
    assert_line 'member next'
    assert_line 'member x'
    assert_line 'ordinary g called'
}

@test "tokens: comments, strings, numbers and the preprocessor have no names" {
    run -0 "$DECLARE" tokens $'#define a b\n/* c */ d // e\n"f" \'g\' 0x1fL 1e5f 2.5 .5e+3'
    assert_output $'complete\nordinary d'
}

@test "tokens: qualified names, results, designators and offsetof" {
    run -0 "$DECLARE" tokens 'b.c::hidden + $1 + $total + a::b::c + "odd-file.c"::x; (struct s){.first = 1}; offsetof(T, m.n)'
    assert_line 'ordinary b.c::hidden'
    assert_line 'dollar $1'
    assert_line 'dollar $total'
    assert_line 'ordinary a::b::c'
    assert_line 'ordinary "odd-file.c"::x'
    assert_line 'member first'
    assert_line 'member m'
    assert_line 'member n'
}

@test "tokens: a snippet that has to go on is told from one that is whole" {
    local text
    for text in 'x + 1' 'f(a)' 'x++' 'if (a) b;' 'int f(int x) { return x; }' 'do { a(); } while (b)' '"{"' "'('" '' \
        'int x = f(3)' '// {' '"open'; do
        run -0 "$DECLARE" tokens "$text"
        assert_line --index 0 complete
    done
    for text in 'f(' '{ int x;' 'a[' 'struct s {'; do
        run -0 "$DECLARE" tokens "$text"
        assert_line --index 0 in-brackets
    done
    for text in 'x +' 'a ? b :' 'if (a)' 'else' 'for (;;)' 'int f(int x)' 'x ='; do
        run -0 "$DECLARE" tokens "$text"
        assert_line --index 0 in-statement
    done
    run -0 "$DECLARE" tokens '/* a'
    assert_line --index 0 in-comment
    run -0 "$DECLARE" tokens $'a \\\n'
    assert_line --index 0 in-line
}

@test "a global variable: its type, its address" {
    start declared
    declares numbers
    assert_line 'extern long numbers[3];'
    binding numbers numbers
    assert_output "numbers object address $(address_of "$TARGETS/declared" numbers) declared"
}

@test "what is only pointed to is opaque, until a member is named" {
    start declared
    declares list
    assert_line --partial 'struct item { unsigned char __opaque[24]; }'
    declares 'list->before'
    assert_line 'struct item { int value; struct item *before; struct item *after; };'
    declares '*list'
    assert_line --partial '__opaque[24]'
}

@test "statics of one name in two files: a list to choose from, and each has its own type" {
    start declared
    problems hidden
    assert_output 'refused 0+6: hidden is ambiguous: say declared.c::hidden or declared_other.c::hidden'
    declares 'declared.c::hidden.value + declared_other.c::hidden.text[0]'
    assert_line 'extern struct item declared_c__hidden;'
    assert_line 'extern struct item__2 declared_other_c__hidden;'
    assert_line 'struct item { int value; struct item *before; struct item *after; };'
    assert_line 'struct item__2 { char *text; struct item__2 *next; };'
    run -0 declare_in snippet 'declared.c::hidden.value + 1'
    assert_output 'declared_c__hidden.value + 1'
    problems 'helper(1)'
    assert_output --partial 'say declared.c::helper or declared_other.c::helper'
    declares '"declared.c"::helper(1)'
}

@test "a tag that two files have: a list, and the one that a variable of the snippet has" {
    start declared
    problems 'struct item x'
    assert_output --partial 'item is ambiguous: say declared.c::item or declared_other.c::item'
    declares 'struct declared_other.c::item *x; x->text'
    assert_line 'struct item { char *text; struct item *next; };'
    run -0 declare_in snippet 'struct declared_other.c::item *x'
    assert_output 'struct item *x'
    declares 'struct item *x = list; x->value'
    assert_line 'struct item { int value; struct item *before; struct item *after; };'
}

@test "what two files say in the same words is not the same where it points elsewhere" {
    start declared
    declares 'holder.held->value + other_holder.held->text[0]'
    assert_line 'struct holder { struct item *held; };'
    assert_line 'struct holder__2 { struct item__2 *held; };'
    assert_line 'struct item__2 { char *text; struct item__2 *next; };'
}

@test "static variables in functions" {
    start declared
    problems calls
    assert_output --partial 'declared.c::count_calls::calls'
    declares 'count_calls::calls + count_others::calls'
    assert_line 'extern int count_calls__calls;'
    assert_line 'extern long count_others__calls;'
}

@test "thread-local variables are bound by module and offset" {
    start declared
    declares 'of_thread + static_of_thread'
    binding of_thread of_thread
    [[ $output =~ ^'of_thread object tls 0x'([04])' declared'$ ]] || fail "$output"
    local first=${BASH_REMATCH[1]}
    binding static_of_thread static_of_thread
    assert_output "static_of_thread object tls 0x$((4 - first)) declared"
}

@test "constants: read as they are, and a note when they are written to" {
    start declared
    declares 'constant_table[1] + folded + GREEN + LARGE_B'
    assert_line 'extern int constant_table[3];'
    assert_line 'static int folded = (int)42LL;'
    assert_line 'enum { GREEN = 1 };'
    assert_line 'static const long LARGE_B = 4294967296L;'
    problems 'origin = other'
    assert_line 'note 0+6: origin is const in the program: writing to it may be a fault'
}

@test "refused, with the reason: optimised out, inlined, changed by the compiler" {
    start declared
    problems written_only
    assert_output --partial 'written_only is optimised out'
    problems 'only_inlined(1)'
    assert_output --partial 'only_inlined has no code of its own'
    problems 'changed(1, 2)'
    assert_output --partial 'changed cannot be called: the only copy (changed.constprop.0)'
}

@test "refused: structures that libtcc passes wrongly, and types that it does not know" {
    start declared
    problems 'takes_mixed'
    assert_output --partial 'it passes struct mixed by value, which mixes integer and floating members'
    problems 'gives_mixed()'
    assert_output --partial 'mixes integer and floating members'
    problems 'takes_big(1)'
    assert_output --partial '__int128 by value, which is a type that libtcc does not know'
    # By a pointer neither.
    declares 'hooks.mixed; hooks.point'
    assert_line --partial 'struct hooks { void *mixed; double (*point)(struct point); };'
    declares 'takes_point'
    assert_line 'extern double takes_point(struct point, long double);'
    assert_line 'struct point { double x; double y; };'
}

@test "functions: prototypes, without one, with more arguments" {
    start declared
    declares 'old_style(1); many("x", 1); other_sum(2)'
    assert_line 'extern int old_style();'
    assert_line 'extern int many(const char *, ...);'
    assert_line 'extern int other_sum(int);'
    binding 'other_sum(2)' other_sum
    assert_output "other_sum function address $(address_of "$TARGETS/declared" other_sum) declared"
}

@test "the C library by its prototypes: an indirect function by name, errno as a macro" {
    start declared
    declares 'printf("%zu", strlen("a")); errno; stdout; NULL; (size_t)1; INT_MAX'
    assert_line 'extern int printf(const char *, ...);'
    assert_line 'unsigned long strlen(const char *);'
    assert_line '#define errno (*__errno_location())'
    assert_line 'extern struct _IO_FILE *stdout;'
    assert_line 'typedef unsigned long size_t;'
    binding 'strlen("a")' strlen
    assert_output --regexp '^strlen function by-name 0x[0-9a-f]+ libc'
    binding 'printf("")' printf
    assert_output --regexp '^printf function address 0x[0-9a-f]+ libc'
    binding errno __errno_location
}

@test "a name that nothing has: what it may have meant; not of names that the snippet declares" {
    start declared
    problems 'everythin.both'
    assert_output --partial 'unknown 0+9: everythin is not known; did you mean everything'
    problems 'int hidden = 3; { int helper = hidden; }'
    assert_output ''
    problems 'int hidden(int x) { return x; }'
    assert_output ''
}

@test "every awkward type: both compilers lay it out as the target has it" {
    start declared
    declares 'everything; inside; bits; flexible->count; zero_length; by_typedef; packed_bits; aligned_one'
    for type in everything inside packed over packed_aligned bits flexible zero_length by_typedef packed_bits aligned; do
        assert_output --partial "_Static_assert(sizeof(struct $type) == "
    done
    assert_output --partial 'struct bits items[];'
    assert_output --partial 'int items[0];'
    assert_output --partial 'int (*(*functions[3])(void))[4];'
    assert_output --partial 'int (*to_matrix)[2][3];'
    assert_output --partial 'struct elsewhere *never_defined;'
    assert_output --partial 'volatile long both_qualifiers;'
    assert_output --partial 'int (*function)(int, const char *, ...);'
}

@test "a wrong layout does not compile" {
    start declared
    declares 'everything; by_typedef'
    sed 's/^struct by_typedef { char c;/& char d0;/' "$BATS_TEST_TMPDIR/text.c" >"$BATS_TEST_TMPDIR/wrong.c"
    run cmp -s "$BATS_TEST_TMPDIR/text.c" "$BATS_TEST_TMPDIR/wrong.c"
    assert_failure
    run tcc -c -o /dev/null "$BATS_TEST_TMPDIR/wrong.c"
    assert_failure
    assert_output --partial by_typedef
}

# bit_places COMPILER...: which bits each bit-field has, told by the compiled declarations in text.c or by the header.
bit_places() {
    local name type=$1 program=$BATS_TEST_TMPDIR/places
    shift
    {
        echo 'int printf(const char *, ...); void *memset(void *, int, unsigned long);'
        echo "int main(void) { struct $type s; unsigned char *bytes = (unsigned char *)&s; unsigned long i;"
        for name in "${fields[@]}"; do
            echo "memset(&s, 0, sizeof(s)); s.$name = -1; printf(\"$name\");"
            echo 'for (i = 0; i < sizeof(s); i++) printf(" %02x", bytes[i]); printf("\n");'
            # And that a negative one stays one.
            echo "printf(\"%d\n\", (int)(s.$name < 0));"
        done
        echo 'return 0; }'
    } >"$program.c"
    "$@" -w -o "$program" "$program.c"
    "$program"
}

@test "bit-fields, which no assertion can check, are where gcc has them" {
    local type
    local -a fields
    start declared
    declares 'bits; packed_bits; inside.p; everything.low'
    for type in bits packed packed_bits everything; do
        case $type in
        bits) fields=(a b c d e f g h plain i j) ;;
        packed) fields=(c i s t l) ;;
        packed_bits) fields=(a b c d) ;;
        everything) fields=(low high x) ;;
        esac
        run -0 bit_places "$type" gcc -include "$TOP/tests/targets/parts/declared_types.h"
        local expected=$output
        assert [ -n "$expected" ]
        run -0 bit_places "$type" gcc -include "$BATS_TEST_TMPDIR/text.c"
        assert_output "$expected"
        run -0 bit_places "$type" tcc -include "$BATS_TEST_TMPDIR/text.c"
        assert_output "$expected"
    done
}

@test "C++: scopes, base classes, static members, overloads, objects that cannot be passed" {
    start declared_cxx
    declares 'shop::thing.number; shop::reference->in_the_padding; shop::derived::instances; nameless; counter'
    assert_line --regexp '^struct derived \{ int \(\*\*_vptr_base\)\(\); int number; char flag; char in_the_padding; .*long long_one; int number__2; '
    assert_line 'extern struct derived *shop__reference;'
    assert_line 'extern int shop__derived__instances;'
    assert_line 'extern int nameless;'
    declares 'shop::derived::twice(x); (shop::size)1; struct shop::base *b; numbers'
    assert_line 'typedef unsigned char shop__size;'
    assert_line --partial 'extern int shop__derived__twice('
    problems 'shop::overloaded(1)'
    assert_output --partial '_ZN4shop10overloadedEi'
    declares '_ZN4shop10overloadedEd(1.5)'
    assert_line 'extern int _ZN4shop10overloadedEd(double);'
    problems 'shop::by_object'
    assert_output --partial 'which is an object that C cannot copy'
}

@test "Rust: scopes, members in their places, functions that C cannot call" {
    local rustc=/usr/bin/rustc
    [[ -x $rustc ]] || rustc=$(command -v rustc)
    "$rustc" -g -o "$BATS_TEST_TMPDIR/declared_rust" "$TOP/tests/runtimes/declared.rs"
    start "$BATS_TEST_TMPDIR/declared_rust"
    declares 'shop::TABLE[1] + shop::twice(2); shop::COUNTER; struct Item *i; i->name; struct Shape *s'
    assert_line 'extern unsigned short shop__TABLE[3];'
    assert_line 'extern long shop__twice(long);'
    assert_line --regexp '^struct Item \{ .*struct String name; .*unsigned char small; '
    problems 'shop::consume'
    assert_output --partial 'it passes Item by value, which Rust passes by rules of its own'
}

@test "what clang builds" {
    start values_by_clang
    declares 'global_table; mutex; of_this_thread; struct everything *e; e->name; BLUE'
    assert_line 'extern int global_table[10];'
    binding of_this_thread of_this_thread
    assert_output 'of_this_thread object tls 0x0 values_by_clang'
    all_compile 60
}

@test "without debug information: functions and bytes of the symbol table" {
    cp "$TARGETS/declared" "$BATS_TEST_TMPDIR/declared"
    objcopy --strip-debug "$BATS_TEST_TMPDIR/declared"
    start "$BATS_TEST_TMPDIR/declared"
    declares 'other_sum(1); numbers; inside'
    assert_line 'extern long other_sum();'
    assert_line 'extern unsigned char numbers[24];'
    binding numbers numbers
    assert_output "numbers object address $(address_of "$BATS_TEST_TMPDIR/declared" numbers) declared"
}

@test "the text of a type, as libtcc says it, leads back to the type" {
    start declared
    run -0 declare_in type 'everything.self; bits' 'struct everything *'
    assert_output 'pointer to struct everything, known'
    run -0 declare_in type '' 'int (*)[3][4]'
    assert_output 'pointer to array of 3 array of 4 int'
    run -0 declare_in type '' 'extern int (*(**)[4])(const char *, ...)'
    assert_output 'pointer to pointer to array of 4 pointer to function returning int'
    run -0 declare_in type '' 'volatile const unsigned long **'
    assert_output 'pointer to pointer to unsigned long'
    run -0 declare_in type bits 'struct bits *(*)[5]'
    assert_output 'pointer to array of 5 pointer to struct bits, known'
    run -0 declare_in type '' 'struct nobody'
    assert_output 'struct nobody'
    run -0 declare_in type '' 'int ('
    assert_output 'not a type'
}

# all_compile PROGRAM NUMBER: all structures of the process are declared, with as many assertions at least.
all_compile() {
    run -0 --separate-stderr declare_in all
    printf '%s\n' "$output" >"$BATS_TEST_TMPDIR/all.c"
    local -i count
    count=$(grep -c '^_Static_assert' "$BATS_TEST_TMPDIR/all.c")
    echo "# $count assertions" >&3
    ((count >= $1)) || fail "only $count assertions"
    compiles "$BATS_TEST_TMPDIR/all.c"
    # The rest has another meaning in other files, and nothing else.
    run grep -v 'is ambiguous: say ' <<<"$stderr"
    refute_output --regexp '[a-z]'
}

@test "all structures of the awkward programs compile" {
    start declared
    all_compile 90
    start declared_cxx
    all_compile 60
}

@test "all structures of a large program compile: python3.11d" {
    start_quietly python3.11d -c 'import time; print("ready", flush=True); time.sleep(1000)'
    wait_until 60 grep -qs ready "$output_file"
    all_compile 5000
}

@test "all structures of manhole-attach itself compile" {
    start poller
    local target=$pid
    "$ATTACH" --dump --count 100000 --interval 200 --format folded "$target" >"$BATS_TEST_TMPDIR/dump.out" 2>&1 3>&- &
    pid=$!
    started+=("$pid")
    wait_until 20 test -d "/proc/$pid/task"
    wait_until 20 grep -q manhole-attach "/proc/$pid/maps"
    all_compile 1000
}

@test "damaged debug information costs names, never the tool" {
    local seed rounds=$(scaled 20) program
    for program in declared declared_cxx; do
        for ((seed = 1; seed <= rounds; seed++)); do
            cp "$TARGETS/$program" "$BATS_TEST_TMPDIR/$program"
            "$TOP/tests/tools/break_debug_information" "$BATS_TEST_TMPDIR/$program" "$seed"
            start "$BATS_TEST_TMPDIR/$program"
            run timeout 60 "$DECLARE" all "$pid"
            ((status == 0 || status == 2)) || fail "$program, seed $seed: status $status: ${lines[*]: -3}"
            run timeout 60 "$DECLARE" text "$pid" 'everything.both; numbers; helper(1); thing.number; count_calls::calls; nosuch'
            ((status == 0)) || fail "$program, seed $seed: status $status: ${lines[*]: -3}"
            end "$pid"
        done
    done
}
