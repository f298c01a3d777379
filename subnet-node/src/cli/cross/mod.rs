//! `cross`: value and calls between the chains of a hierarchy.

mod chains;
mod journey;
mod pending;
mod send;
mod status;

use clap::{Args, Subcommand};
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use subnet_types::SubnetId;
use subnet_types::bytes::Digest;

use super::context::{Context, SenderArgs};
use super::error::CliError;
use super::parse;

pub(super) use chains::Chains;

/// Moves value and calls between the chains of a hierarchy, and follows them on their way.
///
/// What is sent down is locked here and arrives in the child usually within seconds. What is sent up leaves this chain at
/// once and arrives with the next checkpoint that the parent accepts. Messages to chains further away go on from there
/// by themselves. Each message has one id by which all chains on its way know it.
#[derive(Subcommand, Debug)]
pub enum CrossCommand {
    /// Send value, or a call, to an address on any other chain of the hierarchy
    ///
    /// Every message ends in delivery or comes back with the reason. A call is always answered, a transfer only when it
    /// is refused or --receipt asks for it. The fee is prepaid on top of the value; what is left of it comes back with
    /// the answer, and is burned where there is none.
    #[command(after_help = "Examples:\n  \
        subnet-node cross send --to /r31415926/f2zqpy7sehojhjxyu4h3upkc4e4ogjzctrq52rfia:f1abjxfbp274xpdqcpuaykwkfb43omjotacm2p3za --value \"5 FIL\"\n  \
        subnet-node cross send --to /r31415926:f2zqpy7sehojhjxyu4h3upkc4e4ogjzctrq52rfia --method Vote --params 8101 --rpc http://127.0.0.1:2234")]
    Send(Box<SendArgs>),
    /// Send value down: from an account on this chain to an address in a child
    ///
    /// With --to-rpc, also waits until the child has credited it.
    #[command(after_help = "Example:\n  \
        subnet-node cross fund /r31415926/f2zqpy7sehojhjxyu4h3upkc4e4ogjzctrq52rfia \"5 FIL\" --to-rpc http://127.0.0.1:2234")]
    Fund {
        /// The child
        subnet: SubnetId,
        /// How much
        #[arg(value_parser = parse::positive_amount)]
        amount: TokenAmount,
        /// Recipient in the child. Default: the sender's own address there
        #[arg(long, value_name = "ADDRESS", value_parser = parse::address)]
        to: Option<Address>,
        /// A node of the child, to wait for the delivery
        #[arg(long, value_name = "URL")]
        to_rpc: Option<String>,
        #[command(flatten)]
        sender: SenderArgs,
    },
    /// Send value up: from an account on this chain to an address on its parent
    ///
    /// With --to-rpc, also waits until the parent has accepted the checkpoint and paid.
    #[command(after_help = "Example:\n  \
        subnet-node cross release \"2.5 FIL\" --rpc http://127.0.0.1:2234 --to-rpc http://127.0.0.1:1234")]
    Release {
        /// How much
        #[arg(value_parser = parse::positive_amount)]
        amount: TokenAmount,
        /// Recipient on the parent. Default: the sender's own address there
        #[arg(long, value_name = "ADDRESS", value_parser = parse::address)]
        to: Option<Address>,
        /// A node of the parent, to wait for the delivery
        #[arg(long, value_name = "URL")]
        to_rpc: Option<String>,
        #[command(flatten)]
        sender: SenderArgs,
    },
    /// Show where a cross message is: each edge that it crosses, with times by the clocks of the chains
    ///
    /// Each chain knows its own part of the way, so name a node of every chain with --endpoint, and above all one of the
    /// chain that sent it: only there its id is no word of others. Exit code 0 means delivered, or, without --watch, on
    /// its way; 3 means refused, and the reason is printed, or that no chain knows it; with --watch, 5 means that after
    /// --timeout it is still on its way, or with --settled that its answer is not back.
    #[command(after_help = "Example:\n  \
        subnet-node cross status 9d5f1c8c3a0f7e2b4d6a8c0e1f3b5d7f9a1c3e5b7d9f1a3c5e7b9d1f3a5c7e9b --watch --endpoint http://127.0.0.1:2234")]
    Status(StatusArgs),
    /// List what waits on this chain: messages for each child and for the next checkpoint, checkpoints that the parent has
    /// not accepted, answers that are awaited or owed, and value that nobody has claimed
    ///
    /// Which checkpoints the parent has accepted, a node of the parent tells: one of config.toml, or of --endpoint.
    #[command(after_help = "Example:\n  subnet-node cross pending --limit 100 --endpoint http://127.0.0.1:1234")]
    Pending(PendingArgs),
}

