//! What every command shares: the home, the node to talk to, keys, and how to print and wait.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use client::keys::AccountKey;
use client::keystore::{self, Password, PasswordError, PasswordSource};
use client::{Client, Sender, WaitOptions};
use fvm_shared::econ::TokenAmount;
use subnet_types::ChainIdentity;

use super::error::CliError;
use super::output::Output;
use super::parse;
use crate::config::Config;
use crate::home::Home;

/// Options that every command takes.
#[derive(Args, Debug)]
pub struct GlobalArgs {
    /// Folder of the node: config.toml, genesis.car, keys/, db/, wal/. Default: ~/.subnet
    #[arg(long, global = true, env = "SUBNET_HOME", value_name = "DIR", help_heading = "Global options")]
    pub home: Option<PathBuf>,

    /// Address of the node to talk to. Default: the one that the home's config.toml describes, or
    /// http://127.0.0.1:1234
    #[arg(long, global = true, env = "SUBNET_RPC", value_name = "URL", help_heading = "Global options")]
    pub rpc: Option<String>,

    /// Print one JSON object on standard output, also on failure, and nothing else
    #[arg(long, global = true, help_heading = "Global options")]
    pub json: bool,

    /// Wait until the chain has done what was asked. This is the default
    #[arg(long, global = true, overrides_with = "no_wait", help_heading = "Global options")]
    pub wait: bool,

    /// Return as soon as the node has taken the message. `subnet` and `cross` still wait for its block, whose result they
    /// print
    #[arg(long, global = true, overrides_with = "wait", help_heading = "Global options")]
    pub no_wait: bool,

    /// How long to wait
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 120, help_heading = "Global options")]
    pub timeout: u64,

    /// File whose first line is the keystore's password. Without it: environment variable SUBNET_PASSWORD, then the
    /// config's keys.password_file, then a question on the terminal
    #[arg(long, global = true, value_name = "FILE", help_heading = "Global options")]
    pub password_file: Option<PathBuf>,

    /// Identity of the chain to sign for. With it, a node on any other chain is refused; without it, what the node says
    /// is believed
    #[arg(long, global = true, env = "SUBNET_IDENTITY", value_name = "HEX", help_heading = "Global options")]
    pub identity: Option<ChainIdentity>,
}

/// Options of commands that send a message.
#[derive(Args, Debug)]
pub struct SenderArgs {
    /// Key that signs and pays: a name in the keystore, or the path of a key file
    #[arg(long, value_name = "KEY", default_value = "account")]
    pub from: String,

    /// Most to pay in gas fees
    #[arg(long, value_name = "AMOUNT", default_value = "1 FIL", value_parser = parse::positive_amount)]
    pub fee_max: TokenAmount,
}

/// The parsed global options.
#[derive(Debug)]
pub struct Context {
    /// Prints.
    pub output: Output,
    /// The home folder.
    pub home: Home,
    rpc: Option<String>,
    identity: Option<ChainIdentity>,
    password_file: Option<PathBuf>,
    /// Whether to wait for the chain.
    pub is_waiting: bool,
    timeout: Duration,
}

/// Where a node listens unless its configuration says otherwise.
const RPC_DEFAULT: &str = "http://127.0.0.1:1234";

impl Context {
    /// # Errors
    /// When there is no home folder to speak of.
    pub fn new(global: GlobalArgs) -> Result<Self, CliError> {
        let root = match global.home {
            Some(root) => root,
            None => std::env::home_dir()
                .ok_or_else(|| CliError::usage("there is no home directory; name the node's folder with --home DIR"))?
                .join(".subnet"),
        };
        Ok(Self {
            output: Output { is_json: global.json },
            home: Home::new(root),
            rpc: global.rpc,
            identity: global.identity,
            password_file: global.password_file,
            is_waiting: !global.no_wait,
            timeout: Duration::from_secs(global.timeout),
        })
    }

    /// The configuration, when the home has one.
    ///
    /// # Errors
    /// When there is one but it is wrong.
    pub fn config(&self) -> Result<Option<Config>, CliError> {
        let path = self.home.config();
        if path.exists() { Ok(Some(Config::load(&path)?)) } else { Ok(None) }
    }

