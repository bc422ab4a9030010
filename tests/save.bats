# A dump made elsewhere: --save keeps what it is made from, --load makes it again without the process.

setup() {
    load helpers
    saved=$BATS_TEST_TMPDIR/saved
}

teardown() {
    end_all
}

# save_and_show FORM PID [OPTIONS...]: one look at a process, saved in $saved and shown in $saved.FORM.
save_and_show() {
    local form=$1 target=$2
    shift 2
    "$ATTACH" --dump --save "$saved" --format "$form" -o "$saved.$form" "$target" "$@"
}

# assert_same FORM [OPTIONS...]: what the file gives is, byte for byte, what was shown when it was saved.
assert_same() {
    local form=$1
    shift
    "$ATTACH" --dump --load "$saved" --format "$form" "$@" >"$saved.loaded"
    diff "$saved.$form" "$saved.loaded"
}

# assert_round_trip PID [OPTIONS...]: that, in each form.
assert_round_trip() {
    local form
    for form in text json folded; do
        save_and_show "$form" "$@"
        assert_same "$form" "${@:2}"
    done
}

start_python() {
    start_quietly "$(command -v python3)" -c '
import threading, time
def outer(event): event.wait()
event = threading.Event()
for i in range(5): threading.Thread(target=outer, args=(event,), name="waiter").start()
print("ready", flush=True)
time.sleep(1000)'
    wait_until 20 grep -qs '^ready' "$BATS_TEST_TMPDIR/python3.out"
}

@test "what is loaded is what was shown: threads in many calls, deep stacks, names that steer a terminal" {
    start thread_shapes
    assert_round_trip "$pid"
    assert_round_trip "$pid" --max-frames 0
    run -0 grep -c 'descend+0x' "$saved.text"
    assert_output 1001
}

@test "what is loaded is what was shown: redis" {
    start_redis
    assert_round_trip "$pid"
}

@test "what is loaded is what was shown: a worker of nginx" {
    local conf=$BATS_TEST_TMPDIR/nginx.conf
    cat >"$conf" <<END
daemon off; pid $BATS_TEST_TMPDIR/nginx.pid; error_log stderr; worker_processes 1;
events { worker_connections 16; }
http { access_log off; server { listen unix:$BATS_TEST_TMPDIR/nginx.sock; } }
END
    start_quietly "$(command -v nginx)" -c "$conf" -p "$BATS_TEST_TMPDIR"
    wait_until 20 pgrep -P "$pid" -f 'worker process'
    local worker
    worker=$(pgrep -P "$pid" -f 'worker process')
    wait_until 20 grep -q epoll "/proc/$worker/wchan"
    assert_round_trip "$worker"
}

@test "what is loaded is what was shown: python3 with threads" {
    start_python
    assert_round_trip "$pid"
}

@test "what is loaded is what was shown: C++, and without inlined functions, sources, or readable names" {
    start cxx_workers
    assert_round_trip "$pid"
    assert_round_trip "$pid" --no-inlines
    assert_round_trip "$pid" --no-source --raw-names --all-threads-listed
}

@test "what is loaded is what was shown: a static program of musl" {
    start static_musl
    assert_round_trip "$pid"
}

@test "what is loaded is what was shown: threads that run, and were stopped for it" {
    start sleepers_and_spinners 3 2
    local form
    # On a machine with more to do than it has processors, a thread that computes takes its time to stop.
    for form in text json; do
        save_and_show "$form" "$pid" --max-pause 5000
        assert_same "$form"
    done
    save_and_show text "$pid" --max-pause 5000 --freeze
    assert_same text
}

@test "what is loaded is what was shown: a thread that is stopped for a register" {
    start needs_register
    assert_round_trip "$pid"
    run -0 tail -n 1 "$saved.text"
    assert_output --partial 'paused 1 of 6'
}

@test "what is loaded is what was shown: code without tables, in signal handlers, on stacks of its own" {
    local target
    for target in without_tables frame_pointers_only in_a_handler altstack_handler coroutine smashed_stack; do
        start "$target"
        assert_round_trip "$pid"
        end "$pid"
    done
}

