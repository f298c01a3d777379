//! `genesis`: making and looking at the file that a chain starts from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand};
use client::Client;
use client::amount::Amount;
use client::api::ValidatorInfo;
use fvm_exec::genesis_file;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use serde::Serialize;
use subnet_types::genesis::{ActivationRecord, ChainParameters, GENESIS_VERSION, GenesisBalance};
use subnet_types::limits::VALIDATORS_MAX;
use subnet_types::message::SignaturePolicy;
use subnet_types::quantity::{ConfigurationNumber, Power, TimestampMs};
use subnet_types::{Genesis, SubnetId, Validator, ValidatorSet};

use super::actor::read_bundle;
use super::context::Context;
use super::error::CliError;
use super::files;
use super::genesis_view::GenesisView;
use super::keys::{cost, make_missing, validator_entry};
use super::parse;
use crate::home::Home;

/// Makes and shows the file that a chain starts from: its rules, first validators, balances and the code of its actors.
///
/// All nodes of a chain start from the same file, byte for byte; its hash is part of everything they sign.
#[derive(Subcommand, Debug)]
pub enum GenesisCommand {
    /// Make the genesis of a root network
    ///
    /// Validators come from the files that `keys show --validator` prints on each of their machines, or are made here
    /// with --generate, which also makes a home for each of them. Balances name the accounts that hold funds at the
    /// start.
    #[command(after_help = "Examples:\n  \
        subnet-node genesis new --chain-id 31415926 --validator a.json --validator b.json --balance \"f1abjxfbp274xpdqcpuaykwkfb43omjotacm2p3za=1000 FIL\"\n  \
        subnet-node genesis new --chain-id 31415926 --generate 4 --homes ./nodes --owner-balance \"100 FIL\" --devnet-kdf")]
    New(Box<NewArgs>),
    /// Make the genesis of a child from what its parent froze when the child became active
    ///
    /// Asks a node of the parent (--rpc) for the child's activation record, waits for it if need be, and adds the
    /// actors' code, whose hash the record fixes. Every validator of the child does this for itself and gets the same
    /// file.
    #[command(
        name = "from-parent",
        after_help = "Example:\n  subnet-node genesis from-parent /r31415926/f2zqpy7sehojhjxyu4h3upkc4e4ogjzctrq52rfia --rpc http://127.0.0.1:1234"
    )]
    FromParent {
        /// Name of the child
        subnet: SubnetId,
        /// CAR file with the child's actor bundle, when it is neither this program's nor the parent's
        #[arg(long, value_name = "FILE")]
        bundle: Option<PathBuf>,
        /// Where to write. Default: HOME/genesis.car
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Show and check a genesis file
    #[command(after_help = "Example:\n  subnet-node genesis show ./genesis.car --json")]
    Show {
        /// The file. Default: HOME/genesis.car
        file: Option<PathBuf>,
    },
}

/// Options of `genesis new`.
#[derive(Args, Debug)]
pub struct NewArgs {
    /// Number that names the root: /r<ID>
    #[arg(long, value_name = "ID")]
    chain_id: u64,
    /// File that `keys show --validator` printed; once for each validator
    #[arg(long = "validator", value_name = "FILE", required_unless_present = "generate")]
    validators: Vec<PathBuf>,
    /// Make this many validators here, each with a home folder and keys
    #[arg(long, value_name = "COUNT", requires = "homes")]
    generate: Option<usize>,
    /// Folder for the homes of the validators made here: node-0, node-1, …
    #[arg(long, value_name = "DIR")]
    homes: Option<PathBuf>,
    /// Encrypt the keys made here so cheaply that the password protects nothing
    #[arg(long)]
    devnet_kdf: bool,
    /// What each validator's owner holds
    #[arg(long, value_name = "AMOUNT", value_parser = parse::amount, default_value = "0 FIL")]
    owner_balance: TokenAmount,
    /// What a further account holds; repeatable
    #[arg(long = "balance", value_name = "ADDRESS=AMOUNT", value_parser = parse::balance)]
    balances: Vec<GenesisBalance>,
    /// Rules of the chain.
    #[command(flatten)]
    chain: ChainArgs,
    /// CAR file with the actor bundle. Default: the one in this program
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// Time of block 0 in milliseconds since 1970. Default: now
    #[arg(long, value_name = "MS")]
    timestamp_ms: Option<u64>,
    /// Where to write. Default: HOME/genesis.car, and one copy in each home made here
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Rules of a chain, fixed at its genesis. Also what `subnet create` takes.
#[derive(Args, Debug)]
pub struct ChainArgs {
    /// Target time between blocks, 200 to 60000
    #[arg(long, value_name = "MS", default_value_t = 1000, help_heading = "Rules of the chain")]
    pub block_interval_ms: u64,
    /// Gas that the messages of one block may ask for together
    #[arg(long, value_name = "GAS", default_value_t = 10_000_000_000, help_heading = "Rules of the chain")]
    pub block_gas_limit: u64,
    /// Least price of a unit of gas
    #[arg(
        long, value_name = "AMOUNT", default_value = "100 attoFIL", value_parser = parse::amount,
        help_heading = "Rules of the chain"
    )]
    pub base_fee_min: TokenAmount,
    /// Blocks between checkpoints; without effect on a root
    #[arg(long, value_name = "BLOCKS", default_value_t = 10, help_heading = "Rules of the chain")]
    pub checkpoint_period: u64,
    /// How old the last followed parent header may be; without effect on a root. Two weeks by default
    #[arg(long, value_name = "MS", default_value_t = 1_209_600_000, help_heading = "Rules of the chain")]
    pub trusting_period_ms: u64,
    /// Least fee for each unit of delivery gas of messages from and to the parent; without effect on a root
    #[arg(
        long, value_name = "AMOUNT", default_value = "0 attoFIL", value_parser = parse::amount,
        help_heading = "Rules of the chain"
    )]
    pub cross_gas_price: TokenAmount,
    /// Accept stock Filecoin signatures, which are valid on every chain where the key has that nonce. For devnets
    #[arg(long, help_heading = "Rules of the chain")]
    pub allow_bare_signatures: bool,
}

