# The program of python-manhole's tests (tests/targets/helper.c), and plain clients of it.
# After `load helpers`: `load helper_program`; in teardown `end_helper`. Another program: `HELPER=(COMMAND...)`, and
# `LEAVE=...` is how a session with it is ended.
HELPER=("$TARGETS/helper")
LEAVE=exit

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
    preloaded) start_obedient env LD_PRELOAD="$BUILD/libmanhole.so" MANHOLE="$options" "${HELPER[@]}" ;;
    uninstalled) start_obedient env LD_PRELOAD="$BUILD/libmanhole.so" "${HELPER[@]}" ;;
    *) start_obedient "${HELPER[@]}" ;;
    esac
    socket=/tmp/manhole-$pid
    sockets+=("$socket")
    if [[ $form == injected ]]; then
        local words=()
        mapfile -t words < <(as_long_options "$@")
        "$ATTACH" --install "${words[@]}" "$pid"
    fi
}

# start_obedient COMMAND...: start_obeying, but $out has what the program answers alone, and $errors the rest.
start_obedient() {
    errors=$BATS_TEST_TMPDIR/helper.err
    : >"$errors"
    start_obeying with_errors_apart "$@"
}

with_errors_apart() {
    exec "$@" 2>"$errors"
}

# as_long_options NAME=VALUE...: the options of MANHOLE as those of manhole-attach, one word a line.
as_long_options() {
    local one name
    for one in "$@"; do
        name=${one%%=*}
        case $one in
        thread=0 | patch_fork=0 | redirect_stderr=0) echo "--no-${name//_/-}" ;;
        daemon_connection=1 | redirect=1) name=${name//_/-} && echo "--$name" ;;
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

# say LINE...: a plain text session at $socket, up to its end; sets $output.
say() {
    run timeout 60 socat -t 50 - "UNIX-CONNECT:$socket" < <(printf '%s\n' "$@" "$LEAVE")
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
