# Debug files from debuginfod servers: only when the user named some, and never for longer than bearable.

setup() {
    load helpers
    # The client remembers for 10 minutes what a server did not have; not in these tests, where it is we who may not ask.
    export DEBUGINFOD_CACHE_PATH=$BATS_TEST_TMPDIR/cache
    mkdir "$DEBUGINFOD_CACHE_PATH"
    echo 0 >"$DEBUGINFOD_CACHE_PATH/cache_miss_s"
    unset DEBUGINFOD_TIMEOUT
    no_proxy=127.0.0.1
    export no_proxy
    objcopy --only-keep-debug "$TARGETS/inlined" "$BATS_TEST_TMPDIR/program.debug"
    strip -o "$BATS_TEST_TMPDIR/program" "$TARGETS/inlined"
}

teardown() {
    end_all
}

# functions: the names of the first thread's frames, innermost first, in one line; "-": none.
functions() {
    jq -rs '[.[0].threads[0].frames[] | .function // "-"] | join(" ")' <<<"$document"
}

build_id() {
    readelf -n "$1" | sed -n 's/.*Build ID: //p'
}

# serve [hang | ID/WHAT=FILE...]: starts a server of ours, and names it in DEBUGINFOD_URLS; what it is asked for is in $log.
serve() {
    log=$BATS_TEST_TMPDIR/server.log
    python3 "$TOP/tests/tools/build_id_server.py" "$log" "$@" 3>&- &
    started+=($!)
    wait_until 20 grep -qs '^port' "$log"
    export DEBUGINFOD_URLS=http://127.0.0.1:$(sed -n 's/^port //p' "$log")
}

# answers PORT ID: elfutils' server has that file by now.
answers() {
    python3 -c 'import sys, urllib.request as r
r.build_opener(r.ProxyHandler({})).open(f"http://127.0.0.1:{sys.argv[1]}/buildid/{sys.argv[2]}/debuginfo").read(1)' \
        "$1" "$2" 2>/dev/null
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("", 0)); print(s.getsockname()[1])'
}

# start_debuginfod DIRECTORY ID: elfutils' server over that directory, in DEBUGINFOD_URLS, when it has that file.
start_debuginfod() {
    local port try
    for try in 1 2 3; do
        port=$(free_port)
        HOME=$BATS_TEST_TMPDIR debuginfod -p "$port" -d "$BATS_TEST_TMPDIR/db$try" -F "$1" \
            >"$BATS_TEST_TMPDIR/debuginfod.out" 2>&1 3>&- &
        started+=($!)
        if wait_until 60 answers "$port" "$2"; then
            export DEBUGINFOD_URLS=http://127.0.0.1:$port
            return 0
        fi
    done
    cat "$BATS_TEST_TMPDIR/debuginfod.out" >&2
    return 1
}

@test "names, lines and inlined functions come from elfutils' server, through the usual cache" {
    mkdir "$BATS_TEST_TMPDIR/served"
    mv "$BATS_TEST_TMPDIR/program.debug" "$BATS_TEST_TMPDIR/served"
    start_debuginfod "$BATS_TEST_TMPDIR/served" "$(build_id "$BATS_TEST_TMPDIR/program")"
    start "$BATS_TEST_TMPDIR/program"
    dump_json "$pid"
    [[ " $(functions) " == *" inlined_inner inlined_outer physical main "* ]]
    assert_equal "$(jq -r '.threads[0].frames[] | select(.function == "physical") | .file | split("/") | last' \
        <<<"$document")" inlined.c
    [ -s "$DEBUGINFOD_CACHE_PATH/$(build_id "$BATS_TEST_TMPDIR/program")/debuginfo" ]
    assert_equal "$stderr" ""
    # From the cache, without any server.
    DEBUGINFOD_URLS=http://127.0.0.1:1 dump_json "$pid"
    [[ " $(functions) " == *" inlined_inner inlined_outer physical main "* ]]
}

@test "what dwz moved to a shared file comes from a server too" {
    local directory=$BATS_TEST_TMPDIR
    cp "$TARGETS/inlined" "$directory/program"
    gcc -I"$TOP" -D_GNU_SOURCE -O2 -g -DANOTHER -o "$directory/other" "$TOP/tests/targets/inlined.c"
    (cd "$directory" && dwz -m shared.debug -M /nowhere/shared.debug program other)
    serve "$(build_id "$directory/shared.debug")/debuginfo=$directory/shared.debug"
    start "$directory/program"
    dump_json "$pid"
    [[ " $(functions) " == *" inlined_inner inlined_outer physical main "* ]]
}

@test "no server is asked, nor the library loaded for it, when DEBUGINFOD_URLS is unset or empty" {
    local value
    start "$BATS_TEST_TMPDIR/program"
    for value in '' unset; do
        if [[ $value == unset ]]; then unset DEBUGINFOD_URLS; else export DEBUGINFOD_URLS=$value; fi
        strace -f -o "$BATS_TEST_TMPDIR/strace.out" -e trace=connect,openat "$ATTACH" --dump "$pid" >/dev/null
        run cat "$BATS_TEST_TMPDIR/strace.out"
        assert_output --partial 'libdw'
        refute_output --regexp 'connect\(|libdebuginfod|libcurl'
    done
}

