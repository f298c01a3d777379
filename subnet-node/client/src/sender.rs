//! Sending messages: fills in gas and nonce, signs, pushes, and waits for the outcome.

use std::time::Duration;

use cid::Cid;
use fvm_ipld_encoding::RawBytes;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use fvm_shared::{METHOD_SEND, MethodNum};
use serde::Serialize;
use subnet_types::hash::encode;
use subnet_types::{ChainIdentity, SignedMessage};
use tokio::sync::Mutex;

use crate::amount::Amount;
use crate::api::{MessageSendSpec, MessageStatus, RejectionReason};
use crate::keys::AccountKey;
use crate::rpc::{Client, RpcError, WaitError, WaitOptions, Waiting};
use crate::sign::sign_message;

/// How often a message is signed anew because another sender of the same account took its nonce.
const NONCE_ATTEMPTS_MAX: usize = 5;

/// Pause before a nonce is read again, so that the other sender's message arrives in the pool.
const NONCE_PAUSE: Duration = Duration::from_millis(100);

/// The most that one message may cost in gas fees unless told otherwise, in whole FIL. The node chooses the fee cap, and a
/// broken or hostile one must not be able to choose the sender's whole balance.
const FEE_MAX_FIL: u64 = 1;

/// What to send; nonce, gas and signature are the sender's work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Receiver.
    pub to: Address,
    /// Value to transfer.
    pub value: TokenAmount,
    /// Method at the receiver.
    pub method: MethodNum,
    /// Its parameters, encoded.
    pub params: RawBytes,
    /// Least gas to give it, where the estimate can fall short because others change the state before it runs.
    pub gas_limit_min: u64,
}

impl Draft {
    /// The same with at least this much gas.
    #[must_use]
    pub fn with_gas_limit_min(self, gas_limit_min: u64) -> Self {
        Self { gas_limit_min, ..self }
    }

    /// A plain transfer.
    pub fn transfer(to: Address, value: TokenAmount) -> Self {
        Self { to, value, method: METHOD_SEND, params: RawBytes::default(), gas_limit_min: 0 }
    }

    /// A call.
    pub fn call<P: Serialize>(to: Address, value: TokenAmount, method: MethodNum, params: &P) -> Self {
        Self { to, value, method, params: RawBytes::new(encode(params)), gas_limit_min: 0 }
    }

    /// A call without parameters.
    pub fn bare_call(to: Address, value: TokenAmount, method: MethodNum) -> Self {
        Self { to, value, method, params: RawBytes::default(), gas_limit_min: 0 }
    }
}

/// Why a message did not do what it was sent for.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// A call to the node brought no result.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// The message did not reach a block in time.
    #[error(transparent)]
    Wait(#[from] WaitError),
    /// The node is on another chain than the one to sign for.
    #[error("the node at {url} is on chain {actual}, expected {expected}")]
    Chain {
        /// The node.
        url: String,
        /// Identity it reports.
        actual: ChainIdentity,
        /// Identity to sign for.
        expected: ChainIdentity,
    },
    /// The node wants more gas fees than the sender is ready to pay.
    #[error("the node asks for up to {} in gas fees, at most {} are allowed", Amount(.asked.clone()), Amount(.max.clone()))]
    Fee {
        /// Gas limit times fee cap.
        asked: TokenAmount,
        /// The sender's limit.
        max: TokenAmount,
    },
    /// The message was executed and failed.
    #[error("message {message} failed at height {height} with exit code {exit_code}{}", explain(*.exit_code))]
    Failed {
        /// CID of the message.
        message: Cid,
        /// Height of its block.
        height: u64,
        /// What the actor or the VM answered.
        exit_code: u32,
    },
    /// The message succeeded but returned something else than its method returns.
    #[error("message {message} returned something that is no {expected}: {reason}")]
    Return {
        /// CID of the message.
        message: Cid,
        /// What was expected.
        expected: &'static str,
        /// What the decoder said.
        reason: String,
    },
}

/// What Filecoin's common exit codes mean, for people.
fn explain(exit_code: u32) -> &'static str {
    match exit_code {
        1 => " (sender is no account)",
        2 => " (sender's nonce is another)",
        6 => " (receiver cannot be called)",
        7 => " (out of gas)",
        16 => " (illegal argument)",
        17 => " (not found)",
        18 => " (forbidden)",
        19 => " (insufficient funds)",
        20 => " (illegal state)",
        21 => " (serialization)",
        22 => " (no such method)",
        24 => " (assertion failed)",
        _ => "",
    }
}

/// A message on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// CID that names it.
    pub cid: Cid,
    /// As it was signed.
    pub message: Message,
}

/// A message in a final block, executed without failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// CID that names it.
    pub cid: Cid,
    /// Height of its block.
    pub height: u64,
    /// Gas it used.
    pub gas_used: u64,
    /// What it returned.
    pub return_data: Vec<u8>,
}

impl Done {
    /// The return value, decoded.
    ///
    /// # Errors
    /// When it is another value than `T`.
    pub fn decode<T: serde::de::DeserializeOwned>(&self) -> Result<T, SendError> {
        let expected = std::any::type_name::<T>().rsplit("::").next().unwrap_or("value");
        fvm_ipld_encoding::from_slice(&self.return_data).map_err(|error| SendError::Return {
            message: self.cid,
            expected,
            reason: error.to_string(),
        })
    }
}

/// One account on one chain, through one node.
///
/// Messages of one `Sender` are pushed one after the other, so that they never take each other's nonce; where another
/// program uses the same account, the message is signed anew with the next nonce.
#[derive(Debug)]
pub struct Sender {
    client: Client,
    key: AccountKey,
    identity: ChainIdentity,
    fee_max: TokenAmount,
    turn: Mutex<()>,
}

