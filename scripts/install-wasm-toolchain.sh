#!/bin/sh
# Installs the compiler that turns the actors into wasm: Debian's, because its packages bring the standard library's
# source and need no download from elsewhere. Only whoever rebuilds the actor bundle needs it; nodes and tests do not.
set -eu

packages="rustc-web cargo-web rust-web-src lld-22"

missing=""
for package in $packages; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$' || missing="$missing $package"
done
if [ -z "$missing" ]; then
    echo "wasm toolchain: already installed ($(/usr/bin/rustc --version))"
    exit 0
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "wasm toolchain: missing$missing. Run:" >&2
    echo "    sudo apt-get update && sudo apt-get install -y --no-install-recommends$missing" >&2
    exit 1
fi
apt-get update -qq
# shellcheck disable=SC2086 # One word for each package.
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
echo "wasm toolchain: installed ($(/usr/bin/rustc --version))"