@test "what is loaded is what was shown: a deadlock, and who waits for whom" {
    start deadlock 3
    assert_round_trip "$pid"
    end "$pid"
    run -0 "$ATTACH" --dump --load "$saved"
    assert_output --partial 'DEADLOCK: '
}

@test "code that a runtime made keeps the name that was registered for it, when the map is gone" {
    start jit_code
    local map=/tmp/perf-$pid.map code
    code=$(sed -n 's/^ready \([0-9a-f]*\) .*/\1/p' "$output_file")
    [[ ! -e $map ]] || fail "$map is there already"
    echo "$code 15 made here" >"$map"
    save_and_show text "$pid"
    rm "$map"
    assert_same text
    run -0 grep -c 'made here+0x' "$saved.text"
}

@test "a thread that was stopped too briefly is not counted as spared, in what is loaded either" {
    start needs_register
    run -0 "$ATTACH" --dump --max-pause 0.001 --save "$saved" -o "$saved.text" "$pid"
    run -0 grep -E '^paused 1 of 6 threads .*; 5 blocked, not stopped; .*within --max-pause$' "$saved.text"
    assert_same text
}

@test "options of the dump apply to what is loaded" {
    start thread_shapes
    save_and_show text "$pid"
    run -0 "$ATTACH" --dump --load "$saved" --no-source --max-frames 10
    refute_output --partial 'thread_shapes.c'
    assert_output --partial '... there are more frames'
    run -0 "$ATTACH" --dump --load "$saved" -o "$BATS_TEST_TMPDIR/out"
    assert_output ''
    diff "$saved.text" "$BATS_TEST_TMPDIR/out"
}

@test "a process that has ended is shown as it was, and nothing is asked of it" {
    start thread_shapes
    save_and_show text "$pid"
    end "$pid"
    strace -f -o "$BATS_TEST_TMPDIR/trace" "$ATTACH" --dump --load "$saved" >"$saved.loaded"
    diff "$saved.text" "$saved.loaded"
    # libdw looks up its own descriptors in /proc/self.
    run -1 grep -E "/proc/($pid|[a-z]*[^/s][a-z]*/)|process_vm_readv|ptrace|pidfd_open" "$BATS_TEST_TMPDIR/trace"
}

@test "a deleted program and a replaced library, their lines and static functions too, are in the file" {
    local here=$BATS_TEST_TMPDIR
    cp "$TARGETS/thread_shapes" "$here/deleted"
    start "$here/deleted"
    rm "$here/deleted"
    assert_round_trip "$pid"
    end "$pid"
    assert_same folded
    run -0 grep -c 'thread_shapes.c:' <("$ATTACH" --dump --load "$saved")
    run -0 grep -c ', deleted)' <("$ATTACH" --dump --load "$saved")
}

@test "where the files are missing, frames and names are those found where it was saved, and are labelled" {
    cp "$TARGETS/cxx_workers" "$BATS_TEST_TMPDIR/program"
    start "$BATS_TEST_TMPDIR/program"
    save_and_show json "$pid"
    end "$pid"
    rm "$BATS_TEST_TMPDIR/program"
    "$ATTACH" --dump --load "$saved" --format json >"$saved.loaded"
    local frames='[.threads[].frames | map(select(.inlined | not)) | map([.pc, .build_id, .offset, .function, .how])]'
    run -0 jq -c "$frames" "$saved.json"
    local before=$output
    run -0 jq -c "$frames" "$saved.loaded"
    assert_equal "$output" "$before"
    run -0 jq -c '[.threads[].frames_saved] | unique' "$saved.loaded"
    assert_output '[true]'
    run -0 "$ATTACH" --dump --load "$saved"
    assert_output --partial '... these frames were found where it was saved: not all files are here'
    refute_output --partial 'cxx_workers.cc'
}

@test "a file is believed only if it is the one: another program at its path gives no names" {
    cp "$TARGETS/thread_shapes" "$BATS_TEST_TMPDIR/program"
    start "$BATS_TEST_TMPDIR/program"
    save_and_show json "$pid"
    end "$pid"
    rm "$BATS_TEST_TMPDIR/program"
    cp "$TARGETS/cxx_workers" "$BATS_TEST_TMPDIR/program"
    run -0 "$ATTACH" --dump --load "$saved"
    refute_output --partial '::'
    assert_line --regexp '^  #[0-9]+ +descend\+0x[0-9a-f]+ \(program\)$'
}

