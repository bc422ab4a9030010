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
    sed -E '/^(#|$)/d; s/ (=>|!!) .*//; s|^/(.) |.p/\1 |' "$1" >"$BATS_TEST_TMPDIR/script"
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

# The commands are the same but for our dot.
examinations=('x/4xw &answer' 'x/16xb text' 'x/5dw row' 'x/3uh row' 'x' 'x/2' 'x/2xg &point' 'x/4tb text' 'x/2tw row' 'x/3ow row'
    'x/3cb text' 'x/c text' 'x/3a functions' 'x/2fg halves' 'x/s text' 'x/2s lines' 'x/3s text' 'x/s letters' 'x/s' 'x/4zh row'
    'x/10dw same' 'x/0x row' 'x/w text+4' 'x/12db bytes' 'x/xg to_point' 'x/2wx to_array' 'x/xw twice' 'x/ug &least_long')

@test "memory is shown as gdb shows it, and what cannot be read is said" {
    local commands=() codes=() examination
    all_types
    for examination in "${examinations[@]}"; do
        commands+=(-ex "$examination")
        codes+=(--eval ".$examination")
    done
    LC_ALL=C.UTF-8 timeout 100 gdb --batch -nx -iex 'set debuginfod enabled off' -iex 'set width 0' -p "$pid" "${commands[@]}" \
        </dev/null 2>/dev/null | grep -P '^0x[0-9a-f]+( <[^>]*>)?:\t' >"$BATS_TEST_TMPDIR/judgement"
    run -0 timeout 100 "$ATTACH" "${codes[@]}" "$pid"
    assert [ "${#lines[@]}" -ge 35 ]
    assert_equal "$output" "$(cat "$BATS_TEST_TMPDIR/judgement")"
    run -1 timeout 100 "$ATTACH" --eval '.x' --eval '.x/2xb 0x10' --eval '.x/4xi row' --eval '.x point' --eval '.x third' \
        --eval '.x/s (char *)0x10' "$pid"
    assert_line --index 0 --partial 'nothing was examined before'
    assert_line --index 1 --partial 'memory at 0x10 cannot be read'
    assert_line --index 2 --partial "'4xi' is no format"
    assert_line --index 3 --partial "'struct point' is no address"
    assert_line --index 4 --partial "'double' is no address"
    assert_line --index 5 --partial 'memory at 0x10 cannot be read'
    assert_equal "${#lines[@]}" 6
}

@test "a format goes to the members and elements of a value, which is a result as others are" {
    all_types
    run -1 timeout 100 "$ATTACH" --eval '.p/x point' --eval '$1.y' --eval '.p nested.inner' --eval '.p/q 1' --eval '.p/xx 1' \
        --eval '.p int i;' --eval '.p/z bits.flag' "$pid"
    assert_line '$2 = -4'
    assert_line '  y = 0xfffffffc'
    assert_line '    x = 3,'
    assert_line --partial "'q' is no format"
    assert_line --partial "'xx' is no format"
    assert_line --partial 'no expression with a value'
    assert_line '$4 = 0x01'
}

@test "a list is walked to its end, to where it comes back, or to where it cannot be read" {
    all_types
    run -1 timeout 100 "$ATTACH" --eval '.list first next' --eval '.list &loop_start next' --eval '.list/1 first next' \
        --eval '.list &broken next' --eval '.list &listed_one links.next' --eval '.list (struct link *)0 next' \
        --eval '.list first value' --eval '.list &answer next' --eval '.list first' --eval '.list first next->next' "$pid"
    assert_output --regexp '^\[0\] 0x[0-9a-f]+ <[^>]*> = \{
  value = 1,
  next = 0x[0-9a-f]+ <middle>
\}
\[1\] 0x[0-9a-f]+ <middle> = \{
  value = 2,
  next = 0x[0-9a-f]+ <last>
\}
\[2\] 0x[0-9a-f]+ <last> = \{
  value = 3,
  next = 0x0
\}
3 elements
'
    assert_line '2 elements, then [0] again: a cycle'
    assert_line '3 elements, the first 1 are shown'
    assert_line --partial '[1] at 0x18 cannot be read'
    assert_line '  name = "two",'
    assert_line '2 elements'
    assert_line '0 elements'
    assert_line --partial "value is 'int'"
    assert_line --partial "&answer is 'int *', no pointer to a structure"
    assert_equal "$(grep -c 'give a pointer to the first element' <<<"$output")" 2
}

