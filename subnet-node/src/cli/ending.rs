//! `subnet leave`, `withdraw`, `kill`, `exit`, `refund`, `claim`: how validators leave, subnets end, and everybody gets
//! what is left.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use client::api::{JsonAddress, JsonAmount};
use client::subnet::{self, parse_actor};
use client::{Client, Waiting};
use fvm_shared::address::Address;
use serde::Serialize;
use subnet_types::SubnetId;
use subnet_types::actors::ClaimBalanceParams;
use subnet_types::block::decode_canonical;
use subnet_types::hash::encode;
use subnet_types::limits::{MESSAGE_BYTES_MAX, REFUNDS_PER_CALL_MAX};
use subnet_types::parent::WitnessBlock;

use super::context::{Context, SenderArgs};
use super::error::CliError;
use super::files;
use super::genesis::fil;
use super::parse;

/// The end of a membership, and of a subnet.
#[derive(Subcommand, Debug)]
pub enum EndCommand {
    /// Leave a subnet: --from's validator loses its power, and its stake can be withdrawn some time later
    ///
    /// Before the subnet is active the stake comes back at once. After that the wait begins with the checkpoint that
    /// confirms the removal. Keep the validator running until then. Its keys stay taken: join again with new ones.
    #[command(after_help = "Example:\n  \
        subnet-node subnet leave /r31415926/f2zqpy7sehojhjxyu4h3upkc4e4ogjzctrq52rfia")]
    Leave(MemberArgs),
    /// Take out the stake of --from's validator, which has left, or whose subnet has ended
    #[command(after_help = "Example:\n  \
        subnet-node subnet withdraw /r31415926/f2zqpy7sehojhjxyu4h3upkc4e4ogjzctrq52rfia")]
    Withdraw(MemberArgs),
    /// Give notice of a subnet's end, as its owner (federated, static), or vote for it, as a validator
    ///
    /// More than 2/3 of the power in charge give notice together. From notice on nothing new goes down, and who has value
    /// on the subnet should release it. After the subnet's notice period anyone ends it with `subnet exit`.
    #[command(after_help = "Example:\n  \
        subnet-node subnet kill /r31415926/f2zqpy7sehojhjxyu4h3upkc4e4ogjzctrq52rfia")]
    Kill {
        #[command(flatten)]
        member: MemberArgs,
        /// Take back the votes of --from's validator instead, for the end and for a recovery
        #[arg(long)]
        retract: bool,
    },
    /// End a subnet for ever, some time after notice, or when it was silent for too long. Anyone may
    ///
    /// `subnet show` tells from which height on. No checkpoint is accepted any more; accepted messages are still delivered.
    /// Then come `subnet refund`, `subnet claim` and `subnet withdraw`.
    #[command(after_help = "Example:\n  \
        subnet-node subnet exit /r31415926/f2zqpy7sehojhjxyu4h3upkc4e4ogjzctrq52rfia")]
    Exit(MemberArgs),
    /// Have messages sent back that a subnet, which has ended, never applied. Anyone may
    #[command(after_help = "Example:\n  \
        subnet-node subnet refund /r31415926/f2zqpy7sehojhjxyu4h3upkc4e4ogjzctrq52rfia")]
    Refund {
        #[command(flatten)]
        member: MemberArgs,
        /// Messages of one call. The gas for that many is asked for
        #[arg(long, value_name = "COUNT", default_value_t = 16,
              value_parser = clap::value_parser!(u64).range(1..=REFUNDS_PER_CALL_MAX as u64))]
        max: u64,
    },
    /// Have an account of a subnet that has ended paid here, by proof of its balance. Anyone may, for any account
    ///
    /// The proof comes from a node of the subnet that still has the state of its last accepted checkpoint. For an account
    /// of a chain further down, name that chain, and a node of each chain on the way. --out writes the proof to a file
    /// instead; whoever has the file can claim later, without any node of the subnet.
    #[command(after_help = "Examples:\n  \
        subnet-node subnet claim /r31415926/f2zqpy7sehojhjxyu4h3upkc4e4ogjzctrq52rfia --address f1abjxfbp274xpdqcpuaykwkfb43omjotacm2p3za --endpoint http://127.0.0.1:20103\n  \
        subnet-node subnet claim /r31415926/f2zqpy7sehojhjxyu4h3upkc4e4ogjzctrq52rfia --address f1abjxfbp274xpdqcpuaykwkfb43omjotacm2p3za --proof balance.proof")]
    Claim(Box<ClaimArgs>),
}

/// Which subnet, and who acts.
#[derive(Args, Debug)]
pub struct MemberArgs {
    /// Name of the subnet, or address of its actor
    #[arg(value_parser = parse_actor)]
    subnet: Address,
    #[command(flatten)]
    sender: SenderArgs,
}

