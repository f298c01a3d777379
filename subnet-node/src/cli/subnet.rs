//! `subnet`: the children of a chain.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use client::api::{ChildStatus, ChildSummary, JsonAddress, JsonAmount};
use client::keystore;
use client::subnet::{self, Joining, parse_actor};
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use serde::Serialize;
use subnet_types::SubnetId;
use subnet_types::genesis::{MembershipMode, SubnetParameters};

use super::actor::read_bundle;
use super::context::{Context, SenderArgs};
use super::ending::EndCommand;
use super::error::CliError;
use super::genesis::{ChainArgs, fil};
use super::output::{columns, table};
use super::parse;
use crate::home::KeyName;

/// Makes and shows the children of the chain that --rpc is a node of.
///
/// A subnet begins as an actor on its parent. Validators join it with a stake; once there are enough, it becomes
/// active by itself, and `genesis from-parent` makes the file its chain starts from.
#[derive(Subcommand, Debug)]
pub enum SubnetCommand {
    /// Make a new subnet: its actor on the parent, and its entry with the parent's gateway
    ///
    /// Prints the subnet's name, /r<root>/f2…. The rules chosen here can never be changed.
    #[command(after_help = "Example:\n  \
        subnet-node subnet create --validators-min 4 --stake-min \"10 FIL\" --block-interval-ms 500")]
    Create(Box<CreateArgs>),
    /// Enter an existing checkpoint actor with the gateway, where `create` was interrupted in between
    #[command(after_help = "Example:\n  subnet-node subnet register f2zqpy7sehojhjxyu4h3upkc4e4ogjzctrq52rfia")]
    Register {
        /// Robust address of the actor
        #[arg(value_parser = parse_actor)]
        actor: Address,
        #[command(flatten)]
        sender: SenderArgs,
    },
    /// Join a subnet as a validator, with the vote and checkpoint keys in HOME/keys
    ///
    /// The account of --from stakes and will own the validator: it earns the tips, on the subnet. Both keys prove that
    /// you hold them.
    #[command(after_help = "Example:\n  \
        subnet-node subnet join /r31415926/f2zqpy7sehojhjxyu4h3upkc4e4ogjzctrq52rfia --stake \"10 FIL\"")]
    Join {
        /// Name of the subnet, or address of its actor
        #[arg(value_parser = parse_actor)]
        subnet: Address,
        /// Value to stake
        #[arg(long, value_name = "AMOUNT", value_parser = parse::positive_amount)]
        stake: TokenAmount,
        /// Folder of the vote and checkpoint keys. Default: HOME/keys
        #[arg(long, value_name = "DIR")]
        keys: Option<PathBuf>,
        /// Where the validator's consensus will listen, for others to read
        #[arg(long, value_name = "MULTIADDR", default_value = "")]
        endpoint: String,
        #[command(flatten)]
        sender: SenderArgs,
    },
    #[command(flatten)]
    End(EndCommand),
    /// List the children
    #[command(after_help = "Example:\n  subnet-node subnet list")]
    List,
    /// Show what this chain knows of a child: members, custody, last checkpoint
    #[command(after_help = "Example:\n  \
        subnet-node subnet show /r31415926/f2zqpy7sehojhjxyu4h3upkc4e4ogjzctrq52rfia --json")]
    Show {
        /// Name of the child
        subnet: SubnetId,
    },
}

