# Targets that cannot be looked at: each has its exit status, and one line that says what to do.

setup() {
    load helpers
}

teardown() {
    end_all
    [[ -z ${public:-} ]] || rm -rf "$public"
}

# make_public FILE...: copies programs to where other users may run them, into the directory $public.
make_public() {
    public=$(mktemp -d)
    cp "$@" "$public"
    chmod -R a+rX "$public"
}

# as_user UID COMMAND...
as_user() {
    setpriv --reuid "$1" --regid "$1" --clear-groups "${@:2}"
}

# refuses STATUS PATTERN COMMAND...: the command fails so, with one line on standard error and none elsewhere.
refuses() {
    local expected=$1 pattern=$2
    shift 2
    run --separate-stderr "$@"
    assert_equal "$status" "$expected"
    assert_equal "${#stderr_lines[@]}" 1
    assert_equal "$output" ""
    [[ $stderr == manhole-attach:* && $stderr =~ $pattern ]] || fail "not what was expected: $stderr"
}

@test "a pid that nobody has is no such process" {
    start sleepers_and_spinners 0 0
    end "$pid"
    refuses 3 "no such process: $pid" "$ATTACH" --dump "$pid"
}

@test "manhole-attach does not look at itself" {
    refuses 2 "manhole-attach itself" sh -c 'exec "$0" --dump $$' "$ATTACH"
}

@test "the id of a thread is refused with the pid of its process" {
    start sleepers_and_spinners 1 0
    local tid
    tid=$(ls "/proc/$pid/task" | grep -vx "$pid")
    refuses 2 "a thread of process $pid" "$ATTACH" --dump "$tid"
}

@test "a thread of the kernel is named as one" {
    local kthread
    kthread=$(awk '$2 == "(kthreadd)" { print $1 }' /proc/[0-9]*/stat 2>/dev/null | head -1)
    [[ -n $kthread ]] || skip "no thread of the kernel is visible here"
    refuses 5 "a thread of the kernel" "$ATTACH" --dump "$kthread"
}

@test "a zombie is named as one, with the parent that should collect it" {
    start_quietly "$(command -v python3)" -c '
import os, sys, time
child = os.fork()
if child == 0: os._exit(0)
os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
print("child", child, flush=True)
time.sleep(1000)'
    wait_until 20 grep -q child "$output_file"
    refuses 5 "zombie.*parent $pid" "$ATTACH" --dump "$(sed -n 's/child //p' "$output_file")"
}

@test "another user's process is refused with both users and the remedy" {
    need_other_users
    start sleepers_and_spinners 1 0
    make_public "$ATTACH"
    refuses 4 "runs as root, you are nobody; run .* as root" as_user 65534 "$public/manhole-attach" --dump "$pid"
}

@test "root without the capability is told which one is missing" {
    need_other_users
    make_public "$TARGETS/sleepers_and_spinners"
    start_quietly "$(command -v setpriv)" --reuid 65534 --regid 65534 --clear-groups \
        "$public/sleepers_and_spinners" 1 0
    wait_until 20 grep -q ready "$output_file"
    refuses 4 "CAP_SYS_PTRACE" setpriv --bounding-set -sys_ptrace --inh-caps -sys_ptrace \
        "$ATTACH" --dump "$pid"
}

@test "a process that made itself undumpable is named as such to its own user" {
    need_other_users
    make_public "$TARGETS/undumpable" "$ATTACH"
    start_quietly "$(command -v setpriv)" --reuid 65533 --regid 65533 --clear-groups "$public/undumpable"
    wait_until 20 grep -q ready "$output_file"
    refuses 4 "not dumpable" as_user 65533 "$public/manhole-attach" --dump "$pid"
}

@test "a user looks at a process of their own without any privilege" {
    need_other_users
    (($(cat /proc/sys/kernel/yama/ptrace_scope 2>/dev/null || echo 0) == 0)) || skip "Yama forbids it here"
    make_public "$TARGETS/sleepers_and_spinners" "$ATTACH"
    start_quietly "$(command -v setpriv)" --reuid 65533 --regid 65533 --clear-groups \
        "$public/sleepers_and_spinners" 2 1
    wait_until 20 grep -q ready "$output_file"
    run -0 as_user 65533 "$public/manhole-attach" --dump "$pid"
    run -0 as_user 65533 "$public/manhole-attach" --dump --freeze "$pid"
}

@test "memory maps with odd and hostile names are understood" {
    run -0 "$TARGETS/maps_test"
    assert_output ok
}
