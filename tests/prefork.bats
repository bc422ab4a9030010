# Servers that fork their workers before they are needed, under load: nginx and PostgreSQL, as Debian has them.

setup() {
    load helpers
    need_other_users
    # Other users work in it.
    place=$(mktemp -d)
    chmod 755 "$place"
    log=$place/log
}

teardown() {
    exec 8>&-
    end "${loads[@]}"
    # In order: the workers end with the first process, which does not wait for clients.
    [[ -z $server ]] || kill -INT "$server" 2>/dev/null || true
    [[ -z $server ]] || wait_until 30 is_gone "$server" || true
    end_all
    local one
    for one in "${seen[@]/#//tmp/manhole-}" $(sed -n 's/.*UDS path: //p' "$log" 2>/dev/null); do
        rm -f "$one"
    done
    rm -rf "$place"
}

is_gone() {
    ! alive "$1"
}

# The children of a process, one a line.
children_of() {
    cat "/proc/$1/task"/*/children | tr ' ' '\n' | grep . || true
}

# attach PID: uses it, takes it away, and finds the process as it was.
attach() {
    local threads
    seen+=("$1")
    run -0 "$ATTACH" --eval 'call getpid' --timeout 60 "$1"
    assert_output --partial "= $1 "
    run -0 "$ATTACH" --uninstall --timeout 60 "$1"
    threads=$(cat "/proc/$1/task"/*/comm)
    [[ $threads != *manhole* && $threads != *mh-idle* ]]
    refute grep -q libmanhole "/proc/$1/maps"
}

serves_manhole() {
    grep -q " /tmp/manhole-$1\$" /proc/net/unix
}