/// Options of `cross send`.
#[derive(Args, Debug)]
pub struct SendArgs {
    /// The chain and the address there
    #[arg(long, value_name = "SUBNET:ADDRESS", value_parser = parse::cross_address)]
    to: subnet_types::cross::CrossAddress,
    /// Value for the recipient
    #[arg(long, value_name = "AMOUNT", default_value = "0 FIL", value_parser = parse::amount)]
    value: TokenAmount,
    /// Method to call at the recipient: a number, or a name whose FRC-42 number it is
    #[arg(long, value_name = "N|NAME", value_parser = parse::method)]
    method: Option<u64>,
    /// Parameters of the method, encoded: in hexadecimal, or @FILE with the bytes themselves
    #[arg(long, value_name = "HEX|@FILE", value_parser = parse::bytes_or_file, default_value = "", hide_default_value = true, requires = "method")]
    params: std::vec::Vec<u8>,
    /// Gas for the recipient's code, on its chain
    #[arg(long, value_name = "GAS", default_value_t = 100_000_000, requires = "method")]
    gas_limit: u64,
    /// Prepaid for the way. Default: enough for the prices of the edges, as the nodes named with --endpoint tell them; an
    /// edge that none of them knows counts like the one before
    #[arg(long, value_name = "AMOUNT", value_parser = parse::amount)]
    fee: Option<TokenAmount>,
    /// Height of the recipient's chain from which on it refuses the message
    #[arg(long, value_name = "HEIGHT")]
    expires: Option<u64>,
    /// Have the delivery of a transfer answered too
    #[arg(long)]
    receipt: bool,
    #[command(flatten)]
    endpoints: EndpointArgs,
    #[command(flatten)]
    sender: SenderArgs,
}

/// Options of `cross status`.
#[derive(Args, Debug)]
pub struct StatusArgs {
    /// Id of the message, as `send`, `fund` and `release` print it
    id: Digest,
    /// Wait until it is delivered or refused
    #[arg(long)]
    watch: bool,
    /// Wait until nothing more comes of it: until its answer is back, or until it is delivered where none is to come
    #[arg(long, requires = "watch")]
    settled: bool,
    #[command(flatten)]
    endpoints: EndpointArgs,
}

/// Options of `cross pending`.
#[derive(Args, Debug)]
pub struct PendingArgs {
    /// Entries of each list
    #[arg(long, value_name = "COUNT", default_value_t = 20,
          value_parser = clap::value_parser!(u32).range(1..=pending::LIMIT_MAX as i64))]
    limit: u32,
    /// Begin the lists of queued messages with this nonce, instead of the first one that waits
    #[arg(long, value_name = "NONCE")]
    from_nonce: Option<u64>,
    #[command(flatten)]
    endpoints: EndpointArgs,
}

/// Nodes of the other chains.
#[derive(Args, Debug)]
pub struct EndpointArgs {
    /// A node of another chain, besides --rpc and the parent's nodes in config.toml. One for each chain; may be repeated
    #[arg(long = "endpoint", value_name = "URL")]
    pub endpoints: Vec<String>,
}

impl CrossCommand {
    pub(super) async fn run(self, context: &Context) -> Result<(), CliError> {
        match self {
            Self::Send(args) => args.run(context).await,
            Self::Fund { subnet, amount, to, to_rpc, sender } => {
                send::transfer(context, Some(subnet), to, amount, to_rpc.as_deref(), &sender).await
            }
            Self::Release { amount, to, to_rpc, sender } => {
                send::transfer(context, None, to, amount, to_rpc.as_deref(), &sender).await
            }
            Self::Status(args) => args.run(context).await,
            Self::Pending(args) => args.run(context).await,
        }
    }
}
