# The C console in real programs: a redis-server under load, a debug build of Python, and incrond, which is C++.
# tests/build_programs has built the first and the last from Debian's source packages, with -O2 -g.

PROGRAMS_DIRECTORY=build/programs

setup() {
    load helpers
    PATH=$TOP/$PROGRAMS_DIRECTORY:$PATH
}

teardown() {
    [[ -z ${screen-} ]] || tmux -S "$screen" kill-server || true
    end_all
}

# need PROGRAM: skips the test where Debian's source could not be had.
need() {
    local path=$TOP/$PROGRAMS_DIRECTORY/$1
    [[ ! -e $path.missing ]] || skip "$(<"$path.missing") (without build/programs/tried it is tried again)"
    [[ -x $path ]] || fail "$path is not built: make targets"
}

# redis_under_load: the server's pid in $pid, with ten clients that never stop asking.
redis_under_load() {
    need redis-server
    start_redis
    redis=$pid
    # What it leaves of the processors is for those who look.
    start_quietly "$(command -v nice)" -n 19 redis-benchmark -s "$redis_socket" -c 10 -n 2000000000 -t set -q
    benchmark=$pid benchmark_output=$output_file
    pid=$redis
    wait_until 20 clients_are 10
}

clients_are() {
    (($(redis-cli -s "$redis_socket" client list | grep -c 'cmd=set') == $1))
}

# The load goes on, and no client of it has seen an error.
load_is_well() {
    local before
    alive "$benchmark"
    run ! grep -qiE 'error|closed|lost|refused' "$benchmark_output"
    before=$(commands_processed)
    wait_until 20 eval '(($(commands_processed) > before + 1000))'
}

commands_processed() {
    redis-cli -s "$redis_socket" info stats | sed -n 's/^total_commands_processed:\([0-9]*\).*/\1/p'
}

# equals_gdb EXPRESSION...: each has the value that gdb prints; how it is laid out does not matter.
equals_gdb() {
    local printed=() expression
    for expression in "$@"; do
        printed+=(-ex "print $expression")
    done
    run -0 timeout 60 gdb --batch --quiet -nx -iex 'set debuginfod enabled off' -iex 'set print pretty on' \
        -p "$pid" "${printed[@]}" </dev/null
    sed '1,/^\$1 = /{/^\$1 = /!d}; /^\[Inferior/d' <<<"$output" | tr -d ' \n' >"$BATS_TEST_TMPDIR/gdb"
    c "$@"
    assert_success
    assert_equal "$(tr -d ' \n' <<<"$output")" "$(<"$BATS_TEST_TMPDIR/gdb")"
}

