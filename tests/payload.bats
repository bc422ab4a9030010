# libmanhole inside a program that loads it itself: no injection, no manhole-attach.

setup() {
    load helpers
    load payload_host
}

teardown() {
    exec 7>&-
    end_all
}

# --- What it is. ---

@test "libmanhole.so depends on libc alone, and on no version of it" {
    run -0 readelf -dlW "$LIBRARY"
    refute_output --partial NEEDED
    refute_output --partial TEXTREL
    refute_output --partial 'TLS  '
    refute_output --regexp 'GNU_STACK.*RWE'
    assert_output --partial GNU_STACK
    run -0 readelf -VW "$LIBRARY"
    assert_output --partial 'No version information found'
    local kind name
    while read -r kind name; do
        # In the list: a name, ?name (may be missing: weak), or name|other (one of them is there: both weak).
        grep -qx "$name" "$BATS_TEST_DIRNAME/payload_symbols" && continue
        grep -qxE "\?$name|$name\|.*|.*\|$name" "$BATS_TEST_DIRNAME/payload_symbols" || fail "undefined: $name"
        assert_equal "$kind $name" "w $name"
    done < <(nm -D --undefined-only "$LIBRARY")
    run -0 nm -D --defined-only "$LIBRARY"
    refute_output --regexp ' [A-Z] (arch_|mem|str|sys_)'
}

@test "both C libraries export every name the payload needs" {
    local library name
    for library in /lib/x86_64-linux-gnu/libc.so.6 /lib/ld-musl-x86_64.so.1; do
        [[ -e $library ]] || continue
        nm -D --defined-only "$library" | awk '{ sub(/@.*/, "", $3); print $3 }' >"$BATS_TEST_TMPDIR/exported"
        while read -r name; do
            [[ $name == \?* ]] || grep -qxE "$name" "$BATS_TEST_TMPDIR/exported" || fail "$library has no $name"
        done <"$BATS_TEST_DIRNAME/payload_symbols"
    done
}

# --- The socket. ---

@test "installing gives the path, and a second time MANHOLE_ALREADY_INSTALLED with it" {
    installed
    [[ -S $socket ]]
    tell install
    assert_equal "$reply" "install Manhole already installed!: already installed at $socket"
    tell status
    assert_equal "$reply" "status ok: $socket free"
    answers
}

@test "the default path is /tmp/manhole-PID" {
    start_host
    tell install default
    assert_equal "$reply" "install ok: /tmp/manhole-$pid"
    [[ -S /tmp/manhole-$pid ]]
    tell uninstall
    is_gone "/tmp/manhole-$pid"
}

@test "replacing moves the manhole" {
    installed
    tell install replace "path=$socket-2"
    assert_equal "$reply" "install ok: $socket-2"
    is_gone "$socket"
    socket=$socket-2
    answers
}

@test "the socket is 0600 whatever the umask" {
    local mask
    for mask in 0 022 0777; do
        start_host bash -c "umask $mask; exec \"\$@\"" _
        tell install
        assert_equal "$(stat -c %a "$socket")" 600
        answers
        tell uninstall
        end "$pid"
    done
}

@test "what is at the path and is not an abandoned socket of ours stays" {
    start_host
    echo precious >"$socket"
    tell install
    assert_equal "$reply" "install Address already in use: $socket: is there already, and is no socket: not touched"
    assert_equal "$(cat "$socket")" precious
    rm "$socket"

    ln -s /nowhere "$socket"
    tell install
    [[ $reply == *'is no socket: not touched' && -L $socket ]]
    rm "$socket"

    mkdir "$socket"
    tell install
    [[ $reply == *'is no socket: not touched' && -d $socket ]]
    rmdir "$socket"

    socat "UNIX-LISTEN:$socket,fork" - 3>&- 7>&- &
    started+=($!)
    wait_until 10 test -S "$socket"
    tell install
    assert_equal "$reply" "install Address already in use: $socket: is there already, and somebody listens at it: not touched"
    [[ -S $socket ]]
    end "${started[-1]}"
    rm "$socket"

    perl -MSocket -e 'socket(S, PF_UNIX, SOCK_STREAM, 0); bind(S, pack_sockaddr_un($ARGV[0]))' "$socket"
    chown 65534 "$socket"
    tell install
    assert_equal "$reply" "install Address already in use: $socket: is there already, and is another user's: not touched"
    chown 0 "$socket"
    tell install
    assert_equal "$reply" "install ok: $socket"
}