impl Sender {
    /// A sender on the chain that the node says it is on. Where the chain's identity is known from elsewhere, use
    /// [`Self::for_chain`]: a hostile node could name another chain and have messages signed for that one.
    ///
    /// # Errors
    /// When the node cannot be asked.
    pub async fn new(client: Client, key: AccountKey) -> Result<Self, SendError> {
        let identity = client.info().await?.identity;
        Ok(Self::with_identity(client, key, identity))
    }

    /// A sender on the chain `expected`.
    ///
    /// # Errors
    /// When the node cannot be asked or is on another chain.
    pub async fn for_chain(client: Client, key: AccountKey, expected: ChainIdentity) -> Result<Self, SendError> {
        let actual = client.info().await?.identity;
        if actual != expected {
            return Err(SendError::Chain { url: client.url().to_owned(), actual, expected });
        }
        Ok(Self::with_identity(client, key, expected))
    }

    /// A sender that signs for `identity` without asking the node.
    pub fn with_identity(client: Client, key: AccountKey, identity: ChainIdentity) -> Self {
        Self { client, key, identity, fee_max: TokenAmount::from_whole(FEE_MAX_FIL), turn: Mutex::new(()) }
    }

    /// Sets the most that one message may cost in gas fees.
    #[must_use]
    pub fn fee_max(self, fee_max: TokenAmount) -> Self {
        Self { fee_max, ..self }
    }

    /// The account's address.
    pub fn address(&self) -> Address {
        self.key.address()
    }

    /// The node.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Identity of the chain that messages are signed for.
    pub fn identity(&self) -> ChainIdentity {
        self.identity
    }

    /// Signs for this sender's chain. Nonce and gas are the caller's.
    pub fn sign(&self, message: &Message) -> SignedMessage {
        sign_message(message, &self.key, &self.identity)
    }

    /// The message for `draft` with its gas as the node estimates it; the nonce is `nonce`.
    ///
    /// # Errors
    /// When the node refuses, as for a call that would fail, or asks for too much.
    pub async fn prepare(&self, draft: &Draft, nonce: u64) -> Result<Message, SendError> {
        let message = Message {
            version: 0,
            from: self.key.address(),
            to: draft.to,
            sequence: nonce,
            value: draft.value.clone(),
            method_num: draft.method,
            params: draft.params.clone(),
            gas_limit: 0,
            gas_fee_cap: TokenAmount::default(),
            gas_premium: TokenAmount::default(),
        };
        let spec = MessageSendSpec { max_fee: self.fee_max.clone().into() };
        let estimated = self.client.gas_estimate_message_gas(&message, Some(spec)).await?;
        // Nothing but gas: what is signed is the caller's draft, whatever the node makes of it.
        let message = Message {
            gas_limit: estimated.gas_limit.max(draft.gas_limit_min),
            gas_fee_cap: estimated.gas_fee_cap,
            gas_premium: estimated.gas_premium,
            ..message
        };
        let asked = &message.gas_fee_cap * message.gas_limit;
        if asked > self.fee_max {
            return Err(SendError::Fee { asked, max: self.fee_max.clone() });
        }
        Ok(message)
    }

    /// Sends `draft` and returns as soon as the node's mempool has it.
    ///
    /// # Errors
    /// When the node cannot be asked or refuses.
    pub async fn push(&self, draft: &Draft) -> Result<Sent, SendError> {
        let _turn = self.turn.lock().await;
        let mut attempt = 1;
        loop {
            let nonce = self.client.mpool_get_nonce(&self.key.address()).await?;
            let message = self.prepare(draft, nonce).await?;
            match self.client.mpool_push(&self.sign(&message)).await {
                Ok(cid) => return Ok(Sent { cid, message }),
                Err(error) if is_nonce_race(&error) && attempt < NONCE_ATTEMPTS_MAX => {
                    tracing::debug!(nonce, attempt, %error, "another message took the nonce; signing anew");
                    attempt += 1;
                    tokio::time::sleep(NONCE_PAUSE).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Waits until a pushed message is in a final block.
    ///
    /// # Errors
    /// When it does not get there in time, or failed.
    pub async fn wait(
        &self,
        sent: &Sent,
        options: WaitOptions,
        progress: impl FnMut(&Waiting),
    ) -> Result<Done, SendError> {
        let status = self.client.wait_message(sent.cid, options, progress).await?;
        self.done(sent.cid, status)
    }

    /// Sends `draft` and waits until it is in a final block.
    ///
    /// # Errors
    /// When it cannot be sent, does not get there in time, or failed.
    pub async fn send(
        &self,
        draft: &Draft,
        options: WaitOptions,
        progress: impl FnMut(&Waiting),
    ) -> Result<Done, SendError> {
        let sent = self.push(draft).await?;
        self.wait(&sent, options, progress).await
    }

    fn done(&self, cid: Cid, status: MessageStatus) -> Result<Done, SendError> {
        let MessageStatus { height: Some(height), exit_code: Some(exit_code), gas_used, r#return, .. } = status else {
            let reason = format!("message {cid} is included, but without height or exit code");
            let url = self.client.url().to_owned();
            return Err(RpcError::Garbage { url, method: "Subnet.MessageStatus", reason }.into());
        };
        let height = height.get();
        if exit_code != 0 {
            return Err(SendError::Failed { message: cid, height, exit_code });
        }
        let return_data = r#return.unwrap_or_default().0;
        Ok(Done { cid, height, gas_used: gas_used.unwrap_or_default(), return_data })
    }
}

fn is_nonce_race(error: &RpcError) -> bool {
    use RejectionReason::{NonceTooHigh, NonceTooLow, Replacement};
    matches!(error.rejection(), Some(NonceTooLow | NonceTooHigh | Replacement))
}
