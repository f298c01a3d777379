//! The steps of a subnet's life as its users take them: create, register, join, submit.
//!
//! Each function sends one message and returns what came of it. The command line and the testnet are built on these.

use cid::Cid;
use fvm_ipld_encoding::RawBytes;
use fvm_shared::MethodNum;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use subnet_types::actors::{
    CheckpointConstructorParams, ClaimBalanceParams, ClaimBalanceReturn, INIT_ID, JoinParams, KillReturn, OwnerParams,
    RefundChildParams, RefundReturn, RegisterChildReturn, RegisterParams, SetPowerParams, SubmitCheckpointParams,
    SubmitCheckpointReturn, checkpoint,
};
use subnet_types::genesis::{ActivationRecord, SubnetParameters};
use subnet_types::quantity::Power;
use subnet_types::subnet_id::display_address;
use subnet_types::{SubnetId, VoteKey};

use crate::keys::{CheckpointKeypair, JoinDomain, VoteKeypair};
use crate::rpc::{Client, WaitError, WaitOptions, Waiting};
use crate::sender::{Done, Draft, SendError, Sender};

/// Method of the init actor that makes an actor, as on Filecoin: `(code, constructor parameters)` → `(id, robust)`.
const METHOD_EXEC: MethodNum = 2;

/// An actor, just made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// Its robust address; of a checkpoint actor, the last step of the subnet's name.
    pub actor: Address,
    /// Its id address.
    pub id: Address,
    /// The message that made it.
    pub done: Done,
}

/// Makes the checkpoint actor of a new subnet. `code` is the checkpoint actor's code on this chain, as
/// `Subnet.Info` reports it.
///
/// # Errors
/// When the message cannot be sent or fails.
pub async fn create_subnet(
    sender: &Sender,
    code: Cid,
    parameters: SubnetParameters,
    options: WaitOptions,
    progress: impl FnMut(&Waiting),
) -> Result<Created, SendError> {
    let constructor = CheckpointConstructorParams { owner: sender.address(), parameters };
    let constructor = RawBytes::new(subnet_types::hash::encode(&constructor));
    create_actor(sender, code, constructor, TokenAmount::default(), options, progress).await
}

/// Makes an actor of this code, with these parameters and this value for its constructor.
///
/// # Errors
/// When the message cannot be sent or fails.
pub async fn create_actor(
    sender: &Sender,
    code: Cid,
    constructor: RawBytes,
    value: TokenAmount,
    options: WaitOptions,
    progress: impl FnMut(&Waiting),
) -> Result<Created, SendError> {
    let draft = Draft::call(Address::new_id(INIT_ID), value, METHOD_EXEC, &(code, constructor));
    let done = sender.send(&draft, options, progress).await?;
    let (id, actor): (Address, Address) = done.decode()?;
    Ok(Created { actor, id, done })
}

/// Enters a checkpoint actor with the gateway, which gives the subnet its name.
///
/// # Errors
/// When the message cannot be sent or fails.
pub async fn register(
    sender: &Sender,
    actor: Address,
    options: WaitOptions,
    progress: impl FnMut(&Waiting),
) -> Result<RegisterChildReturn, SendError> {
    let draft = Draft::call(actor, TokenAmount::default(), checkpoint::REGISTER, &RegisterParams { actor });
    sender.send(&draft, options, progress).await?.decode()
}

/// What a validator joins with.
#[derive(Debug)]
pub struct Joining<'a> {
    /// Robust address of the subnet's checkpoint actor.
    pub actor: Address,
    /// Value to stake.
    pub stake: TokenAmount,
    /// Key of its votes.
    pub vote: &'a VoteKeypair,
    /// Key of its checkpoint signatures.
    pub checkpoint: &'a CheckpointKeypair,
    /// Where its consensus listens, as a multiaddress; informative.
    pub endpoint: String,
}

/// Gas for every join. Whichever join completes the set pays for the activation, and who that is shows only in the
/// block: an estimate made while others were joining would fall short. Several times what an activation with 128
/// validators takes.
const JOIN_GAS_MIN: u64 = 1_000_000_000;