@test "bad paths and bad options are refused with a cause, and nothing is left" {
    start_host
    local before
    before=$(counts)
    tell install "path=$(printf '/%.0s' {1..120})"
    [[ $reply == 'install File name too long: '* ]]
    tell install path=relative
    assert_equal "$reply" 'install Invalid argument: relative: not an absolute path'
    tell install path=/nowhere/at/all
    assert_equal "$reply" 'install No such file or directory: /nowhere/at/all: cannot make the socket: ENOENT'
    tell install log=/nowhere/log
    assert_equal "$reply" 'install No such file or directory: log /nowhere/log: cannot be opened: ENOENT'
    tell install logfd=77
    assert_equal "$reply" 'install Bad file descriptor: log to descriptor 77: EBADF'
    tell install version=7
    assert_equal "$reply" 'install Invalid argument: options of version 7: this libmanhole knows 1'
    tell uninstall
    assert_equal "$reply" 'uninstall Manhole is not installed!: no manhole is installed'
    assert_equal "$(counts)" "$before"
}

@test "uninstalling removes only its own socket" {
    installed
    rm "$socket"
    echo precious >"$socket"
    tell uninstall
    assert_equal "$(cat "$socket")" precious
}

@test "a program that exits takes the socket with it" {
    installed
    echo exit >&7
    wait_until 10 is_gone "$socket"
    wait "$pid"
}

@test "unloading an installed manhole ends it first" {
    start_host
    local before
    before=$(counts)
    tell install
    say bt
    tell unload
    assert_equal "$reply" 'unload 0'
    is_gone "$socket"
    [[ $(counts) == "${before% maps*}"* ]]
    alive "$pid"
}

@test "a forked child neither serves nor removes its parent's socket, and may have its own" {
    installed
    local before
    before=$(wc -l <"$out")
    echo fork >&7
    wait_until 20 grep -qs '^child ended 0' "$out"
    run -0 sed "1,${before}d" "$out"
    assert_line --index 0 'status Manhole is not installed!: no manhole is installed'
    assert_line --index 1 'uninstall Manhole is not installed!: no manhole is installed'
    assert_line --index 2 "install ok: $socket-child"
    is_gone "$socket-child"
    [[ -S $socket ]]
    answers
}

# --- Who gets in. ---

@test "only root and the program's own user get in" {
    need_other_users
    # A directory that others may enter.
    local place
    place=$(mktemp -d)
    chmod 711 "$place"
    socket=$place/socket
    start_host
    tell install "log=$log"
    chmod 666 "$socket"
    run setpriv --reuid 65534 --regid 65534 --clear-groups socat -t 10 - "UNIX-CONNECT:$socket" </dev/null
    assert_output 'manhole: permission denied: uid 65534 may not, uid 0 and root may'
    log_has "Can't accept client with PID:[0-9]* UID:65534 GID:65534. It doesn't match the current EUID:0 or ROOT."
    answers

    # The program's user changes: so does who may enter. (It also shows that setuid does not hang.)
    tell uid 65534
    assert_equal "$reply" 'uid 0'
    run setpriv --reuid 65534 --regid 65534 --clear-groups socat -t 10 - "UNIX-CONNECT:$socket" <<<quit
    assert_output --partial 'goodbye'
    run setpriv --reuid 1234 --regid 1234 --clear-groups socat -t 10 - "UNIX-CONNECT:$socket" </dev/null
    assert_output 'manhole: permission denied: uid 1234 may not, uid 65534 and root may'
    answers
    rm -rf "$place"
}

# --- At rest. ---

@test "at rest there are two threads that never wake, and block what they must and no more" {
    installed
    local listener worker before after
    listener=$(thread_named manhole)
    worker=$(thread_named mh-idle)
    before=$(grep -h ctxt "/proc/$pid/task/$listener/status" "/proc/$pid/task/$worker/status")
    sleep 2
    after=$(grep -h ctxt "/proc/$pid/task/$listener/status" "/proc/$pid/task/$worker/status")
    assert_equal "$after" "$before"
    local thread mask
    for thread in "$listener" "$worker"; do
        mask=$(awk '/^SigBlk/ { print $2 }' "/proc/$pid/task/$thread/status")
        # Open: ILL 4, TRAP 5, BUS 7, FPE 8, SEGV 11, SYS 31, 32 and 33 (of glibc); KILL 9 and STOP 19 always are.
        assert_equal "$mask" fffffffe3ffbfa27
    done
}

