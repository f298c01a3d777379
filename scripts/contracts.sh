#!/usr/bin/env bash
# Builds, analyses and tests the Solidity contracts, and compares the size of their code with the EVM's limit. Packages
# come from npm and PyPI, as the lock and requirements.txt name them; after that nothing needs a network. The committed artefacts (what nodes deploy and call) have
# to be what the sources give; with --write they are made so. With --bench it also prints what a checkpoint costs, and
# writes the figures to target/bench/contracts.json. CASES is how many cases a fuzz test has (256).
set -euo pipefail
cd "$(dirname "$0")/../contracts"

# As root it installs what the system lacks.
missing=()
command -v node >/dev/null || missing+=(nodejs)
command -v npm >/dev/null || missing+=(npm)
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3 python3-venv)
if [ "${#missing[@]}" -gt 0 ] && [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    echo "contracts: installing ${missing[*]}"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}" >/dev/null
fi
if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    echo "contracts: this needs Node 20 or later with npm; install your system's packages nodejs and npm" >&2
    exit 1
fi

# What is installed carries a copy of the lock it came from. Nothing of these packages has to run to be installed.
if ! cmp -s package-lock.json node_modules/.contracts-lock.json; then
    npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
    cp package-lock.json node_modules/.contracts-lock.json
fi
if [ ! -x node_modules/.bin/forge ]; then
    echo "contracts: npm has no forge for this system ($(uname -sm)); use Linux on x86-64 or macOS on arm64" >&2
    exit 1
fi

# Standard input stays closed: forge hands its own on to the compiler's wrapper.
forge() { node_modules/.bin/forge "$@" </dev/null; }

# Code depends on which sources are compiled together, if only by the order of its functions. So the release is made of all
# of them whenever one differs from what it was made of, and of nothing else.
sources=$(find src -type f -name '*.sol' | LC_ALL=C sort | xargs cat foundry.toml package-lock.json bin/solc | sha256sum)
if [ "$sources" != "$(cat out/release.sources 2>/dev/null || true)" ]; then
    rm -rf out/release cache/release
fi
# Fails when the code of a contract is longer than the EVM allows (EIP-170, EIP-3860).
forge build --sizes --skip test
echo "$sources" >out/release.sources

node - "${1:-}" <<'JS'
const fs = require('fs');
const names = { Registry: 'Registry', Subnet: 'Subnet', SubnetOffice: 'SubnetOffice', SubnetArchive: 'SubnetArchive',
  BalanceProofs: 'BalanceProofs', Courier: 'Courier', ISubnet: 'ISubnet', ICrossReceiver: 'Courier' };
let differs = false;

// The parts of a subnet's code run on one state. They must agree on where everything stands, and no function of one may
// hide another's.
const parts = ['Subnet', 'SubnetOffice', 'SubnetArchive'];
const owners = {};
const layouts = parts.map((name) => {
  const { storageLayout, methodIdentifiers } = JSON.parse(fs.readFileSync(`out/release/${name}.sol/${name}.json`));
  for (const [signature, selector] of Object.entries(methodIdentifiers)) {
    if (owners[selector]) {
      console.error(`contracts: ${name} and ${owners[selector]} both have ${signature} (${selector})`);
      differs = true;
    }
    owners[selector] = name;
  }
  // Ids of types count declarations, which differ; their names do not.
  return JSON.stringify(storageLayout.storage.map((variable) => [variable.label, variable.slot, variable.offset,
    storageLayout.types[variable.type].label, storageLayout.types[variable.type].numberOfBytes]));
});
if (new Set(layouts).size !== 1 || layouts[0] === '[]') {
  console.error(`contracts: ${parts.join(', ')} have different storage layouts`);
  differs = true;
}

