#!/usr/bin/env bash
# Runs every test of the workspace in the release profile, the only one this project uses.
# nextest runs each test in a process of its own; without it, cargo's own runner does.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh

if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --release --workspace --locked "$@"
else
    cargo test --release --workspace --locked "$@"
fi
