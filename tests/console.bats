# The console on a terminal, driven by keys in a tmux of the test's own.

setup() {
    load helpers
    export HOME=$BATS_TEST_TMPDIR/home
    unset XDG_STATE_HOME
    mkdir "$HOME"
    screen=$(mktemp -u /tmp/manhole-tmux-XXXXXX)
    tmux -S "$screen" -f /dev/null new-session -d -x 120 -y 40 "env PS1='shell> ' HOME=$HOME bash --norc" 3>&-
}

teardown() {
    tmux -S "$screen" kill-server || true
    rm -f "$screen"
    end_all
    rm -f "/tmp/manhole-$pid"
}

keys() {
    tmux -S "$screen" send-keys -t 0 "$@"
}

screen_text() {
    tmux -S "$screen" capture-pane -p -J -t 0 -S -500
}

# shows REGEX: the screen has a line that matches.
shows() {
    screen_text | grep -qE -- "$1"
}

# await REGEX: waits until the screen shows it.
await() {
    wait_until 20 shows "$1" || {
        screen_text >&2
        return 1
    }
}

start_sleeper() {
    start_quietly "$(command -v sleep)" 1000
    wait_until 20 is_sleeping "$pid"
}

is_sleeping() {
    [[ $(cat "/proc/$1/comm") == sleep ]] && grep -q '^State:[[:space:]]S' "/proc/$1/status"
}

# attach [VARIABLE=VALUE...]: opens the console of $pid, waits for its prompt, and clears the screen but for it.
attach() {
    keys "env $* $ATTACH $pid; echo status=\$?" Enter
    await "^$pid:[a-z-]+> *$"
    keys C-l
    wait_until 20 is_cleared
    tmux -S "$screen" clear-history -t 0
}

is_cleared() {
    [[ $(tmux -S "$screen" capture-pane -p -t 0 | sed '/^$/d' | wc -l) == 1 ]]
}

@test "attaching shows the stacks, a banner and a prompt with pid and program" {
    start_redis
    keys "$ATTACH $pid; echo status=\$?" Enter
    await "^$pid:redis-server> *$"
    shows 'epoll_wait'
    screen_text | grep -n '' >"$BATS_TEST_TMPDIR/screen"
    local stacks banner prompt
    stacks=$(grep -m1 epoll_wait "$BATS_TEST_TMPDIR/screen" | cut -d: -f1)
    banner=$(grep -m1 -i 'manhole.*help\|help.*manhole\|"help"' "$BATS_TEST_TMPDIR/screen" | cut -d: -f1)
    prompt=$(grep -m1 "$pid:redis-server>" "$BATS_TEST_TMPDIR/screen" | cut -d: -f1)
    assert [ "$stacks" -lt "$banner" ]
    assert [ "$banner" -lt "$prompt" ]
}

@test "Ctrl-D leaves with a note, and the program goes on with its manhole" {
    start_redis
    attach
    keys C-d
    await 'status=0'
    shows "process $pid goes on"
    redis_answers
    run "$ATTACH" --eval 'call getpid' "$pid"
    assert_success
}

@test "a Ctrl-D typed while a command runs is taken at the next prompt" {
    start_redis
    attach
    keys 'call sleep 1' Enter
    wait_until 20 dump_shows 'nanosleep'
    keys C-d
    await 'status=0'
    shows '= 0 '
    redis_answers
}

@test "quit leaves as Ctrl-D does" {
    start_sleeper
    attach
    keys quit Enter
    await 'status=0'
    shows "process $pid goes on"
    assert alive "$pid"
}

@test "Ctrl-C ends a running call and gives the prompt back" {
    start_redis
    attach
    keys 'call sleep 1000' Enter
    wait_until 20 dump_shows 'nanosleep'
    keys C-c
    await "^$pid:redis-server> *$"
    keys 'call getpid' Enter
    await "^= $pid"
    redis_answers
    run dump_shows 'nanosleep'
    assert_failure
}

dump_shows() {
    "$ATTACH" --dump "$pid" | grep -q "$1"
}

@test "a process that is stopped meanwhile is named, and Ctrl-C again leaves it as it is" {
    start_redis
    attach
    keys 'call sleep 1000' Enter
    wait_until 20 dump_shows 'nanosleep'
    kill -STOP "$pid"
    await "process $pid is stopped"
    keys C-c
    await 'Ctrl-C once more leaves'
    keys C-c
    await 'status=7'
    grep -q '^State:[[:space:]]T' "/proc/$pid/status"
    kill -CONT "$pid"
    redis_answers
    wait_until 20 "$ATTACH" --eval 'call getpid' "$pid"
}

@test "Ctrl-C at the prompt clears the line and runs nothing" {
    start_sleeper
    attach
    keys "call kill $pid 9" C-c
    await '\^C'
    keys 'call labs 4711' Enter
    await '^= 4711'
    assert alive "$pid"
}

@test "TAB completes commands from the manhole" {
    start_sleeper
    attach
    keys '.ma' Tab
    await '> \.maps $'
    keys C-c '.sizeo' Tab 'int' Enter
    await '^4$'
}

