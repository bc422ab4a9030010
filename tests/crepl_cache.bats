# What the C console keeps of debug information that takes long to read, for the next session.

setup() {
    load helpers
    export XDG_CACHE_HOME=$BATS_TEST_TMPDIR/cache MANHOLE_CACHE_AFTER_MS=0
    unset MANHOLE_CACHE
    kept=$XDG_CACHE_HOME/manhole-attach
    compressed=$BATS_TEST_TMPDIR/declared
}

teardown() {
    end_all
}

# start_compressed NAME: the target with its debug information compressed, as distributions have it.
start_compressed() {
    compressed=$BATS_TEST_TMPDIR/$1
    objcopy --compress-debug-sections=zlib "$TARGETS/$1" "$compressed"
    start "$compressed"
    id=$(readelf -n "$compressed" | sed -n 's/.*Build ID: //p')
}

ask_much() {
    c 'list->value' '.type struct everything' 'declared_other.c::hidden' 'hidden' '.vars .' '.functions .' '.types .' 'nosuch' \
        'lisst' '.symbol list' 'count_calls::calls' '.vars calls' '(enum colour)1'
}

@test "the second session takes names and decompressed sections from the first one's files, with the same answers" {
    start_compressed declared
    MANHOLE_CACHE=off ask_much
    local answers=$output before
    refute [ -e "$kept" ]
    ask_much
    assert_equal "$output" "$answers"
    assert_equal "$(cd "$kept" && stat -c '%n %a' -- "$id".*)" "$id.debug 600
$id.names 600"
    assert_equal "$(stat -c %a "$kept")" 700
    before=$(cd "$kept" && stat -c '%n %i %s' -- "$id".*)
    touch -d '2 days ago' "$kept"/*
    ask_much
    assert_equal "$output" "$answers"
    # They are the same files, and were used.
    assert_equal "$(cd "$kept" && stat -c '%n %i %s' -- "$id".*)" "$before"
    assert_equal "$(find "$kept" -name "$id.*" -mmin -60 | wc -l)" 2
    # In C++, where most names have scopes; the line tables are of the copy too.
    end "$pid"
    start_compressed declared_cxx
    MANHOLE_CACHE=off c '.functions .' '.types .' '.vars .' '.symbol main'
    answers=$output
    c '.functions .' '.types .' '.vars .' '.symbol main'
    c '.functions .' '.types .' '.vars .' '.symbol main'
    assert_equal "$output" "$answers"
    MANHOLE_CACHE=off dump_json "$pid"
    answers=$(jq -c '[.threads[].frames]' <<<"$document")
    dump_json "$pid"
    assert_equal "$(jq -c '[.threads[].frames]' <<<"$document")" "$answers"
}

@test "what is in functions is kept with the rest, and seen by nobody who did not ask for it" {
    start_compressed declared
    c 'list->value'
    local small=$(stat -c %s "$kept/$id.names")
    c 'count_calls::calls'
    assert [ "$(stat -c %s "$kept/$id.names")" -gt "$small" ]
    MANHOLE_CACHE=off c '.types .' '.functions .'
    local answers=$output
    c '.types .' '.functions .'
    assert_equal "$output" "$answers"
}

@test "a kept file that is broken anywhere, cut or of another file is made anew" {
    start_compressed declared
    c 'list->value' '.type struct everything'
    local answers=$output file size at round rounds
    rounds=$(scaled 40)
    for file in "$kept/$id.names" "$kept/$id.debug"; do
        cp "$file" "$BATS_TEST_TMPDIR/good"
        size=$(stat -c %s "$file")
        for ((round = 0; round < rounds; round++)); do
            ((at = round % 3 ? size * round / rounds / 64 * 64 : size - 1 - round / 3 * 8))
            if ((round % 5 == 4)); then
                head -c "$at" "$BATS_TEST_TMPDIR/good" >"$file"
            else
                cp "$BATS_TEST_TMPDIR/good" "$file"
                printf "\\x$(printf %02x $(($(od -An -tu1 -j "$at" -N 1 "$file") ^ (1 << round % 8))))" |
                    dd of="$file" bs=1 seek="$at" conv=notrunc status=none
            fi
            c 'list->value' '.type struct everything'
            assert_equal "$output" "$answers"
            # The other file was good: the session before had no need to make this one.
            [[ $file == *.names ]] || c 'list->value'
            cmp "$file" "$BATS_TEST_TMPDIR/good"
        done
    done
    # Other bytes, and so another time, of one build-id.
    cp "$compressed" "$BATS_TEST_TMPDIR/again"
    end "$pid"
    start_quietly "$BATS_TEST_TMPDIR/again"
    wait_until 20 grep -qs ^ready "$output_file"
    c 'list->value'
    refute cmp "$kept/$id.debug" "$BATS_TEST_TMPDIR/good"
}

@test "words that are wrong under a seal that is right point nowhere, and end no session" {
    start_compressed declared
    c 'list->value'
    cp "$kept/$id.names" "$BATS_TEST_TMPDIR/good"
    local round rounds
    rounds=$(scaled 50)
    for ((round = 0; round < rounds; round++)); do
        python3 - "$BATS_TEST_TMPDIR/good" "$kept/$id.names" "$round" <<'EOF'
import random, struct, sys
body = bytearray(open(sys.argv[1], 'rb').read()[:-8])
random.seed(int(sys.argv[3]))
entries = struct.unpack_from('<Q', body, 8)[0] * 32
for _ in range(random.choice((1, 1, 40))):
    # The head, or an entry, or the table.
    at = random.choice((random.randrange(0, 64, 4), 64 + random.randrange(0, entries, 4),
                        64 + entries + random.randrange(0, 4096, 4)))
    struct.pack_into('<I', body, at, random.choice((0, 1, 7, 100, 0x7fffffff, 0xffffffff, random.getrandbits(32))))
mask, prime = 2**64 - 1, 0x9e3779b97f4a7c15
sums = [len(body), 1, 2, 3]
for word in range(0, (len(body) + 31) // 32 * 4):
    sums[word % 4] = (sums[word % 4] ^ int.from_bytes(body[8 * word:8 * word + 8], 'little')) * prime & mask
    sums[word % 4] ^= sums[word % 4] >> 29
for other in sums[1:]:
    sums[0] = (sums[0] ^ other >> 32 ^ other) * prime & mask
open(sys.argv[2], 'wb').write(body + struct.pack('<Q', sums[0]))
EOF
        # It is right where it was read: unchanged, it would be taken.
        MANHOLE_CACHE_AFTER_MS=1000000 c 'list->value' '.vars i' '.types i' '.functions i' 'lisst'
        assert [ "$status" -le 1 ]
        refute_output --partial Sanitizer
    done
}

@test "nothing is kept where others can write, of others, or without wishing" {
    start_compressed declared
    MANHOLE_CACHE_AFTER_MS=1000000 c 'list->value'
    refute [ -e "$kept" ]
    c 'list->value'
    local answers=$output
    # One that everybody can write to, a link to a good one, and what is no directory at all.
    chmod 777 "$kept"
    touch -d '2 days ago' "$kept"/*
    c 'list->value'
    assert_equal "$output" "$answers"
    assert_equal "$(find "$kept" -type f -mmin -60 | wc -l)" 0
    chmod 700 "$kept"
    mv "$kept" "$XDG_CACHE_HOME/other"
    ln -s other "$kept"
    c 'list->value'
    assert_equal "$output" "$answers"
    assert_equal "$(find "$XDG_CACHE_HOME/other" -type f -mmin -60 | wc -l)" 0
    rm "$kept"
    touch "$kept"
    c 'list->value'
    assert_equal "$output" "$answers"
    rm "$kept"
    mv "$XDG_CACHE_HOME/other" "$kept"
    # A file that others can write to, or that is a link or a pipe.
    chmod 666 "$kept/$id.names"
    mv "$kept/$id.debug" "$kept/real"
    ln -s real "$kept/$id.debug"
    c 'list->value'
    assert_equal "$output" "$answers"
    assert_equal "$(stat -c '%a %F' "$kept/$id.names")" '600 regular file'
    assert_equal "$(stat -c '%a %F' "$kept/$id.debug")" '600 regular file'
    rm "$kept/$id.names"
    mkfifo "$kept/$id.names"
    c 'list->value'
    assert_equal "$output" "$answers"
    assert_equal "$(stat -c %F "$kept/$id.names")" 'regular file'
    if ((EUID == 0)); then
        chown 65534 "$kept/$id.names"
        touch -d '2 days ago' "$kept"/*
        c 'list->value'
        assert_equal "$output" "$answers"
        assert_equal "$(stat -c %u "$kept/$id.names")" 0
        chown 65534 "$kept"
        touch -d '2 days ago' "$kept"/*
        c 'list->value'
        assert_equal "$output" "$answers"
        assert_equal "$(find "$kept" -type f -mmin -60 | wc -l)" 0
    fi
}

@test "of more than a gigabyte, what was not used for the longest time goes first" {
    start_compressed declared
    mkdir -p "$kept"
    chmod 700 "$kept"
    truncate -s 600M "$kept/older" "$kept/newer"
    touch -d '3 days ago' "$kept/older"
    touch -d '2 days ago' "$kept/newer"
    c 'list->value'
    assert_output '$1 = 7'
    assert_equal "$(cd "$kept" && echo *)" "$id.debug $id.names newer"
}
