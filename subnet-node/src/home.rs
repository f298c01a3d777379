//! Where a node keeps what: the layout of its home folder, in one place.

use std::path::{Path, PathBuf};

/// A node's home folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    root: PathBuf,
}

/// Which of a node's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyName {
    /// Ed25519, for proposals and votes.
    Vote,
    /// BLS, for checkpoints.
    Checkpoint,
    /// Ed25519, for the network.
    P2p,
    /// Pays for checkpoint submissions on the parent.
    Account,
}

impl KeyName {
    /// All of them, in the order in which a node reads them.
    pub const ALL: [Self; 4] = [Self::Vote, Self::Checkpoint, Self::P2p, Self::Account];

    /// The name of its file, without the ending.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Vote => "vote",
            Self::Checkpoint => "checkpoint",
            Self::P2p => "p2p",
            Self::Account => "account",
        }
    }
}

impl Home {
    /// The home at `root`, which need not exist.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Settings.
    pub fn config(&self) -> PathBuf {
        self.root.join("config.toml")
    }

    /// The chain's genesis file.
    pub fn genesis(&self) -> PathBuf {
        self.root.join("genesis.car")
    }

    /// Folder of the encrypted keys.
    pub fn keys(&self) -> PathBuf {
        self.root.join("keys")
    }

    /// File of one key.
    pub fn key(&self, name: KeyName) -> PathBuf {
        self.keys().join(format!("{}.json", name.as_str()))
    }

    /// Folder of the database.
    pub fn database(&self) -> PathBuf {
        self.root.join("db")
    }

    /// Folder of the compiled actors. May be removed at any time; it is made anew.
    pub fn compiled_actors(&self) -> PathBuf {
        self.root.join("cache").join("actors")
    }

    /// Folder of the consensus engine's write-ahead log.
    pub fn wal(&self) -> PathBuf {
        self.root.join("wal")
    }

    /// Folder in which an operator puts down proofs of the parent.
    pub fn parent_proofs(&self) -> PathBuf {
        self.root.join("parent-proofs")
    }

    /// Where whoever starts the node in the background sends its output.
    pub fn log(&self) -> PathBuf {
        self.root.join("node.log")
    }
}
