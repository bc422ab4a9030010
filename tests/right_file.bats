# The right file: the one that runs, wherever it is by now, and whatever became of it since.

setup() {
    load helpers
}

teardown() {
    end_all
}

# dump_json PID: the JSON document of a dump in $document; its messages in $stderr.
dump_json() {
    run --separate-stderr -0 "$ATTACH" --dump --format json "$@"
    document=$output
}

# functions: the names of the first thread's frames, innermost first, in one line; "-": none.
functions() {
    jq -r '[.threads[0].frames[] | .function // "-"] | join(" ")' <<<"$document"
}

# assert_functions NAME...: these follow one another somewhere in the first thread's stack.
assert_functions() {
    [[ " $(functions) " == *" $* "* ]] || fail "the stack is: $(functions)"
}

# state_of FUNCTION: the file state of its frame.
state_of() {
    jq -r --arg function "$1" '[.threads[0].frames[] | select(.function == $function) | .file_state // "null"] | first' \
        <<<"$document"
}

# text_of FUNCTION: its line in a text dump of $pid.
text_of() {
    "$ATTACH" --dump "$pid" | grep -F " $1+0x"
}

# start_by COMMAND...: starts what a shell command becomes, and waits until that is ready.
start_by() {
    "$@" <&0 >"$BATS_TEST_TMPDIR/start.out" 2>&1 3>&- &
    pid=$!
    started+=("$pid")
    wait_until 20 grep -qs '^ready' "$BATS_TEST_TMPDIR/start.out"
}

# make_library DIRECTORY [FLAGS...]: libcallback.so, whose callback() calls what it is given.
make_library() {
    local directory=$1
    shift
    gcc -shared -fPIC -O1 -g "$@" -o "$directory/libcallback.so" -x c - <<'END'
#ifdef OTHER
void wrong_name(void (*f)(void)) { f(); __asm__ volatile(""); f(); __asm__ volatile(""); }
void callback(void (*f)(void)) { wrong_name(f); }
#else
static __attribute__((noinline)) void hidden(void (*f)(void)) { f(); __asm__ volatile(""); }
void callback(void (*f)(void)) { hidden(f); __asm__ volatile(""); }
#endif
END
}

# make_client DIRECTORY: a program that waits in a function called by that library.
make_client() {
    gcc -O1 -g -o "$1/client" -x c - -L"$1" -lcallback -Wl,-rpath,"$1" <<'END'
#include <stdio.h>
#include <unistd.h>
void callback(void (*)(void));
static void wait_here(void) { puts("ready"); fflush(stdout); for (;;) pause(); }
int main(void) { callback(wait_here); return 0; }
END
}

start_client() {
    make_library "$BATS_TEST_TMPDIR" "$@"
    make_client "$BATS_TEST_TMPDIR"
    start "$BATS_TEST_TMPDIR/client"
}

@test "files in their place are said to be present, and the text says nothing" {
    start_client
    dump_json "$pid"
    assert_functions wait_here hidden callback main
    assert_equal "$(state_of hidden) $(state_of main)" "present present"
    run text_of hidden
    assert_output --regexp '\(libcallback\.so\)$'
}

@test "a deleted program and a deleted library keep all their names, and are marked" {
    start_client
    rm "$BATS_TEST_TMPDIR/libcallback.so" "$BATS_TEST_TMPDIR/client"
    dump_json "$pid"
    assert_functions wait_here hidden callback main
    assert_equal "$(state_of hidden) $(state_of main)" "deleted deleted"
    run text_of hidden
    assert_output --regexp '\(libcallback\.so, deleted\)$'
    run text_of main
    assert_output --regexp '\(client, deleted\)$'
}

@test "an upgraded library keeps the names of the old one, and is marked" {
    start_client
    mkdir "$BATS_TEST_TMPDIR/new"
    make_library "$BATS_TEST_TMPDIR/new" -DOTHER
    mv "$BATS_TEST_TMPDIR/new/libcallback.so" "$BATS_TEST_TMPDIR/libcallback.so"
    dump_json "$pid"
    assert_functions wait_here hidden callback main
    assert_equal "$(state_of hidden) $(state_of main)" "replaced present"
    run text_of hidden
    assert_output --regexp '\(libcallback\.so, replaced\)$'
}

@test "an upgraded program without build-id keeps its own names, and is marked" {
    objcopy --remove-section .note.gnu.build-id "$TARGETS/linked_by_lld" "$BATS_TEST_TMPDIR/program"
    start "$BATS_TEST_TMPDIR/program"
    cp "$TARGETS/deep_recursion" "$BATS_TEST_TMPDIR/new"
    mv "$BATS_TEST_TMPDIR/new" "$BATS_TEST_TMPDIR/program"
    dump_json "$pid"
    assert_functions chain_inner chain_middle chain_outer main
    assert_equal "$(state_of main)" replaced
}

