//! The demo's story: value goes down into the child, is spent there, and comes back up.
//!
//! Each step does what a user would do, waits for what must follow and checks it; the first expectation that is missed
//! ends the story with what was expected and what was seen.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use client::api::{CrossEvent, CrossStepInfo, CrossTraceInfo};
use fvm_shared::econ::TokenAmount;
use subnet_types::{Digest, Height, Sequence};

use crate::agreement::{self, Agreement};
use crate::ledger::Accepted;
use crate::load::{Account, Price, Sent, Via};
use crate::network::{Additions, Chain, Network, Node};
use crate::progress::{Progress, millis};
use crate::remote::Remote;
use crate::report::{ChainFigures, CheckpointFigures, Report, p50};
use crate::supply;
use crate::topology::Topology;

/// Accounts that pay each other in the child.
pub const PAYERS: usize = 50;

/// What the root account funds itself with in the child, in FIL.
const FUNDED_FIL: u64 = 500;

/// What each payer gets from it, in FIL.
const PAYER_FIL: u64 = 2;

/// What goes back up to the second account, in FIL.
const RELEASED_FIL: u64 = 30;

/// Blocks that the killed validator misses at least.
const MISSED_BLOCKS: u64 = 5;

/// How far a node may be behind the others to count as level: one block may be decided between two questions.
const LEVEL_BLOCKS: u64 = 1;

/// How long any single expectation may take. The longest ordinary one is a checkpoint: a period of ten blocks, its
/// certificate and the root's block.
const PATIENCE: Duration = Duration::from_secs(120);

const POLL: Duration = Duration::from_millis(50);

/// The two chains and accounts of the story.
struct Cast<'a> {
    network: &'a Network,
    root: &'a Chain,
    child: &'a Chain,
    /// The validator that gets killed. It takes no messages: what only a dead node knew is lost, as it should be.
    victim: &'a Node,
    /// The child's other nodes.
    others: Vec<Remote>,
}

/// Plays the story on a network that does not run yet, filling in `report` as it goes.
///
/// # Errors
/// At the first expectation that is missed.
pub async fn play(
    network: &mut Network,
    topology: &Topology,
    transfers: usize,
    progress: &Progress,
    report: &mut Report,
) -> anyhow::Result<()> {
    network.start(topology, &Additions::default(), progress).await?;
    let cast = Cast::of(network)?;
    let spender = cast.fund(progress, report).await?;
    let level_at = cast.spend(spender, transfers, progress, report).await?;
    let released_in = cast.release(progress, report).await?;
    cast.settle(released_in, level_at, progress).await?;
    let accepted = cast.reckon(progress, report).await?;
    cast.agree(&accepted, progress, report).await
}

impl<'a> Cast<'a> {
    fn of(network: &'a Network) -> anyhow::Result<Self> {
        let [root, child] = network.chains() else { anyhow::bail!("the story needs a root and one child") };
        let (victim, others) = child.nodes.split_last().context("the child has nodes")?;
        ensure!(others.len() >= 3, "the story needs four validators in the child, one of which is killed");
        let others = others.iter().map(|node| node.remote.clone()).collect();
        Ok(Self { network, root, child, victim, others })
    }

    /// A root account funds itself in the child.
    async fn fund(&self, progress: &Progress, report: &mut Report) -> anyhow::Result<Account> {
        let alice = self.root.account("alice")?;
        let step = progress.step(format!("alice funds herself in the child with {FUNDED_FIL} FIL"));
        let started = Instant::now();
        let (subnet, amount) = (self.child.subnet.to_string(), format!("{FUNDED_FIL} FIL"));
        let rpc = self.root.remote().url();
        let sent = self
            .network
            .command(&["cross", "fund", &subnet, &amount, "--from", alice.argument()?, "--rpc", rpc])
            .await?;
        let id: Digest = serde_json::from_value(sent["id"].clone()).context("the id that `cross fund` printed")?;
        let in_root_block: Height = serde_json::from_value(sent["height"].clone()).context("its height")?;
        let arrival = self
            .eventually("the child applies the message", async || {
                Ok(step_of(&self.child.remote().cross_trace(id).await?, CrossEvent::Applied))
            })
            .await?;
        report.fund.latency_ms = Some(ms(started));
        ensure!(arrival.exit_code == Some(0), "the fund message ended with {:?}, expected 0", arrival.exit_code);
        let held = self.child.remote().balance(&alice.address).await?;
        expect_equal("alice's balance in the child", &TokenAmount::from_whole(FUNDED_FIL), &held)?;
        let blocks = self.child_blocks(in_root_block, arrival.height).await?;
        report.fund.child_blocks = Some(blocks);
        step.done(&format!(
            "in her account {:.1} s after sending, {blocks} child blocks after the root's finality",
            started.elapsed().as_secs_f64()
        ));
        Ok(Account::new(alice.open()?, self.child.remote().nonce(&alice.address).await?))
    }

