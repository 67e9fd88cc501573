#!/usr/bin/env bash
# Breaks the rules one by one, in a copy of the sources, and sees to it that the test named in each patch notices. A patch
# that no longer fits, does not compile, or is not noticed, fails.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=$PWD
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$here/target}/mutants
failed=0
for patch in "$here"/tests/mutants/*.patch; do
    name=$(basename "$patch" .patch)
    read -ra test < <(sed -n 's/^# caught by: //p' "$patch")
    rm -rf "$copy/tree" && mkdir "$copy/tree"
    git ls-files -z | xargs -0 cp --parents -t "$copy/tree"
    cd "$copy/tree"
    patch -s -p1 < "$patch"
    options=() filter=() build=() beyond=
    for word in "${test[@]}"; do
        if [ "$word" = -- ]; then beyond=1; fi
        options+=("$word")
        if [ -z "$beyond" ]; then build+=("$word"); fi
    done
    begun=$SECONDS
    # What does not compile proves nothing.
    if ! cargo test --locked --no-run "${build[@]}" > "$copy/build" 2>&1; then
        tail -20 "$copy/build"
        echo "$name: does not compile"
        failed=1
    elif cargo test --locked "${options[@]}" > "$copy/out" 2>&1; then
        echo "$name: NOT NOTICED by cargo test ${test[*]}"
        failed=1
    else
        echo "$name: noticed by cargo test ${test[*]} ($((SECONDS - begun)) s)"
    fi
    cd "$here"
done
exit "$failed"
