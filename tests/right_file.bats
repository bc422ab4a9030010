# The right file: the one that runs, wherever it is by now, and whatever became of it since.

setup() {
    load helpers
}

teardown() {
    end_all
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
    nsenter --target "$pid" --mount --root sh -c 'cd "$1/layers/merged" && cp "$2" new && mv new program' sh \
        "$BATS_TEST_TMPDIR" "$TARGETS/deep_recursion"
    dump_json "$pid"
    assert_functions chain_inner chain_middle chain_outer main
    assert_equal "$(state_of main)" replaced
}

# make_mini SOURCE DESTINATION: a stripped copy whose lost function symbols are in .gnu_debugdata, made as gdb's manual
# says ("MiniDebugInfo").
make_mini() {
    local work=$BATS_TEST_TMPDIR/mini
    mkdir -p "$work"
    nm --format=posix --defined-only "$1" | awk '$2 ~ /^[Tt]$/ { print $1 }' >"$work/keep"
    objcopy --only-keep-debug "$1" "$work/debug"
    objcopy -S --remove-section .comment --keep-symbols="$work/keep" "$work/debug" "$work/symbols"
    xz --force --keep "$work/symbols"
    strip --strip-all -o "$2" "$1"
    objcopy --add-section .gnu_debugdata="$work/symbols.xz" "$2"
}

@test "a stripped program with .gnu_debugdata has its names" {
    make_mini "$TARGETS/inlined" "$BATS_TEST_TMPDIR/program"
    [[ -z $(nm "$BATS_TEST_TMPDIR/program" 2>/dev/null) ]]
    start "$BATS_TEST_TMPDIR/program"
    dump_json "$pid"
    assert_functions physical main
    assert_equal "$(jq -r '.threads[0].frames[] | select(.function == "main") | .file // "none"' <<<"$document")" none
}

@test "broken and cut .gnu_debugdata give no names, and no harm" {
    local kind
    make_mini "$TARGETS/inlined" "$BATS_TEST_TMPDIR/whole"
    for kind in cut garbage empty_elf; do
        case $kind in
        cut) head -c 300 "$BATS_TEST_TMPDIR/mini/symbols.xz" ;;
        garbage) head -c 3000 /dev/urandom ;;
        empty_elf) head -c 64 "$TARGETS/inlined" | xz ;;
        esac >"$BATS_TEST_TMPDIR/section"
        objcopy --update-section .gnu_debugdata="$BATS_TEST_TMPDIR/section" "$BATS_TEST_TMPDIR/whole" \
            "$BATS_TEST_TMPDIR/$kind"
        start "$BATS_TEST_TMPDIR/$kind"
        dump_json "$pid"
        [[ $(functions) != *physical* ]]
        [[ $(functions) == *__libc_start* ]]
        end "$pid"
    done
}