/// Joins a subnet as a validator owned by the sender's account.
///
/// # Errors
/// When the message cannot be sent or fails.
pub async fn join(
    sender: &Sender,
    joining: &Joining<'_>,
    options: WaitOptions,
    progress: impl FnMut(&Waiting),
) -> Result<Done, SendError> {
    let Joining { actor, stake, vote, checkpoint, endpoint } = joining;
    let owner = sender.address();
    let proofs = JoinDomain { parent: sender.identity(), actor: *actor, owner }.prove(vote, checkpoint);
    let params = JoinParams {
        owner,
        vote_key: vote.public(),
        vote_proof: proofs.vote,
        checkpoint_key: checkpoint.public(),
        checkpoint_proof: proofs.checkpoint,
        endpoint: endpoint.clone(),
    };
    // Where blocks are smaller, no message may ask for that much.
    let block_gas_limit = sender.client().info().await?.block_gas_limit;
    let gas_limit_min = JOIN_GAS_MIN.min(block_gas_limit);
    let draft = Draft::call(*actor, stake.clone(), checkpoint::JOIN, &params).with_gas_limit_min(gas_limit_min);
    sender.send(&draft, options, progress).await
}

/// Sets the power of a validator of a federated subnet; zero removes it. Only the subnet's owner may.
///
/// # Errors
/// When the message cannot be sent or fails.
pub async fn set_power(
    sender: &Sender,
    actor: Address,
    vote_key: VoteKey,
    power: Power,
    options: WaitOptions,
    progress: impl FnMut(&Waiting),
) -> Result<Done, SendError> {
    let params = SetPowerParams { vote_key, power };
    let draft = Draft::call(actor, TokenAmount::default(), checkpoint::SET_POWER, &params);
    sender.send(&draft, options, progress).await
}

/// Submits a checkpoint to the child's checkpoint actor on this chain. Anyone may.
///
/// # Errors
/// When the message cannot be sent or fails.
pub async fn submit_checkpoint(
    sender: &Sender,
    actor: Address,
    submission: &SubmitCheckpointParams,
    options: WaitOptions,
    progress: impl FnMut(&Waiting),
) -> Result<SubmitCheckpointReturn, SendError> {
    let draft = Draft::call(actor, TokenAmount::default(), checkpoint::SUBMIT_CHECKPOINT, submission);
    sender.send(&draft, options, progress).await?.decode()
}

/// Calls one of the methods by which members leave and subnets end, as the sender.
async fn as_owner(
    sender: &Sender,
    actor: Address,
    method: MethodNum,
    options: WaitOptions,
    progress: impl FnMut(&Waiting),
) -> Result<Done, SendError> {
    let draft = Draft::call(actor, TokenAmount::default(), method, &OwnerParams { owner: sender.address() });
    sender.send(&draft, options, progress).await
}

/// The sender's validator leaves the subnet of `actor`.
///
/// # Errors
/// When the message cannot be sent or fails.
pub async fn leave(
    sender: &Sender,
    actor: Address,
    options: WaitOptions,
    progress: impl FnMut(&Waiting),
) -> Result<Done, SendError> {
    as_owner(sender, actor, checkpoint::LEAVE, options, progress).await
}

/// The sender takes out the stake of a validator that has left, or whose subnet has ended.
///
/// # Errors
/// When the message cannot be sent or fails.
pub async fn withdraw(
    sender: &Sender,
    actor: Address,
    options: WaitOptions,
    progress: impl FnMut(&Waiting),
) -> Result<Done, SendError> {
    as_owner(sender, actor, checkpoint::WITHDRAW, options, progress).await
}

/// The sender gives notice of the subnet's end, or its validator votes for it. Returns whether notice is given.
///
/// # Errors
/// When the message cannot be sent or fails.
pub async fn kill(
    sender: &Sender,
    actor: Address,
    options: WaitOptions,
    progress: impl FnMut(&Waiting),
) -> Result<bool, SendError> {
    let done = as_owner(sender, actor, checkpoint::KILL, options, progress).await?;
    Ok(done.decode::<KillReturn>()?.is_decided)
}

