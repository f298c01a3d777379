//! One call that brings messages over one edge: each is delivered, goes on, or is answered with a refusal.
//!
//! ```text
//!   take ──> refused? ──> a receipt goes back over the edge
//!        ──> for another chain? ──> the next edge's queue
//!        ──> a transfer ──> plain send, which runs no code
//!        ──> a call ──> saved, courier, read again
//!        ──> a receipt ──> matched, credited, then saved, courier, read again
//! ```
//!
//! The state is read once and saved once, and besides around every send that can run code of others. What the messages
//! leave to lock, burn and pay is sent in one go at the end.

use std::collections::BTreeMap;

use actor_runtime::{ActorError, Runtime};
use fvm_ipld_encoding::RawBytes;
use fvm_shared::address::{Address, Protocol};
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::ExitCode;
use fvm_shared::{ActorID, MethodNum};
use num_traits::Zero;
use subnet_types::SubnetId;
use subnet_types::actors::{CarryCallParams, CarryReceiptParams, CrossCall, CrossReceipt, refusal};
use subnet_types::cross::{CrossKind, CrossMessage, call_key, gas_to_carry};
use subnet_types::limits::CROSS_RECEIPT_GAS;
use subnet_types::quantity::{ConfigurationNumber, Height, Nonce};

use crate::children::height;
use crate::events::Position;
use crate::state::{Edge, State, Way, arrival_fee, departure_fee, receipt_of, refusal_here};
use crate::types::{Child, Draft, GatewayError, OwedAnswer};
use crate::{events, ext};

/// Gas to end an update when its last message is through: to save the state, burn, and return what left circulation.
const END_GAS: u64 = 100_000_000;

/// Gas to lock value in the checkpoint actor of one child.
const LOCK_GAS: u64 = 30_000_000;

/// Where messages come from.
enum Source {
    Parent,
    Child { id: ActorID, subnet: SubnetId, has_exited: bool },
}

impl Source {
    /// The checkpoint actor of the child; `None` for the parent.
    fn child(&self) -> Option<ActorID> {
        match self {
            Self::Parent => None,
            Self::Child { id, .. } => Some(*id),
        }
    }
}

/// What messages leave to be moved when all are through, in attoFIL.
#[derive(Default)]
struct Settlement {
    /// Back into custody, by checkpoint actor.
    locked: BTreeMap<ActorID, TokenAmount>,
    /// Out of circulation, to come down again from the reserve.
    unminted: TokenAmount,
    /// Out of circulation for good.
    burned: TokenAmount,
    /// For whoever brought the messages.
    earned: TokenAmount,
}

/// The messages of one call.
pub(crate) struct Delivery<'a, R: Runtime> {
    rt: &'a R,
    state: State,
    is_changed: bool,
    source: Source,
    price: TokenAmount,
    /// Where the message at hand stood on the edge; `None` while it is one that this chain makes itself.
    position: Option<Position>,
    settlement: Settlement,
}

impl<'a, R: Runtime> Delivery<'a, R> {
    /// Messages down from the parent. `state` has taken the update over already.
    pub(crate) fn from_parent(rt: &'a R, state: State) -> Self {
        let price = state.parent.as_ref().map(|parent| parent.cross_gas_price.clone()).unwrap_or_default();
        let (source, settlement) = (Source::Parent, Settlement::default());
        Self { rt, state, is_changed: true, source, price, position: None, settlement }
    }

    /// Messages up from the child of `id`.
    pub(crate) fn from_child(rt: &'a R, state: State, id: ActorID, child: Child) -> Self {
        let source = Source::Child { id, subnet: child.subnet, has_exited: child.has_exited };
        let (price, settlement) = (child.cross_gas_price, Settlement::default());
        Self { rt, state, is_changed: false, source, price, position: None, settlement }
    }

    /// Moves the parent's cursor past `nonce`. Called before the message is taken, so that nothing takes it twice.
    pub(crate) fn pass(&mut self, nonce: Nonce) {
        self.state.pass(nonce);
        self.is_changed = true;
    }

    /// Whether there is the gas for all that `message` may use, and to end the update after it.
    pub(crate) fn has_gas_for(&self, message: &CrossMessage) -> bool {
        let locks = self.settlement.locked.len() as u64 + 1;
        let end = END_GAS.saturating_add(LOCK_GAS.saturating_mul(locks));
        self.rt.gas_available() >= message.delivery_gas().saturating_add(end)
    }

