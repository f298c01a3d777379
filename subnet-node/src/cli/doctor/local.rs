//! What can be checked on this machine alone: settings, genesis file, keys, disk, ports.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use client::keystore::{self, KeystoreError, Password, PasswordError};
use fvm_exec::genesis_file;
use nix::sys::statvfs::statvfs;
use subnet_types::Genesis;

use super::Check;
use crate::cli::files;
use crate::config::Config;
use crate::home::{Home, KeyName};

/// Free space below which a node stops being able to write soon.
const DISK_BYTES_BAD: u64 = 512 << 20;
/// Free space below which somebody should make plans.
const DISK_BYTES_LOW: u64 = 5 << 30;

pub(super) fn config(home: &Home, checks: &mut Vec<Check>) -> Option<Config> {
    const NAME: &str = "config";
    match Config::load(&home.config()) {
        Ok(config) => {
            checks.push(Check::good(NAME, format!("{} of {:?}", home.config().display(), config.moniker)));
            Some(config)
        }
        Err(error) => {
            let advice = if home.config().exists() {
                "correct the field, or move the file away and run `subnet-node init`"
            } else {
                "`subnet-node init` writes one; --home DIR names another folder"
            };
            checks.push(Check::bad(NAME, error.to_string(), advice));
            None
        }
    }
}

pub(super) fn genesis(home: &Home, checks: &mut Vec<Check>) -> Option<Genesis> {
    let path = home.genesis();
    let advice = "get the chain's genesis file from another validator, or for a child with `genesis from-parent`";
    let bytes = match files::read_bounded(&path, genesis_file::GENESIS_FILE_BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(error) => {
            checks.push(Check::bad("genesis", error.message, advice));
            return None;
        }
    };
    match genesis_file::read(&bytes) {
        Ok((genesis, blocks)) => {
            checks.push(Check::good("genesis", format!("{} with identity {}", genesis.subnet, genesis.identity())));
            let bundle = genesis.chain.bundle;
            // Reading has checked every block's hash and that the bundle is complete; here only whose it is matters.
            let origin = if bundle == actor_bundle::manifest_cid() {
                "the one of this program"
            } else {
                "not the one of this program; the chain's own is used"
            };
            checks.push(Check::good("bundle", format!("{bundle} in {} blocks: {origin}", blocks.len())));
            Some(genesis)
        }
        Err(error) => {
            checks.push(Check::bad("genesis", format!("{}: {error}", path.display()), advice));
            None
        }
    }
}

pub(super) fn keys(home: &Home, config: Option<&Config>, genesis: Option<&Genesis>, checks: &mut Vec<Check>) {
    const NAME: &str = "keys";
    let is_child = genesis.is_some_and(|genesis| !genesis.subnet.is_root());
    let is_submitter = config.is_none_or(|config| config.checkpoint.is_submitter);
    for name in KeyName::ALL {
        let is_needed = match name {
            KeyName::Vote | KeyName::P2p => true,
            KeyName::Checkpoint => is_child,
            KeyName::Account => is_child && is_submitter,
        };
        let path = home.key(name);
        if !path.exists() {
            if is_needed {
                let finding = format!("{} is missing", path.display());
                checks.push(Check::bad(NAME, finding, "`subnet-node keys new` makes what is missing"));
            }
            continue;
        }
        if let Err(error) = keystore::public_part(&path) {
            checks.push(Check::bad(NAME, error.to_string(), "restore it from a copy; without it the key is lost"));
        } else if let Some(mode) = open_to_others(&path) {
            let error = KeystoreError::Open { path: path.clone(), mode };
            checks.push(Check::bad(NAME, error.to_string(), format!("chmod 600 {}", path.display())));
        }
    }
    if !checks.iter().any(|check| check.name == NAME) {
        checks.push(Check::good(NAME, role(home, genesis)));
    }
}