    /// Child blocks from the moment at which a root block was final to the one at `applied`, that one included.
    async fn child_blocks(&self, root_block: Height, applied: Height) -> anyhow::Result<u64> {
        let final_at = self.root.watcher.seen_at(root_block).context("the root's block was not seen")?;
        let before = self.child.watcher.height_at(final_at).context("the child was not watched then")?;
        Ok(applied.saturating_since(before))
    }

    /// Transfers between many accounts, while a validator dies and comes back. Returns at which height it was level with
    /// the others again.
    async fn spend(
        &self,
        mut spender: Account,
        transfers: usize,
        progress: &Progress,
        report: &mut Report,
    ) -> anyhow::Result<Height> {
        let step = progress.step(format!("{PAYERS} accounts get {PAYER_FIL} FIL each"));
        let mut payers: Vec<Account> = (0..PAYERS).map(|_| Account::generate()).collect();
        let price = Price::ask(&self.others[0], spender.address(), payers[0].address()).await?;
        let mut opening = Sent::default();
        for payer in &payers {
            let via = Via { remote: &self.others[0], price: &price };
            opening.send(&mut spender, payer.address(), TokenAmount::from_whole(PAYER_FIL), &via).await?;
        }
        opening.settle(&self.others[0], PATIENCE).await?;
        step.done("");

        let step = progress.step(format!("{transfers} signed transfers between them"));
        let half = transfers / 2;
        let mut sent = Sent::default();
        sent.push(0..half, &mut payers, &self.others, &price).await?;
        self.network.kill_hard(self.victim)?;
        let killed_at = self.others[0].height().await?;
        progress.say(&format!("             {} killed with -9 at height {killed_at}", self.victim.name));
        sent.push(half..transfers, &mut payers, &self.others, &price).await?;
        report.transfers.sent = sent.count();
        let outcome = sent.settle(&self.others[0], PATIENCE).await?;
        report.transfers.included = outcome.included;
        let tps = outcome.included as f64 / outcome.took.as_secs_f64();
        report.transfers.tps = Some((tps * 10.0).round() / 10.0);
        step.done(&format!("all in blocks of three validators, {tps:.0} per second"));

        let level = self.catch_up(killed_at, progress, report).await?;
        let step = progress.step(format!("{} has every transfer", self.victim.name));
        let known = sent.settle(&self.victim.remote, PATIENCE).await?;
        ensure!(known.included == outcome.included, "{} of {} are there", known.included, outcome.included);
        step.done("");
        Ok(level)
    }

    /// The killed validator comes back after it missed some blocks.
    async fn catch_up(&self, killed_at: Height, progress: &Progress, report: &mut Report) -> anyhow::Result<Height> {
        let enough = killed_at.checked_add(MISSED_BLOCKS).context("heights are small")?;
        self.eventually("the child goes on with three validators", async || {
            let height = self.others[0].height().await?;
            Ok((height >= enough).then_some(height))
        })
        .await?;
        let step = progress.step(format!("{} starts again and catches up", self.victim.name));
        let started = Instant::now();
        let answered = self.network.restart(self.victim, &step).await?;
        let own = self.victim.remote.height().await?;
        let level = self
            .eventually("the killed validator is level with the others", async || {
                let (others, own) = (self.others[0].height().await?, self.victim.remote.height().await?);
                Ok((others.saturating_since(own) <= LEVEL_BLOCKS && own >= enough).then_some(own))
            })
            .await?;
        report.restart.caught_up_ms = Some(ms(started));
        step.done(&format!("RPC after {:.1} s at height {own}, level at {level}", answered.as_secs_f64()));
        Ok(level)
    }

