# Targets of other C libraries than that of manhole-attach, each in a root directory of its own with nothing else of ours
# in it: what the payload needs is looked up there, at run time. tests/style.bats holds its symbols to their list.

setup() {
    load helpers
}

teardown() {
    end_all
    rm -rf "$BATS_TEST_TMPDIR/root"
}

# start_in ROOT PROGRAM...: with a /proc of its own, in a mount namespace that ends with it; waits until it sleeps.
start_in() {
    local root=$1
    shift
    unshare --mount true 2>/dev/null || skip "no mount namespaces here"
    # shellcheck disable=SC2016
    start_quietly "$UNSHARED" --mount sh -c 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"' "$root" "$@"
    wait_until 20 sleeps_in "$root"
}

sleeps_in() {
    [[ $(readlink "/proc/$pid/root") == "$1" ]] && grep -q '^State:[[:space:]]S' "/proc/$pid/status"
}

# What must not grow; the first thread that it gets may cost it an arena of malloc.
belongings() {
    grep -v heap "/proc/$pid/maps" | cut -d ' ' -f 1-2,6-
    ls "/proc/$pid/fd" "/proc/$pid/task"
}

# works WORDS: a dump that names what it sleeps in, and three rounds of everything; what uninstalling says has WORDS.
works() {
    local round before
    run -0 timeout 60 "$ATTACH" --dump "$pid"
    assert_line --regexp '^ *#[0-9]+ +[a-z_]+.* \((libc|ld-musl).*\.so.*\)'
    for round in 1 2 3; do
        run --separate-stderr -0 timeout 60 "$ATTACH" --install "$pid"
        assert_output "/tmp/manhole-$pid"
        [[ -S /proc/$pid/root/tmp/manhole-$pid ]]
        run --separate-stderr -0 timeout 60 "$ATTACH" --eval '1 + 1' --eval 'call getpid' --eval 'getpid() + 1' "$pid"
        assert_line --partial '= 2'
        assert_line "= $pid (0x$(printf %x "$pid"))"
        assert_line --partial "= $((pid + 1))"
        run -0 timeout 60 "$ATTACH" --uninstall "$pid"
        if [[ -n $1 ]]; then assert_output --partial "$1"; else assert_output ''; fi
        ((round == 1)) || assert_equal "$(belongings)" "$before"
        before=$(belongings)
    done
    alive "$pid"
}

@test "musl, in a root directory with nothing but it" {
    local root=$BATS_TEST_TMPDIR/root loader=/lib/ld-musl-x86_64.so.1
    [[ -e $loader ]] || skip "no musl here"
    mkdir -p "$root"/{lib,proc,tmp}
    cp -L "$loader" "$root/lib/"
    cp "$TARGETS/poller_musl" "$root/"
    start_in "$root" /poller_musl
    works 'stays mapped'
}

# `make any-libc` makes it, which takes minutes.
old_root() {
    root=$TOP/build/bullseye
    [[ -x $root/usr/bin/perl ]] || skip "no Debian 11 in $root: make any-libc makes one"
}

@test "glibc 2.31 with libpthread and libdl of their own: Debian 11" {
    local root
    old_root
    start_in "$root" /usr/bin/perl -e 'sleep 1000'
    works ''
}

@test "a program of glibc 2.31 without libpthread is refused, and with it attached" {
    local root
    old_root
    start_in "$root" /bin/sleep 1000
    run -0 timeout 60 "$ATTACH" --dump "$pid"
    run -5 timeout 60 "$ATTACH" --install "$pid"
    assert_output --partial 'start it with LD_PRELOAD=libpthread.so.0'
    end "$pid"
    start_in "$root" /usr/bin/env LD_PRELOAD=libpthread.so.0 /bin/sleep 1000
    works ''
}
