//! Who brings checkpoints to the parent: a subnet's nodes, with what the node's own planning gives, as steps instead of a
//! service. With faults, some come late, twice, in another order, or with too little gas.

use std::collections::BTreeMap;

use anyhow::Context;
use fvm_shared::ActorID;
use fvm_shared::econ::TokenAmount;
use subnet_node::app::ChainReader;
use subnet_node::checkpoint::plan::{Duty, Settlement, due};
use subnet_node::checkpoint::submission::{Call, ParentRoom, call_for, gas_limit};
use subnet_types::actors::{SubmitCheckpointParams, checkpoint};
use subnet_types::checkpoint::CheckpointDomain;
use subnet_types::hash::encode;
use subnet_types::{Checkpoint, Sequence, limits};

use crate::checks::Edge;
use crate::faults::Bug;
use crate::keys::certify;
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
    /// By the subnet's number, apart for checkpoints and for messages: what was tried last, and until when it is waited for.
    under_way: BTreeMap<(usize, bool), (Duty, u64)>,
    /// Submissions sent.
    pub sent: u64,
    /// Whether nobody submits anything.
    pub are_idle: bool,
}

/// From a subnet to its checkpoint actor. An edge itself grows with all that ever went over it.
#[derive(Clone, Copy, Debug)]
struct Way {
    child: usize,
    parent: usize,
    actor: ActorID,
}

impl Way {
    fn of(edge: &Edge) -> Self {
        Self { child: edge.child, parent: edge.parent, actor: edge.actor }
    }
}

impl World {
    /// Does what is due on the parent of chain `number`.
    ///
    /// # Errors
    /// When a chain cannot be read.
    pub(crate) fn submit(&mut self, number: usize) -> anyhow::Result<()> {
        let Some(edge) = self.checks.edges.iter().find(|edge| edge.child == number).map(Way::of) else { return Ok(()) };
        if self.submitters.are_idle || self.chains[edge.parent].best().is_none() {
            return Ok(());
        }
        let settlement = settlement(edge, self.chains[edge.parent].reader()?)?;
        let child = self.chains[number].reader()?;
        let next = settlement.last_sequence.next();
        let is_certified = child.checkpoint(next)?.is_some_and(|record| record.certificate.is_some());
        let mut duties = due(&settlement, &|sequence| sequence == next && is_certified);
        if self.prng.permille(500) {
            duties.reverse();
        }
        let room = ParentRoom {
            block_gas_limit: limits::BLOCK_GAS_MAX,
            undelivered: settlement.undelivered,
            last_sequence: settlement.last_sequence,
        };
        duties.into_iter().try_for_each(|duty| self.attempt(edge, duty, &room))
    }

    /// Does one thing that is due, unless somebody is at it.
    fn attempt(&mut self, edge: Way, duty: Duty, room: &ParentRoom) -> anyhow::Result<()> {
        let now = self.now_ms();
        let key = (edge.child, matches!(duty, Duty::Submit(_)));
        let is_under_way = |&(tried, until): &(Duty, u64)| tried == duty && now < until;
        if self.submitters.under_way.get(&key).is_some_and(is_under_way) {
            return Ok(());
        }
        let Some(call) = call_for(self.chains[edge.child].reader()?, duty, room)? else { return Ok(()) };
        self.submitters.under_way.insert(key, (duty, now + RETRY_MS));
        if let Duty::Submit(sequence) = duty
            && self.goes_astray()
            && let Some(made_up) = self.made_up(edge, sequence)?
        {
            self.tally.made_up += 1;
            self.bring(edge, &made_up)?;
        }
        self.bring(edge, &call)?;
        if self.goes_astray() {
            self.bring(edge, &call)?;
        }
        Ok(())
    }

    /// Whether a submission goes wrong in one of the ways. None does while everything comes to rest: with a short period
    /// those that are tried again late would let checkpoints pile up for ever.
    fn goes_astray(&mut self) -> bool {
        self.options.has_faults && self.faults.is_active && self.prng.permille(ASTRAY_PERMILLE)
    }

    /// A checkpoint that takes more than the subnet's own, signed by half of its validators; `None` where half is nobody.
    fn made_up(&self, edge: Way, sequence: Sequence) -> anyhow::Result<Option<Call>> {
        let (chain, reader) = (&self.chains[edge.child], self.chains[edge.child].reader()?);
        let record = reader.checkpoint(sequence)?.context("a checkpoint that is due")?;
        let set = reader.validators(record.checkpoint.height)?;
        let count = if self.options.bug == Some(Bug::MinorityCounts) { set.len() } else { set.len() / 2 };
        if count == 0 {
            return Ok(None);
        }
        let burned = &record.checkpoint.burned + TokenAmount::from_atto(1);
        let checkpoint = Checkpoint { burned, ..record.checkpoint };
        let actor = chain.name.checkpoint_actor().context("a subnet has a checkpoint actor")?;
        let domain = CheckpointDomain { parent: self.chains[edge.parent].identity, actor };
        let digest = checkpoint.digest(&domain).context("a checkpoint has a digest")?;
        let certificate = certify(edge.child, chain.nodes.len(), &set, &digest, count)?;
        let params = encode(&SubmitCheckpointParams { checkpoint, certificate, messages: Vec::new() });
        Ok(Some(Call { method: checkpoint::SUBMIT_CHECKPOINT, params, gas_limit_min: 0 }))
    }

    /// Sends one submission, by any of the subnet's validators.
    fn bring(&mut self, edge: Way, call: &Call) -> anyhow::Result<()> {
        let node = self.prng.index(self.chains[edge.child].nodes.len());
        let actor = self.chains[edge.child].name.checkpoint_actor().context("a subnet has a checkpoint actor")?;
        let mut gas = gas_limit(ACCEPTANCE_GAS, call.gas_limit_min, limits::BLOCK_GAS_MAX);
        if self.goes_astray() {
            gas = STARVED_GAS_MIN + self.prng.below(gas / 2);
        }
        let delay_ms = if self.goes_astray() { self.prng.below(DELAY_MS_MAX) } else { 0 };
        let message = message(actor, call.method, call.params.clone(), Default::default(), gas);
        self.post(Post { to: edge.parent, sender: Sender::Owner(edge.child, node), message }, delay_ms);
        self.submitters.sent += 1;
        Ok(())
    }
}

fn settlement(edge: Way, parent: &ChainReader) -> anyhow::Result<Settlement> {
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
