# A program that loads libmanhole itself and obeys: for suites about what runs inside, without injection. Load it in
# setup(), after helpers. What talks to the program has it at descriptor 7: teardown() closes that first.

LIBRARY=$BUILD/libmanhole.so
HOST=$TARGETS/payload_host
CLIENT=$TARGETS/frames_client
socket=$BATS_TEST_TMPDIR/socket
log=$BATS_TEST_TMPDIR/log

# start_host [LAUNCHER...]: the host, which obeys what `tell` says.
start_host() {
    start_obeying "$@" "$HOST" "$LIBRARY" "$socket"
    tell load
    assert_equal "$reply" loaded
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
