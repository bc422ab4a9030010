# Which processes have a manhole.

setup() {
    load helpers
}

teardown() {
    local one
    manholes+=("${started[@]}")
    end_all
    for one in "${manholes[@]}"; do
        rm -f "/tmp/manhole-$one"
    done
}

# start_sleeper [COMMAND...]: an idle program, run by COMMAND; sets $pid.
start_sleeper() {
    start_quietly "$(command -v env)" "$@" sleep 1000
    wait_until 20 is_sleep "$pid"
    manholes+=("$pid")
}

is_sleep() {
    [[ $(cat "/proc/$1/comm") == sleep ]]
}

as_nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)

# A date and a time, as the list shows when a manhole was made.
date='[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}'

# in_own_tmp: makes a mount namespace where /tmp is another one, empty, and everything else as it is; $tmp is
# our own name for that /tmp, and $tool the program inside, also where the build is below the real one. What --clean
# removes there is nobody else's.
in_own_tmp() {
    start_quietly "$UNSHARED" --mount sh -c 'mount -t tmpfs tmpfs /tmp && chmod 1777 /tmp && exec sleep 1000'
    wait_until 20 is_sleep "$pid"
    inside=$pid
    tmp=/proc/$pid/root/tmp
    tool=/tmp/tool/manhole-attach
    install -D -t "$tmp/tool" "$ATTACH" "$BUILD/libmanhole.so"
}

# inside COMMAND [ARGUMENT...]: runs it there.
inside() {
    nsenter --mount="/proc/$inside/ns/mnt" --root="/proc/$inside/root" "$@"
}

# listed PATTERN: one of the lines of the list inside matches.
listed() {
    inside "$tool" --list 2>/dev/null | grep -Eq "$1"
}

# stale_socket NUMBER [COMMAND...]: makes a stale socket inside, by COMMAND.
stale_socket() {
    local number=$1
    shift
    inside "$@" /usr/bin/python3 -c \
        'import socket, sys; socket.socket(socket.AF_UNIX).bind("/tmp/manhole-" + sys.argv[1])' "$number"
}

# No process has this number: it is above the kernel's limit.
gone=4194305

@test "a process with a manhole is listed with pid, user, program, socket and time, until it is uninstalled" {
    start_sleeper
    local before after since
    before=$(date +%s)
    "$ATTACH" --install "$pid"
    after=$(date +%s)
    run --separate-stderr "$ATTACH" --list
    assert_success
    assert_line --index 0 --regexp '^ *PID +USER +PROGRAM +SOCKET +SINCE +CLIENT$'
    assert_line --regexp "^ *$pid +root +sleep +/tmp/manhole-$pid +$date +-$"
    since=$(date +%s -d "$("$ATTACH" --list | grep -E "^ *$pid " | grep -oE "$date")")
    # The kernel's clock of files is a tick behind.
    ((since >= before - 1 && since <= after)) || fail "$before $since $after"
    "$ATTACH" --uninstall "$pid"
    run "$ATTACH" --list
    assert_success
    refute_line --regexp "^ *$pid "
}

@test "a manhole at another path is listed with that path" {
    start_sleeper
    local path=$BATS_TEST_TMPDIR/elsewhere
    "$ATTACH" --install --socket-path "$path" "$pid"
    run "$ATTACH" --list
    assert_success
    assert_line --regexp "^ *$pid +root +sleep +$path +$date +-$"
}

@test "a program that merely has a socket is not listed" {
    start_redis
    run "$ATTACH" --list
    assert_success
    refute_line --regexp "^ *$pid "
}

@test "no manhole at all is a note and status 0" {
    # A pid namespace of its own, so that no other process is seen, and a /tmp of its own.
    exec 5<"$ATTACH"
    run --separate-stderr "$UNSHARED" sh -c 'mount -t tmpfs tmpfs /tmp && exec /proc/self/fd/5 --list'
    exec 5<&-
    assert_success
    assert_output ''
    assert_equal "$stderr" 'manhole-attach: no manhole found'
}