@test "by itself --save prints one line, and the file is for its owner alone" {
    start thread_shapes
    umask 000
    run -0 --separate-stderr "$ATTACH" --dump --save "$saved" "$pid"
    assert_equal "$output" ''
    assert_equal "$stderr" "manhole-attach: saved in $saved; 'manhole-attach --dump --load' shows it"
    assert_equal "$(stat -c %a "$saved")" 600
    echo old >"$saved"
    chmod 644 "$saved"
    "$ATTACH" --dump --save "$saved" "$pid" 2>/dev/null
    assert_equal "$(stat -c %a "$saved")" 600
}

@test "a snapshot goes through a pipe" {
    start thread_shapes
    run -0 bash -o pipefail -c \
        "'$ATTACH' --dump --save /dev/stdout $pid 2>/dev/null | '$ATTACH' --dump --load /dev/stdin"
    assert_line --index 0 --regexp "^process $pid .*thread_shapes"
}

@test "no file is left when there is nothing to save" {
    echo old >"$saved"
    run -3 "$ATTACH" --dump --save "$saved" 4194304
    assert_equal "$(<"$saved")" old
    run -1 "$ATTACH" --dump --save "$BATS_TEST_TMPDIR/no/where" $$
    assert_output --partial 'cannot be written'
}

# sections: the decompressed content of $saved.
sections() {
    python3 -c 'import sys, zlib
sys.stdout.buffer.write(zlib.decompress(open(sys.argv[1], "rb").read()[32:-16]))' "$saved"
}

@test "stacks are in the file, and what the program keeps in its heap and its variables is not" {
    start keeps_secrets
    "$ATTACH" --dump --save "$saved" "$pid" 2>/dev/null
    run -0 grep -ac 'secret on the stack' <(sections)
    run -1 grep -ac 'secret in the heap' <(sections)
    run -1 grep -ac 'secret in a variable' <(sections)
    run -1 grep -ac 'secret in a mapped file' <(sections)
    # Of a program that is gone from its path, only the file as it was built, without what became of its variables.
    cp "$TARGETS/keeps_secrets" "$BATS_TEST_TMPDIR/gone"
    start "$BATS_TEST_TMPDIR/gone"
    rm "$BATS_TEST_TMPDIR/gone"
    "$ATTACH" --dump --save "$saved" "$pid" 2>/dev/null
    run -1 grep -ac 'secret in the heap' <(sections)
    run -1 grep -ac 'secret in a variable' <(sections)
}

@test "with --locals too: values on the stack are shown, those in the heap are said not to be saved" {
    start keeps_secrets
    save_and_show text "$pid" --locals
    run -0 grep -c 'secret in the heap' "$saved.text"
    run -1 grep -ac 'secret in the heap' <(sections)
    run -0 "$ATTACH" --dump --load "$saved" --locals
    assert_line --regexp 'stack = .*"secret on the stack'
    assert_line --regexp 'heap = .*<not saved>'
}

@test "what is no snapshot, one of another version, and one of another machine are told apart" {
    start thread_shapes
    "$ATTACH" --dump --save "$saved" "$pid" 2>/dev/null
    run -2 "$ATTACH" --dump --load "$BATS_TEST_TMPDIR/nowhere"
    assert_output --partial 'cannot be opened'
    run -2 "$ATTACH" --dump --load "$BATS_TEST_TMPDIR"
    assert_output --partial 'cannot be read'
    run -2 "$ATTACH" --dump --load "$ATTACH"
    assert_output --partial 'is no snapshot'
    run -2 "$ATTACH" --dump --load /dev/null
    assert_output --partial 'is no snapshot'
    cp "$saved" "$saved.other"
    printf '\x02' | dd of="$saved.other" bs=1 seek=8 conv=notrunc status=none
    run -2 "$ATTACH" --dump --load "$saved.other"
    assert_output --partial 'of version 2'
    cp "$saved" "$saved.other"
    printf 'aarch64\0' | dd of="$saved.other" bs=1 seek=16 conv=notrunc status=none
    run -5 "$ATTACH" --dump --load "$saved.other"
    assert_output --partial 'another machine (aarch64)'
}