// Every reason to refuse a call has a test that expects it by name.
const read = (folder) => fs.readdirSync(folder, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.sol'))
  .map((entry) => fs.readFileSync(`${entry.parentPath ?? entry.path}/${entry.name}`, 'utf8')).join('\n');
const [sources, tests] = [read('src'), read('test')];
const errors = new Set([...sources.matchAll(/^\s*error (\w+)\(/gm)].map((match) => match[1]));
for (const name of errors) {
  const used = [...sources.matchAll(new RegExp(`\\brevert (?:\\w+\\.)?${name}\\(`, 'g'))].length;
  const expected = new RegExp(`\\b${name}\\.selector`).test(tests);
  if (!used) console.error(`contracts: no code reverts with ${name}`);
  if (!expected) console.error(`contracts: no test expects ${name}`);
  differs ||= !used || !expected;
}
// A revert without a name tells nobody what to do.
const nameless = [...sources.matchAll(/^.*\b(require\s*\(|revert\s*\(\s*[")]).*$/gm)].map((match) => match[0].trim());
for (const line of nameless) console.error(`contracts: a revert without a named error: ${line}`);
differs ||= nameless.length !== 0;

for (const [name, file] of Object.entries(names)) {
  const built = JSON.parse(fs.readFileSync(`out/release/${file}.sol/${name}.json`));
  const artifact = { abi: built.abi, bytecode: built.bytecode.object, runtime: built.deployedBytecode.object };
  const text = JSON.stringify(artifact) + '\n';
  const path = `artifacts/${name}.json`;
  if (process.argv[2] === '--write') {
    fs.mkdirSync('artifacts', { recursive: true });
    fs.writeFileSync(path, text);
  } else if (!fs.existsSync(path) || fs.readFileSync(path, 'utf8') !== text) {
    console.error(`contracts/${path} is not what the sources give; run: scripts/contracts.sh --write`);
    differs = true;
  }
}
process.exit(differs ? 1 : 0);
JS

# The analyser (Slither) reads what the compiler said of the release. Its own packages come from PyPI, pinned like npm's.
if ! cmp -s requirements.txt cache/analyser/requirements.txt; then
    rm -rf cache/analyser
    if ! python3 -m venv cache/analyser; then
        echo "contracts: this needs Python 3.10 or later with venv; install your system's package python3-venv" >&2
        exit 1
    fi
    cache/analyser/bin/pip install --quiet --no-deps --disable-pip-version-check -r requirements.txt
    cp requirements.txt cache/analyser/
fi
rm -f out/analysis.json
PATH="$PWD/node_modules/.bin:$PATH" cache/analyser/bin/slither . --ignore-compile --foundry-out-directory out/release \
    --exclude-informational --exclude-optimization --filter-paths node_modules --fail-none \
    --json out/analysis.json >out/analysis.log 2>&1 </dev/null || { cat out/analysis.log >&2; exit 1; }
bin/triage out/analysis.json analysis.json

cases=${CASES:-256}
FOUNDRY_PROFILE=test FOUNDRY_FUZZ_RUNS=$cases FOUNDRY_INVARIANT_RUNS=$((cases / 8 + 1)) forge test

if [ "${1:-}" = "--bench" ]; then
    node - <<'JS'
const fs = require('fs');
const contracts = {};
for (const name of ['Registry', 'Subnet', 'SubnetOffice', 'SubnetArchive', 'BalanceProofs', 'Courier']) {
  const artifact = JSON.parse(fs.readFileSync(`out/release/${name}.sol/${name}.json`));
  contracts[name] = { runtime_bytes: artifact.deployedBytecode.object.length / 2 - 1 };
}
const { checkpoints } = JSON.parse(fs.readFileSync('out/gas.json'));
const fifty_transfers = JSON.parse(fs.readFileSync('out/messages-gas.json'));
const balance_proof = JSON.parse(fs.readFileSync('out/balance-gas.json'));
fs.mkdirSync('../target/bench', { recursive: true });
fs.writeFileSync('../target/bench/contracts.json', JSON.stringify({ contracts, checkpoints, fifty_transfers, balance_proof }, null, 2) + '\n');
console.log('| validators | signatures | EVM gas | calldata bytes | slots read | slots written | FEVM estimate |');
console.log('|---|---|---|---|---|---|---|');
for (const row of checkpoints) {
  const million = `${(row.fevm_gas_estimate / 1e6).toFixed(1)} M`;
  const cells = [row.validators, row.signatures, row.evm_gas, row.calldata_bytes, row.slots_read, row.slots_written];
  console.log(`| ${[...cells, million].join(' | ')} |`);
}
JS
fi
