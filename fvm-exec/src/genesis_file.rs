//! The genesis file: one CAR that holds the genesis document and the actors it names.
//!
//! ```text
//! header: the document's CID as the only root
//! blocks: document, bundle manifest, bundle list, then each actor's code in the list's order
//! ```
//!
//! A node takes actors from here and never from its own binary. One genesis has one file, byte for byte: a file with
//! anything missing, added, repeated or in another order is refused.

use std::collections::{BTreeMap, BTreeSet};

use cid::Cid;
use fvm_ipld_blockstore::{Blockstore, MemoryBlockstore};
use fvm_ipld_car::{Block, CarHeader, CarReader, CarWriter};
use fvm_ipld_encoding::from_slice;
use subnet_types::Genesis;
use subnet_types::block::decode_canonical;
use subnet_types::genesis::GenesisError;
use subnet_types::hash::encode;

use crate::error::ExecError;
use crate::genesis::Bundle;

/// Bytes of a genesis file. Filecoin's whole official bundle has about 5 MB, and a document with a hundred thousand
/// accounts about as much.
pub const GENESIS_FILE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// IPLD blocks with their CIDs.
pub type Blocks = Vec<(Cid, Vec<u8>)>;

/// Why bytes are no genesis file, or none can be made.
#[derive(Debug, Clone, thiserror::Error)]
pub enum GenesisFileError {
    /// More bytes than any genesis needs.
    #[error("genesis file of {actual} bytes, at most {GENESIS_FILE_BYTES_MAX} are allowed")]
    TooLarge {
        /// How many there are.
        actual: usize,
    },
    /// Not a CAR, or a block in it does not have the hash that its CID says.
    #[error("not a valid CAR file: {reason}")]
    Car {
        /// What the reader said.
        reason: String,
    },
    /// The file has no root or several.
    #[error("a genesis file has one root, this one has {actual}")]
    Roots {
        /// How many.
        actual: usize,
    },
    /// The root is not in the file.
    #[error("the file does not hold its root {root}")]
    NoDocument {
        /// The root.
        root: Cid,
    },
    /// The root is not a genesis document.
    #[error("block {root} is not a genesis document: {reason}")]
    Document {
        /// The root.
        root: Box<Cid>,
        /// What the decoder said.
        reason: String,
    },
    /// The document breaks a rule.
    #[error("genesis: {0}")]
    Genesis(Box<GenesisError>),
    /// The bundle that the document names is not in the file, or not complete.
    #[error("{reason}")]
    Bundle {
        /// What is wrong.
        reason: String,
    },
    /// Everything needed is there, but not as this project writes it.
    #[error(
        "the file has {actual} bytes in {blocks} blocks, its genesis makes one of {expected} bytes in another form"
    )]
    Form {
        /// Its bytes.
        actual: usize,
        /// Its blocks.
        blocks: usize,
        /// Bytes of the one right form.
        expected: usize,
    },
}

impl From<GenesisError> for GenesisFileError {
    fn from(error: GenesisError) -> Self {
        Self::Genesis(Box::new(error))
    }
}

/// The one genesis file of `genesis`. `bundle_car` is a CAR with the actor bundle; what else it holds is left out.
///
/// # Errors
/// When the document is wrong or the CAR does not hold its bundle.
pub fn write(genesis: &Genesis, bundle_car: &[u8]) -> Result<Vec<u8>, GenesisFileError> {
    genesis.check()?;
    let (_, blocks) = read_car(bundle_car)?;
    let blocks = blocks.into_iter().collect::<BTreeMap<_, _>>();
    let file = assemble(genesis, &blocks)?;
    if file.len() > GENESIS_FILE_BYTES_MAX {
        return Err(GenesisFileError::TooLarge { actual: file.len() });
    }
    Ok(file)
}

/// Reads and checks a genesis file. Returns the document and the blocks of its bundle.
///
/// # Errors
/// The first thing that is wrong.
pub fn read(bytes: &[u8]) -> Result<(Genesis, Blocks), GenesisFileError> {
    let (roots, blocks) = read_car(bytes)?;
    let [root] = roots[..] else { return Err(GenesisFileError::Roots { actual: roots.len() }) };
    let count = blocks.len();
    let mut blocks = blocks.into_iter().collect::<BTreeMap<_, _>>();
    let document = blocks.get(&root).ok_or(GenesisFileError::NoDocument { root })?;
    let genesis: Genesis =
        decode_canonical(document).map_err(|reason| GenesisFileError::Document { root: Box::new(root), reason })?;
    genesis.check()?;
    let expected = assemble(&genesis, &blocks)?;
    if expected != bytes {
        return Err(GenesisFileError::Form { actual: bytes.len(), blocks: count, expected: expected.len() });
    }
    blocks.remove(&root);
    Ok((genesis, blocks.into_iter().collect()))
}

fn read_car(bytes: &[u8]) -> Result<(Vec<Cid>, Blocks), GenesisFileError> {
    if bytes.len() > GENESIS_FILE_BYTES_MAX {
        return Err(GenesisFileError::TooLarge { actual: bytes.len() });
    }
    let wrong = |error: fvm_ipld_car::Error| GenesisFileError::Car { reason: error.to_string() };
    let mut reader = CarReader::new(bytes).map_err(wrong)?;
    let roots = std::mem::take(&mut reader.header.roots);
    // The reader recomputes each block's hash.
    let blocks = reader.map(|block| block.map(Into::into)).collect::<Result<Blocks, _>>().map_err(wrong)?;
    Ok((roots, blocks))
}

fn assemble(genesis: &Genesis, blocks: &BTreeMap<Cid, Vec<u8>>) -> Result<Vec<u8>, GenesisFileError> {
    let mut file = Vec::new();
    write_car(&mut file, genesis, blocks)?;
    Ok(file)
}

fn write_car(file: &mut Vec<u8>, genesis: &Genesis, blocks: &BTreeMap<Cid, Vec<u8>>) -> Result<(), GenesisFileError> {
    let wrong = |error: fvm_ipld_car::Error| GenesisFileError::Car { reason: error.to_string() };
    let mut writer = CarWriter::new(CarHeader::from(vec![genesis.cid()]), file).map_err(wrong)?;
    writer.write(Block { cid: genesis.cid(), data: encode(genesis) }).map_err(wrong)?;
    for cid in bundle_cids(&genesis.chain.bundle, blocks)? {
        let data = blocks.get(&cid).expect("the bundle was loaded from these blocks").clone();
        writer.write(Block { cid, data }).map_err(wrong)?;
    }
    Ok(())
}

/// CIDs of a bundle's blocks in the file's order. Two actors may share code, which then stands once.
fn bundle_cids(manifest: &Cid, blocks: &BTreeMap<Cid, Vec<u8>>) -> Result<Vec<Cid>, GenesisFileError> {
    let store = MemoryBlockstore::default();
    let unreadable = |reason: String| GenesisFileError::Bundle { reason };
    for (cid, data) in blocks {
        store.put_keyed(cid, data).map_err(|error| unreadable(error.to_string()))?;
    }
    let bundle = Bundle::load(&store, manifest).map_err(|error: ExecError| unreadable(error.to_string()))?;
    let list: Vec<(String, Cid)> =
        from_slice(blocks.get(&bundle.list()).map_or(&[][..], Vec::as_slice)).map_err(|e| unreadable(e.to_string()))?;
    let mut seen = BTreeSet::new();
    let order = [*manifest, bundle.list()].into_iter().chain(list.into_iter().map(|(_, code)| code));
    Ok(order.filter(|cid| seen.insert(*cid)).collect())
}
