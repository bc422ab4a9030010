# The program of python-manhole's tests (tests/targets/helper.c), and plain clients of it.
# After `load helpers`: `load helper_program`; in teardown `end_helper`.

# start_helper FORM [NAME=VALUE...]: starts it with a manhole of these options, preloaded or injected, and waits until
# that is ready. Sets $pid, $out (what the program prints, its answers among it), $errors and $log (what the manhole logs).
start_helper() {
    local form=$1 options
    shift
    log=$BATS_TEST_TMPDIR/helper.log
    rm -f "$log"
    [[ " $*" == *' verbose_destination='* ]] || set -- "verbose_destination=$log" "$@"
    options=$(IFS=,; echo "$*")
    case $form in
    preloaded) start_obedient env LD_PRELOAD="$BUILD/libmanhole.so" MANHOLE="$options" "$TARGETS/helper" ;;
    uninstalled) start_obedient env LD_PRELOAD="$BUILD/libmanhole.so" "$TARGETS/helper" ;;
    *) start_obedient "$TARGETS/helper" ;;
    esac
    socket=/tmp/manhole-$pid
    sockets+=("$socket")
    if [[ $form == injected ]]; then
        local words=()
        mapfile -t words < <(as_long_options "$@")
        "$ATTACH" --install "${words[@]}" "$pid"
    fi
}

# start_obedient COMMAND...: a program that does what `tell` says, and whose output is $out, and $errors.
start_obedient() {
    local control=$BATS_TEST_TMPDIR/control
    out=$BATS_TEST_TMPDIR/helper.out
    errors=$BATS_TEST_TMPDIR/helper.err
    rm -f "$control" "$out" "$errors"
    mkfifo "$control"
    "$@" <"$control" >"$out" 2>"$errors" 3>&- 7>&- &
    pid=$!
    started+=("$pid")
    exec 7>"$control"
    wait_until 20 grep -qs '^ready' "$out"
}

# as_long_options NAME=VALUE...: the options of MANHOLE as those of manhole-attach, one word a line.
as_long_options() {
    local one name
    for one in "$@"; do
        name=${one%%=*}
        case $one in
        thread=0 | patch_fork=0 | redirect_stderr=0) echo "--no-${name//_/-}" ;;
        daemon_connection=1) echo --daemon-connection ;;
        locals=*) for name in $(tr -d "'" <<<"${one#*=}" | tr , ' '); do printf '%s\n' --local "$name"; done ;;
        *) printf '%s\n' "--${name//_/-}" "${one#*=}" ;;
        esac
    done
}

end_helper() {
    exec 7>&- 8>&-
    end_all
    rm -f "${sockets[@]}"
    sockets=()
}

# tell WORDS: sets $reply to the line of the program's output that comes next.
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

# say LINE...: a plain text session at $socket, up to `exit`; sets $output.
say() {
    run timeout 60 socat -t 50 - "UNIX-CONNECT:$socket" < <(printf '%s\n' "$@" exit)
}

# A session that stays: `open_session` begins one as $client, whose output is $session; what is written to 8 it says.
open_session() {
    local in=$BATS_TEST_TMPDIR/session.in
    session=$BATS_TEST_TMPDIR/session
    rm -f "$in" "$session"
    mkfifo "$in"
    socat -t 2 - "UNIX-CONNECT:$socket" <"$in" >"$session" 3>&- 7>&- 8>&- &
    client=$!
    started+=("$client")
    exec 8>"$in"
    wait_until 20 grep -qs -- '> $' "$session"
}

session_has() {
    grep -qsaF -- "$1" "$session"
}

# log_has COUNT TEXT: the manhole has logged it so often (or oftener).
log_has() {
    (($(grep -cF -- "$2" "$log") >= $1))
}

is_gone() {
    ! [[ -e $1 || -L $1 ]]
}

# Nobody is served, and the listener waits, for the COUNTth time.
waits_again() {
    wait_until 20 log_has "$1" 'Waiting for new connection'
}

# counts_of PID: threads, descriptors, mappings.
counts_of() {
    echo "$(ls "/proc/$1/task" | wc -l) threads, $(ls "/proc/$1/fd" | wc -l) descriptors, $(wc -l <"/proc/$1/maps") mappings"
}
