//! What other nodes say: this home's own node when it runs, and the parent's.

use std::time::Duration;

use client::api::{ChildStatus, SubnetInfo};
use client::{Client, ClientOptions, RpcError};
use subnet_types::{Genesis, SubnetId};
use tokio::time::Instant;

use super::{Check, clock};
use crate::config::Config;

/// How long one question may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Block intervals without a block after which a chain is called standing. Rounds that fail take several.
const INTERVALS_STANDING: u64 = 30;

/// Block intervals for which a chain is watched, to see whether it moves.
const INTERVALS_WATCHED: u64 = 3;
/// But no longer than this.
const WATCH_TIME_MAX: Duration = Duration::from_secs(6);
/// Pause between two looks.
const WATCH_PAUSE: Duration = Duration::from_millis(200);

/// What a node says of itself, after some time of watching.
#[derive(Debug)]
pub(super) struct Sight {
    /// The last answer.
    pub(super) info: SubnetInfo,
    /// This machine's clock then.
    pub(super) at_ms: u64,
    /// Whether a block came meanwhile.
    pub(super) is_moving: bool,
}

pub(super) fn connect(url: &str) -> Result<Client, RpcError> {
    Client::connect_with(url, ClientOptions { timeout: TIMEOUT, ..ClientOptions::default() })
}

/// Asks a node until its chain has moved on, for some block intervals at most.
async fn watch(url: &str) -> Result<Sight, RpcError> {
    let client = connect(url)?;
    let first = client.info().await?;
    let interval = Duration::from_millis(first.block_interval_ms.saturating_mul(INTERVALS_WATCHED));
    let deadline = Instant::now() + interval.min(WATCH_TIME_MAX);
    let mut last = first.clone();
    while last.height == first.height && Instant::now() < deadline {
        tokio::time::sleep(WATCH_PAUSE).await;
        last = client.info().await?;
    }
    Ok(Sight { is_moving: last.height > first.height, info: last, at_ms: clock::now_ms() })
}

/// Whether this home's node runs, and how it does.
pub(super) async fn node(config: &Config, genesis: Option<&Genesis>, checks: &mut Vec<Check>) -> bool {
    const NAME: &str = "node";
    let url = format!("http://{}", crate::cli::context::reachable(config.rpc.listen));
    let sight = match watch(&url).await {
        Ok(sight) => sight,
        Err(RpcError::Unreachable { .. }) => {
            checks.push(Check::skipped(NAME, format!("does not run (nothing answers at {url})")));
            return false;
        }
        Err(error) => {
            let advice = "another program may hold the RPC port: see `ss -ltnp`, or change rpc.listen";
            checks.push(Check::bad(NAME, error.to_string(), advice));
            return false;
        }
    };
    if let Some(genesis) = genesis.filter(|genesis| genesis.identity() != sight.info.identity) {
        let (actual, expected) = (sight.info.identity, genesis.identity());
        let finding = format!("{url} answers for chain {actual}, this home is of {expected}");
        checks.push(Check::bad(NAME, finding, "another node holds the RPC port: change rpc.listen in config.toml"));
        return false;
    }
    checks.push(progress(NAME, &sight));
    checks.push(clock::check(&sight, "this chain"));
    true
}

/// A node that catches up gets blocks, if old ones; a chain that gets none for long stands.
fn progress(name: &'static str, sight: &Sight) -> Check {
    let info = &sight.info;
    let peers = format!("{} consensus peers, {} gossip peers", info.consensus_peers, info.mempool_peers);
    let at = format!("runs at height {}, {peers}", info.height);
    let age = sight.at_ms.saturating_sub(info.timestamp_ms.get());
    if age <= INTERVALS_STANDING.saturating_mul(info.block_interval_ms) {
        return Check::good(name, at);
    }
    if sight.is_moving {
        return Check::warning(name, format!("{at}, catching up"), "wait; it votes once it is there");
    }
    let finding = format!("{at}; the last block is {} s old and no other comes", age / 1000);
    Check::bad(name, finding, "more than 1/3 of the power is away, or this node is cut off: check the peers")
}

