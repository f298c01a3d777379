#!/usr/bin/env bash
# Makes sure that what the build needs is there: a C toolchain and libclang (for RocksDB's bindings), and Rust. With
# --lint also Rust's formatter and linter, and Python. As root it installs what the system lacks; all else it names, with
# the line to run, and stops.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(build-essential clang libclang-dev pkg-config)
# For the protocol's vectors alone.
[ "${1:-}" != "--lint" ] || command -v python3 >/dev/null || packages+=(python3)

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

# The workspace says once which Rust it needs.
needed=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
has_rustup() { command -v rustup >/dev/null; }

if ! command -v cargo >/dev/null || ! command -v rustc >/dev/null; then
    echo "setup: there is no Rust on the PATH. Install $needed or later, then try again:" >&2
    echo "    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh" >&2
    exit 1
fi

actual=$(rustc --version | cut -d' ' -f2)
# Sorted by version, what is needed comes first or is the same; a nightly's suffix does not count.
if [ "$(printf '%s\n' "$needed" "${actual%%-*}" | sort -V | head -n1)" != "$needed" ]; then
    echo "setup: rustc is $actual, this needs $needed or later. Run this, then try again:" >&2
    if has_rustup; then
        echo "    rustup update stable && rustup default stable" >&2
    else
        echo "    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh" >&2
    fi
    exit 1
fi

if [ "${1:-}" = "--lint" ]; then
    tools=()
    cargo fmt --version >/dev/null 2>&1 || tools+=(rustfmt)
    cargo clippy --version >/dev/null 2>&1 || tools+=(clippy)
    if [ "${#tools[@]}" -gt 0 ]; then
        echo "setup: cargo has no ${tools[*]}. Run this, then try again:" >&2
        if has_rustup; then
            echo "    rustup component add ${tools[*]}" >&2
        else
            echo "    sudo apt-get install -y ${tools[*]/clippy/rust-clippy}" >&2
        fi
        exit 1
    fi
fi
