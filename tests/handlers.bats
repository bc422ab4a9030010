# The option `connection_handler`: what serves a client who was let in.

setup() {
    load helpers
    log=$BATS_TEST_TMPDIR/log
    got=$BATS_TEST_TMPDIR/got
}

teardown() {
    exec 8>&-
    end_all
    rm -f "/tmp/manhole-$pid"
}

# installed OPTION...: the program that prints, silently, with a manhole; its log goes to $log.
installed() {
    start_prints
    run -0 "$ATTACH" --install --verbose-destination "$log" "$@" "$pid"
    socket=/tmp/manhole-$pid
}

start_prints() {
    "$TARGETS/prints" >"$got" 2>&1 3>&- 8>&- &
    pid=$!
    started+=("$pid")
    wait_until 20 is_waiting
}

is_waiting() {
    [[ $(cat "/proc/$pid/comm") == prints ]] && grep -q '^State:[[:space:]]S' "/proc/$pid/status"
}

# say TEXT: what the manhole answers to it, up to its end; sets $output.
say() {
    run timeout 60 socat -t 50 - "UNIX-CONNECT:$socket" <<<"$1"
}

log_has() {
    grep -qs -- "$1" "$log"
}

# ask TEXT: the same with the blocks taken apart: what was printed, "| word text" after it; sets $output.
ask() {
    say "$1"
    printf '%s' "$output" >"$BATS_TEST_TMPDIR/blocks"
    run -0 perl -e 'local $/ = \1; my $all = join "", <STDIN>; while ($all =~ s/^([a-z]+) (\d+)\n//) {
        my ($word, $n) = ($1, $2); die "short: $n" if length($all) < $n; my $text = substr($all, 0, $n, "");
        print $word eq "output" ? $text : join(" ", "|", $word, length $text ? $text : ()) . "\n" } die "rest: $all" if length $all' <"$BATS_TEST_TMPDIR/blocks"
}

@test "exec gives each line one framed answer, and neither banner nor prompt" {
    installed --connection-handler exec --local seven=7
    ask $'call write 1 "hi\\n" 3\ncall abs seven\n\nnonsense\ncall fault\ncall end_thread\ncall flood 64\nhelp nothing\nexit()'
    assert_equal "$output" "hi
= 3 (0x3)
| ok
= 7 (0x7)
| ok
| ok
| unknown no such command: 'nonsense'; 'help' lists them
before the fault
| faulted fault: ended by SIGSEGV at address 0x8, in fault+0x$(sed -nE 's/.*in fault\+0x([0-9a-f]+) .*/\1/p' <<<"$output") (prints)
before the end
| failed the function ended its thread (pthread_exit); another has taken its place
flood flood flood flood flood flood flood flood flood flood ...
= 7 (0x7)
| ok
| unknown no such command: 'nothing'; 'help' lists them
| bye goodbye"
    wait_until 10 log_has 'Exiting exec loop.'
    log_has "Running: 'call abs seven'."
    # The end of input is an end too, and the last line needs no newline.
    printf 'call abs -5' >"$BATS_TEST_TMPDIR/in"
    run -0 socat -t 20 - "UNIX-CONNECT:$socket" <"$BATS_TEST_TMPDIR/in"
    assert_output $'output 10\n= 5 (0x5)\nok 0\nbye 7\ngoodbye'
}

@test "manhole-attach is understood there too" {
    installed --connection-handler exec
    run -0 "$ATTACH" --eval 'call write 1 "hi\n" 3' "$pid"
    assert_output $'hi\n= 3 (0x3)'
}

@test "200 clients of exec one after the other" {
    installed --connection-handler exec --local seven=7
    local i clients
    clients=$(scaled 200)
    for ((i = 0; i < clients; i++)); do
        socat -t 50 - "UNIX-CONNECT:$socket" <<<$'call write 1 "FOOBAR\\n" 7\ncall abs seven\nexit()' >>"$BATS_TEST_TMPDIR/all"
    done
    assert_equal "$(grep -c '^FOOBAR' "$BATS_TEST_TMPDIR/all")" "$clients"
    assert_equal "$(grep -c '^= 7 (0x7)' "$BATS_TEST_TMPDIR/all")" $((2 * clients))
    assert_equal "$(grep -c FOOBAR "$got")" "$clients"
    wait_until 10 all_have_exited
}

