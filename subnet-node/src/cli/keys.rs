//! `keys`: the encrypted keystore.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueEnum};
use client::api::ValidatorInfo;
use client::keys::KeyInfo;
use client::keystore::{self, KdfCost, Key, KeyKind, PublicPart};
use serde::Serialize;
use subnet_types::quantity::Power;
use zeroize::Zeroizing;

use super::context::Context;
use super::error::CliError;
use super::output::columns;
use super::parse;
use crate::home::{Home, KeyName};

/// Makes, shows and moves keys. Each is a file in HOME/keys, encrypted with your password.
///
/// A node has four: `vote` signs blocks, `checkpoint` signs checkpoints for the parent, `p2p` names the node among its
/// peers, and `account` holds funds and pays for messages. You may have more accounts under names of your own.
#[derive(Subcommand, Debug)]
pub enum KeysCommand {
    /// Make new keys: all four of a node that are missing, or the one you name
    ///
    /// A key is never replaced. The password comes from --password-file, SUBNET_PASSWORD or the terminal.
    #[command(after_help = "Examples:\n  subnet-node keys new\n  subnet-node keys new alice --scheme bls")]
    New {
        /// `vote`, `checkpoint`, `p2p`, `account`, or any other name for a further account
        name: Option<String>,
        /// Signature scheme of an account: f1 (secp256k1) or f3 (bls)
        #[arg(long, value_enum, default_value_t = Scheme::Secp256k1)]
        scheme: Scheme,
        /// Encrypt so cheaply that the password protects nothing; for devnets with many nodes
        #[arg(long)]
        devnet_kdf: bool,
    },
    /// List the keys with their public parts
    #[command(after_help = "Example:\n  subnet-node keys list --json")]
    List,
    /// Show one key's public part, or the node's entry for a new root's genesis
    ///
    /// With --validator, prints the public keys and owner of this node as JSON. Whoever makes the genesis of a root
    /// collects one such file from each validator: see `genesis new`.
    #[command(
        after_help = "Examples:\n  subnet-node keys show account\n  subnet-node keys show --validator --power 10"
    )]
    Show {
        /// Name of the key
        #[arg(default_value = "account", conflicts_with = "validator")]
        name: String,
        /// Print this node's entry for a genesis
        #[arg(long)]
        validator: bool,
        /// Voting weight to ask for
        #[arg(long, default_value_t = 1, requires = "validator")]
        power: u64,
    },
    /// Put an existing secret into the keystore
    ///
    /// Reads standard input, or --file. An account comes as Lotus exports it (`lotus wallet export`); a vote,
    /// checkpoint or p2p key as 64 hexadecimal digits.
    #[command(after_help = "Example:\n  subnet-node keys import alice --file alice.key")]
    Import {
        /// Name of the new key
        name: String,
        /// File to read instead of standard input
        #[arg(long)]
        file: Option<PathBuf>,
        /// Encrypt so cheaply that the password protects nothing
        #[arg(long)]
        devnet_kdf: bool,
    },
    /// Print a secret: whoever reads it owns the key
    ///
    /// An account is printed in the form that `lotus wallet import` reads.
    #[command(after_help = "Example:\n  subnet-node keys export alice --reveal")]
    Export {
        /// Name of the key
        name: String,
        /// Say that you mean it
        #[arg(long, required = true)]
        reveal: bool,
    },
}

/// Signature scheme of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scheme {
    /// Address f1
    Secp256k1,
    /// Address f3
    Bls,
}

/// One line of a list.
#[derive(Serialize)]
struct KeyLine {
    name: String,
    #[serde(flatten)]
    public: PublicPart,
    cost: KdfCost,
}

#[derive(Serialize)]
struct Keys {
    keys: Vec<KeyLine>,
}

#[derive(Serialize)]
struct Exported<'a> {
    kind: KeyKind,
    secret: &'a str,
}

impl KeysCommand {
    pub(super) fn run(self, context: &Context) -> Result<(), CliError> {
        match self {
            Self::New { name, scheme, devnet_kdf } => new(context, name, scheme, cost(devnet_kdf)),
            Self::List => list(context),
            Self::Show { validator: true, power, .. } => {
                let entry = validator_entry(&context.home, Power::new(power))?;
                let text = serde_json::to_string_pretty(&entry).expect("an entry is plain data");
                context.output.result(&entry, || text);
                Ok(())
            }
            Self::Show { name, .. } => {
                let public = keystore::public_part(&context.key_path(&name)?)?;
                context.output.result(&public, || public.public.clone());
                Ok(())
            }
            Self::Import { name, file, devnet_kdf } => import(context, &name, file.as_deref(), cost(devnet_kdf)),
            Self::Export { name, .. } => export(context, &name),
        }
    }
}

/// The cost that a flag chooses.
pub(super) fn cost(devnet_kdf: bool) -> KdfCost {
    if devnet_kdf { KdfCost::Devnet } else { KdfCost::Standard }
}

/// What a name says about the kind; `None` for an account.
fn node_kind(name: &str) -> Option<KeyKind> {
    match name {
        "vote" => Some(KeyKind::Vote),
        "checkpoint" => Some(KeyKind::Checkpoint),
        "p2p" => Some(KeyKind::P2p),
        _ => None,
    }
}

