# Repeated looks: --count and --interval.

setup() {
    load helpers
    document=$BATS_TEST_TMPDIR/document
}

teardown() {
    end_all
}

# start_commanded: changes_on_command in $pid, which `command WORD WHERE` drives.
start_commanded() {
    commands=$BATS_TEST_TMPDIR/commands
    mkfifo "$commands"
    start changes_on_command "$commands"
}

# command WORD WHERE: has the target do WORD, and waits until it says that it is ready there.
command_target() {
    echo "$1" >"$commands"
    wait_until 20 grep -qx "ready $2" "$output_file"
}

# start_sampler OPTIONS...: looks at $pid until it is told to stop, in $sampler.
start_sampler() {
    "$ATTACH" --dump --count 1000000 --interval 50 -o "$document" "$@" "$pid" 2>"$document.errors" 3>&- &
    sampler=$!
    started+=("$sampler")
    wait_for_looks
}

reads_of_sampler() {
    sed -n 's/^syscr: //p' "/proc/$sampler/io"
}

sampler_has_read() {
    (($(reads_of_sampler) > $1))
}

sampler_waits() {
    grep -q '^271 ' "/proc/$sampler/syscall" # ppoll
}

# Waits until the sampler has looked at the target some more times: each look reads files of /proc.
wait_for_looks() {
    wait_until 60 sampler_waits
    wait_until 60 sampler_has_read $(($(reads_of_sampler) + 200))
}

# stop_sampler STATUS: as Ctrl-C does.
stop_sampler() {
    kill -TERM "$sampler"
    local status=0
    wait "$sampler" || status=$?
    assert_equal "$status" "$1"
}

@test "threads that are blocked have the same stack in all samples, and no context switch" {
    start thread_shapes
    run -0 "$ATTACH" --dump --count 20 --interval 1 --all-threads-listed "$pid"
    assert_equal "$(grep -cx '  same stack in 20 of 20 samples, 0 context switches' <<<"$output")" 11
    assert_line --index -1 --regexp \
        '^20 samples in [0-9.]+ s; threads paused 0 times, for 0 us in all, 0 us in the longest sample$'
    assert_line --regexp '^  #[12]   ?poller\+0x[0-9a-f]+ at .*thread_shapes\.c:[0-9]+ \(thread_shapes\)$'
}

@test "threads with the same samples are shown together" {
    start thread_shapes
    run -0 "$ATTACH" --dump --count 5 --interval 1 "$pid"
    assert_line --regexp '^6 threads "twin" with the same stack: '
}

@test "no sample of blocked threads makes a ptrace call or starts a helper" {
    start thread_shapes
    run -0 strace -f -o "$BATS_TEST_TMPDIR/trace" -e trace=ptrace,fork,vfork,clone,clone3 \
        "$ATTACH" --dump --count 20 --interval 1 "$pid"
    assert_line --partial 'same stack in 20 of 20 samples'
    run -1 grep -E 'ptrace\(|fork\(|clone' "$BATS_TEST_TMPDIR/trace"
}

@test "a thread with several stacks shows each with its count, most frequent first" {
    start_commanded
    start_sampler --format text
    command_target right right
    wait_for_looks
    wait_for_looks
    wait_for_looks
    stop_sampler 0
    run -0 cat "$document"
    assert_line --regexp '^  2 stacks in [0-9]+ samples, [1-9][0-9]* context switch'
    assert_line --regexp '^    #[0-9]+ +left in changes_on_command\.c \(changes_on_command\)$'
    assert_line --regexp '^    #[0-9]+ +right in changes_on_command\.c \(changes_on_command\)$'
    local counts
    counts=$(sed -n 's/^  in \([0-9]*\) of [0-9]* samples:$/\1/p' "$document")
    assert_equal "$(wc -l <<<"$counts")" 2
    assert_equal "$counts" "$(sort -nr <<<"$counts")"
}

@test "what was asked to stop early gives what there is, and is a success" {
    start_commanded
    start_sampler --format json
    command_target right right
    wait_for_looks
    stop_sampler 0
    run -0 jq -r '.samples.count == ([.threads[0].samples.stacks[].count] | add)' "$document"
    assert_output true
    run -0 jq -r '[.threads[0].samples.stacks[].frames[].function] | contains(["left", "right"])' "$document"
    assert_output true
    run -0 jq -r '.threads[0].samples.context_switches > 0 and .samples.count < 1000000' "$document"
    assert_output true
}

