#!/usr/bin/env bash
# Random blocks in parallel lanes against the stock executor, for as long as it takes: any partition, any number of lanes,
# predictions over consecutive blocks, transfers in bulk, waypoints true and false. CASES blocks in all, from SEED, which is printed.
# Then whole hierarchies, simulated from the same seed on for SIM_SECONDS.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh

cases="${CASES:-100000}"
sim_seconds="${SIM_SECONDS:-600}"
seed="${SEED:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}"
if ! [[ "$cases" =~ ^[1-9][0-9]*$ && "$seed" =~ ^[0-9]+$ && "$sim_seconds" =~ ^[0-9]+$ ]]; then
    echo "soak: CASES, SEED and SIM_SECONDS are numbers, got CASES=$cases SEED=$seed SIM_SECONDS=$sim_seconds" >&2
    exit 1
fi
echo "soak: $cases blocks; replay: make soak CASES=$cases SEED=$seed"

# Five tests share the cases; the blocks of a sixth are longer, so it takes fewer.
export LANES_CASES=$(((cases + 4) / 5)) SEED="$seed"
result="failed"
trap 'echo "soak: $result, $cases blocks in ${SECONDS} s; replay: make soak CASES=$cases SEED=$seed"' EXIT
cargo test --release --locked --workspace --test lanes -- --nocapture --test-threads "${THREADS:-2}" random waypoints:: bytes::
SECONDS_MAX="$sim_seconds" scripts/sim.sh
result="ok"
