# Names, lines and inlined functions.

setup() {
    load helpers
}

teardown() {
    end_all
}

# frames: "function file:line inlined" of each frame of the first thread, files without directories.
frames() {
    jq -r '.threads[0].frames[] |
        "\(.function // "-") \((.file // "-") | split("/") | last):\(.line // 0) \(.inlined)"' <<<"$document"
}

# line_of MARK FILE: the number of the line that carries "line: MARK".
line_of() {
    grep -n "line: $1 " "$TOP/tests/targets/$2" | cut -d: -f1
}

assert_inlined_frames() {
    start "$1"
    dump_json "$pid"
    run frames
    local inner outer physical main
    inner=$(line_of inner inlined.c) outer=$(line_of outer inlined.c)
    physical=$(line_of physical inlined.c) main=$(line_of main inlined.c)
    assert_line --index 1 "inlined_inner inlined.c:$inner true"
    assert_line --index 2 "inlined_outer inlined.c:$outer true"
    assert_line --index 3 "physical inlined.c:$physical false"
    assert_line --index 4 "main inlined.c:$main false"
}

@test "inlined functions have frames of their own, with the lines of the calls" {
    assert_inlined_frames inlined
}

@test "inlined functions are found in what clang made" {
    run readelf -S "$TARGETS/inlined_by_clang"
    refute_output --partial .debug_aranges
    assert_inlined_frames inlined_by_clang
}

@test "--no-inlines leaves the physical frame, with the innermost line" {
    start inlined
    dump_json "$pid" --no-inlines
    run frames
    assert_line --index 1 "physical inlined.c:$(line_of inner inlined.c) false"
    assert_line --index 2 --regexp '^main '
}

@test "--no-source leaves names and inlined functions" {
    start inlined
    dump_json "$pid" --no-source
    run frames
    assert_line --index 1 'inlined_inner -:0 true'
    assert_line --index 3 'physical -:0 false'
}

@test "names of C++ and of both Rust schemes are shown as the source has them" {
    start cpp_names
    dump_json "$pid"
    run jq -r '.threads[0].frames[].function' <<<"$document"
    assert_line --index 1 'shop::Basket<long>::wait(long)'
    assert_line --index 2 'shop::serve(double, char const*)'
    assert_line --index 3 'core::fmt::write'
    assert_line --index 4 'app::run::{closure#0}'
    assert_line --index 5 'main'
}

@test "--raw-names shows names as the linker knows them" {
    start cpp_names
    dump_json "$pid" --raw-names
    run jq -r '.threads[0].frames[].function' <<<"$document"
    assert_line --index 1 '_ZN4shop6BasketIlE4waitEl'
    assert_line --index 3 '_ZN4core3fmt5write17h0123456789abcdefE'
    assert_line --index 4 '_RNCNvCs4fqI2P2rA04_3app3run0'
}

@test "lines agree with those of eu-stack" {
    start linked_by_mold
    dump_json "$pid" --no-inlines
    local theirs ours
    theirs=$(eu-stack -s -p "$pid" | sed -n 's/^ *\([^ ]*\):\([0-9]*\):[0-9]*$/\1:\2/p' | sed 's,.*/,,')
    ours=$(jq -r '.threads[0].frames[] | select(.file) | "\(.file):\(.line)"' <<<"$document" | sed 's,.*/,,')
    assert_equal "$ours" "$theirs"
    [[ $ours == *chain.h* ]]
}

# stripped NAME DIRECTORY: the target without symbols as DIRECTORY/program, what it lost as program.debug.
stripped() {
    objcopy --only-keep-debug "$TARGETS/$1" "$2/program.debug"
    strip -o "$2/program" "$TARGETS/$1"
}

@test "a stripped program has no names of its own" {
    stripped inlined "$BATS_TEST_TMPDIR"
    start "$BATS_TEST_TMPDIR/program"
    dump_json "$pid"
    run frames
    refute_output --regexp 'physical|inlined|(^|[^_])main '
    assert_line --regexp '^pause '
}