@test "a wait between two samples ends at once when it is asked to" {
    start thread_shapes
    "$ATTACH" --dump --count 2 --interval 3600000 -o "$document" "$pid" 3>&- &
    sampler=$!
    started+=("$sampler")
    wait_until 60 sampler_waits
    stop_sampler 0
    run -0 tail -1 "$document"
    assert_output --regexp '^1 sample in 0.0 s; '
}

@test "a library that is loaded between two samples is seen by the next" {
    start_commanded
    start_sampler --format json
    command_target library library
    wait_for_looks
    stop_sampler 0
    run -0 jq -r '[.threads[0].frames[] | select(.function == "inflateBack").module] | first' "$document"
    assert_output --partial /libz.so
    run -0 jq -r '.threads[0] | .complete' "$document"
    assert_output true
}

@test "a program that is started anew between two samples is seen by the next" {
    start_commanded
    start_sampler --format json
    command_target exec right
    wait_for_looks
    stop_sampler 0
    run -0 jq -r '[.threads[0].frames[].function] | contains(["right", "main"])' "$document"
    assert_output true
    # A look may well have met the loader at work: that has no main yet.
    run -0 jq -r '[.threads[0].samples.stacks[] | [.frames[].function] | select(contains(["right"])) |
        contains(["main"])] | all' "$document"
    assert_output true
}

# names_anew [thread]: samples jit_code, whose code gets another name meanwhile.
names_anew() {
    start jit_code "$@"
    local code map=/tmp/perf-$pid.map
    code=$(sed -n 's/^ready \([0-9a-f]*\) .*/\1/p' "$output_file")
    [[ ! -e $map ]] || fail "$map is there already"
    echo "$code 15 first" >"$map"
    start_sampler --format json
    echo "$code 15 second" >>"$map"
    wait_for_looks
    wait_for_looks
    stop_sampler 0
    rm "$map"
    run -0 jq -c '[.threads[].samples.stacks[].frames[].function | select(. == "first" or . == "second")] |
        unique' "$document"
    assert_output '["first","second"]'
    run -0 jq -r '[.threads[].frames[].function] | contains(["second"])' "$document"
    assert_output true
}

@test "code that a runtime names anew between two samples has its new name" {
    names_anew
}

@test "it has its new name below a thread that sleeps on as well" {
    names_anew thread
}

@test "a thread that has ended is shown with what was seen of it" {
    start_commanded
    command_target born born
    start_sampler --format text
    command_target die died
    wait_for_looks
    stop_sampler 0
    run -0 sed -n '/^thread [0-9]* "brief" ended$/,/^$/p' "$document"
    assert_line --index 1 --regexp \
        '^  same stack in ([0-9]+) of [0-9]+ samples, 0 context switches; not there in the other [0-9]+$'
    assert_line --regexp '^    #[0-9]+ +live in changes_on_command\.c '
}

@test "a target that ends gives what there is, with a note, and status 1" {
    start_commanded
    start_sampler --format json
    echo end >"$commands"
    local status=0
    wait "$sampler" || status=$?
    assert_equal "$status" 1
    run -0 cat "$document.errors"
    assert_line --index 0 --regexp "^manhole-attach: process $pid .*ended"
    assert_line --index 1 --regexp "^manhole-attach: process $pid: [0-9]+ of 1000000 samples were taken before that$"
    # The last look may have met it in the middle of its end, without a stack.
    run -0 jq -r '.samples.count > 0 and
        ([.threads[], .samples.ended_threads[] | .samples.stacks[].frames | length] | max > 0)' "$document"
    assert_output true
}

@test "a target that is not there gives its own status, and no document" {
    run -3 "$ATTACH" --dump --count 3 --interval 1 -o "$document" 4194304
    assert [ ! -e "$document" ]
}

@test "several targets are sampled together" {
    start thread_shapes
    local first=$pid
    start poller
    run -0 "$ATTACH" --dump --count 7 --interval 1 --format json "$first" "$pid"
    run -0 jq -c '[.pid, .samples.count]' <<<"$output"
    assert_output "[$first,7]
[$pid,7]"
}

@test "the interval from one sample to the next is kept, on the average" {
    start thread_shapes
    run -0 "$ATTACH" --dump --count 6 --interval 100 --format json "$pid"
    # Longer where the machine is busy, never much shorter.
    run -0 jq '.samples.period_us >= 95000' <<<"$output"
    assert_output true
}