/// Options of `subnet create`.
#[derive(Args, Debug)]
pub struct CreateArgs {
    /// Validators needed to begin
    #[arg(long, value_name = "COUNT", default_value_t = 4)]
    validators_min: u64,
    /// Least stake of one validator
    #[arg(long, value_name = "AMOUNT", default_value = "1 FIL", value_parser = parse::positive_amount)]
    stake_min: TokenAmount,
    /// How validators get their power: collateral (by stake), federated (the owner sets it) or static (by stake until
    /// activation, then for ever)
    #[arg(long, default_value = "collateral", value_parser = parse::mode)]
    mode: MembershipMode,
    /// Parent blocks that a message down may wait until checkpoints that ignore it are refused
    #[arg(long, value_name = "BLOCKS", default_value_t = 1000)]
    parent_lag_max: u64,
    /// CAR file with the actor bundle, as `actor bundle` makes it. Default: the parent's
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// Parent blocks that a stake stays after the checkpoint that confirmed its removal; longer than --trusting-period-ms
    /// takes there. Three weeks of blocks of one second by default
    #[arg(long, value_name = "BLOCKS", default_value_t = 1_814_400)]
    unbonding: u64,
    /// Parent blocks without an accepted checkpoint after which the subnet counts as silent. Two days of blocks of one
    /// second by default
    #[arg(long, value_name = "BLOCKS", default_value_t = 172_800)]
    silence_max: u64,
    /// Parent blocks between a notice, or the beginning of silence, and the end of the subnet: time to leave. A week of
    /// blocks of one second by default
    #[arg(long, value_name = "BLOCKS", default_value_t = 604_800)]
    exit_notice: u64,
    #[command(flatten)]
    chain: ChainArgs,
    #[command(flatten)]
    sender: SenderArgs,
}

