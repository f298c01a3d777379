//! Runs blocks and trial calls.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cid::Cid;
use fvm::executor::ApplyRet;
use fvm_ipld_blockstore::Blockstore;
use fvm_ipld_encoding::RawBytes;
use fvm_shared::address::Protocol;
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::ExitCode;
use fvm_shared::event::StampedEvent;
use fvm_shared::message::Message;
use fvm_shared::receipt::Receipt;
use lanes::{BlockMessage, Learned, Waypoints};
use num_traits::Zero;
use parking_lot::Mutex;
use subnet_types::SignedMessage;
use subnet_types::hash::encode;
use vm::state::Flushed;

use crate::block::{BlockContext, BlockInput, BlockOutput, CallOutcome};
use crate::engine::Engine;
use crate::error::ExecError;
use crate::externs::{BlockIds, ChainExterns};
use crate::hints;
use crate::implicit;
use crate::overlay::Overlay;
use crate::preflight::{self, MessageRules};
use crate::receipts::{store_events, store_receipts};
use crate::rules::ChainRules;
use crate::session::{Session, Setting, on_vm_thread};
use crate::totals::Totals;
use crate::warm::Warm;

/// Bytes that a signature adds to a message: the array around both and the byte string with its type.
const SECP_SIGNATURE_BYTES: usize = 1 + 2 + 66;
const BLS_SIGNATURE_BYTES: usize = 1 + 2 + 97;

/// Executes the blocks of one chain. May be shared and called from any thread; each call runs on a thread of its own and
/// returns when it is done. The state it has read for one block it still knows for the next.
pub struct Executor<B: Blockstore + Send + Sync + 'static> {
    engine: Arc<Engine>,
    store: B,
    rules: ChainRules,
    externs: ChainExterns,
    lanes: NonZeroUsize,
    warm: Warm<Session<B>>,
    learned: Learned,
    totals: Mutex<Totals>,
}

