# Attaching and uninstalling many times over on a server under load leaves it as it was.

# A quarter of it without `make soak`.
ROUNDS=${ROUNDS:-$((${SOAK:-0} ? 100 : 10))}
CHURN=$((${SOAK:-0} ? 50 : 5))

setup() {
    load helpers
}

teardown() {
    end_all
    rm -f "/tmp/manhole-$pid"
}

# The threads by name. jemalloc starts background threads of its own when another thread first allocates: those
# are redis's, not ours.
threads_of() {
    cat "/proc/$1"/task/*/comm | grep -v '^jemalloc_bg_thd$' | sort
}

fds_of() {
    # The connections of the load come and go.
    readlink "/proc/$1/fd"/* | grep -v '^socket:' | sort
}

# What is mapped, by name: the heap and anonymous arenas of a server under load grow and shrink.
maps_of() {
    awk '{ print $2, $6 }' "/proc/$1/maps" | grep / | sort
}

anonymous_count() {
    awk 'NF < 6' "/proc/$1/maps" | wc -l
}

@test "$ROUNDS rounds on redis under load: no error, and threads, descriptors and maps as before" {
    start_redis
    local server=$pid before after
    redis-benchmark -s "$redis_socket" -t set,get -n 100000000 -c 20 -q \
        >"$BATS_TEST_TMPDIR/load.out" 2>&1 3>&- &
    local load=$!
    started+=("$load")
    wait_until 20 under_load
    # One round first: what the C library loads and allocates once for any thread.
    "$ATTACH" --eval 'call getpid' "$server"
    "$ATTACH" --uninstall "$server"
    before="$(threads_of "$server") $(fds_of "$server") $(maps_of "$server")"
    local anonymous
    anonymous=$(anonymous_count "$server")
    for ((round = 1; round <= ROUNDS; round++)); do
        run "$ATTACH" --eval 'call getpid' "$server"
        assert_success
        assert_output --partial "$server"
        run "$ATTACH" --uninstall "$server"
        assert_success
        assert_output ''
    done
    after="$(threads_of "$server") $(fds_of "$server") $(maps_of "$server")"
    assert_equal "$after" "$before"
    # A server under load may map something itself, but not once per round.
    assert [ "$(anonymous_count "$server")" -le $((anonymous + ROUNDS / 5 + 5)) ]
    assert alive "$load"
    end "$load"
    refute grep -i error "$BATS_TEST_TMPDIR/load.out"
    redis_answers
}

under_load() {
    (($(redis-cli -s "$redis_socket" info clients | sed -n 's/^connected_clients:\([0-9]*\).*/\1/p') > 10))
}

# The long form is `make churn`.
@test "$CHURN rounds each in a program that allocates, loads, forks, throws and takes signals all the time: it is as before" {
    # With glibc's malloc and exceptions, other allocators, and another C library.
    ROUNDS=$CHURN run "$TOP/tests/churn"
    assert_success
    assert_line --regexp '^musl +'"$CHURN"' rounds'
}

@test "without safe points the same program comes to harm" {
    UNCHECKED=1 ROUNDS=100 run "$TOP/tests/churn" glibc
    assert_success
    assert_line --regexp '^    (bad |it hangs: |it was ended by |manhole-attach )'
}