/// Whether the endpoints of the parent answer, and for the right chain.
pub(super) async fn parent(config: &Config, genesis: &Genesis, checks: &mut Vec<Check>) {
    const NAME: &str = "parent";
    let Some(anchor) = &genesis.parent else { return };
    if config.parent.endpoints.is_empty() && config.checkpoint.is_submitter {
        let advice = "name an RPC address of a parent node in config.toml, [parent] endpoints";
        checks.push(Check::bad(NAME, "no endpoint is configured to submit checkpoints to", advice));
    } else if config.parent.endpoints.is_empty() {
        checks.push(Check::good(NAME, "no endpoint: peers, files and other validators bring proofs, others submit"));
    }
    for url in &config.parent.endpoints {
        match watch(url).await {
            Ok(sight) if sight.info.identity != anchor.identity => {
                let finding = format!("{url} is on chain {}, the parent is {}", sight.info.identity, anchor.identity);
                checks.push(Check::bad(NAME, finding, "name a node of the parent in config.toml, [parent] endpoints"));
            }
            Ok(sight) => {
                let (height, subnet) = (sight.info.height, &sight.info.subnet);
                checks.push(Check::good(NAME, format!("{url} is at height {height} of {subnet}")));
                checks.push(clock::check(&sight, "the parent"));
                // What cannot be asked is not judged: the check above has told about the endpoint.
                if let Ok(status) = ask_child(url, &genesis.subnet).await {
                    checks.extend(ending(&status));
                }
            }
            Err(error) => {
                let advice = "start that node or name another: without its parent a subnet gets no messages down";
                checks.push(Check::bad(NAME, error.to_string(), advice));
            }
        }
    }
}

async fn ask_child(url: &str, subnet: &SubnetId) -> Result<ChildStatus, RpcError> {
    connect(url)?.child_status(subnet).await
}

/// What the parent says of this subnet's end, when there is anything to say.
fn ending(status: &ChildStatus) -> Option<Check> {
    const NAME: &str = "end";
    match (status.exit_height, status.notice_height, status.exit_from) {
        (Some(height), ..) => {
            let finding = format!("the parent ended this subnet at its height {height}; it settles nothing any more");
            Some(Check::bad(NAME, finding, "claim on the parent: `subnet-node subnet claim --help`"))
        }
        (None, Some(height), Some(from)) => {
            let finding = format!("notice was given at height {height}; anyone can end this subnet from {from} on");
            Some(Check::warning(NAME, finding, "release what you have here before that: `subnet-node cross release`"))
        }
        _ => None,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::cli::doctor::Verdict;

    const CID: &str = "bafy2bzaceaa466o2jfc4g4ggrmtf55ygigvkmxvkr5mvhy4qbwlxetbmlkqjk";

    /// A chain with blocks of a second, of which the last was made `age_s` seconds ago.
    pub(in crate::cli::doctor) fn sight(age_s: i64, is_moving: bool) -> Sight {
        let at_ms = 1_700_000_000_000;
        let info = serde_json::from_value(serde_json::json!({
            "subnet": "/r31415926", "identity": "01".repeat(32), "genesis": {"/": CID}, "moniker": "alice",
            "version": "0.1.0", "height": 9, "blockId": {"/": CID}, "timestampMs": 1_700_000_000_000 - age_s * 1000,
            "blockIntervalMs": 1000, "blockGasLimit": 1_000_000_000, "checkpointPeriodBlocks": 10,
            "signatures": "bound", "bundle": {"/": CID}, "checkpointCode": {"/": CID}, "isSyncing": false,
            "consensusListen": [], "mempoolListen": [], "consensusPeers": 3, "mempoolPeers": 3, "mempoolMessages": 0,
        }));
        Sight { info: info.unwrap(), at_ms, is_moving }
    }

    #[test]
    fn chain_that_stands_is_not_called_catching_up() {
        // Each row: age of the last block in seconds, whether another came, expected.
        for (age, is_moving, expected) in [
            (2, true, Verdict::Good),
            (29, false, Verdict::Good),
            (3600, true, Verdict::Warning),
            (3600, false, Verdict::Bad),
        ] {
            let check = progress("node", &sight(age, is_moving));
            assert_eq!(check.verdict, expected, "{age} s: {check:?}");
        }
    }

    #[tokio::test]
    async fn nothing_that_answers_is_no_running_node() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut config = Config::new("alice");
        config.rpc.listen = listener.local_addr().unwrap();
        drop(listener);
        let mut checks = Vec::new();
        assert!(!node(&config, None, &mut checks).await);
        assert!(matches!(checks[..], [ref check] if check.verdict == Verdict::Skipped));
    }
}
