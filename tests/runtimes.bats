# Programs whose runtime makes or runs their code in its own way: JIT compilers, Go, Rust, Java, node.

setup() {
    load helpers
    bats_require_minimum_version 1.5.0
    files=()
}

teardown() {
    end_all
    ((${#files[@]} == 0)) || rm -f "${files[@]}"
}

# On a machine with more to do than it has processors, a thread that computes takes its time to stop.
patience='--max-pause 5000'

# The leader need not have the lowest tid: numbers begin anew.
leader='.pid as $pid | .threads[] | select(.tid == $pid)'

# functions: the names of the leader's frames, one per line, innermost first; "-": none.
functions() {
    jq -r "$leader | .frames[] | .function // \"-\"" <<<"$document"
}

# assert_functions NAME...: these follow one another somewhere in the leader's stack.
assert_functions() {
    local all=" $(functions | tr '\n' ' ')"
    [[ $all == *" $* "* ]] || fail "the stack is:$all"
}

# --- Code made at run time: the map for perf. ---

# start_jit [ARGUMENT]: $pid waits below made code, $code is where that begins, $map where its perf map belongs.
start_jit() {
    start jit_code "$@"
    code=$(sed -n 's/^ready \([0-9a-f]*\) .*/\1/p' "$output_file")
    map=/tmp/perf-$pid.map
    [[ ! -e $map ]] || fail "$map is there already"
    files+=("$map")
}

# The frame of the made code, as JSON: the only one without a module.
made_frame() {
    jq -c "[$leader | .frames[] | select(.module == null)]" <<<"$document"
}

assert_unnamed() {
    dump_json "$pid" $patience
    assert_equal "$(made_frame | jq -c '[.[] | .function, .jit]')" '[null,false]'
}

@test "code made at run time is named by the map its runtime wrote for perf" {
    start_jit
    printf '%s 20 other\n%s 15 made $here (a b)\n' 1000 "$code" >"$map"
    dump_json "$pid"
    assert_equal "$(made_frame | jq -c '[.[] | .function, .function_offset, .jit]')" \
        '["made $here (a b)","0xc",true]'
    run -0 "$ATTACH" --dump "$pid"
    assert_line --regexp '^  #[0-9]+ +made \$here \(a b\)\+0xc \(jit\)'
}

@test "of several names for an address the one written last counts" {
    start_jit
    printf '%s 15 first\n%x 1000 second\n0x%s 0x15 third\n%s 4 elsewhere\n' "$code" $((0x$code - 64)) "$code" \
        "$code" >"$map"
    dump_json "$pid"
    assert_equal "$(made_frame | jq -r '.[0].function')" third
    # As V8 writes over memory that it uses again.
    printf '%s 15 fourth\n%s 15 half a li' "$code" "$code" >>"$map"
    dump_json "$pid"
    assert_equal "$(made_frame | jq -r '.[0].function')" fourth
}

@test "a map with hostile lines names nothing false and steers no terminal" {
    start_jit
    {
        printf '%s ffffffffffffffff too long\n' "$code"
        printf 'x y z\n\n-1 -1 minus\n%s\n%s 15\n%s 15 \n%s 0 empty\n' "$code" "$code" "$code" "$code"
        head -c 4096 /dev/urandom
        printf '\n%s 15 red\033[31m\a%s\n' "$code" "$(head -c 5000 /dev/zero | tr '\0' n)"
    } >"$map"
    run -0 "$ATTACH" --dump "$pid"
    refute_output --partial $'\033'
    refute_output --partial $'\a'
    assert_line --regexp '^  #[0-9]+ +red.*n'
}

@test "a map that another user could have written is not believed" {
    need_other_users
    start_jit
    printf '%s 15 planted\n' "$code" >"$map"
    chown 65534 "$map"
    assert_unnamed
    chown "$(id -u)" "$map"
    chmod 666 "$map"
    assert_unnamed
    chmod 644 "$map"
    dump_json "$pid"
    assert_equal "$(made_frame | jq -r '.[0].function')" planted
}

@test "a map that is a link, a pipe or older than the process is not believed" {
    start_jit
    local real=$BATS_TEST_TMPDIR/real
    printf '%s 15 planted\n' "$code" >"$real"
    ln -s "$real" "$map"
    assert_unnamed
    rm "$map"
    mkfifo "$map"
    assert_unnamed
    rm "$map"
    cp "$real" "$map"
    touch -d '1 hour ago' "$map"
    assert_unnamed
}

@test "the map of a program in its own pid and mount namespace is the one it sees" {
    # The program is opened before its /tmp hides what may be below ours.
    start_quietly "$UNSHARED" sh -c 'exec 9<"$1"; mount -t tmpfs none /tmp && exec /proc/self/fd/9' sh \
        "$TARGETS/jit_code"
    wait_until 20 grep -qs ^ready "$output_file"
    pid=$(tr -d ' ' <"/proc/$pid/task/$pid/children")
    started+=("$pid")
    code=$(sed -n 's/^ready \([0-9a-f]*\) .*/\1/p' "$output_file")
    printf '%s 15 inside\n' "$code" >"/proc/$pid/root/tmp/perf-1.map"
    files+=("/tmp/perf-$pid.map")
    printf '%s 15 outside\n' "$code" >"/tmp/perf-$pid.map"
    dump_json "$pid"
    assert_equal "$(made_frame | jq -r '.[0].function')" inside
}

# --- Code made at run time: the list for debuggers. ---

# What comes after the code that is outside of all files, without where.
callers_of_made() {
    jq -c "[$leader | .frames[]] | .[([.[].module == null] | index(true)) + 1] | .function, .how" <<<"$document"
}

@test "code that a program registered for debuggers has the name and the unwind table it gave" {
    start_jit registered
    dump_json "$pid" $patience
    assert_equal "$(made_frame | jq -c '[.[] | .function, .function_offset, .jit, .how]')" \
        '["made_at_run_time","0xc",true,"cfi"]'
    run callers_of_made
    assert_output $'"wait_in"\n"cfi"'
    run -0 "$ATTACH" --dump $patience "$pid"
    assert_line --regexp '^  #[0-9]+ +made_at_run_time\+0xc \(jit\)$'
}

@test "code that nobody registered has no name, and its caller is labelled as a guess" {
    start_jit
    assert_unnamed
    run callers_of_made
    assert_line '"scan"'
}

@test "a list for debuggers that leads round in circles or nowhere does no harm" {
    start_jit endless
    dump_json "$pid" $patience
    assert_equal "$(made_frame | jq -r '.[0].function')" made_at_run_time
    start_jit broken
    assert_unnamed
    run callers_of_made
    assert_line '"scan"'
}

# --- node. ---

# start_node [OPTIONS...]: $pid computes in functions that are compiled by now.
start_node() {
    cd "$BATS_TEST_TMPDIR" # node leaves a log where it runs
    start "$(command -v node)" "$@" "$BATS_TEST_DIRNAME/runtimes/busy.js"
    files+=("/tmp/perf-$pid.map")
}

# The names of the frames of the leader, from the first one that has a file on.
functions_of_files() {
    jq -r "[$leader | .frames[]] | .[([.[].module == null] | rindex(true)) + 1:][] | .function // \"-\"" <<<"$document"
}

@test "a busy node shows its JavaScript functions, and the stack goes on to its start" {
    start_node --perf-basic-prof
    dump_json "$pid" $patience
    run jq -r "$leader | .frames[] | select(.jit and .module == null) | .function" <<<"$document"
    assert_line --regexp '^[A-Za-z]+:[*^+~]?inner .*busy\.js:2\b'
    assert_equal "$(jq "$leader | .complete" <<<"$document")" true
    run functions
    assert_line _start
    run -0 "$ATTACH" --dump $patience "$pid"
    assert_line --regexp '^  #[0-9]+ +[A-Za-z]+:[*^+~]?inner .*busy\.js:2(:[0-9]+)?\+0x[0-9a-f]+ \(jit\)'
}

@test "without a map node's compiled functions have no names, and the stack goes on to its start all the same" {
    start_node
    dump_json "$pid" $patience
    assert_equal "$(jq "$leader | .complete" <<<"$document")" true
    run functions_of_files
    assert_line _start
    run jq -c "[$leader | .frames[] | select(.module == null) | .function] | unique" <<<"$document"
    assert_output '[null]'
}

# --- Go. ---

# build_go NAME [OPTIONS...]: builds tests/runtimes/NAME.go into $program.
build_go() {
    local name=$1 go
    shift
    go=$(compgen -G '/usr/lib/go-*/bin/go' | sort -V | tail -n 1) || go=$(command -v go)
    program=$BATS_TEST_TMPDIR/$name
    GOCACHE=$BATS_FILE_TMPDIR/go-cache GO111MODULE=off GOFLAGS= \
        "$go" build "$@" -o "$program" "$BATS_TEST_DIRNAME/runtimes/$name.go"
}

# assert_goroutines_as_go_says [BUILD OPTIONS...]: what we show of blocked.go is what Go itself prints.
assert_goroutines_as_go_says() {
    build_go blocked "$@"
    GOTRACEBACK=system start "$program"
    dump_json "$pid"
    assert_equal "$(jq .threads_paused <<<"$document")" 0
    assert_equal "$(jq -c '[.goroutines[].complete] | unique' <<<"$document")" '[true]'
    printf '%s\n' "$document" >"$BATS_TEST_TMPDIR/document"
    kill -QUIT "$pid"
    wait "$pid" || true
    run -0 "$BATS_TEST_DIRNAME/judges/compare_goroutines" "$BATS_TEST_TMPDIR/document" "$output_file"
    assert_output --regexp '^1[5-9] goroutines, 0 differ$'
}

@test "every blocked goroutine has the state, functions, files and lines that Go says" {
    assert_goroutines_as_go_says
}

@test "so it is in a stripped Go program, which has no symbol table" {
    assert_goroutines_as_go_says -ldflags '-s -w'
    run -0 readelf -WS "$program"
    refute_output --partial .symtab
}

@test "so it is in a stripped Go program at a random address" {
    assert_goroutines_as_go_says -buildmode=pie -ldflags '-s -w'
}

@test "the threads of a stripped Go program are named and unwound to where they began, and not stopped" {
    build_go blocked -ldflags '-s -w'
    start "$program"
    dump_json "$pid"
    assert_equal "$(jq -c '[.threads[] | .complete, .how] | unique' <<<"$document")" '[true,"blocked"]'
    assert_equal "$(jq -c '[.threads[].frames[] | select(.function == null)]' <<<"$document")" '[]'
    run jq -r '[.threads[].frames[-1].function] | unique[]' <<<"$document"
    for outermost in "${lines[@]}"; do
        [[ $outermost =~ ^runtime\.(mcall|mstart|rt0_go|systemstack)$ ]] || fail "a stack ends in $outermost"
    done
}

@test "goroutines with the same stack are shown once, with their numbers" {
    build_go blocked
    start "$program"
    run -0 "$ATTACH" --dump "$pid"
    assert_line '5 goroutines with the same stack [chan receive]:'
    assert_line --regexp '^  goroutines( [0-9]+){5}$'
    assert_line --regexp '^  #[0-9]+ +main\.\(\*server\)\.receive\+0x[0-9a-f]+ at .*blocked\.go:19 \(blocked\)$'
    assert_line --regexp '^goroutine 1 \[semacquire\]:$'
    run -0 "$ATTACH" --dump --all-threads-listed "$pid"
    refute_output --partial 'goroutines with the same stack'
}

@test "a Go program that waits in C shows the C frames of its thread and the Go frames of its goroutine" {
    build_go calls_c
    start "$program"
    dump_json "$pid"
    assert_equal "$(jq -r '.goroutines[] | select(.id == 1) | .state' <<<"$document")" syscall
    # Go chooses the thread; the goroutine tells which it was.
    run jq -c '(.goroutines[] | select(.id == 1) | .tid) as $tid | .threads[] | select(.tid == $tid) |
        [.frames[] | select(.inlined | not) | .function][-3:]' <<<"$document"
    assert_output --regexp '"pause","_cgo_.*_waitInC","runtime.asmcgocall"'
    run jq -r '.goroutines[] | select(.id == 1) | .frames[].function' <<<"$document"
    assert_output 'runtime.cgocall
main._Cfunc_waitInC
main.main
runtime.main
runtime.goexit'
    run jq -r '.goroutines[] | select(.state == "select (no cases)") | .frames[].function' <<<"$document"
    assert_line main.backInGo
}

@test "goroutines that run while they are looked at give no false stacks" {
    build_go churn
    start "$program"
    local deep=0 looks
    looks=$(scaled 50)
    for _ in $(seq "$looks"); do
        run --separate-stderr "$ATTACH" --dump --format json $patience "$pid"
        document=$output
        # A ring member waits in recurse, once per level and at most 50 deep, below pass; or it moved.
        run -0 jq -c '[.goroutines[] | select(.moved | not) |
            select([.frames[].function] | index("main.pass")) | [.frames[].function] |
            select((join(" ") | test("^(runtime\\.(gopark|chanrecv|chanrecv1|chansend|chansend1|goparkunlock|Gosched|goschedguarded|mcall|newstack|morestack|asyncPreempt|asyncPreempt2) )+(main\\.recurse )+main\\.pass (main\\.main\\.func1 |main\\.main\\.gowrap1 )?runtime\\.goexit$")) | not)]' <<<"$document"
        assert_output '[]'
        deep=$((deep + $(jq '[.goroutines[] | select(.frames | length > 3)] | length' <<<"$document")))
    done
    # How many hold still for one look is chance; none of many looks would mean that nothing was tested.
    assert [ "$deep" -gt "$looks" ]
}

# --- Rust. ---

# functions_of NAME: those of the frames of the thread with this name, one per line.
functions_of() {
    jq -r --arg name "$1" '.threads[] | select(.name == $name) | .frames[] | .function // "-"' <<<"$document"
}

# start_workers [RUSTC OPTIONS...]: $pid runs tests/runtimes/workers.rs.
start_workers() {
    local rustc=/usr/bin/rustc
    [[ -x $rustc ]] || rustc=$(command -v rustc)
    "$rustc" -O -g "$@" -o "$BATS_TEST_TMPDIR/workers" "$BATS_TEST_DIRNAME/runtimes/workers.rs"
    start "$BATS_TEST_TMPDIR/workers"
    dump_json "$pid"
    assert_equal "$(jq -c '[.threads[] | .complete, .how] | unique' <<<"$document")" '[true,"blocked"]'
}

@test "a Rust program's threads show generic, inlined and trait functions, and a panic in progress" {
    start_workers -C symbol-mangling-version=v0
    run functions_of waits
    assert_line 'workers::inlined_receive'
    assert_line '<workers::Waits<u16> as workers::Work>::work'
    assert_line 'workers::main::{closure#1}'
    run functions_of panics
    assert_line --regexp '^core::panicking::panic_bounds_check'
    assert_line 'workers::fails'
    run jq -r '.threads[].frames[] | select(.function == "workers::fails") | .file, .line' <<<"$document"
    assert_line --regexp '/workers\.rs$'
    assert_line 26
}

@test "Rust's older names are demangled too, without their hashes" {
    start_workers
    run functions_of waits
    assert_line --regexp '^<workers::Waits<.*> as workers::Work>::work$'
    run functions_of panics
    assert_line 'workers::fails'
    refute_line --regexp '17h[0-9a-f]{16}E|::h[0-9a-f]{16}$'
}

# --- Java. ---

# start_java [OPTIONS...]: $pid computes in methods that are compiled and in its perf map by now.
start_java() {
    if command -v ecj >/dev/null; then
        ecj -proc:none -17 -d "$BATS_TEST_TMPDIR" "$BATS_TEST_DIRNAME/runtimes/Busy.java"
    else
        javac -d "$BATS_TEST_TMPDIR" "$BATS_TEST_DIRNAME/runtimes/Busy.java"
    fi
    start_quietly "$(command -v java)" "$@" -cp "$BATS_TEST_TMPDIR" Busy
    files+=("/tmp/perf-$pid.map")
    wait_until 60 grep -qs '^ready' "$output_file"
}

@test "Java methods are named by the map that the JVM wrote, and stacks go on to their start" {
    start_java -XX:+PreserveFramePointer
    dump_json "$pid" $patience
    run jq -r '.threads[].frames[] | select(.jit) | .function' <<<"$document"
    assert_line --regexp 'Busy\.inner'
    # The one that waits does so below the interpreter, which is labelled as what it is.
    run functions_of waiter
    assert_line Interpreter
    assert_line --regexp '^JavaCalls::call_helper'
    assert_line --regexp '^thread_native_entry'
    assert_equal "$(jq -c '[.threads[] | .complete] | unique' <<<"$document")" '[true]'
    assert_equal "$(jq -c '[.threads[].frames[] | select(.how == "scan")]' <<<"$document")" '[]'
}