    /// Leaves messages of an update to the next one: what they brought returns to the reserve that it was minted from.
    pub(crate) fn leave(&mut self, messages: &[CrossMessage]) {
        let amount: TokenAmount = messages.iter().map(CrossMessage::amount).sum();
        self.state.reserve += &amount;
        self.settlement.unminted += amount;
    }

    /// Does what is to be done with one message. Returns zero when it was delivered or went on, and otherwise why not.
    pub(crate) fn take(&mut self, message: &CrossMessage) -> Result<ExitCode, ActorError> {
        self.position = Some(Position { child: self.source.child(), nonce: message.nonce });
        let exit_code = match &message.kind {
            CrossKind::Receipt { .. } => self.take_receipt(message)?,
            _ => self.take_message(message)?,
        };
        events::settled(self.rt, &self.state.subnet, message, self.position, exit_code)?;
        Ok(exit_code)
    }

    /// Takes note of how far the parent has been followed; see [`State::follow`].
    pub(crate) fn follow(
        &mut self,
        height: Height,
        next_nonce: Nonce,
        next_configuration: ConfigurationNumber,
    ) -> Result<(), ActorError> {
        Ok(self.state.follow(self.rt.store(), height, next_nonce, next_configuration)?)
    }

    /// Saves what changed and moves what the messages left. Returns the state as saved.
    pub(crate) fn finish(mut self) -> Result<State, ActorError> {
        let Settlement { locked, unminted, burned, earned } = std::mem::take(&mut self.settlement);
        if !earned.is_zero() {
            let submitter = Address::new_id(self.rt.origin());
            if !ext::credit(self.rt, &submitter, &earned)?.is_success() {
                self.state.keep_unclaimed(self.rt.store(), &submitter, &earned)?;
                self.is_changed = true;
            }
        }
        if self.is_changed {
            self.rt.save_state(&self.state)?;
        }
        ext::burn(self.rt, &burned)?;
        ext::unmint(self.rt, &unminted)?;
        for (id, amount) in &locked {
            ext::lock(self.rt, *id, amount)?;
        }
        Ok(self.state)
    }

    fn refusal(&self, message: &CrossMessage) -> Option<ExitCode> {
        let edge = match &self.source {
            Source::Parent => Edge::Parent,
            Source::Child { subnet, .. } => Edge::Child(subnet),
        };
        self.state.refusal(message, edge)
    }

    fn way_of(&self, message: &CrossMessage) -> Result<Result<Way, ExitCode>, ActorError> {
        let resolve = |address: &Address| self.rt.resolve_address(address);
        Ok(self.state.way_to(self.rt.store(), &message.destination.subnet, &message.kind, resolve)?)
    }

    /// What arriving took: burned when nobody had work with it, otherwise the submitter's.
    fn charge(&mut self, fee: &TokenAmount) {
        match &self.source {
            Source::Parent => self.settlement.burned += fee,
            Source::Child { .. } => self.settlement.earned += fee,
        }
    }

    /// Takes what arriving costs out of a message's fee, as far as it goes, and returns what goes on, and whether it was
    /// enough.
    fn arrive(&mut self, message: &CrossMessage) -> (CrossMessage, bool) {
        let price = arrival_fee(&self.price, message);
        let paid = price.clone().min(message.fee.clone());
        self.charge(&paid);
        (CrossMessage { fee: &message.fee - &paid, ..message.clone() }, paid == price)
    }

    fn take_message(&mut self, message: &CrossMessage) -> Result<ExitCode, ActorError> {
        let refused = self.refusal(message);
        if refused == Some(refusal::FORGED_ORIGIN) {
            return self.refuse(message, refusal::FORGED_ORIGIN);
        }
        // A refusal is as much work as a delivery, so it costs the same.
        let (message, is_paid) = &self.arrive(message);
        if let Some(exit_code) = refused.or((!is_paid).then_some(refusal::FEE_TOO_LOW)) {
            return self.refuse(message, exit_code);
        }
        let way = match self.way_of(message)? {
            Ok(way) => way,
            Err(exit_code) => return self.refuse(message, exit_code),
        };
        let refused = match &way {
            Way::Here => self.refusal_here(message)?,
            Way::Up { price } | Way::Down { price, .. } => {
                (message.fee < departure_fee(price, message)).then_some(refusal::FEE_TOO_LOW)
            }
        };
        if let Some(exit_code) = refused {
            return self.refuse(message, exit_code);
        }
        match (&way, &message.kind) {
            (Way::Here, CrossKind::Call { method, params }) => self.call(message, *method, params, message.fee.clone()),
            (Way::Here, _) => self.transfer(message, message.fee.clone()),
            (way, _) => match self.send_on(way, message.clone())? {
                Some(exit_code) => self.refuse(message, exit_code),
                None => Ok(ExitCode::OK),
            },
        }
    }

