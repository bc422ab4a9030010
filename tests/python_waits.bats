# The GIL among what threads wait for: who holds it, who waits for it, and cycles of it and locks of C.

setup() {
    load helpers
}

teardown() {
    end_all
}

# start_python [ARGUMENT]: tests/targets/python_gil_and_mutex.py.
start_python() {
    start_quietly /usr/bin/python3 "$TOP/tests/targets/python_gil_and_mutex.py" "$@"
    wait_until 30 grep -qs '^ready' "$output_file"
}

# tid NAME: the id of the thread with this name in $output.
tid() {
    sed -n "s/^thread \([0-9]*\) \"$1\" .*/\1/p" <<<"$output"
}

dump() {
    run -0 "$ATTACH" --dump --no-source "$@"
}

shows_cycle() {
    dump "$@"
    local mutex='mutex 0x[0-9a-f]+( <[^>]*>)?' one other
    one="$(tid has_gil) \"has_gil\"" other="$(tid has_mutex) \"has_mutex\""
    assert_line --regexp "^DEADLOCK: ($one waits for $mutex held by $other, which waits for the GIL held by $one|$other waits for the GIL held by $one, which waits for $mutex held by $other); [12] more threads? waits? behind$"
    assert_line --regexp "^  holds the GIL; waits for $mutex held by $other$"
    run -0 grep -c "^  waits for the GIL held by $one$" <<<"$output"
    assert [ "$output" -ge 2 ]
}

@test "a mutex and the GIL that two threads have and want the other way round are a deadlock, every time" {
    local round
    start_python
    wait_until 30 shows_cycle --max-pause 10000 "$pid"
    for ((round = 0; round < $(scaled 100); round++)); do
        shows_cycle --max-pause 10000 "$pid"
    done
    shows_cycle --freeze --max-pause 10000 "$pid"
    dump --max-pause 10000 --save "$BATS_TEST_TMPDIR/saved" "$pid"
    shows_cycle --load "$BATS_TEST_TMPDIR/saved"
    dump_json --max-pause 10000 "$pid"
    run -0 jq -c '[.deadlocks[0] | length, ([.[]] | sort)]' <<<"$document"
    assert_output "[2,$(jq -c '[.threads[] | select(.name | startswith("has_")).tid] | sort' <<<"$document")]"
    run -0 jq -c '[.threads[] | select(.name | test("_")) | [.name, .holds_gil, .waits_for.kind, .waits_for.owner_name]] | sort' <<<"$document"
    assert_output '[["has_gil",true,"mutex","has_mutex"],["has_mutex",false,"gil","has_gil"],["wants_gil",false,"gil","has_gil"]]'
}

@test "threads that contend for the GIL and a mutex all the time are never a deadlock" {
    local round rounds waits=0 locks=0
    rounds=$((${SOAK:-0} ? 1000 : 10))
    start_python busy
    for ((round = 0; round < rounds; round++)); do
        dump --max-pause 10000 "$pid"
        refute_output --partial DEADLOCK
        ! grep -qE '^  waits for semaphore .*, a Python lock$' <<<"$output" || locks=$((locks + 1))
        ! grep -q '^  waits for the GIL' <<<"$output" || waits=$((waits + 1))
    done
    echo "# of $rounds dumps $waits show a thread that waits for the GIL" >&3
    assert [ "$waits" -gt $((rounds / 2)) ]
    assert [ "$locks" -gt $((rounds / 2)) ]
}