# The same layout under a name of the session: what is shown of it has to be the same text.
own_types='struct own_bits { unsigned one : 1, three : 3; int minus : 5; unsigned long wide : 40; enum colour colour : 4;
    _Bool flag : 1; int : 0; signed next : 7; long long across : 50; };
struct __attribute__((packed)) own_packed { char c; int i; short s; unsigned f : 13; double d; };
struct own_point { int x, y; };
struct own_nested { struct own_point from; struct { struct point to; char name[8]; } inner; struct nested *self; };
struct own_link { int value; struct own_link *next; };
struct own_functions { int (*of)(int), (*more[1])(int); };
enum own_colour { OWN_RED, OWN_GREEN = 5, OWN_LAST = -1 };
typedef struct { enum own_colour colours[2]; union { int i; float f; }; struct own_point points[2], *to; } own;'

@test "values of types that were defined in the session show as those of the program do" {
    all_types
    printf '%s\n' "$own_types" '.list (struct own_link *)&loop_start next' bits '*(struct own_bits *)&bits' packed '*(struct own_packed *)&packed' nested \
        '*(struct own_nested *)&nested' '*(struct own_functions *)functions' \
        'own thing = {{OWN_LAST, 3}, {0x40490fdb}, {{1, 2}, {3, 4}}};' 'thing' '&thing' 'thing.points[1]' '.p/x thing.points' \
        'OWN_GREEN' '(enum own_colour)5' 'struct own_point { double x; };' 'struct own_point moved = {0.5};' 'moved' \
        >"$BATS_TEST_TMPDIR/script"
    run -0 timeout 100 "$ATTACH" --file "$BATS_TEST_TMPDIR/script" "$pid"
    local pairs
    # The value of an enumeration in a bit-field is an int for the compiler.
    pairs=$(sed 's/colour = BLUE/colour = 6/' <<<"$output" | awk '/^\$[0-9]+ = / { sub(/^\$[0-9]+ = /, ""); n++ } n > 0 && n < 7 { text[n] = text[n] $0 }
        END { for (i = 1; i < 7; i += 2) print (length(text[i]) > 40 && text[i] == text[i + 1]) ? "same" : text[i] " / " text[i + 1] }')
    assert_equal "$pairs" $'same\nsame\nsame'
    assert_line '2 elements, then [0] again: a cycle'
    assert_output --regexp '
\$7 = \{
  of = 0x[0-9a-f]+ <twice>,
  more = \{0x0\}
\}
\$8 = \{
  colours = \{OWN_LAST, 3\},
  i = 1078530011,
  f = 3\.1415927,
  points = \{\{
    x = 1,
    y = 2
  \}, \{
    x = 3,
    y = 4
  \}\},
  to = 0x0
\}
\$9 = \(struct unnamed_[0-9]+ \*\) 0x[0-9a-f]+
\$10 = \{
  x = 3,
  y = 4
\}
\$11 = \{\{
  x = 0x1,'
    assert_line '$13 = OWN_GREEN'
    assert_output --regexp '
\$14 = \{
  x = 0\.5
\}$'
}

@test "a result whose type was defined anew is forgotten, not read by the new one" {
    all_types
    run -1 timeout 100 "$ATTACH" --eval 'struct record { int a, b; };' --eval 'struct record r = {1, 2};' --eval 'r' --eval '$1.b' \
        --eval '&point' --eval '$1' --eval 'struct record { double d; };' --eval '$1' --eval '&$4' --eval '_' --eval '$2' --eval '$3->x' "$pid"
    assert_equal "$(grep -c '^manhole-attach: ' <<<"$output")" 3
    assert_line --partial "'\$1' undeclared"
    assert_line --partial '_ is not known'
    refute_output --partial 'd = '
    assert_line '$5 = 2'
    assert_line '$6 = 3'
}

@test "a value that is too long says that it is cut" {
    all_types
    run -0 timeout 100 "$ATTACH" --eval 'int grid[300][300];' --eval 'for (int i = 0; i < 90000; i++) grid[i / 300][i % 300] = 1000000 + i;' \
        --eval 'grid' --eval 'grid[1]' "$pid"
    assert_line --index 0 --regexp '^\$1 = \{\{1000000, 1000001, .*, 1000199\.\.\. 100 more\}, .*\.\.\. <cut: (too many values|the text is longer than 256 KiB)>$'
    assert_line --index 1 --regexp '^\$2 = \{1000300, .*, 1000499\.\.\. 100 more\}$'
}
