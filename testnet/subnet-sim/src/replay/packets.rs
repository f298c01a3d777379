//! Real packets from those of a trace: the true ones as the node makes them, the false ones made false.

use anyhow::Context;
use fvm_exec::witness::RangeQuery;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use subnet_model::POWER_TOTAL;
use subnet_node::parent::ParentCursor;
use subnet_node::storage::CheckpointRecord;
use subnet_types::actors::{DeliverBatchParams, SubmitCheckpointParams, checkpoint};
use subnet_types::checkpoint::CheckpointDomain;
use subnet_types::cross::{CrossAddress, MessageBatch, message_id};
use subnet_types::hash::{encode, merkle_range_proof};
use subnet_types::{Checkpoint, CrossKind, CrossMessage, Height, Nonce, ParentUpdate, Sequence};

use super::{Replay, STEP_GAS, UNIT_ATTO};
use crate::faults::Bug;
use crate::keys::certify;
use crate::parent::{Lie, forge, prove};
use crate::world::message;

impl Replay {
    /// The submission of a checkpoint that the subnet cut, or of one that somebody made up.
    pub(super) fn submission(
        &self,
        child: usize,
        power: u8,
        said: &subnet_model::Checkpoint,
    ) -> anyhow::Result<Message> {
        let at = usize::from(said.sequence).checked_sub(1).context("checkpoints are counted from 1")?;
        let is_true = self.model.chains[child].cuts.get(at) == Some(said);
        let params = if is_true { self.cut_params(child, said.sequence)? } else { self.made_up(child, power, said)? };
        self.call(child, checkpoint::SUBMIT_CHECKPOINT, encode(&params))
    }

    fn cut_params(&self, child: usize, sequence: u8) -> anyhow::Result<SubmitCheckpointParams> {
        let CheckpointRecord { checkpoint, certificate, .. } = self.record(child, sequence)?;
        let certificate = certificate.context("the block after a cut certifies it")?;
        // Messages follow in slices, as they do in the model.
        Ok(SubmitCheckpointParams { checkpoint, certificate, messages: Vec::new() })
    }

    fn record(&self, child: usize, sequence: u8) -> anyhow::Result<CheckpointRecord> {
        let sequence = Sequence::new(self.offsets[child - 1].sequence + u64::from(sequence));
        self.world.chains[child].reader()?.checkpoint(sequence)?.context("a checkpoint that was cut")
    }

    /// The next checkpoint as far as the parent can tell, with messages of nobody, signed by so many.
    fn made_up(
        &self,
        child: usize,
        power: u8,
        said: &subnet_model::Checkpoint,
    ) -> anyhow::Result<SubmitCheckpointParams> {
        let (edge, offset) = (&self.world.checks.edges[child - 1], self.offsets[child - 1]);
        let reader = self.world.chains[child].reader()?;
        let last = reader.checkpoint(edge.accepted)?.context("setting up has checkpoints accepted")?.checkpoint;
        let first = (offset.up + usize::from(said.first)) as u64;
        let messages = (first..).zip(&said.messages).map(|(nonce, _)| self.nobodys(child, nonce));
        let messages: Vec<CrossMessage> = messages.collect::<anyhow::Result<_>>()?;
        let checkpoint = Checkpoint {
            sequence: Sequence::new(offset.sequence + u64::from(said.sequence)),
            height: Height::new(last.height.get() + self.world.options.period),
            previous: edge.digest,
            messages: MessageBatch::of(Nonce::new(first), &messages),
            burned: TokenAmount::from_atto(UNIT_ATTO) * u64::try_from(said.burned)?,
            ..last
        };
        let actor = self.world.chains[child].name.checkpoint_actor().context("a subnet has a checkpoint actor")?;
        let domain = CheckpointDomain { parent: self.world.chains[edge.parent].identity, actor };
        let digest = checkpoint.digest(&domain).context("a checkpoint has a digest")?;
        let signers = if self.bug == Some(Bug::MinorityCounts) { POWER_TOTAL } else { power };
        let certificate = certify(
            child,
            self.world.chains[child].nodes.len(),
            &reader.validators(last.height)?,
            &digest,
            usize::from(signers),
        )?;
        Ok(SubmitCheckpointParams { checkpoint, certificate, messages: Vec::new() })
    }

