//! What those who handle packets do: the checkpoint actor with submissions and deliveries, the validators of a child
//! with parent updates.
//!
//! A handler answers with the worlds that the disk holds after each of its durable writes. The protocol writes once, with
//! all there is; nothing when the packet is refused.

use crate::config::Config;
use crate::message::{ChainId, Checkpoint, Message, POWER_TOTAL, Packet, UPDATE_MESSAGES_MAX};
use crate::mutation::Mutation;
use crate::traffic::Side;
use crate::world::{Batch, World};

impl World {
    /// The writes of whoever handles `packet`; empty when it is refused.
    pub(crate) fn handle(&self, config: &Config, packet: &Packet) -> Vec<World> {
        let handled = match packet {
            Packet::Submission { child, power, checkpoint } => self.accept(config, *child, *power, checkpoint),
            Packet::Delivery { child, sequence, first, messages } => {
                self.deliver_slice(config, *child, *sequence, *first, messages)
            }
            Packet::Update { child, first, next, is_certified, messages } => {
                let header = Header { next: *next, is_certified: *is_certified };
                self.apply_update(config, *child, *first, &header, messages)
            }
        };
        let Some(handled) = handled else { return Vec::new() };
        if !config.breaks(Mutation::CursorAfterDelivery) {
            return vec![handled];
        }
        let mut delivered = handled.clone();
        match packet {
            Packet::Submission { .. } => return vec![handled],
            Packet::Delivery { child, .. } => {
                delivered.edge_mut(*child).cursor = self.edge(*child).cursor;
                delivered.edge_mut(*child).batches = self.edge(*child).batches.clone();
            }
            Packet::Update { child, .. } => delivered.chain_mut(*child).cursor = self.chain(*child).cursor,
        }
        vec![delivered, handled]
    }

    /// The parent accepts a checkpoint. No message of it runs here.
    fn accept(&self, config: &Config, child: ChainId, power: u8, checkpoint: &Checkpoint) -> Option<Self> {
        let edge = self.edge(child);
        let is_quorum = 3 * power > 2 * POWER_TOTAL || config.breaks(Mutation::QuorumUnchecked);
        let is_next = checkpoint.sequence == edge.accepted + 1 && checkpoint.first == edge.next_first;
        let is_next = is_next || config.breaks(Mutation::CheckpointRepeats);
        let out = checkpoint.value + checkpoint.burned;
        let siblings: Vec<ChainId> =
            config.children().filter(|other| config.parent(*other) == config.parent(child)).collect();
        let pot = siblings.iter().map(|other| self.edge(*other).custody).sum();
        let is_covered = out <= edge.custody
            || config.breaks(Mutation::FirewallUnchecked)
            || config.breaks(Mutation::CustodyShared) && out <= pot;
        let is_applied = usize::from(checkpoint.applied) <= edge.queue.len();
        if !(is_quorum && is_next && is_covered && is_applied) {
            return None;
        }
        let is_own = self.chain(child).cuts.get(usize::from(checkpoint.sequence) - 1) == Some(checkpoint);
        let mut world = self.clone();
        let mut missing = out;
        if config.breaks(Mutation::CustodyShared) {
            for other in std::iter::once(child).chain(siblings.into_iter().filter(|other| *other != child)) {
                let taken = missing.min(world.edge(other).custody);
                world.edge_mut(other).custody -= taken;
                missing -= taken;
            }
        } else {
            world.edge_mut(child).custody -= out;
        }
        let edge = world.edge_mut(child);
        edge.accepted = checkpoint.sequence;
        edge.next_first = checkpoint.first + checkpoint.messages.len() as u8;
        let is_hasty = config.breaks(Mutation::QueuePrunedEarly);
        edge.pruned = if is_hasty { edge.queue.len() as u8 } else { edge.pruned.max(checkpoint.applied) };
        if !checkpoint.messages.is_empty() {
            let Checkpoint { sequence, first, messages, value, .. } = checkpoint.clone();
            edge.batches.push(Batch { sequence, first, messages, left: value });
        }
        let parent = config.parent(child)?;
        world.chain_mut(parent).burnt += checkpoint.burned;
        world.ledger.released[child.index()] += checkpoint.burned;
        world.ledger.accepted[child.index()].push((checkpoint.sequence, is_own));
        Some(world)
    }

