# Targets and servers that lie: what they forge steers no terminal, crashes nothing, and keeps nobody waiting.

setup() {
    load helpers
}

teardown() {
    end_all
}

# The program of tests/targets/forged.c under a path with an escape sequence and a newline in it.
start_forged() {
    local path=$BATS_TEST_TMPDIR/$'e\e[31mv\nil'
    cp "$TARGETS/forged" "$path"
    start "$path"
}

# refute_steering TEXT: nothing in it steers a terminal, in bytes or in UTF-8.
refute_steering() {
    ! LC_ALL=C grep -qaP '[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]' <<<"$1" || fail "$(cat -v <<<"$1")"
}

@test "names, paths, source files and strings of a target reach no form of report raw" {
    start_forged
    local form
    run -0 timeout 60 "$ATTACH" --dump --locals "$pid"
    assert_line --partial $'evil?[31m?name+0x'
    assert_line --partial 'evil?]0;owned??[31m.c:'
    assert_line --partial 'local = "\033[31mlocal"'
    assert_line --regexp '^thread .* "e\?\[31mv\?il"'
    refute_steering "$output"
    for form in json folded speedscope svg; do
        run -0 timeout 60 "$ATTACH" --dump --locals --format "$form" "$pid"
        assert_output --partial '[31m'
        refute_steering "$output"
    done
    run -0 timeout 60 "$ATTACH" --check "$pid"
    assert_line --partial '/e?[31mv?il'
    refute_steering "$output"
    run -0 timeout 60 "$ATTACH" --eval message --eval forged "$pid"
    assert_line --partial '\033]0;owned\a\033[31mred'
    refute_steering "$output"
    run timeout 60 "$ATTACH" --list
    assert_line --partial "$pid"
    refute_steering "$output"
}

@test "what commands and the target itself print reaches a terminal without its escape sequences" {
    start_forged
    local codes='--eval ".symbol linger" --eval .maps --eval ".functions evil" --eval .threads --eval bt --eval "puts(message)"'
    NO_COLOR=1 TERM=dumb run -0 timeout 120 script -qec "'$ATTACH' $codes $pid" /dev/null </dev/null
    assert_output --partial 'evil?[31m'
    assert_output --partial '/e?[31mv\012il'
    assert_output --partial 'owned'
    # The terminal itself makes each newline two characters.
    refute_steering "$(tr -d '\r' <<<"$output")"
}

@test "a symbol that stands for a name of gigabytes is shown as the file has it" {
    start_forged
    run -0 timeout 60 "$ATTACH" --dump "$pid"
    assert_line --partial ' _Z1f1AIiiES_IS0_S0_ES_I'
}

@test "a loader's list that goes round in a circle is refused at once, and does not keep a dump from its work" {
    start_forged
    kill -USR1 "$pid"
    wait_until 20 grep -q forged "$output_file"
    run -1 --separate-stderr timeout 60 "$ATTACH" --install "$pid"
    assert_equal "$stderr" "manhole-attach: the loader's list of process $pid changed while it was read: try again"
    run -0 timeout 60 "$ATTACH" --dump "$pid"
    assert_line --partial 'main+0x'
}

@test "names of Python code reach no report raw" {
    cat >"$BATS_TEST_TMPDIR/named.py" <<'END_OF_PYTHON'
import time
def serve():
    print("ready", flush=True)
    time.sleep(1000)
serve.__code__ = serve.__code__.replace(co_name="\x1b[31mred\n", co_filename="\x1b]0;owned\x07.py",
                                        co_qualname="\x9b1m\x1b[31mqualified\n")
serve()
END_OF_PYTHON
    start /usr/bin/python3 "$BATS_TEST_TMPDIR/named.py"
    local form
    run -0 timeout 60 "$ATTACH" --dump "$pid"
    assert_line --partial '?1m?[31mqualified? at ?]0;owned?.py:'
    refute_steering "$output"
    for form in json folded speedscope svg; do
        run -0 timeout 60 "$ATTACH" --dump --format "$form" "$pid"
        assert_output --partial 'qualified'
        refute_steering "$output"
    done
    # The JSON says the names as they are.
    run -0 timeout 60 "$ATTACH" --dump --format json "$pid"
    assert_equal "$(jq -r '.threads[0].frames[] | select(.language == "python") | .function' <<<"$output" | head -n 1)" \
        $'\xc2\x9b1m\e[31mqualified'
}

@test "a server that answers with nonsense ends with a status of ours, in time" {
    cat >"$BATS_TEST_TMPDIR/server.py" <<'END_OF_PYTHON'
import os, random, socket, struct, sys
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen()
print("ready", flush=True)
round = 0
while True:
    random.seed(round)
    round += 1
    client, _ = server.accept()
    try:
        client.recv(65536)
        client.sendall(b"\x01MANHOLE 1 frames ok\n")
        for turn in range(64):
            kind = 64 if not turn else random.choice((65, 66, 66, 67, 69, 70, 71, random.randrange(80)))
            data = os.urandom(random.choice((0, 1, 7, 8, 12, 24, 300))) if random.random() < 0.5 else \
                struct.pack("<IiQII", random.randrange(8), 11, 5, 1, random.choice((0, 3, 2**31)))
            client.sendall(struct.pack("<III", len(data), kind, random.randrange(4)) + data)
    except OSError:
        pass
    client.close()
END_OF_PYTHON
    start /usr/bin/python3 "$BATS_TEST_TMPDIR/server.py" "$BATS_TEST_TMPDIR/socket"
    local i
    for i in $(seq "$(scaled 30)"); do
        run timeout 60 "$ATTACH" --eval help --eval 1+1 "$BATS_TEST_TMPDIR/socket"
        ((status <= 7)) || fail "round $i: status $status: $(cat -v <<<"$output")"
    done
}
