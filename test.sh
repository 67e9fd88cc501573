#!/usr/bin/env bash
# Everything that must hold before a change goes in, in one command, on a fresh Debian machine with Rust and gcc.
# Tests run on SQLite and on PostgreSQL: one throwaway cluster serves all of them, and is gone afterwards. Others send
# through a live Kannel. ./test.sh --long runs the program under fire for an hour and a half: ten thousand kills, each
# named instant up to twelve times, two thousand campaigns on real stores, sees to it that each rule broken on purpose
# (tests/mutants) is noticed, and fuzzes whatever reads what strangers hand to us (tests/fuzz).
set -euo pipefail
cd "$(dirname "$0")"

# Lines of domain and engine together: what has to be read to know what is decided, and when.
readonly CORE_LIMIT=6000

step() {
    local name=$1 begun=$SECONDS
    shift
    printf '\n== %s\n' "$name"
    if ! "$@"; then
        printf '\n== FAILED: %s (%d s)\n' "$name" $((SECONDS - begun))
        exit 1
    fi
    printf -- '-- %s: %d s\n' "$name" $((SECONDS - begun))
}

missing() {
    echo "missing: $1" >&2
    echo "hint: $2" >&2
    return 1
}

has_postgres() {
    command -v initdb > /dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' > /dev/null
}

# Debian's package makes a server of its own that starts with the machine, unless told not to.
install_postgres() {
    local told=/etc/postgresql-common/createcluster.d/no-server-for-tests.conf
    mkdir -p "$(dirname "$told")"
    echo 'create_main_cluster = false' > "$told"
    apt-get update
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends postgresql
    rm -f "$told"
}

has_kannel() {
    [ -x /usr/sbin/bearerbox ] && [ -x /usr/sbin/smsbox ] && [ -x /usr/lib/kannel/test/fakesmsc ]
}

# A live SMS gateway to send through. Its tests skip themselves, with a loud line, where it is not there.
kannel() {
    if has_kannel; then return 0; fi
    if [ "$EUID" -eq 0 ]; then install_kannel || true; fi
    if has_kannel; then return 0; fi
    if [ "${CI:-}" = true ]; then missing "Kannel" "apt-get install kannel kannel-extras" || return 1; fi
    echo "!!! SKIPPED: every test on Kannel. hint: sudo apt-get install kannel kannel-extras" >&2
}

# Debian's package starts a gateway of its own, unless told not to; each test has its own.
install_kannel() {
    local policy=/usr/sbin/policy-rc.d ours=
    if [ ! -e "$policy" ]; then
        ours=$policy
        printf '#!/bin/sh\nexit 101\n' > "$policy"
        chmod 755 "$policy"
    fi
    apt-get update
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends kannel kannel-extras
    local code=$?
    if [ -n "$ours" ]; then rm -f "$ours"; fi
    return "$code"
}