@test "without privileges the own manholes are listed, and what could not be read is said" {
    need_other_users
    start_sleeper "${as_nobody[@]}"
    "$ATTACH" --install "$pid"
    exec 5<"$ATTACH"
    run --separate-stderr "${as_nobody[@]}" /proc/self/fd/5 --list
    exec 5<&-
    assert_success
    assert_line --regexp "^ *$pid +nobody +sleep +/tmp/manhole-$pid +$date +-$"
    assert_regex "$stderr" 'could not be read'
}

@test "the time of a manhole is that of its socket, whatever happens to the file" {
    start_sleeper
    "$ATTACH" --install "$pid"
    local before
    before=$(since_of "$pid")
    touch -d '2001-01-01' "/tmp/manhole-$pid"
    chmod 640 "/tmp/manhole-$pid"
    rm "/tmp/manhole-$pid"
    assert [ -n "$before" ]
    assert_equal "$(since_of "$pid")" "$before"
}

since_of() {
    "$ATTACH" --list --format json 2>/dev/null | jq -r --argjson pid "$1" '.manholes[] | select(.pid == $pid) | .since'
}

@test "the client of a manhole is listed with pid, user and program, until it leaves" {
    start_sleeper
    "$ATTACH" --install "$pid"
    local target=$pid
    connect_nc "$target"
    run "$ATTACH" --list
    assert_line --regexp "^ *$target +root +sleep +/tmp/manhole-$target +$date +$pid root nc$"
    run --separate-stderr "$ATTACH" --list --format json
    run jq -c --argjson pid "$target" '.manholes[] | select(.pid == $pid) | .client' <<<"$output"
    assert_output "{\"pid\":$pid,\"uid\":0,\"user\":\"root\",\"program\":\"nc\"}"
    exec 4>&-
    wait "$pid" || true
    wait_until 20 is_free "$target"
}

# start_reading COMMAND [ARGUMENT...]: starts it in the background with what is written to descriptor 4 as its standard
# input, and its output in $output_file; sets $pid.
start_reading() {
    mkfifo "$BATS_TEST_TMPDIR/input"
    exec 4<>"$BATS_TEST_TMPDIR/input"
    output_file=$BATS_TEST_TMPDIR/${1##*/}.out
    "$@" <"$BATS_TEST_TMPDIR/input" >"$output_file" 2>&1 3>&- 4>&- &
    pid=$!
    started+=("$pid")
}

# connect_nc PID: a client that stays until descriptor 4 is closed; sets $pid.
connect_nc() {
    start_reading nc -N -U "/tmp/manhole-$1"
    wait_until 20 grep -q help "$output_file"
}

@test "of several clients that are connected one is listed, and how many more there are" {
    start_sleeper
    "$ATTACH" --install "$pid"
    local target=$pid
    connect_nc "$target"
    local first=$pid
    nc -N -U "/tmp/manhole-$target" <"$BATS_TEST_TMPDIR/input" >/dev/null 2>&1 3>&- 4>&- &
    local second=$!
    started+=("$second")
    wait_until 20 lists "^ *$target .* ($first|$second) root nc, and 1 more$"
    run -0 --separate-stderr "$ATTACH" --list --format json
    run jq --argjson pid "$target" '.manholes[] | select(.pid == $pid) | .clients_connected' <<<"$output"
    assert_output 2
    exec 4>&-
}

lists() {
    "$ATTACH" --list 2>/dev/null | grep -Eq "$1"
}

is_free() {
    "$ATTACH" --list 2>/dev/null | grep -Eq "^ *$1 .* -$"
}

@test "the client of a manhole in another network namespace is listed too" {
    start_quietly "$(command -v unshare)" --net "$(command -v sleep)" 1000
    wait_until 20 is_sleep "$pid"
    manholes+=("$pid")
    local target=$pid
    "$ATTACH" --install "$target"
    connect_nc "$target"
    run "$ATTACH" --list
    assert_line --regexp "^ *$target +root +sleep +/tmp/manhole-$target +$date +$pid root nc$"
    exec 4>&-
}

@test "a client that may not be looked at is listed as being out of sight" {
    need_other_users
    start_sleeper "${as_nobody[@]}"
    "$ATTACH" --install "$pid"
    local target=$pid
    connect_nc "$target"
    exec 5<"$ATTACH"
    run "${as_nobody[@]}" /proc/self/fd/5 --list
    exec 5<&-
    assert_line --regexp "^ *$target +nobody +sleep +/tmp/manhole-$target +$date +\? \(out of sight\)$"
    exec 4>&-
}

@test "the list as JSON has the same" {
    start_sleeper
    "$ATTACH" --install "$pid"
    run --separate-stderr "$ATTACH" --list --format json
    assert_success
    run jq -r --argjson pid "$pid" '.version, (.manholes[] | select(.pid == $pid) |
        .user, .uid, .program, .socket, .client, (.since | test("^[0-9-]{10}T[0-9:.]{12}Z$")))' <<<"$output"
    assert_output "1
root
0
sleep
/tmp/manhole-$pid
null
true"
}

