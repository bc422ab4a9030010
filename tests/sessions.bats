# Clients of the manhole, from their first byte to their last: how they leave, what they may send, and how they wait.

setup() {
    load helpers
    load payload_host
}

teardown() {
    exec 7>&- 8>&-
    end_all
}

# hold: a client that is served until release_hold; its pid is $holder.
hold() {
    mkfifo "$BATS_TEST_TMPDIR/hold"
    socat - "UNIX-CONNECT:$socket" <"$BATS_TEST_TMPDIR/hold" >"$BATS_TEST_TMPDIR/first" 3>&- 7>&- &
    holder=$!
    started+=("$holder")
    exec 8>"$BATS_TEST_TMPDIR/hold"
    wait_until 20 grep -qs '> ' "$BATS_TEST_TMPDIR/first"
}

release_hold() {
    echo quit >&8
    exec 8>&-
}

# queued NUMBER [LINE...]: a client that is told that number in the queue; its answers go to $BATS_TEST_TMPDIR/NUMBER.
queued() {
    printf '%s\n' "${@:2}" quit >"$BATS_TEST_TMPDIR/lines-$1"
    socat -t 100 - "UNIX-CONNECT:$socket" <"$BATS_TEST_TMPDIR/lines-$1" >"$BATS_TEST_TMPDIR/$1" 3>&- 7>&- 8>&- &
    started+=($!)
    wait_until 20 grep -qs "; you are number $1 in the queue\$" "$BATS_TEST_TMPDIR/$1"
}

