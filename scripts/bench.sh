#!/usr/bin/env bash
# Builds and runs the benchmark of block execution. The figures are left in target/bench/parallel.json.
# Arguments go to the benchmark: scripts/bench.sh --help
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh

cargo build --release --locked --workspace --bins
target_dir="${CARGO_TARGET_DIR:-target}"
exec "$target_dir/release/exec-bench" "$@"
