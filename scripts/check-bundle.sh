#!/bin/sh
# Checks that fvm-exec/actor-bundle/bundle.car is what the sources make: always by the recorded digests, and byte for
# byte when the toolchain that built it is installed. With --rebuild a missing toolchain is an error.
set -eu
. "$(dirname -- "$0")/wasm-env.sh"

cd "$root"
pack() { cargo run --release --quiet --locked -p actor-bundle --bin pack-bundle -- "$@"; }

pack check "$root"

recorded=$(pack toolchain "$root")
present=$(wasm_toolchain)
if [ "$recorded" != "$present" ]; then
    echo "bundle: not rebuilt, because it was built with \"$recorded\" and here is \"${present:-no wasm toolchain}\""
    [ "${1:-}" != "--rebuild" ] || exit 1
    exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
"$root/scripts/build-wasm.sh" "$work/wasm"
pack compare "$root" "$work/wasm"
