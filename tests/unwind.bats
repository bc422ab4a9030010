# Frames: found in programs of every layout, crossed over signals, ended by rule, and labelled.

setup() {
    load helpers
}

teardown() {
    end_all
}

# functions: the names of the first thread's physical frames, one per line, innermost first; "-": none.
functions() {
    jq -r '.threads[0].frames[] | select(.inlined | not) | .function // "-"' <<<"$document"
}

# how FUNCTION: how its frame in the first thread was found.
how() {
    jq -r --arg function "$1" '.threads[0].frames[] | select(.function == $function) | .how' <<<"$document"
}

# assert_functions NAME...: these follow one another somewhere in the first thread's stack.
assert_functions() {
    local all=" $(functions | tr '\n' ' ')"
    [[ $all == *" $* "* ]] || fail "the stack is:$all"
}

# What eu-stack says, without the versions it shows; "-": none (libc without its debug file).
eu_stack_functions() {
    eu-stack -p "$1" | sed -n 's/^#[0-9]* *0x[0-9a-f]* *//p' | sed 's/@.*//; s/^$/-/'
}

# The whole chain, each frame by unwind tables, the same names as eu-stack, and nothing stopped.
assert_chain_by_tables() {
    start "$1"
    dump_json "$pid"
    assert_functions chain_inner chain_middle chain_outer main
    assert_equal "$(jq -c '[.threads[0].frames[].how] | unique' <<<"$document")" '["cfi","registers"]'
    assert_equal "$(jq .threads_paused <<<"$document")" 0
    assert_equal "$(functions)" "$(eu_stack_functions "$pid")"
}

@test "a program linked by lld is unwound to its start" {
    assert_chain_by_tables linked_by_lld
}

@test "a program linked by mold is unwound to its start" {
    assert_chain_by_tables linked_by_mold
}

@test "a static program at a random address is unwound to its start" {
    assert_chain_by_tables static_pie
}

@test "a program at a fixed address is unwound to its start" {
    assert_chain_by_tables at_fixed_address
}

@test "a program built by clang is unwound to its start" {
    assert_chain_by_tables built_by_clang
}

@test "unwind tables without a search table are found" {
    assert_chain_by_tables without_table_header
}

@test "unwind tables in .debug_frame alone are used" {
    run readelf -S "$TARGETS/only_debug_frame"
    assert_output --partial .debug_frame
    assert_chain_by_tables only_debug_frame
}

@test "compressed .debug_frame is used" {
    objcopy --compress-debug-sections=zlib "$TARGETS/only_debug_frame" "$BATS_TEST_TMPDIR/compressed"
    run readelf -t "$BATS_TEST_TMPDIR/compressed"
    assert_output --partial COMPRESSED
    assert_chain_by_tables "$BATS_TEST_TMPDIR/compressed"
}

@test "a separate debug file brings .debug_frame and names" {
    local directory=$BATS_TEST_TMPDIR
    objcopy --only-keep-debug "$TARGETS/only_debug_frame" "$directory/program.debug"
    strip -o "$directory/program" "$TARGETS/only_debug_frame"
    start_stripped() {
        start "$directory/program"
        dump_json "$pid"
    }
    start_stripped
    refute [ "$(functions | grep -c chain_)" != 0 ]
    end "$pid"
    (cd "$directory" && objcopy --add-gnu-debuglink=program.debug program)
    start_stripped
    assert_functions chain_inner chain_middle chain_outer main
    assert_equal "$(how chain_outer)" cfi
}

@test "frame pointers lead on where there are no tables, and say so" {
    start frame_pointers_only
    dump_json "$pid"
    assert_functions pause chain_inner chain_middle chain_outer main
    assert_equal "$(functions | tail -n 1)" _start
    assert_equal "$(how chain_inner) $(how chain_middle) $(how chain_outer) $(how main)" "cfi fp fp fp"
}

@test "callers are guessed where nothing leads to them, and are labelled as guesses" {
    start without_tables
    dump_json "$pid"
    assert_functions pause chain_inner chain_middle chain_outer main
    assert_equal "$(how chain_inner) $(how chain_middle) $(how chain_outer) $(how main)" "cfi scan scan scan"
}

