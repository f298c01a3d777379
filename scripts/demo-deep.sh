#!/usr/bin/env bash
# Builds the node and plays the story of three levels on it. The report is left in target/testnet/deep-report.json.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh

# Of all packages, as the tests do it: then both need the same libraries, which are built once.
cargo build --release --locked --workspace --bins
target_dir="${CARGO_TARGET_DIR:-target}"
exec "$target_dir/release/testnet" demo-deep "$@"
