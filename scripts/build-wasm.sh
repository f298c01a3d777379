#!/bin/sh
# Builds actors to wasm and copies the modules into the folder given as $1: the packages that follow, or every actor of
# the bundle.
#
# The same sources and toolchain give the same bytes in every folder and for every user: paths are remapped, one
# codegen unit, no debug information, versions locked.
set -eu
. "$(dirname -- "$0")/wasm-env.sh"

out=${1:?usage: build-wasm.sh OUTPUT_FOLDER [PACKAGE...]}
shift
# shellcheck disable=SC2086 # One word for each package.
[ $# -gt 0 ] || set -- $wasm_actors
mkdir -p "$out"
out=$(CDPATH='' cd -- "$out" && pwd -P)

toolchain=$(wasm_toolchain)
if [ -z "$toolchain" ]; then
    echo "no wasm toolchain: run scripts/install-wasm-toolchain.sh" >&2
    exit 1
fi

sysroot=$("$WASM_RUSTC" --print sysroot)
cargo_home=${CARGO_HOME:-$HOME/.cargo}
# What the FVM's engine accepts: neither reference types nor multi-value, SIMD or threads.
features="+bulk-memory,+sign-ext,+mutable-globals,-reference-types,-multivalue,-atomics,-simd128"

export RUSTC="$WASM_RUSTC" RUSTC_BOOTSTRAP=1
export CARGO_TARGET_DIR="$WASM_TARGET_DIR" CARGO_INCREMENTAL=0 CARGO_TERM_COLOR=never
export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER="$WASM_LD"
export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS="-Ctarget-feature=$features \
 --remap-path-prefix=$root=/subnet-runtime \
 --remap-path-prefix=$cargo_home/registry/src=/registry \
 --remap-path-prefix=$sysroot/lib/rustlib/src/rust=/rust \
 --remap-path-prefix=$WASM_TARGET_DIR=/target"
# Small code: every node compiles all of it when it starts. The curve arithmetic of checkpoint certificates is the one
# thing that runs long enough for speed to matter more.
export CARGO_PROFILE_RELEASE_OPT_LEVEL=z CARGO_PROFILE_RELEASE_LTO=fat CARGO_PROFILE_RELEASE_CODEGEN_UNITS=1
export CARGO_PROFILE_RELEASE_PANIC=abort CARGO_PROFILE_RELEASE_STRIP=symbols CARGO_PROFILE_RELEASE_DEBUG=none
export CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS=true
speed="--config profile.release.package.bls12_381.opt-level=3"
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_RUSTFLAGS CARGO_BUILD_TARGET RUSTC_WRAPPER || true

cd "$root"
# shellcheck disable=SC2046,SC2086 # One word for each flag.
"$WASM_CARGO" build $speed --locked --release --lib --target wasm32-unknown-unknown \
    -Zbuild-std=core,alloc,std,panic_abort -Zbuild-std-features=optimize_for_size $(wasm_package_flags "$@")

for actor in "$@"; do
    name=$(printf '%s' "$actor" | tr - _)
    cp "$WASM_TARGET_DIR/wasm32-unknown-unknown/release/$name.wasm" "$out/$actor.wasm"
done