@test "a static program of musl is unwound to main" {
    start static_musl
    dump_json "$pid"
    assert_functions pause chain_inner chain_middle chain_outer main
}

@test "a signal handler on its own stack leads to what it interrupted" {
    start altstack_handler
    dump_json "$pid"
    assert_functions chain_outer handler
    assert_functions interrupted main
    assert_equal "$(functions)" "$(eu_stack_functions "$pid")"
    assert_equal "$(jq .threads_paused <<<"$document")" 0
}

@test "a call through a null pointer leads to its caller" {
    start null_call
    dump_json "$pid"
    assert_functions - calls_null main
    assert_functions chain_outer handler
    assert_equal "$(how calls_null)" return
    assert_equal "$(how main)" cfi
}

@test "a call through a wild pointer leads to its caller" {
    start null_call wild
    dump_json "$pid"
    assert_functions data calls_null main
    assert_equal "$(how calls_null)" return
}

@test "a smashed return address is shown as it is, and what follows is a guess" {
    start smashed_stack
    dump_json "$pid"
    assert_functions chain_outer victim -
    assert_equal "$(jq -r '.threads[0].frames[] | select(.pc == "0x4141414141414141") | .how' <<<"$document")" cfi
    run jq -r '.threads[0].frames | (map(.pc) | index("0x4141414141414141")) as $i | .[$i + 1].how // "none"' <<<"$document"
    assert_output --regexp '^(scan|none)$'
}

@test "a frame pointer chain that leads back to itself ends" {
    start looping_stack
    dump_json "$pid"
    assert_functions chain_inner chain_middle chain_outer loops
    assert_equal "$(functions | grep -c loops)" 1
}

@test "a stack of its own making ends at its bottom" {
    start coroutine
    dump_json "$pid"
    assert_functions chain_inner chain_middle chain_outer body
    assert_equal "$(functions | sed -n '/^body$/,$p' | wc -l)" 2
}

@test "deep recursion is shown as far as asked, and to its end without limit" {
    start deep_recursion 20000
    dump_json "$pid"
    assert_equal "$(functions | wc -l)" 256
    dump_json "$pid" --max-frames 0
    assert_equal "$(functions | grep -c '^recurse$')" 20000
    assert_functions recurse main
}

# in_vdso: a dump met the thread within the vDSO; the document is that dump's.
in_vdso() {
    dump_json "$pid"
    jq -e 'any(.threads[0].frames[]; .module == "[vdso]")' <<<"$document"
}

@test "a thread inside the vDSO is unwound to main" {
    start clock_reader
    wait_until 20 in_vdso
    assert_functions clock_gettime read_clock main
}

@test "the frames of a deleted program are found, and named" {
    cp "$TARGETS/linked_by_lld" "$BATS_TEST_TMPDIR/gone"
    start "$BATS_TEST_TMPDIR/gone"
    rm "$BATS_TEST_TMPDIR/gone"
    dump_json "$pid"
    assert_functions chain_inner chain_middle chain_outer main
}

@test "a program that was replaced by another one keeps its own names" {
    cp "$TARGETS/linked_by_mold" "$BATS_TEST_TMPDIR/replaced"
    start "$BATS_TEST_TMPDIR/replaced"
    rm "$BATS_TEST_TMPDIR/replaced"
    cp "$TARGETS/deep_recursion" "$BATS_TEST_TMPDIR/replaced"
    dump_json "$pid"
    assert_functions chain_inner chain_middle chain_outer main
    refute [ "$(functions | grep -c recurse)" != 0 ]
}