    fn refusal_here(&self, message: &CrossMessage) -> Result<Option<ExitCode>, ActorError> {
        if let Some(exit_code) = refusal_here(message, height(self.rt)) {
            return Ok(Some(exit_code));
        }
        if ext::is_forbidden(self.rt, &self.state, &message.destination.address) {
            return Ok(Some(refusal::FORBIDDEN));
        }
        // Ids are the word of the chain they come from: a second entry would take the place of the first.
        let is_call = matches!(message.kind, CrossKind::Call { .. });
        let key = call_key(&message.origin.subnet, &message.id);
        let is_taken = is_call && self.state.owed(self.rt.store(), &key)?.is_some();
        Ok(is_taken.then_some(refusal::ID_TAKEN))
    }

    fn transfer(&mut self, message: &CrossMessage, left: TokenAmount) -> Result<ExitCode, ActorError> {
        let exit_code = ext::credit(self.rt, &message.destination.address, &message.value)?;
        if exit_code.is_success() && !message.wants_receipt {
            // Nobody would be told of the rest; a message of its own would cost more than it is.
            self.settlement.burned += left;
            return Ok(exit_code);
        }
        let back = if exit_code.is_success() { TokenAmount::zero() } else { message.value.clone() };
        self.answer(message, exit_code, RawBytes::default(), back, left)?;
        Ok(exit_code)
    }

    fn call(
        &mut self,
        message: &CrossMessage,
        method: MethodNum,
        params: &RawBytes,
        left: TokenAmount,
    ) -> Result<ExitCode, ActorError> {
        let (to, gas_limit) = (message.destination.address, message.gas_limit);
        let call = CrossCall { id: message.id, origin: message.origin.clone(), method, params: params.clone() };
        if !self.begin_code(message, gas_limit)? {
            let (code, value) = (refusal::OUT_OF_GAS, message.value.clone());
            self.answer(message, code, RawBytes::default(), value, left)?;
            return Ok(code);
        }
        let carried = ext::carry_call(self.rt, &CarryCallParams { to, gas_limit, call }, &message.value)?;
        self.end_code()?;
        if !carried.exit_code.is_success() {
            self.answer(message, carried.exit_code, RawBytes::default(), message.value.clone(), left)?;
            return Ok(carried.exit_code);
        }
        // It ran, so it exists.
        let called = self.rt.resolve_address(&to).filter(|_| carried.returned.is_deferred);
        match called {
            Some(actor) => {
                let answer = OwedAnswer {
                    id: message.id,
                    actor,
                    called: to,
                    origin: message.origin.clone(),
                    origin_sequence: message.origin_sequence,
                    value: message.value.clone(),
                    fee: left,
                };
                self.state.owe(self.rt.store(), answer)?;
                self.is_changed = true;
            }
            None => self.answer(message, ExitCode::OK, carried.returned.data, TokenAmount::zero(), left)?,
        }
        Ok(ExitCode::OK)
    }

    fn take_receipt(&mut self, message: &CrossMessage) -> Result<ExitCode, ActorError> {
        let refused = self.refusal(message);
        if refused == Some(refusal::FORGED_ORIGIN) {
            return self.refuse(message, refusal::FORGED_ORIGIN);
        }
        // A receipt goes on whatever is left of its fee: without it the sender would never know.
        let (message, _) = &self.arrive(message);
        if let Some(exit_code) = refused {
            return self.refuse(message, exit_code);
        }
        match self.way_of(message)? {
            Ok(Way::Here) => self.receive(message),
            Ok(way) => match self.send_on(&way, message.clone())? {
                None => Ok(ExitCode::OK),
                Some(exit_code) => self.keep(message, exit_code),
            },
            Err(exit_code) => self.keep(message, exit_code),
        }
    }

