//! Opening the database: bounded memory, and errors that say what to do.

use std::path::Path;
use std::sync::Arc;

use rocksdb::{BlockBasedOptions, Cache, ColumnFamilyDescriptor, DB, DBCompressionType, Env, Options};
use subnet_types::ChainIdentity;

use super::columns::{ALL, IPLD, META, META_IDENTITY, META_SCHEMA, SCHEMA_VERSION};
use super::{Durability, Store, StoreError};

/// How much memory the database may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryLimits {
    /// For blocks read from disk, indexes and filters included.
    pub block_cache_bytes: usize,
    /// For writes that are in the log but not yet in a table, over all column families.
    pub write_buffer_bytes: usize,
}

impl Default for MemoryLimits {
    /// Leaves room for the VM in a node of 400 MB.
    fn default() -> Self {
        Self { block_cache_bytes: 64 << 20, write_buffer_bytes: 32 << 20 }
    }
}

/// Open tables; each costs a file handle and some memory.
const OPEN_FILES_MAX: i32 = 256;
/// The log of RocksDB itself, which otherwise grows for ever.
const INFO_LOG_BYTES_MAX: usize = 4 << 20;
const INFO_LOG_FILES_MAX: usize = 2;
/// State is read by CID in random order: a filter of 10 bits avoids 99 % of the reads for what is not there.
const FILTER_BITS_PER_KEY: f64 = 10.0;

/// Of a database in memory, where each has a file system of its own.
const MEMORY_PATH: &str = "/memory";

impl Store {
    /// Opens or creates the database at `path` for the chain `identity`.
    ///
    /// # Errors
    /// When another process has it open, it holds another chain or layout, or the disk fails.
    pub fn open(path: &Path, identity: &ChainIdentity, memory: MemoryLimits) -> Result<Self, StoreError> {
        let mut options = Options::default();
        options.set_max_open_files(OPEN_FILES_MAX);
        options.set_max_total_wal_size(4 * memory.write_buffer_bytes as u64);
        options.set_max_log_file_size(INFO_LOG_BYTES_MAX);
        options.set_keep_log_file_num(INFO_LOG_FILES_MAX);
        Self::open_with(options, path, identity, memory, Durability::Synced)
    }

    /// An empty database for the chain `identity` that lives in memory, for as long as a clone of it does. It behaves as
    /// one on disk, but for what a crash leaves.
    ///
    /// # Errors
    /// When RocksDB has no memory for it.
    pub fn open_in_memory(identity: &ChainIdentity, memory: MemoryLimits) -> Result<Self, StoreError> {
        let path = Path::new(MEMORY_PATH);
        let mut options = Options::default();
        options.set_env(&Env::mem_env().map_err(|error| open_error(path, &error))?);
        options.set_log_level(rocksdb::LogLevel::Fatal);
        Self::open_with(options, path, identity, memory, Durability::Volatile)
    }

    fn open_with(
        mut options: Options,
        path: &Path,
        identity: &ChainIdentity,
        memory: MemoryLimits,
        durability: Durability,
    ) -> Result<Self, StoreError> {
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        options.set_db_write_buffer_size(memory.write_buffer_bytes);
        let cache = Cache::new_lru_cache(memory.block_cache_bytes);
        let families = ALL.map(|name| ColumnFamilyDescriptor::new(name, family_options(name, &cache, memory)));
        let db = DB::open_cf_descriptors(&options, path, families).map_err(|error| open_error(path, &error))?;
        let store = Self { db: Arc::new(db), durability };
        store.check_owner(path, identity)?;
        Ok(store)
    }

    /// An empty database has no owner yet: [`Store::put_genesis`] writes it.
    pub(super) fn check_owner(&self, path: &Path, identity: &ChainIdentity) -> Result<(), StoreError> {
        let Some(actual) = self.record::<u64>(META, META_SCHEMA, "layout version")? else { return Ok(()) };
        if actual != SCHEMA_VERSION {
            return Err(StoreError::Schema { path: path.to_owned(), expected: SCHEMA_VERSION, actual });
        }
        let actual: ChainIdentity = self.record(META, META_IDENTITY, "chain identity")?.ok_or(StoreError::NoGenesis)?;
        if actual != *identity {
            return Err(StoreError::WrongChain { path: path.to_owned(), expected: *identity, actual });
        }
        Ok(())
    }
}

fn family_options(name: &str, cache: &Cache, memory: MemoryLimits) -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    table.set_cache_index_and_filter_blocks(true);
    if name == IPLD {
        table.set_bloom_filter(FILTER_BITS_PER_KEY, false);
    }
    let mut options = Options::default();
    options.set_block_based_table_factory(&table);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_write_buffer_size(memory.write_buffer_bytes / 4);
    options
}

pub(super) fn open_error(path: &Path, error: &rocksdb::Error) -> StoreError {
    let reason = error.to_string();
    // RocksDB has no error kind of its own for this; both of its texts, for another process and for this one, name
    // the lock.
    if reason.contains("lock") && reason.contains("LOCK") {
        return StoreError::Locked { path: path.to_owned() };
    }
    StoreError::Open { path: path.to_owned(), reason }
}
