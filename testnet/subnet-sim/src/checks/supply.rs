//! Where the value is. Sums are made over balances, queues and batches, not taken from the counters that stand for them.

use anyhow::{Context, ensure};
use fvm_ipld_amt::Amt;
use fvm_shared::econ::TokenAmount;
use gateway_actor::types::QueuedMessage;
use subnet_node::app::ChainReader;
use subnet_types::Nonce;
use subnet_types::actors::{BURNT_FUNDS_ID, CheckpointCut, SYSTEM_ID};

use super::Edge;
use super::facts::{message_in, messages_in};
use crate::chain::Chain;

/// An edge's value, in attoFIL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdgeValue {
    /// What the parent has locked.
    pub custody: TokenAmount,
    /// What the subnet's actors hold, but for the reserve and what was burned.
    pub circulating: TokenAmount,
    /// Queued on the parent and not applied.
    pub down: TokenAmount,
    /// In the outbox, or cut and not accepted.
    pub up: TokenAmount,
    /// Burned and in no accepted checkpoint.
    pub burned: TokenAmount,
}

impl EdgeValue {
    /// Compares both sides.
    ///
    /// # Errors
    /// When they differ, or something is below zero.
    pub fn check(&self) -> anyhow::Result<()> {
        let Self { custody, circulating, down, up, burned } = self;
        let sum = circulating + down + up + burned;
        ensure!(*custody == sum, "custody is {custody}, what it stands for is {sum}: {self:?}");
        ensure!(!burned.is_negative(), "more was reported as burned than is: {self:?}");
        Ok(())
    }
}

/// Compares both sides of an edge. Whether it could: not while the nodes that have the last block of one of both chains
/// are stopped.
///
/// # Errors
/// When they differ.
pub fn check_edge(edge: &Edge, chains: &[Chain]) -> anyhow::Result<bool> {
    let (parent, child) = (&chains[edge.parent], &chains[edge.child]);
    if !parent.is_current() || !child.is_current() {
        return Ok(false);
    }
    let value = edge_value(edge, parent.reader()?, child.reader()?)?;
    value.check().with_context(|| format!("the edge to {} (chain {})", child.name, edge.child))?;
    Ok(true)
}

/// The value on both sides of an edge, after the last blocks of both chains.
///
/// # Errors
/// When a state cannot be read.
pub fn edge_value(edge: &Edge, parent: &ChainReader, child: &ChainReader) -> anyhow::Result<EdgeValue> {
    let above = parent.latest_state()?;
    let actor = above.checkpoint(edge.actor)?.context("a checkpoint actor does not vanish")?;
    let below = child.latest_state()?;
    let gateway = below.gateway()?;
    let cut = gateway.last_cut.as_ref().map_or(0, |cut| cut.sequence.get());
    let applied = gateway.parent.as_ref().context("a subnet has a parent")?.next_nonce;
    let mut up = sum_messages(child, &gateway.outbox.messages)?;
    for sequence in actor.last_sequence.get() + 1..=cut {
        let record = child.checkpoint(subnet_types::Sequence::new(sequence))?.context("a cut leaves a record")?;
        up += sum_cut(child, &record.cut)?;
    }
    // What anybody sent to the system actor is as lost as what burned.
    let untouched = reserve() - &edge.down.arrived_total + &edge.up.queued_total;
    let lost = below.balance(SYSTEM_ID)? - untouched;
    ensure!(!lost.is_negative(), "the mint reserve is {lost} short of what the messages left of it");
    let burned = below.balance(BURNT_FUNDS_ID)? + lost - &edge.burned_reported;
    let mut circulating = TokenAmount::default();
    below.each_actor(|id, actor| {
        if id != SYSTEM_ID && id != BURNT_FUNDS_ID {
            circulating += &actor.balance;
        }
    })?;
    let down = waiting_down(edge, parent, applied)?;
    Ok(EdgeValue { custody: actor.custody, circulating, down, up, burned })
}

fn waiting_down(edge: &Edge, parent: &ChainReader, applied: Nonce) -> anyhow::Result<TokenAmount> {
    let gateway = parent.latest_state()?.gateway()?;
    let child = gateway.child(parent.store(), edge.actor)?.context("a child does not vanish")?;
    let queue = Amt::<QueuedMessage, _>::load(&child.messages, parent.store())?;
    let mut sum = TokenAmount::default();
    for nonce in applied.get()..child.next_nonce.get() {
        let queued = queue.get(nonce)?.with_context(|| format!("message {nonce} is gone before it was applied"))?;
        let message = message_in(parent, &queued.message)?;
        sum += &message.value + &message.fee;
    }
    Ok(sum)
}

fn sum_messages(chain: &ChainReader, amt: &cid::Cid) -> anyhow::Result<TokenAmount> {
    Ok(messages_in(chain, amt)?.iter().map(|message| &message.value + &message.fee).sum())
}

/// The messages of a cut are the first of those that waited when it came.
fn sum_cut(chain: &ChainReader, cut: &CheckpointCut) -> anyhow::Result<TokenAmount> {
    let messages = messages_in(chain, &cut.messages_amt)?;
    let count = usize::try_from(cut.messages.count)?;
    let first = messages.get(..count);
    let first = first.with_context(|| format!("the cut of {} has fewer messages than it says", cut.height))?;
    Ok(first.iter().map(|message| &message.value + &message.fee).sum())
}

/// All that the actors of a chain hold, in attoFIL.
///
/// # Errors
/// When the state cannot be read.
pub fn total(chain: &ChainReader) -> anyhow::Result<TokenAmount> {
    let mut total = TokenAmount::default();
    chain.latest_state()?.each_actor(|_, actor| total += &actor.balance)?;
    Ok(total)
}

/// What a subnet's system actor holds at genesis, and nobody else anything, in attoFIL: two thousand million FIL.
pub fn reserve() -> TokenAmount {
    TokenAmount::from_whole(2_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(custody: i64, circulating: i64, down: i64, up: i64, burned: i64) -> EdgeValue {
        let [custody, circulating, down, up, burned] =
            [custody, circulating, down, up, burned].map(TokenAmount::from_atto);
        EdgeValue { custody, circulating, down, up, burned }
    }

    #[test]
    fn value_that_is_made_or_lost_is_found() {
        value(20, 10, 5, 3, 2).check().unwrap();
        assert!(value(20, 11, 5, 3, 2).check().is_err(), "made");
        assert!(value(20, 10, 5, 2, 2).check().is_err(), "lost on the way up");
        assert!(value(20, 10, 4, 3, 2).check().is_err(), "lost on the way down");
        assert!(value(20, 10, 9, 3, -2).check().is_err(), "reported twice");
    }

    #[test]
    fn the_reserve_is_the_protocols() {
        assert_eq!(reserve(), subnet_types::genesis::mint_reserve());
    }
}