@test "the user is the one whose rights the program has, also of one that may not be dumped" {
    need_other_users
    start_quietly "$(command -v setpriv)" --reuid=65534 --regid=65534 --clear-groups "$TARGETS/undumpable"
    wait_until 20 grep -qs '^ready' "$BATS_TEST_TMPDIR/setpriv.out"
    manholes+=("$pid")
    assert_equal "$(stat -c %U "/proc/$pid/status")" root
    "$ATTACH" --install "$pid"
    run "$ATTACH" --list
    assert_line --regexp "^ *$pid +nobody +undumpable +/tmp/manhole-$pid "
}

@test "the socket of a process that was killed is stale, and --clean removes it" {
    in_own_tmp
    start_sleeper nsenter --mount="/proc/$inside/ns/mnt"
    inside "$tool" --install "$pid"
    end "$pid"
    wait_until 20 listed "^stale /tmp/manhole-$pid of root: there is no process $pid\$"
    assert [ -S "$tmp/manhole-$pid" ]
    run --separate-stderr inside "$tool" --list --clean
    assert_success
    assert_line "removed /tmp/manhole-$pid of root: there is no process $pid"
    assert [ ! -e "$tmp/manhole-$pid" ]
    run inside "$tool" --list
    refute_output --partial stale
}

@test "the socket of a process that now runs another program is stale" {
    in_own_tmp
    start_reading nsenter --mount="/proc/$inside/ns/mnt" sh -c 'echo ready; read -r line; exec sleep 1000'
    wait_until 20 grep -qs '^ready' "$output_file"
    inside "$tool" --install "$pid"
    exec 4>&-
    wait_until 20 is_sleep "$pid"
    wait_until 20 listed "^stale /tmp/manhole-$pid of root: process $pid does not serve it\$"
    inside "$tool" --list --clean
    assert [ ! -e "$tmp/manhole-$pid" ]
    assert alive "$pid"
}

@test "a manhole that listens is never stale, nor called to find that out" {
    in_own_tmp
    start_sleeper nsenter --mount="/proc/$inside/ns/mnt"
    inside "$tool" --install --verbose-destination /tmp/log "$pid"
    # Old enough to be judged.
    wait_until 20 sh -c "[ \$((\$(date +%s) - \$(stat -c %Z $tmp/manhole-$pid))) -gt 2 ]"
    run inside "$tool" --list --clean
    assert_success
    assert_line --regexp "^ *$pid +root +sleep +/tmp/manhole-$pid +$date +-$"
    refute_line --regexp '^(stale|removed|left) '
    inside "$tool" --eval 'call getpid' "$pid"
    # The one client of the log is the one of that line.
    run grep -c 'Accepted connection' "$tmp/log"
    assert_output 1
}

