//! The database and the invariants of the latest state in it, whether the node runs or not.

use std::path::Path;

use fvm_exec::{ExecError, StateView};
use fvm_shared::ActorID;
use fvm_shared::econ::TokenAmount;
use subnet_types::actors::GATEWAY_ID;
use subnet_types::genesis::mint_reserve;
use subnet_types::{ChainIdentity, Genesis, Height};

use super::Check;
use crate::home::Home;
use crate::storage::{MemoryLimits, Store, StoreError};

const REPORT: &str = "keep a copy of the home and report it: a state that breaks its invariants is a bug in the actors or a damaged disk";

pub(super) fn check(home: &Home, genesis: &Genesis, is_running: bool, checks: &mut Vec<Check>) {
    const NAME: &str = "database";
    let path = home.database();
    if !path.exists() {
        checks.push(Check::skipped(NAME, "there is none yet; the first `run` makes it"));
        return;
    }
    match latest(home, genesis, is_running) {
        Ok(Some((store, height, root))) => {
            checks.push(Check::good(NAME, format!("{} at height {height}", path.display())));
            checks.push(invariants(&store, genesis, &root));
        }
        Ok(None) => checks.push(Check::good(NAME, "empty")),
        Err(error) => {
            let advice =
                "if another process holds it, end that one; if it is damaged, move it away: the node syncs anew";
            checks.push(Check::bad(NAME, error.to_string(), advice));
        }
    }
}

fn latest(home: &Home, genesis: &Genesis, is_running: bool) -> Result<Option<(Store, Height, cid::Cid)>, StoreError> {
    let (path, identity) = (home.database(), genesis.identity());
    let store =
        if is_running { observe(&path, &identity)? } else { Store::open(&path, &identity, MemoryLimits::default())? };
    let Some(height) = store.head()? else { return Ok(None) };
    let results = store.results(height)?;
    Ok(results.map(|results| (store, height, results.state_root)))
}

/// A look beside the running node. The folder that RocksDB wants for it is gone again when this returns: the log in
/// it is open already, and nobody reads it.
fn observe(path: &Path, identity: &ChainIdentity) -> Result<Store, StoreError> {
    let scratch = std::env::temp_dir().join(format!("subnet-doctor-{}", std::process::id()));
    let store = Store::observe(path, &scratch, identity);
    let _ = std::fs::remove_dir_all(&scratch);
    store
}

fn invariants(store: &Store, genesis: &Genesis, root: &cid::Cid) -> Check {
    const NAME: &str = "invariants";
    match violations(store, genesis, root) {
        Ok((violations, actors)) if violations.is_empty() => {
            Check::good(NAME, format!("hold for the supply, the gateway and {actors} checkpoint actors"))
        }
        Ok((violations, _)) => Check::bad(NAME, violations.join("; "), REPORT),
        Err(error) => Check::bad(NAME, format!("the state cannot be read: {error}"), REPORT),
    }
}

/// Everything that does not hold, and how many checkpoint actors were looked at.
fn violations(store: &Store, genesis: &Genesis, root: &cid::Cid) -> Result<(Vec<String>, usize), ExecError> {
    let view = StateView::new(store, root)?;
    let mut found = Vec::new();
    let (total, expected) = (view.total()?, supply(genesis));
    if total != expected {
        found.push(format!("all balances sum to {} attoFIL, genesis made {}", total.atto(), expected.atto()));
    }
    let gateway = view.gateway()?;
    let named = |id: ActorID, violation: &str| format!("f0{id}: {violation}");
    for violation in gateway_actor::invariants::check(&gateway, store, &view.balance(GATEWAY_ID)?) {
        found.push(named(GATEWAY_ID, &violation.0));
    }
    let children = match gateway.children(store) {
        Ok(children) => children,
        Err(error) => {
            found.push(named(GATEWAY_ID, &format!("children: {error}")));
            return Ok((found, 0));
        }
    };
    let count = children.len();
    for (id, _) in children {
        match view.checkpoint(id)? {
            Some(state) => {
                for violation in checkpoint_actor::invariants::check(&state, store, &view.balance(id)?) {
                    found.push(named(id, &violation.0));
                }
            }
            None => found.push(named(id, "is a child of the gateway but no checkpoint actor")),
        }
    }
    Ok((found, count))
}

/// Nothing is made or lost after genesis: minting moves value out of a reserve and burning into an account.
fn supply(genesis: &Genesis) -> TokenAmount {
    if genesis.subnet.is_root() { genesis.balances.iter().map(|entry| &entry.balance).sum() } else { mint_reserve() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::tests::world::{Node, root};
    use crate::cli::doctor::Verdict;

    #[tokio::test]
    async fn database_is_checked_while_the_node_has_it_open() {
        let node = Node::new(root());
        node.step().await;
        let (home, genesis) = (Home::new(node.folder.path()), &node.content.genesis);
        let mut checks = Vec::new();
        check(&home, genesis, true, &mut checks);
        let good: Vec<_> = checks.iter().map(|check| (check.name, check.verdict)).collect();
        assert_eq!(good, [("database", Verdict::Good), ("invariants", Verdict::Good)], "{checks:?}");
        assert!(checks[0].finding.contains("at height 1"), "{checks:?}");
        node.step().await;

        // Another genesis makes another total, which a test of sums must see.
        let mut other = genesis.clone();
        other.balances[0].balance += TokenAmount::from_atto(1);
        let root = node.chain().tip().results.state_root;
        let (found, _) = violations(node.chain().store(), &other, &root).unwrap();
        assert!(matches!(&found[..], [one] if one.contains("all balances sum to")), "{found:?}");
    }
}
