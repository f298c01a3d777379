#!/bin/sh
# Builds the actors of tests and benchmarks to wasm, into fvm-exec/testing/wasm with record.toml beside them. Run it after
# every change to one of them, to actor-runtime, to subnet-types or to how wasm is built, and commit all of these files.
# With --check it writes nothing and fails when the modules come out otherwise than they are committed; another toolchain
# than theirs compares nothing and says so.
set -eu
. "$(dirname -- "$0")/wasm-env.sh"

test_actors="token-actor pool-actor cross-caller"
folder=$root/fvm-exec/testing/wasm

if [ "${1:-}" = "--check" ] && ! grep -qF "toolchain = \"$(wasm_toolchain)\"" "$folder/record.toml"; then
    echo "test actors: NOT REBUILT, record.toml names another toolchain than \"$(wasm_toolchain)\""
    exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM

# shellcheck disable=SC2086 # One word for each package.
"$root/scripts/build-wasm.sh" "$work/wasm" $test_actors

if [ "${1:-}" = "--check" ]; then
    for actor in $test_actors; do cmp "$work/wasm/$actor.wasm" "$folder/$actor.wasm"; done
    echo "test actors: rebuilt with \"$(wasm_toolchain)\", the same byte for byte"
    exit 0
fi

# shellcheck disable=SC2086 # One word for each package.
wasm_dependencies $test_actors >"$work/packages"

# The recorder's package includes the files it replaces.
for actor in $test_actors; do
    [ -f "$folder/$actor.wasm" ] || : >"$folder/$actor.wasm"
done
[ -f "$folder/record.toml" ] || : >"$folder/record.toml"
cd "$root"
cargo run --release --quiet --locked -p test-actors --bin record-test-actors -- \
    "$root" "$work/wasm" "$work/packages" "$(wasm_toolchain)"
