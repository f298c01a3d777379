#!/bin/sh
# Checks that fvm-exec/actor-bundle/bundle.car is what the sources make: always by the recorded digests, and byte for
# byte when the toolchain that built it is installed. Its last line says which of both happened. With --rebuild, or
# BUNDLE_REBUILD=1, another toolchain is an error.
set -eu
. "$(dirname -- "$0")/wasm-env.sh"

is_rebuild_required=0
[ "${1:-}" != "--rebuild" ] || is_rebuild_required=1
[ "${BUNDLE_REBUILD:-0}" = 0 ] || is_rebuild_required=1

cd "$root"
pack() { cargo run --release --quiet --locked -p actor-bundle --bin pack-bundle -- "$@"; }

pack check "$root"

recorded=$(pack toolchain "$root")
present=$(wasm_toolchain)
if [ "$recorded" != "$present" ]; then
    if [ "$is_rebuild_required" = 1 ]; then
        echo "bundle: cannot be rebuilt: it was built with \"$recorded\", here is \"${present:-no wasm toolchain}\"." >&2
        echo "    Install that toolchain, or rebuild the bundle with this one (make bundle) and commit it." >&2
        exit 1
    fi
    echo "bundle: NOT REBUILT, only its digests were compared: it was built with \"$recorded\"," \
        "here is \"${present:-no wasm toolchain}\""
    exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
"$root/scripts/build-wasm.sh" "$work/wasm"
pack compare "$root" "$work/wasm"
echo "bundle: REBUILT from the sources with \"$present\", the same byte for byte"
