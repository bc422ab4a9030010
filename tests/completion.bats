# What Tab offers in bash.

setup() {
    load helpers
    source "$TOP/src/completion/manhole-attach.bash"
    compopt() { :; } # only within a real completion
}

teardown() {
    end_all
}

# offers WORD...: completes the last WORD of a command line into $offered.
offers() {
    COMP_WORDS=(manhole-attach "$@")
    COMP_CWORD=$#
    _manhole_attach
    offered=" ${COMPREPLY[*]} "
}

@test "every option that is offered is one that the tool has, and the other way round" {
    local word
    offers -
    local all=$offered
    offers --dump -
    all+=$offered
    offers --list -
    all+=$offered
    run -0 "$ATTACH" --help
    for word in $all; do
        assert_output --regexp "(^|[[:space:]([])$word([],[:space:]]|\$)"
    done
    for word in $(grep -o -- '--[a-z-]*' <<<"$output"); do
        [[ $all == *" $word "* ]] || fail "$word is not offered"
    done
}

@test "only options of the verb are offered after it" {
    offers --dump --
    [[ $offered == *' --freeze '* && $offered != *' --replace '* && $offered != *' --install '* ]]
    offers --install --
    [[ $offered == *' --replace '* && $offered != *' --freeze '* ]]
    offers --dump --format ''
    assert_equal "$offered" ' text json folded speedscope svg '
    offers --list --
    assert_equal "$offered" ' --clean --format '
    offers --list --format ''
    assert_equal "$offered" ' text json '
}

@test "process ids are offered with names" {
    start_quietly "$(command -v sleep)" 1000
    offers --dump "${pid:0:1}"
    [[ $offered == *" $pid (sleep) "* ]]
    offers --dump "$pid"
    [[ $offered == *" $pid "* ]]
}