/// Options of `subnet claim`.
#[derive(Args, Debug)]
pub struct ClaimArgs {
    /// Name of the chain that holds the account: a subnet that has ended, or a chain below one
    subnet: SubnetId,
    /// The account, by the address of its key: f1, f3 or f410
    #[arg(long, value_name = "ADDRESS", value_parser = parse::address)]
    address: Address,
    /// RPC address of a node of the subnet; then of each chain below it on the way, in order
    #[arg(long, value_name = "URL", conflicts_with = "proof", required_unless_present = "proof")]
    endpoint: Vec<String>,
    /// A file that --out wrote
    #[arg(long, value_name = "FILE")]
    proof: Option<PathBuf>,
    /// Write the proof there, and claim nothing
    #[arg(long, value_name = "FILE", conflicts_with = "proof")]
    out: Option<PathBuf>,
    #[command(flatten)]
    sender: SenderArgs,
}

#[derive(Serialize)]
struct Acted {
    actor: JsonAddress,
    height: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Killed {
    actor: JsonAddress,
    is_decided: bool,
}

#[derive(Serialize)]
struct Refunded {
    refunded: u64,
    left: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Claimed {
    address: JsonAddress,
    amount: JsonAmount,
    /// By proofs of balances on this subnet, this one included.
    claimed_in_all: JsonAmount,
    /// What is left in custody for others.
    left: JsonAmount,
}

impl Claimed {
    fn text(&self) -> String {
        let paid = format!("{} went to {}", fil(&self.amount.0), self.address);
        format!("{paid}\nclaimed in all {}, left in custody {}", fil(&self.claimed_in_all.0), fil(&self.left.0))
    }
}

#[derive(Serialize)]
struct Written {
    file: PathBuf,
    blocks: usize,
    bytes: usize,
}

impl EndCommand {
    pub(super) async fn run(self, context: &Context) -> Result<(), CliError> {
        match self {
            Self::Leave(args) => {
                let next = "its stake waits for a checkpoint without it; then `subnet-node subnet withdraw`";
                let sender = context.sender(&args.sender).await?;
                let progress = context.output.progress("leaving");
                let tell = |waiting: &Waiting| progress.tell(waiting);
                let done = subnet::leave(&sender, args.subnet, context.wait_options(), tell).await?;
                drop(progress);
                acted(context, args.subnet, done.height, format!("left at height {}; {next}", done.height));
            }
            Self::Withdraw(args) => {
                let sender = context.sender(&args.sender).await?;
                let progress = context.output.progress("withdrawing");
                let tell = |waiting: &Waiting| progress.tell(waiting);
                let done = subnet::withdraw(&sender, args.subnet, context.wait_options(), tell).await?;
                drop(progress);
                acted(context, args.subnet, done.height, format!("the stake came back at height {}", done.height));
            }
            Self::Kill { member, retract: false } => kill(context, &member).await?,
            Self::Kill { member: args, retract: true } => {
                let sender = context.sender(&args.sender).await?;
                let progress = context.output.progress("taking votes back");
                let tell = |waiting: &Waiting| progress.tell(waiting);
                let done = subnet::retract_votes(&sender, args.subnet, context.wait_options(), tell).await?;
                drop(progress);
                acted(context, args.subnet, done.height, format!("votes taken back at height {}", done.height));
            }
            Self::Exit(args) => {
                let sender = context.sender(&args.sender).await?;
                let progress = context.output.progress("ending the subnet");
                let tell = |waiting: &Waiting| progress.tell(waiting);
                let done = subnet::exit(&sender, args.subnet, context.wait_options(), tell).await?;
                drop(progress);
                let next = "next: `subnet-node subnet refund`, `subnet-node subnet claim`";
                acted(context, args.subnet, done.height, format!("ended at height {}\n\n{next}", done.height));
            }
            Self::Refund { member, max } => {
                let sender = context.sender(&member.sender).await?;
                let progress = context.output.progress("refunding");
                let tell = |waiting: &Waiting| progress.tell(waiting);
                let done = subnet::refund(&sender, member.subnet, max, context.wait_options(), tell).await?;
                drop(progress);
                let refunded = Refunded { refunded: done.refunded, left: done.left };
                context.output.result(&refunded, || {
                    format!("{} messages went back, {} are left", refunded.refunded, refunded.left)
                });
            }
            Self::Claim(args) => claim(context, *args).await?,
        }
        Ok(())
    }
}

fn acted(context: &Context, actor: Address, height: u64, text: String) {
    context.output.result(&Acted { actor: actor.into(), height }, || text);
}

async fn kill(context: &Context, args: &MemberArgs) -> Result<(), CliError> {
    let sender = context.sender(&args.sender).await?;
    let progress = context.output.progress("giving notice");
    let tell = |waiting: &Waiting| progress.tell(waiting);
    let is_decided = subnet::kill(&sender, args.subnet, context.wait_options(), tell).await?;
    drop(progress);
    context.output.result(&Killed { actor: args.subnet.into(), is_decided }, || {
        if is_decided {
            "notice is given: release what is on the subnet; `subnet-node subnet show` tells when it can end".to_owned()
        } else {
            "the vote counts; more than 2/3 of the power in charge are needed".to_owned()
        }
    });
    Ok(())
}

async fn claim(context: &Context, args: ClaimArgs) -> Result<(), CliError> {
    let parent = context.client()?;
    let here = parent.info().await?.subnet;
    let (child, path) = way(&here, &args.subnet)?;
    let blocks = match &args.proof {
        Some(file) => read(file)?,
        None => prove(&parent, &child, &path, &args).await?,
    };
    if let Some(file) = args.out {
        let bytes = encode(&blocks);
        std::fs::write(&file, &bytes).map_err(|error| CliError::failure(format!("{}: {error}", file.display())))?;
        let written = Written { file, blocks: blocks.len(), bytes: bytes.len() };
        context.output.result(&written, || format!("{} blocks in {}", written.blocks, written.file.display()));
        return Ok(());
    }
    let actor = child.checkpoint_actor().ok_or_else(|| CliError::usage(format!("{child} is a root")))?;
    let sender = context.sender(&args.sender).await?;
    let params = ClaimBalanceParams { path, address: args.address, proof: blocks };
    let progress = context.output.progress("claiming");
    let tell = |waiting: &Waiting| progress.tell(waiting);
    let amount = subnet::claim(&sender, actor, &params, context.wait_options(), tell).await?;
    drop(progress);
    let status = parent.child_status(&child).await?;
    let (claimed_in_all, left) = (status.claimed, status.custody);
    let claimed = Claimed { address: args.address.into(), amount: amount.into(), claimed_in_all, left };
    context.output.result(&claimed, || claimed.text());
    Ok(())
}

/// The child of `here` on the way to `subnet`, and the checkpoint actors from there on.
fn way(here: &SubnetId, subnet: &SubnetId) -> Result<(SubnetId, Vec<Address>), CliError> {
    let depth = here.route().len();
    let below = subnet.route().get(depth..).filter(|below| !below.is_empty() && subnet.is_within(here));
    let Some((first, path)) = below.and_then(<[Address]>::split_first) else {
        let problem = format!("{subnet} is not below {here}, the chain of this node");
        return Err(CliError::usage(problem).hint("name a node of the parent of the subnet that has ended, with --rpc"));
    };
    let child = here.child(*first).map_err(|error| CliError::usage(error.to_string()))?;
    Ok((child, path.to_vec()))
}

/// Asks a node of each chain on the way for its part of the proof.
async fn prove(
    parent: &Client,
    child: &SubnetId,
    path: &[Address],
    args: &ClaimArgs,
) -> Result<Vec<WitnessBlock>, CliError> {
    let (expected, actual) = (path.len() + 1, args.endpoint.len());
    if expected != actual {
        let problem = format!("{actual} endpoints, expected {expected}: one for each chain from {child} on");
        return Err(CliError::usage(problem));
    }
    let status = parent.child_status(child).await?;
    let mut root = status.last_state_root.map(|root| root.0);
    let mut blocks = BTreeSet::new();
    for (endpoint, address) in args.endpoint.iter().zip(path.iter().chain([&args.address])) {
        let Some(known) = root else {
            return Err(CliError::failure("a chain on the way has no accepted checkpoint, so nothing of it is proved"));
        };
        let part = Client::connect(endpoint)?.balance_proof(known, *address).await?;
        root = part.below.map(|below| below.0);
        blocks.extend(part.proof.0.into_iter().map(|block| block.bytes));
    }
    Ok(blocks.into_iter().map(|bytes| WitnessBlock { bytes }).collect())
}

fn read(file: &Path) -> Result<Vec<WitnessBlock>, CliError> {
    let failed = |problem: String| CliError::failure(format!("{}: {problem}", file.display()));
    let bytes = files::read_bounded(file, MESSAGE_BYTES_MAX)?;
    decode_canonical(&bytes).map_err(|error| failed(format!("holds no proof of a balance: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn way_leads_over_the_child_that_ended() {
        let here = SubnetId::root(314);
        let names: Vec<_> = [b"one", b"two"].map(|name| Address::new_actor(name)).to_vec();
        let child = here.child(names[0]).expect("one level");
        let grandchild = child.child(names[1]).expect("two levels");
        assert_eq!(way(&here, &child).ok(), Some((child.clone(), vec![])));
        assert_eq!(way(&here, &grandchild).ok(), Some((child.clone(), vec![names[1]])));
        assert!(way(&child, &child).is_err() && way(&child, &here).is_err());
        assert!(way(&SubnetId::root(1), &child).is_err());
    }
}
