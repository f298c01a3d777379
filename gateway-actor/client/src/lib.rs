//! For actors that take part in the traffic between chains: sends, calls, outcomes, answers.
//!
//! An actor hands a message to the gateway of its own chain and gets the message's id. The message travels; what became
//! of it comes back as a receipt, blocks or minutes later, in a message of its own. So a call between chains is never a
//! function call that returns: it is two events, and the actor keeps in its state what it needs to join them.
//!
//! ```text
//!      this chain                                              another chain
//! actor ── send_call ──> gateway ~~~~~~ message ~~~~~~> gateway ── courier ── RECEIVE_CROSS_CALL ──> actor there
//!   │ remembers the id                                                            receive_call, answer │
//!   <── RECEIVE_CROSS_RECEIPT ── courier ── gateway <~~~~~~~~~~~~~~ receipt ~~~~~~~~~~~~~~~~~~~~~~~~~~~┘
//!       receive_receipt
//! ```
//!
//! What to know before building on it:
//!
//! - **Money first, news second.** What comes back of a message (its value when it failed, what is left of the fee) is
//!   credited to the actor before its receipt handler runs. The handler must not pay it out a second time.
//! - **What came back is what the receipt says**, in [`value`](CrossReceipt::value) and [`fee`](CrossReceipt::fee), and not
//!   what was sent. Honest chains return all of the value of what failed. A corrupt one on the way can keep it and say that
//!   it failed: whoever owes the value on to others remembers in the tag how much was sent, and compares.
//! - **The handler gets one chance**, with [`CROSS_RECEIPT_GAS`](subnet_types::limits::CROSS_RECEIPT_GAS) and no more. If
//!   it fails nothing of it remains, nobody tries again, and the id stays among those that wait. Write little in it.
//! - **Only the courier's word counts.** [`receive_call`] and [`receive_receipt`] refuse everybody else; never act on a
//!   [`CrossCall`] or [`CrossReceipt`] that did not come through them.
//! - **Any code may be a destination's own.** See [`Outcome`].
//! - **A call's origin is safe to build on**: every chain on the way has checked that it lies where the call came from.
//!   Its id is what that chain says. So remember calls by their [`key`](CrossCall::key), which has both: no chain can make
//!   a call that is mistaken for another chain's. Method and parameters are whatever the caller liked.
//!
//! An actor that counts for others, and that has others count for it:
//!
//! ```
//! use actor_runtime::{ActorError, Runtime, encode_return};
//! use fvm_ipld_encoding::ipld_block::IpldBlock;
//! use fvm_shared::MethodNum;
//! use gateway_client::{Outcome, Outstanding, Sending, answer, encode, receive_call, receive_receipt, send_call};
//! use serde_tuple::{Deserialize_tuple, Serialize_tuple};
//! use subnet_types::actors::receiver::{RECEIVE_CROSS_CALL, RECEIVE_CROSS_RECEIPT};
//! use subnet_types::cross::CrossAddress;
//!
//! const COUNT_THERE: MethodNum = 1 << 24;
//!
//! #[derive(Serialize_tuple, Deserialize_tuple)]
//! struct State {
//!     count: u64,
//!     count_there: u64,
//!     /// Who asked, for each call that is on its way.
//!     outstanding: Outstanding<u64>,
//! }
//!
//! fn dispatch<R: Runtime>(rt: &R, method: MethodNum, params: Option<IpldBlock>) -> Result<Option<IpldBlock>, ActorError> {
//!     match method {
//!         COUNT_THERE => {
//!             let to: CrossAddress = actor_runtime::decode_params(params)?;
//!             // What the caller sends pays for the way; it is the fee.
//!             let sending = Sending { fee: rt.value_received(), ..Sending::to(to) };
//!             let id = send_call(rt, sending, 1, encode(&())?, 100_000_000)?;
//!             let mut state: State = rt.load_state()?;
//!             state.outstanding.insert(rt.store(), &id, rt.caller())?;
//!             rt.save_state(&state)?;
//!             encode_return(&id)
//!         }
//!         RECEIVE_CROSS_CALL => {
//!             receive_call(rt, params)?;
//!             let mut state: State = rt.load_state()?;
//!             state.count += 1;
//!             rt.save_state(&state)?;
//!             answer(encode(&state.count)?)
//!         }
//!         RECEIVE_CROSS_RECEIPT => {
//!             let mut state: State = rt.load_state()?;
//!             let received = receive_receipt(rt, params, &mut state.outstanding)?;
//!             if let Outcome::Succeeded(data) = received.outcome() {
//!                 state.count_there = data.deserialize().unwrap_or(state.count_there);
//!             }
//!             rt.save_state(&state)?;
//!             Ok(None)
//!         }
//!         _ => Err(ActorError::unhandled(method)),
//!     }
//! }
//! # use actor_runtime::{SendReturn, encode_params, mock::MockRuntime};
//! # use subnet_types::actors::{COURIER_ID, CallReturn, CrossReceipt, EnqueueReturn, GATEWAY_ID, gateway};
//! # use fvm_ipld_encoding::RawBytes;
//! # use fvm_shared::{address::Address, econ::TokenAmount, error::ExitCode};
//! # use subnet_types::{Digest, Nonce, SubnetId};
//! # let rt = MockRuntime::new(200);
//! # let outstanding = Outstanding::new(rt.store()).unwrap();
//! # rt.save_state(&State { count: 0, count_there: 0, outstanding }).unwrap();
//! # let to = CrossAddress { subnet: SubnetId::root(1), address: Address::new_actor(b"there") };
//! # let id = Digest([7; 32]);
//! # let queued = encode_return(&EnqueueReturn { id, nonce: Nonce::ZERO }).unwrap();
//! # rt.answer(GATEWAY_ID, gateway::SEND, SendReturn { exit_code: ExitCode::OK, return_data: queued });
//! # rt.call(dispatch, 100, &TokenAmount::from_atto(5), COUNT_THERE, encode_params(&to).unwrap()).unwrap();
//! # let return_data = RawBytes::serialize(3u64).unwrap();
//! # let receipt = CrossReceipt { of: id, from: to, exit_code: ExitCode::OK, return_data, value: TokenAmount::default(),
//! #     fee: TokenAmount::default() };
//! # let receipt = encode_params(&receipt).unwrap();
//! # rt.call(dispatch, COURIER_ID, &TokenAmount::default(), RECEIVE_CROSS_RECEIPT, receipt.clone()).unwrap();
//! # let state: State = rt.load_state().unwrap();
//! # assert_eq!((state.count_there, state.outstanding.len()), (3, 0));
//! # assert!(rt.call(dispatch, COURIER_ID, &TokenAmount::default(), RECEIVE_CROSS_RECEIPT, receipt).is_err());
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod outstanding;
mod receive;
mod send;

pub use outstanding::{OUTSTANDING_MAX, Outstanding};
pub use receive::{Outcome, Received, answer, defer, encode, receive_call, receive_receipt};
pub use send::{Sending, answer_later, send_call, send_transfer};
pub use subnet_types::actors::{CrossCall, CrossReceipt};