    /// Part of the value goes back up, to a second account. Returns the checkpoint that paid it.
    async fn release(&self, progress: &Progress, report: &mut Report) -> anyhow::Result<Sequence> {
        let (alice, bob) = (self.root.account("alice")?, self.root.account("bob")?);
        let step = progress.step(format!("alice releases {RELEASED_FIL} FIL to bob on the root"));
        let before = self.root.remote().balance(&bob.address).await?;
        let expected = &before + TokenAmount::from_whole(RELEASED_FIL);
        let started = Instant::now();
        let (amount, to, rpc) = (format!("{RELEASED_FIL} FIL"), bob.address.to_string(), self.child.remote().url());
        let sent = self
            .network
            .command(&["cross", "release", &amount, "--to", &to, "--from", alice.argument()?, "--rpc", rpc])
            .await?;
        let id: Digest = serde_json::from_value(sent["id"].clone()).context("the id that `cross release` printed")?;
        let paid = self
            .eventually("the root pays bob", async || {
                let now = self.root.remote().balance(&bob.address).await?;
                Ok((now != before).then_some(now))
            })
            .await?;
        report.release.latency_ms = Some(ms(started));
        expect_equal("bob's balance on the root", &expected, &paid)?;
        let arrival = step_of(&self.root.remote().cross_trace(id).await?, CrossEvent::Applied);
        let exit_code = arrival.and_then(|step| step.exit_code);
        ensure!(exit_code == Some(0), "the release ended with {exit_code:?}, expected 0");
        let cut = step_of(&self.child.remote().cross_trace(id).await?, CrossEvent::Checkpointed);
        let sequence = cut.and_then(|step| step.checkpoint);
        let sequence = sequence.context("the child does not say which checkpoint carries the release")?;
        step.done(&format!("paid {:.1} s after sending, by checkpoint {sequence}", started.elapsed().as_secs_f64()));
        Ok(sequence)
    }

    /// The next checkpoint is accepted too, and bob is paid exactly once. The validator that was killed is whole again only
    /// when it signs checkpoints too.
    async fn settle(&self, released_in: Sequence, level_at: Height, progress: &Progress) -> anyhow::Result<()> {
        let bob = self.root.account("bob")?;
        let paid = self.root.remote().balance(&bob.address).await?;
        let step = progress.step("the root accepts the next checkpoint, and bob is paid exactly once");
        let last = self
            .eventually("a further checkpoint is accepted", async || {
                let status = self.root.remote().child_status(&self.child.subnet).await?;
                Ok((status.last_sequence > released_in && status.undelivered == 0).then_some(status.last_sequence))
            })
            .await?;
        expect_equal("bob's balance one checkpoint later", &paid, &self.root.remote().balance(&bob.address).await?)?;
        step.done(&format!("checkpoint {last} accepted"));

        let step = progress.step(format!("{} signs checkpoints again", self.victim.name));
        let signed = self.signed_after(level_at).await?;
        step.done(&format!("its signature is in the certificate of checkpoint {signed}"));
        Ok(())
    }

    /// The first checkpoint of a later block than `level_at` that the victim signed, as another node certified it. A
    /// certificate holds the signatures that come with one decision, which may be those of any three of four; so the
    /// victim's need not be in the very next one.
    async fn signed_after(&self, level_at: Height) -> anyhow::Result<Sequence> {
        let key = self.victim.remote.info().await?.vote_key.context("the killed validator votes")?;
        let validators = self.others[0].validators(level_at).await?;
        let (index, _) = validators.find(&key).context("the killed validator is in the configuration")?;
        let first = Sequence::new(level_at.get() / self.child.spec.checkpoint_period_blocks + 1);
        self.eventually("the signature of the killed validator is in a later checkpoint's certificate", async || {
            for other in &self.others {
                let mut sequence = first;
                while let Some(record) = other.checkpoint(sequence).await? {
                    let certificate = &record.submission.0.certificate;
                    if certificate.configuration == validators.number() && certificate.is_signer(index) {
                        return Ok(Some(sequence));
                    }
                    sequence = sequence.next();
                }
            }
            Ok(None)
        })
        .await
    }