impl ChainArgs {
    /// The rules with this bundle of actors.
    pub fn parameters(&self, bundle: cid::Cid) -> ChainParameters {
        ChainParameters {
            block_interval_ms: self.block_interval_ms,
            block_gas_limit: self.block_gas_limit,
            base_fee_min: self.base_fee_min.clone(),
            signatures: if self.allow_bare_signatures { SignaturePolicy::BareAllowed } else { SignaturePolicy::Bound },
            checkpoint_period_blocks: self.checkpoint_period,
            trusting_period_ms: self.trusting_period_ms,
            cross_gas_price: self.cross_gas_price.clone(),
            bundle,
        }
    }
}

/// A genesis file that was written.
#[derive(Serialize)]
struct Written {
    files: Vec<PathBuf>,
    #[serde(flatten)]
    genesis: GenesisView,
}

impl GenesisCommand {
    pub(super) async fn run(self, context: &Context) -> Result<(), CliError> {
        match self {
            Self::New(args) => new(context, &args),
            Self::FromParent { subnet, bundle, out } => from_parent(context, &subnet, bundle.as_deref(), out).await,
            Self::Show { file } => {
                let view = GenesisView::new(&load(&file.unwrap_or_else(|| context.home.genesis()))?);
                context.output.result(&view, || view.text());
                Ok(())
            }
        }
    }
}

/// Reads and checks a genesis file.
pub(super) fn load(path: &Path) -> Result<Genesis, CliError> {
    let bytes = files::read_bounded(path, genesis_file::GENESIS_FILE_BYTES_MAX)?;
    let (genesis, _) = genesis_file::read(&bytes).map_err(|error| CliError::file("use", path, error))?;
    Ok(genesis)
}

fn new(context: &Context, args: &NewArgs) -> Result<(), CliError> {
    let mut validators = Vec::new();
    for path in &args.validators {
        validators.push(read_validator(path)?);
    }
    let homes = generate(context, args, &mut validators)?;
    let balances = balances(args, &validators);
    let (bundle, manifest) = match &args.bundle {
        Some(path) => read_bundle(path)?,
        None => (actor_bundle::BUNDLE_CAR.to_vec(), actor_bundle::manifest_cid()),
    };
    let genesis = Genesis {
        version: GENESIS_VERSION,
        subnet: SubnetId::root(args.chain_id),
        timestamp: TimestampMs::new(args.timestamp_ms.unwrap_or_else(now_ms)),
        chain: args.chain.parameters(manifest),
        validators: ValidatorSet::new(ConfigurationNumber::FIRST, validators)
            .map_err(|error| CliError::usage(error.to_string()))?,
        balances,
        parent: None,
    };
    let mut out: Vec<PathBuf> = homes.iter().map(Home::genesis).collect();
    if let Some(path) = &args.out {
        out.push(path.clone());
    } else if out.is_empty() {
        out.push(context.home.genesis());
    }
    write(context, &genesis, &bundle, out)
}

/// What every account holds; an account that is named twice holds both amounts.
fn balances(args: &NewArgs, validators: &[Validator]) -> Vec<GenesisBalance> {
    let mut held = BTreeMap::<Address, TokenAmount>::new();
    for entry in &args.balances {
        *held.entry(entry.address).or_default() += &entry.balance;
    }
    if args.owner_balance.is_positive() {
        for validator in validators {
            *held.entry(validator.owner).or_default() += &args.owner_balance;
        }
    }
    held.into_iter().map(|(address, balance)| GenesisBalance { address, balance }).collect()
}