    /// The node to talk to.
    ///
    /// # Errors
    /// When its address is unusable.
    pub fn client(&self) -> Result<Client, CliError> {
        // Whoever names a node does not need a home.
        if let Some(url) = &self.rpc {
            return Ok(Client::connect(url)?);
        }
        let url = match self.config()? {
            Some(config) => format!("http://{}", reachable(config.rpc.listen)),
            None => RPC_DEFAULT.to_owned(),
        };
        Ok(Client::connect(&url)?)
    }

    /// The chain to sign for, where the caller named it.
    pub fn identity(&self) -> Option<ChainIdentity> {
        self.identity
    }

    /// An account on the node's chain, ready to send.
    ///
    /// # Errors
    /// When the key cannot be opened or the node not be asked.
    pub async fn sender(&self, args: &SenderArgs) -> Result<Sender, CliError> {
        let client = self.client()?;
        // Before the password is asked for: whoever types it should not learn afterwards that there is no node.
        let actual = client.info().await?.identity;
        let key = self.account(&args.from)?;
        let sender = match self.identity {
            Some(expected) if expected != actual => Sender::for_chain(client, key, expected).await?,
            _ => Sender::with_identity(client, key, actual),
        };
        Ok(sender.fee_max(args.fee_max.clone()))
    }

    /// The account key that a person named.
    ///
    /// # Errors
    /// When there is none, or it cannot be opened.
    pub fn account(&self, name: &str) -> Result<AccountKey, CliError> {
        let path = self.key_path(name)?;
        Ok(keystore::load(&path, &self.password()?)?.into_account(&path)?)
    }

    /// The file of the key that a person named: a path, or a name in the keystore.
    ///
    /// # Errors
    /// When it is no name.
    pub fn key_path(&self, name: &str) -> Result<PathBuf, CliError> {
        if name.contains('/') {
            return Ok(PathBuf::from(name));
        }
        self.new_key_path(name)
    }

    /// The file of a key that is made. It belongs into the keystore, so a path is no name for it.
    ///
    /// # Errors
    /// When it is no name.
    pub fn new_key_path(&self, name: &str) -> Result<PathBuf, CliError> {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || !name.chars().all(is_name) {
            let expected = "a key's name has letters, digits, '-' and '_'";
            return Err(CliError::usage(format!("{expected}, got {name:?}")));
        }
        Ok(self.home.keys().join(format!("{name}.json")))
    }

    /// The password of existing keys.
    ///
    /// # Errors
    /// When there is none to be had.
    pub fn password(&self) -> Result<Password, CliError> {
        Ok(self.password_source()?.read()?)
    }

    /// The password for new keys.
    ///
    /// # Errors
    /// When there is none to be had.
    pub fn new_password(&self) -> Result<Password, CliError> {
        Ok(self.password_source()?.choose()?)
    }

    fn password_source(&self) -> Result<PasswordSource, CliError> {
        let mut file = self.password_file.clone();
        if file.is_none() && std::env::var_os(keystore::PASSWORD_VARIABLE).is_none() {
            file = self.config()?.and_then(|config| config.keys.password_file);
        }
        Ok(PasswordSource { file, may_prompt: !self.output.is_json })
    }

    /// The password of existing keys, where it is to be had without a question.
    ///
    /// # Errors
    /// When it is given but cannot be read.
    pub fn password_given(&self, config: Option<&Config>) -> Result<Option<Password>, PasswordError> {
        let mut file = self.password_file.clone();
        if file.is_none() && std::env::var_os(keystore::PASSWORD_VARIABLE).is_none() {
            file = config.and_then(|config| config.keys.password_file.clone());
        }
        match (PasswordSource { file, may_prompt: false }).read() {
            Ok(password) => Ok(Some(password)),
            Err(PasswordError::Nowhere) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The password file that was named for this call.
    pub fn password_file(&self) -> Option<&Path> {
        self.password_file.as_deref()
    }

    /// How long and how often to ask.
    pub fn wait_options(&self) -> WaitOptions {
        WaitOptions { timeout: self.timeout, ..WaitOptions::default() }
    }
}

/// An address to connect to where a server listens on every interface.
pub(super) fn reachable(listen: std::net::SocketAddr) -> std::net::SocketAddr {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        other => other,
    };
    SocketAddr::new(ip, listen.port())
}
