//! Where the value is. Sums are made over balances, queues and batches, not taken from the counters that stand for them.

use anyhow::{Context, ensure};
use fvm_ipld_amt::Amt;
use fvm_shared::econ::TokenAmount;
use gateway_actor::types::QueuedMessage;
use subnet_node::app::ChainReader;
use subnet_types::actors::{BURNT_FUNDS_ID, SYSTEM_ID};
use subnet_types::{CrossMessage, Nonce};

use super::Edge;
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

/// Compares both sides of an edge. Passes over one whose subnet shows less at this moment than its parent has accepted of
/// it, because the nodes that have the rest are stopped.
///
/// # Errors
/// When they differ.
pub fn check_edge(edge: &Edge, chains: &[Chain]) -> anyhow::Result<()> {
    let (Ok(parent), Ok(child)) = (chains[edge.parent].reader(), chains[edge.child].reader()) else { return Ok(()) };
    let Some(value) = edge_value(edge, parent, child)? else { return Ok(()) };
    let EdgeValue { custody, circulating, down, up, burned } = &value;
    let sum = circulating + down + up + burned;
    ensure!(
        *custody == sum,
        "custody of {} is {custody}, what it stands for is {sum}: {value:?}",
        chains[edge.child].name
    );
    ensure!(!burned.is_negative(), "more was reported as burned than is: {value:?}");
    Ok(())
}

/// The value on both sides of an edge; `None` when the subnet's nodes that run are behind.
///
/// # Errors
/// When a state cannot be read.
pub fn edge_value(edge: &Edge, parent: &ChainReader, child: &ChainReader) -> anyhow::Result<Option<EdgeValue>> {
    let above = parent.latest_state()?;
    let actor = above.checkpoint(edge.actor)?.context("a checkpoint actor does not vanish")?;
    let below = child.latest_state()?;
    let gateway = below.gateway()?;
    let cut = gateway.last_cut.as_ref().map_or(0, |cut| cut.sequence.get());
    let applied = gateway.parent.as_ref().context("a subnet has a parent")?.next_nonce;
    if cut < actor.last_sequence.get() || (applied.get() as usize) < edge.applied {
        return Ok(None);
    }
    let mut up = sum_messages(child, &gateway.outbox.messages)?;
    for sequence in actor.last_sequence.get() + 1..=cut {
        let record = child.checkpoint(subnet_types::Sequence::new(sequence))?.context("a cut leaves a record")?;
        up += sum_messages(child, &record.cut.messages_amt)?;
    }
    let burned = below.balance(BURNT_FUNDS_ID)? - &edge.burned_reported;
    let mut circulating = TokenAmount::default();
    below.each_actor(|id, actor| {
        if id != SYSTEM_ID && id != BURNT_FUNDS_ID {
            circulating += &actor.balance;
        }
    })?;
    let down = waiting_down(edge, parent, applied)?;
    Ok(Some(EdgeValue { custody: actor.custody, circulating, down, up, burned }))
}

fn waiting_down(edge: &Edge, parent: &ChainReader, applied: Nonce) -> anyhow::Result<TokenAmount> {
    let gateway = parent.latest_state()?.gateway()?;
    let child = gateway.child(parent.store(), edge.actor)?.context("a child does not vanish")?;
    let queue = Amt::<QueuedMessage, _>::load(&child.messages, parent.store())?;
    let mut sum = TokenAmount::default();
    for nonce in applied.get()..child.next_nonce.get() {
        let queued = queue.get(nonce)?.with_context(|| format!("message {nonce} is gone before it was applied"))?;
        sum += &queued.message.value + &queued.message.fee;
    }
    Ok(sum)
}

fn sum_messages(chain: &ChainReader, amt: &cid::Cid) -> anyhow::Result<TokenAmount> {
    let mut sum = TokenAmount::default();
    Amt::<CrossMessage, _>::load(amt, chain.store())?.for_each(|_, message| {
        sum += &message.value + &message.fee;
        Ok(())
    })?;
    Ok(sum)
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