@test "no server is asked about a program with debug information of its own" {
    serve
    start inlined
    dump_json "$pid"
    [[ " $(functions) " == *" physical main "* ]]
    run cat "$log"
    refute_output --partial "$(build_id "$TARGETS/inlined")"
}

@test "what a server does not have is asked for once in a run" {
    serve
    start "$BATS_TEST_TMPDIR/program"
    local first=$pid
    rm "$BATS_TEST_TMPDIR/program.out"
    start "$BATS_TEST_TMPDIR/program"
    dump_json "$first" "$pid"
    assert_equal "$(jq -s length <<<"$document")" 2
    [[ " $(functions) " == *" __libc_start_main "* ]]
    assert_equal "$(grep -c "/$(build_id "$BATS_TEST_TMPDIR/program")/debuginfo" "$log")" 1
}

@test "a file of another build that a server gives is not believed" {
    objcopy --only-keep-debug "$TARGETS/cpp_names" "$BATS_TEST_TMPDIR/other.debug"
    serve "$(build_id "$BATS_TEST_TMPDIR/program")/debuginfo=$BATS_TEST_TMPDIR/other.debug"
    start "$BATS_TEST_TMPDIR/program"
    dump_json "$pid"
    grep -q "/$(build_id "$BATS_TEST_TMPDIR/program")/debuginfo" "$log"
    [[ " $(functions) " == *" pause - - "* ]]
}

@test "a server that accepts and never answers costs one time-out, and the dump comes" {
    strip -o "$BATS_TEST_TMPDIR/second" "$TARGETS/cpp_names"
    serve hang
    start "$BATS_TEST_TMPDIR/program"
    local first=$pid
    start "$BATS_TEST_TMPDIR/second"
    DEBUGINFOD_TIMEOUT=2 run --separate-stderr -0 timeout 100 "$ATTACH" --dump --format json "$first" "$pid"
    document=$output
    [[ " $(functions) " == *" pause - - "*" __libc_start_main "* ]]
    assert_equal "$(jq -s length <<<"$document")" 2
    [[ $stderr == *"debuginfod servers do not answer"* ]]
    assert_equal "$(wc -l <<<"$stderr")" 1
    # Files of both programs are missing, and perhaps of libraries: only the first was asked for, with the client's retry.
    local connections
    connections=$(grep -c connection "$log")
    ((connections > 0 && connections <= 2))
}

@test "the process runs while a server is waited for" {
    serve hang
    strip -o "$BATS_TEST_TMPDIR/spinner" "$TARGETS/sleepers_and_spinners"
    start "$BATS_TEST_TMPDIR/spinner" 2 1
    local target=$pid
    DEBUGINFOD_TIMEOUT=30 "$ATTACH" --dump --freeze "$target" >/dev/null 2>&1 3>&- &
    local tool=$!
    started+=("$tool")
    wait_until 20 grep -q connection "$log"
    local status
    for status in /proc/"$target"/task/*/status; do
        grep -q '^TracerPid:[[:space:]]0$' "$status"
        grep -q '^State:[[:space:]][RSD]' "$status"
    done
    alive "$tool"
}

@test "a line on the terminal says what is waited for, and goes away" {
    serve hang
    start "$BATS_TEST_TMPDIR/program"
    DEBUGINFOD_TIMEOUT=3 run -0 script -qec "$ATTACH --dump $pid" /dev/null
    assert_output --regexp 'asking debuginfod for debug files, [0-9]+ of [0-9]+ \.\.\.'
    assert_output --regexp $'\r +\r'
}

@test "the executable is asked for where only memory shows it" {
    [[ $(cat /proc/sys/kernel/yama/ptrace_scope 2>/dev/null || echo 0) == 0 ]] ||
        skip "kernel.yama.ptrace_scope lets nobody look without capabilities"
    local directory=$BATS_TEST_TMPDIR powerless=(setpriv --bounding-set -all --inh-caps -all)
    mkdir "$directory/served"
    gcc -shared -fPIC -O1 -o "$directory/served/libcallback.so" -x c - <<'END'
static __attribute__((noinline)) void hidden(void (*f)(void)) { f(); __asm__ volatile(""); }
void callback(void (*f)(void)) { hidden(f); __asm__ volatile(""); }
END
    gcc -O1 -o "$directory/client" -x c - -L"$directory/served" -lcallback <<'END'
#include <stdio.h>
#include <unistd.h>
void callback(void (*)(void));
static void wait_here(void) { puts("ready"); fflush(stdout); for (;;) pause(); }
int main(void) { callback(wait_here); return 0; }
END
    cp "$directory/served/libcallback.so" "$directory/libcallback.so"
    LD_LIBRARY_PATH=$directory start_quietly "${powerless[0]}" "${powerless[@]:1}" "$directory/client"
    wait_until 20 grep -qs '^ready' "$output_file"
    serve "$(build_id "$directory/libcallback.so")/executable=$directory/served/libcallback.so"
    rm "$directory/libcallback.so"
    run --separate-stderr -0 "${powerless[@]}" env DEBUGINFOD_URLS= "$ATTACH" --dump --format json "$pid"
    document=$output
    [[ " $(functions) " == *" wait_here - callback main "* ]]
    run --separate-stderr -0 "${powerless[@]}" "$ATTACH" --dump --format json "$pid"
    document=$output
    [[ " $(functions) " == *" wait_here hidden callback main "* ]]
}