impl<B: Blockstore + Clone + Send + Sync + 'static> Executor<B> {
    /// An executor for the chain with these `rules`, whose state is in `store`.
    pub fn new(engine: Arc<Engine>, store: B, rules: ChainRules) -> Self {
        let externs = ChainExterns { identity: rules.identity, block_ids: None };
        let lanes = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self {
            engine,
            store,
            rules,
            externs,
            lanes,
            warm: Warm::default(),
            learned: Learned::default(),
            totals: Mutex::default(),
        }
    }

    /// Lets blocks run in this many lanes, as many as there are cores until this is called. It changes how fast they
    /// are, never what comes out.
    #[must_use]
    pub fn with_lanes(mut self, lanes: NonZeroUsize) -> Self {
        self.lanes = lanes;
        self
    }

    /// What executing blocks has taken since the executor was made.
    pub fn totals(&self) -> Totals {
        self.totals.lock().clone()
    }

    /// Lets actors look up the ids of earlier blocks. Either all nodes of a chain have this or none.
    #[must_use]
    pub fn with_block_ids(mut self, block_ids: Arc<dyn BlockIds>) -> Self {
        self.externs.block_ids = Some(block_ids);
        self
    }

    /// The rules of the chain.
    pub fn rules(&self) -> &ChainRules {
        &self.rules
    }

    /// Executes `input` on the state `state_root`. Writes nothing: the caller stores `new_blocks` of the output before it
    /// has anything executed on the state that came out.
    ///
    /// In order: the parent update, the messages, the tips, the cut. A message that fails has a failing receipt; one
    /// that a validator must not have let in has one too and changes nothing.
    ///
    /// # Errors
    /// When this node cannot execute the block; no other error than [`ExecError::is_storage`] differs between nodes.
    pub fn execute(&self, state_root: &Cid, input: &BlockInput) -> Result<BlockOutput, ExecError> {
        self.run(state_root, input, &Way::Alone).map(|(output, _)| output)
    }

    /// As [`Executor::execute`], and also gives hints by which others execute the block in about so many parallel
    /// segments. They are empty where there is nothing to gain, or where they would be more than
    /// [`HINT_BYTES_MAX`](subnet_types::limits::HINT_BYTES_MAX).
    ///
    /// # Errors
    /// As there.
    pub fn execute_marking(
        &self,
        state_root: &Cid,
        input: &BlockInput,
        segments: usize,
    ) -> Result<(BlockOutput, Vec<u8>), ExecError> {
        let (output, waypoints) = self.run(state_root, input, &Way::Marking(segments))?;
        Ok((output, hints::encode(waypoints)))
    }

    /// As [`Executor::execute`], with the help of hints, which may be anything: wrong ones cost time and change nothing.
    ///
    /// # Errors
    /// As there.
    pub fn execute_hinted(&self, state_root: &Cid, input: &BlockInput, hints: &[u8]) -> Result<BlockOutput, ExecError> {
        let way = match hints::decode(hints) {
            Ok(waypoints) => Way::Between(waypoints),
            Err(reason) => {
                tracing::debug!(%reason, bytes = hints.len(), "hints ignored");
                Way::Alone
            }
        };
        self.run(state_root, input, &way).map(|(output, _)| output)
    }

    fn run(&self, state_root: &Cid, input: &BlockInput, way: &Way) -> Result<(BlockOutput, Waypoints), ExecError> {
        let (setting, warm) = (self.setting(), self.warm.take(state_root));
        on_vm_thread(|| {
            let mut session = match warm {
                Some(session) => session.resume(&setting, state_root, &input.context)?,
                None => Session::start(&setting, Overlay::new(self.store.clone()), state_root, &input.context)?,
            };
            let known = session.cache_use();
            let (output, waypoints, flush) = run_block(&mut session, input, self.rules.block_gas_limit, way)?;
            self.totals.lock().add(session.stats(), known, session.cache_use(), flush);
            if session.is_good() {
                self.warm.keep(input.context.height, output.state_root, session);
            }
            Ok((output, waypoints))
        })
    }

    /// What `message` would do on the state `state_root`, for queries and gas estimates. Nothing is kept.
    ///
    /// It runs as an implicit message would: the nonce is not checked and no gas is paid for, so the sender needs
    /// the message's value and nothing for gas. A sender that does not exist yet fails with `SYS_SENDER_INVALID`.
    /// A gas limit of zero, or above the block's, counts as the block's. The gas used contains
    /// what inclusion of the signed message would cost; an estimate adds its own margin for a state that moves on.
    ///
    /// # Errors
    /// When the store or the VM fails.
    pub fn call(&self, state_root: &Cid, context: &BlockContext, message: &Message) -> Result<CallOutcome, ExecError> {
        if message.value.is_negative() {
            return Ok(refused(ExitCode::SYS_SENDER_STATE_INVALID, "value is below zero"));
        }
        let inclusion_gas = preflight::inclusion_gas(signed_length(message));
        let mut message = message.clone();
        message.version = 0;
        let most = self.rules.block_gas_limit;
        message.gas_limit = if message.gas_limit == 0 { most } else { message.gas_limit.min(most) };
        // Only what an actor may see of them is left: nothing is paid.
        message.gas_fee_cap = TokenAmount::zero();
        message.gas_premium = TokenAmount::zero();
        let _place = self.engine.enter_call();
        let ret = on_vm_thread(|| {
            let overlay = Overlay::new(self.store.clone());
            Session::start(&self.setting(), overlay, state_root, context)?.apply(message)
        })?;
        let failure = ret.failure_info.is_some().then(|| implicit::failure(&ret));
        Ok(CallOutcome {
            exit_code: ret.msg_receipt.exit_code,
            gas_used: ret.msg_receipt.gas_used.saturating_add(inclusion_gas),
            return_data: ret.msg_receipt.return_data,
            events: ret.events,
            failure,
        })
    }

    fn setting(&self) -> Setting<'_> {
        Setting {
            engine: &self.engine,
            rules: &self.rules,
            externs: &self.externs,
            lanes: self.lanes,
            learned: &self.learned,
        }
    }
}

/// How the signed messages of a block are gone through.
enum Way {
    /// With what this node knows.
    Alone,
    /// Leaving waypoints between so many segments.
    Marking(usize),
    /// Between somebody's waypoints.
    Between(Waypoints),
}

/// Executes a block. Also tells the waypoints it has left, and how long it took to write what came out into memory.
fn run_block<B: Blockstore + Send + Sync + 'static>(
    session: &mut Session<B>,
    input: &BlockInput,
    block_gas_limit: u64,
    way: &Way,
) -> Result<(BlockOutput, Waypoints, Duration), ExecError> {
    let height = input.context.height;
    let mut log = Log::default();

    let parent_update = match &input.parent_update {
        Some(update) => {
            let (ret, outcome) = implicit::apply_parent_update(session, height, update)?;
            log.push(ret.msg_receipt, ret.events);
            Some(outcome)
        }
        None => {
            log.push(empty_receipt(ExitCode::OK), Vec::new());
            None
        }
    };

    let rules = MessageRules { base_fee: input.context.base_fee.clone(), block_gas_limit };
    let mut gas_used = 0u64;
    let mut tips = TokenAmount::zero();
    let (rets, waypoints) = apply_signed(session, &input.messages, &rules, way)?;
    for ret in rets {
        gas_used = gas_used.saturating_add(ret.msg_receipt.gas_used);
        tips += &ret.miner_tip;
        log.push(ret.msg_receipt, ret.events);
    }

    if tips.is_positive() {
        let ret = implicit::award_tips(session, height, input.proposer_owner, tips)?;
        log.push(ret.msg_receipt, ret.events);
    }

    let cut = if input.cuts {
        let (ret, cut) = implicit::cut_checkpoint(session, height)?;
        log.push(ret.msg_receipt, ret.events);
        Some(cut)
    } else {
        None
    };

    let flushing = Instant::now();
    let Flushed { root: state_root, blocks, mut heads } = session.flush()?;
    let overlay = session.overlay();
    let receipts_root = log.store(overlay)?;
    let Log { receipts, events } = log;
    heads.push(receipts_root);
    let new_blocks = overlay.take_with(&heads, blocks)?;
    let output = BlockOutput { state_root, receipts, receipts_root, gas_used, events, parent_update, cut, new_blocks };
    Ok((output, waypoints, flushing.elapsed()))
}

