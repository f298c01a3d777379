#!/usr/bin/env bash
# Builds the node and plays the two-chain story on it. The report is left in target/testnet/report.json.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh

# Of all packages, as the tests do it: then both need the same libraries, which are built once.
cargo build --release --locked --workspace --bins
target_dir="${CARGO_TARGET_DIR:-target}"
exec "$target_dir/release/testnet" demo "$@"
