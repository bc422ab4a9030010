# What an evaluation prints: to the client, live, and to where it always went, whole.

setup() {
    load helpers
    CLIENT=$TARGETS/frames_client
    got=$BATS_TEST_TMPDIR/got
    errors=$BATS_TEST_TMPDIR/errors
    pipe=$BATS_TEST_TMPDIR/pipe
    client=$BATS_TEST_TMPDIR/client
}

teardown() {
    exec 8>&-
    end_all
    rm -f "/tmp/manhole-$pid"
}

# target [LAUNCHER...] -- [ARGUMENTS]: the program that prints; its stdout and stderr are the caller's.
target() {
    local launcher=()
    while [[ $1 != -- ]]; do
        launcher+=("$1")
        shift
    done
    shift
    "${launcher[@]}" "$TARGETS/prints" "$@" 3>&- 8>&- &
    pid=$!
    started+=("$pid")
    wait_until 20 is_waiting
}

is_waiting() {
    [[ $(cat "/proc/$pid/comm") == prints ]] && grep -q '^State:[[:space:]]S' "/proc/$pid/status"
}

# read_pipe: a reader of $pipe who writes to $got.
read_pipe() {
    mkfifo "$pipe"
    cat "$pipe" >"$got" 3>&- 8>&- &
    started+=($!)
}

install() {
    run -0 "$ATTACH" --install "$@" "$pid"
}