    /// The supply adds up, and the checkpoints are counted.
    async fn reckon(&self, progress: &Progress, report: &mut Report) -> anyhow::Result<Vec<Accepted>> {
        let step = progress.step("supply recomputed over both chains");
        let reckoned = supply::edge(self.root, self.child).await?;
        report.supply = reckoned.figures();
        let mut violations = reckoned.supply.violations;
        violations.extend(supply::root_violations(self.root).await?);
        report.supply.conserved = violations.is_empty();
        ensure!(violations.is_empty(), "supply is not conserved: {}", violations.join("; "));
        step.done(&format!(
            "custody {} = circulating {} + in flight {} + burned {} attoFIL, after {} and {}",
            report.supply.root_custody,
            report.supply.child_circulating,
            report.supply.in_flight,
            report.supply.burned,
            reckoned.figures.parent_height,
            reckoned.figures.child_height
        ));

        let step = progress.step("checkpoints read back from the root's blocks");
        let accepted = reckoned.ledger.accepted;
        let blocks = accepted.iter().map(|accepted| self.parent_blocks(accepted)).collect::<anyhow::Result<_>>()?;
        report.checkpoints = CheckpointFigures {
            accepted: accepted.len() as u64,
            gas_p50: p50(accepted.iter().map(|accepted| accepted.gas_used).collect()),
            bytes_p50: p50(accepted.iter().map(|accepted| accepted.signed_bytes as u64).collect()),
            parent_blocks_p50: p50(blocks),
        };
        let median = |figure: Option<u64>| figure.context("no checkpoint was accepted");
        step.done(&format!(
            "{} accepted, {} root blocks after their certificate, with {} gas (medians)",
            accepted.len(),
            median(report.checkpoints.parent_blocks_p50)?,
            median(report.checkpoints.gas_p50)?
        ));
        Ok(accepted)
    }

    /// Root blocks from the moment at which the child's block that certifies a checkpoint was final to the block that
    /// accepted it, that one included.
    fn parent_blocks(&self, accepted: &Accepted) -> anyhow::Result<u64> {
        let certified_in = accepted.child_height.next();
        let final_at = self.child.watcher.seen_at(certified_in).context("the certifying block was not seen")?;
        let before = self.root.watcher.height_at(final_at).context("the root was not watched then")?;
        Ok(accepted.parent_height.saturating_since(before))
    }

    /// All nodes of each chain agree, and the checkpoints say what the child's blocks say.
    async fn agree(&self, accepted: &[Accepted], progress: &Progress, report: &mut Report) -> anyhow::Result<()> {
        let step = progress.step("blocks and state roots compared over all nodes");
        let mut compared = 0;
        let mut agreements = Vec::new();
        for chain in [self.root, self.child] {
            let remotes: Vec<&Remote> = chain.nodes.iter().map(|node| &node.remote).collect();
            let agreement = agreement::compare(&remotes).await?;
            compared += agreement.heights();
            report.chains.push(figures(chain, &agreement));
            agreements.push(agreement);
        }
        for checkpoint in accepted {
            let root = agreements[1].state_root(checkpoint.child_height);
            ensure!(
                root.is_none_or(|root| *root == checkpoint.state_root),
                "checkpoint {} says another state root for height {} than the child's nodes",
                checkpoint.sequence,
                checkpoint.child_height
            );
        }
        report.state_roots_agree = true;
        step.done(&format!("{compared} blocks, the same on all"));
        Ok(())
    }

    /// Asks until `ask` brings something.
    async fn eventually<T>(&self, what: &str, ask: impl AsyncFn() -> anyhow::Result<Option<T>>) -> anyhow::Result<T> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = ask().await? {
                return Ok(found);
            }
            ensure!(Instant::now() < deadline, "expected within {} s: {what}; it did not happen", PATIENCE.as_secs());
            tokio::time::sleep(POLL).await;
        }
    }
}

fn figures(chain: &Chain, agreement: &Agreement) -> ChainFigures {
    ChainFigures {
        subnet: chain.subnet.to_string(),
        validators: chain.nodes.len(),
        height: agreement.heights(),
        block_interval_ms_p50: agreement.interval_ms_p50(),
        finality_ms_p50: chain.watcher.finality_ms_p50(),
    }
}

/// The step of a message at which this happened to it. Nobody forges ids here, so the id alone tells it.
fn step_of(trace: &CrossTraceInfo, event: CrossEvent) -> Option<CrossStepInfo> {
    trace.steps.iter().find(|step| step.event == event).cloned()
}

fn expect_equal(what: &str, expected: &TokenAmount, actual: &TokenAmount) -> anyhow::Result<()> {
    ensure!(expected == actual, "{what} is {} attoFIL, expected {}", actual.atto(), expected.atto());
    Ok(())
}

fn ms(since: Instant) -> u64 {
    millis(since.elapsed())
}