    /// A receipt for this chain: what it brings is credited first, then the sender is told, when it has code and the
    /// message is on record. Of a plain transfer nothing says who may answer it: any chain could tell an actor that one was
    /// refused which has arrived.
    fn receive(&mut self, receipt: &CrossMessage) -> Result<ExitCode, ActorError> {
        let pending = match self.state.settle_receipt(self.rt.store(), receipt)? {
            Ok(pending) => pending,
            Err(exit_code) => return self.keep(receipt, exit_code),
        };
        self.is_changed = true;
        let (to, amount) = (receipt.destination.address, receipt.amount());
        if ext::is_forbidden(self.rt, &self.state, &to) {
            return self.keep(receipt, refusal::FORBIDDEN);
        }
        if !amount.is_zero() {
            let exit_code = ext::credit(self.rt, &to, &amount)?;
            if !exit_code.is_success() {
                return self.keep(receipt, exit_code);
            }
        }
        let CrossKind::Receipt { of, exit_code, return_data, .. } = &receipt.kind else { return Ok(ExitCode::OK) };
        if let Some(sent) = pending
            && ext::has_code(self.rt, &to)
        {
            let (of, exit_code, return_data) = (*of, *exit_code, return_data.clone());
            let notice = CrossReceipt {
                of,
                from: sent.destination,
                exit_code,
                return_data,
                value: receipt.value.clone(),
                fee: receipt.fee.clone(),
            };
            // However it ends: what came back is the sender's already.
            if self.begin_code(receipt, CROSS_RECEIPT_GAS)? {
                ext::carry_receipt(self.rt, &CarryReceiptParams { to, receipt: notice })?;
                self.end_code()?;
            }
        }
        Ok(ExitCode::OK)
    }

    /// Sends a message's whole amount back with the reason. What cannot go back, because nobody would learn of it, is
    /// locked again or kept.
    fn refuse(&mut self, message: &CrossMessage, exit_code: ExitCode) -> Result<ExitCode, ActorError> {
        let is_receipt = matches!(message.kind, CrossKind::Receipt { .. });
        match (&self.source, exit_code) {
            (Source::Child { id, .. }, refusal::FORGED_ORIGIN) => {
                *self.settlement.locked.entry(*id).or_default() += message.amount();
                Ok(exit_code)
            }
            (Source::Parent, refusal::FORGED_ORIGIN) => self.keep(message, exit_code),
            _ if is_receipt => self.keep(message, exit_code),
            _ => {
                self.answer(message, exit_code, RawBytes::default(), message.value.clone(), message.fee.clone())?;
                Ok(exit_code)
            }
        }
    }

    /// Queues the answer to a message, over the edge that it came by.
    fn answer(
        &mut self,
        message: &CrossMessage,
        code: ExitCode,
        data: RawBytes,
        value: TokenAmount,
        fee: TokenAmount,
    ) -> Result<(), ActorError> {
        if matches!(self.source, Source::Child { has_exited: true, .. }) {
            // Nobody is left there to be answered. Whoever has the key there has it here.
            let back = CrossMessage { destination: message.origin.clone(), value, fee, ..message.clone() };
            return self.keep(&back, code).map(drop);
        }
        let mut receipt = receipt_of(message, code);
        if let CrossKind::Receipt { return_data, .. } = &mut receipt.kind {
            *return_data = data;
        }
        (receipt.value, receipt.fee) = (value, fee);
        let receipt = match &self.source {
            Source::Parent => self.state.queue_up(self.rt.store(), receipt)?,
            Source::Child { id, .. } => self.state.queue_down(self.rt.store(), *id, height(self.rt), receipt)?,
        };
        self.queued(self.source.child(), &receipt, None)
    }