@test "only sockets are cleaned: never a link, a directory or a regular file, nor another name" {
    in_own_tmp
    inside mkdir "/tmp/manhole-$gone"
    inside sh -c "echo precious >/tmp/manhole-$((gone + 1))"
    inside ln -s "/tmp/manhole-$((gone + 3))" "/tmp/manhole-$((gone + 2))"
    inside mkfifo "/tmp/manhole-$((gone + 4))"
    stale_socket "$((gone + 3))"
    local other
    for other in 12x x -1 01 "$gone.old"; do
        stale_socket "$other"
    done
    wait_until 20 listed "^stale /tmp/manhole-$((gone + 3)) of root"
    run --separate-stderr inside "$tool" --list --clean
    assert_success
    run grep -E '^(stale|removed|left) ' <<<"$output"
    assert_output "left /tmp/manhole-$gone of root: a directory
left /tmp/manhole-$((gone + 1)) of root: a regular file
left /tmp/manhole-$((gone + 2)) of root: a symbolic link
removed /tmp/manhole-$((gone + 3)) of root: there is no process $((gone + 3))
left /tmp/manhole-$((gone + 4)) of root: no socket"
    assert [ -d "$tmp/manhole-$gone" ]
    assert [ -f "$tmp/manhole-$((gone + 1))" ]
    assert [ -L "$tmp/manhole-$((gone + 2))" ]
    assert [ -p "$tmp/manhole-$((gone + 4))" ]
    for other in 12x x -1 01 "$gone.old"; do
        assert [ -S "$tmp/manhole-$other" ]
    done
}

@test "a socket that is bound and does not listen yet is nobody's to remove" {
    in_own_tmp
    start_quietly "$(command -v nsenter)" --mount="/proc/$inside/ns/mnt" /usr/bin/python3 -c '
import socket, sys, time
s = socket.socket(socket.AF_UNIX)
s.bind("/tmp/manhole-" + sys.argv[1])
print("ready", flush=True)
time.sleep(1000)' "$gone"
    wait_until 20 grep -qs '^ready' "$BATS_TEST_TMPDIR/nsenter.out"
    stale_socket "$((gone + 1))"
    wait_until 20 listed "^stale /tmp/manhole-$((gone + 1)) "
    run inside "$tool" --list --clean
    refute_output --partial "/tmp/manhole-$gone"
    assert [ -S "$tmp/manhole-$gone" ]
    assert [ ! -e "$tmp/manhole-$((gone + 1))" ]
}

@test "without privileges only the own stale sockets are removed" {
    need_other_users
    in_own_tmp
    stale_socket "$gone"
    stale_socket "$((gone + 1))" "${as_nobody[@]}"
    # One that all may ask about.
    stale_socket "$((gone + 2))"
    inside chmod 777 "/tmp/manhole-$((gone + 2))"
    inside chmod 600 "/tmp/manhole-$gone"
    wait_until 20 listed "^stale /tmp/manhole-$gone "
    wait_until 20 listed "^stale /tmp/manhole-$((gone + 2)) "
    run --separate-stderr inside "${as_nobody[@]}" "$tool" --list --clean
    assert_success
    run grep -E '^(stale|removed|left) ' <<<"$output"
    assert_output "removed /tmp/manhole-$((gone + 1)) of nobody: there is no process $((gone + 1))
left /tmp/manhole-$((gone + 2)) of root: another user's"
    assert_regex "$stderr" '1 socket of others could not be asked about'
    assert [ -S "$tmp/manhole-$gone" ]
    assert [ -S "$tmp/manhole-$((gone + 2))" ]
}

@test "stale sockets are in the JSON, with what became of them" {
    in_own_tmp
    stale_socket "$gone"
    wait_until 20 listed "^stale /tmp/manhole-$gone "
    run --separate-stderr inside "$tool" --list --format json
    run jq -c '.stale_sockets[]' <<<"$output"
    assert_output "{\"path\":\"/tmp/manhole-$gone\",\"pid\":$gone,\"uid\":0,\"user\":\"root\",\"state\":\"stale\",\"why\":\"there is no process $gone\"}"
    run --separate-stderr inside "$tool" --list --clean --format json
    run jq -r '.stale_sockets[].state' <<<"$output"
    assert_output removed
}
