//! A hierarchy of chains, set up and started the way a person would: with the node's command line.

mod child;
mod root;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use futures::future::{LocalBoxFuture, try_join_all};
use fvm_shared::address::Address;
use serde_json::Value;
use subnet_types::{Height, SubnetId};

use crate::cli::{KeyFile, NodeCli, PASSWORD, PASSWORD_VARIABLE, text};
use crate::fleet::Fleet;
use crate::folder::Folder;
use crate::ports::Ports;
use crate::process::Program;
use crate::progress::{Progress, Step};
use crate::remote::Remote;
use crate::topology::{self, FAUCET, Topology};
use crate::watch::Watcher;

/// Consecutive ports of one node: consensus, gossip, RPC, metrics.
const PORTS_PER_NODE: u16 = 4;
const GOSSIP_OFFSET: u16 = 1;
const RPC_OFFSET: u16 = 2;
const METRICS_OFFSET: u16 = 3;

/// How long a node may take from its start to its first answer. Ordinary is two seconds, in which it compiles the actors;
/// with many nodes on few, busy cores it is a multiple of that.
const START_PATIENCE: Duration = Duration::from_secs(300);

/// How long a new chain may take to its first block. Ordinary is a second or two after the last node's start.
const CHAIN_PATIENCE: Duration = Duration::from_secs(300);

/// How often a node that is starting is asked.
const POLL: Duration = Duration::from_millis(50);

/// Everything that runs.
pub struct Network {
    folder: Folder,
    cli: NodeCli,
    fleet: Fleet,
    ports: Ports,
    chains: Vec<Chain>,
    run_arguments: Vec<String>,
    start_max: Cell<Option<Duration>>,
}

/// What a root's genesis holds besides what its topology says.
#[derive(Clone, Debug, Default)]
pub struct Additions {
    /// Accounts and what they hold, in FIL.
    pub balances: Vec<(Address, u64)>,
    /// Another bundle of actors than the node's program has, as a CAR.
    pub bundle: Option<Vec<u8>>,
}

/// A running chain.
pub struct Chain {
    /// What the topology says of it.
    pub spec: topology::Chain,
    /// Its name.
    pub subnet: SubnetId,
    /// Its nodes, one for each validator.
    pub nodes: Vec<Node>,
    /// Its named accounts.
    pub accounts: BTreeMap<String, KeyFile>,
    /// Looks at its first node.
    pub watcher: Watcher,
}

/// One node of a chain.
#[derive(Clone, Debug)]
pub struct Node {
    /// Name, for instance `child-2`.
    pub name: String,
    /// Its home folder.
    pub home: PathBuf,
    /// Its log.
    pub log: PathBuf,
    /// The account that owns its validator.
    pub owner: KeyFile,
    /// Its RPC.
    pub remote: Remote,
    port_base: u16,
}

impl Node {
    /// Where it serves its metrics.
    pub fn metrics(&self) -> SocketAddr {
        self.address(METRICS_OFFSET)
    }

    fn address(&self, offset: u16) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port_base + offset).into()
    }
}

impl Chain {
    /// A node to ask: the first one.
    pub fn remote(&self) -> &Remote {
        &self.nodes[0].remote
    }

    /// A named account.
    ///
    /// # Errors
    /// When the topology has none of that name.
    pub fn account(&self, name: &str) -> anyhow::Result<&KeyFile> {
        self.accounts.get(name).with_context(|| format!("chain {} has no account {name:?}", self.spec.name))
    }
}

impl Network {
    /// Nothing runs yet. Nodes and keys will lie in `folder`, and `fleet` will own the processes.
    pub fn new(folder: Folder, cli: NodeCli, fleet: Fleet) -> Self {
        let (ports, chains, run_arguments) = (Ports::default(), Vec::new(), Vec::new());
        Self { folder, cli, fleet, ports, chains, run_arguments, start_max: Cell::new(None) }
    }

    /// Starts the nodes to come with further arguments of `subnet-node run`.
    pub fn run_with(&mut self, arguments: Vec<String>) {
        self.run_arguments = arguments;
    }

    /// The node's command line.
    pub fn cli(&self) -> &NodeCli {
        &self.cli
    }

    /// The running chains, the root first.
    pub fn chains(&self) -> &[Chain] {
        &self.chains
    }

    /// The chain with this name in the topology.
    ///
    /// # Errors
    /// When it does not run.
    pub fn chain(&self, name: &str) -> anyhow::Result<&Chain> {
        self.chains.iter().find(|chain| chain.spec.name == name).with_context(|| format!("chain {name:?} does not run"))
    }