# types TEXT: as if typed; \025 is Ctrl-U, which empties the line. A semicolon at the end would be tmux's own.
types() {
    local text=$1
    [[ $text != *';' ]] || text="${text%;}\\;"
    tmux -S "$screen" send-keys -l -t 0 "$text"
}

# completes TEXT REGEX: typed into an empty line and with TAB behind it, it becomes a line of the screen that matches.
completes() {
    types $'\025'"$1"$'\t'
    await "$2 *\$"
}

# enters TEXT REGEX PROMPT: TEXT as a line, which shows as REGEX; then the prompt is back. What is typed while a line runs
# is echoed by the terminal, wherever the cursor is.
enters() {
    types $'\025'"$1"
    await "$2 *\$"
    types $'\r'
    await "$3 *\$"
}

@test "TAB completes names of C, and members by the type of what stands before, running nothing" {
    start declared
    attach
    completes 'list->val' '> list->value'
    completes '1 + (*list->before).af' '> 1 \+ \(\*list->before\)\.after'
    completes 'everything.member.n' '> everything\.member\.named'
    completes 'other_sum(fol' '> other_sum\(folded'
    completes '.type struct aligne' '> \.type struct aligned'
    completes 'declared_other.c::he' '> declared_other\.c::helper'
    completes 'count_calls::ca' '> count_calls::calls'
    completes 'strncasec' '> strncasecmp'
    completes 'for (struct item *mine = list; mine->val' 'mine->value'
    # In a string nothing is a name.
    types $'\025"fol\tx'
    await '> "folx *$'
    enters 'int of_session = 3;' 'of_session = 3;' '> '
    completes 'of_sess' '> of_session'
    # What would be called is not.
    enters 'int calls; struct item *count(void) { calls++; return list; }' 'return list; \}' '> '
    completes 'count()->val' '> count\(\)->value'
    enters 'calls' '> calls' '> '
    await '^\$1 = 0$'
    # Several: what they have in common, then a list.
    types $'everything.bot\t\t'
    await '^both +both_qualifiers$'
    # A block that is not finished goes on with what it declared before.
    enters 'void block(void) {' 'block\(void\) \{' '\.\.\. '
    enters 'struct declared_other.c::item *mine;' '\*mine;' '\.\.\. '
    completes 'mine->te' 'mine->text'
}

@test "TAB completes symbols of the program itself, read from outside" {
    start_redis
    attach
    keys 'sym aeProcessEv' Tab
    await 'sym aeProcessEvents'
    keys C-c
    keys 'sym aeCreate' Tab Tab
    await 'aeCreateFileEvent'
    await 'aeCreateTimeEvent'
}

@test "the history is kept for the next session, for this user alone" {
    start_sleeper
    attach
    keys 'call labs 4711' Enter
    keys 'call labs 4712' Enter
    await '= 4712'
    await "> *$"
    keys C-d
    await 'status=0'
    local file=$HOME/.local/state/manhole-attach/history
    assert_equal "$(cat "$file")" $'call labs 4711\ncall labs 4712'
    assert_equal "$(stat -c %a "$file")" 600
    keys clear Enter
    attach
    keys Up Up
    await "> call labs 4711"
}

@test "a history that cannot be written is done without" {
    start_sleeper
    rmdir "$HOME"
    mkdir -p "$HOME/.local/state/manhole-attach/history"
    attach
    keys 'call labs 4711' Enter
    await '= 4711'
    await "> *$"
    keys C-d
    await 'status=0'
}

@test "a history that is a link to another file is not followed" {
    start_sleeper
    mkdir -p "$HOME/.local/state/manhole-attach"
    echo precious >"$BATS_TEST_TMPDIR/precious"
    ln -s "$BATS_TEST_TMPDIR/precious" "$HOME/.local/state/manhole-attach/history"
    attach
    keys 'call labs 4711' Enter
    await '= 4711'
    await "> *$"
    keys C-d
    await 'status=0'
    assert_equal "$(cat "$BATS_TEST_TMPDIR/precious")" precious
}

@test "the target's end at the prompt is told at once, with status 3" {
    start_sleeper
    attach
    end "$pid"
    await 'status=3'
    shows "$pid.*ended"
}

@test "the target's end while a command runs is told, with status 3" {
    start_sleeper
    attach
    keys "call kill $pid 9" Enter
    await 'status=3'
    shows "$pid.*ended"
}

@test "an uninstall by somebody else ends the console with a word" {
    start_sleeper
    attach
    "$ATTACH" --uninstall "$pid"
    await 'status=6'
    assert alive "$pid"
}

@test "text of the target cannot steer the terminal" {
    evil=$'\e]0;owned\a\e[31mred' start_quietly "$(command -v sleep)" 1000
    wait_until 20 is_sleeping "$pid"
    attach
    keys 'env' Enter
    await '^evil=.*owned.*31mred$'
    run tmux -S "$screen" display-message -p -t 0 '#{pane_title}'
    refute_output --partial owned
}