@test "a debug file next to a stripped program is found by .gnu_debuglink" {
    stripped inlined "$BATS_TEST_TMPDIR"
    (cd "$BATS_TEST_TMPDIR" && objcopy --add-gnu-debuglink=program.debug program)
    start "$BATS_TEST_TMPDIR/program"
    dump_json "$pid"
    run frames
    assert_line --index 1 "inlined_inner inlined.c:$(line_of inner inlined.c) true"
    assert_line --index 3 "physical inlined.c:$(line_of physical inlined.c) false"
}

@test "a debug file of another build is not believed" {
    stripped inlined "$BATS_TEST_TMPDIR"
    (cd "$BATS_TEST_TMPDIR" && objcopy --add-gnu-debuglink=program.debug program)
    objcopy --only-keep-debug "$TARGETS/cpp_names" "$BATS_TEST_TMPDIR/program.debug"
    start "$BATS_TEST_TMPDIR/program"
    dump_json "$pid"
    run frames
    refute_output --regexp 'physical|inlined|shop|(^|[^_])main '
}

@test "a debug file without build-id is believed for its checksum only" {
    local directory=$BATS_TEST_TMPDIR
    gcc -I"$TOP" -D_GNU_SOURCE -O1 -g -Wl,--build-id=none -o "$directory/whole" "$TOP/tests/targets/inlined.c"
    objcopy --only-keep-debug "$directory/whole" "$directory/program.debug"
    strip -o "$directory/program" "$directory/whole"
    (cd "$directory" && objcopy --add-gnu-debuglink=program.debug program)
    start "$directory/program"
    dump_json "$pid"
    run frames
    assert_line --regexp '^physical inlined.c:'
    printf x >>"$directory/program.debug"
    dump_json "$pid"
    run frames
    refute_output --partial physical
}

@test "a debug file is found by build-id in the target's own root" {
    local directory=$BATS_TEST_TMPDIR/mount id
    mkdir "$directory"
    stripped inlined "$BATS_TEST_TMPDIR"
    id=$(readelf -n "$BATS_TEST_TMPDIR/program" | sed -n 's/.*Build ID: //p')
    # Not in every Debian; empty it does no harm.
    mkdir -p /usr/lib/debug
    "$UNSHARED" --mount sh -c 'mount -t tmpfs none /usr/lib/debug && mkdir -p "/usr/lib/debug/.build-id/$3" &&
        cp "$2" "/usr/lib/debug/.build-id/$3/$4.debug" && exec "$1"' sh "$BATS_TEST_TMPDIR/program" \
        "$BATS_TEST_TMPDIR/program.debug" "${id:0:2}" "${id:2}" >"$BATS_TEST_TMPDIR/mount.out" 2>&1 3>&- &
    pid=$!
    started+=("$pid")
    wait_until 20 grep -qs ready "$BATS_TEST_TMPDIR/mount.out"
    [ ! -e "/usr/lib/debug/.build-id/${id:0:2}/${id:2}.debug" ]
    dump_json "$pid"
    run frames
    assert_line --regexp '^physical inlined.c:'
}

@test "compressed debug information is read" {
    objcopy --compress-debug-sections=zlib "$TARGETS/inlined" "$BATS_TEST_TMPDIR/compressed"
    start "$BATS_TEST_TMPDIR/compressed"
    dump_json "$pid"
    run frames
    assert_line --index 1 "inlined_inner inlined.c:$(line_of inner inlined.c) true"
}

@test "the build-id of a frame's file is the one that readelf shows" {
    start linked_by_mold
    dump_json "$pid"
    assert_equal "$(jq -r '.threads[0].frames[] | select(.function == "main") | .build_id // "none"' <<<"$document")" \
        "$(readelf -n "$TARGETS/linked_by_mold" | sed -n 's/.*Build ID: //p' | grep . || echo none)"
    start inlined
    dump_json "$pid"
    assert_equal "$(jq -r '.threads[0].frames[] | select(.function == "main") | .build_id' <<<"$document")" \
        "$(readelf -n "$TARGETS/inlined" | sed -n 's/.*Build ID: //p')"
}
