//! What other nodes say: this home's own node when it runs, and the parent's.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use client::api::SubnetInfo;
use client::{Client, ClientOptions, RpcError};
use subnet_types::Genesis;
use subnet_types::limits::CLOCK_DRIFT_MS_MAX;

use super::Check;
use crate::config::Config;

/// How long one question may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Block intervals without a block after which a chain is called standing. Rounds that fail take several.
const INTERVALS_STANDING: u64 = 30;

async fn ask(url: &str) -> Result<SubnetInfo, RpcError> {
    Client::connect_with(url, ClientOptions { timeout: TIMEOUT, ..ClientOptions::default() })?.info().await
}

/// Whether this home's node runs, and how it does.
pub(super) async fn node(config: &Config, genesis: Option<&Genesis>, checks: &mut Vec<Check>) -> bool {
    const NAME: &str = "node";
    let url = format!("http://{}", crate::cli::context::reachable(config.rpc.listen));
    let info = match ask(&url).await {
        Ok(info) => info,
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
    if let Some(genesis) = genesis.filter(|genesis| genesis.identity() != info.identity) {
        let finding = format!("{url} answers for chain {}, this home is of {}", info.identity, genesis.identity());
        checks.push(Check::bad(NAME, finding, "another node holds the RPC port: change rpc.listen in config.toml"));
        return false;
    }
    checks.push(progress(NAME, &info));
    checks.push(clock("clock", &info, "this chain"));
    true
}

fn progress(name: &'static str, info: &SubnetInfo) -> Check {
    let peers = format!("{} consensus peers, {} gossip peers", info.consensus_peers, info.mempool_peers);
    let at = format!("runs at height {}, {peers}", info.height);
    let age = now_ms().saturating_sub(info.timestamp_ms.get());
    if info.is_syncing {
        return Check::warning(name, format!("{at}, catching up"), "wait; it votes once it is there");
    }
    if age > INTERVALS_STANDING * info.block_interval_ms {
        let finding = format!("{at}; the last block is {} s old", age / 1000);
        return Check::bad(
            name,
            finding,
            "more than 1/3 of the power is away, or this node is cut off: check the peers",
        );
    }
    Check::good(name, at)
}

/// Blocks carry their proposers' clocks, so a last block from the future means that this clock is behind. A last block
/// from the past says nothing: the chain may stand.
fn clock(name: &'static str, info: &SubnetInfo, whose: &str) -> Check {
    let now = now_ms();
    let (ahead, behind) = (info.timestamp_ms.get().saturating_sub(now), now.saturating_sub(info.timestamp_ms.get()));
    if ahead > CLOCK_DRIFT_MS_MAX {
        let finding = format!("this clock is {} s behind the last block of {whose}", ahead / 1000);
        return Check::bad(name, finding, "set the clock (NTP): a node refuses blocks from its future");
    }
    Check::good(name, format!("the last block of {whose} is {behind} ms old"))
}

/// Whether the endpoints of the parent answer, and for the right chain.
pub(super) async fn parent(config: &Config, genesis: &Genesis, checks: &mut Vec<Check>) {
    const NAME: &str = "parent";
    let Some(anchor) = &genesis.parent else { return };
    if config.parent.endpoints.is_empty() {
        let advice = "name an RPC address of a parent node in config.toml, [parent] endpoints";
        checks.push(Check::bad(NAME, "no endpoint is configured", advice));
    }
    for url in &config.parent.endpoints {
        match ask(url).await {
            Ok(info) if info.identity != anchor.identity => {
                let finding = format!("{url} is on chain {}, the parent is {}", info.identity, anchor.identity);
                checks.push(Check::bad(NAME, finding, "name a node of the parent in config.toml, [parent] endpoints"));
            }
            Ok(info) => {
                checks.push(Check::good(NAME, format!("{url} is at height {} of {}", info.height, info.subnet)));
                checks.push(clock("clock", &info, "the parent"));
            }
            Err(error) => {
                let advice = "start that node or name another: without its parent a subnet gets no messages down";
                checks.push(Check::bad(NAME, error.to_string(), advice));
            }
        }
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
