# For suites about what happens at the n-th system call of manhole-attach or its helper: sets them up, with $KILL_AT, which
# is tests/tools/kill_at.c.

# In `make soak` each of these takes an hour.
[[ ${SOAK:-0} == 0 ]] || BATS_TEST_TIMEOUT=20000

setup_file() {
    load helpers
    export KILL_AT=$BATS_FILE_TMPDIR/kill_at
    gcc -Wall -Wextra -O1 -D_GNU_SOURCE -o "$KILL_AT" "$TOP/tests/tools/kill_at.c"
}

setup() {
    load helpers
    # A sanitized tool looks for leaks by ptrace, which cannot be while it is traced.
    export ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0
}