@test "what .gnu_debugdata unpacks to is bounded" {
    strip -o "$BATS_TEST_TMPDIR/program" "$TARGETS/inlined"
    head -c 1G /dev/zero | xz -0 >"$BATS_TEST_TMPDIR/bomb.xz"
    objcopy --add-section .gnu_debugdata="$BATS_TEST_TMPDIR/bomb.xz" "$BATS_TEST_TMPDIR/program"
    start "$BATS_TEST_TMPDIR/program"
    run -0 python3 - "$ATTACH" "$pid" <<'END'
import resource, subprocess, sys
subprocess.run([sys.argv[1], "--dump", sys.argv[2]], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
END
    echo "peak: $output KiB"
    ((output < 600 * 1024))
}

# make_padded_debug: $BATS_TEST_TMPDIR/program, stripped, and program.debug, large enough to be mapped, not read.
make_padded_debug() {
    local directory=$BATS_TEST_TMPDIR
    head -c 2M /dev/zero >"$directory/padding"
    objcopy --only-keep-debug "$TARGETS/inlined" "$directory/program.debug"
    objcopy --add-section .padding="$directory/padding" "$directory/program.debug"
    strip -o "$directory/program" "$TARGETS/inlined"
    (cd "$directory" && objcopy --add-gnu-debuglink=program.debug program)
}

# dump_and_cut NUMBER FILE SIZE: a dump of $pid in $document; FILE is cut to SIZE when the tool has just made its mapping
# number NUMBER of it. $cut is empty when it made fewer.
dump_and_cut() {
    local directory=$BATS_TEST_TMPDIR tool status=0
    rm -f "$directory/strace.out"
    strace -qq -o "$directory/strace.out" -P "$2" -e trace=mmap -e inject=mmap:signal=STOP:when="$1" \
        "$ATTACH" --dump --format json "$pid" >"$directory/document" 2>"$directory/messages" 3>&- &
    tool=$!
    started+=("$tool")
    cut=
    wait_until 20 stopped_or_gone "$tool"
    if [[ $cut ]]; then
        truncate -s "$3" "$2"
        kill -CONT "$cut"
    fi
    wait "$tool" || status=$?
    cat "$directory/messages" >&2
    document=$(cat "$directory/document")
    assert_equal "$status" 0
}

# stopped_or_gone STRACE: the program that it runs has stopped ($cut is its pid), or has ended.
stopped_or_gone() {
    if grep -qs 'stopped by SIGSTOP' "$BATS_TEST_TMPDIR/strace.out"; then
        read -r cut <"/proc/$1/task/$1/children"
        return 0
    fi
    ! alive "$1"
}

# assert_names_true: what names the stack has are the true ones, in their places.
assert_names_true() {
    assert_equal "$(functions | tr ' ' '\n' | grep -vxE 'pause|inlined_inner|inlined_outer|physical|main|-|_*libc_start.*|_start')" ""
}

@test "a debug file that is cut after each of our mappings of it does no harm, and is marked" {
    local size number
    for size in 0 4096 20000; do
        for number in 1 2 3 4; do
            make_padded_debug
            rm -f "$BATS_TEST_TMPDIR/program.out"
            start "$BATS_TEST_TMPDIR/program"
            dump_and_cut "$number" "$BATS_TEST_TMPDIR/program.debug" "$size"
            [[ $cut ]] || break
            assert_names_true
            run jq -r '[.threads[0].frames[] | select(.module | endswith("/program")) | .file_state] | unique | join(" ")' \
                <<<"$document"
            # Cut before it was known to be the right one, it was not used.
            if ((number > 1)); then assert_output changed; else assert_output --regexp '^(present|changed)$'; fi
            end "$pid"
        done
        ((number > 2)) || fail "the file was mapped less than twice"
        end "$pid"
    done
}

@test "a library that is cut while it is read does no harm, and is marked" {
    head -c 2M /dev/urandom >"$BATS_TEST_TMPDIR/padding"
    make_library "$BATS_TEST_TMPDIR"
    make_client "$BATS_TEST_TMPDIR"
    objcopy --add-section .padding="$BATS_TEST_TMPDIR/padding" "$BATS_TEST_TMPDIR/libcallback.so"
    start "$BATS_TEST_TMPDIR/client"
    dump_and_cut 1 "$BATS_TEST_TMPDIR/libcallback.so" 4096
    [[ $cut ]]
    assert_functions wait_here
    run jq -r '.threads[0].frames[] | select(.module | endswith("libcallback.so")) | .file_state' <<<"$document"
    assert_output --partial changed
    [[ $(functions) != *wrong* ]]
}

@test "a SIGBUS that somebody sends still ends the tool" {
    start_client
    strace -qq -o "$BATS_TEST_TMPDIR/strace.out" -P "$BATS_TEST_TMPDIR/libcallback.so" -e trace=pread64 \
        -e inject=pread64:signal=STOP:when=1 \
        "$ATTACH" --dump "$pid" >/dev/null 2>&1 3>&- &
    local tool=$! status=0
    started+=("$tool")
    wait_until 20 stopped_or_gone "$tool"
    kill -BUS "$cut"
    kill -CONT "$cut"
    wait "$tool" || status=$?
    assert_equal "$status" "$((128 + $(kill -l BUS)))"
}

# make_shared NAME: $BATS_TEST_TMPDIR/program whose debug information is shared with another program's by dwz, in
# shared.debug, which it knows by NAME.
make_shared() {
    local directory=$BATS_TEST_TMPDIR
    cp "$TARGETS/inlined" "$directory/program"
    gcc -I"$TOP" -D_GNU_SOURCE -O2 -g -DANOTHER -o "$directory/other" "$TOP/tests/targets/inlined.c"
    rm -f "$directory/shared.debug"
    (cd "$directory" && dwz -m shared.debug -M "$1" program other)
    grep -q inlined_inner "$directory/shared.debug"
    ! grep -q inlined_inner <(objcopy --dump-section .debug_str=/dev/stdout "$directory/program" /dev/null)
}

@test "what dwz moved to a shared file is found: by its full name, beside the program, by build-id" {
    make_shared "$BATS_TEST_TMPDIR/shared.debug"
    start "$BATS_TEST_TMPDIR/program"
    dump_json "$pid"
    assert_functions inlined_inner inlined_outer physical main
    end "$pid"

    make_shared ./shared.debug
    rm "$BATS_TEST_TMPDIR/program.out"
    start "$BATS_TEST_TMPDIR/program"
    dump_json "$pid"
    assert_functions inlined_inner inlined_outer physical main
    end "$pid"

    make_shared /nowhere/shared.debug
    mkdir -p /usr/lib/debug
    local id
    id=$(readelf -n "$BATS_TEST_TMPDIR/shared.debug" | sed -n 's/.*Build ID: //p')
    start_by "$UNSHARED" --mount sh -c 'mount -t tmpfs none /usr/lib/debug && mkdir -p "/usr/lib/debug/.build-id/$3" &&
        cp "$2" "/usr/lib/debug/.build-id/$3/$4.debug" && exec "$1"' sh "$BATS_TEST_TMPDIR/program" \
        "$BATS_TEST_TMPDIR/shared.debug" "${id:0:2}" "${id:2}"
    dump_json "$pid"
    assert_functions inlined_inner inlined_outer physical main
}

@test "a shared file of dwz that is of another build, or none at all, gives no names" {
    make_shared "$BATS_TEST_TMPDIR/shared.debug"
    gcc -g -O1 -o "$BATS_TEST_TMPDIR/one" "$TOP/tests/targets/linked_by_mold.c" -I"$TOP" -D_GNU_SOURCE
    gcc -g -O2 -o "$BATS_TEST_TMPDIR/two" "$TOP/tests/targets/linked_by_mold.c" -I"$TOP" -D_GNU_SOURCE
    rm "$BATS_TEST_TMPDIR/shared.debug"
    (cd "$BATS_TEST_TMPDIR" && dwz -m shared.debug one two)
    start "$BATS_TEST_TMPDIR/program"
    dump_json "$pid"
    assert_functions pause - - physical main
    # Nor is it waited for.
    rm "$BATS_TEST_TMPDIR/shared.debug"
    mkfifo "$BATS_TEST_TMPDIR/shared.debug"
    run --separate-stderr -0 timeout 60 "$ATTACH" --dump --format json "$pid"
    document=$output
    assert_functions pause - - physical main
}

# assert_inlined PROGRAM: all of its stack, with lines.
assert_inlined() {
    start "$1"
    dump_json "$pid"
    assert_functions inlined_inner inlined_outer physical main
    assert_equal "$(jq -r '.threads[0].frames[] | select(.function == "physical") | (.file | split("/") | last) + ":" +
        (.line | tostring)' <<<"$document")" "inlined.c:$(grep -n 'line: physical' "$TOP/tests/targets/inlined.c" | cut -d: -f1)"
    end "$pid"
}

@test "compressed debug sections of both kinds are read, in programs and in debug files" {
    local kind
    for kind in zlib-gabi zlib-gnu; do
        objcopy --compress-debug-sections="$kind" "$TARGETS/inlined" "$BATS_TEST_TMPDIR/$kind"
        assert_inlined "$BATS_TEST_TMPDIR/$kind"
        strip -o "$BATS_TEST_TMPDIR/stripped-$kind" "$TARGETS/inlined"
        objcopy --only-keep-debug --compress-debug-sections="$kind" "$TARGETS/inlined" "$BATS_TEST_TMPDIR/$kind.debug"
        (cd "$BATS_TEST_TMPDIR" && objcopy --add-gnu-debuglink="$kind.debug" "stripped-$kind")
        assert_inlined "$BATS_TEST_TMPDIR/stripped-$kind"
    done
    readelf -S "$BATS_TEST_TMPDIR/zlib-gnu" | grep -q zdebug_info
}

@test "compressed .debug_frame of both kinds is used, in programs and in debug files" {
    local kind
    for kind in zlib-gabi zlib-gnu; do
        objcopy --compress-debug-sections="$kind" "$TARGETS/only_debug_frame" "$BATS_TEST_TMPDIR/$kind"
        strip -o "$BATS_TEST_TMPDIR/stripped-$kind" "$TARGETS/only_debug_frame"
        objcopy --only-keep-debug --compress-debug-sections="$kind" "$TARGETS/only_debug_frame" \
            "$BATS_TEST_TMPDIR/$kind.debug"
        (cd "$BATS_TEST_TMPDIR" && objcopy --add-gnu-debuglink="$kind.debug" "stripped-$kind")
        for program in "$kind" "stripped-$kind"; do
            start "$BATS_TEST_TMPDIR/$program"
            dump_json "$pid"
            assert_functions chain_inner chain_middle chain_outer main
            assert_equal "$(jq -r '.threads[0].frames[] | select(.function == "chain_outer") | .how' <<<"$document")" cfi
            end "$pid"
        done
    done
}

@test "debug sections compressed by zstd leave the names of the symbol table, and lines where libelf knows zstd" {
    objcopy --compress-debug-sections=zstd "$TARGETS/inlined" "$BATS_TEST_TMPDIR/program" 2>/dev/null ||
        skip "binutils here cannot make them"
    start "$BATS_TEST_TMPDIR/program"
    dump_json "$pid"
    assert_functions physical main
}

@test "split debug information leaves names and lines" {
    (cd "$BATS_TEST_TMPDIR" && gcc -g -gsplit-dwarf -O2 -D_GNU_SOURCE -o program "$TOP/tests/targets/inlined.c")
    start "$BATS_TEST_TMPDIR/program"
    dump_json "$pid"
    assert_functions physical main
    assert_equal "$(jq -r '.threads[0].frames[] | select(.function == "main") | .file | split("/") | last' \
        <<<"$document")" inlined.c
}