@test "a file that is cut off anywhere says so, and shows nothing" {
    start thread_shapes
    "$ATTACH" --dump --save "$saved" "$pid" 2>/dev/null
    local size cut
    size=$(stat -c %s "$saved")
    for cut in 3 8 20 32 33 47 48 200 $((size / 2)) $((size - 16)) $((size - 1)); do
        head -c "$cut" "$saved" >"$saved.cut"
        run -1 --separate-stderr "$ATTACH" --dump --load "$saved.cut"
        assert_equal "$output" ''
        assert_equal "$stderr" "manhole-attach: $saved.cut is cut off: copy it again"
    done
}

@test "of files with wrong bytes in them, none gives anything wrong" {
    start static_program
    "$ATTACH" --dump --save "$saved" "$pid" 2>/dev/null
    run -0 python3 - "$ATTACH" "$saved" "$(scaled 400)" <<'END'
import random, subprocess, sys
attach, saved, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
good = open(saved, "rb").read()
shown = subprocess.run([attach, "--dump", "--load", saved], capture_output=True).stdout
random.seed(3)
refused = 0
for i in range(rounds):
    bad = bytearray(good)
    for _ in range(random.choice((1, 1, 2, 8))):
        bad[random.randrange(len(bad))] ^= 1 << random.randrange(8)
    if bad == good: continue
    open(saved + ".bad", "wb").write(bad)
    done = subprocess.run([attach, "--dump", "--load", saved + ".bad"], capture_output=True)
    # Compressed data have several forms: some changes change nothing.
    if done.returncode == 0 and done.stdout == shown: continue
    assert done.returncode in (1, 2, 5), (i, done)
    assert done.stdout == b"" and done.stderr.count(b"\n") == 1, (i, done)
    refused += 1
assert refused > rounds * 3 // 4, refused
END
}

@test "files with wrong contents and right checksums do no harm" {
    start poller
    "$ATTACH" --dump --save "$saved" "$pid" 2>/dev/null
    run -0 python3 - "$ATTACH" "$saved" "$(scaled 400)" <<'END'
import random, struct, subprocess, sys, zlib
attach, saved, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
file = open(saved, "rb").read()
good = zlib.decompress(file[32:-16])
random.seed(4)
ends = {}
for i in range(rounds):
    bad = bytearray(good)
    # Often near the beginning: most of the rest are bytes of stacks.
    for _ in range(random.choice((1, 2, 4, 16))):
        at = random.randrange(random.choice((64, 4096, len(bad))))
        value = random.choice((0, 1, 0x7f, 0x80, 0xff, random.randrange(256)))
        length = random.choice((1, 1, 4, 8))
        bad[at:at + length] = bytes([value] * len(bad[at:at + length]))
    if random.random() < 0.1: del bad[random.randrange(len(bad)):]
    body = zlib.compress(bytes(bad), 1)
    tail = struct.pack("<QI", len(bad), zlib.crc32(file[:32] + bytes(bad))) + b"END\n"
    open(saved + ".bad", "wb").write(file[:32] + body + tail)
    done = subprocess.run([attach, "--dump", "--load", saved + ".bad", "--no-source", "--format",
                           random.choice(("text", "json"))], capture_output=True, timeout=60)
    ends[done.returncode] = ends.get(done.returncode, 0) + 1
    assert done.returncode in (0, 1, 5), (i, done)
    if done.returncode and not done.stdout:
        assert done.stderr.count(b"\n") == 1, (i, done)
assert ends.get(0) and ends.get(1), ends
END
}

@test "a number that asks for more memory than there is costs nothing" {
    start thread_shapes
    "$ATTACH" --dump --save "$saved" "$pid" 2>/dev/null
    run -0 python3 - "$saved" <<'END'
import struct, sys
file = bytearray(open(sys.argv[1], "rb").read())
file[-16:-8] = struct.pack("<Q", 1 << 62)
open(sys.argv[1] + ".bad", "wb").write(file)
END
    run -1 bash -c "ulimit -v 400000; '$ATTACH' --dump --load '$saved.bad'"
    assert_output --partial 'is damaged'
}