    /// The parent delivers a slice of the batch in turn, from the cursor on.
    fn deliver_slice(
        &self,
        config: &Config,
        child: ChainId,
        sequence: u8,
        first: u8,
        messages: &[Message],
    ) -> Option<Self> {
        let batch = self.edge(child).batches.first().filter(|batch| batch.sequence == sequence)?;
        let at = usize::from(first.checked_sub(batch.first)?);
        let slice = batch.messages.get(at..at + messages.len())?;
        if slice != messages && !config.breaks(Mutation::SliceUnproved) {
            return None;
        }
        if first > self.edge(child).cursor && !config.breaks(Mutation::DeliveryOutOfTurn) {
            return None;
        }
        let parent = config.parent(child)?;
        let mut world = self.clone();
        for (nonce, message) in (first..).zip(messages) {
            let edge = world.edge_mut(child);
            if nonce < edge.cursor && !config.breaks(Mutation::DeliveryRepeats) {
                continue;
            }
            let batch = edge.batches.first_mut()?;
            let amount = message.amount();
            // A batch that is worth more than it declared stops here, for ever, and holds up its own subnet alone.
            if amount > batch.left && !config.breaks(Mutation::BatchTotalUnchecked) {
                break;
            }
            batch.left -= amount;
            edge.cursor = nonce + 1;
            world.ledger.applied_up[child.index()].push((nonce, message.id));
            world.ledger.released[child.index()] += amount;
            world.take(config, parent, Side::Child(child), message.clone());
        }
        let edge = world.edge_mut(child);
        if let Some(done) = edge.batches.first().filter(|batch| edge.cursor >= batch.end()) {
            // Value that was declared and not used stays the child's.
            edge.custody += done.left;
            edge.batches.remove(0);
        }
        Some(world).filter(|world| world != self)
    }

    /// The child's validators judge an update, and its gateway applies it.
    fn apply_update(
        &self,
        config: &Config,
        child: ChainId,
        first: u8,
        header: &Header,
        messages: &[Message],
    ) -> Option<Self> {
        let Header { next, is_certified } = *header;
        if !is_certified && !config.breaks(Mutation::HeaderUnchecked) {
            return None;
        }
        if first != self.chain(child).cursor && !config.breaks(Mutation::UpdateRepeats) {
            return None;
        }
        // What the walk over the witness reads, under the root of a header that is genuine. Under a forged root it reads
        // what the forger likes.
        let end = next.min(first + UPDATE_MESSAGES_MAX).max(first);
        let proved = self.edge(child).queue.get(usize::from(first)..usize::from(end));
        let is_prefix = proved.is_some_and(|proved| proved.starts_with(messages));
        let is_proved = proved == Some(messages)
            || config.breaks(Mutation::WitnessUnchecked)
            || config.breaks(Mutation::EmptyRangeTrusted) && is_prefix;
        if is_certified && !is_proved {
            return None;
        }
        let mut world = self.clone();
        for (nonce, message) in (first..).zip(messages) {
            world.chain_mut(child).cursor = nonce + 1;
            world.ledger.applied_down[child.index()].push((nonce, message.id));
            world.take(config, child, Side::Parent, message.clone());
        }
        if config.breaks(Mutation::EmptyRangeTrusted) {
            let chain = world.chain_mut(child);
            chain.cursor = chain.cursor.max(next);
        }
        Some(world).filter(|world| world != self)
    }

    /// A chain ends a period, if there is anything to report.
    pub(crate) fn cut(&self, chain: ChainId) -> Option<Self> {
        let state = self.chain(chain);
        let burned = state.burnt - state.burned_reported;
        if state.outbox.is_empty() && burned == 0 {
            return None;
        }
        let mut world = self.clone();
        let state = world.chain_mut(chain);
        let messages = std::mem::take(&mut state.outbox);
        let first = state.cuts.iter().map(|cut| cut.messages.len() as u8).sum();
        let value = messages.iter().map(Message::amount).sum();
        state.burned_reported = state.burnt;
        let sequence = state.cuts.len() as u8 + 1;
        state.cuts.push(Checkpoint { sequence, first, messages, value, burned, applied: state.cursor });
        Some(world)
    }
}

/// What an update's header says, as far as it matters here.
struct Header {
    next: u8,
    is_certified: bool,
}