threads_and_descriptors() {
    ls "/proc/$pid/task" | wc -l
    for fd in "/proc/$pid/fd"/*; do
        readlink "$fd"
    done | sort
}

are_as_before() {
    [[ $(threads_and_descriptors) == "$before" ]]
}

@test "redis-server: its structures, functions and faults, under load, and it is unharmed" {
    redis_under_load
    local before
    before=$(threads_and_descriptors)
    cat >"$BATS_TEST_TMPDIR/script" <<'SCRIPT'
server
server.verbosity = 0
server.verbosity
server.clients->len
((client *)server.clients->head->next->value)->flags
for (listNode *n = server.clients->head; n; n = n->next)
    printf("client %d\n", (int)((client *)n->value)->id);
dictSdsHash(sdsnew("abc")) == dictGenHashFunction("abc", 3)
stringmatchlen("k*y", 3, "key", 3, 0)
lookupCommandByCString("get")->proc
int count(void)
{
    int n = 0;
    for (listNode *node = server.clients->head; node; node = node->next)
        n += ((client *)node->value)->id > 0;
    return n;
}
int total = 0;
for (int i = 0; i < 1000; i++) total += count();
total
acceptCommonHandler(0, 0, 0)
places.c::table
SCRIPT
    run timeout 120 "$ATTACH" --file "$BATS_TEST_TMPDIR/script" "$pid"
    assert_failure 1
    assert_line --index 0 '$1 = {'
    assert_line "  pid = $pid,"
    assert_line --regexp "^  unixsocket = 0x[0-9a-f]+ \"$redis_socket\",\$"
    assert_line --regexp '^  moduleapi = 0x[0-9a-f]+,$'
    ((${#lines[@]} > 400))
    assert_line '$2 = 0'
    assert_line '$3 = 0'
    assert_line '$4 = 10'
    assert_line --regexp '^\$5 = [0-9]+$'
    assert_equal "$(grep -c '^client [0-9]*$' <<<"$output")" 10
    assert_line '$6 = 1'
    assert_line '$7 = 1'
    assert_line --regexp '^\$8 = .* <getCommand>$'
    assert_line '$9 = 10000'
    assert_line --partial 'acceptCommonHandler cannot be called: the only copy (acceptCommonHandler.constprop.0) takes other arguments'
    # A name of the manhole's own is none.
    assert_line --partial 'places.c::table is not known'
    assert_equal "$(redis-cli -s "$redis_socket" config get loglevel | tail -n 1)" debug

    c '*(int *)8 = 1' 'char *map;' 'int fd;' \
        'fd = memfd_create("bus", 0); map = mmap(0, 4096, 1, 2, fd, 0); close(fd);' '*map' 'munmap(map, 4096)' \
        '1 / (server.port - server.port)' '__asm__("ud2");' 'abort()' 'sdslen((char *)8)' \
        'int deep(int n) { char waste[4096]; waste[0] = n; return deep(n + 1) + waste[0]; }' 'deep(0)' \
        'server.maxclients'
    assert_failure 1
    assert_line --partial 'SIGSEGV at address 0x8, in what was typed itself'
    assert_line --regexp 'SIGBUS at address 0x[0-9a-f]+, in what was typed itself'
    assert_line --partial 'SIGFPE in what was typed itself'
    assert_line --partial 'SIGILL in what was typed itself'
    assert_line --partial 'SIGABRT'
    assert_line --regexp '^manhole-attach: sdslen.*SIGSEGV at address 0x[0-9a-f]+'
    assert_line --regexp '^manhole-attach: deep.*SIGSEGV'
    assert_line --regexp '^\$[0-9]+ = 10000$'

    run -0 "$ATTACH" --uninstall "$pid"
    wait_until 20 are_as_before
    load_is_well
    redis_answers
}

@test "redis-server: Ctrl-C ends an endless loop, under load" {
    redis_under_load
    screen=$BATS_TEST_TMPDIR/screen
    tmux -S "$screen" -f /dev/null new-session -d -x 120 -y 40 "$ATTACH $pid" 3>&-
    wait_until 20 shows "^$pid:redis-server> *$"
    tmux -S "$screen" send-keys -t 0 'write(1, "loop" "ing\n", 8); for (;;) {}' Enter
    wait_until 20 shows '^looping'
    tmux -S "$screen" send-keys -t 0 C-c
    wait_until 20 shows 'interrupted'
    tmux -S "$screen" send-keys -t 0 'server.hz' Enter
    wait_until 20 shows '^\$1 = 10$'
    load_is_well
}

shows() {
    tmux -S "$screen" capture-pane -p -J -t 0 -S -500 | grep -qE -- "$1"
}

@test "redis-server: values equal those of gdb" {
    need redis-server
    start_redis
    equals_gdb server.port server.unixsocket server.runid server.bindaddr server.ipfd 'sizeof(server)' \
        server.oom_score_adj_values server.client_obuf_limits 'server.db[3]' '*server.commands->type' \
        'redisCommandTable[7]' server.maxmemory_policy '*shared.crlf' \
        '*server.db[0].dict->type' server.tls_ctx_config 'server.hz * 2.5' '&server.port' 'server.clients->len'
}

@test "python3.11d: the runtime, objects and static functions, and Python itself by its own functions" {
    cat >"$BATS_TEST_TMPDIR/program.py" <<'PROGRAM'
import time
kept = {"answer": 42}
print("ready", flush=True)
while True:
    time.sleep(0.01)
PROGRAM
    start "$(command -v python3.11d)" "$BATS_TEST_TMPDIR/program.py"
    cat >"$BATS_TEST_TMPDIR/script" <<'SCRIPT'
_PyRuntime.initialized
_PyRuntime.interpreters.head->threads.head->native_thread_id
PyLong_Type
_Py_NoneStruct.ob_type->tp_name
((PyDictObject *)_PyRuntime.interpreters.head->modules)->ma_used > 20
PyObject *main;
int value = 0;
{
    int state = PyGILState_Ensure();
    main = PyDict_GetItemString(PyImport_GetModuleDict(), "__main__");
    PyObject *kept = PyObject_GetAttrString(main, "kept");
    value = PyLong_AsLong(PyDict_GetItemString(kept, "answer"));
    PyRun_SimpleString("kept['answer'] += 1");
    Py_DecRef(kept);
    PyGILState_Release(state);
}
value
main->ob_type->tp_name
list_length((PyListObject *)&PyLong_Type) == PyLong_Type.ob_base.ob_size
main->ob_type->tp_repr
SCRIPT
    run timeout 120 "$ATTACH" --lang c --file "$BATS_TEST_TMPDIR/script" "$pid"
    assert_success
    assert_line '$1 = 1'
    assert_line "\$2 = $pid"
    assert_line --regexp '^  tp_name = 0x[0-9a-f]+ "int",$'
    assert_line --regexp '^  tp_repr = 0x[0-9a-f]+ <long_to_decimal_string>,$'
    assert_line --regexp '^\$4 = 0x[0-9a-f]+ "NoneType"$'
    assert_line '$5 = 1'
    assert_line '$6 = 42'
    assert_line --regexp '^\$7 = 0x[0-9a-f]+ "module"$'
    assert_line '$8 = 1'
    assert_line --regexp '^\$9 = .* <module_repr>$'
    alive "$pid"
}

@test "incrond: objects of C++, their members through base classes, static members and functions of classes" {
    ((EUID == 0)) || skip "incrond runs as root only"
    need incrond
    local directory=$BATS_TEST_TMPDIR/incron
    mkdir -p "$directory"/{system,users,watched}
    echo "$directory/watched IN_CREATE touch $directory/seen" >"$directory/system/table"
    cat >"$directory/incron.conf" <<CONF
system_table_dir = $directory/system
user_table_dir = $directory/users
lockfile_dir = $directory
lockfile_name = incrond
CONF
    start_quietly "$(command -v incrond)" -n -f "$directory/incron.conf"
    wait_until 20 inotify_watches_are 3
    cat >"$BATS_TEST_TMPDIR/script" <<'SCRIPT'
g_daemon
g_ut
g_ut._M_t._M_impl._M_node_count
IncronCfg::m_defaults._M_t._M_impl._M_node_count
IncronCfg::IsComment("  # nothing")
IncronCfg::GetValue
UserTable *table;
table = *(UserTable **)((char *)(g_ut._M_t._M_impl._M_header._M_left + 1) + sizeof(std::string))
table->m_user._M_dataplus._M_p
table->m_fSysTable
table->m_in.m_watches._M_t._M_impl._M_node_count
*table->m_pEd
std::_Rb_tree_increment(g_ut._M_t._M_impl._M_header._M_left) == &g_ut._M_t._M_impl._M_header
std::string text;
text._M_string_length = 9;
text._M_dataplus._M_p = "IN_CREATE";
InotifyEvent::GetMaskByName(&text)
SCRIPT
    run timeout 120 "$ATTACH" --file "$BATS_TEST_TMPDIR/script" "$pid"
    assert_failure 1
    assert_line '$1 = false'
    assert_line '      <_Rb_tree_header> = {'
    assert_line '$3 = 1'
    assert_line '$4 = 7'
    assert_line '$5 = true'
    assert_line --regexp 'IncronCfg::GetValue is ambiguous: say _ZN9IncronCfg8GetValue.* or _ZN'
    assert_line --regexp '^\$6 = \(struct UserTable \*\) 0x[0-9a-f]+$'
    assert_line --regexp '^\$7 = 0x[0-9a-f]+ "table"$'
    assert_line '$8 = true'
    assert_line '$9 = 1'
    assert_line --regexp '^  m_maps = \{$'
    assert_line '$11 = 1'
    assert_line '$14 = 256'
    touch "$directory/watched/new"
    wait_until 20 test -e "$directory/seen"
}

inotify_watches_are() {
    (($(cat "/proc/$pid"/fdinfo/* | grep -c '^inotify wd') >= $1))
}
