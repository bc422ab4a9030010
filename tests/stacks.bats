# The stacks that a manhole shows of its own process: to clients that speak text, before the prompt, and to any
# descriptor. Nobody is stopped or signalled for them, and no frame is wrong.

setup() {
    load helpers
    load payload_host
    text=$BATS_TEST_TMPDIR/text
}

teardown() {
    exec 7>&-
    end_all
}

# preloaded NAME [ARGUMENTS...]: a target of ours with a manhole from its start.
preloaded() {
    export MANHOLE="socket_path='$socket',verbose=0" LD_PRELOAD=$LIBRARY
    start_quietly "$TARGETS/$1" "${@:2}"
    unset MANHOLE LD_PRELOAD
    wait_until 20 grep -qs '^ready' "$output_file"
    wait_until 20 test -S "$socket"
}

# connect [LINE...]: what a client of text gets, into $text and $output.
connect() {
    run -0 timeout 60 socat -t 50 - "UNIX-CONNECT:$socket" <<<"$(printf '%s\n' "$@" quit)"
    echo "$output" >"$text"
}

# Whether what a connection shows, or what LINE answers, agrees with a dump from outside.
agrees() {
    connect "$@"
    [[ -z $* ]] || sed -i '0,/lists the commands/d' "$text"
    "$ATTACH" --dump --format json --no-inlines --raw-names --max-frames 0 -o "$BATS_TEST_TMPDIR/dump.json" "$pid" &&
        "$TOP/tests/judges/compare_inside" "$BATS_TEST_TMPDIR/dump.json" "$text" >"$BATS_TEST_TMPDIR/comparison"
}

# agree THREADS FRAMES COMPLETE [LINE]: they do, with so many threads, frames and complete stacks at least. A thread that
# woke between the two looks is looked at again; a frame that is really wrong is wrong each time.
agree() {
    wait_until 15 agrees "${@:4}" || {
        cat "$BATS_TEST_TMPDIR/comparison" "$text" >&2
        return 1
    }
    local threads frames complete
    read -r threads _ frames _ complete _ < <(tail -n 1 "$BATS_TEST_TMPDIR/comparison")
    ((threads >= $1 && frames >= $2 && complete >= $3)) || fail "$(cat "$BATS_TEST_TMPDIR/comparison")"
}

# --- What a client sees. ---

@test "a client of text gets the stacks of all threads, then the banner, then the prompt" {
    installed
    tell threads
    connect
    run -0 awk '/^#+ ProcessID=/ { print "stack" }
        /^#############################################$/ { print "end" }
        /lists the commands/ { print "banner" }
        /> goodbye$/ { print "prompt" }' "$text"
    assert_output "$(printf 'stack\nstack\nstack\nstack\nend\nbanner\nprompt')"
    run -0 cat "$text"
    assert_line "######### ProcessID=$pid, ThreadID=$pid #########"
    assert_line '"in-epoll" S, syscall 232'
    assert_line --regexp '^#0 +0x[0-9a-f]{16} epoll_wait\+0x[0-9a-f]+ \(libc.so.6\)$'
    assert_line --regexp '^#[0-9]+ +0x[0-9a-f]{16} main\+0x[0-9a-f]+ \(payload_host\)$'
    # Not our own threads.
    refute_line --regexp '^"(manhole|mh)'
    refute_output --partial libmanhole
}

@test "a client of frames gets no stacks: it has a better dump of its own" {
    installed
    run "$CLIENT" "$socket" upgrade 'run:call give_sum 7' detach
    assert_line --partial 'HELLO manhole'
    refute_output --partial ThreadID=
}

@test "threads of the same stack are shown once, with their ids, and a thousand keep nobody from the prompt" {
    preloaded sleepers_and_spinners 600 0
    connect
    assert_output --regexp 'the same stack in [0-9]+ more threads: [0-9]+ \(sleepers_and_sp\) [0-9]+'
    (($(grep -c ProcessID= "$text") == 2))
    connect 'call getpid'
    assert_output --partial "= $pid (0x"
    end "$pid"
    rm "$socket"
    preloaded sleepers_and_spinners 1100 0
    connect
    assert_line --regexp "^... and [0-9]+ more: 'bt' shows all\$"
    assert_output --partial goodbye
}

# --- Nobody is disturbed. ---

@test "no call returns because of many connections, nor because of bt" {
    preloaded blocking_calls
    local i
    for i in $(seq 30); do
        connect
        assert_output --partial goodbye
    done
    assert_output --partial ', syscall 232'
    for i in $(seq 5); do
        connect bt
    done
    assert_output --partial "thread $pid (blocking_calls)"
    run grep returned "$output_file"
    assert_failure 1
}

@test "a connection sends no signal and stops nobody, and a running thread is said to run" {
    preloaded sleepers_and_spinners 2 1
    strace -f -qq -e trace=none -e signal=all -o "$BATS_TEST_TMPDIR/signals" -p "$pid" 3>&- &
    local tracer=$!
    started+=("$tracer")
    wait_until 10 grep -q "^TracerPid:[[:space:]]*$tracer" "/proc/$pid/status"
    connect
    assert_line --regexp "^     running: 'bt [0-9]+' asks it for its stack\$"
    # Who is asked, is signalled: the test would see it.
    connect bt
    assert_line --regexp '^#0 +0x[0-9a-f]{16} sleepers_and_spinners\+0x[0-9a-f]+$'
    kill -INT "$tracer"
    wait "$tracer" || true
    assert_equal "$(grep -c 'SIGRT' "$BATS_TEST_TMPDIR/signals")" 1
}