/// The sender's validator takes its votes back, for the end and for a recovery.
///
/// # Errors
/// When the message cannot be sent or fails.
pub async fn retract_votes(
    sender: &Sender,
    actor: Address,
    options: WaitOptions,
    progress: impl FnMut(&Waiting),
) -> Result<Done, SendError> {
    as_owner(sender, actor, checkpoint::RETRACT_VOTES, options, progress).await
}

/// Ends the subnet for ever, when its time has come. Anyone may.
///
/// # Errors
/// When the message cannot be sent or fails.
pub async fn exit(
    sender: &Sender,
    actor: Address,
    options: WaitOptions,
    progress: impl FnMut(&Waiting),
) -> Result<Done, SendError> {
    let draft = Draft::bare_call(actor, TokenAmount::default(), checkpoint::EXIT);
    sender.send(&draft, options, progress).await
}

/// Gas for a refund of one message, with what the gateway wants to see before it begins. An estimate finds the refund of
/// fewer, which is cheaper and succeeds as well.
const REFUND_GAS: u64 = 180_000_000;

/// Gas for a refund besides its messages.
const REFUND_GAS_BASE: u64 = 250_000_000;

/// Has at most `messages_max` messages answered that the subnet, which has ended, will never apply. Anyone may.
///
/// # Errors
/// When the message cannot be sent or fails.
pub async fn refund(
    sender: &Sender,
    actor: Address,
    messages_max: u64,
    options: WaitOptions,
    progress: impl FnMut(&Waiting),
) -> Result<RefundReturn, SendError> {
    let block_gas_limit = sender.client().info().await?.block_gas_limit;
    let wanted = REFUND_GAS_BASE.saturating_add(REFUND_GAS.saturating_mul(messages_max));
    let params = RefundChildParams { messages_max };
    let draft = Draft::call(actor, TokenAmount::default(), checkpoint::REFUND, &params)
        .with_gas_limit_min(wanted.min(block_gas_limit));
    sender.send(&draft, options, progress).await?.decode()
}

/// Has an account of a subnet that has ended paid on this chain. Anyone may. Returns what was paid.
///
/// # Errors
/// When the message cannot be sent or fails.
pub async fn claim(
    sender: &Sender,
    actor: Address,
    claim: &ClaimBalanceParams,
    options: WaitOptions,
    progress: impl FnMut(&Waiting),
) -> Result<TokenAmount, SendError> {
    let draft = Draft::call(actor, TokenAmount::default(), checkpoint::CLAIM_BALANCE, claim);
    let done = sender.send(&draft, options, progress).await?;
    Ok(done.decode::<ClaimBalanceReturn>()?.amount)
}

/// Waits until `child` is active on the chain of `parent`, and returns what its genesis is made of.
///
/// # Errors
/// When the deadline passes or the node cannot be asked.
pub async fn wait_activation(
    parent: &Client,
    child: &SubnetId,
    options: WaitOptions,
    mut progress: impl FnMut(&Waiting),
) -> Result<ActivationRecord, WaitError> {
    let ask = || async {
        let record = parent.activation(child).await?;
        Ok(("waiting for validators".to_owned(), record))
    };
    parent.wait(format!("activation of {child}"), options, &mut progress, ask).await
}

/// The checkpoint actor that a person named: its address, or the name of the subnet it stands for.
///
/// # Errors
/// A text that is neither.
pub fn parse_actor(text: &str) -> Result<Address, String> {
    if text.starts_with('/') {
        let subnet: SubnetId =
            text.parse().map_err(|error: subnet_types::subnet_id::SubnetIdError| error.to_string())?;
        return subnet
            .checkpoint_actor()
            .ok_or_else(|| format!("{subnet} is a root, which no checkpoint actor stands for"));
    }
    let address = subnet_types::subnet_id::parse_address(text)
        .map_err(|error| format!("{text:?} is neither a subnet (/r…/f2…) nor an address: {error}"))?;
    match address.id() {
        Ok(_) => Err(format!("{} is an id; name the actor by its robust address (f2…)", display_address(&address))),
        Err(_) => Ok(address),
    }
}