@test "its descriptors are close-on-exec and out of the program's way" {
    start_host
    local fd number flags found=0 before
    before=" $(echo "/proc/$pid/fd/"*) "
    tell install "log=$log"
    for fd in /proc/"$pid"/fd/*; do
        [[ $before == *" $fd "* ]] && continue
        number=${fd##*/}
        ((number >= 100)) || fail "descriptor $number"
        flags=$(awk '/^flags/ { print $2 }' "/proc/$pid/fdinfo/$number")
        ((8#$flags & 8#2000000)) || fail "descriptor $number is not close-on-exec"
        found=$((found + 1))
    done
    assert_equal "$found" 4
}

@test "a program that closes all descriptors and uses their numbers keeps what it puts there" {
    installed "log=$log"
    "$CLIENT" "$socket" upgrade 'run:call sleep 0' "pause:$BATS_TEST_TMPDIR/go" detach >"$BATS_TEST_TMPDIR/client" 3>&- 7>&- &
    started+=($!)
    wait_until 10 grep -qs PAUSED "$BATS_TEST_TMPDIR/client"
    tell reuse "$BATS_TEST_TMPDIR/file"
    assert_equal "$reply" reused
    touch "$BATS_TEST_TMPDIR/go"
    wait_until 10 grep -qs CLOSED "$BATS_TEST_TMPDIR/client"
    run socat -t 5 - "UNIX-CONNECT:$socket"
    assert_output --partial refused
    tell uninstall
    assert_equal "$reply" 'uninstall ok: closed'
    assert_equal "$(cat "$BATS_TEST_TMPDIR/file")" precious
    assert_equal "$(find "/proc/$pid/fd" -lname "$BATS_TEST_TMPDIR/file" | wc -l)" 31
    tell install
    assert_equal "$reply" "install ok: $socket"
    answers
}

@test "100 rounds of loading, installing, uninstalling and unloading leave nothing" {
    start_host
    tell install
    tell uninstall
    tell unload
    local before
    before=$(counts)
    tell rounds
    wait_until 60 grep -qs '^rounds done' "$out"
    assert_equal "$(grep -c '^install ok' "$out")" 101
    assert_equal "$(grep -c '^uninstall ok' "$out")" 101
    assert_equal "$(counts)" "$before"
}

@test "after sessions with calls and faults everything is as it was" {
    start_host
    local before round
    tell threads
    before=$(counts)
    tell install
    # Once for what the C library keeps for itself: libgcc_s, and a heap for a thread that used malloc.
    say bt 'call read_null 0'
    tell uninstall
    before=$(counts)
    for round in 1 2 3; do
        tell install
        say bt 'call read_null 0' 'call give_sum 1 2 3' 'call strlen "abc"' maps fds env threads
        assert_output --partial 'goodbye'
        tell uninstall
        assert_equal "$(counts)" "$before"
    done
}

# --- The log. ---

@test "the log has python-manhole's shape" {
    installed "log=$log"
    say 'log hello	there' log
    assert_output --partial "the log goes to $log"
    wait_until 10 log_has 'Cleaned up'
    tell uninstall
    run -0 sed -E "s/^Manhole\[$pid:[0-9]+\.[0-9]{4}\]: //" "$log"
    assert_line --index 0 "Not patching fork and forkpty. Using user socket path $socket."
    assert_line --index 1 "Manhole UDS path: $socket"
    assert_line --index 2 "Waiting for new connection (in pid:$pid) ..."
    assert_line --regexp '^Accepted connection on fd:[0-9]+ from PID:[0-9]+ UID:0 GID:0$'
    assert_line 'hello\x09there'
    assert_line 'DONE.'
    assert_line 'Cleaned up.'
    refute_line --partial 'Manhole['
}

@test "the log goes to a descriptor that the program gives, and not on when it reuses that" {
    start_host
    tell install logfd=1
    wait_until 10 grep -q "^Manhole\[$pid:.*: Manhole UDS path: $socket" "$out"
    tell uninstall
}

@test "a log that nobody reads blocks nobody" {
    mkfifo "$BATS_TEST_TMPDIR/pipe"
    exec 9<>"$BATS_TEST_TMPDIR/pipe"
    installed "log=$BATS_TEST_TMPDIR/pipe"
    # More than a pipe holds.
    run_text "$(yes "log $(printf 'x%.0s' {1..200})" | head -n 1000; echo 'call give_sum 7'; echo quit)"
    assert_output --partial '= 7 (0x7)'
    tell uninstall
    assert_equal "$reply" 'uninstall ok: closed'
    exec 9>&-
}

# --- The console, as text. ---

@test "nc -U gets a banner, a prompt and answers" {
    installed
    run timeout 20 nc -N -U "$socket" <<<$'help\nquit'
    assert_line --partial "in process $pid (payload_host); 'help' lists the commands, 'quit' leaves"
    assert_output --partial "$pid:payload_host> "
    assert_output --partial 'call NAME|ADDRESS [ARGUMENT]...'
    assert_line --partial goodbye
}

@test "help explains itself and each command" {
    installed
    say 'help help' 'help call' 'help nothing'
    assert_output --partial 'help [COMMAND]'
    assert_output --partial 'A fault in it ends the call, not the process'
    assert_output --partial "no such command: 'nothing'; 'help' lists them"
}

@test "threads, maps, fds and env show what /proc shows" {
    installed
    tell threads
    say threads maps fds env
    assert_line --regexp " $pid S payload_host +syscall 0 "
    assert_line --regexp ' S in-epoll +syscall 232 '
    assert_line --regexp ' manhole .*\(manhole\)'
    assert_line --regexp '^[0-9a-f]+-[0-9a-f]+ r-xp .*libmanhole.so$'
    assert_line --regexp "^ +1 $out\$"
    assert_line --regexp '> .*=|^PATH='
    assert_line --regexp "(^|> )BATS_TEST_TMPDIR=$BATS_TEST_TMPDIR\$"
}

@test "read shows memory, and says what it cannot" {
    installed
    say 'sym greeting'
    [[ $output =~ greeting\ =\ (0x[0-9a-f]+),\ object\ of\ 20\ bytes\ in\ payload_host ]]
    say "read ${BASH_REMATCH[1]} 19" 'read 0 16' 'read 0xffffffffffffff00 16' 'read 12' 'read x y' \
        "read ${BASH_REMATCH[1]} 99999999999" 'read 99999999999999999999999 1'
    assert_output --partial '68 65 6c 6c 6f 20 66 72  6f 6d 20 74 68 65 20 68  |hello from the h|'
    assert_output --partial '6f 73 74'
    assert_output --partial 'read: 0x0 is not readable'
    assert_output --partial 'read: 0xffffffffffffff00 is not readable'
    assert_output --partial 'read: takes an address and a length'
    assert_output --partial 'read: at most'
    assert_output --partial 'read: a number that does not fit into 64 bits'
    alive "$pid"
}

@test "sym finds names and addresses, and agrees with itself" {
    installed
    say 'sym strlen' 'sym malloc' 'sym nowhere_to_be_found' 'sym' 'sym 12' 'sym manhole_install'
    assert_line --regexp 'strlen = 0x[0-9a-f]+, function.*in libc.so.6'
    assert_output --partial 'nowhere_to_be_found: no such symbol'
    assert_output --partial 'sym: takes one name or address'
    assert_output --partial '0xc = 0xc'
    assert_line --regexp 'manhole_install = .* in libmanhole.so'
    [[ $output =~ malloc\ =\ (0x[0-9a-f]+) ]]
    say "sym $((BASH_REMATCH[1] + 4))"
    assert_output --partial '= malloc+0x4 (libc.so.6)'
}

@test "call passes integers, characters, strings and symbols" {
    installed
    say 'call give_sum 1 2 3 4 5 6' 'call give_sum(0x10, 010, -1)' "call give_sum 'a' '\\n' '\\x01'" \
        'call strlen "tab\tand \"quotes\" " "joined\0hidden"' 'call give_greeting' 'call strlen greeting' \
        'call give_minus_one' 'call strcmp "same" "same"' 'call toupper '"'q'"
    assert_output --partial '= 654321 (0x9fbf1)'
    assert_output --partial '= -4 (0xfffffffffffffffc)'
    assert_output --partial '= 297 (0x129)'
    assert_output --partial '= 17 (0x11)'
    assert_output --partial '"hello from the host" greeting (payload_host)'
    assert_output --partial '= 19 (0x13)'
    assert_output --partial 'as an int -1, errno ENOENT'
    assert_output --partial '= 0 (0x0)'
    assert_output --partial '= 81 (0x51)'
}

@test "strings of a call stay where they are until the client leaves" {
    installed
    say 'call strdupa_is_no_function' 'call strstr "find the needle here" "needle"'
    assert_output --partial '"needle here"'
    mkfifo "$BATS_TEST_TMPDIR/in"
    socat - "UNIX-CONNECT:$socket" <"$BATS_TEST_TMPDIR/in" >"$BATS_TEST_TMPDIR/kept" 3>&- 7>&- &
    started+=($!)
    exec 8>"$BATS_TEST_TMPDIR/in"
    echo 'call strchr "keep this" 116' >&8
    wait_until 10 grep -qs '"this"' "$BATS_TEST_TMPDIR/kept"
    local address
    address=$(sed -nE 's/.*\((0x[0-9a-f]+)\) "this".*/\1/p' "$BATS_TEST_TMPDIR/kept")
    echo "call strlen $address" >&8
    wait_until 10 grep -qs '= 4 (0x4)' "$BATS_TEST_TMPDIR/kept"
    exec 8>&-
}

@test "mistakes are named and lose nothing" {
    installed
    say 'call' 'call nowhere 1' 'call give_sum 1 2 3 4 5 6 7' 'call give_sum 1.5' 'call strlen "open' \
        "call toupper 'ab'" 'call give_sum 99999999999999999999' 'call strlen "\q"' 'call give_sum 1x' \
        'call exit 0' 'call vfork' 'call environ_x' 'xyz' 'bt 0' 'bt 99999999' 'call touch'
    assert_output --partial 'call: takes a function and its arguments'
    assert_output --partial 'nowhere: no such symbol'
    assert_output --partial 'call: at most 6 arguments'
    assert_output --partial 'floating-point arguments cannot be passed'
    assert_output --partial 'a string without its closing quote'
    assert_output --partial 'a character is one between quotes'
    assert_output --partial 'a number that does not fit into 64 bits'
    assert_output --partial 'an unknown escape'
    assert_output --partial "a malformed number at '1x'"
    assert_output --partial 'exit would end the process'
    assert_output --partial 'vfork would return twice'
    assert_output --partial "no such command: 'xyz'"
    assert_output --partial 'bt: takes a thread id'
    assert_output --partial 'bt: no thread 99999999 here'
    assert_output --partial '= 1 (0x1)'
    assert_output --partial goodbye
}

@test "20 clients one after the other, each with a fault, leave a manhole like new" {
    installed
    local i
    for i in $(seq 20); do
        say 'call read_null 0' 'call touch'
        assert_output --partial "= $i (0x"
    done
}

# --- The guard. ---

@test "every kind of fault ends the call and not the program" {
    installed
    say 'call read_null 0' 'call divide 1 0' 'call illegal' 'call trap' 'call abort' 'call deep 1' 'call 0x10' \
        'call greeting' 'call raise 31' 'call read_beyond_file' 'call spoil_state' 'call give_sum 7'
    assert_output --partial 'read_null: ended by SIGSEGV at address 0x0, in read_null (payload_host)'
    assert_output --regexp 'divide: ended by SIGFPE in divide(\+0x[0-9a-f]+)? \(payload_host\)'
    assert_output --partial 'illegal: ended by SIGILL in illegal'
    assert_output --partial 'trap: ended by SIGTRAP in trap+0x1 (payload_host)'
    assert_output --partial 'abort: ended by SIGABRT in '
    assert_output --regexp 'deep: ended by SIGSEGV at address 0x[0-9a-f]+, in deep'
    assert_output --partial '0x10: ended by SIGSEGV at address 0x10, in 0x10'
    assert_output --partial 'greeting: ended by SIGSEGV'
    assert_output --partial 'raise: ended by SIGSYS'
    assert_output --partial 'read_beyond_file: ended by SIGBUS at address 0x'
    assert_output --partial 'spoil_state: ended by SIGSEGV'
    assert_output --partial '= 7 (0x7)'
    alive "$pid"
}

@test "during an evaluation the program's own fault handler goes on working" {
    installed
    tell faults
    "$CLIENT" "$socket" upgrade 'send:call spin' "pause:$BATS_TEST_TMPDIR/go" interrupt await 'run:call read_null 0' \
        >"$BATS_TEST_TMPDIR/client" 3>&- 7>&- &
    local client=$!
    started+=("$client")
    wait_until 10 grep -qs PAUSED "$BATS_TEST_TMPDIR/client"
    tell numbers
    local before=${reply#*recovered } i
    before=${before%% *}
    more_recovered() {
        tell numbers
        local now=${reply#*recovered }
        ((${now%% *} > before + 1000))
    }
    wait_until 30 more_recovered
    touch "$BATS_TEST_TMPDIR/go"
    wait "$client"
    run -0 cat "$BATS_TEST_TMPDIR/client"
    assert_line --partial 'RESULT 1 3 0 spin: cut off where it was'
    assert_line --partial 'RESULT 3 2 11 read_null: ended by SIGSEGV'
    tell numbers
    before=${reply#*recovered }
    before=${before%% *}
    wait_until 30 more_recovered
    tell uninstall
    assert_equal "$reply" 'uninstall ok: closed'
}

@test "a one-shot handler of the program gets its signal once, with the mask it asked for" {
    installed
    tell trap once
    "$CLIENT" "$socket" upgrade 'run:call spin' >"$BATS_TEST_TMPDIR/client" 3>&- 7>&- &
    started+=($!)
    wait_until 10 is_spinning
    tell trap
    # SIGUSR2 is blocked in it, SIGTRAP is not.
    assert_equal "$reply" 'trapped 1, mask 2'
    end "${started[-1]}"
    wait_until 10 answers
    tell trap action
    assert_equal "$reply" 'SIGTRAP default'
    # And one that was not used is there again.
    tell trap once
    say 'call trap'
    assert_output --partial 'trap: ended by SIGTRAP'
    tell trap action
    assert_equal "$reply" 'SIGTRAP handled'
}

@test "a crash of the program during an evaluation is the program's crash" {
    installed
    "$CLIENT" "$socket" upgrade 'run:call spin' >"$BATS_TEST_TMPDIR/client" 3>&- 7>&- &
    started+=($!)
    wait_until 10 grep -qs HELLO "$BATS_TEST_TMPDIR/client"
    wait_until 10 is_spinning
    echo crash >&7
    local ended=0
    wait "$pid" || ended=$?
    # 128 + SIGSEGV
    assert_equal "$ended" 139
}

is_spinning() {
    local worker
    for worker in /proc/"$pid"/task/*; do
        [[ $(cat "$worker/comm") == 'mh<'* && $(cat "$worker/syscall") == running ]] && return 0
    done
    return 1
}

@test "a kill from outside during an evaluation is meant for the program" {
    installed
    "$CLIENT" "$socket" upgrade 'run:call spin' >"$BATS_TEST_TMPDIR/client" 3>&- 7>&- &
    started+=($!)
    wait_until 10 is_spinning
    kill -SEGV "$pid"
    local ended=0
    wait "$pid" || ended=$?
    assert_equal "$ended" 139
}

@test "hanging up cuts off what runs, and the next client is served" {
    installed
    "$CLIENT" "$socket" upgrade 'run:call spin' >"$BATS_TEST_TMPDIR/client" 3>&- 7>&- &
    started+=($!)
    wait_until 10 is_spinning
    end "${started[-1]}"
    wait_until 10 answers
    timeout 1 socat - "UNIX-CONNECT:$socket" <<<'call sleep 1000' || true
    wait_until 10 answers
}

@test "a function that ends its thread ends nothing else" {
    installed
    say 'call end_thread' 'call give_sum 7'
    assert_output --partial 'the function ended its thread (pthread_exit); another has taken its place'
    assert_output --partial '= 7 (0x7)'
    tell uninstall
    assert_equal "$reply" 'uninstall ok: closed'
}

@test "the child of a call that forks ends at once" {
    installed
    say 'call fork_here' 'call give_sum 7'
    assert_output --regexp '= [1-9][0-9]* \(0x'
    assert_output --partial '= 7 (0x7)'
    assert_equal "$(grep -c 'goodbye' <<<"$output")" 1
    # It waits for its parent to look at it, as any child does.
    local child
    child=$(sed -nE 's/.*> = ([0-9]+) \(0x.*/\1/p' <<<"$output" | head -1)
    run cat "/proc/$child/stat"
    assert_output --regexp '\) Z '
}

@test "what cannot be cut off makes uninstalling fail with its thread, until it ends" {
    installed
    "$CLIENT" "$socket" upgrade 'run:call deaf' >"$BATS_TEST_TMPDIR/client" 3>&- 7>&- &
    started+=($!)
    wait_until 10 worker_is_deaf
    end "${started[-1]}"
    wait_until 10 is_held_by_nobody
    run timeout 5 socat -t 1 - "UNIX-CONNECT:$socket" </dev/null
    assert_output --regexp '^manhole: busy: what the last client ran has not ended yet \(thread [0-9]+\); you are number 1 '
    tell uninstall
    [[ $reply =~ ^'uninstall Device or resource busy: thread '[0-9]+' does not end' ]]
    tell release
    wait_until 10 answers
    tell uninstall
    assert_equal "$reply" 'uninstall ok: closed'
}

worker_is_deaf() {
    local task
    for task in /proc/"$pid"/task/*; do
        # All but what glibc keeps open (32, 33), KILL and STOP.
        [[ $(cat "$task/comm") == 'mh<'* ]] && grep -q '^SigBlk:.fffffffe7ffbfeff$' "$task/status" && return 0
    done
    return 1
}

is_held_by_nobody() {
    tell status
    [[ $reply != *held* ]]
}

@test "uninstalling cuts off a call that runs" {
    installed
    "$CLIENT" "$socket" upgrade 'run:call spin' await >"$BATS_TEST_TMPDIR/client" 3>&- 7>&- &
    started+=($!)
    wait_until 10 is_spinning
    tell uninstall
    assert_equal "$reply" 'uninstall ok: closed'
    wait_until 10 grep -qs 'BYE the manhole is being closed' "$BATS_TEST_TMPDIR/client"
    tell unload
    assert_equal "$reply" 'unload 0'
    alive "$pid"
}

@test "a search that waits for the loader's lock can be interrupted, and hurts nobody" {
    installed
    tell loader
    run timeout 30 "$CLIENT" "$socket" upgrade 'send:sym malloc' interrupt await 'run:threads' detach
    assert_line --partial 'RESULT 1 3 0 the search for the symbol: cut off'
    assert_line --partial 'RESULT 3 0 0'
    tell release
    say 'sym malloc' 'call give_sum 7'
    assert_line --regexp 'malloc = 0x[0-9a-f]+'
    assert_output --partial '= 7 (0x7)'
}

# --- Frames. ---

@test "frames carry output, results, data and completions" {
    installed
    run "$CLIENT" "$socket" upgrade 'run:call give_sum 1 2' 'run:nothing' 'run:call read_null 0' 'complete:e' \
        'complete:help th' 'complete:call s' detach
    assert_line --partial "HELLO manhole "
    assert_line 'OUTPUT 1 = 21 (0x15)'
    assert_line 'RESULT 1 0 0 '
    assert_line "RESULT 2 4 0 no such command: 'nothing'; 'help' lists them"
    assert_line --partial 'RESULT 3 2 11 read_null: ended by SIGSEGV'
    assert_line 'OUTPUT 4 env'
    assert_line 'exit'
    assert_line 'OUTPUT 5 threads'
    assert_line 'RESULT 6 0 0 '
    assert_line 'BYE goodbye'
    assert_line CLOSED
}

@test "READ gives the bytes that are there" {
    installed
    say 'sym greeting'
    [[ $output =~ greeting\ =\ (0x[0-9a-f]+) ]]
    local address=${BASH_REMATCH[1]} end
    run "$CLIENT" "$socket" upgrade "read:$address,19" 'read:0,64' "read:$address,0" 'run:call give_sum 7'
    assert_line 'DATA 1 19 hello from the host'
    assert_line 'RESULT 2 1 0 0x0: not readable'
    assert_line --partial 'RESULT 3 1 0 ' # no bytes
    assert_line 'OUTPUT 4 = 7 (0x7)'
}

@test "INTERRUPT cuts off what runs, and waits behind nothing" {
    installed
    run "$CLIENT" "$socket" upgrade 'send:call spin' 'send:call give_sum 7' interrupt await await interrupt 'run:call sleep 0'
    assert_line --partial 'RESULT 1 3 0 spin: cut off where it was; what it held'
    assert_line 'OUTPUT 2 = 7 (0x7)'
    assert_line 'RESULT 2 0 0 '
    assert_line 'RESULT 5 0 0 '
    run "$CLIENT" "$socket" upgrade 'send:call sleep 1000' interrupt await
    assert_line --partial 'RESULT 1 3 0 sleep: cut off'
}

@test "INTERRUPT is never taken for what was answered already" {
    installed
    local worker
    worker=$(thread_named mh-idle)
    # The worker is slow to see that what it sent has gone out.
    strace -qq -o /dev/null -e trace=sendto -e inject=sendto:delay_exit=300000 -p "$worker" &
    started+=($!)
    wait_until 20 grep -q "^TracerPid:.*[1-9]" "/proc/$pid/task/$worker/status"
    run timeout 30 "$CLIENT" "$socket" upgrade 'send:call spin' interrupt await 'send:call spin' interrupt await
    assert_line --partial 'RESULT 1 3 0 spin: cut off where it was; what it held'
    assert_line --partial 'RESULT 3 3 0 spin: cut off where it was; what it held'
}

@test "what is no frame ends the session with the reason" {
    installed
    run "$CLIENT" "$socket" upgrade raw:ffffffff0100000001000000 await
    assert_line 'BYE protocol error: a frame is larger than the maximum'
    assert_line CLOSED
    run "$CLIENT" "$socket" upgrade raw:000000006300000001000000 await
    assert_line 'BYE protocol error: a frame of unknown type'
    run "$CLIENT" "$socket" upgrade raw:0400000001000000010000006162 halfclose await
    assert_line 'BYE protocol error: a frame is cut short'
    run "$CLIENT" "$socket" upgrade 'send:call give_sum 7' halfclose await await
    assert_line 'OUTPUT 1 = 7 (0x7)'
    assert_line 'BYE goodbye'
    answers
}

@test "the upgrade is taken after the banner too, and in pieces" {
    installed
    mkfifo "$BATS_TEST_TMPDIR/in"
    socat -t 20 - "UNIX-CONNECT:$socket" <"$BATS_TEST_TMPDIR/in" >"$BATS_TEST_TMPDIR/got" 3>&- 7>&- &
    started+=($!)
    exec 8>"$BATS_TEST_TMPDIR/in"
    wait_until 10 grep -qs '> ' "$BATS_TEST_TMPDIR/got"
    printf '\001MANHOLE' >&8
    sleep 0.2
    printf ' 1 frames\n' >&8
    wait_until 10 grep -qas 'frames ok' "$BATS_TEST_TMPDIR/got"
    exec 8>&-
    wait_until 10 answers
}

# --- Descriptors, and musl. ---

@test "without free descriptors it waits, and serves when there are some again" {
    installed "log=$log"
    tell fds 0
    [[ $reply == 'fds 0' ]]
    timeout 20 socat -t 15 - "UNIX-CONNECT:$socket" <<<$'call give_sum 7\nquit' >"$BATS_TEST_TMPDIR/late" 3>&- 7>&- &
    local client=$!
    started+=("$client")
    sleep 0.5
    local worker
    # No poll(2) at all with that limit: it must not spin.
    worker=$(thread_named manhole)
    assert_equal "$(awk '{ print ($14 + $15 < 20) }' "/proc/$pid/task/$worker/stat")" 1
    tell fds 3
    wait_until 10 log_has 'accept: EMFILE: tried again later'
    tell fds 1024
    wait "$client"
    grep -q '= 7 (0x7)' "$BATS_TEST_TMPDIR/late"
}

@test "the same file works in a program with musl" {
    HOST=$TARGETS/payload_host_musl
    [[ -x $HOST ]] || skip "no musl here"
    start_host
    tell install
    tell uninstall
    tell unload
    local before
    before=$(counts)
    tell load
    tell threads
    tell install "log=$log"
    assert_equal "$reply" "install ok: $socket"
    say 'call give_sum 1 2 3 4 5 6' 'call read_null 0' 'call abort' 'call deep 1' 'call end_thread' 'sym malloc' bt threads env
    assert_output --partial '= 654321 (0x9fbf1)'
    assert_output --partial 'read_null: ended by SIGSEGV'
    assert_output --partial 'abort: ended by SIGABRT'
    assert_output --partial 'deep: ended by SIGSEGV'
    assert_output --partial 'the function ended its thread'
    assert_output --partial 'in ld-musl-x86_64.so.1'
    run "$CLIENT" "$socket" upgrade 'send:call spin' interrupt await detach
    assert_line --partial 'RESULT 1 3 0 spin: cut off'
    tell uid 65534
    assert_equal "$reply" 'uid 0'
    tell uninstall
    assert_equal "$reply" 'uninstall ok: closed'
}
