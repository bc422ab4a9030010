# Whoever kills manhole-attach, or its helper, at any system call of theirs, leaves a target that goes on as if nothing
# had been: see tests/targets/bystander.c for what that does and checks, and tests/tools/kill_at.c for the killing.

load kill_at

teardown() {
    local one
    for one in "${started[@]}"; do
        rm -f "/tmp/manhole-$one"
    done
    end_all
}

# start_bystander ROLE: sets what it looked like at first, too.
start_bystander() {
    report=$BATS_TEST_TMPDIR/report
    # Else glibc gives two threads of ours that live at once an arena each, and keeps them.
    MALLOC_ARENA_MAX=1 start bystander "$report" "$1"
    tids=(/proc/"$pid"/task/*)
    masks=$(masks)
    # What a first attach brings and no uninstall takes away is the C library's own.
    attach_again
    belongings=$(belongings)
}

# The signal masks of the threads that it started with.
masks() {
    grep -H '^SigBlk:' "${tids[@]/%//status}"
}

# Its maps, descriptors and threads; the heap may grow.
belongings() {
    sed 's/\(.*\) .* .* .*  *\[heap\]/heap/' "/proc/$pid/maps" | grep -v heap
    find "/proc/$pid/fd" -type l -printf '%f %l\n' | sort
    ls "/proc/$pid/task"
}

# What a thread should not be: stopped, or traced.
is_free() {
    ! grep -hsE '^(State:.[tT] |TracerPid:.[1-9])' /proc/"$pid"/task/*/status
}

has_its_masks() {
    [[ $(masks) == "$masks" ]]
}

has_its_belongings() {
    [[ $(belongings) == "$belongings" ]]
}

# Every thread has done something since it said $before.
has_gone_on() {
    local i now
    read -ra now <"$report"
    for i in "${!before[@]}"; do
        ((now[i] > before[i])) || return 1
    done
}

# Exit status 7 is a machine so busy that a thread of the target did not start in time.
evaluates() {
    run timeout 60 "$ATTACH" --eval '1 + 1' "$pid"
    ((status != 7))
}

# A later attach works, and leaves nothing.
attach_again() {
    wait_until 60 evaluates
    assert_success
    assert_output --partial '= 2'
    run -0 timeout 60 "$ATTACH" --uninstall "$pid"
}

# What each verb is: $command and $input; what the target has before it ($with_manhole), and whether a kill may leave
# something behind that was not there.
verb() {
    input='' with_manhole=false leaves_something=true
    case $1 in
    dump) command=(--dump) leaves_something=false ;;
    freeze) command=(--dump --freeze) leaves_something=false ;;
    install) command=(--install) ;;
    uninstall) command=(--uninstall) with_manhole=true ;;
    console) command=() input=$'1 + 1\ngetpid()\n.bt\n' ;;
    eval) command=(--eval '1 + 1') ;;
    eval_again) command=(--eval '1 + 1') with_manhole=true leaves_something=false ;;
    frozen) command=(--eval '.frozen 1 + 1') with_manhole=true leaves_something=false ;;
    esac
}

# kill_at N WHOSE WHOM: the verb, killed.
kill_at() {
    if $with_manhole; then "$ATTACH" --install "$pid" >/dev/null 2>&1; fi
    "$KILL_AT" "$@" "$ATTACH" "${command[@]}" "$pid" <<<"$input" >"$BATS_TEST_TMPDIR/killed" 2>&1
}

# The same when all of it was over a moment ago: else it is asked again after the next kill.
take_note_of_progress() {
    if has_gone_on; then
        read -ra before <"$report"
        noted=$SECONDS
    fi
    ((SECONDS - noted < 20)) || fail "stuck: ${before[*]} is $(<"$report")"
}

# What the bystander complained of; that a call was interrupted is what a helper may cost that is killed itself, in the
# microseconds between a stop and its repair (injector/inject.h).
complaints() {
    grep -v '^ready' "$BATS_TEST_TMPDIR/bystander.out" |
        if [[ $whom != tool ]]; then grep -vE '^bad (epoll|signals): 4$'; else cat; fi
}

# is_untouched N: what must be true now, or soon, after the kill at stop N.
is_untouched() {
    wait_until 20 is_free
    # Where nothing could be left behind, or is there anyway, an attach now and then is enough.
    if $leaves_something || (($1 % 16 == 0)); then
        attach_again
        wait_until 20 has_its_belongings
    fi
    wait_until 20 has_its_masks
    take_note_of_progress
    [[ -z $(complaints) ]] || fail "$(complaints)"
}

# dies VERB WHOSE WHOM COUNT: kills the verb at COUNT different stops, at all of them in `make soak`.
dies() {
    (($4 || ${SOAK:-0})) || return 0
    local n from all step status tool_all helper_all tool_from helper_from whom=$3 killed=0 tries=0
    verb "$1"
    kill_at 0 "$2" "$3" || true
    attach_again
    read -r tool_all helper_all tool_from helper_from \
        < <(sed -n 's/^stops: \(.*\), from: \(.*\)$/\1 \2/p' "$BATS_TEST_TMPDIR/killed")
    if [[ $2 == tool ]]; then from=$tool_from all=$tool_all; else from=$helper_from all=$helper_all; fi
    # What comes before the first call of ptrace does nothing to the target.
    step=$(((all - from) / $4 + 1))
    ((${SOAK:-0} == 0)) || from=1 step=1
    read -ra before <"$report"
    noted=$SECONDS
    for ((n = from + step / 2; ; n += step)); do
        status=0
        kill_at "$n" "$2" "$3" || status=$?
        if ((status == 3)); then
            ((killed == 0 && (step > 1 || tries++ < 3))) || break
            # How often it waits differs from run to run, and whether a thread runs at all: there were more stops the
            # first time.
            attach_again
            step=$((step > 1 ? step / 2 : 1)) n=$((from - step))
            continue
        fi
        ((status == 0)) || fail "$1, stop $n: $(<"$BATS_TEST_TMPDIR/killed")"
        killed=$((killed + 1))
        is_untouched "$n" || fail "$1, stop $n: $(<"$BATS_TEST_TMPDIR/killed")"
    done
    attach_again
    wait_until 20 has_its_belongings
    wait_until 20 has_gone_on
    ((killed > 0))
    ((${SOAK:-0} == 0)) || echo "# $1: $killed kills of the $3, at each stop of the $2" >&3
}

@test "a dump that is killed leaves no trace, whatever it was about to do" {
    start_bystander futex
    dies dump tool tool 0
    dies dump helper tool 2
    dies freeze tool tool 0
    dies freeze helper tool 3
    dies frozen tool tool 0
    dies frozen helper tool 2
    dies freeze helper all 1 # last, since it may cost an interrupted call
}

@test "an attach that is killed leaves nothing that the next does not take away" {
    start_bystander epoll
    dies install tool tool 0
    dies install helper tool 3
    dies eval_again tool tool 1
    dies console tool tool 0
    dies console helper tool 0
    dies eval helper all 1 # last, since it may cost an interrupted call
}

@test "an uninstall that is killed leaves nothing that the next does not take away" {
    start_bystander signals
    dies uninstall tool tool 0
    dies uninstall helper tool 2
}

@test "a helper that is killed itself costs no more than one interrupted call" {
    start_bystander read
    dies freeze helper helper 2
    dies frozen helper helper 0
    dies install helper helper 2
    dies uninstall helper helper 0
}