# descriptors: what of them must be the same before and after.
descriptors() {
    local fd
    for fd in "/proc/$pid/fd/"*; do
        echo "${fd##*/} $(readlink "$fd") $(awk '/^flags/ { print $2 }' "/proc/$pid/fdinfo/${fd##*/}")"
    done
}

has_descriptors() {
    [[ $(descriptors) == "$1" ]]
}

has_line() {
    grep -qsxF -- "$2" "$1"
}

prints_everything() {
    run -0 "$ATTACH" --eval 'call write 1 "by C\n" 5' --eval 'call write 2 "wrong\n" 6' \
        --eval 'call printf "held back\n"' --eval 'call system "echo by a child; echo its error >&2"' "$pid"
    assert_line --index 0 'by C'
    assert_line --index 2 'wrong'
    assert_line --index 4 'held back'
    assert_line --index 5 '= 10 (0xa)'
    assert_line 'by a child'
    assert_line 'its error'
}

@test "what is printed on a pipe, by C code or its children, is shown and still goes there" {
    read_pipe
    target -- >"$pipe" 2>"$errors"
    install
    local before
    before=$(descriptors)
    prints_everything
    wait_until 10 has_line "$got" 'by a child'
    assert_equal "$(cat "$got")" $'by C\nheld back\nby a child'
    assert_equal "$(cat "$errors")" $'wrong\nits error'
    wait_until 10 has_descriptors "$before"
}

@test "the same on files, whose descriptors are not touched" {
    local mode
    for mode in append write; do
        : >"$got"
        [[ $mode == write ]] || echo old >"$got"
        if [[ $mode == append ]]; then
            target -- >>"$got" 2>>"$errors"
        else
            target -- >"$got" 2>"$errors"
        fi
        install
        prints_everything
        refute_output --partial old
        run -0 "$ATTACH" --eval "call system \"readlink /proc/\$PPID/fd/1\"" "$pid"
        assert_line --index 0 "$got"
        [[ $mode == append ]] && assert_equal "$(head -2 "$got")" $'old\nby C'
        grep -qx 'by a child' "$got"
        end "$pid"
    done
}

@test "the same on a file that the program may no longer open" {
    need_other_users
    touch "$got"
    chmod 600 "$got"
    target setpriv --reuid 65534 --regid 65534 --clear-groups -- >"$got" 2>&1
    install
    prints_everything
    assert_equal "$(grep -c '' "$got")" 5
}

@test "the same on a pipe that the program may no longer open" {
    need_other_users
    read_pipe
    chmod 600 "$pipe"
    target setpriv --reuid 65534 --regid 65534 --clear-groups -- 2000 >"$pipe" 2>&1
    install
    prints_everything_among_lines
    "$ATTACH" --uninstall "$pid"
    end "$pid"
    wait_until 10 has_ended "${started[0]}"
    is_in_sequence <(grep 'of 1$' "$got") 1
    is_in_sequence <(grep 'of 2$' "$got") 2
    has_line "$got" 'by a child'
}

# The same, while lines of the program come in between.
prints_everything_among_lines() {
    run -0 "$ATTACH" --eval 'call write 1 "by C\n" 5' --eval 'call system "echo by a child; echo its error >&2"' "$pid"
    local line
    for line in 'by C' 'by a child' 'its error'; do
        assert_line "$line"
    done
}

@test "the same on a terminal" {
    socat -u "PTY,link=$BATS_TEST_TMPDIR/tty,rawer" "CREATE:$got" 3>&- 8>&- &
    started+=($!)
    wait_until 10 test -e "$BATS_TEST_TMPDIR/tty"
    target -- >"$BATS_TEST_TMPDIR/tty" 2>&1
    install
    local before
    before=$(descriptors)
    prints_everything
    wait_until 10 has_line "$got" 'its error'
    assert_equal "$(cat "$got")" $'by C\nwrong\nheld back\nby a child\nits error'
    wait_until 10 has_descriptors "$before"
}

@test "the same on a socket like that of systemd's journal" {
    cat >"$BATS_TEST_TMPDIR/journal" <<'PERL'
use Socket;
socketpair(my $ours, my $theirs, AF_UNIX, SOCK_STREAM, 0) or die;
shutdown($theirs, 0);
if (fork) { close $theirs; open my $out, '>', $ENV{got}; $out->autoflush; print $out $_ while <$ours>; exit }
close $ours;
open STDOUT, '>&', $theirs; open STDERR, '>&', $theirs;
exec @ARGV;
PERL
    sed -i '1i use IO::Handle;' "$BATS_TEST_TMPDIR/journal"
    got=$got target perl "$BATS_TEST_TMPDIR/journal" -- >/dev/null 2>&1 &
    started+=($!)
    wait_until 20 has_printing_child
    started+=("$pid")
    install
    prints_everything
    wait_until 10 has_line "$got" 'its error'
    assert_equal "$(cat "$got")" $'by C\nwrong\nheld back\nby a child\nits error'
}

has_printing_child() {
    pid=$(pgrep -n -x prints -g 0) && is_waiting
}

@test "the same on /dev/null" {
    target -- >/dev/null 2>&1
    install
    prints_everything
}

@test "stderr is left alone where that is asked for" {
    mkfifo "$pipe" "$pipe-2"
    cat "$pipe" >"$got" 3>&- 8>&- &
    started+=($!)
    cat "$pipe-2" >"$errors" 3>&- 8>&- &
    started+=($!)
    target -- >"$pipe" 2>"$pipe-2"
    install --no-redirect-stderr
    run -0 "$ATTACH" --eval "call system \"readlink /proc/\$PPID/fd/2; echo wrong >&2\"" "$pid"
    assert_output "$pipe-2"$'\n= 0 (0x0)'
    wait_until 10 has_line "$errors" wrong
}

@test "it is shown while the evaluation runs" {
    local out
    for out in "$got" pipe; do
        if [[ $out == pipe ]]; then
            read_pipe
            out=$pipe
        fi
        rm -f "$BATS_TEST_TMPDIR/go" "$client"
        target -- >"$out" 2>&1
        install
        "$ATTACH" --eval "call say_twice \"now\\n\" \"$BATS_TEST_TMPDIR/go\" \"then\\n\"" "$pid" >"$client" 3>&- 8>&- &
        local attached=$!
        started+=("$attached")
        wait_until 10 has_line "$client" now
        run grep then "$client"
        assert_failure
        touch "$BATS_TEST_TMPDIR/go"
        wait "$attached"
        assert_equal "$(cat "$client")" $'now\nthen\n= 0 (0x0)'
        end "$pid"
    done
}

@test "a text client sees it too, and nothing in it acts on his terminal" {
    read_pipe
    target -- >"$pipe" 2>&1
    install
    run -0 timeout 20 socat -t 10 - "UNIX-CONNECT:/tmp/manhole-$pid" \
        <<<$'call write 1 "a\\tb\\x1b[31m\\xc2\\x9bc\\n" 12\ncall write 1 "\\xc2" 1\ncall write 1 "no end" 6\nquit'
    assert_output --partial $'a\tb\\x1b[31m\\xc2\x9bc\n'
    assert_output --partial $'> \\xc2\n= 1 (0x1)'
    assert_output --partial $'no end\n= 6 (0x6)'
    wait_until 10 grep -qas 'no end' "$got"
    # What the program prints is not changed.
    assert_equal "$(tr -d '\n' <"$got" | od -An -tx1 | tr -d ' \n')" 6109621b5b33316dc29b63c26e6f20656e64
}

# is_in_sequence FILE FD: every line is there, once, in order; only the last may be in the making.
is_in_sequence() {
    run -0 awk -v "fd=$2" '/^line / { if ($2 != n || $4 != fd) { print NR ": " $0 ", not " n; exit 1 } n++ }' "$1"
}

@test "what the program's threads print meanwhile stays whole and in order" {
    mkfifo "$pipe" "$pipe-2"
    cat "$pipe" >"$got" 3>&- 8>&- &
    started+=($!)
    cat "$pipe-2" >"$errors" 3>&- 8>&- &
    started+=($!)
    target -- 2000 >"$pipe" 2>"$pipe-2"
    install
    local commands=() i
    for i in $(seq 60); do
        commands+=(--eval 'call flood 256')
    done
    run -0 "$ATTACH" "${commands[@]}" "$pid"
    assert_equal "$(grep -c '= 7 (0x7)' <<<"$output")" 60
    assert_equal "$(grep -c '^flood' <<<"$output")" 240
    # Some of it was seen here.
    assert_output --regexp 'line [0-9]+ of 1'
    assert_output --regexp 'line [0-9]+ of 2'
    "$ATTACH" --uninstall "$pid"
    end "$pid"
    wait_until 10 all_have_ended
    is_in_sequence "$got" 1
    is_in_sequence "$errors" 2
    assert_equal "$(grep -c '^flood' "$got")" 240
}

all_have_ended() {
    ! alive "${started[0]}" && ! alive "${started[1]}"
}

@test "a client who does not read costs the program nothing, and is told how much he missed" {
    read_pipe
    target -- 2000 >"$pipe" 2>"$errors"
    install
    "$CLIENT" "/tmp/manhole-$pid" upgrade 'send:call flood 6400000' "pause:$BATS_TEST_TMPDIR/go" await >"$client" 3>&- 8>&- &
    local reader=$!
    started+=("$reader")
    wait_until 30 has_flooded
    is_in_sequence "$got" 1
    touch "$BATS_TEST_TMPDIR/go"
    wait "$reader"
    grep -q 'RESULT 1 0 0' "$client"
    grep -q '= 7 (0x7)' "$client"
    local dropped shown
    dropped=$(grep -oE '\[[0-9]+ bytes dropped\]' "$client" | awk '{ n += substr($1, 2) } END { print n }')
    shown=$(grep -c '^\(OUTPUT 1 \)\?flood' "$client")
    ((dropped > 5000000)) || fail "$dropped bytes dropped, $shown lines shown"
    ((shown >= 1000)) || fail "$dropped bytes dropped, $shown lines shown"
}

has_flooded() {
    (($(grep -c '^flood' "$got") == 100000))
}

@test "after a fault, an interruption or an ended thread all is as before" {
    read_pipe
    target -- >"$pipe" 2>&1
    install
    run "$ATTACH" --eval 'call fault' "$pid"
    local before
    before=$(descriptors)
    run "$ATTACH" --eval 'call fault' "$pid"
    assert_output --partial 'before the fault'
    assert_output --partial SIGSEGV
    wait_until 10 has_descriptors "$before"
    run "$ATTACH" --eval 'call end_thread' --eval 'call getpid' "$pid"
    assert_output --partial 'before the end'
    assert_output --partial 'another has taken its place'
    assert_output --partial "= $pid "
    wait_until 10 has_descriptors "$before"
    run -0 "$CLIENT" "/tmp/manhole-$pid" upgrade "send:call say_twice \"waits\\n\" \"$BATS_TEST_TMPDIR/go\" \"never\"" \
        interrupt await
    assert_line 'OUTPUT 1 waits'
    assert_line --partial 'RESULT 1 3 0 say_twice: cut off'
    wait_until 10 has_descriptors "$before"
    "$ATTACH" --uninstall "$pid"
    run -0 grep -c before "$got"
    assert_output 3
}

@test "a child that stays prints where the program prints, after the evaluation and after the manhole" {
    read_pipe
    target -- >"$pipe" 2>&1
    local before child
    before=$(descriptors)
    install
    run -0 "$ATTACH" --eval "call system \"(echo first; while ! [ -e $BATS_TEST_TMPDIR/go ]; do sleep 0.05; done; echo second; \
while ! [ -e $BATS_TEST_TMPDIR/on ]; do sleep 0.05; done; echo third) & echo \$! >$BATS_TEST_TMPDIR/child\"" "$pid"
    child=$(cat "$BATS_TEST_TMPDIR/child")
    started+=("$child")
    touch "$BATS_TEST_TMPDIR/go"
    wait_until 10 has_line "$got" second
    "$ATTACH" --uninstall "$pid"
    assert_equal "$(descriptors)" "$before"
    # Nobody but the child's own is left behind, and not as a child of the program.
    assert_equal "$(cat "/proc/$pid/task/$pid/children")" ''
    alive "$child"
    touch "$BATS_TEST_TMPDIR/on"
    wait_until 10 has_line "$got" third
    assert_equal "$(cat "$got")" $'first\nsecond\nthird'
    # Who read for it has ended with it: the pipe ends when the program does.
    end "$pid"
    wait_until 10 has_ended "${started[0]}"
}

has_ended() {
    ! alive "$1"
}

@test "an original that takes nothing hangs neither an interruption nor uninstalling, and gets it all in the end" {
    mkfifo "$pipe"
    exec 8<>"$pipe"
    target -- >"$pipe" 2>&1
    install
    "$CLIENT" "/tmp/manhole-$pid" upgrade 'send:call flood 300000' "pause:$BATS_TEST_TMPDIR/go" interrupt await detach \
        >"$client" 3>&- 8>&- &
    local attached=$!
    started+=("$attached")
    wait_until 20 holds_bytes 65536
    touch "$BATS_TEST_TMPDIR/go"
    wait_until 20 has_ended "$attached"
    grep -q '^RESULT 1 3 0 flood: cut off' "$client"
    local before
    before=$SECONDS
    "$ATTACH" --uninstall "$pid"
    ((SECONDS - before < 5))
    end "$pid"
    cat "$pipe" >"$got" 3>&- 8>&- &
    started+=($!)
    wait_until 10 test -s "$got"
    exec 8>&-
    wait_until 10 has_ended "${started[-1]}"
    # Each line was written to us by one write(2), and none was torn or lost.
    run -0 sort -u "$got"
    assert_output 'flood flood flood flood flood flood flood flood flood flood ...'
    (($(wc -l <"$got") > 1024))
}

# holds_bytes N: the pipe behind descriptor 8 (FIONREAD, asm-generic/ioctls.h).
holds_bytes() {
    (($(perl -e 'ioctl(STDIN, 0x541B, my $n = pack("L", 0)); print unpack("L", $n)' <&8) >= $1))
}

@test "descriptors that are no output stream are left alone" {
    local here="call system \"readlink /proc/\$PPID/fd/1 >$BATS_TEST_TMPDIR/seen; echo shown\""
    # A file that is read too, one that is locked, a connection, and none at all.
    target -- 1<>"$got" 2>/dev/null
    install
    run -0 "$ATTACH" --eval "$here" "$pid"
    assert_output '= 0 (0x0)'
    assert_equal "$(cat "$BATS_TEST_TMPDIR/seen")" "$got"
    assert_equal "$(cat "$got")" shown
    end "$pid"

    target perl -e 'use Fcntl; my $lock = pack("s s x4 q q i x4", F_WRLCK, SEEK_SET, 0, 0, 0); fcntl(STDOUT, F_SETLK, $lock) or die $!; exec @ARGV' -- \
        >"$got" 2>/dev/null
    install
    run -0 "$ATTACH" --eval "$here" "$pid"
    assert_output '= 0 (0x0)'
    grep -q "POSIX .* $pid " /proc/locks
    end "$pid"

    target perl -MSocket -e 'socketpair(my $a, my $b, AF_UNIX, SOCK_STREAM, 0) or die; $^F = 99; open STDOUT, ">&", $a; open STDIN, "<&", $b; exec @ARGV' -- 2>/dev/null
    install
    run -0 "$ATTACH" --eval "$here" "$pid"
    assert_output '= 0 (0x0)'
    [[ $(cat "$BATS_TEST_TMPDIR/seen") == socket:* ]]
    end "$pid"

    target -- >&- 2>&-
    install
    run -0 "$ATTACH" --eval 'call getpid' "$pid"
    assert_output --partial "= $pid "
    run ls "/proc/$pid/fd"
    refute_line 1
    refute_line 2
}

@test "flags of the descriptors hold while they are away, and after" {
    read_pipe
    target perl -e 'use Fcntl; fcntl(STDOUT, F_SETFL, O_NONBLOCK | O_WRONLY) or die $!; exec @ARGV' -- >"$pipe" 2>"$errors"
    install
    local before
    before=$(descriptors)
    run -0 "$ATTACH" --eval 'call is_nonblocking 1' --eval 'call fcntl 1 2 1' --eval 'call fcntl 1 1' "$pid"
    assert_line --index 0 '= 1 (0x1)'
    # Close-on-exec, set during an evaluation, is the program's own change: it stays.
    assert_line --index 2 '= 1 (0x1)'
    run -0 "$ATTACH" --eval 'call fcntl 1 2 0' "$pid"
    wait_until 10 has_descriptors "$before"
}

@test "a stdout that another thread holds is not waited for" {
    read_pipe
    target -- >"$pipe" 2>&1
    install
    run -0 timeout 20 "$ATTACH" --eval 'call lock_stdout' --eval 'call getpid' "$pid"
    assert_output --partial "= $pid "
    refute_output --partial 'never flushed'
}

@test "a program that puts another file in its place during an evaluation keeps that" {
    read_pipe
    target -- >"$pipe" 2>&1
    install
    run -0 "$ATTACH" --eval 'call dup2 0 1' --eval 'call dup2 0 2' "$pid"
    assert_equal "$(readlink "/proc/$pid/fd/1")" "$(readlink "/proc/$pid/fd/0")"
    assert_equal "$(readlink "/proc/$pid/fd/2")" "$(readlink "/proc/$pid/fd/0")"
    # Nothing of the old one is held.
    wait_until 10 has_ended "${started[0]}"
}