# Sockets that root's processes of long ago left under the numbers that come next: a worker of another user may not
# take their place, and says so in its log.
make_room() {
    local last path
    read -r _ _ _ _ last </proc/loadavg
    for path in /tmp/manhole-*; do
        local number=${path##*-}
        [[ ! -S $path || $number -lt $last || $number -ge $((last + 5000)) ]] || serves_manhole "$number" ||
            rm -f "$path"
    done
}

# use PID: one that has a manhole already, as the fork gave it.
use() {
    seen+=("$1")
    wait_until 60 serves_manhole "$1" || fail "$(tail "$log")"
    run -0 "$ATTACH" --eval 'call getpid' --timeout 60 "$1"
    assert_output --partial "= $1 "
}

# start_load COMMAND...: it ends when descriptor 8 is closed.
start_load() {
    mkfifo "$place/end"
    "$@" <"$place/end" >"$place/load" 2>&1 3>&- 8>&- &
    loads+=("$!")
    exec 8>"$place/end"
    wait_until 60 grep -qs '^loading' "$place/load"
}

start_nginx() {
    cat >"$place/nginx.conf" <<END
daemon off; worker_processes 3; user www-data; pid $place/pid; error_log $place/errors;
events { worker_connections 512; }
http {
    access_log off;
    client_body_temp_path $place/body; proxy_temp_path $place/proxy; fastcgi_temp_path $place/fastcgi;
    uwsgi_temp_path $place/uwsgi; scgi_temp_path $place/scgi;
    server { listen unix:$place/http; location / { return 200 "served\\n"; } }
}
END
    start_quietly "$(command -v nginx || echo /usr/sbin/nginx)" -c "$place/nginx.conf"
    server=$pid
    wait_until 60 has_workers 3
}

has_workers() {
    (($(children_of "$server" | wc -l) == $1))
}

# The old ones may take their time to end: none of them is there any more.
are_new_workers() {
    local one
    has_workers 3 || return 1
    for one in "$@"; do
        ! alive "$one" || return 1
    done
}

@test "nginx under load: no request fails while every worker is attached, used and left, and reloaded ones have theirs" {
    make_room
    start_nginx
    start_load python3 "$BATS_TEST_DIRNAME/tools/http_load.py" "$place/http" 3
    local worker old
    for worker in $(children_of "$server"); do
        attach "$worker"
    done
    run -0 "$ATTACH" --install --verbose-destination "$log" --timeout 60 "$server"
    seen+=("$server")
    old=$(children_of "$server")
    make_room
    kill -HUP "$server"
    # shellcheck disable=SC2086
    wait_until 60 are_new_workers $old
    for worker in $(children_of "$server"); do
        use "$worker"
        # It is another user's by now, and so is its socket.
        assert_equal "$(stat -c %U "/tmp/manhole-$worker")" www-data
        assert_equal "$(awk '/^Uid:/ { print $2, $3, $4, $5 }' /proc/"$worker"/task/*/status | sort -u | wc -l)" 1
        run -0 "$ATTACH" --uninstall --timeout 60 "$worker"
        assert_output ''
        refute grep -q libmanhole "/proc/$worker/maps"
    done
    use "$server"
    run -0 "$ATTACH" --uninstall --timeout 60 "$server"
    exec 8>&-
    wait_until 60 grep -q '^good' "$place/load"
    run cat "$place/load"
    assert_line --regexp '^good [1-9][0-9]* bad 0 '
    refute grep -E 'alert|emerg|crit|exited on signal' "$place/errors"
}

# --- PostgreSQL. ---

as_postgres() {
    setpriv --reuid postgres --regid postgres --clear-groups env -C "$place" HOME="$place" PGHOST="$place" \
        PGUSER=postgres PGDATABASE=postgres "$@"
}

start_postgres() {
    local tools
    tools=$(printf '%s\n' /usr/lib/postgresql/*/bin | tail -1)
    [[ -x $tools/initdb ]]
    PATH=$tools:$PATH
    chown postgres "$place"
    as_postgres initdb -D "$place/data" -A trust --no-sync >/dev/null
    as_postgres postgres -D "$place/data" -k "$place" -c listen_addresses= -c fsync=off -c autovacuum_naptime=1s \
        >"$place/postgres.out" 2>&1 3>&- 8>&- &
    started+=("$!")
    wait_until 60 as_postgres psql -qAtc 'select 1' 2>/dev/null
    server=$(head -1 "$place/data/postmaster.pid")
}

# Two that stay connected and two that connect anew each time; both say how many of their transactions failed.
load_postgres() {
    as_postgres pgbench -n -c 2 -T 10000 -S --rate=200 &
    local one=$!
    as_postgres pgbench -n -C -c 2 -T 10000 -S --rate=20 &
    local other=$!
    echo loading
    cat
    alive "$one" && alive "$other" && echo 'both live'
    kill -INT "$one" "$other"
    wait
}

# The backends of the first load: those of the second one are gone too soon.
first_backends() {
    as_postgres psql -qAtc "select pid from pg_stat_activity
        where application_name = 'pgbench' and backend_start < now() - interval '2 seconds'"
}

are_connected() {
    (($(first_backends | wc -l) == 2))
}

@test "PostgreSQL under load: no transaction fails while its processes are attached, used and left, and new ones have theirs" {
    make_room
    start_postgres
    as_postgres pgbench -q -i -s 1 >/dev/null 2>&1
    start_load load_postgres
    wait_until 60 are_connected
    local backend one
    for backend in $(first_backends); do
        attach "$backend"
    done
    for backend in $(children_of "$server"); do
        case $(tr '\0' ' ' <"/proc/$backend/cmdline" 2>/dev/null) in
        # The postmaster forks the last two inside a signal handler, which they never leave.
        *checkpointer* | *'background writer'* | *walwriter* | *launcher*) attach "$backend" ;;
        esac
    done
    assert [ "${#seen[@]}" -ge 4 ]
    run -0 "$ATTACH" --install --verbose-destination "$log" --reinstall-delay 0.1 --timeout 60 "$server"
    seen+=("$server")
    make_room
    as_postgres psql -qAtc 'select pg_sleep(1000)' 3>&- 8>&- &
    started+=("$!")
    wait_until 60 sleeps
    backend=$(as_postgres psql -qAtc "select pid from pg_stat_activity where wait_event = 'PgSleep'")
    use "$backend"
    assert_equal "$(stat -c %U "/tmp/manhole-$backend")" postgres
    assert_equal "$(as_postgres psql -qAtc "select pg_cancel_backend($backend)")" t
    use "$server"
    run -0 "$ATTACH" --uninstall --timeout 60 "$server"
    assert_output ''
    assert_equal "$(as_postgres psql -qAtc 'select count(*) from pgbench_branches')" 1
    exec 8>&-
    wait_until 60 grep -q '^both live' "$place/load"
    refute grep -iE 'abort|error|fatal|failed' "$place/load"
    # Whoever asks too early whether it is ready is told FATAL.
    refute grep -E 'PANIC|FATAL|terminated by signal|multithreaded' \
        <(grep -v 'FATAL:  the database system is starting up' "$place/postgres.out")
    # It ends as it is told to.
    kill -INT "$server"
    wait_until 60 is_gone "$server"
}

sleeps() {
    [[ -n $(as_postgres psql -qAtc "select pid from pg_stat_activity where wait_event = 'PgSleep'") ]]
}