all_have_exited() {
    [[ $(grep -c 'Exiting exec loop' "$log") == "$clients" && $(grep -c 'Cleaned up' "$log") == "$clients" ]]
}

@test "a function of a shared object serves the client, again and again, and leaves nothing" {
    start_prints
    local before
    before=$(ls "/proc/$pid/fd" "/proc/$pid/task")
    run -0 "$ATTACH" --install --connection-handler "$TARGETS/handlers:lengths" "$pid"
    socket=/tmp/manhole-$pid
    grep -q "$TARGETS/handlers" "/proc/$pid/maps"
    local i between
    for i in $(seq 20); do
        say $'a\nfour\n'
        assert_output $'1\n4\n0'
        between=${between:-$(ls "/proc/$pid/fd")}
    done
    wait_until 10 has_descriptors "$between"
    "$ATTACH" --uninstall "$pid"
    assert_equal "$(ls "/proc/$pid/fd" "/proc/$pid/task")" "$before"
    run grep "$TARGETS/handlers" "/proc/$pid/maps"
    assert_failure
}

has_descriptors() {
    [[ $(ls "/proc/$pid/fd") == "$1" ]]
}

@test "a function that faults, fails, closes all or ends its thread ends its session alone" {
    local name expected
    for name in fault refuse end_thread; do
        case $name in
            fault) expected='ManholeConnectionThread failure: the connection handler: ended by SIGSEGV at address 0x0, in fault' ;;
            refuse) expected='ManholeConnectionThread failure: the connection handler returned 3' ;;
            end_thread) expected="the console's thread was ended by what it called" ;;
        esac
        installed --connection-handler "$TARGETS/handlers:$name"
        say hello
        wait_until 10 log_has "$expected"
        say again
        wait_until 10 has_served_twice
        alive "$pid"
        "$ATTACH" --uninstall "$pid"
        end "$pid"
        rm "$log"
    done
}

has_served_twice() {
    [[ $(grep -c 'Cleaned up' "$log") == 2 ]]
}

@test "hanging up and uninstalling end a function that waits for ever" {
    installed --connection-handler "$TARGETS/handlers:wait_for_ever"
    mkfifo "$BATS_TEST_TMPDIR/hold"
    local i client
    for i in 1 2; do
        socat - "UNIX-CONNECT:$socket" <"$BATS_TEST_TMPDIR/hold" >"$BATS_TEST_TMPDIR/client-$i" 3>&- 8>&- &
        client=$!
        started+=("$client")
        exec 8>"$BATS_TEST_TMPDIR/hold"
        wait_until 10 grep -qs waiting "$BATS_TEST_TMPDIR/client-$i"
        [[ $i == 2 ]] || end "$client"
        [[ $i == 2 ]] || wait_until 10 log_has 'Cleaned up'
    done
    run -0 "$ATTACH" --uninstall "$pid"
    wait_until 10 has_ended "$client"
}

has_ended() {
    ! alive "$1"
}

@test "who may not enter reaches neither" {
    need_other_users
    local handler
    for handler in exec "$TARGETS/handlers:lengths"; do
        installed --connection-handler "$handler"
        chmod 666 "$socket"
        run setpriv --reuid 65534 --regid 65534 --clear-groups socat -t 10 - "UNIX-CONNECT:$socket" </dev/null
        assert_output --regexp '^manhole: permission denied'
        # Nobody was served.
        run grep -c 'Accepted connection' "$log"
        assert_output 0
        end "$pid"
        rm -f "$socket" "$log"
    done
}

@test "a handler that cannot be had refuses the installation with its cause, and leaves nothing" {
    start_prints
    local before
    before=$(ls "/proc/$pid/fd" "/proc/$pid/task")
    run -2 "$ATTACH" --install --connection-handler /nowhere/at/all.so:f "$pid"
    assert_output --partial 'connection_handler /nowhere/at/all.so:f: /nowhere/at/all.so: cannot open shared object file'
    run -2 "$ATTACH" --install --connection-handler "$TARGETS/handlers:nothing" "$pid"
    assert_output --partial 'undefined symbol: nothing'
    run grep "$TARGETS/handlers" "/proc/$pid/maps"
    assert_failure
    assert_equal "$(ls "/proc/$pid/fd" "/proc/$pid/task")" "$before"
}