@test "a library that was replaced on disk gives no wrong names" {
    local directory=$BATS_TEST_TMPDIR
    cat >"$directory/program.c" <<'END'
#include <stdio.h>
void callback(void (*)(void));
static void wait_here(void) { puts("ready"); fflush(stdout); for (;;) getchar_unlocked(); }
int main(void) { callback(wait_here); return 0; }
END
    cat >"$directory/library.c" <<'END'
#ifdef OTHER
void wrong_name(void (*f)(void)) { f(); __asm__ volatile(""); f(); __asm__ volatile(""); }
void callback(void (*f)(void)) { wrong_name(f); }
#else
void callback(void (*f)(void)) { f(); __asm__ volatile(""); }
#endif
END
    gcc -shared -fPIC -O1 -o "$directory/libcallback.so" "$directory/library.c"
    gcc -O1 -o "$directory/program" "$directory/program.c" -L"$directory" -lcallback -Wl,-rpath,"$directory"
    mkfifo "$directory/input"
    sleep 1000 >"$directory/input" 3>&- &
    started+=($!)
    "$directory/program" <"$directory/input" >"$directory/program.out" 2>&1 3>&- &
    pid=$!
    started+=("$pid")
    wait_until 20 grep -qs ready "$directory/program.out"
    rm "$directory/libcallback.so"
    gcc -shared -fPIC -O1 -DOTHER -o "$directory/libcallback.so" "$directory/library.c"
    dump_json "$pid"
    assert_functions wait_here callback main
}

@test "a program without a path is unwound and named" {
    python3 - "$TARGETS/linked_by_lld" >"$BATS_TEST_TMPDIR/memfd.out" 3>&- <<'END' &
import os, sys
fd = os.memfd_create("nowhere", 0)
os.write(fd, open(sys.argv[1], "rb").read())
os.execve(fd, ["nowhere"], os.environ)
END
    pid=$!
    started+=("$pid")
    wait_until 20 grep -qs ready "$BATS_TEST_TMPDIR/memfd.out"
    dump_json "$pid"
    assert_functions chain_inner chain_middle chain_outer main
}

@test "a program that only its own mount namespace shows is unwound and named" {
    local directory=$BATS_TEST_TMPDIR/mount
    mkdir "$directory"
    "$UNSHARED" --mount sh -c 'mount -t tmpfs none "$1" && cp "$2" "$1/program" && exec "$1/program"' sh \
        "$directory" "$TARGETS/linked_by_mold" >"$BATS_TEST_TMPDIR/mount.out" 2>&1 3>&- &
    pid=$!
    started+=("$pid")
    wait_until 20 grep -qs ready "$BATS_TEST_TMPDIR/mount.out"
    [ ! -e "$directory/program" ]
    dump_json "$pid"
    assert_functions chain_inner chain_middle chain_outer main
    # Seen from a chroot, files of another mount namespace have their full path.
    run jq -r '.threads[0].frames[] | select(.function == "main") | .module' <<<"$document"
    assert_output --regexp "(^|/)${directory#/}/program\$"
}

@test "a program in a chroot is unwound and named" {
    local root=$BATS_TEST_TMPDIR/root
    mkdir -p "$root/bin"
    cp "$TARGETS/static_pie" "$root/bin/program"
    chroot "$root" /bin/program >"$BATS_TEST_TMPDIR/chroot.out" 2>&1 3>&- &
    pid=$!
    started+=("$pid")
    wait_until 20 grep -qs ready "$BATS_TEST_TMPDIR/chroot.out"
    dump_json "$pid"
    assert_functions chain_inner chain_middle chain_outer main
}

# step_through NAME [tables]: unwinds the target at each of its instructions (tests/tools/step_through.c).
step_through() {
    local sanitize=()
    if nm "$BUILD/libinjector.a" 2>/dev/null | grep -q __asan_; then sanitize+=(-fsanitize=address); fi
    if nm "$BUILD/libinjector.a" 2>/dev/null | grep -q __ubsan_; then sanitize+=(-fsanitize=undefined); fi
    "${CC:-gcc}" "${sanitize[@]}" -I"$TOP" -D_GNU_SOURCE -g -o "$BATS_TEST_TMPDIR/step_through" \
        "$TOP/tests/tools/step_through.c" "$BUILD/libinjector.a" -lunwind-ptrace -lunwind-generic -ldw -lelf -lz -llzma
    run "$BATS_TEST_TMPDIR/step_through" "$TARGETS/$1" 12000 "${@:2}"
    assert_success
}

@test "the stack is whole at every instruction, in prologues, libc, the vDSO and signal handlers" {
    step_through busy_with_libc tables
}

@test "the stack is whole at every instruction of stubs that have no unwind tables" {
    step_through busy_linked_by_lld
}
