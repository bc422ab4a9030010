# The option `locals`: names of the user's in the console.

setup() {
    load helpers
}

teardown() {
    end_all
    rm -f "/tmp/manhole-$pid"
}

# start_prints [NAME=VALUE...]: the program that prints, silently, with these variables.
start_prints() {
    env "$@" "$TARGETS/prints" >/dev/null 2>&1 3>&- &
    pid=$!
    started+=("$pid")
    wait_until 20 is_waiting
}

is_waiting() {
    [[ $(cat "/proc/$pid/comm") == prints ]] && grep -q '^State:[[:space:]]S' "/proc/$pid/status"
}

@test "names given with --local stand for numbers and symbols, and come before the program's" {
    start_prints
    run -0 "$ATTACH" --install --local magic=0x2a --local next=flood+4 --local less=-1 --local getpid=getppid \
        --local 'both=flood - flood + 7' "$pid"
    run -0 "$ATTACH" --eval locals --eval 'call abs magic' --eval 'call labs less' --eval 'call getpid' --eval 'sym getpid' \
        --eval 'sym both' --eval 'read next 16' --eval 'call flood 0' "$pid"
    assert_line --index 0 'magic = 0x2a'
    assert_line --regexp '^next = 0x[0-9a-f]+, flood\+0x4 \(prints\)$'
    assert_line 'less = 0xffffffffffffffff'
    assert_line --regexp '^getpid = 0x[0-9a-f]+, getppid \(libc.so.6\)$'
    assert_line 'both = 0x7'
    assert_line '= 42 (0x2a)'
    assert_line '= 1 (0x1)'
    assert_line --partial "= $BASHPID "
    assert_line --regexp '^getpid = 0x[0-9a-f]+, a local: getppid \(libc.so.6\)$'
    assert_line 'both = 0x7, a local: 0x7'
    assert_line --regexp '^[0-9a-f]{16}  [0-9a-f]{2}'
    assert_line '= 7 (0x7)'
}

@test "without any the command says how there would be some" {
    start_prints
    run -0 "$ATTACH" --eval locals "$pid"
    assert_output --partial 'there are none'
}

@test "a name that cannot be resolved refuses the installation, with its symbol, and leaves nothing" {
    start_prints
    local before
    before=$(ls "/proc/$pid/fd" "/proc/$pid/task")
    run -2 "$ATTACH" --install --local a=1 --local b=no_such_thing+1 "$pid"
    assert_output --partial "locals: 'no_such_thing': no such symbol in what is loaded"
    run -2 "$ATTACH" --install --local a=errno "$pid"
    assert_output --partial "locals: 'errno'"
    run -2 "$ATTACH" --install --local 'a=1 2' "$pid"
    assert_output --partial "'+' or '-' and a term must follow"
    run -2 "$ATTACH" --install --local 'a=+' "$pid"
    assert_output --partial 'no number and no symbol'
    assert_equal "$(ls "/proc/$pid/fd" "/proc/$pid/task")" "$before"
    run -0 "$ATTACH" --eval locals "$pid"
    assert_output --partial 'there are none'
}

@test "they come from MANHOLE too" {
    start_prints LD_PRELOAD="$BUILD/libmanhole.so" MANHOLE="locals='one=1,here=flood',verbose=0"
    run -0 "$ATTACH" --eval locals "$pid"
    assert_line 'one = 0x1'
    assert_line --regexp '^here = 0x[0-9a-f]+, flood \(prints\)$'
}

@test "they go with the manhole" {
    start_prints
    "$ATTACH" --install --local one=1 "$pid"
    "$ATTACH" --uninstall "$pid"
    run -0 "$ATTACH" --eval locals "$pid"
    assert_output --partial 'there are none'
}
