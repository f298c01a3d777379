#!/usr/bin/env bash
# Builds the node and measures what a chain of four validators does on this machine, with one lane and with two. The
# figures are left in target/bench/net.json.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh

cargo build --release --locked --workspace --bins
target_dir="${CARGO_TARGET_DIR:-target}"
exec "$target_dir/release/testnet" bench --dir target/bench/net --out target/bench/net.json "$@"
