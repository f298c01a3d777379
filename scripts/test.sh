#!/usr/bin/env bash
# Runs every test of the workspace in the release profile, the only one this project uses.
# nextest runs each test in a process of its own; without it, cargo's own runner does.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh

# Two tests compare our answers with the specification of Filecoin's RPC, which is not part of this repository. Runners
# hide what a passing test prints, so whether they could is said here, before the tests and below their results.
if [ -n "${FRC_0104:-}" ]; then
    # Tests run in the folder of their package.
    FRC_0104=$(realpath --canonicalize-missing -- "$FRC_0104")
    export FRC_0104
    spec="$FRC_0104"
else
    # An empty name is no name.
    unset FRC_0104
    spec=../shared/spec/frc-0104-common-node-api.json
fi
if [ -r "$spec" ]; then
    verdict="FRC-0104: RPC answers are checked against $spec"
else
    verdict="FRC-0104: RPC answers are NOT CHECKED, there is no $spec.
    Set FRC_0104 to the path of common-node-api.json from the FIPs repository to check them."
fi
echo "$verdict"
trap 'echo "$verdict"' EXIT

if cargo nextest --version >/dev/null 2>&1; then
    # All of them, so that one run tells everything that is wrong.
    cargo nextest run --release --workspace --locked --no-fail-fast "$@"
else
    cargo test --release --workspace --locked --no-fail-fast "$@"
fi