    /// Answers a message that its child will never apply, with `left` or as much of it as the message carried. Its
    /// sender is told as of any refusal; an answer goes to the one for whom it was, as far as that one has a key here.
    pub(crate) fn give_back(&mut self, message: &CrossMessage, left: &mut TokenAmount) -> Result<(), ActorError> {
        // It never came here: what is done with it begins here.
        self.position = None;
        let mut take = |wanted: &TokenAmount| {
            let taken = wanted.clone().min(left.clone());
            *left -= &taken;
            taken
        };
        let (value, fee) = (take(&message.value), take(&message.fee));
        if let Source::Child { id, .. } = self.source {
            events::refunded(self.rt, id, message, &(&value + &fee))?;
        }
        let code = refusal::KILLED_SUBNET;
        if matches!(message.kind, CrossKind::Receipt { .. }) {
            return self.keep(&CrossMessage { value, fee, ..message.clone() }, code).map(drop);
        }
        let draft = Draft { value, fee, ..receipt_of(message, code) };
        let receipt = self.state.stamp(self.rt.store(), draft)?;
        self.is_changed = true;
        let exit_code = match self.way_of(&receipt)? {
            Ok(Way::Here) => self.receive(&receipt)?,
            Ok(way) => match self.send_on(&way, receipt.clone())? {
                None => return Ok(()),
                Some(exit_code) => self.keep(&receipt, exit_code)?,
            },
            Err(exit_code) => self.keep(&receipt, exit_code)?,
        };
        events::settled(self.rt, &self.state.subnet, &receipt, self.position, exit_code)
    }

    /// Queues a message for its next edge. Returns the refusal's code when it cannot cross that.
    fn send_on(&mut self, way: &Way, message: CrossMessage) -> Result<Option<ExitCode>, ActorError> {
        let (queued, down) = match way {
            Way::Here => return Ok(Some(refusal::WRONG_DIRECTION)),
            // Users and strangers wait for room in the outbox alike; receipts, which nobody would hear of again, do not.
            Way::Up { .. } if self.state.outbox.is_full() && !matches!(message.kind, CrossKind::Receipt { .. }) => {
                return Ok(Some(refusal::QUEUE_FULL));
            }
            Way::Up { .. } => (self.state.pass_up(self.rt.store(), message), None),
            Way::Down { id, .. } => (self.state.pass_down(self.rt.store(), *id, height(self.rt), message), Some(*id)),
        };
        match queued {
            Ok(message) => self.queued(down, &message, self.position).map(|()| None),
            Err(GatewayError::TooLarge { .. }) => Ok(Some(refusal::TOO_LARGE)),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes note of a message that waits for the child of `down`, or for a checkpoint.
    fn queued(
        &mut self,
        down: Option<ActorID>,
        message: &CrossMessage,
        position: Option<Position>,
    ) -> Result<(), ActorError> {
        self.is_changed = true;
        match down {
            None => {
                self.settlement.unminted += message.amount();
                events::queued_up(self.rt, message, position)
            }
            Some(id) => {
                *self.settlement.locked.entry(id).or_default() += message.amount();
                events::queued_down(self.rt, id, message, position)
            }
        }
    }

    /// Keeps what a message brings for the address that it is for, and returns `exit_code`.
    fn keep(&mut self, message: &CrossMessage, exit_code: ExitCode) -> Result<ExitCode, ActorError> {
        let amount = message.amount();
        if amount.is_zero() {
            return Ok(exit_code);
        }
        let CrossMessage { destination, .. } = message;
        // Another chain's id is somebody else here, so nobody could ever claim it: it is burned, and reported as that.
        if destination.address.protocol() == Protocol::ID && destination.subnet != self.state.subnet {
            self.settlement.burned += amount;
            return Ok(exit_code);
        }
        let address = destination.address;
        self.state.keep_unclaimed(self.rt.store(), &address, &amount)?;
        self.is_changed = true;
        events::unclaimed(self.rt, &message.id, &address, self.position)?;
        Ok(exit_code)
    }

    /// Saves the state before a send that can run code of others with this gas. Says whether the gas for it is there:
    /// without, a child's delivery aborts and is repeated with more, while an update, which nobody can give more, goes on.
    fn begin_code(&mut self, message: &CrossMessage, gas_limit: u64) -> Result<bool, ActorError> {
        let (available, needed) = (self.rt.gas_available(), gas_to_carry(gas_limit));
        if available < needed {
            return match self.source {
                Source::Parent => Ok(false),
                Source::Child { .. } => Err(GatewayError::DeliveryGas { id: message.id, available, needed }.into()),
            };
        }
        self.state.is_delivering = true;
        self.rt.save_state(&self.state)?;
        Ok(true)
    }

    /// Reads the state again after it: that code may have sent messages.
    fn end_code(&mut self) -> Result<(), ActorError> {
        self.state = self.rt.load_state()?;
        self.state.is_delivering = false;
        self.is_changed = true;
        Ok(())
    }
}
