# Large processes: what a dump of them must neither miss nor run out of.

setup() {
    load helpers
    started=()
}

teardown() {
    end_all
}

@test "a stack through a thousand libraries is named to its end, however few files may be open" {
    cd "$BATS_TEST_TMPDIR"
    echo 'void hop(void **next) { ((void (*)(void **))next[0])(next + 1); __asm__ volatile(""); }' >hop.c
    gcc -g -O1 -fPIC -shared -o hop.so hop.c
    tee hop{1..1000}.so <hop.so >/dev/null # one file each, or it would be one library
    start many_libraries ./hop{1..1000}.so
    ulimit -Sn 256
    "$ATTACH" --dump --max-frames 0 "$pid" >dump
    assert_equal "$(grep -c ' hop+0x[0-9a-f]* at .*hop.c:1 (hop[0-9]*.so)$' dump)" 1000
    grep ' main+0x' dump
}

@test "a stack of 100,000 frames is shown to its end" {
    ulimit -s unlimited 2>/dev/null || ulimit -s 65536 || skip "no large stacks here"
    start deep_recursion 100000
    "$ATTACH" --dump --max-frames 0 "$pid" >"$BATS_TEST_TMPDIR/dump"
    # Each call of main's recursion is one; the leaf frames are of chain_outer and below it.
    assert_equal "$(grep -c ' recurse+0x' "$BATS_TEST_TMPDIR/dump")" 100000
    grep '^  #[0-9]* main+0x' "$BATS_TEST_TMPDIR/dump"
    grep '^  #[0-9]* _start+0x' "$BATS_TEST_TMPDIR/dump"
}

@test "ten thousand threads are all there" {
    (($(cat /proc/sys/kernel/threads-max) > 12000)) || skip "this kernel has not so many threads"
    start_quietly "$TARGETS/sleepers_and_spinners" 10000 1
    wait_until 60 ready_or_gone
    alive "$pid" || skip "not so many threads may be started here"
    run -0 --separate-stderr "$ATTACH" --dump "$pid"
    assert_line --regexp '^10000 threads .*with the same stack: S blocked in pause\(\)'
    assert_line --regexp '^paused 1 of 10002 threads for [0-9]+ us; 10001 blocked, not stopped; 0 racy'
}

ready_or_gone() {
    ! alive "$pid" || grep -qs ready "$output_file"
}

@test "of a hundred thousand symbols the right one names the frame, and of equals the first" {
    cd "$BATS_TEST_TMPDIR"
    {
        echo '.section .note.GNU-stack,"",@progbits'
        echo '.text; .altmacro'
        # Two names at each address, in reverse order of their places; then the code that is looked at.
        echo '.macro one n; .globl a\n; .type a\n,@function; a\n: ret; .size a\n,1'
        echo '.globl b\n; .type b\n,@function; .set b\n, a\n; .size b\n,1; .endm'
        echo '.set i,0; .rept 50000; one %i; .set i,i+1; .endr'
        echo '.globl middle; .type middle,@function; middle: call pause; jmp middle; .size middle,.-middle'
        echo '.globl twin; .type twin,@function; .set twin, middle; .size twin,.-middle'
        echo '.set i,50000; .rept 50000; one %i; .set i,i+1; .endr'
    } >many.s
    echo 'void middle(void); int main(void) { middle(); }' >main.c
    gcc -o many main.c many.s || skip "no assembler for this machine"
    start_quietly ./many
    wait_until 20 grep -q '^State:[[:space:]]S' "/proc/$pid/status"
    run -0 "$ATTACH" --dump --no-source "$pid"
    assert_line --regexp ' (middle|twin)\+0x5 \(many\)'
    assert_equal "$(grep -oE ' (middle|twin)\+' <<<"$output")" "$(eu-stack -p "$pid" 2>/dev/null |
        grep -oE ' (middle|twin)$')+"
}
