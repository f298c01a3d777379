//! `init`: a home that `run` can start from.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::Args;
use fvm_exec::genesis_file;
use serde::Serialize;
use subnet_types::SubnetId;

use super::context::Context;
use super::error::CliError;
use super::keys::{cost, make_missing};
use super::output::table;
use super::{files, genesis};
use crate::config::Config;

/// Options of `init`.
#[derive(Args, Debug)]
pub struct InitArgs {
    /// Genesis file to copy into the home. Default: the one that lies there, if any
    #[arg(long, value_name = "FILE")]
    genesis: Option<PathBuf>,
    /// Name of this node in logs, metrics and `Subnet.Info`
    #[arg(long, default_value = "node")]
    moniker: String,
    /// Address on which consensus and gossip listen
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    listen_ip: IpAddr,
    /// First of four consecutive ports: consensus, gossip, RPC, metrics. Default: 26656, 26657, 1234, 9100
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..=65532))]
    port_base: Option<u16>,
    /// Consensus address of another validator; repeatable
    #[arg(long = "consensus-peer", value_name = "IP:PORT")]
    consensus_peers: Vec<SocketAddr>,
    /// Gossip address of another node; repeatable
    #[arg(long = "gossip-peer", value_name = "IP:PORT")]
    gossip_peers: Vec<SocketAddr>,
    /// RPC address of a node of the parent; repeatable. A subnet's node needs one
    #[arg(long = "parent", value_name = "URL")]
    parents: Vec<String>,
    /// Encrypt new keys so cheaply that the password protects nothing; for devnets
    #[arg(long)]
    devnet_kdf: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Initialized {
    home: PathBuf,
    config: PathBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    subnet: Option<SubnetId>,
    new_keys: Vec<&'static str>,
    rpc: SocketAddr,
}

impl InitArgs {
    pub(super) fn run(self, context: &Context) -> Result<(), CliError> {
        let home = &context.home;
        if home.config().exists() {
            return Err(CliError::failure(format!("{} exists already", home.config().display()))
                .hint("edit it, or choose another folder with --home DIR"));
        }
        let subnet = self.genesis(context)?;
        let config = self.config(context)?;
        config.check()?;
        let is_child = subnet.as_ref().is_some_and(|subnet| !subnet.is_root());
        if is_child && config.parent.endpoints.is_empty() {
            context.output.note("note: name nodes of the parent in config.toml ([parent] endpoints) before `run`");
        }
        let needs_keys = crate::home::KeyName::ALL.into_iter().any(|name| !home.key(name).exists());
        let new_keys =
            if needs_keys { make_missing(home, &context.new_password()?, cost(self.devnet_kdf))? } else { Vec::new() };
        files::write_new(&home.config(), config.render().as_bytes())?;
        let done = Initialized {
            home: home.root().to_owned(),
            config: home.config(),
            subnet,
            new_keys,
            rpc: config.rpc.listen,
        };
        context.output.result(&done, || done.text());
        Ok(())
    }

    /// Copies the genesis file, or looks at the one that is there.
    fn genesis(&self, context: &Context) -> Result<Option<SubnetId>, CliError> {
        let path = context.home.genesis();
        if let Some(source) = &self.genesis {
            let document = genesis::load(source)?;
            let bytes = files::read_bounded(source, genesis_file::GENESIS_FILE_BYTES_MAX)?;
            files::write_new(&path, &bytes)?;
            return Ok(Some(document.subnet));
        }
        if path.exists() { Ok(Some(genesis::load(&path)?.subnet)) } else { Ok(None) }
    }

    fn config(&self, context: &Context) -> Result<Config, CliError> {
        let mut config = Config::new(&self.moniker);
        let ports = match self.port_base {
            Some(base) => [base, base + 1, base + 2, base + 3],
            None => [&config.consensus.listen, &config.gossip.listen, &config.rpc.listen, &config.metrics.listen]
                .map(SocketAddr::port),
        };
        config.consensus.listen = SocketAddr::new(self.listen_ip, ports[0]);
        config.gossip.listen = SocketAddr::new(self.listen_ip, ports[1]);
        // RPC and metrics have no login: they stay on loopback until somebody decides otherwise.
        config.rpc.listen.set_port(ports[2]);
        config.metrics.listen.set_port(ports[3]);
        config.consensus.peers = self.consensus_peers.clone();
        config.gossip.peers = self.gossip_peers.clone();
        config.parent.endpoints = self.parents.clone();
        if let Some(path) = context.password_file() {
            let absolute = std::path::absolute(path).map_err(|error| CliError::file("use", path, error))?;
            config.keys.password_file = Some(absolute);
        }
        Ok(config)
    }
}

impl Initialized {
    fn text(&self) -> String {
        let subnet = self.subnet.as_ref().map_or_else(|| "none yet".to_owned(), ToString::to_string);
        let keys = if self.new_keys.is_empty() { "none, all were there".to_owned() } else { self.new_keys.join(", ") };
        let rows = [
            ("home", self.home.display().to_string()),
            ("settings", self.config.display().to_string()),
            ("chain", subnet),
            ("new keys", keys),
            ("rpc", format!("http://{}", self.rpc)),
        ];
        let next = if self.subnet.is_some() {
            "next: check with `subnet-node doctor`, start with `subnet-node run`"
        } else {
            "next: put the chain's genesis file into the home, then `subnet-node run`"
        };
        format!("{}\n\n{next}", table(&rows))
    }
}
