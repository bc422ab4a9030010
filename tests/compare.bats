# The stacks of a dump are those that eu-stack and gdb find: the same threads, frames and functions.
#
# The processes are at rest, but alive: redis wakes ten times a second. A judge that came at such a moment is asked
# again; a frame that is really wrong is wrong each time.

setup() {
    load helpers
    JUDGES=$TOP/tests/judges
}
teardown() { end_all; }

# What the judges say of process $1, into file $2. Both stop it, so the dump is taken before.
ask_eu_stack() {
    # 1: some stacks ended in an error (a frame without tables), which the comparison shows anyhow.
    nsenter --target "$1" --mount --pid --root --wd eu-stack -r -p "$(own_pid "$1")" >"$2" 2>"$2.errors" || (($? == 1))
}

ask_gdb() {
    gdb --batch --quiet -nx -iex 'set debuginfod enabled off' -p "$1" -x "$JUDGES/gdb_stacks.py" \
        2>"$2.errors" | grep -E '^(TID|#)' | grep -v ' from ' >"$2"
}

# The pid that process $1 has in its own namespace.
own_pid() {
    awk '/^NSpid:/ { print $NF }' "/proc/$1/status"
}

# agrees JUDGE PID: whether the dump of PID and the judge agree; the comparison stays in $BATS_TEST_TMPDIR/comparison.
agrees() {
    local dump=$BATS_TEST_TMPDIR/dump.json judgement=$BATS_TEST_TMPDIR/judgement
    "$ATTACH" --dump --format json --no-inlines --raw-names --max-frames 0 -o "$dump" "$2" &&
        "ask_$1" "$2" "$judgement" &&
        "$JUDGES/compare_stacks" "$dump" "$judgement" >"$BATS_TEST_TMPDIR/comparison"
}

# agree PID THREADS FRAMES [JUDGE]: both judges, or the one, agree with the dump, and looked at that many threads
# and frames at least.
agree() {
    local judge threads frames rest
    for judge in ${4:-eu_stack gdb}; do
        wait_until 15 agrees "$judge" "$1" || {
            cat "$BATS_TEST_TMPDIR/comparison" "$BATS_TEST_TMPDIR/judgement.errors" >&2
            return 1
        }
        read -r threads _ frames _ rest < <(tail -n 1 "$BATS_TEST_TMPDIR/comparison")
        echo "# ${judge/_/-}: $threads threads, $frames frames, $rest" >&3
        assert [ "$threads" -ge "$2" ]
        assert [ "$frames" -ge "$3" ]
    done
}

@test "redis-server: the dump has the functions that eu-stack and gdb see" {
    start_redis
    agree "$pid" 5 20
}

@test "nginx, master and worker: the dump has the functions that eu-stack and gdb see" {
    local nginx worker
    nginx=$(command -v nginx || echo /usr/sbin/nginx)
    mkdir "$BATS_TEST_TMPDIR/nginx"
    cat >"$BATS_TEST_TMPDIR/nginx.conf" <<END
daemon off; worker_processes 1; user root; pid $BATS_TEST_TMPDIR/nginx/pid; error_log stderr;
events { }
http {
    access_log off;
    client_body_temp_path $BATS_TEST_TMPDIR/nginx/body; proxy_temp_path $BATS_TEST_TMPDIR/nginx/proxy;
    fastcgi_temp_path $BATS_TEST_TMPDIR/nginx/fastcgi; uwsgi_temp_path $BATS_TEST_TMPDIR/nginx/uwsgi;
    scgi_temp_path $BATS_TEST_TMPDIR/nginx/scgi;
    server { listen unix:$BATS_TEST_TMPDIR/nginx/socket; }
}
END
    start_quietly "$nginx" -p "$BATS_TEST_TMPDIR/nginx/" -c "$BATS_TEST_TMPDIR/nginx.conf"
    wait_until 20 has_child "$pid"
    worker=$(<"/proc/$pid/task/$pid/children")
    started+=("${worker% }")
    wait_until 20 sleeps "${worker% }"
    agree "$pid" 1 5
    agree "${worker% }" 1 5
}

has_child() { [[ -n $(<"/proc/$1/task/$1/children") ]]; }
# Asleep, and past its start.
sleeps() { [[ $(awk '/^State:/ { print $2 }' "/proc/$1/status") == S && $(<"/proc/$1/wchan") == *poll* ]]; }

@test "python3 with threads: the dump has the functions that eu-stack and gdb see" {
    start_quietly "$(command -v python3)" -c '
import threading
def wait_for_ever(lock): lock.acquire()
lock = threading.Lock(); lock.acquire()
for i in range(3): threading.Thread(target=wait_for_ever, args=(lock,), daemon=True).start()
print("ready", flush=True)
threading.Event().wait()'
    wait_until 20 grep -q ready "$output_file"
    agree "$pid" 4 40
}

@test "a C++ program: the dump has the functions that eu-stack and gdb see" {
    start cxx_workers
    agree "$pid" 5 40
}

@test "a program linked by lld: the dump has the functions that eu-stack and gdb see" {
    start cxx_by_lld
    agree "$pid" 5 40
}

@test "a program linked by mold: the dump has the functions that eu-stack and gdb see" {
    start cxx_by_mold
    agree "$pid" 5 40
}

@test "a program in mount and pid namespaces of its own: the dump has the functions that eu-stack sees inside" {
    # Its file is on a tmpfs that no other process sees, at a path where outside lies another program.
    local private=$BATS_TEST_TMPDIR/private
    mkdir "$private"
    cp "$(type -P sleep)" "$private/program"
    "$UNSHARED" sh -c '
        mount -t tmpfs none "$1" && cp "$2" "$1/program" && exec "$1/program"' \
        sh "$private" "$TARGETS/cxx_workers" >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
    started+=($!)
    wait_until 20 grep -qs ready "$BATS_TEST_TMPDIR/out"
    pid=$(<"/proc/$!/task/$!/children")
    pid=${pid% }
    assert_equal "$(own_pid "$pid")" 1
    assert_not_equal "$(readlink "/proc/$pid/ns/mnt")" "$(readlink /proc/self/ns/mnt)"
    # Not gdb: it refuses to list threads of another pid namespace.
    agree "$pid" 5 40 eu_stack
}

@test "the comparison itself sees a wrong name, a missing frame and a missing thread" {
    start cxx_workers
    agree "$pid" 5 40
    local dump=$BATS_TEST_TMPDIR/dump.json changed=$BATS_TEST_TMPDIR/changed.json change
    local -a changes=(
        '.threads[1].frames[2].function = "wrong" | .threads[1].frames[2].function_offset = "0x1"'
        '.threads[1].frames[2].function = null'
        'del(.threads[1].frames[-1])'
        'del(.threads[2])'
    )
    for change in "${changes[@]}"; do
        jq "$change" "$dump" >"$changed"
        run "$JUDGES/compare_stacks" "$changed" "$BATS_TEST_TMPDIR/judgement"
        assert_failure 1
    done
}
