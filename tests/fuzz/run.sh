#!/usr/bin/env bash
# Each fuzz target for so many seconds (60, or what is said), from its seeds. Ends badly where one finds something; the
# input that it found lies in tests/fuzz/artifacts/TARGET.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-60}
built=${CARGO_TARGET_DIR:-target}/fuzz

if ! cargo fuzz --version > /dev/null 2>&1; then
    cargo install --locked cargo-fuzz
fi
for target in keyword phone csv xlsx callback; do
    printf -- '-- fuzz %s\n' "$target"
    # What is found new goes into a folder of its own, the first one; the seeds stay as they are.
    corpus=$(mktemp -d)
    cargo fuzz run --fuzz-dir tests/fuzz --target-dir "$built" --sanitizer none "$target" "$corpus" "tests/fuzz/seeds/$target" -- \
        -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 2>&1 |
        grep -E 'stat::|Done|panicked|ERROR|SUMMARY|artifact|assertion' || { echo "fuzz $target failed" >&2; exit 1; }
    rm -rf "$corpus"
done