    /// Sets up and starts a whole topology, parents before children.
    ///
    /// # Errors
    /// At the first thing that does not come up.
    pub async fn start(
        &mut self,
        topology: &Topology,
        additions: &Additions,
        progress: &Progress,
    ) -> anyhow::Result<()> {
        for spec in &topology.chains {
            match &spec.parent {
                None => self.start_root(spec, additions, progress).await?,
                Some(parent) => self.start_child(spec, parent, progress).await?,
            }
        }
        Ok(())
    }

    /// A home with keys for each validator of `spec`.
    async fn make_nodes(&mut self, spec: &topology::Chain) -> anyhow::Result<Vec<Node>> {
        let mut nodes = Vec::new();
        for index in 0..spec.validators {
            let name = format!("{}-{index}", spec.name);
            let home = self.folder.home(&name);
            self.cli.run(&["keys", "new", "--devnet-kdf", "--home", text(&home)?]).await?;
            let owner = self.cli.account(&home, "account").await?;
            let port_base = self.ports.take(PORTS_PER_NODE).context("finding ports")?;
            let remote = Remote::new(&name, &format!("http://127.0.0.1:{}", port_base + RPC_OFFSET))?;
            nodes.push(Node { log: self.folder.log(&name), name, home, owner, remote, port_base });
        }
        Ok(nodes)
    }

    /// Keys of the accounts that `spec` names.
    async fn make_accounts(&self, spec: &topology::Chain) -> anyhow::Result<BTreeMap<String, KeyFile>> {
        let home = self.folder.accounts(&spec.name);
        let mut accounts = BTreeMap::new();
        for account in &spec.accounts {
            accounts.insert(account.name.clone(), self.cli.new_account(&home, &account.name).await?);
        }
        Ok(accounts)
    }

    /// Writes each node's settings: whom to connect with, and where the parent's nodes are.
    async fn init(&self, nodes: &[Node], parents: &[String]) -> anyhow::Result<()> {
        for (index, node) in nodes.iter().enumerate() {
            let mut arguments =
                ["init", "--home", text(&node.home)?, "--moniker", &node.name].map(str::to_owned).to_vec();
            arguments.extend(["--port-base".to_owned(), node.port_base.to_string()]);
            for peer in nodes.iter().filter(|peer| peer.name != node.name) {
                arguments.extend(["--consensus-peer".to_owned(), peer.address(0).to_string()]);
                arguments.extend(["--gossip-peer".to_owned(), peer.address(GOSSIP_OFFSET).to_string()]);
            }
            // Each node trusts another one of the parent's most, and has the rest to fall back on.
            for offset in 0..parents.len() {
                let parent = &parents[(index + offset) % parents.len()];
                arguments.extend(["--parent".to_owned(), parent.clone()]);
            }
            self.cli.run(&arguments).await?;
        }
        Ok(())
    }

    /// Starts the nodes of a chain and waits for its first block. Returns the longest time from start to answer.
    async fn launch(&self, nodes: &[Node], step: &Step<'_>) -> anyhow::Result<Duration> {
        let mut started = Vec::new();
        for node in nodes {
            started.push((node, Instant::now()));
            let mut arguments = ["run", "--home", text(&node.home)?].map(str::to_owned).to_vec();
            arguments.extend(self.run_arguments.iter().cloned());
            self.fleet.launch(Program {
                name: node.name.clone(),
                path: self.cli.program().to_owned(),
                arguments,
                environment: vec![(PASSWORD_VARIABLE.to_owned(), PASSWORD.to_owned())],
                log: node.log.clone(),
            })?;
        }
        let waits = started.into_iter().map(|(node, started)| self.answered(node, started, step));
        let answered = try_join_all(waits).await?.into_iter().max().unwrap_or_default();
        let wait = Wait { height: Height::new(1), patience: CHAIN_PATIENCE, step };
        try_join_all(nodes.iter().map(|node| wait.for_node(&node.remote))).await?;
        Ok(answered)
    }

    /// Waits for the first answer of a node that was `started`. Returns how long it took.
    async fn answered(&self, node: &Node, started: Instant, step: &Step<'_>) -> anyhow::Result<Duration> {
        let wait = Wait { height: Height::GENESIS, patience: START_PATIENCE, step };
        wait.for_node(&node.remote).await?;
        let took = started.elapsed();
        self.start_max.set(self.start_max.get().max(Some(took)));
        Ok(took)
    }

    /// The longest time that any node took from its start to its first answer; `None` before the first.
    pub fn start_max(&self) -> Option<Duration> {
        self.start_max.get()
    }