#[derive(Serialize)]
struct Registered {
    subnet: SubnetId,
    actor: JsonAddress,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Joined {
    actor: JsonAddress,
    owner: JsonAddress,
    stake: JsonAmount,
    height: u64,
}

#[derive(Serialize)]
struct Children {
    children: Vec<ChildSummary>,
}

impl SubnetCommand {
    pub(super) async fn run(self, context: &Context) -> Result<(), CliError> {
        match self {
            Self::Create(args) => create(context, *args).await,
            Self::Register { actor, sender } => register(context, actor, &sender).await,
            Self::Join { subnet, stake, keys, endpoint, sender } => {
                let keys = keys.unwrap_or_else(|| context.home.keys());
                join(context, subnet, stake, &keys, endpoint, &sender).await
            }
            Self::End(command) => command.run(context).await,
            Self::List => list(context).await,
            Self::Show { subnet } => show(context, &subnet).await,
        }
    }
}

async fn create(context: &Context, args: CreateArgs) -> Result<(), CliError> {
    let sender = context.sender(&args.sender).await?;
    let info = sender.client().info().await?;
    let bundle = args.bundle.as_deref().map(read_bundle).transpose()?.map_or(info.bundle.0, |(_, manifest)| manifest);
    let parameters = SubnetParameters {
        chain: args.chain.parameters(bundle),
        mode: args.mode,
        validators_min: args.validators_min,
        stake_min: args.stake_min,
        parent_lag_blocks_max: args.parent_lag_max,
        unbonding_blocks: args.unbonding,
        silence_blocks_max: args.silence_max,
        exit_notice_blocks: args.exit_notice,
    };
    parameters.check().map_err(|error| CliError::usage(error.to_string()))?;
    let progress = context.output.progress("making the checkpoint actor");
    let tell = |waiting: &client::Waiting| progress.tell(waiting);
    let created =
        subnet::create_subnet(&sender, info.checkpoint_code.0, parameters, context.wait_options(), tell).await?;
    drop(progress);
    context.output.note(&format!("the checkpoint actor is {}", JsonAddress(created.actor)));
    register_with(context, &sender, created.actor).await
}

async fn register(context: &Context, actor: Address, args: &SenderArgs) -> Result<(), CliError> {
    register_with(context, &context.sender(args).await?, actor).await
}

async fn register_with(context: &Context, sender: &client::Sender, actor: Address) -> Result<(), CliError> {
    let progress = context.output.progress("entering it with the gateway");
    let done = subnet::register(sender, actor, context.wait_options(), |waiting| progress.tell(waiting)).await;
    drop(progress);
    let done = done.map_err(|error| {
        CliError::from(error).hint(format!("try that step again: `subnet-node subnet register {}`", JsonAddress(actor)))
    })?;
    let registered = Registered { subnet: done.subnet, actor: actor.into() };
    context.output.result(&registered, || {
        format!("{}\n\nnext: each validator runs `subnet-node subnet join {0} --stake …`", registered.subnet)
    });
    Ok(())
}

async fn join(
    context: &Context,
    actor: Address,
    stake: TokenAmount,
    keys: &std::path::Path,
    endpoint: String,
    args: &SenderArgs,
) -> Result<(), CliError> {
    let sender = context.sender(args).await?;
    let password = context.password()?;
    let open = |name: KeyName| {
        let path = keys.join(format!("{}.json", name.as_str()));
        keystore::load(&path, &password).map(|key| (key, path))
    };
    let (vote, path) = open(KeyName::Vote)?;
    let vote = vote.into_vote(&path)?;
    let (checkpoint, path) = open(KeyName::Checkpoint)?;
    let checkpoint = checkpoint.into_checkpoint(&path)?;
    let joining = Joining { actor, stake: stake.clone(), vote: &vote, checkpoint: &checkpoint, endpoint };
    let progress = context.output.progress("joining");
    let done = subnet::join(&sender, &joining, context.wait_options(), |waiting| progress.tell(waiting)).await?;
    drop(progress);
    let owner = JsonAddress(sender.address());
    let joined = Joined { actor: actor.into(), owner, stake: stake.into(), height: done.height };
    context
        .output
        .result(&joined, || format!("{owner} joined with {} at height {}", fil(&joined.stake.0), done.height));
    Ok(())
}

async fn list(context: &Context) -> Result<(), CliError> {
    let children = context.client()?.children().await?;
    let row = |child: &ChildSummary| {
        let state = match child {
            ChildSummary { has_exited: true, .. } => "ended",
            ChildSummary { is_closing: true, .. } => "active, notice given",
            ChildSummary { is_active: true, .. } => "active",
            _ => "waits for validators",
        };
        [child.subnet.to_string(), state.to_owned(), fil(&child.custody.0)]
    };
    let rows: Vec<[String; 3]> = children.iter().map(row).collect();
    context.output.result(&Children { children }, || columns(["SUBNET", "STATE", "CUSTODY"], &rows));
    Ok(())
}

async fn show(context: &Context, subnet: &SubnetId) -> Result<(), CliError> {
    let status = context.client()?.child_status(subnet).await?;
    context.output.result(&status, || text(&status));
    Ok(())
}

fn text(status: &ChildStatus) -> String {
    let nonces: Vec<String> = status.unclaimed.iter().map(ToString::to_string).collect();
    let aside = if nonces.is_empty() { "no message".to_owned() } else { format!("messages {}", nonces.join(", ")) };
    table(&[
        ("subnet", status.subnet.to_string()),
        ("checkpoint actor", format!("{} ({})", status.actor, status.id)),
        ("state", state(status)),
        ("members", format!("{} of at least {}", status.members, status.validators_min)),
        ("stake", format!("{}, of those who left {}", fil(&status.stake.0), fil(&status.unbonding.0))),
        ("custody", fil(&status.custody.0)),
        ("accepted, undelivered", format!("{} in {} messages", fil(&status.batch_reserved.0), status.undelivered)),
        ("set aside", aside),
        ("last checkpoint", format!("{} of height {}", status.last_sequence, status.last_height)),
        ("configuration", status.confirmed_configuration.to_string()),
        ("messages down", format!("{}, applied {}", status.top_down_next_nonce, status.top_down_applied)),
    ])
}

fn state(status: &ChildStatus) -> String {
    match (status.exit_height, status.notice_height, status.exit_from) {
        (Some(height), ..) if status.unrefunded > 0 => {
            let waiting = status.unrefunded;
            format!("ended at height {height}; {} paid to claims, {waiting} messages to refund", fil(&status.claimed.0))
        }
        (Some(height), ..) => format!("ended at height {height}; {} paid to claims", fil(&status.claimed.0)),
        (None, Some(height), Some(from)) => format!("active; notice at height {height}, can end from {from} on"),
        (None, None, Some(from)) => format!("active; can end from height {from} on unless it settles before"),
        _ => "waits for validators".to_owned(),
    }
}
