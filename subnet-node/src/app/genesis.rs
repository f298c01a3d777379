//! From a genesis file to a chain in the store.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use cid::Cid;
use fvm_exec::{ChainRules, Engine, ExecError, Executor, GenesisFileError, StateView, genesis, genesis_file};
use fvm_ipld_amt::Amt;
use fvm_ipld_blockstore::{Blockstore, MemoryBlockstore};
use fvm_shared::receipt::Receipt;
use subnet_types::Genesis;

use super::ChainReader;
use super::error::ChainError;
use crate::storage::{BlockResults, GenesisCommit, MemoryLimits, Store, StoreError};

/// Of the arrays of receipts that execution writes.
const RECEIPTS_BIT_WIDTH: u32 = 5;

/// Why a chain cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The genesis file is wrong.
    #[error("genesis file: {0}")]
    File(#[from] GenesisFileError),
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The state before block 1 cannot be made, or the stored one not be read.
    #[error("building the state of genesis: {0}")]
    Exec(#[from] ExecError),
    /// The chain in the database cannot be read.
    #[error(transparent)]
    Chain(#[from] ChainError),
}

/// A genesis file's content.
#[derive(Clone, Debug)]
pub struct GenesisContent {
    /// The document.
    pub genesis: Genesis,
    /// The blocks of its actor bundle.
    pub bundle: Vec<(Cid, Vec<u8>)>,
}

impl GenesisContent {
    /// Reads a genesis file.
    ///
    /// # Errors
    /// When the bytes are no valid genesis file.
    pub fn parse(bytes: &[u8]) -> Result<Self, GenesisFileError> {
        let (genesis, bundle) = genesis_file::read(bytes)?;
        Ok(Self { genesis, bundle })
    }
}

/// What opening a chain needs besides its genesis.
pub struct OpenOptions {
    /// Folder of the database.
    pub database: PathBuf,
    /// Memory for it.
    pub memory: MemoryLimits,
    /// The process's VM.
    pub engine: Arc<Engine>,
    /// Cores that execute one block.
    pub lanes: NonZeroUsize,
}

/// Opens the chain that starts from `content`; a new database gets its genesis. Compiles nothing: see
/// [`compile_actors`].
///
/// # Errors
/// When the database is another chain's or in use, or genesis cannot be built.
pub fn open_chain(content: &GenesisContent, options: &OpenOptions) -> Result<ChainReader, OpenError> {
    let store = Store::open(&options.database, &content.genesis.identity(), options.memory)?;
    open_chain_in(content, store, options.engine.clone(), options.lanes)
}

/// The same on a database that is open already.
///
/// # Errors
/// When the database cannot be read or genesis cannot be built.
pub fn open_chain_in(
    content: &GenesisContent,
    store: Store,
    engine: Arc<Engine>,
    lanes: NonZeroUsize,
) -> Result<ChainReader, OpenError> {
    if store.head()?.is_none() {
        store.put_genesis(&genesis_commit(content)?)?;
    }
    let executor = Executor::new(engine, store.clone(), ChainRules::of(&content.genesis));
    let executor = executor.with_lanes(lanes);
    Ok(ChainReader::new(store, content.genesis.clone(), executor)?)
}

/// Compiles the actors of the chain that starts from `content`, for as long as `is_wanted`. Takes seconds, and is
/// needed at every start: compiled code lives in the process. Without it the first block would wait for all of it.
///
/// # Errors
/// When the VM cannot run one of them.
pub fn compile_actors(
    content: &GenesisContent,
    engine: &Engine,
    is_wanted: impl Fn() -> bool,
) -> Result<(), ExecError> {
    let bundle = MemoryBlockstore::new();
    put_all(&bundle, &content.bundle);
    engine.compile(&bundle, &content.genesis.chain.bundle, is_wanted)
}

/// Everything that enters the store of the chain that starts from `content` with its genesis.
///
/// # Errors
/// When genesis cannot be built.
pub fn genesis_commit(content: &GenesisContent) -> Result<GenesisCommit, OpenError> {
    let memory = MemoryBlockstore::new();
    put_all(&memory, &content.bundle);
    let built = genesis::build(&memory, &content.genesis)?;
    put_all(&memory, &built.new_blocks);
    let validators = StateView::new(&memory, &built.state_root)?.gateway()?.validators;
    let (receipts_root, no_receipts) = no_receipts();
    let bundle = content.bundle.iter().map(|(cid, block)| (*cid, Arc::from(block.as_slice())));
    let blocks = bundle.chain(built.new_blocks).chain([(receipts_root, no_receipts.into())]).collect();
    let results = BlockResults { state_root: built.state_root, receipts_root, gas_used: 0, validators };
    tracing::info!(
        subnet = %content.genesis.subnet,
        identity = %content.genesis.identity(),
        state_root = %built.state_root,
        "genesis built"
    );
    Ok(GenesisCommit { identity: content.genesis.identity(), results, blocks })
}

fn put_all(store: &MemoryBlockstore, blocks: &[(Cid, impl AsRef<[u8]>)]) {
    for (cid, bytes) in blocks {
        store.put_keyed(cid, bytes.as_ref()).expect("a map in memory takes every block");
    }
}

/// Root of the receipts of genesis, which has none, in the form of every block's receipts. Header 1 commits to it.
fn no_receipts() -> (Cid, Vec<u8>) {
    let store = MemoryBlockstore::new();
    let root = Amt::<Receipt, _>::new_with_bit_width(&store, RECEIPTS_BIT_WIDTH)
        .flush()
        .expect("an empty array in memory has a root");
    let bytes = store.get(&root).expect("a map in memory can be read").expect("the root was written just now");
    (root, bytes)
}
