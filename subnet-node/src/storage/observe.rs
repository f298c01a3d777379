//! Looking at the database of a node that runs.

use std::path::Path;
use std::sync::Arc;

use rocksdb::{DB, Options};
use subnet_types::ChainIdentity;

use super::columns::ALL;
use super::open::open_error;
use super::{Durability, Store, StoreError};

impl Store {
    /// The database at `path` as it is now, for reading only, while another process has it open. What that process
    /// writes from now on does not show. `scratch` is a folder for this observer's own log.
    ///
    /// # Errors
    /// When it holds another chain or layout, or the disk fails.
    pub fn observe(path: &Path, scratch: &Path, identity: &ChainIdentity) -> Result<Self, StoreError> {
        let mut options = Options::default();
        // All files stay open: the owner deletes those it has merged.
        options.set_max_open_files(-1);
        let db = DB::open_cf_as_secondary(&options, path, scratch, ALL).map_err(|error| open_error(path, &error))?;
        let store = Self { db: Arc::new(db), durability: Durability::Synced };
        store.check_owner(path, identity)?;
        Ok(store)
    }
}
