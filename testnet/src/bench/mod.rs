//! How much a chain of real processes does, how long a message takes to be final, and where the time of a block goes.
//!
//! ```text
//! run ─▶ network (root of four, lanes as asked) ─▶ for each workload
//!          ├─▶ burst   as much as the chain takes       messages a second, time per block
//!          └─▶ paced   half of that, evenly             time from submission to finality
//! ```
//!
//! Validators, clients and this program share one machine, so the figures are those of the machine and say how parts
//! compare, not what a network of machines would do.

pub mod figures;
mod load;
mod scrape;
mod token;

use std::time::Duration;

use anyhow::{Context, ensure};
use fvm_shared::address::Address;
use subnet_types::Height;
use test_actors::TOKEN;

use crate::actors;
use crate::agreement;
use crate::network::{Additions, Chain, Network};
use crate::progress::Progress;
use crate::remote::Remote;
use crate::topology::{self, FAUCET};

use figures::{Figures, PerBlock};
use load::{Load, Payer};
use scrape::Totals;

/// Validators of the chain.
const VALIDATORS: usize = 4;

/// Accounts that send. So many that no sender's limits in the pool are met.
const PAYERS: usize = 128;

/// What each holds at genesis, in FIL: enough for every fee of the benchmark.
const PAYER_FIL: u64 = 10_000;

/// Longest time to wait for what was sent to be in blocks.
const DRAIN_PATIENCE: Duration = Duration::from_secs(30);

/// What to measure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Numbers of lanes, each on a chain of its own.
    pub lanes: Vec<u32>,
    /// How long to send in each part.
    pub time: Duration,
    /// Target time between blocks, in milliseconds.
    pub block_interval_ms: u64,
}

/// What the messages do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// Plain transfers of value.
    Send,
    /// Transfers of the FRC-46 token with this address.
    Token(Address),
}

impl Workload {
    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Token(_) => "token-transfer",
        }
    }
}

/// Starts a chain whose nodes execute with `lanes`, and measures each workload on it.
///
/// # Errors
/// When the chain does not come up, a message is refused or fails, or the nodes differ.
pub async fn run(network: &mut Network, plan: &Plan, lanes: u32, progress: &Progress) -> anyhow::Result<Vec<Figures>> {
    let mut payers: Vec<Payer> = (0..PAYERS).map(|_| Payer::generate()).collect();
    network.run_with(vec!["--lanes".to_owned(), lanes.to_string()]);
    let additions = Additions {
        balances: payers.iter().map(|payer| (payer.address(), PAYER_FIL)).collect(),
        bundle: Some(actors::bundle(&[TOKEN])?),
    };
    network.start_root(&spec(plan.block_interval_ms), &additions, progress).await?;
    let chain = network.chains().first().context("the chain runs")?;
    load::find_ids(chain.remote(), &mut payers).await?;

    let step = progress.step("token created");
    let token = token::create(chain.remote(), &mut payers).await?;
    step.done(&token.to_string());

    let mut measured = Vec::new();
    for workload in [Workload::Send, Workload::Token(token)] {
        measured.push(measure(chain, workload, plan, lanes, &mut payers, progress).await?);
    }
    let step = progress.step("all nodes compared");
    let remotes: Vec<&Remote> = chain.nodes.iter().map(|node| &node.remote).collect();
    let agreement = agreement::compare(&remotes).await?;
    step.done(&format!("the same blocks and states at {} heights", agreement.heights()));
    Ok(measured)
}

fn spec(block_interval_ms: u64) -> topology::Chain {
    topology::Chain {
        name: "bench".to_owned(),
        parent: None,
        chain_id: Some(31_415_926),
        validators: VALIDATORS,
        block_interval_ms,
        checkpoint_period_blocks: 10,
        stake_fil: 0,
        cross_gas_price_atto: 0,
        accounts: vec![topology::Account { name: FAUCET.to_owned(), balance_fil: 1 }],
    }
}

async fn measure(
    chain: &Chain,
    workload: Workload,
    plan: &Plan,
    lanes: u32,
    payers: &mut [Payer],
    progress: &Progress,
) -> anyhow::Result<Figures> {
    let name = workload.name();
    let step = progress.step(format!("{name}, {lanes} lanes: as many as the chain takes"));
    let remotes: Vec<Remote> = chain.nodes.iter().map(|node| node.remote.clone()).collect();
    let load = Load::new(workload, &remotes, payers).await?;
    let prepared = load.prepare_burst(payers)?;
    let before = Totals::of(&chain.nodes).await?;
    let burst = load.burst(payers, prepared, plan.time, DRAIN_PATIENCE).await?;
    let totals = Totals::of(&chain.nodes).await?.since(&before);
    let rate = burst.per_second();
    step.done(&format!("{} messages in {} blocks, {rate:.0} a second", burst.latencies_ms.len(), burst.blocks()));

    let step = progress.step(format!("{name}, {lanes} lanes: half as many, evenly"));
    let paced = load.paced(payers, rate / 2.0, plan.time, DRAIN_PATIENCE).await?;
    let failed = Totals::of(&chain.nodes).await?.since(&before).failed;
    ensure!(failed == 0.0, "{failed} messages failed, summed over all nodes");
    let (p50, p99) = (paced.latency_ms(50), paced.latency_ms(99));
    step.done(&format!("final after {p50} ms (median), {p99} ms (99th percentile)"));
    Ok(Figures {
        workload: name,
        validators: chain.nodes.len(),
        lanes,
        messages: burst.latencies_ms.len() as u64,
        transactions_per_second: figures::tenth(rate),
        paced_transactions_per_second: figures::tenth(rate / 2.0),
        finality_ms_p50: p50,
        finality_ms_p99: p99,
        block_interval_ms: figures::tenth(totals.interval_ms()),
        per_block: PerBlock::of(&totals),
    })
}

/// Heights from one to another, that one included.
fn heights(after: Height, to: Height) -> impl Iterator<Item = Height> {
    (after.get() + 1..=to.get()).map(Height::new)
}
