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

# dump_json PID [OPTIONS...]: the JSON document of a dump in $document.
dump_json() {
    local target=$1
    shift
    run --separate-stderr -0 "$ATTACH" --dump --format json "$@" "$target"
    document=$output
}

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
    dump_json "$pid"
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
