# make install and uninstall, the manual page, and that help, manual and completions tell the same.

setup() {
    load helpers
    root=$BATS_TEST_TMPDIR/root
}
teardown() {
    end_all
    rm -f "/tmp/manhole-$pid"
}

# In the build tree under test; only the prefix differs, so that only what holds it is built again.
make_in_build() {
    # Not the jobs of a make that runs us, and none of its goals.
    env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make -C "$TOP" --no-print-directory BUILD="$copy" "$@"
}

# A copy of the build tree, since another prefix changes the flags of it.
copy_build() {
    copy=$BATS_TEST_TMPDIR/build
    cp -a "$BUILD" "$copy"
}

files_below() {
    (cd "$1" && find . ! -type d | sort)
}

@test "make install puts everything below DESTDIR and PREFIX, and make uninstall takes it away" {
    copy_build
    make_in_build install DESTDIR="$root" PREFIX=/opt/tools
    run -0 files_below "$root"
    assert_output - <<END
./opt/tools/bin/manhole-attach
./opt/tools/include/manhole.h
./opt/tools/lib/manhole-attach/libmanhole.so
./opt/tools/share/bash-completion/completions/manhole-attach
./opt/tools/share/man/man1/manhole-attach.1
./opt/tools/share/man/man3/libmanhole.3
./opt/tools/share/man/man5/manhole-snapshot.5
./opt/tools/share/man/man7/manhole-console.7
./opt/tools/share/man/man7/manhole-python.7
./opt/tools/share/zsh/site-functions/_manhole-attach
END
    make_in_build uninstall DESTDIR="$root" PREFIX=/opt/tools
    run -0 files_below "$root"
    assert_output ''
    assert [ ! -e "$root/opt/tools/lib/manhole-attach" ]
    # A second time there is nothing to do, and no complaint.
    make_in_build uninstall DESTDIR="$root" PREFIX=/opt/tools
}

@test "an installed manhole-attach finds its installed payload" {
    copy_build
    make_in_build install PREFIX="$root"
    rm -rf "$copy"
    start_redis
    run -0 "$root/bin/manhole-attach" --check "$pid"
    assert_output --partial "$root/lib/manhole-attach/libmanhole.so"
    run -0 "$root/bin/manhole-attach" --eval 'call getpid' "$pid"
    assert_output --partial "$pid"
    run -0 "$root/bin/manhole-attach" --uninstall "$pid"
}

@test "the header compiles alone, as C and as C++" {
    echo '#include "payload/manhole.h"' >"$BATS_TEST_TMPDIR/user.c"
    cp "$BATS_TEST_TMPDIR/user.c" "$BATS_TEST_TMPDIR/user.cc"
    gcc -std=c99 -pedantic -Wall -Wextra -Werror -I"$TOP" -fsyntax-only "$BATS_TEST_TMPDIR/user.c"
    g++ -std=c++11 -pedantic -Wall -Wextra -Werror -I"$TOP" -fsyntax-only "$BATS_TEST_TMPDIR/user.cc"
}

@test "the manual pages have no mistake that their formatter finds" {
    run -0 mandoc -T lint -W warning "$TOP"/man/*
    assert_output ''
}

# The options of --help, one a line.
options_of_help() {
    "$ATTACH" --help | grep -oE '(^|[^[:alnum:]-])(--[a-z][a-z-]+|-o)\b' | grep -oE -- '--?[a-z-]+$' | sort -u
}

@test "every option of the help is in the manual page and in both completions, and the other way round" {
    local option page
    page=$(mandoc -T ascii "$TOP/man/manhole-attach.1" | sed 's/.\x08//g')
    run -0 options_of_help
    assert_line -- --dump
    assert [ "${#lines[@]}" -ge 20 ]
    for option in "${lines[@]}"; do
        grep -qE -- "(^|[^[:alnum:]-])$option\b" <<<"$page" || fail "not in the manual page: $option"
        grep -qE -- "(^|[^[:alnum:]-])$option\b" "$TOP/src/completion/manhole-attach.bash" ||
            fail "not completed by bash: $option"
        grep -qE -- "(^|[^[:alnum:]-])$option\b" "$TOP/src/completion/_manhole-attach" ||
            fail "not completed by zsh: $option"
    done
    local help=" ${lines[*]} "
    # As mdoc(7) marks our own: the page names options of other programs, too.
    for option in $(grep -oE '\bFl -[a-z][a-z-]+' "$TOP/man/manhole-attach.1" | sed 's/Fl -/--/' | sort -u); do
        [[ $help == *" $option "* ]] || fail "in the manual page, but not in the help: $option"
    done
}

@test "every command of the console is in the manual page, and the other way round" {
    start_redis
    local page word commands
    page=$(mandoc -T ascii "$TOP/man/manhole-attach.1" | sed 's/.\x08//g' | sed -n '/^CONSOLE/,/^ENVIRONMENT/p')
    run -0 "$ATTACH" --eval help "$pid"
    commands=" $(grep -oE '^ *[a-z]+' <<<"$output" | tr -d ' ' | tr '\n' ' ')"
    assert [ "$(wc -w <<<"$commands")" -ge 10 ]
    for word in $commands; do
        grep -qE "^ +(quit, )?$word( |\$|,)" <<<"$page" || fail "not in the manual page: $word"
    done
    for word in $(sed -n '/^\.Sh CONSOLE/,/^\.Sh ENV/s/^\.It Ic \([a-z]*\).*/\1/p' "$TOP/man/manhole-attach.1"); do
        [[ $commands == *" $word "* ]] || fail "in the manual page, but no command: $word"
    done
    "$ATTACH" --uninstall "$pid"
}

@test "make help names every target that is for people" {
    copy_build
    run -0 make_in_build help
    local target
    for target in deps demo check install uninstall format lint clean; do
        assert_line --regexp "^make $target( |\$)"
    done
}

@test "every test that the README calls as a witness exists" {
    local suite title count=0
    while IFS=$'\t' read -r suite title; do
        count=$((count + 1))
        # The number of rounds is a variable of the suite.
        grep -qF -- "@test \"${title/#100 rounds on/\$ROUNDS rounds on}\"" "$TOP/tests/$suite" ||
            fail "$suite has no test \"$title\""
    done < <(python3 - "$TOP/README.md" <<'END'
import re, sys
for row in open(sys.argv[1]):
    if row.startswith("| **"):
        for suite, titles in re.findall(r"`(\w+\.bats)`((?:[:;] \*[^*]+\*)*)", row.split("|")[3]):
            for title in re.findall(r"\*([^*]+)\*", titles):
                print(suite, title, sep="\t")
END
    )
    assert [ "$count" -ge 8 ]
}
