#!/usr/bin/env bash
# Builds the node and plays the two-chain story on it. The report is left in target/testnet/report.json.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh

cargo build --release --locked -p subnet-node -p testnet
target_dir="${CARGO_TARGET_DIR:-target}"
exec "$target_dir/release/testnet" demo "$@"
