# A program that loads libmanhole itself and obeys: for suites about what runs inside, without injection. Load it in
# setup(), after helpers. What talks to the program has it at descriptor 7: teardown() closes that first.

LIBRARY=$BUILD/libmanhole.so
HOST=$TARGETS/payload_host
CLIENT=$TARGETS/frames_client
socket=$BATS_TEST_TMPDIR/socket
log=$BATS_TEST_TMPDIR/log

# start_host [LAUNCHER...]: the host, which obeys what `tell` says.
start_host() {
    out=$BATS_TEST_TMPDIR/host.out
    local control=$BATS_TEST_TMPDIR/control
    rm -f "$control"
    mkfifo "$control"
    "$@" "$HOST" "$LIBRARY" "$socket" <"$control" >"$out" 2>&1 3>&- 7>&- &
    pid=$!
    started+=("$pid")
    exec 7>"$control"
    wait_until 20 grep -qs '^ready' "$out"
    tell load
    assert_equal "$reply" loaded
}

# tell WORDS: sets $reply to the line that the host answers with.
tell() {
    local before
    before=$(wc -l <"$out")
    echo "$*" >&7
    wait_until 60 has_lines "$out" $((before + 1))
    reply=$(sed -n "$((before + 1))p" "$out")
}

has_lines() {
    (($(wc -l <"$1") >= $2))
}

# installed [WORDS]: a host with the manhole open.
installed() {
    start_host
    tell install "$@"
    assert_equal "$reply" "install ok: $socket"
}

# say LINE...: a plain text session, up to `quit`; sets $output.
say() {
    run_text "$(printf '%s\n' "$@" quit)"
}

run_text() {
    run timeout 60 socat -t 50 - "UNIX-CONNECT:$socket" <<<"$1"
}

# counts: what of the host must be the same before and after.
counts() {
    tell counts
    echo "$reply"
}

is_gone() {
    ! [[ -e $1 || -L $1 ]]
}

log_has() {
    grep -qs -- "$1" "$log"
}

answers() {
    say 'call give_sum 7'
    [[ $output == *'= 7 (0x7)'* ]]
}

# thread_named NAME: the tid of a thread of the host.
thread_named() {
    local task
    for task in /proc/"$pid"/task/*; do
        [[ $(cat "$task/comm") == "$1" ]] && echo "${task##*/}" && return
    done
    return 1
}
