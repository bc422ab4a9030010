# The call a thread is blocked in, with its arguments in words.

setup() {
    load helpers
    start blocking_calls
    run -0 "$ATTACH" --dump --no-source "$pid"
}

teardown() {
    end_all
}

# shows NAME PATTERN: the thread with that name is shown in a call that matches.
shows() {
    local line
    line=$(grep "^thread [0-9]* \"$1\" " <<<"$output") || fail "no thread $1: $output"
    [[ $line =~ \"' 'S' 'blocked' 'in' '$2$ ]] || fail "$line, not $2"
}

@test "descriptors are shown with what they lead to" {
    shows epoll_wait 'epoll_wait\(epfd [0-9]+ <anon_inode:\[eventpoll\]>, events 0x[0-9a-f]+, maxevents 1, no timeout\)'
    shows timerfd_read 'read\(fd [0-9]+ <anon_inode:\[timerfd\]>, buf 0x[0-9a-f]+, count 8\)'
    shows accept 'accept\(fd [0-9]+ <socket:\[[0-9]+\]>, addr NULL, addrlen NULL\)'
    shows poll 'poll\(fds \[[0-9]+ <pipe:\[[0-9]+\]> in\], nfds 1, no timeout\)'
}

@test "time-outs are shown in units for people, whatever the call's own" {
    shows epoll_wait_time 'epoll_wait\(.*, timeout 60 min\)'
    shows epoll_pwait2 'epoll_pwait2\(.*, timeout 60 min\)'
    shows poll_time 'poll\(.*, timeout 60 min\)'
    shows select 'p?select6?\(.*, timeout 60 min\)'
    shows nanosleep '(clock_)?nanosleep\(.*time 60 min\)'
    shows semtimedop 'semtimedop\(.*, timeout 60 min\)'
}

@test "absolute times are shown as moments" {
    shows sem_clockwait 'futex\(uaddr 0x[0-9a-f]+, WAIT_BITSET_PRIVATE, val 0, until MONOTONIC [0-9]+\.[0-9]{3} s\)'
}

@test "what an argument points to is shown as it was during the call" {
    start brief_sleeps
    local round calls=0
    for round in {1..100}; do
        run -0 "$ATTACH" --dump "$pid"
        refute_output --partial days
        [[ $output != *'nanosleep(clock REALTIME, time 123 ms)'* ]] || ((++calls == 5)) || continue
        ((calls < 5)) || return 0
    done
    fail "it is never seen asleep"
}

@test "futex operations are shown by name" {
    shows futex_mutex 'futex\(uaddr 0x[0-9a-f]+, WAIT_PRIVATE, val 2, no timeout\)'
    shows futex_time 'futex\(uaddr 0x[0-9a-f]+, WAIT, val 0, timeout 60 min\)'
    shows futex_bitset 'futex\(uaddr 0x[0-9a-f]+, WAIT_BITSET, val 0, no timeout, mask 0x1\)'
}

@test "signal sets, locks and children are shown by name and id" {
    shows sigwaitinfo 'rt_sigtimedwait\(set \{SIGUSR1\}, info 0x[0-9a-f]+, no timeout\)'
    shows flock 'flock\(fd [0-9]+ </.*>, operation LOCK_EX\)'
    shows wait4 'wait4\(pid [0-9]+\)'
    shows waitid 'waitid\(idtype P_PID, id [0-9]+, options 0x[0-9a-f]+\)'
}

@test "the JSON has the call in words too, and its bare arguments" {
    run -0 "$ATTACH" --dump --format json "$pid"
    run -0 python3 -c 'import json, sys
for t in json.load(sys.stdin)["threads"]:
    if t["name"] == "epoll_wait": print(t["syscall"]["name"], len(t["syscall"]["arguments"]), t["syscall"]["text"])' \
        <<<"$output"
    assert_output --regexp '^epoll_wait 6 epoll_wait\(epfd .*no timeout\)$'
}