@test "a frame that needs a register ends the stack, and says so; bt leaves the thread alone" {
    preloaded needs_register
    connect
    assert_line "     ... (needs a register that only the thread itself has: 'bt $pid' asks it)"
    connect bt
    assert_line "     not asked, since that could end its system call: 'bt $pid' asks it"
    alive "$pid"
    agree 6 20 5
}

@test "bt asks a thread by its id, and then knows its registers" {
    preloaded sleepers_and_spinners 0 1
    local tid
    for tid in /proc/"$pid"/task/*; do
        tid=${tid##*/}
        [[ $(cat "/proc/$pid/task/$tid/syscall") == running ]] && break
    done
    connect "bt $tid"
    run -0 sed '1,/lists the commands/d' "$text"
    assert_output --partial "thread $tid (sleepers_and_sp) R"
    assert_line --regexp '^#2 +0x[0-9a-f]{16} .*\(?libc'
    refute_output --partial '...'
}

@test "bt shows those too that block signals or wait for them, and nobody gets one" {
    installed
    tell threads
    connect bt
    assert_output --partial "thread $pid (payload_host) S, syscall 0"
    assert_line --regexp '^#0 +0x[0-9a-f]{16} sigtimedwait\+0x[0-9a-f]+ \(libc.so.6\)$'
    assert_line --partial '(deaf-thread) S'
    refute_output --partial '...'
    local i
    for i in $(seq 20); do
        connect bt "bt $pid"
    done
    assert_equal "$(grep -c "^thread $pid\|> thread $pid" "$text")" 2
    tell numbers
    [[ $reply == *'strange 0 '* ]]
    # Nothing of ours stays among the handlers.
    tell uninstall
    assert_equal "$reply" 'uninstall ok: closed'
}

# --- They are true. ---

@test "redis-server: the stacks from inside are those from outside" {
    export MANHOLE="socket_path='$socket',verbose=0" LD_PRELOAD=$LIBRARY
    start_redis
    unset MANHOLE LD_PRELOAD
    agree 4 20 4
    agree 4 20 4 bt
}

@test "C++ threads, all kinds of blocking calls, signal handlers and alternate stacks: the same from inside and outside" {
    local target
    for target in 'cxx_workers 5 40 5' 'blocking_calls 40 200 40' 'in_a_handler 1 11 1' 'altstack_handler 1 13 1' \
        'lld_linked 1 7 1' 'linked_by_mold 1 8 1' 'thread_shapes 11 300 10' 'null_call 1 4 1'; do
        # shellcheck disable=SC2086 # words
        set -- $target
        preloaded "$1"
        agree "${@:2}"
        end "$pid"
        rm "$socket"
    done
}

@test "where tables end, loop or are missing, a stack is short and not wrong" {
    local target
    for target in coroutine frame_pointers_only looping_stack only_debug_frame without_table_header \
        without_tables jit_code; do
        preloaded "$target"
        agree 1 1 0
        run -0 grep -cE '^     \.\.\. \(' "$text"
        end "$pid"
        rm "$socket"
    done
}

# --- Whatever state the program is in. ---

@test "stacks come with a broken heap, and while a thread holds the loader's lock" {
    installed
    tell loader
    connect
    assert_output --regexp 'dl_iterate_phdr\+0x[0-9a-f]+'
    assert_output --regexp 'main\+0x[0-9a-f]+ \(payload_host\)'
    tell heap
    assert_equal "$reply" 'heap broken'
    connect bt
    assert_output --regexp 'main\+0x[0-9a-f]+ \(payload_host\)'
    assert_output --partial goodbye
    alive "$pid"
}

@test "stacks come while the program forks, and no child is harmed" {
    installed
    tell forks
    local i
    for i in $(seq 20); do
        connect
        assert_output --partial "ProcessID=$pid, ThreadID=$pid"
        assert_output --partial goodbye
    done
    tell release
    tell children
    assert_equal "$reply" 'children wrong 0'
}

@test "threads that come and go are shown or not, and nothing breaks" {
    preloaded thread_churn
    local i
    for i in $(seq 20); do
        connect bt
        assert_output --partial "ThreadID=$pid"
        assert_output --partial goodbye
    done
    alive "$pid"
}

# --- To any descriptor. ---

@test "manhole_dump_stacktraces writes the same text to a file, with the calling thread's own stack" {
    start_host
    tell stacks "$text"
    assert_equal "$reply" 'stacks ok'
    run -0 cat "$text"
    assert_line --index 0 "######### ProcessID=$pid, ThreadID=$pid #########"
    assert_line --regexp '^#0 +0x[0-9a-f]{16} payload_host\+0x[0-9a-f]+$|^#0 .*dump_stacks'
    assert_line --regexp '^#[0-9]+ +0x[0-9a-f]{16} main\+0x[0-9a-f]+ \(payload_host\)$'
    refute_output --partial libmanhole
    refute_output --partial '...'
    assert_equal "$(tail -n 3 "$text" | head -n 1)" '#############################################'
}

@test "manhole_dump_stacktraces waits neither for a full pipe nor for ever, and gives no SIGPIPE" {
    start_host
    tell stacks full
    assert_equal "$reply" 'stacks Connection timed out'
    tell stacks broken
    assert_equal "$reply" 'stacks Broken pipe'
    tell stacks empty
    assert_equal "$reply" 'stacks ok'
    run -0 awk '/^SigPnd|^ShdPnd|^SigBlk/ { print $2 }' "/proc/$pid/task/$pid/status"
    assert_output "$(printf '%s\n' 0000000000000000 0000000000000000 0000000000000000)"
}
