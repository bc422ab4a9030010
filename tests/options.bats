# The command line: what it takes, and that each mistake is one clear line and status 2, before any
# target is touched.

setup() {
    load helpers
}

teardown() {
    end_all
}

# usage_error PATTERN OPTION...: the tool refuses the options with one line that says PATTERN.
usage_error() {
    local pattern=$1
    shift
    run -2 --separate-stderr "$ATTACH" "$@"
    assert_equal "$output" ""
    assert_equal "${#stderr_lines[@]}" 1
    [[ $stderr == "manhole-attach: "*$pattern*"; try manhole-attach --help" ]] || fail "$stderr"
}

@test "the help fits a screen, names every option, and goes to standard output" {
    run -0 --separate-stderr "$ATTACH" --help
    assert_equal "$stderr" ""
    ((${#lines[@]} <= 60))
    local option longest=0 line
    for option in dump install uninstall eval file check list format locals all-threads-listed no-inlines no-source \
        raw-names max-frames freeze max-pause save load quiet verbose-destination replace socket-path timeout activate-on \
        oneshot-on no-thread no-patch-fork reinstall-delay daemon-connection no-redirect-stderr redirect connection-handler local sigmask \
        start-timeout; do
        assert_output --partial "--$option"
    done
    for line in "${lines[@]}"; do
        ((${#line} <= longest)) || longest=${#line}
    done
    ((longest <= 100))
}

@test "the help is given whatever else stands on the line" {
    run -0 "$ATTACH" --dump --help nonsense
    assert_output --partial "Dump options:"
}

@test "the version is one line" {
    run -0 "$ATTACH" --version
    assert_output --regexp '^manhole-attach [0-9]+\.[0-9]+\.[0-9]+$'
}

@test "an unknown option is refused by its name" {
    usage_error 'unknown option --frobnicate' --frobnicate 1
    usage_error 'unknown option -x' -x 1
    usage_error 'unknown option -x' --dump -x 1
}

@test "an option that does not exist is refused as an unknown one" {
    usage_error "unknown option --patch-fork" --patch-fork 1
    usage_error 'unknown' --dump --format pprof 1
}

@test "each install option says what it takes" {
    usage_error '--activate-on NOPE: no such signal' --activate-on NOPE 1
    usage_error '--activate-on KILL: that signal cannot be used' --activate-on KILL 1
    usage_error '--oneshot-on 11: that signal cannot be used' --oneshot-on 11 1
    usage_error '--oneshot-on 65: no such signal' --oneshot-on 65 1
    usage_error '--activate-on RTMAX-31: no such signal' --activate-on RTMAX-31 1
    usage_error '--activate-on and --oneshot-on contradict each other: both on USR2' \
        --activate-on USR2 --oneshot-on SIGUSR2 1
    usage_error '--sigmask USR1,NOPE: give signals' --sigmask USR1,NOPE 1
    usage_error '--sigmask : give signals' --sigmask '' 1
    usage_error '--reinstall-delay soon: give seconds' --reinstall-delay soon 1
    usage_error '--start-timeout -1: give seconds' --start-timeout -1 1
    usage_error '--local a: give NAME=EXPRESSION' --local a 1
    usage_error '--local 1a=b: give NAME=EXPRESSION' --local 1a=b 1
    usage_error '--local: all of them together' --local "a=$(printf '%02000d' 1)" 1
    usage_error '--connection-handler repl: give console' --connection-handler repl 1
    usage_error '--connection-handler x.so:f: give console' --connection-handler x.so:f 1
    usage_error '--no-thread is an option of installing' --no-thread --dump 1
}

@test "a saved process stands for no other one, and nothing is done to it" {
    usage_error 'takes no process id' --dump --load f 1
    usage_error '--freeze: nothing can be done' --dump --load f --freeze
    usage_error '--max-pause: nothing can be done' --dump --load f --max-pause 5
    usage_error '--save: nothing can be done' --dump --load f --save g
    usage_error '--count: nothing can be done' --dump --load f --count 5
    usage_error 'one look' --dump --save f --count 5 1
    usage_error 'one process id at a time' --dump --save f 1 2
    usage_error 'which process?' --dump --save f
    usage_error '--load is an option of --dump' --load f
    usage_error 'the name of the file is empty' --dump --load ''
}

@test "a missing or superfluous value is refused" {
    usage_error '--format: its value is missing' --dump 1 --format
    usage_error '-o: its value is missing' --dump 1 -o
    usage_error '--dump takes no value' --dump=1
}

@test "two verbs are refused" {
    usage_error '--dump and --install' --dump --install 1
    usage_error '--uninstall and --list' --uninstall --list
    usage_error '--eval and --dump' --eval 'help' --dump 1
    usage_error '--file and --check' --file x --check 1
}

@test "an option of another verb is refused" {
    usage_error '--freeze is an option of --dump' --freeze 1
    usage_error '-o is an option of --dump' -o x --install 1
    usage_error '--quiet is an option of installing' --quiet --dump 1
    usage_error '--timeout is no option of --check' --timeout 3 --check 1
}

@test "the list has its own options, and no others" {
    usage_error '--clean is an option of --list' --clean 1
    usage_error '--clean is an option of --list' --clean --dump 1
    usage_error '--list prints text or json' --list --format svg
    usage_error '--locals is an option of --dump' --list --locals
    usage_error '--format is an option of --dump, --list, --eval and --file' --install --format json 1
    usage_error '--eval and --file print text or json' --eval help --format svg 1
}

@test "options that contradict each other are refused" {
    usage_error 'contradict' --quiet --verbose-destination 2 1
}

@test "only a dump takes several processes, and a list takes none" {
    usage_error 'one process id at a time' 1 2
    usage_error 'one process id at a time' --install 1 2
    usage_error '--list takes no process id' --list 1
}

@test "a socket's path is a target only where a manhole is enough" {
    usage_error "'./socket' is no process id" --dump ./socket
    usage_error "'/socket' is no process id" --install /socket
}

@test "the longest pause is a positive number of milliseconds" {
    local value
    for value in 0 0.0 -1 abc '' 5x 1. .5 1e3 99999999999999999999 60001; do
        usage_error '--max-pause' --dump --max-pause "$value" 1
    done
}

@test "the longest stack is a number of frames" {
    local value
    for value in -1 abc '' 5x 1.5 99999999999999999999; do
        usage_error '--max-frames' --dump --max-frames "$value" 1
    done
}

@test "the time limit is a positive number of seconds" {
    local value
    for value in 0 -1 abc '' 1e3 99999999999999999999; do
        usage_error '--timeout' --timeout "$value" 1
    done
}

@test "paths inside the target are full ones" {
    usage_error 'full path' --socket-path socket 1
    usage_error 'too long' --socket-path "/$(printf 'x%.0s' {1..108})" 1
    usage_error 'full path' --verbose-destination log 1
}