# Descriptors of the host.
descriptors() {
    local fds=("/proc/$pid/fd/"*)
    echo ${#fds[@]}
}

has_descriptors() {
    (($(descriptors) == $1))
}

# --- How they wait. ---

@test "a second client of frames is told at once who holds the manhole" {
    installed
    hold
    run "$CLIENT" "$socket" upgrade
    assert_output "LINE manhole: busy: held by pid $holder"
    tell status
    assert_equal "$reply" "status ok: $socket held by pid $holder"
    thread_named "mh<$holder"
    release_hold
    wait_until 10 answers
}

@test "a client of text waits for its turn, and what it said meanwhile is answered then" {
    installed "log=$log"
    hold
    queued 1 'call give_sum 1'
    queued 2 'call give_sum 2'
    assert_equal "$(head -n 1 "$BATS_TEST_TMPDIR/1")" "manhole: busy: held by pid $holder; you are number 1 in the queue"
    # A client of frames does not wait, however many do.
    run "$CLIENT" "$socket" upgrade
    assert_output "LINE manhole: busy: held by pid $holder"
    release_hold
    wait_until 30 grep -qs goodbye "$BATS_TEST_TMPDIR/2"
    grep -q '= 1 (0x1)' "$BATS_TEST_TMPDIR/1"
    grep -q goodbye "$BATS_TEST_TMPDIR/1"
    grep -q '= 2 (0x2)' "$BATS_TEST_TMPDIR/2"
    grep -q "ThreadID=$pid" "$BATS_TEST_TMPDIR/2"
    wait_until 10 log_has 'Cleaned up'
    # The first, the two in the order in which they came.
    run -0 sed -nE 's/.*Accepted connection on fd:[0-9]+ from PID:([0-9]+) UID:0 GID:0$/\1/p' "$log"
    assert_output "$(printf '%s\n' "$holder" "${started[-2]}" "${started[-1]}")"
}

@test "50 clients at once are all served, one after the other" {
    installed
    local before i clients=()
    say help
    before=$(counts)
    hold
    for i in $(seq 50); do
        socat -t 200 - "UNIX-CONNECT:$socket" <<<$'call touch\nquit' >"$BATS_TEST_TMPDIR/$i" 3>&- 7>&- 8>&- &
        clients+=($!)
        started+=($!)
    done
    all_told() {
        (($(cat "$BATS_TEST_TMPDIR"/[0-9]* | grep -c 'in the queue$') == 50))
    }
    wait_until 60 all_told
    run bash -c "cat '$BATS_TEST_TMPDIR'/[0-9]* | grep -o 'number [0-9]*' | sort -u | wc -l"
    assert_output 50
    release_hold
    wait "${clients[@]}"
    assert_equal "$(cat "$BATS_TEST_TMPDIR"/[0-9]* | grep -c 'goodbye')" 50
    tell numbers
    [[ $reply == *'touched 50' ]]
    assert_equal "$(counts)" "$before"
}

@test "the queue is bounded, and so are the program's descriptors; who leaves is forgotten" {
    installed
    # A sixteenth of 160.
    tell fds 160
    hold
    local before i
    before=$(descriptors)
    for i in $(seq 10); do
        queued "$i"
    done
    has_descriptors $((before + 10))
    # One that only listens: what it says could meet a connection that is closed already.
    run timeout 20 socat -u "UNIX-CONNECT:$socket" -
    assert_output "manhole: busy: held by pid $holder, and no more may wait"
    for i in "${started[@]:2}"; do
        end "$i"
    done
    wait_until 10 has_descriptors "$before"
    queued 1
    release_hold
    wait_until 20 grep -qs goodbye "$BATS_TEST_TMPDIR/1"
}

@test "uninstalling ends those who wait, and tells them" {
    installed
    say help
    tell uninstall
    local before
    before=$(counts)
    tell install
    hold
    queued 1
    queued 2
    tell uninstall
    assert_equal "$reply" 'uninstall ok: closed'
    wait_until 10 grep -qs 'manhole: it is being closed' "$BATS_TEST_TMPDIR/1"
    wait_until 10 grep -qs 'manhole: it is being closed' "$BATS_TEST_TMPDIR/2"
    assert_equal "$(counts)" "$before"
}

@test "a child that the program forks leaves those who wait to its parent" {
    installed
    hold
    queued 1 'call give_sum 7'
    local before
    before=$(wc -l <"$out")
    echo fork >&7
    wait_until 20 grep -qs '^child ended 0' "$out"
    release_hold
    wait_until 20 grep -qs goodbye "$BATS_TEST_TMPDIR/1"
    grep -q '= 7 (0x7)' "$BATS_TEST_TMPDIR/1"
}

@test "clients that are refused are logged at a limited rate" {
    need_other_users
    local place
    place=$(mktemp -d)
    chmod 711 "$place"
    socket=$place/socket
    installed "log=$log"
    chmod 666 "$socket"
    # Each waits until it is refused.
    setpriv --reuid 65534 --regid 65534 --clear-groups perl -MSocket -e 'for (1 .. 300) {
        socket(S, PF_UNIX, SOCK_STREAM, 0); connect(S, pack_sockaddr_un($ARGV[0])) or die; 1 while sysread(S, $x, 100) }' \
        "$socket"
    answers
    (($(grep -c "Can't accept client" "$log") < 300))
    log_has "Can't accept client with PID:[0-9]* UID:65534"
    rm -rf "$place"
}

# --- How they leave. ---

@test "each session is logged from its beginning to the wait for the next one, however it ends" {
    installed "log=$log"
    say help
    run_text exit
    run timeout 20 socat -t 10 - "UNIX-CONNECT:$socket" </dev/null
    assert_output --partial goodbye
    # An abrupt end: with answers unread.
    perl -MSocket -e 'socket(S, PF_UNIX, SOCK_STREAM, 0); connect(S, pack_sockaddr_un($ARGV[0])); syswrite(S, "maps\n")' \
        "$socket"
    all_logged() {
        (($(grep -c 'Waiting for new connection (in pid:' "$log") == 5))
    }
    wait_until 20 all_logged
    run -0 sed -nE 's/.*: (Accepted connection|DONE\.|Cleaned up\.|Waiting for new connection).*/\1/p' "$log"
    local round=$'Accepted connection\nDONE.\nCleaned up.\nWaiting for new connection'
    assert_output "Waiting for new connection"$'\n'"$round"$'\n'"$round"$'\n'"$round"$'\n'"$round"
}