    /// Kills a node as a power cut would.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill_hard(&self, node: &Node) -> anyhow::Result<()> {
        self.fleet.kill_hard(&node.name)
    }

    /// Starts a node again and waits until it answers.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn restart(&self, node: &Node, step: &Step<'_>) -> anyhow::Result<Duration> {
        let started = Instant::now();
        self.fleet.start(&node.name)?;
        self.answered(node, started, step).await
    }

    /// The most memory that any node ever had resident, in bytes.
    pub fn memory_max(&self) -> u64 {
        self.fleet.memory_max()
    }

    fn faucet(&self) -> anyhow::Result<&KeyFile> {
        self.chains.first().context("the root runs first")?.account(FAUCET)
    }

    /// Gives `to` value on chain `name`, out of the root's faucet. Value on a subnet comes down through every level
    /// above.
    fn give<'a>(&'a self, name: &'a str, to: &'a KeyFile, fil: u64) -> LocalBoxFuture<'a, anyhow::Result<()>> {
        // What the faucet keeps on a level in between, to pay for passing the rest on.
        const GAS_FIL: u64 = 5;
        Box::pin(async move {
            let (chain, faucet) = (self.chain(name)?, self.faucet()?);
            let amount = format!("{fil} FIL");
            let Some(parent) = &chain.spec.parent else {
                let (to, rpc) = (to.address.to_string(), chain.remote().url());
                self.command(&["send", &to, &amount, "--from", faucet.argument()?, "--rpc", rpc]).await?;
                return Ok(());
            };
            if self.chain(parent)?.spec.parent.is_some() {
                self.give(parent, faucet, fil + GAS_FIL).await?;
            }
            self.fund(self.chain(parent)?, chain, faucet, to, &amount).await
        })
    }

    /// Sends value from an account on `from` to one on its child `to`, and waits until it is there.
    async fn fund(
        &self,
        from: &Chain,
        to: &Chain,
        sender: &KeyFile,
        receiver: &KeyFile,
        amount: &str,
    ) -> anyhow::Result<()> {
        let (subnet, receiver) = (to.subnet.to_string(), receiver.address.to_string());
        let (from_rpc, to_rpc) = (from.remote().url(), to.remote().url());
        self.command(&[
            "cross",
            "fund",
            &subnet,
            amount,
            "--to",
            &receiver,
            "--from",
            sender.argument()?,
            "--rpc",
            from_rpc,
            "--to-rpc",
            to_rpc,
        ])
        .await?;
        Ok(())
    }

    /// Runs a command that uses no node's home.
    ///
    /// # Errors
    /// When it fails.
    pub async fn command(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        let home = self.folder.path().join("accounts");
        // Commands look for a home even where they need none; this one is the testnet's own.
        self.cli.run(&[arguments, &["--home", text(&home)?]].concat()).await
    }

    /// As [`Self::command`], where a failure is an answer too.
    ///
    /// # Errors
    /// When it cannot be run or prints no JSON.
    pub async fn outcome(&self, arguments: &[&str]) -> anyhow::Result<(i32, Value)> {
        let home = self.folder.path().join("accounts");
        self.cli.outcome(&[arguments, &["--home", text(&home)?]].concat()).await
    }

    /// Every edge between two running chains: parent and child.
    pub fn edges(&self) -> impl Iterator<Item = (&Chain, &Chain)> {
        self.chains.iter().filter_map(|child| {
            let name = child.spec.parent.as_ref()?;
            Some((self.chain(name).ok()?, child))
        })
    }
}

/// What a node has to reach, and until when.
struct Wait<'a> {
    height: Height,
    patience: Duration,
    /// Where to say what is waited for.
    step: &'a Step<'a>,
}

impl Wait<'_> {
    /// Waits until the node answers and its chain has reached the height.
    async fn for_node(&self, remote: &Remote) -> anyhow::Result<()> {
        let started = Instant::now();
        loop {
            let last = match remote.height().await {
                Ok(actual) if actual >= self.height => return Ok(()),
                Ok(actual) => format!("it is at height {actual}"),
                Err(error) => error.to_string(),
            };
            let waited = started.elapsed();
            if waited > self.patience {
                let (height, seconds) = (self.height, self.patience.as_secs());
                bail!("{} is not at height {height} after {seconds} s; last: {last}", remote.name());
            }
            self.step.note(&format!("waiting for {} since {} s", remote.name(), waited.as_secs()));
            tokio::time::sleep(POLL).await;
        }
    }
}
