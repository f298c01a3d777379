//! A node as a whole: a root of one validator, from its genesis over two stops.

#![allow(clippy::unwrap_used)]

use std::ffi::OsString;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use client::Client;
use client::api::SubnetInfo;
use subnet_node::cli;
use subnet_node::config::Config;
use subnet_node::home::Home;
use subnet_node::node::{NodeError, Overrides, run_until};
use subnet_types::Height;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// What the test waits for something at most: a busy machine compiles the actors for half a minute.
const PATIENCE: Duration = Duration::from_secs(180);

fn command(home: &Path, arguments: &[&str]) {
    let password = home.join("../password");
    let global = ["subnet-node".into(), "--home".into(), home.into(), "--password-file".into(), password.into()];
    let all = global.into_iter().chain(arguments.iter().map(OsString::from));
    assert_eq!(cli::main(all), ExitCode::SUCCESS, "{arguments:?}");
}

/// A home whose node is the only validator of a new root.
fn prepare(folder: &Path) -> (Home, Config) {
    std::fs::write(folder.join("password"), "of a test\n").unwrap();
    let (root, homes) = (folder.join("node-0"), folder.to_str().unwrap());
    let new = ["genesis", "new", "--chain-id", "7", "--block-interval-ms", "200", "--generate", "1", "--homes", homes];
    std::fs::create_dir_all(&root).unwrap();
    command(&root, &[&new[..], &["--devnet-kdf", "--out", &format!("{homes}/genesis.car")]].concat());
    command(&root, &["init"]);
    let home = Home::new(root);
    let mut config = Config::load(&home.config()).unwrap();
    let ports = [(); 4].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    let [consensus, gossip, rpc, metrics] = ports.each_ref().map(|port| port.local_addr().unwrap());
    config.consensus.listen = consensus;
    config.gossip.listen = gossip;
    config.rpc.listen = rpc;
    config.metrics.listen = metrics;
    config.log.filter = "warn".to_owned();
    std::fs::write(home.config(), config.render()).unwrap();
    (home, config)
}

struct Running {
    client: Client,
    stop: CancellationToken,
    node: JoinHandle<Result<(), NodeError>>,
}

impl Running {
    fn start(home: &Home, config: &Config) -> Self {
        let (home, stop) = (home.clone(), CancellationToken::new());
        let until = stop.clone();
        let node = tokio::spawn(async move { run_until(&home, Overrides::default(), until).await });
        let client = Client::connect(&format!("http://{}", config.rpc.listen)).unwrap();
        Self { client, stop, node }
    }

    /// What the node says of itself once it has committed this height.
    async fn reach(&self, height: u64) -> SubnetInfo {
        let reached = async {
            loop {
                assert!(!self.node.is_finished(), "the node ended");
                match self.client.info().await {
                    Ok(info) if info.height >= Height::new(height) => return info,
                    Ok(_) | Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            }
        };
        tokio::time::timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("height {height} was not reached"))
    }

    async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.node).await.expect("a node stops").unwrap().expect("it ends well");
    }
}

#[test]
fn a_node_answers_before_it_votes_and_goes_on_from_where_it_was_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let (home, config) = prepare(folder.path());
    // Held, so that the actors are compiled once for all three starts.
    let _engine = fvm_exec::Engine::new(2).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let compiling = Running::start(&home, &config);
        assert_eq!(compiling.reach(0).await.height, Height::GENESIS, "it answers, and compiles its actors");
        compiling.stop().await;

        let first = Running::start(&home, &config);
        let before = first.reach(3).await;
        let block = first.client.block(Some(Height::new(2))).await.unwrap();
        first.stop().await;

        let second = Running::start(&home, &config);
        let after = second.reach(0).await;
        assert!(after.height >= before.height, "{} was committed before the stop", before.height);
        assert_eq!(after.identity, before.identity);
        assert_eq!(second.client.block(Some(Height::new(2))).await.unwrap(), block);
        second.reach(after.height.get() + 2).await;
        second.stop().await;
    });
}
