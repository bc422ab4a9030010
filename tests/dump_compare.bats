# The names in a dump are those that eu-stack and gdb find, frame by frame, in programs of all sorts.

setup() {
    load helpers
}

teardown() {
    end_all
}

# Frames as "tid number pc name", without the versions and prefixes by which the C library marks other
# names of the same function.
plain_names() {
    sed -E 's/@@?GLIBC[^ ]*//; s/ (__GI_|__libc_|_+)+/ /; s/ $//'
}

our_frames() {
    "$ATTACH" --dump --format json --no-inlines --no-source --max-frames 0 "$1" | python3 -c 'import json, sys
for t in json.load(sys.stdin)["threads"]:
    for i, f in enumerate(t["frames"]):
        name = (f["function"] or "").split("(")[0]
        print(t["tid"], i, f["pc"][2:].zfill(16), name)' | plain_names
}

# eu-stack exits with 1 where it found less than it looked for.
their_frames() {
    { "${in_namespaces[@]}" eu-stack -n 0 -p "$2" || true; } | awk -v shift="$(($1 - $2))" '
        /^TID/ { tid = $2 + 0 + shift }
        /^#/ { name = $3; sub(/\(.*/, "", name); print tid, substr($1, 2), substr($2, 3), name }' | plain_names
}

# same_frames PID [PID IN ITS NAMESPACE]: both tools see the same now. Threads may move in between: so it is tried.
same_frames() {
    our_frames "$1" >"$BATS_TEST_TMPDIR/ours"
    their_frames "$1" "${2:-$1}" >"$BATS_TEST_TMPDIR/theirs"
    [[ -s $BATS_TEST_TMPDIR/theirs ]] && diff "$BATS_TEST_TMPDIR/theirs" "$BATS_TEST_TMPDIR/ours" >"$BATS_TEST_TMPDIR/diff"
}

assert_same_frames() {
    wait_until 20 same_frames "$@" || fail "$(<"$BATS_TEST_TMPDIR/diff")"
}

@test "redis-server" {
    start_redis
    assert_same_frames "$pid"
}

@test "nginx, master and worker" {
    local prefix=$BATS_TEST_TMPDIR/nginx
    mkdir -p "$prefix/logs"
    cat >"$prefix/nginx.conf" <<END
daemon off;
pid $prefix/pid;
error_log stderr;
events {}
http {
    access_log off;
    client_body_temp_path $prefix/a; proxy_temp_path $prefix/b; fastcgi_temp_path $prefix/c;
    uwsgi_temp_path $prefix/d; scgi_temp_path $prefix/e;
    server { listen unix:$prefix/socket; }
}
END
    start_quietly "$(command -v nginx)" -p "$prefix" -c "$prefix/nginx.conf"
    wait_until 20 pgrep -P "$pid"
    local worker
    worker=$(pgrep -P "$pid" | head -1)
    started+=("$worker")
    assert_same_frames "$pid"
    assert_same_frames "$worker"
}

@test "python3 with a thread" {
    start_quietly /usr/bin/python3 -c 'import threading, time
threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
print("ready", flush=True)
time.sleep(1000)'
    wait_until 20 grep -q ready "$output_file"
    assert_same_frames "$pid"
}

@test "a C++ program" {
    start cxx_server
    assert_same_frames "$pid"
    # Names as written, parameters included.
    run -0 "$ATTACH" --dump "$pid"
    assert_output --partial 'shop::Server<int>::serve(std::'
    run -0 "$ATTACH" --dump --raw-names "$pid"
    assert_output --partial '_ZN4shop6ServerIiE5serve'
}

@test "a program linked by lld" {
    start lld_linked
    assert_same_frames "$pid"
}

@test "a program in its own mount and pid namespaces, whose files are not ours" {
    local root=$BATS_TEST_TMPDIR/inner
    mkdir "$root"
    cp "$TARGETS/thread_shapes" "$BATS_TEST_TMPDIR/program"
    # The program's file exists only in there.
    unshare --mount --pid --fork --mount-proc --kill-child bash -c "mount -t tmpfs tmpfs '$root' &&
        cp '$BATS_TEST_TMPDIR/program' '$root/inside' && exec '$root/inside'" \
        >"$BATS_TEST_TMPDIR/inside.out" 2>&1 3>&- &
    local outer=$!
    started+=("$outer")
    wait_until 20 grep -q ready "$BATS_TEST_TMPDIR/inside.out"
    local pid
    pid=$(pgrep -P "$outer")
    started+=("$pid")
    local -a in_namespaces=(nsenter -t "$pid" -m -p)
    # Thread ids there are other numbers; frames are what is compared.
    inner_frames() {
        our_frames "$pid" | cut -d' ' -f2- >"$BATS_TEST_TMPDIR/ours"
        their_frames 1 1 | cut -d' ' -f2- >"$BATS_TEST_TMPDIR/theirs"
        [[ -s $BATS_TEST_TMPDIR/theirs ]] &&
            diff "$BATS_TEST_TMPDIR/theirs" "$BATS_TEST_TMPDIR/ours" >"$BATS_TEST_TMPDIR/diff"
    }
    wait_until 20 inner_frames || fail "$(<"$BATS_TEST_TMPDIR/diff")"
    run -0 grep -c ' descend$' "$BATS_TEST_TMPDIR/ours"
    assert_output 1001
}
