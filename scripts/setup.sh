#!/usr/bin/env bash
# Makes sure that what the build needs from the system is there: a C toolchain and libclang (for RocksDB's bindings).
# As root it installs what is missing; otherwise it prints the line to run and stops.
set -euo pipefail

packages=(build-essential clang libclang-dev pkg-config)

missing=()
for package in "${packages[@]}"; do
    dpkg-query --show --showformat='${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done

if [ "${#missing[@]}" -gt 0 ]; then
    if ! command -v apt-get >/dev/null; then
        echo "setup: this needs a C compiler and libclang; install your system's counterparts of: ${missing[*]}" >&2
        exit 1
    fi
    if [ "$(id -u)" -ne 0 ]; then
        echo "setup: missing system packages. Run this, then try again:" >&2
        echo "    sudo apt-get update && sudo apt-get install -y ${missing[*]}" >&2
        exit 1
    fi
    echo "setup: installing ${missing[*]}"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}" >/dev/null
fi

if ! command -v cargo >/dev/null; then
    echo "setup: cargo is not on the PATH. Install Rust 1.90 or later (https://rustup.rs), then try again." >&2
    exit 1
fi
