# bash completion for manhole-attach(1)

# PIDs with the names of their programs, as long as there are several: readline shows the names, and
# inserts only what all candidates have in common.
_manhole_attach_named_pids() {
    local current=$1 directory pid name matches=()
    for directory in /proc/[0-9]*; do
        pid=${directory#/proc/}
        # Threads of the kernel have no executable, nor have programs that we may not look into.
        [[ $pid == "$current"* && -e $directory/exe ]] || continue
        read -r name 2>/dev/null <"$directory/comm" || continue
        matches+=("$pid ($name)")
    done
    if ((${#matches[@]} == 1)); then
        COMPREPLY=("${matches[0]%% *}")
    else
        COMPREPLY=("${matches[@]}")
    fi
}

_manhole_attach() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} word verb=
    local verbs='--dump --install --uninstall --check --list --help --version'
    local signals='USR1 USR2 HUP WINCH URG IO PWR'
    local scripts='--eval --file --format --lang --read-only --max-pause'
    local wake='-s --signal -t -USR1 -USR2'
    local dump='--format -o --save --load --locals --all-threads-listed --no-inlines --no-source --raw-names
        --interpreter-frames --max-frames --count --interval --freeze --max-pause'
    local install='--quiet --verbose-destination --replace --socket-path --activate-on --oneshot-on --no-thread
        --no-patch-fork --reinstall-delay --daemon-connection --no-redirect-stderr --redirect --connection-handler --local
        --sigmask --start-timeout --timeout'
    COMPREPLY=()

    case $previous in
    --lang)
        mapfile -t COMPREPLY < <(compgen -W 'c python' -- "$current")
        return
        ;;
    --format)
        word='text json folded speedscope svg'
        [[ " ${COMP_WORDS[*]} " == *' --dump '* ]] || word='text json'
        mapfile -t COMPREPLY < <(compgen -W "$word" -- "$current")
        return
        ;;
    -o | --save | --load | --file | --socket-path | --verbose-destination)
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
        ;;
    --activate-on | --oneshot-on | --signal | -s)
        mapfile -t COMPREPLY < <(compgen -W "$signals" -- "$current")
        return
        ;;
    --sigmask)
        mapfile -t COMPREPLY < <(compgen -W "all none $signals" -- "$current")
        return
        ;;
    --connection-handler)
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -W 'console exec' -- "$current"; compgen -f -- "$current")
        return
        ;;
    --reinstall-delay | --start-timeout | --local | --eval | --count | --interval | --max-frames | --max-pause | --timeout | -t)
        return
        ;;
    esac

    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case $word in
        --dump | --install | --uninstall | --check | --list | --help | --version) verb=$word ;;
        --eval | --file) verb=--eval ;;
        esac
    done

    if [[ $current == -* ]]; then
        case $verb in
        --dump) word=$dump ;;
        --install) word=$install ;;
        --uninstall) word=--timeout ;;
        --list) word='--clean --format' ;;
        --eval) word="$scripts $wake $install" ;;
        '') word="$verbs $scripts $wake $install" ;;
        *) word= ;;
        esac
        mapfile -t COMPREPLY < <(compgen -W "$word" -- "$current")
        return
    fi

    case $verb in
    --list | --help | --version) return ;;
    esac
    if [[ $current == */* && $verb != --dump && $verb != --install && $verb != --check ]]; then
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
    fi
    _manhole_attach_named_pids "$current"
}

complete -F _manhole_attach manhole-attach
