//! The counter, and the calls in both directions.

use actor_runtime::{ActorError, ResultExt};
use cid::Cid;
use fvm_ipld_amt::Amt;
use fvm_ipld_blockstore::Blockstore;
use fvm_shared::econ::TokenAmount;
use gateway_client::Outstanding;
use serde_tuple::{Deserialize_tuple, Serialize_tuple};
use subnet_types::Digest;

use crate::refusal;
use crate::types::{Call, Conduct, Deferred, Status, Tag};

/// State of the actor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub struct State {
    /// What callers from other chains have counted up to.
    pub counter: u64,
    /// AMT of [`Call`] by number. Grows with use: the actor is for tests.
    pub calls: Cid,
    /// Number of the next call.
    pub next_number: u64,
    /// Calls of ours that wait for their outcome.
    pub outstanding: Outstanding<Tag>,
    /// Calls of others that wait for our answer.
    pub deferred: Outstanding<Deferred>,
}

impl State {
    /// Nothing counted, nothing called.
    ///
    /// # Errors
    /// Exit 20 when the store fails.
    pub fn new(store: &impl Blockstore) -> Result<Self, ActorError> {
        Ok(Self {
            counter: 0,
            calls: Amt::<Call, _>::new(store).flush().or_illegal_state("calls")?,
            next_number: 0,
            outstanding: Outstanding::new(store)?,
            deferred: Outstanding::new(store)?,
        })
    }

    /// Adds to the counter and returns it.
    ///
    /// # Errors
    /// [`refusal::OVERFLOW`].
    pub fn add(&mut self, number: u64) -> Result<u64, ActorError> {
        let sum = self.counter.checked_add(number);
        let overflow = || ActorError::new(refusal::OVERFLOW, format!("{} and {number} overflow", self.counter));
        self.counter = sum.ok_or_else(overflow)?;
        Ok(self.counter)
    }

    /// Enters a call that was sent, and returns its number.
    ///
    /// # Errors
    /// Exit 20 when too many wait or the store fails.
    pub fn start(&mut self, store: &impl Blockstore, id: &Digest, conduct: Conduct) -> Result<u64, ActorError> {
        let number = self.next_number;
        self.next_number = number.checked_add(1).ok_or_else(|| ActorError::illegal_state("calls are used up"))?;
        self.outstanding.insert(store, id, Tag { number, conduct })?;
        self.set(store, number, Call { id: *id, status: Status::Waiting, came_back: TokenAmount::default() })?;
        Ok(number)
    }

    /// Notes how a call ended.
    ///
    /// # Errors
    /// [`refusal::UNKNOWN_CALL`], or exit 20 when the store fails.
    pub fn end(
        &mut self,
        store: &impl Blockstore,
        number: u64,
        status: Status,
        came_back: TokenAmount,
    ) -> Result<(), ActorError> {
        let call = self.call(store, number)?;
        self.set(store, number, Call { status, came_back, ..call })
    }

    /// A call by its number.
    ///
    /// # Errors
    /// [`refusal::UNKNOWN_CALL`], or exit 20 when the store fails.
    pub fn call(&self, store: &impl Blockstore, number: u64) -> Result<Call, ActorError> {
        let calls = Amt::<Call, _>::load(&self.calls, store).or_illegal_state("calls")?;
        let call = calls.get(number).or_illegal_state("calls")?.cloned();
        call.ok_or_else(|| ActorError::new(refusal::UNKNOWN_CALL, format!("no call has number {number}")))
    }

    fn set(&mut self, store: &impl Blockstore, number: u64, call: Call) -> Result<(), ActorError> {
        let mut calls = Amt::<Call, _>::load(&self.calls, store).or_illegal_state("calls")?;
        calls.set(number, call).or_illegal_state("calls")?;
        self.calls = calls.flush().or_illegal_state("calls")?;
        Ok(())
    }
}
