#!/usr/bin/env bash
# Builds and tests the Solidity contracts, and compares the size of their code with the EVM's limit. Packages come from npm,
# as the lock names them; after that nothing needs a network. With --bench it also prints what a checkpoint costs, and
# writes the figures to target/bench/contracts.json.
set -euo pipefail
cd "$(dirname "$0")/../contracts"

if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    echo "contracts: this needs Node 20 or later with npm; install your system's packages nodejs and npm" >&2
    exit 1
fi

# What is installed carries a copy of the lock it came from.
if ! cmp -s package-lock.json node_modules/.contracts-lock.json; then
    # Nothing of these packages has to run to be installed.
    npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
    cp package-lock.json node_modules/.contracts-lock.json
fi

# Standard input stays closed: forge hands its own on to the compiler's wrapper.
forge() { node_modules/.bin/forge "$@" </dev/null; }

# Fails when the code of a contract is longer than the EVM allows (EIP-170, EIP-3860).
forge build --sizes --skip test
forge test

if [ "${1:-}" = "--bench" ]; then
    node - <<'JS'
const fs = require('fs');
const contracts = {};
for (const name of ['Registry', 'Subnet', 'SubnetOffice', 'Courier']) {
  const artifact = JSON.parse(fs.readFileSync(`out/${name}.sol/${name}.json`));
  contracts[name] = { runtime_bytes: artifact.deployedBytecode.object.length / 2 - 1 };
}
const { checkpoints } = JSON.parse(fs.readFileSync('out/gas.json'));
fs.mkdirSync('../target/bench', { recursive: true });
fs.writeFileSync('../target/bench/contracts.json', JSON.stringify({ contracts, checkpoints }, null, 2) + '\n');
console.log('| validators | signatures | EVM gas | calldata bytes | slots read | slots written | FEVM estimate |');
console.log('|---|---|---|---|---|---|---|');
for (const row of checkpoints) {
  const million = `${(row.fevm_gas_estimate / 1e6).toFixed(1)} M`;
  const cells = [row.validators, row.signatures, row.evm_gas, row.calldata_bytes, row.slots_read, row.slots_written];
  console.log(`| ${[...cells, million].join(' | ')} |`);
}
JS
fi
