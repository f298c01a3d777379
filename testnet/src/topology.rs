//! What to launch: chains, their validators and their accounts, from a small TOML file.
//!
//! The file comes from a person, so everything in it is checked before a single process starts, and every refusal
//! names the chain, the field, the value and what would be accepted.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;
use subnet_types::limits::{
    BLOCK_INTERVAL_MS_MAX, BLOCK_INTERVAL_MS_MIN, CHECKPOINT_PERIOD_BLOCKS_MAX, SUBNET_DEPTH_MAX,
};

/// Bytes of a topology file. A file with every limit used up stays far below.
pub const FILE_BYTES_MAX: u64 = 256 * 1024;

/// Chains of one topology.
pub const CHAINS_MAX: usize = 8;

/// Validators of one chain; each is a process.
pub const VALIDATORS_PER_CHAIN_MAX: usize = 16;

/// Processes of one topology. A node needs up to 400 MB, so more than this do not fit an ordinary machine.
pub const PROCESSES_MAX: usize = 64;

/// Named accounts of one chain.
pub const ACCOUNTS_PER_CHAIN_MAX: usize = 100;

/// Characters of a name; names become parts of file names.
pub const NAME_CHARS_MAX: usize = 32;

/// Highest price of an edge. A message over it then prepays well below one FIL.
pub const CROSS_GAS_PRICE_ATTO_MAX: u64 = 1_000_000_000;

/// Largest amount of FIL a topology can name, so that all accounts together stay below Filecoin's supply.
pub const BALANCE_FIL_MAX: u64 = 2_000_000;

/// The topology of `demo`, and of `up` without a file.
pub const TWO_CHAINS: &str = include_str!("../topologies/two-chains.toml");

/// The topology of `demo-deep`.
pub const DEEP: &str = include_str!("../topologies/deep.toml");

/// The name of the root account that pays for everything the launcher itself does.
pub const FAUCET: &str = "faucet";

/// Chains to launch, each after its parent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    /// Exactly one root, first.
    pub chains: Vec<Chain>,
}

/// One chain.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chain {
    /// Short name, used in file names and logs.
    pub name: String,
    /// Name of the parent; absent for the root.
    pub parent: Option<String>,
    /// Chain id of the root; absent for a subnet, whose name comes from its parent.
    pub chain_id: Option<u64>,
    /// How many validators, each a process of its own.
    pub validators: usize,
    /// Target time between blocks, in milliseconds.
    #[serde(default = "default_block_interval_ms")]
    pub block_interval_ms: u64,
    /// Blocks between checkpoints; has no effect on a root.
    #[serde(default = "default_checkpoint_period_blocks")]
    pub checkpoint_period_blocks: u64,
    /// What each validator of a subnet stakes on the parent, in whole FIL; has no effect on a root.
    #[serde(default = "default_stake_fil")]
    pub stake_fil: u64,
    /// Least fee of messages over the edge to the parent, in attoFIL for each unit of delivery gas; has no effect on a
    /// root.
    #[serde(default)]
    pub cross_gas_price_atto: u64,
    /// Accounts that hold value once the chain runs.
    #[serde(default, rename = "account")]
    pub accounts: Vec<Account>,
}

/// A named account; its key is made when the topology starts.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Short name, used in file names.
    pub name: String,
    /// What it holds at first, in whole FIL.
    pub balance_fil: u64,
}

const fn default_block_interval_ms() -> u64 {
    1000
}

const fn default_checkpoint_period_blocks() -> u64 {
    10
}

const fn default_stake_fil() -> u64 {
    10
}

