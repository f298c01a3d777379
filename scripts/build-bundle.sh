#!/bin/sh
# Builds the actors to wasm and packs them into fvm-exec/actor-bundle/bundle.car, with bundle.toml beside it.
# Run it after every change to an actor, to actor-runtime or to subnet-types, and commit both files.
set -eu
. "$(dirname -- "$0")/wasm-env.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM

"$root/scripts/build-wasm.sh" "$work/wasm"

# shellcheck disable=SC2086 # One word for each package.
wasm_dependencies $wasm_actors >"$work/packages"

cd "$root"
# The packer's package includes the bundle it replaces.
[ -f fvm-exec/actor-bundle/bundle.car ] || : >fvm-exec/actor-bundle/bundle.car
[ -f fvm-exec/actor-bundle/bundle.toml ] || : >fvm-exec/actor-bundle/bundle.toml
cargo run --release --quiet --locked -p actor-bundle --bin pack-bundle -- \
    write "$root" "$work/wasm" "$work/packages" "$(wasm_toolchain)"
