#!/usr/bin/env bash
# A throwaway PostgreSQL cluster for tests. Starts one in a temporary folder, prints its address as one line, and stops
# and removes it when standard input ends. Whoever needs the cluster holds the other end of that pipe: however its
# process ends, panic and kill included, the pipe closes and nothing is left behind.
#
# Exit code 69: PostgreSQL cannot be had here, and standard error says why.
set -euo pipefail

unavailable() {
    echo "$1" >&2
    exit 69
}

# The folder of initdb and pg_ctl: in PATH, else the newest of Debian's.
find_programs() {
    local found newest=""
    if found=$(command -v initdb) && command -v pg_ctl > /dev/null; then
        dirname -- "$found"
        return
    fi
    for found in $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V); do
        if [ -x "$found/initdb" ]; then newest=$found; fi
    done
    echo "$newest"
}

programs=$(find_programs)
if [ -z "$programs" ]; then unavailable "PostgreSQL is not installed (apt-get install postgresql)"; fi

# The server refuses to run as root.
as_user=()
owner=$(id -un)
if [ "$EUID" -eq 0 ]; then
    owner=postgres
    id -u "$owner" > /dev/null 2>&1 || owner=nobody
    command -v setpriv > /dev/null || unavailable "setpriv is missing (apt-get install util-linux)"
    as_user=(setpriv "--reuid=$owner" "--regid=$(id -g "$owner")" --clear-groups)
fi

# Always below /tmp: a socket's path has at most 107 characters, and a private TMPDIR may be closed to the server's user.
folder=$(mktemp -d /tmp/ringround-postgres.XXXXXX)
stop() {
    trap - EXIT
    "${as_user[@]}" "$programs/pg_ctl" stop -D "$folder/data" -m immediate > /dev/null 2>&1 || true
    rm -rf "$folder"
}
trap stop EXIT
trap 'exit 130' INT TERM HUP
chown "$owner" "$folder"
cd "$folder"

give_up() {
    cat "$folder"/*.log >&2 || true
    unavailable "PostgreSQL did not $1"
}
"${as_user[@]}" "$programs/initdb" -D "$folder/data" -U ringround -A trust -E UTF8 --locale=C --no-sync \
    > "$folder/initdb.log" 2>&1 || give_up "make a cluster"

# No TCP: only who may enter the folder can connect. Without fsync: nobody cuts the power of a cluster that lives for
# a minute, and what these tests look at (who sees what, who waits for whom) does not depend on it.
options="-c listen_addresses='' -c unix_socket_directories='$folder' -c fsync=off -c full_page_writes=off"
options="$options -c max_connections=300"
"${as_user[@]}" "$programs/pg_ctl" start -D "$folder/data" -w -t 60 -l "$folder/server.log" -o "$options" \
    > "$folder/start.log" 2>&1 || give_up "start"

echo "postgres://ringround@localhost/postgres?host=$folder"
cat > /dev/null