/// Why a file describes nothing that can be launched.
#[derive(Debug, thiserror::Error)]
pub enum TopologyError {
    /// The file cannot be read.
    #[error("cannot read the topology {path}: {reason}")]
    Unreadable {
        /// Which file.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// The file is larger than any topology.
    #[error("the topology {path} has {actual} bytes, at most {FILE_BYTES_MAX} are allowed")]
    TooLarge {
        /// Which file.
        path: String,
        /// Its size.
        actual: u64,
    },
    /// The text is not TOML, or has a field that is missing, unknown or of another type.
    #[error("the topology does not parse; `testnet up --example` prints one that does\n{reason}")]
    Syntax {
        /// Where and what, from the parser.
        reason: String,
    },
    /// A number is outside its range.
    #[error("chain {chain:?}: {field} is {actual}, expected {min} to {max}")]
    Range {
        /// Which chain.
        chain: String,
        /// Which field.
        field: &'static str,
        /// What it is.
        actual: u64,
        /// Least.
        min: u64,
        /// Most.
        max: u64,
    },
    /// A name cannot be part of a file name, or stands twice.
    #[error("{kind} name {name:?} {problem}")]
    Name {
        /// `chain` or `account`.
        kind: &'static str,
        /// The name, cut to a readable length.
        name: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// The chains make no tree.
    #[error("chain {chain:?} {problem}")]
    Tree {
        /// Which chain.
        chain: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// The topology as a whole is empty or too large.
    #[error("the topology has {actual} {what}, expected {min} to {max}")]
    Size {
        /// What was counted.
        what: &'static str,
        /// How many there are.
        actual: usize,
        /// Least.
        min: usize,
        /// Most.
        max: usize,
    },
}

/// What stands in the file, before any check.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    chain: Vec<Chain>,
}

impl Topology {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// When it cannot be read, or what it says cannot be launched.
    pub fn load(path: &Path) -> Result<Self, TopologyError> {
        let unreadable = |error: std::io::Error| TopologyError::Unreadable {
            path: path.display().to_string(),
            reason: error.to_string(),
        };
        let actual = std::fs::metadata(path).map_err(unreadable)?.len();
        if actual > FILE_BYTES_MAX {
            return Err(TopologyError::TooLarge { path: path.display().to_string(), actual });
        }
        Self::parse(&std::fs::read_to_string(path).map_err(unreadable)?)
    }

    /// Reads and checks a text.
    ///
    /// # Errors
    /// When what it says cannot be launched.
    pub fn parse(text: &str) -> Result<Self, TopologyError> {
        let file: File = toml::from_str(text).map_err(|error| TopologyError::Syntax { reason: error.to_string() })?;
        let topology = Self { chains: file.chain };
        topology.check()?;
        Ok(topology)
    }

    /// The built-in topology, with another block interval on both chains where one is given.
    ///
    /// # Errors
    /// When the interval is outside its range.
    pub fn two_chains(block_interval_ms: Option<u64>) -> Result<Self, TopologyError> {
        Self::parse(TWO_CHAINS)?.with_interval(block_interval_ms)
    }

    /// The built-in topology of three levels, with another block interval on all chains where one is given.
    ///
    /// # Errors
    /// When the interval is outside its range.
    pub fn deep(block_interval_ms: Option<u64>) -> Result<Self, TopologyError> {
        Self::parse(DEEP)?.with_interval(block_interval_ms)
    }

    fn with_interval(self, block_interval_ms: Option<u64>) -> Result<Self, TopologyError> {
        let mut topology = self;
        for chain in &mut topology.chains {
            chain.block_interval_ms = block_interval_ms.unwrap_or(chain.block_interval_ms);
        }
        topology.check()?;
        Ok(topology)
    }

    /// The chain without a parent.
    pub fn root(&self) -> &Chain {
        &self.chains[0]
    }

    fn check(&self) -> Result<(), TopologyError> {
        size("chains", self.chains.len(), 1, CHAINS_MAX)?;
        let mut names = BTreeSet::new();
        for (position, chain) in self.chains.iter().enumerate() {
            check_name("chain", &chain.name)?;
            // Each chain starts from its parent's state, so the parent must come first; that also excludes circles.
            self.check_place(position, chain, &names)?;
            chain.check()?;
            if !names.insert(chain.name.as_str()) {
                return Err(name_error("chain", &chain.name, "stands twice"));
            }
        }
        let processes = self.chains.iter().map(|chain| chain.validators).sum();
        size("validators in all", processes, 1, PROCESSES_MAX)?;
        let root = self.root();
        if root.accounts.iter().all(|account| account.name != FAUCET) {
            let problem =
                format!("is the root and has no account named {FAUCET:?}, which pays for what the launcher does");
            return Err(TopologyError::Tree { chain: root.name.clone(), problem });
        }
        Ok(())
    }

    fn check_place(&self, position: usize, chain: &Chain, before: &BTreeSet<&str>) -> Result<(), TopologyError> {
        let wrong = |problem: String| Err(TopologyError::Tree { chain: chain.name.clone(), problem });
        match (&chain.parent, chain.chain_id) {
            (None, _) if position > 0 => {
                wrong("has no parent; only the first chain can be the root, give this one a `parent`".into())
            }
            (Some(parent), _) if position == 0 => {
                wrong(format!("stands first, so it is the root and cannot have the parent {parent:?}"))
            }
            (None, None) => wrong("is the root and needs a `chain_id`".into()),
            (Some(_), Some(id)) => {
                wrong(format!("is a subnet, whose name comes from its parent; remove `chain_id = {id}`"))
            }
            (Some(parent), None) if !before.contains(parent.as_str()) => {
                wrong(format!("names the parent {parent:?}, which is not among the chains before it"))
            }
            (Some(_), None) if self.depth(chain) > SUBNET_DEPTH_MAX => {
                wrong(format!("is {} levels deep, at most {SUBNET_DEPTH_MAX} are allowed", self.depth(chain)))
            }
            _ => Ok(()),
        }
    }

    // Ends because a parent always stands before its child.
    fn depth(&self, chain: &Chain) -> usize {
        let parent = chain.parent.as_ref().and_then(|name| self.chains.iter().find(|other| &other.name == name));
        1 + parent.map_or(0, |parent| self.depth(parent))
    }
}

impl Chain {
    fn check(&self) -> Result<(), TopologyError> {
        let in_range = |field, actual: u64, min, max| {
            let chain = self.name.clone();
            if (min..=max).contains(&actual) {
                Ok(())
            } else {
                Err(TopologyError::Range { chain, field, actual, min, max })
            }
        };
        in_range("validators", self.validators as u64, 1, VALIDATORS_PER_CHAIN_MAX as u64)?;
        in_range("block_interval_ms", self.block_interval_ms, BLOCK_INTERVAL_MS_MIN, BLOCK_INTERVAL_MS_MAX)?;
        in_range("checkpoint_period_blocks", self.checkpoint_period_blocks, 2, CHECKPOINT_PERIOD_BLOCKS_MAX)?;
        in_range("stake_fil", self.stake_fil, 1, BALANCE_FIL_MAX)?;
        in_range("cross_gas_price_atto", self.cross_gas_price_atto, 0, CROSS_GAS_PRICE_ATTO_MAX)?;
        if let Some(chain_id) = self.chain_id {
            in_range("chain_id", chain_id, 1, i64::MAX as u64)?;
        }
        in_range("accounts", self.accounts.len() as u64, 0, ACCOUNTS_PER_CHAIN_MAX as u64)?;
        let mut names = BTreeSet::new();
        for account in &self.accounts {
            check_name("account", &account.name)?;
            in_range("account.balance_fil", account.balance_fil, 0, BALANCE_FIL_MAX)?;
            if !names.insert(account.name.as_str()) {
                return Err(name_error("account", &account.name, "stands twice on one chain"));
            }
        }
        Ok(())
    }
}

fn size(what: &'static str, actual: usize, min: usize, max: usize) -> Result<(), TopologyError> {
    if (min..=max).contains(&actual) { Ok(()) } else { Err(TopologyError::Size { what, actual, min, max }) }
}

fn name_error(kind: &'static str, name: &str, problem: &'static str) -> TopologyError {
    TopologyError::Name { kind, name: name.chars().take(80).collect(), problem }
}

fn check_name(kind: &'static str, name: &str) -> Result<(), TopologyError> {
    if name.is_empty() || name.len() > NAME_CHARS_MAX {
        return Err(name_error(kind, name, "must have 1 to 32 characters"));
    }
    if !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_') {
        return Err(name_error(kind, name, "may hold only a–z, 0–9 and _"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        Topology::parse(text).expect_err(text).to_string()
    }

    fn changed(from: &str, to: &str) -> String {
        assert!(TWO_CHAINS.contains(from), "the example no longer holds {from:?}");
        refused(&TWO_CHAINS.replacen(from, to, 1))
    }

    #[test]
    fn the_example_describes_two_chains_of_four() {
        let topology = Topology::parse(TWO_CHAINS).expect("parses");
        let shape: Vec<_> = topology.chains.iter().map(|chain| (chain.name.as_str(), chain.validators)).collect();
        assert_eq!(shape, [("root", 4), ("child", 4)]);
        assert_eq!(topology.chains[1].checkpoint_period_blocks, 10);
    }

    #[test]
    fn the_deep_topology_has_siblings_cousins_and_three_levels() {
        let topology = Topology::deep(Some(500)).expect("parses");
        let shape: Vec<_> = topology.chains.iter().map(|chain| (chain.name.as_str(), topology.depth(chain))).collect();
        assert_eq!(shape, [("root", 1), ("left", 2), ("right", 2), ("left_leaf", 3), ("right_leaf", 3)]);
        assert!(topology.chains.iter().all(|chain| chain.block_interval_ms == 500));
        let priced: Vec<_> = topology.chains.iter().filter(|chain| chain.cross_gas_price_atto > 0).collect();
        assert!(matches!(&priced[..], [right] if right.name == "right"), "one edge must have a price");
    }

    #[test]
    fn another_block_interval_is_checked_like_any_other() {
        let fast = Topology::two_chains(Some(200)).expect("the shortest");
        assert!(fast.chains.iter().all(|chain| chain.block_interval_ms == 200));
        assert!(matches!(Topology::two_chains(Some(199)), Err(TopologyError::Range { actual: 199, .. })));
    }

    #[test]
    fn garbage_and_unknown_fields_are_refused_with_the_place() {
        assert!(refused("\u{0}\u{1}").contains("does not parse"));
        assert!(refused("").contains("0 chains"));
        let misspelt = changed("validators = 4", "validator = 4");
        assert!(misspelt.contains("validator") && misspelt.contains("line"), "{misspelt}");
        assert!(changed("validators = 4", "validators = -1").contains("line"));
    }

    #[test]
    fn numbers_outside_their_range_are_refused_with_the_range() {
        let error = changed("block_interval_ms = 1000", "block_interval_ms = 199");
        assert!(error.contains("199") && error.contains("200 to 60000"), "{error}");
        assert!(changed("validators = 4", "validators = 0").contains("1 to 16"));
        assert!(changed("validators = 4", "validators = 17").contains("1 to 16"));
        assert!(changed("checkpoint_period_blocks = 10", "checkpoint_period_blocks = 1").contains("2 to"));
        assert!(changed("stake_fil = 10", "stake_fil = 0").contains("1 to"));
    }

    #[test]
    fn names_that_are_paths_or_repeat_are_refused() {
        assert!(changed("name = \"child\"", "name = \"../child\"").contains("may hold only"));
        assert!(changed("name = \"child\"", "name = \"root\"").contains("stands twice"));
        assert!(changed("name = \"bob\"", "name = \"alice\"").contains("stands twice"));
        assert!(changed("name = \"bob\"", "name = \"\"").contains("1 to 32"));
    }

    #[test]
    fn chains_that_make_no_tree_are_refused() {
        assert!(changed("parent = \"root\"", "parent = \"other\"").contains("not among the chains before it"));
        assert!(changed("parent = \"root\"", "parent = \"child\"").contains("not among the chains before it"));
        assert!(changed("parent = \"root\"", "").contains("only the first chain can be the root"));
        assert!(changed("chain_id = 31415926", "").contains("needs a `chain_id`"));
        assert!(changed("parent = \"root\"", "parent = \"root\"\nchain_id = 5").contains("remove `chain_id = 5`"));
        assert!(changed("name = \"faucet\"", "name = \"tap\"").contains("faucet"));
    }

    #[test]
    fn a_grandchild_is_a_tree_too() {
        let grandchild = "\n[[chain]]\nname = \"grandchild\"\nparent = \"child\"\nvalidators = 1\n";
        let topology = Topology::parse(&format!("{TWO_CHAINS}{grandchild}")).expect("parses");
        assert_eq!(topology.depth(&topology.chains[2]), 3);
    }

    #[test]
    fn too_many_chains_and_processes_are_refused() {
        let chain = |index: usize, validators: usize| {
            format!("\n[[chain]]\nname = \"c{index}\"\nparent = \"root\"\nvalidators = {validators}\n")
        };
        let many: String = (0..CHAINS_MAX).map(|index| chain(index, 1)).collect();
        assert!(refused(&format!("{TWO_CHAINS}{many}")).contains("chains, expected 1 to 8"));
        let wide: String = (0..4).map(|index| chain(index, 16)).collect();
        assert!(refused(&format!("{TWO_CHAINS}{wide}")).contains("validators in all, expected 1 to 64"));
    }
}