fn read_validator(path: &Path) -> Result<Validator, CliError> {
    const VALIDATOR_BYTES_MAX: usize = 64 * 1024;
    let text = files::read_bounded(path, VALIDATOR_BYTES_MAX)?;
    let entry: ValidatorInfo = serde_json::from_slice(&text).map_err(|error| {
        CliError::file("use", path, error).hint("`subnet-node keys show --validator` prints such a file")
    })?;
    Ok(validator(entry))
}

fn validator(entry: ValidatorInfo) -> Validator {
    let ValidatorInfo { owner, vote_key, checkpoint_key, power } = entry;
    Validator { owner: owner.into(), vote_key, checkpoint_key, power }
}

fn generate(context: &Context, args: &NewArgs, validators: &mut Vec<Validator>) -> Result<Vec<Home>, CliError> {
    let (Some(count), Some(folder)) = (args.generate, &args.homes) else { return Ok(Vec::new()) };
    if !(1..=VALIDATORS_MAX).contains(&count) {
        return Err(CliError::usage(format!("--generate {count}: expected 1 to {VALIDATORS_MAX} validators")));
    }
    let password = context.new_password()?;
    let homes: Vec<Home> = (0..count).map(|index| Home::new(folder.join(format!("node-{index}")))).collect();
    for home in &homes {
        make_missing(home, &password, cost(args.devnet_kdf))?;
        validators.push(validator(validator_entry(home, Power::new(1))?));
    }
    Ok(homes)
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

async fn from_parent(
    context: &Context,
    subnet: &SubnetId,
    bundle: Option<&Path>,
    out: Option<PathBuf>,
) -> Result<(), CliError> {
    let parent = context.client()?;
    check_parent(&parent, subnet).await?;
    let record = if context.is_waiting {
        let progress = context.output.progress("activation");
        client::subnet::wait_activation(&parent, subnet, context.wait_options(), |waiting| progress.tell(waiting))
            .await?
    } else {
        parent.activation(subnet).await?.ok_or_else(|| CliError::rejected(format!("{subnet} is not active yet")))?
    };
    let bundle = bundle_of(&parent, &record, bundle).await?;
    let genesis = Genesis::from_activation(&record);
    write(context, &genesis, &bundle, vec![out.unwrap_or_else(|| context.home.genesis())])
}

async fn check_parent(parent: &Client, subnet: &SubnetId) -> Result<(), CliError> {
    let expected = subnet.parent().ok_or_else(|| CliError::usage(format!("{subnet} is a root and has no parent")))?;
    let actual = parent.info().await?.subnet;
    if actual == expected {
        return Ok(());
    }
    Err(CliError::usage(format!("the node at {} is on {actual}, but {subnet} is a child of {expected}", parent.url()))
        .hint("name a node of the parent with --rpc URL"))
}

/// The code that the record fixes: given, in this program, or in the parent's own genesis.
async fn bundle_of(parent: &Client, record: &ActivationRecord, given: Option<&Path>) -> Result<Vec<u8>, CliError> {
    let expected = record.chain.bundle;
    if let Some(path) = given {
        let (bytes, actual) = read_bundle(path)?;
        if actual == expected {
            return Ok(bytes);
        }
        return Err(CliError::usage(format!("{} is bundle {actual}, the subnet runs {expected}", path.display())));
    }
    if actor_bundle::manifest_cid() == expected {
        return Ok(actor_bundle::BUNDLE_CAR.to_vec());
    }
    let file = parent.genesis_file().await?;
    match genesis_file::read(&file) {
        Ok((genesis, _)) if genesis.chain.bundle == expected => Ok(file),
        _ => Err(CliError::failure(format!("bundle {expected} is neither in this program nor the parent's"))
            .hint("name the CAR file with --bundle FILE")),
    }
}

fn write(context: &Context, genesis: &Genesis, bundle: &[u8], out: Vec<PathBuf>) -> Result<(), CliError> {
    let bytes = genesis_file::write(genesis, bundle).map_err(|error| CliError::usage(error.to_string()))?;
    for path in &out {
        files::write_new(path, &bytes)?;
    }
    if genesis.chain.signatures == SignaturePolicy::BareAllowed {
        context.output.note("warning: bare Filecoin signatures are valid on every chain where the key has that nonce");
    }
    let written = Written { files: out, genesis: GenesisView::new(genesis) };
    context.output.result(&written, || {
        let files: Vec<String> = written.files.iter().map(|path| path.display().to_string()).collect();
        format!("{}\n\nwritten to {}", written.genesis.text(), files.join(", "))
    });
    Ok(())
}

/// A balance for people.
pub(super) fn fil(amount: &TokenAmount) -> String {
    Amount(amount.clone()).to_string()
}
