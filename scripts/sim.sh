#!/usr/bin/env bash
# Whole hierarchies on one thread: seeds from SEED on, until SECONDS_MAX have passed. With SECONDS_MAX=0 only SEED. The
# last line says how it went. SIM_BUG=minority-counts breaks a rule, to see that it is found.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh

export SEED="${SEED:-1}" SECONDS_MAX="${SECONDS_MAX:-60}" TURNS="${TURNS:-150}"
export SIM_CACHE="${SIM_CACHE:-${CARGO_TARGET_DIR:-$PWD/target}/sim-cache}"
for value in "$SEED" "$SECONDS_MAX" "$TURNS"; do
    if ! [[ "$value" =~ ^[0-9]+$ ]]; then
        echo "sim: SEED, SECONDS_MAX and TURNS are numbers, got SEED=$SEED SECONDS_MAX=$SECONDS_MAX TURNS=$TURNS" >&2
        exit 1
    fi
done
cargo build --release --locked -p subnet-sim
exec "${CARGO_TARGET_DIR:-$PWD/target}/release/subnet-sim"