fn new(context: &Context, name: Option<String>, scheme: Scheme, cost: KdfCost) -> Result<(), CliError> {
    let account = match scheme {
        Scheme::Secp256k1 => KeyKind::AccountSecp256k1,
        Scheme::Bls => KeyKind::AccountBls,
    };
    let names: Vec<String> = match name {
        Some(name) => vec![name],
        None => missing(&context.home),
    };
    if names.is_empty() {
        let folder = context.home.keys();
        return Err(CliError::failure(format!("{} holds all four keys of a node already", folder.display()))
            .hint("name a further account: `subnet-node keys new NAME`"));
    }
    let password = context.new_password()?;
    let mut lines = Vec::new();
    for name in names {
        let key = Key::generate(node_kind(&name).unwrap_or(account));
        keystore::save(&context.new_key_path(&name)?, &key, &password, cost)?;
        lines.push(KeyLine { name, public: key.public_part(), cost });
    }
    show_lines(context, lines);
    Ok(())
}

fn missing(home: &Home) -> Vec<String> {
    let absent = KeyName::ALL.into_iter().filter(|name| !home.key(*name).exists());
    absent.map(|name| name.as_str().to_owned()).collect()
}

/// Makes those of a node's four keys that are missing in `home`.
pub(super) fn make_missing(home: &Home, password: &str, cost: KdfCost) -> Result<Vec<&'static str>, CliError> {
    let mut made = Vec::new();
    for name in KeyName::ALL {
        let path = home.key(name);
        if !path.exists() {
            let key = Key::generate(node_kind(name.as_str()).unwrap_or(KeyKind::AccountSecp256k1));
            keystore::save(&path, &key, password, cost)?;
            made.push(name.as_str());
        }
    }
    Ok(made)
}

fn list(context: &Context) -> Result<(), CliError> {
    let lines = keystore::list(&context.home.keys())?.into_iter().map(|(path, envelope)| KeyLine {
        name: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        public: envelope.public_part().clone(),
        cost: envelope.cost(),
    });
    let lines: Vec<KeyLine> = lines.collect();
    if lines.is_empty() {
        context
            .output
            .note(&format!("{} holds no keys; `subnet-node keys new` makes them", context.home.keys().display()));
    }
    show_lines(context, lines);
    Ok(())
}

fn show_lines(context: &Context, keys: Vec<KeyLine>) {
    let rows: Vec<[String; 3]> =
        keys.iter().map(|line| [line.name.clone(), line.public.kind.to_string(), line.public.public.clone()]).collect();
    context.output.result(&Keys { keys }, || columns(["NAME", "KIND", "PUBLIC"], &rows));
}

/// What a genesis says of the validator whose keys lie in `home`.
pub(super) fn validator_entry(home: &Home, power: Power) -> Result<ValidatorInfo, CliError> {
    let public = |name: KeyName, kinds: &[KeyKind]| {
        let path = home.key(name);
        let part = keystore::public_part(&path)?;
        if kinds.contains(&part.kind) {
            return Ok(part.public);
        }
        Err(CliError::failure(format!("{} holds a {} key", path.display(), part.kind)))
    };
    let broken = |what: &str, error: &dyn std::fmt::Display| {
        CliError::failure(format!(
            "the {what} key's file in {} has a broken public part: {error}",
            home.keys().display()
        ))
    };
    let vote_key = public(KeyName::Vote, &[KeyKind::Vote])?;
    let checkpoint_key = public(KeyName::Checkpoint, &[KeyKind::Checkpoint])?;
    let owner = public(KeyName::Account, &[KeyKind::AccountSecp256k1, KeyKind::AccountBls])?;
    Ok(ValidatorInfo {
        owner: parse::address(&owner).map_err(|error| broken("account", &error))?.into(),
        vote_key: vote_key.parse().map_err(|error| broken("vote", &error))?,
        checkpoint_key: checkpoint_key.parse().map_err(|error| broken("checkpoint", &error))?,
        power,
    })
}

fn import(context: &Context, name: &str, file: Option<&Path>, cost: KdfCost) -> Result<(), CliError> {
    let path = context.new_key_path(name)?;
    let mut text = Zeroizing::new(String::new());
    match file {
        Some(path) => {
            let file = std::fs::File::open(path).map_err(|error| CliError::file("read", path, error))?;
            file.take(SECRET_TEXT_BYTES_MAX)
                .read_to_string(&mut text)
                .map_err(|error| CliError::file("read", path, error))?
        }
        None => std::io::stdin()
            .take(SECRET_TEXT_BYTES_MAX)
            .read_to_string(&mut text)
            .map_err(|error| CliError::failure(format!("cannot read standard input: {error}")))?,
    };
    let key = match node_kind(name) {
        Some(kind) => {
            let secret = hex::decode(text.trim())
                .map(Zeroizing::new)
                .map_err(|_| CliError::usage(format!("a {kind} key comes as 64 hexadecimal digits")))?;
            Key::from_secret(kind, &secret).map_err(|error| CliError::usage(error.to_string()))?
        }
        None => Key::Account(KeyInfo::import(&text).map_err(|error| CliError::usage(error.to_string()))?),
    };
    keystore::save(&path, &key, &context.new_password()?, cost)?;
    show_lines(context, vec![KeyLine { name: name.to_owned(), public: key.public_part(), cost }]);
    Ok(())
}

/// Bytes read of a secret's text; the longest export has under 300.
const SECRET_TEXT_BYTES_MAX: u64 = 64 * 1024;

fn export(context: &Context, name: &str) -> Result<(), CliError> {
    let key = keystore::load(&context.key_path(name)?, &context.password()?)?;
    let secret = match &key {
        Key::Account(key) => KeyInfo::export(key),
        other => Zeroizing::new(hex::encode(other.secret().as_slice())),
    };
    let exported = Exported { kind: key.kind(), secret: &secret };
    context.output.result(&exported, || secret.to_string());
    Ok(())
}
