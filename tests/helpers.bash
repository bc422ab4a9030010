# What every suite needs: the tools under test, targets started and ended by pid, waiting for conditions.
# Load it in setup(): `load helpers`.

bats_require_minimum_version 1.5.0
# As their load.bash does, which costs each test a third of a second in processes.
for library_file in /usr/lib/bats/bats-{support,assert}/src/*.bash; do
    source "$library_file"
done

TOP=$(cd "$BATS_TEST_DIRNAME/.." && pwd)
BUILD=${BUILD:-$TOP/build}
[[ $BUILD == /* ]] || BUILD=$TOP/$BUILD
ATTACH=$BUILD/manhole-attach
TARGETS=$BUILD/targets
# Some systems set it for everybody; no test but those about it may ask a server.
unset DEBUGINFOD_URLS
# Nor leave anything in the user's directories, or find what another run left there.
export MANHOLE_CACHE=off

# wait_until SECONDS COMMAND...: runs COMMAND until it succeeds; fails when the deadline passes.
wait_until() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        if ((SECONDS > deadline)); then
            echo "waited in vain for: $*" >&2
            return 1
        fi
        sleep 0.05
    done
}

# scaled N: how often to do what is about large numbers: N times in `make soak`, a tenth of that in `make check`.
scaled() {
    echo $((${SOAK:-0} ? $1 : ($1 + 9) / 10))
}

# start NAME [ARGUMENTS...]: starts $TARGETS/NAME (or a program by path) in the background with its output in
# $BATS_TEST_TMPDIR/NAME.out, sets $pid, and waits until it printed a line "ready" (targets of ours do).
start() {
    local program=$1 name=${1##*/}
    shift
    [[ $program == */* ]] || program=$TARGETS/$program
    start_quietly "$program" "$@"
    wait_until 20 grep -qs '^ready' "$BATS_TEST_TMPDIR/$name.out"
}

# The same for a program that prints no "ready".
start_quietly() {
    local program=$1
    shift
    output_file=$BATS_TEST_TMPDIR/${program##*/}.out
    "$program" "$@" >"$output_file" 2>&1 3>&- &
    pid=$!
    started+=("$pid")
}

# start_obeying COMMAND...: starts a target that obeys standard input, one word a line, each answered by a line of its
# output ($out), where `ready` is the first. `tell` talks to it; teardown() should close descriptor 7.
start_obeying() {
    out=$BATS_TEST_TMPDIR/obeying.out
    local control=$BATS_TEST_TMPDIR/control
    rm -f "$control"
    mkfifo "$control"
    "$@" <"$control" >"$out" 2>&1 3>&- 7>&- &
    pid=$!
    started+=("$pid")
    exec 7>"$control"
    wait_until 20 grep -qs '^ready' "$out"
}

# tell WORDS: sets $reply to the line that the target answers with.
tell() {
    local before
    before=$(wc -l <"$out")
    tell_only "$@"
    wait_until 60 has_lines "$out" $((before + 1))
    reply=$(sed -n "$((before + 1))p" "$out")
}

# The same for an answer that comes later.
tell_only() {
    echo "$*" >&7
}

has_lines() {
    (($(wc -l <"$1") >= $2))
}

# end PID...: ends what this test started, by pid, and reaps it.
end() {
    local one
    for one in "$@"; do
        kill -CONT "$one" 2>/dev/null || true
        kill -KILL "$one" 2>/dev/null || true
        wait "$one" 2>/dev/null || true
    done
}

# Call it in teardown().
end_all() {
    end "${started[@]}"
    started=()
}

# start_redis: a redis-server of this test's own on a UNIX socket ($redis_socket), no port, no files kept.
start_redis() {
    redis_socket=$BATS_TEST_TMPDIR/redis.sock
    start_quietly "$(command -v redis-server)" --port 0 --unixsocket "$redis_socket" --save '' \
        --appendonly no --dir "$BATS_TEST_TMPDIR" "$@"
    wait_until 20 redis_answers
}

redis_answers() {
    [[ $(redis-cli -s "$redis_socket" ping 2>/dev/null) == PONG ]]
}

# alive PID: true while it is neither gone nor a zombie.
alive() {
    [[ -e /proc/$1/stat ]] && ! grep -q '^State:[[:space:]]Z' "/proc/$1/status"
}

# dump_json [OPTIONS...] PID...: the JSON document of a dump in $document, its messages in $stderr.
dump_json() {
    run --separate-stderr -0 "$ATTACH" --dump --format json "$@"
    document=$output
}

# c CODE...: evaluates each in one session with the options in $with; sets $output.
c() {
    local codes=() code
    for code in "$@"; do
        codes+=(--eval "$code")
    done
    run timeout 120 "$ATTACH" "${with[@]}" "${codes[@]}" "$pid"
}

# Programs in namespaces of their own: see there.
UNSHARED=$TOP/tests/unshared

# Skips a test that runs something as another user where no other user can run anything: in a root directory that only
# root may enter, as some tools that make one leave it.
need_other_users() {
    setpriv --reuid 65534 --regid 65534 --clear-groups true 2>/dev/null ||
        skip "other users may not enter the root directory of this machine"
}

[[ -z ${SANITIZE-} ]] || PATH=$TOP/tests/sanitized:$PATH