# serve BYTES: somebody's server at $BATS_TEST_TMPDIR/server that sends BYTES (a format of printf) to each client.
serve() {
    printf '%s\n' "printf '$1'; exec sleep 1000" >"$BATS_TEST_TMPDIR/answer"
    start_quietly "$(command -v socat)" "UNIX-LISTEN:$BATS_TEST_TMPDIR/server,fork" \
        "EXEC:sh $BATS_TEST_TMPDIR/answer"
    wait_until 20 listens "$BATS_TEST_TMPDIR/server"
}

# A bound socket exists before it listens: the fourth field says it does (__SO_ACCEPTCON).
listens() {
    grep -qE "^([^ ]+ +){3}00010000 .* $1\$" /proc/net/unix
}

@test "text of a server that is no manhole of ours cannot steer the terminal either" {
    # A frame: length 19, type HELLO (64), id 0; in the byte order of the machines we run on.
    serve '\001MANHOLE 1 frames ok\n\023\0\0\0\100\0\0\0\0\0\0\0\033]0;owned\007\302\2331mred!\n'
    keys "$ATTACH $BATS_TEST_TMPDIR/server; echo status=\$?" Enter
    await '^\?\]0;owned\?\?1mred!$'
    run tmux -S "$screen" display-message -p -t 0 '#{pane_title}'
    refute_output --partial owned
}

@test "a server that sends no frames is left with one clear line" {
    serve '\001MANHOLE 1 frames ok\n\377\377\377\377\100\0\0\0\0\0\0\0'
    run "$ATTACH" --eval 'call getpid' "$BATS_TEST_TMPDIR/server"
    assert_failure 6
    assert_output --partial 'not the protocol of a manhole'
}

@test "the terminal is as before after the console" {
    start_sleeper
    keys "stty -g >$BATS_TEST_TMPDIR/before" Enter
    attach
    keys C-d
    await 'status=0'
    keys "stty -g | cmp - $BATS_TEST_TMPDIR/before && echo same-\$((1 + 1))" Enter
    await '^same-2'
}

@test "Ctrl-Z stops the console at its prompt, and fg brings it back" {
    start_sleeper
    attach
    keys C-z
    await 'Stopped'
    keys fg Enter
    keys 'call labs 4711' Enter
    await '^= 4711'
}

@test "a window that changes its size keeps the line" {
    start_sleeper
    attach
    keys 'call labs'
    tmux -S "$screen" resize-window -t 0 -x 60 -y 20
    keys ' 4711' Enter
    await '^= 4711'
}

# attach_evaluated [VARIABLE=VALUE...]: the console of a program that was built with debug information.
attach_evaluated() {
    start evaluated
    attach "$@"
}

# coloured TEXT: the screen has it, with escapes as \e.
coloured() {
    tmux -S "$screen" capture-pane -p -e -t 0 | sed $'s/\e/\\\\e/g' | grep -qF -- "$1"
}

@test "Ctrl-C ends C that loops at once, and what waits for a lock by force, with a word about it" {
    attach_evaluated
    keys 'write(1, "begun 1\n", 8); for (;;)\;' Enter
    await '^begun 1'
    keys C-c
    await 'interrupted'
    keys 'char lock[40] = {0}\;' Enter
    keys 'pthread_mutex_lock(lock); write(1, "begun 2\n", 8); pthread_mutex_lock(lock)\;' Enter
    await '^begun 2'
    keys C-c
    await 'what it held, a lock say, it may have left held'
    await '^  #[1-9]  what was typed itself'
    keys 'add_up(limit, 4701)' Enter
    await '^\$[0-9]+ = 4711'
}

@test "values, mistakes and the prompt are in colours on a terminal, and not with NO_COLOR" {
    attach_evaluated
    keys 'head->next->name' Enter
    await '"three"'
    coloured '\e[32m"three"'
    coloured '\e[1m$1'
    coloured "\\e[1m$pid:evaluated>\\e[0m"
    keys 'limit + 1' Enter
    await '^\$2 = 11'
    coloured '\e[36m11'
    keys 'limit + nosuch' Enter
    await '\^~~~~~'
    coloured '\e[31mnosuch is not known'
    coloured '\e[31m^~~~~~'
    keys C-d
    await 'status=0'
    keys clear Enter
    end_all
    attach_evaluated NO_COLOR=1
    keys 'head->next->name' Enter
    await '^\$1 = "three"'
    keys 'limit + nosuch' Enter
    await '\^~~~~~'
    run coloured '\e['
    assert_failure
}

@test "a value longer than the screen goes through a pager, if one is wanted" {
    attach_evaluated
    tmux -S "$screen" resize-window -t 0 -x 60 -y 6
    keys '*head' Enter
    await '^:'
    run shows 'change ='
    assert_failure
    keys q
    await "^$pid:evaluated> *$"
    keys 'limit + 4701' Enter
    await '^\$2 = 4711'
    keys C-d
    await 'status=0'
    keys clear Enter
    end_all
    tmux -S "$screen" resize-window -t 0 -x 120 -y 40
    attach_evaluated "PAGER='tr a-z A-Z'"
    tmux -S "$screen" resize-window -t 0 -x 60 -y 6
    keys '*head' Enter
    await 'CHANGE = '
    keys C-d
    await 'status=0'
}