/// Executes the signed messages; one result for each, and the waypoints that were left. Their places count the messages
/// that get as far as the VM, which are the same on every node.
fn apply_signed<B: Blockstore + Send + Sync + 'static>(
    session: &mut Session<B>,
    signed: &[SignedMessage],
    rules: &MessageRules,
    way: &Way,
) -> Result<(Vec<ApplyRet>, Waypoints), ExecError> {
    let mut batch = Vec::with_capacity(signed.len());
    let mut refused = BTreeMap::new();
    for (index, signed) in signed.iter().enumerate() {
        let length = signed.to_bytes().len();
        // The VM takes these rules for granted: a negative fee, say, would pay the sender.
        match preflight::check(&signed.message, length, rules) {
            Ok(()) => batch.push(BlockMessage { message: signed.message.clone(), length }),
            Err(rejection) => {
                let (exit_code, reason) = (rejection.exit_code(), rejection.to_string());
                refused.insert(index, ApplyRet::prevalidation_fail(exit_code, reason, TokenAmount::zero()));
            }
        }
    }
    let (executed, waypoints) = match way {
        Way::Alone => (session.execute(&batch)?, Waypoints::new()),
        Way::Marking(segments) => session.execute_marking(&batch, *segments)?,
        Way::Between(waypoints) => (session.execute_between(&batch, waypoints)?, Waypoints::new()),
    };
    // Where most outcomes of lanes have held, they hold for others too.
    let is_parallel = 2 * session.stats().committed > batch.len();
    let waypoints = if is_parallel { Waypoints::new() } else { waypoints };
    let mut executed = executed.into_iter();
    let rets = (0..signed.len()).filter_map(|index| refused.remove(&index).or_else(|| executed.next())).collect();
    Ok((rets, waypoints))
}

/// Receipts and events in the order they came.
#[derive(Default)]
struct Log {
    receipts: Vec<Receipt>,
    events: Vec<Vec<StampedEvent>>,
}

impl Log {
    fn push(&mut self, receipt: Receipt, events: Vec<StampedEvent>) {
        self.receipts.push(receipt);
        self.events.push(events);
    }

    fn store<B: Blockstore>(&self, overlay: &Overlay<B>) -> Result<Cid, ExecError> {
        for (receipt, events) in self.receipts.iter().zip(&self.events) {
            store_events(overlay, receipt, events)?;
        }
        store_receipts(overlay, &self.receipts)
    }
}

fn empty_receipt(exit_code: ExitCode) -> Receipt {
    Receipt { exit_code, return_data: RawBytes::default(), gas_used: 0, events_root: None }
}

fn refused(exit_code: ExitCode, reason: &str) -> CallOutcome {
    CallOutcome {
        exit_code,
        return_data: RawBytes::default(),
        gas_used: 0,
        events: Vec::new(),
        failure: Some(reason.to_owned()),
    }
}

/// Length that `message` will have once it is signed.
fn signed_length(message: &Message) -> usize {
    let signature = match message.from.protocol() {
        Protocol::BLS => BLS_SIGNATURE_BYTES,
        _ => SECP_SIGNATURE_BYTES,
    };
    encode(message).len() + signature
}

#[cfg(test)]
mod tests {
    use super::*;
    use fvm_shared::address::Address;
    use fvm_shared::crypto::signature::Signature;

    #[test]
    fn length_of_an_unsigned_message_is_that_of_the_signed_one() {
        let message = |from| Message {
            version: 0,
            from,
            to: Address::new_id(100),
            sequence: 3,
            value: TokenAmount::from_whole(1),
            method_num: 0,
            params: RawBytes::default(),
            gas_limit: 1,
            gas_fee_cap: TokenAmount::zero(),
            gas_premium: TokenAmount::zero(),
        };
        let secp = message(Address::new_secp256k1(&[1; 65]).unwrap());
        let signed = SignedMessage { message: secp.clone(), signature: Signature::new_secp256k1(vec![0; 65]) };
        assert_eq!(signed_length(&secp), signed.to_bytes().len());
        let bls = message(Address::new_bls(&[1; 48]).unwrap());
        let signed = SignedMessage { message: bls.clone(), signature: Signature::new_bls(vec![0; 96]) };
        assert_eq!(signed_length(&bls), signed.to_bytes().len());
    }
}
