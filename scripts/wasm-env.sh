# Sourced by the scripts next to it: where the wasm toolchain is, and the folder of the workspace.
# WASM_RUSTC, WASM_CARGO and WASM_LD name another toolchain.

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
WASM_RUSTC=${WASM_RUSTC:-/usr/bin/rustc}
WASM_CARGO=${WASM_CARGO:-/usr/bin/cargo}
WASM_LD=${WASM_LD:-wasm-ld-22}
# Not the workspace's own target folder: other flags, other compiler.
WASM_TARGET_DIR=${WASM_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/subnet-runtime/wasm-target}

# One line that names the compiler and the linker; nothing when one of them is missing.
wasm_toolchain() {
    command -v "$WASM_RUSTC" "$WASM_CARGO" "$WASM_LD" >/dev/null 2>&1 || return 0
    [ -f "$("$WASM_RUSTC" --print sysroot)/lib/rustlib/src/rust/library/Cargo.lock" ] || return 0
    printf '%s; %s\n' "$("$WASM_RUSTC" --version)" "$("$WASM_LD" --version)"
}

# The packages that become modules of the bundle.
wasm_actors="system init account ethaccount placeholder absent eam reward courier gateway-actor checkpoint-actor"

wasm_package_flags() {
    for package in "$@"; do printf ' -p %s' "$package"; done
}

# What is in the code of these packages from elsewhere, one `name version` a line. Paths mark our own, which count as
# sources.
wasm_dependencies() {
    # shellcheck disable=SC2046 # One word for each flag.
    (cd "$root" && RUSTC="$WASM_RUSTC" "$WASM_CARGO" tree --locked --target wasm32-unknown-unknown \
        --edges normal,build --prefix none --no-dedupe $(wasm_package_flags "$@")) |
        sed -n -e '/(\//d' -e 's/^\([^ ]*\) v\([^ ]*\).*$/\1 \2/p' | sort -u
}
