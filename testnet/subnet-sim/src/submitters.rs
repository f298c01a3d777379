//! Who brings checkpoints to the parent: a subnet's nodes, with what the node's own planning gives, as steps instead of a
//! service. With faults, some come late, twice, in another order, or with too little gas.

use std::collections::BTreeMap;

use anyhow::Context;
use subnet_node::app::ChainReader;
use subnet_node::checkpoint::plan::{Duty, Settlement, due};
use subnet_node::checkpoint::submission::{Call, ParentRoom, call_for, gas_limit};
use subnet_types::limits;

use crate::checks::Edge;
use crate::world::{Post, Sender, World, message};

/// Gas for accepting a checkpoint without messages.
const ACCEPTANCE_GAS: u64 = 1_000_000_000;
/// How long a submission may take before the next attempt, in milliseconds.
const RETRY_MS: u64 = 10_000;
/// How late a submission may come, in milliseconds.
const DELAY_MS_MAX: u64 = 15_000;
/// Share of submissions that go wrong in each way when there are faults, in thousandths.
const ASTRAY_PERMILLE: u64 = 150;
/// Least gas that a submission with too little has.
const STARVED_GAS_MIN: u64 = 5_000_000;

/// What is under way.
#[derive(Debug, Default)]
pub struct Submitters {
    /// By the subnet's number: what was tried last, and until when it is waited for.
    under_way: BTreeMap<usize, (Duty, u64)>,
    /// Submissions sent.
    pub sent: u64,
    /// Whether nobody submits anything.
    pub are_idle: bool,
}

impl World {
    /// Does what is due on the parent of chain `number`.
    ///
    /// # Errors
    /// When a chain cannot be read.
    pub(crate) fn submit(&mut self, number: usize) -> anyhow::Result<()> {
        let Some(edge) = self.checks.edges.iter().find(|edge| edge.child == number).cloned() else { return Ok(()) };
        if self.submitters.are_idle || self.chains[edge.parent].best().is_none() {
            return Ok(());
        }
        let settlement = settlement(&edge, self.chains[edge.parent].reader()?)?;
        let child = self.chains[number].reader()?;
        let next = settlement.last_sequence.next();
        let is_certified = child.checkpoint(next)?.is_some_and(|record| record.certificate.is_some());
        let duties = due(&settlement, &|sequence| sequence == next && is_certified);
        let Some(&duty) = duties.get(self.prng.index(duties.len().max(1))) else { return Ok(()) };
        let now = self.now_ms();
        let is_under_way = |&(tried, until): &(Duty, u64)| tried == duty && now < until;
        if self.submitters.under_way.get(&number).is_some_and(is_under_way) {
            return Ok(());
        }
        let room = ParentRoom {
            block_gas_limit: limits::BLOCK_GAS_MAX,
            undelivered: settlement.undelivered,
            last_sequence: settlement.last_sequence,
        };
        let Some(call) = call_for(child, duty, &room)? else { return Ok(()) };
        self.submitters.under_way.insert(number, (duty, now + RETRY_MS));
        self.bring(&edge, &call)?;
        let has_faults = self.options.has_faults;
        if has_faults && self.prng.permille(ASTRAY_PERMILLE) {
            self.bring(&edge, &call)?;
        }
        Ok(())
    }

    /// Sends one submission, by any of the subnet's validators.
    fn bring(&mut self, edge: &Edge, call: &Call) -> anyhow::Result<()> {
        let has_faults = self.options.has_faults;
        let node = self.prng.index(self.chains[edge.child].nodes.len());
        let actor = self.chains[edge.child].name.checkpoint_actor().context("a subnet has a checkpoint actor")?;
        let mut gas = gas_limit(ACCEPTANCE_GAS, call.gas_limit_min, limits::BLOCK_GAS_MAX);
        if has_faults && self.prng.permille(ASTRAY_PERMILLE) {
            gas = STARVED_GAS_MIN + self.prng.below(gas / 2);
        }
        let delay_ms =
            if has_faults && self.prng.permille(ASTRAY_PERMILLE) { self.prng.below(DELAY_MS_MAX) } else { 0 };
        let message = message(actor, call.method, call.params.clone(), Default::default(), gas);
        self.post(Post { to: edge.parent, sender: Sender::Owner(edge.child, node), message }, delay_ms);
        self.submitters.sent += 1;
        Ok(())
    }
}

fn settlement(edge: &Edge, parent: &ChainReader) -> anyhow::Result<Settlement> {
    let state = parent.latest_state()?.checkpoint(edge.actor)?.context("a checkpoint actor does not vanish")?;
    Ok(Settlement {
        last_sequence: state.last_sequence,
        last_digest: state.last_digest,
        next_nonce: state.next_delivery_nonce,
        undelivered: state.undelivered(),
        unclaimed: Vec::new(),
        has_exited: false,
    })
}