# between_looks OPTIONS... -- WORD...: samples same_place, $others threads of which sleep beside the worker, does the
# commands after the first look and before another, and leaves the JSON in $document. $place: the worker's call before.
between_looks() {
    local options=()
    while [[ $1 != -- ]]; do
        options+=("$1")
        shift
    done
    shift
    commands=$BATS_TEST_TMPDIR/commands
    mkfifo "$commands"
    start same_place "$commands" "$others"
    worker=$(ls "/proc/$pid/task" | sort -n | tail -n 1)
    place=$(<"/proc/$pid/task/$worker/syscall")
    start_sampler --format json "${options[@]}"
    hold_sampler
    local word
    for word; do
        echo "$word" >"$commands"
        wait_until 60 grep -qE "^ready ($word|impossible)" "$output_file"
    done
    ! grep -q '^ready impossible' "$output_file" || skip "no thread can be given a certain id here"
    kill -CONT "$sampler"
    wait_for_looks
    stop_sampler 0
}

# Stops the sampler between two looks.
hold_sampler() {
    local attempt
    for attempt in {1..1000}; do
        kill -STOP "$sampler"
        wait_until 20 grep -q '^State:.T' "/proc/$sampler/status"
        ! sampler_waits || return 0
        kill -CONT "$sampler"
    done
    fail "the sampler never waits"
}

# The functions of the worker's last stack that tell where it is.
place_of_worker() {
    jq -r --argjson tid "$worker" '[.threads[] | select(.tid == $tid) | .frames[].function |
        select(. == "left" or . == "right")] | join(" ")' "$document"
}

@test "a thread that ran and came back to the same place by another way shows its new stack" {
    others=0
    between_looks -- right
    assert_equal "$(</proc/$pid/task/$worker/syscall)" "$place"
    assert_equal "$(place_of_worker)" right
    run -0 jq -c --argjson tid "$worker" '[.threads[] | select(.tid == $tid) | .samples.stacks[].frames[].function |
        select(. == "left" or . == "right")] | sort' "$document"
    assert_output '["left","right"]'
}

@test "a thread that has the id of one that ended is another thread" {
    others=0
    between_looks -- successor
    assert_equal "$(</proc/$pid/task/$worker/syscall)" "$place"
    assert_equal "$(place_of_worker)" right
    run -0 jq -c --argjson tid "$worker" '[.samples.ended_threads[] | select(.tid == $tid) |
        .samples.stacks[].frames[].function | select(. == "left" or . == "right")]' "$document"
    assert_output '["left"]'
}

@test "it is another one as well where few files may be open" {
    ulimit -n 40
    others=60
    between_looks -- successor
    assert_equal "$(place_of_worker)" right
    run -0 jq '[.threads[].frames | length > 0] | all and length == 62' "$document"
    assert_output true
}

@test "a thread that is named by another while it sleeps has its new name" {
    others=0
    between_looks -- name
    run -0 jq -r --argjson tid "$worker" '.threads[] | select(.tid == $tid) | .name' "$document"
    assert_output renamed
    assert_equal "$(place_of_worker)" left
}

@test "of threads that sleep on, neither files are opened nor stacks read again" {
    start sleepers_and_spinners 100 0
    local trace=$BATS_TEST_TMPDIR/trace
    ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0 run -0 strace -o "$trace" -e trace=openat,process_vm_readv \
        "$ATTACH" --dump --count 100 --interval 1 "$pid"
    assert_line --regexp '^100 threads .*with the same stack: '
    # Some files for each look, and some more for each thread, once; stacks are read many at a time.
    local tid opens
    tid=$(ls "/proc/$pid/task" | sort -n | tail -n 1)
    opens=$(grep -c "\"$tid/" "$trace")
    ((opens > 0 && opens < 30)) || fail "$opens files were opened for one thread"
}

@test "a terminal shows how far it is, and nothing of that stays" {
    start thread_shapes
    run -0 script -qec "$ATTACH --dump --count 40 --interval 20 -o $document $pid" /dev/null
    assert_output --partial ' of 40 ...'
    assert_output --regexp $'\r +\r$'
}

@test "a sampler without numbers that make sense is refused" {
    local option
    for option in '--count 0' '--count -1' '--count 1000001' '--count x' '--count 2 --interval 0' \
        '--count 2 --interval 3600001' '--interval'; do
        # shellcheck disable=SC2086
        run -2 "$ATTACH" --dump ${option/%--interval/--interval 10} 1
        assert_output --partial "${option##* --}"
    done
}