@test "a half-closed client still gets all its answers, and its last line needs no newline" {
    installed
    printf 'call give_sum 5\ncall give_sum 6' >"$BATS_TEST_TMPDIR/in"
    run -0 socat -t 20 - "UNIX-CONNECT:$socket" <"$BATS_TEST_TMPDIR/in"
    assert_output --partial '= 5 (0x5)'
    assert_output --partial '= 6 (0x6)'
    assert_output --partial 'goodbye'
}

# --- What they send, and do not read. ---

@test "a line of more than a megabyte is refused, and the session goes on" {
    installed
    run_text "$(head -c 3000000 /dev/zero | tr '\0' x; echo; echo 'call give_sum 7'; echo quit)"
    assert_output --partial 'the line is too long'
    assert_output --partial '= 7 (0x7)'
    # One that just fits is only an unknown command.
    run_text "$(head -c 1000000 /dev/zero | tr '\0' x; echo; echo 'call give_sum 7'; echo quit)"
    assert_output --partial 'no such command'
    assert_output --partial '= 7 (0x7)'
}

@test "NULs and bytes of all kinds do no harm" {
    installed
    printf 'call tou\0ch\nquit\n' >"$BATS_TEST_TMPDIR/nul"
    run -0 socat -t 20 - "UNIX-CONNECT:$socket" <"$BATS_TEST_TMPDIR/nul"
    assert_output --partial 'contains a NUL byte, and was not run'
    head -c 200000 /dev/urandom >"$BATS_TEST_TMPDIR/noise"
    printf '\nquit\n' >>"$BATS_TEST_TMPDIR/noise"
    timeout 50 socat -t 40 - "UNIX-CONNECT:$socket" <"$BATS_TEST_TMPDIR/noise" >"$BATS_TEST_TMPDIR/answer"
    # What is repeated of it cannot act on a terminal.
    run -0 bash -c "LC_ALL=C tr -d '\n\t -~\200-\377' <'$BATS_TEST_TMPDIR/answer' | wc -c"
    assert_output 0
    answers
    tell numbers
    [[ $reply == *'touched 0' ]]
}

@test "a client that never reads is dropped in the end, and the program never notices" {
    installed "log=$log"
    "$CLIENT" "$socket" upgrade flood:3000 "pause:$BATS_TEST_TMPDIR/go" >"$BATS_TEST_TMPDIR/client" 3>&- 7>&- &
    started+=($!)
    tell numbers
    [[ $reply == numbers* ]]
    wait_until 40 log_has 'the client does not read: dropped'
    wait_until 10 answers
}

@test "uninstalling does not wait for a client that never reads, floods or just sits there" {
    start_host
    local before kind
    tell install
    tell uninstall
    before=$(counts)
    for kind in flood:3000 raw:00 run:help; do
        tell install
        rm -f "$BATS_TEST_TMPDIR/go"
        "$CLIENT" "$socket" upgrade "$kind" "pause:$BATS_TEST_TMPDIR/go" >"$BATS_TEST_TMPDIR/client" 3>&- 7>&- &
        started+=($!)
        wait_until 10 grep -qs HELLO "$BATS_TEST_TMPDIR/client"
        tell uninstall
        assert_equal "$reply" 'uninstall ok: closed'
        assert_equal "$(counts)" "$before"
        end "${started[-1]}"
    done
}

@test "clients that connect and vanish, in all ways, leave nothing" {
    installed
    say help
    local before i
    before=$(counts)
    for i in $(seq 30); do
        perl -MSocket -e 'socket(S, PF_UNIX, SOCK_STREAM, 0); connect(S, pack_sockaddr_un($ARGV[0])); syswrite(S, "maps\n" x $ARGV[1])' \
            "$socket" "$((i % 3))"
    done
    wait_until 10 answers
    assert_equal "$(counts)" "$before"
}