    /// Value for the thief that nobody sent.
    fn nobodys(&self, child: usize, nonce: u64) -> anyhow::Result<CrossMessage> {
        let chain = &self.world.chains[child];
        let at = |subnet, address| CrossAddress { subnet, address };
        let origin = at(chain.name.clone(), self.world.user(0));
        let origin_sequence = u64::MAX;
        Ok(CrossMessage {
            id: message_id(&chain.identity, &origin.address, origin_sequence),
            origin,
            origin_sequence,
            destination: at(self.world.chains[0].name.clone(), self.world.checks.sinks[0]),
            value: TokenAmount::from_atto(UNIT_ATTO),
            kind: CrossKind::Transfer,
            nonce: Nonce::new(nonce),
            gas_limit: 0,
            fee: TokenAmount::default(),
            expires: None,
            wants_receipt: false,
        })
    }

    /// A slice of a batch; where the trace's messages are not the batch's, with another message in it and the true proof.
    pub(super) fn delivery(
        &self,
        child: usize,
        sequence: u8,
        first: u8,
        said: &[subnet_model::Message],
    ) -> anyhow::Result<Message> {
        let cuts = &self.model.chains[child].cuts;
        let cut = usize::from(sequence).checked_sub(1).and_then(|at| cuts.get(at)).context("a batch of the trace")?;
        let from = usize::from(first.checked_sub(cut.first).context("a slice within its batch")?);
        let batch = self.world.chains[child].reader()?.checkpoint_messages(&self.record(child, sequence)?)?;
        let end = (from + said.len()).min(batch.len());
        let leaves: Vec<_> = batch.iter().map(CrossMessage::leaf).collect();
        let proof = merkle_range_proof(&leaves, from, end);
        let mut messages = batch[from..end].to_vec();
        if cut.messages.get(from..end) != Some(said) {
            let nonce = (self.offsets[child - 1].up + usize::from(first)) as u64;
            messages = vec![self.nobodys(child, nonce)?];
        }
        let sequence = Sequence::new(self.offsets[child - 1].sequence + u64::from(sequence));
        let params = DeliverBatchParams { sequence, messages, proof };
        self.call(child, checkpoint::DELIVER_BATCH, encode(&params))
    }

    fn call(&self, child: usize, method: u64, params: Vec<u8>) -> anyhow::Result<Message> {
        let actor = self.world.chains[child].name.checkpoint_actor().context("a subnet has a checkpoint actor")?;
        Ok(message(actor, method, params, TokenAmount::default(), STEP_GAS))
    }

    /// The proof of a range that ends before `next`, true or not; `None` when the parent never was in such a state, so that
    /// not even a liar can show it.
    pub(super) fn update(
        &mut self,
        child: usize,
        first: u8,
        next: u8,
        is_certified: bool,
        said: &[subnet_model::Message],
    ) -> anyhow::Result<Option<ParentUpdate>> {
        let parent = self.parent_of(child)?;
        // A state is proved by the header of the block after it.
        self.turn(parent)?;
        let (offset, queue) = (self.offsets[child - 1].down, &self.model.edges[child].queue);
        let end = usize::from(next.min(first + subnet_model::UPDATE_MESSAGES_MAX));
        let truth = queue.get(usize::from(first)..end.min(queue.len()));
        let end = Nonce::new((offset + end.min(queue.len())) as u64);
        let reader = self.world.chains[child].reader()?;
        let gateway = reader.latest_state()?.gateway()?;
        let cursor = ParentCursor::of(&gateway, reader.store())?.context("a subnet has a parent")?;
        let from_nonce = Nonce::new((offset + usize::from(first)) as u64);
        let query = RangeQuery { from_nonce, ..cursor.query() };
        let Some(at) = self.height_of(child, end)? else { return Ok(None) };
        let mut update = prove(self.world.chains[parent].reader()?, &query, &cursor, at.next())?;
        if !is_certified {
            forge(&mut update, Lie::Forked);
            forge(&mut update, Lie::Unsigned);
        } else if truth != Some(said) {
            let lie = if truth.is_some_and(|truth| truth.len() == said.len()) { Lie::Altered } else { Lie::Short };
            forge(&mut update, lie);
        }
        Ok(Some(update))
    }

    /// The first height after which the queue for a subnet ended before `end`, and that its parent can prove.
    fn height_of(&self, child: usize, end: Nonce) -> anyhow::Result<Option<Height>> {
        let edge = &self.world.checks.edges[child - 1];
        let parent = self.world.chains[edge.parent].reader()?;
        let mut height = parent.tip().height;
        let mut found = None;
        while let Some(before) = height.previous() {
            height = before;
            let root = parent.state_root(height)?.context("a height below the tip")?;
            let known = parent.state(&root)?.gateway()?.child(parent.store(), edge.actor)?;
            match known {
                Some(known) if known.next_nonce == end => found = Some(height),
                Some(known) if known.next_nonce > end => {}
                _ => break,
            }
        }
        Ok(found)
    }
}
