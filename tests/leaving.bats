# A target that ends, or becomes another program, while manhole-attach is at work on it, at whichever system call of it
# or of its helper: manhole-attach ends with one line and the right status, and the other program is as if nobody had
# ever asked: see tests/targets/leaves.c, and tests/tools/kill_at.c for how the moment is chosen.

load kill_at

teardown() {
    end_all
    rm -f "${sockets[@]}"
}

# Always at the same addresses: what is written for the program before would hit the one after.
start_leaver() {
    [[ -z $pid ]] || end "$pid"
    start "$(command -v setarch)" -R "$TARGETS/leaves" "$1"
    sockets+=("/tmp/manhole-$pid")
}

# leave_at N HOW WHOSE VERB...: starts a target that leaves at stop N of the verb; its end is in $status, what the verb
# said in $said. Status 3: there was no such stop.
leave_at() {
    local at=$1 how=$2 whose=$3
    shift 3
    start_leaver "$how"
    [[ $1 != --eval && $1 != --uninstall ]] || "$ATTACH" --install "$pid" >/dev/null
    said=$BATS_TEST_TMPDIR/said
    status=0
    "$KILL_AT" "$at" "$whose" "$pid" "$ATTACH" "$@" "$pid" </dev/null >"$said" 2>&1 || status=$?
}

has_become_another() {
    [[ $(cat "/proc/$pid/comm") == exe ]] && grep -qs '^ready, stays' "$output_file"
}

is_gone() {
    ! alive "$1"
}

# It did what it wanted to do, and was hindered by nothing.
has_left() {
    local code=0
    if [[ $1 == exit ]]; then
        wait_until 20 is_gone "$pid"
        wait "$pid" || code=$?
        assert_equal "$code" 7
        return
    fi
    wait_until 20 has_become_another
    wait_until 20 is_free
    refute grep -q bad "$output_file"
}

# No thread is held, and there are those that it started, or those and a manhole's.
is_free() {
    local count
    count=$(ls "/proc/$pid/task" | wc -l)
    ! grep -hsE '^(State:.[tT] |TracerPid:.[1-9])' /proc/"$pid"/task/*/status && ((count == 4 || count == 6))
}

# says_right: 0 (it was faster), 3 (ended, another one now), 5 (a zombie); 1 and 7 of what the program could not do any
# more, or not yet; 6 of an uninstall that the program's own end has done. All but a dump in one line.
says_right() {
    local code
    code=$(sed -n 's/^status: //p' "$said")
    [[ $code == [013567] ]]
    ((code < 2)) || (($(grep -c '^manhole-attach: ' "$said") == 1))
    refute grep -E 'security module|libpthread' "$said"
}

# leaves_during HOW WHOSE COUNT VERB...: at COUNT moments; at all of them in `make soak`.
leaves_during() {
    local how=$1 whose=$2 count=$3 all step n left=0 tries=0
    shift 3
    leave_at 0 exit "$whose" "$@"
    read -r all < <(sed -n 's/^stops: \([0-9]*\) \([0-9]*\),.*/\1 \2/p' "$said" |
        cut -d ' ' -f "$([[ $whose == tool ]] && echo 1 || echo 2)")
    step=$((all / count + 1))
    ((${SOAK:-0} == 0)) || step=1
    for ((n = step / 2 + 1; n <= all; n += step)); do
        leave_at "$n" "$how" "$whose" "$@"
        if ((status == 3)); then
            ((left == 0 && (step > 1 || tries++ < 3))) || break
            # How often it waits differs from run to run: there were more stops the first time.
            step=$((step > 1 ? step / 2 : 1)) n=$((1 - step))
            continue
        fi
        ((status == 0)) || fail "$* at $n: $(<"$said")"
        says_right || fail "$* at $n: $(<"$said")"
        has_left "$how"
        left=$((left + 1))
    done
    ((left > 0))
    # And what it has become is attached as any other.
    [[ $how == exec ]] || return 0
    run -0 timeout 60 "$ATTACH" --install --replace "$pid"
    run -0 timeout 60 "$ATTACH" --eval '1 + 1' "$pid"
    assert_output --partial '= 2'
    run -0 timeout 60 "$ATTACH" --uninstall "$pid"
}

@test "a program that ends during a dump" {
    leaves_during exit tool 2 --dump
    leaves_during exit helper 2 --dump --freeze
}

@test "a program that ends during an attach" {
    leaves_during exit helper 3 --install
    leaves_during exit tool 2 --eval '1 + 1'
    leaves_during exit helper 2 --uninstall
}

@test "a program that becomes another one during a dump" {
    leaves_during exec tool 2 --dump
    leaves_during exec helper 2 --dump --freeze
}

@test "a program that becomes another one during an attach" {
    leaves_during exec helper 3 --install
    leaves_during exec tool 2 --eval '1 + 1'
    leaves_during exec helper 2 --uninstall
}