/// Whether the password, where it is given, opens the keys that are there. Deriving a key takes about a second each.
pub(super) fn passwords(home: &Home, given: Result<Option<Password>, PasswordError>, checks: &mut Vec<Check>) {
    const NAME: &str = "password";
    let password = match given {
        Ok(Some(password)) => password,
        Ok(None) => {
            let finding = "none is given: set keys.password_file or SUBNET_PASSWORD, or `run` asks on the terminal";
            checks.push(Check::skipped(NAME, finding));
            return;
        }
        Err(error) => {
            checks.push(Check::bad(NAME, error.to_string(), "correct keys.password_file in config.toml"));
            return;
        }
    };
    // What is missing or broken has an entry of its own.
    let paths = KeyName::ALL.map(|name| home.key(name));
    let present: Vec<_> = paths.iter().filter(|path| keystore::public_part(path).is_ok()).collect();
    let closed: Vec<String> = present
        .iter()
        .filter_map(|path| keystore::load(path, &password).err())
        .map(|error| error.to_string())
        .collect();
    checks.push(match (present.len(), closed.is_empty()) {
        (0, _) => Check::skipped(NAME, "there are no keys to open"),
        (count, true) => Check::good(NAME, format!("opens the {count} keys of this home")),
        (_, false) => Check::bad(NAME, closed.join("; "), "give the password that these keys were made with"),
    });
}

fn open_to_others(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

/// Whether the vote key is one of the first validators'. A validator that joined later is known to the chain only.
fn role(home: &Home, genesis: Option<&Genesis>) -> String {
    let vote = keystore::public_part(&home.key(KeyName::Vote)).map(|part| part.public).unwrap_or_default();
    let is_first = genesis.is_some_and(|genesis| vote.parse().is_ok_and(|key| genesis.validators.find(&key).is_some()));
    let role = if is_first { "a validator since genesis" } else { "not a validator of genesis: follows the chain" };
    format!("vote key {vote}, {role}")
}

pub(super) fn disk(home: &Home, checks: &mut Vec<Check>) {
    const NAME: &str = "disk";
    // The home may not exist yet; its nearest existing ancestor is on the disk that it will be on.
    let root = std::path::absolute(home.root()).unwrap_or_else(|_| home.root().to_owned());
    let existing = root.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    let free = match statvfs(existing) {
        Ok(stat) => stat.blocks_available().saturating_mul(stat.fragment_size()),
        Err(error) => {
            checks.push(Check::skipped(
                NAME,
                format!("cannot ask for the free space of {}: {error}", existing.display()),
            ));
            return;
        }
    };
    let finding = format!("{:.1} GiB free at {}", free as f64 / f64::from(1 << 30), existing.display());
    checks.push(match free {
        free if free < DISK_BYTES_BAD => Check::bad(NAME, finding, "free some space: a node that cannot write stops"),
        free if free < DISK_BYTES_LOW => Check::warning(NAME, finding, "plan for more: the chain grows"),
        _ => Check::good(NAME, finding),
    });
}

pub(super) fn ports(config: &Config, is_running: bool, checks: &mut Vec<Check>) {
    const NAME: &str = "ports";
    if is_running {
        checks.push(Check::skipped(NAME, "the running node holds them"));
        return;
    }
    let mut listeners = vec![
        ("consensus.listen", config.consensus.listen),
        ("gossip.listen", config.gossip.listen),
        ("rpc.listen", config.rpc.listen),
    ];
    if config.metrics.is_enabled {
        listeners.push(("metrics.listen", config.metrics.listen));
    }
    for (field, address) in &listeners {
        if let Err(error) = TcpListener::bind(address) {
            let finding = format!("{field} {address}: {error}");
            checks.push(Check::bad(NAME, finding, "end the program that holds the port, or change it in config.toml"));
        }
    }
    if !checks.iter().any(|check| check.name == NAME) {
        let list: Vec<String> = listeners.iter().map(|(_, address): &(_, SocketAddr)| address.to_string()).collect();
        checks.push(Check::good(NAME, format!("free: {}", list.join(", "))));
    }
}

#[cfg(test)]
mod tests {
    use client::keystore::KdfCost;

    use super::*;
    use crate::cli::doctor::Verdict;
    use crate::cli::keys::make_missing;

    #[test]
    fn password_is_tried_on_the_keys_that_are_there() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        let verdict = |given: Result<Option<&str>, PasswordError>| {
            let mut checks = Vec::new();
            passwords(&home, given.map(|given| given.map(|text| Password::new(text.to_owned()))), &mut checks);
            assert_eq!(checks.len(), 1);
            checks[0].verdict
        };
        assert_eq!(verdict(Ok(Some("horse"))), Verdict::Skipped, "no keys");
        make_missing(&home, "horse", KdfCost::Devnet).unwrap();
        assert_eq!(verdict(Ok(Some("horse"))), Verdict::Good);
        assert_eq!(verdict(Ok(Some("cow"))), Verdict::Bad);
        assert_eq!(verdict(Ok(None)), Verdict::Skipped);
        assert_eq!(verdict(Err(PasswordError::Variable)), Verdict::Bad);
    }
}
