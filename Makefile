# Each target does all its own set-up from a fresh clone.
.PHONY: help demo demo-deep bench bench-net bench-witness test sim soak model vectors lint doc bundle bundle-check test-actors contracts bench-contracts

help:            ## Lists the targets
	@grep -hE '^[a-z-]+: .*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo:            ## Two chains of four validators: funds down, spent, and up again (report in target/testnet/)
	@scripts/demo.sh

demo-deep:       ## Five chains on three levels: messages on every route and into every failure (report in target/testnet/)
	@scripts/demo-deep.sh

bench:           ## Block execution beside the stock executor, ten minutes (figures in target/bench/parallel.json)
	@scripts/bench.sh

test:            ## Every test of the workspace
	@scripts/test.sh

sim:             ## Whole hierarchies on one thread, seed by seed (SEED, SECONDS_MAX=60, TURNS; a failing seed is printed)
	@scripts/sim.sh

soak:            ## Random blocks in lanes against the stock executor, then simulated hierarchies (CASES=100000, SEED, SIM_SECONDS=600)
	@scripts/soak.sh

model:           ## The cross-net protocol in every order of events, on small hierarchies (ARGS=--help)
	@scripts/setup.sh
	@cargo run --release --locked -p subnet-model -- $(ARGS)

bench-net:       ## Messages a second, finality and time per block of four validators (figures in target/bench/net.json)
	@scripts/bench-net.sh

bench-witness:   ## Size of witnesses and the time to make and verify them on one core (figures in target/bench/witness.json)
	@scripts/setup.sh
	cargo bench --locked -p fvm-exec --bench witness -- $(CURDIR)/target/bench/witness.json

vectors:         ## What is signed or hashed between chains, computed again by a second implementation
	@python3 docs/protocol/verify.py

lint:            ## Formatting and clippy, warnings denied
	@scripts/setup.sh --lint
	cargo fmt --all --check
	cargo clippy --release --workspace --all-targets --locked -- -D warnings

doc:             ## API documentation, warnings denied
	@scripts/setup.sh
	RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" cargo doc --release --workspace --no-deps --locked

bundle:          ## Rebuilds the actors' wasm (installs its toolchain when root)
	@scripts/install-wasm-toolchain.sh
	@scripts/build-bundle.sh

bundle-check:    ## Fails when the committed bundle is not what the sources give (BUNDLE_REBUILD=1: only a rebuild will do)
	@scripts/check-bundle.sh

test-actors:     ## Rebuilds the wasm of the actors that only tests and benchmarks use
	@scripts/install-wasm-toolchain.sh
	@scripts/build-test-actors.sh

contracts:       ## The Solidity contracts of an EVM parent: built, measured against the limit of the EVM, and tested (CASES=256)
	@scripts/contracts.sh

bench-contracts: ## What a checkpoint costs on an EVM parent (figures in target/bench/contracts.json)
	@scripts/contracts.sh --bench
