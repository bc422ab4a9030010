# The payload under ThreadSanitizer: its threads, and those of a program that has it, share nothing by accident.

setup() {
    load helpers
    [[ -z ${SANITIZE-} ]] || skip 'built without other sanitizers alone'
    load payload_host
    HOST=$TARGETS/linked_host_raced
}

teardown() {
    exec 7>&-
    end_all
}

# client LINE...: a plain client that comes, says that, and goes at once, in the background; adds to $clients. What it is
# told does not matter.
client() {
    printf '%s\n' "$@" | timeout 60 socat -t 1 - "UNIX-CONNECT:$socket" >/dev/null 2>&1 3>&- 7>&- &
    clients+=("$!")
}

# done_so NUMBER WORD ARGUMENTS...: the host obeys, for the NUMBERth time. What it prints for others stands between.
done_so() {
    tell_only "${@:2}"
    wait_until 60 said "$1" "^$2 done"
}

said() {
    (($(grep -c "$2" "$out") >= $1))
}

# Calls that are cut off are system calls without a wrapper: what is known of races would go wrong where one is left in the
# middle, by a jump that the sanitizer cannot see.
use_it() {
    clients=()
    for round in 1 2 3; do
        client bt 'call getpid' 'call puts "here"' locals threads quit
        client 'call syscall 34' # pause(2): whoever goes cuts it off
        client maps 'call write 1 "there\n" 6' 'read getpid 64' 'log here'
        say 'call getpid' >/dev/null
        assert_output --partial "$pid"
    done
    wait "${clients[@]}"
}

@test "no data race in rounds of installing, clients that come and go, calls cut off, forks and uninstalling" {
    export TSAN_OPTIONS=log_path=$BATS_TEST_TMPDIR/race
    start_obeying "$HOST"
    for times in 1 2; do
        options=
        ((times == 1)) || options='activate_on=10 oneshot_on=12'
        done_so "$times" install path="$socket" start_timeout=60000 $options
        [[ -z $options ]] || done_so 1 activate
        use_it
        tell_only fork
        done_so "$times" uninstall
    done
    run cat "$BATS_TEST_TMPDIR"/race.*
    refute_output --partial 'WARNING'
}