# What the program under fire needs beside PostgreSQL. Its rows skip themselves, with a loud line, where one is not there.
fire_tools() {
    local missing_tools=()
    command -v strace > /dev/null || missing_tools+=(strace)
    command -v openssl > /dev/null || missing_tools+=(openssl)
    compgen -G '/usr/lib/*/faketime/libfaketimeMT.so.1' > /dev/null || missing_tools+=(faketime)
    if [ ${#missing_tools[@]} -eq 0 ]; then return 0; fi
    if [ "$EUID" -eq 0 ]; then
        apt-get update
        if DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing_tools[@]}"; then return 0; fi
    fi
    echo "!!! SKIPPED: what needs ${missing_tools[*]}. hint: sudo apt-get install ${missing_tools[*]}" >&2
}

tools() {
    command -v cargo > /dev/null || missing "Rust" "see https://rustup.rs" || return 1
    command -v cc > /dev/null || missing "a C compiler" "sudo apt-get install gcc" || return 1
    cargo fmt --version || missing "rustfmt" "rustup component add rustfmt" || return 1
    cargo clippy --version || missing "clippy" "rustup component add clippy" || return 1
    if ! has_postgres; then
        if [ "$EUID" -ne 0 ]; then missing "PostgreSQL" "sudo apt-get install postgresql" || return 1; fi
        install_postgres || missing "PostgreSQL" "apt-get install postgresql" || return 1
    fi
    rustc --version
}

# The script stops the cluster when this pipe to it closes, whatever way we end.
start_postgres() {
    coproc CLUSTER { exec tests/support/postgres.sh; }
    if ! read -r RINGROUND_TEST_POSTGRES <&"${CLUSTER[0]}"; then return 1; fi
    export RINGROUND_TEST_POSTGRES
    holder=$CLUSTER_PID
    pipe=${CLUSTER[1]}
    echo "$RINGROUND_TEST_POSTGRES"
}

stop_postgres() {
    if [ -n "${pipe:-}" ]; then
        exec {pipe}>&-
        wait "$holder" || true
    fi
}
trap stop_postgres EXIT

# "lines file", the longest first.
longest_files() {
    find "$@" -name '*.rs' -exec awk 'END { print FNR, FILENAME }' {} \; | sort -rn
}

# "lines file:line name", the longest first. A function ends where its closing brace stands under its first word,
# which is so in everything that rustfmt has written.
longest_functions() {
    find "$@" -name '*.rs' -exec awk '
        /^ *(pub(\([a-z]+\))? )?(const )?(async )?fn [a-z_0-9]+/ && !/}$/ && !/;$/ {
            match($0, /^ */); indent = RLENGTH; begun = FNR
            name = $0; sub(/^.*fn /, "", name); sub(/[^a-z_0-9].*$/, "", name)
        }
        begun && /^ *}$/ {
            match($0, /^ */)
            if (RLENGTH == indent) { print FNR - begun + 1, FILENAME ":" begun, name; begun = 0 }
        }' {} \; | sort -rn
}

figures() {
    local core folder
    core=$(find src/domain src/engine -name '*.rs' ! -name '*_tests.rs' -exec awk '
        FNR == 1 { tests = 0 } /#\[cfg\(test\)\]/ { tests = 1 } !tests { lines++ } END { print lines }' {} +)
    echo "domain and engine: $core lines without tests (at most $CORE_LIMIT)"
    for folder in src tests; do
        # `awk` reads to the end, so that `sort` never writes into a closed pipe.
        longest_files $folder | awk 'NR == 1 { print "largest file:      " $1 " lines, " $2 }'
        longest_functions $folder | awk 'NR == 1 { print "largest function:  " $1 " lines, " $3 " in " $2 }'
    done
    if [ "$core" -gt "$CORE_LIMIT" ]; then
        echo "domain and engine have outgrown their limit" >&2
        return 1
    fi
}

case "$*" in '' | --long) ;; *) echo "usage: ./test.sh [--long]" >&2; exit 2 ;; esac
step "what is needed" tools
step "a live gateway" kannel
step "formatting" cargo fmt --all --check
step "clippy" cargo clippy --locked --all-targets -- -D warnings
step "throwaway PostgreSQL" start_postgres
step "tests" cargo test --locked --all-targets --no-fail-fast
step "documentation tests" cargo test --locked --doc
step "under fire: what is needed" fire_tools
step "under fire: clippy" cargo clippy --locked --features faults --lib --bins -- -D warnings
step "under fire" cargo test --locked --features faults --test crash -- "$@"
if [ "$*" = --long ]; then
    step "two thousand campaigns on real stores" env RINGROUND_SEEDS=2000 cargo test --locked --test seeds
    step "rules broken on purpose" tests/mutants/run.sh
    step "fuzzing" tests/fuzz/run.sh
fi
step "figures" figures
printf '\n== All of it holds (%d s)\n' "$SECONDS"
