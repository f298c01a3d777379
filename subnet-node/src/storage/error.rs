//! Why the database cannot be used.

use std::path::PathBuf;

use subnet_types::{ChainIdentity, Height, Sequence};

/// Any of these stops the node: a store that cannot be read or written makes every answer doubtful.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Somebody else has it open.
    #[error(
        "the database {path} is in use by another process: a node may already run with this home; stop it first, or \
         use another --home"
    )]
    Locked {
        /// Which folder.
        path: PathBuf,
    },
    /// It could not be opened.
    #[error("the database {path} cannot be opened: {reason}")]
    Open {
        /// Which folder.
        path: PathBuf,
        /// What RocksDB said.
        reason: String,
    },
    /// It holds another chain.
    #[error(
        "the database {path} belongs to the chain with identity {actual}, the genesis file is that of {expected}: use \
         another --home, or put the matching genesis.car back"
    )]
    WrongChain {
        /// Which folder.
        path: PathBuf,
        /// Identity by the genesis file.
        expected: ChainIdentity,
        /// Identity stored.
        actual: ChainIdentity,
    },
    /// Written by other code.
    #[error("the database {path} has layout {actual}, this node knows layout {expected}: sync a new one")]
    Schema {
        /// Which folder.
        path: PathBuf,
        /// The layout of this code.
        expected: u64,
        /// The layout found.
        actual: u64,
    },
    /// A read failed.
    #[error("reading {what} failed: {reason}")]
    Read {
        /// Which kind of record.
        what: &'static str,
        /// What RocksDB said.
        reason: String,
    },
    /// A write failed; nothing of its batch is visible.
    #[error("writing {what} failed: {reason}; is the disk full?")]
    Write {
        /// Which kind of record.
        what: &'static str,
        /// What RocksDB said.
        reason: String,
    },
    /// Bytes came back that this code never wrote.
    #[error("the stored {what} {key} does not decode: {reason}")]
    Corrupt {
        /// Which kind of record.
        what: &'static str,
        /// Under which key.
        key: String,
        /// What the decoder said.
        reason: String,
    },
    /// A record is missing that must be there.
    #[error("the database has no {what} {key}, although its head is at height {head}")]
    Missing {
        /// Which kind of record.
        what: &'static str,
        /// Under which key.
        key: String,
        /// The last committed height.
        head: Height,
    },
    /// Genesis was not written yet.
    #[error("the database is empty: genesis was never written")]
    NoGenesis,
    /// A block was offered that does not follow the last one.
    #[error("block at height {actual} offered, the next to commit is {expected}")]
    Order {
        /// Next height.
        expected: Height,
        /// Offered height.
        actual: Height,
    },
    /// The node once signed another checkpoint for this sequence.
    #[error(
        "checkpoint {sequence}: this node already signed digest {signed} and is asked to sign {asked}; signing both \
         would be equivocation"
    )]
    Equivocation {
        /// Which checkpoint.
        sequence: Sequence,
        /// Digest signed before.
        signed: subnet_types::Digest,
        /// Digest asked for now.
        asked: subnet_types::Digest,
    },
}