@test "a library that was installed anew, the same build, is the right file" {
    start_client
    cp "$BATS_TEST_TMPDIR/libcallback.so" "$BATS_TEST_TMPDIR/again"
    mv "$BATS_TEST_TMPDIR/again" "$BATS_TEST_TMPDIR/libcallback.so"
    dump_json "$pid"
    assert_functions wait_here hidden callback main
    assert_equal "$(state_of hidden)" present
}

@test "a deleted library that only memory still shows gives its exported names" {
    [[ $(cat /proc/sys/kernel/yama/ptrace_scope 2>/dev/null || echo 0) == 0 ]] ||
        skip "kernel.yama.ptrace_scope lets nobody look without capabilities"
    # Without the capability that /proc/PID/map_files takes.
    local powerless=(setpriv --bounding-set -all --inh-caps -all)
    make_library "$BATS_TEST_TMPDIR"
    make_client "$BATS_TEST_TMPDIR"
    start_by "${powerless[@]}" "$BATS_TEST_TMPDIR/client"
    rm "$BATS_TEST_TMPDIR/libcallback.so"
    run --separate-stderr -0 "${powerless[@]}" "$ATTACH" --dump --format json "$pid"
    document=$output
    assert_functions wait_here - callback main
    assert_equal "$(state_of callback)" deleted
}

@test "a memfd program has its names, and is not called deleted" {
    start_by python3 - "$TARGETS/linked_by_lld" <<'END'
import os, sys
fd = os.memfd_create("nowhere", 0)
os.write(fd, open(sys.argv[1], "rb").read())
os.execve(fd, ["nowhere"], os.environ)
END
    dump_json "$pid"
    assert_functions chain_inner chain_middle chain_outer main
    assert_equal "$(state_of main)" memory
    run text_of main
    assert_output --regexp '\(memfd:nowhere\)$'
}

@test "a program in a chroot is found there, also when the path means another file outside" {
    local root=$BATS_TEST_TMPDIR/root
    mkdir -p "$root/bin"
    cp "$TARGETS/static_pie" "$root/bin/true"
    start_by chroot "$root" /bin/true
    dump_json "$pid"
    assert_functions chain_inner chain_middle chain_outer main
    assert_equal "$(state_of main)" present
    rm "$root/bin/true"
    dump_json "$pid"
    assert_functions chain_inner chain_middle chain_outer main
    assert_equal "$(state_of main)" deleted
    cp "$TARGETS/deep_recursion" "$root/bin/true"
    dump_json "$pid"
    assert_functions chain_inner chain_middle chain_outer main
    assert_equal "$(state_of main)" replaced
}

@test "of two files at one path, the one in the target's mount namespace is right" {
    local directory=$BATS_TEST_TMPDIR/place
    mkdir "$directory"
    cp "$TARGETS/deep_recursion" "$directory/program"
    start_by "$UNSHARED" --mount sh -c 'mount -t tmpfs none "$1" && cp "$2" "$1/program" && exec "$1/program"' sh \
        "$directory" "$TARGETS/linked_by_lld"
    dump_json "$pid"
    assert_functions chain_inner chain_middle chain_outer main
    assert_equal "$(state_of main)" present
}

# start_in_overlay PROGRAM: in a mount namespace with an overlay, as container engines make them; $BATS_TEST_TMPDIR/layers
# is visible there alone.
start_in_overlay() {
    local directory=$BATS_TEST_TMPDIR/layers
    mkdir -p "$directory"
    "$UNSHARED" --mount sh -c 'mount -t tmpfs none "$1" && cd "$1" && mkdir lower upper work merged &&
        mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work merged' sh "$directory" ||
        skip "the kernel refuses an overlay file system here"
    start_by "$UNSHARED" --mount sh -c 'mount -t tmpfs none "$1" && cd "$1" && mkdir lower upper work merged &&
        cp "$2" lower/program &&
        mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work merged &&
        exec "$1/merged/program"' sh "$directory" "$1"
}

@test "a program on an overlay file system has its names" {
    start_in_overlay "$TARGETS/linked_by_lld"
    dump_json "$pid"
    assert_functions chain_inner chain_middle chain_outer main
    assert_equal "$(state_of main)" present
}

@test "a program without build-id on an overlay file system has its names, and is not called replaced" {
    objcopy --remove-section .note.gnu.build-id "$TARGETS/linked_by_lld" "$BATS_TEST_TMPDIR/without"
    start_in_overlay "$BATS_TEST_TMPDIR/without"
    dump_json "$pid"
    assert_functions chain_inner chain_middle chain_outer main
    run state_of main
    assert_output --regexp '^(present|null)$'
}

@test "a program that an upper layer hides since it was started keeps its names" {
    start_in_overlay "$TARGETS/linked_by_lld"
    nsenter --target "$pid" --mount sh -c 'cd "$1/layers/merged" && cp "$2" new && mv new program' sh \
        "$BATS_TEST_TMPDIR" "$TARGETS/deep_recursion"
    dump_json "$pid"
    assert_functions chain_inner chain_middle chain_outer main
    assert_equal "$(state_of main)" replaced
}
