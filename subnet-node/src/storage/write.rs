//! Writes. Each public function is one synced batch: it is on disk when it returns, or it never happened.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use cid::Cid;
use engine_api::{Block, UndecidedBlock};
use fvm_exec::IpldBlock;
use fvm_ipld_encoding::BytesSer;
use fvm_shared::event::StampedEvent;
use fvm_shared::receipt::Receipt;
use rocksdb::{WriteBatch, WriteOptions};
use serde::Serialize;
use subnet_types::hash::encode;
use subnet_types::{ChainIdentity, Digest, Height, QuorumCertificate, Sequence};

use super::columns::{
    BLOCK_IDS, CERTIFICATES, CHECKPOINTS, CROSS, EVENTS, HEADERS, IPLD, MESSAGES, META, META_HEAD, META_IDENTITY,
    META_SCHEMA, PAYLOADS, RECEIPTS, RESULTS, SCHEMA_VERSION, SIGNED, UNDECIDED, number_key, undecided_key,
};
use super::read::read_error;
use super::{
    BlockEvents, BlockReceipts, BlockResults, CheckpointRecord, CrossTrace, Durability, MessagePosition, Store,
    StoreError, StoredCertificate,
};

/// Everything that enters the store with genesis.
#[derive(Clone, Debug)]
pub struct GenesisCommit {
    /// Identity of the chain.
    pub identity: ChainIdentity,
    /// State root, the root of no receipts, and the first validators.
    pub results: BlockResults,
    /// Actor code and state.
    pub blocks: Vec<IpldBlock>,
}

/// Everything that enters the store with one block.
#[derive(Clone, Debug)]
pub struct BlockCommit {
    /// The block.
    pub block: Block,
    /// CIDs of its signed messages, in order.
    pub message_cids: Vec<Cid>,
    /// What executing it made.
    pub results: BlockResults,
    /// Its receipts.
    pub receipts: Vec<Receipt>,
    /// Its events, one list for each receipt.
    pub events: Vec<Vec<StampedEvent>>,
    /// State and receipts that are new.
    pub blocks: Vec<IpldBlock>,
    /// Proof that it is final.
    pub certificate: StoredCertificate,
    /// The checkpoint it cut.
    pub checkpoint: Option<CheckpointRecord>,
    /// The certificate that its votes' extensions make for the checkpoint before.
    pub certified: Option<(Sequence, QuorumCertificate)>,
    /// What it did to cross messages.
    pub cross: Vec<(Digest, CrossTrace)>,
}

impl Store {
    /// Writes genesis into an empty database.
    ///
    /// # Errors
    /// When the database fails or is not empty.
    pub fn put_genesis(&self, genesis: &GenesisCommit) -> Result<(), StoreError> {
        if let Some(head) = self.head()? {
            return Err(StoreError::Order { expected: head.next(), actual: Height::GENESIS });
        }
        let mut batch = Batch::new(self);
        batch.put(META, META_SCHEMA, &SCHEMA_VERSION);
        batch.put(META, META_IDENTITY, &genesis.identity);
        batch.put(META, META_HEAD, &Height::GENESIS);
        batch.put(RESULTS, &number_key(0), &genesis.results);
        batch.put_ipld(&genesis.blocks);
        batch.write("genesis")
    }

    /// Writes a block with all its results. The proposals stored for its height are forgotten.
    ///
    /// # Errors
    /// When the database fails or the block is not the next one.
    pub fn commit_block(&self, commit: &BlockCommit) -> Result<(), StoreError> {
        let height = commit.block.header.height;
        let expected = self.head()?.ok_or(StoreError::NoGenesis)?.next();
        if height != expected {
            return Err(StoreError::Order { expected, actual: height });
        }
        let key = number_key(height.get());
        let mut batch = Batch::new(self);
        batch.put(META, META_HEAD, &height);
        batch.put(HEADERS, &key, &commit.block.header);
        let items: Vec<BytesSer<'_>> = commit.block.payload.items.iter().map(|item| BytesSer(item)).collect();
        batch.put(PAYLOADS, &key, &items);
        batch.put(RESULTS, &key, &commit.results);
        batch.put(RECEIPTS, &key, &BlockReceipts { receipts: commit.receipts.clone() });
        if commit.events.iter().any(|events| !events.is_empty()) {
            batch.put(EVENTS, &key, &BlockEvents { events: commit.events.clone() });
        }
        batch.put(CERTIFICATES, &key, &commit.certificate);
        batch.put(BLOCK_IDS, &commit.block.id().to_bytes(), &height);
        for (index, cid) in commit.message_cids.iter().enumerate() {
            batch.put(MESSAGES, &cid.to_bytes(), &MessagePosition { height, index: index as u64 });
        }
        batch.put_ipld(&commit.blocks);
        if let Some(record) = &commit.checkpoint {
            batch.put(CHECKPOINTS, &number_key(record.checkpoint.sequence.get()), record);
        }
        if let Some((sequence, certificate)) = &commit.certified {
            self.put_certificate(&mut batch, *sequence, certificate)?;
        }
        for (id, traces) in self.with_earlier_traces(&commit.cross)? {
            batch.put(CROSS, id.as_bytes(), &traces);
        }
        batch.delete_undecided(height)?;
        batch.write("block")
    }

    /// Replaces the certificate of a committed height, and the checkpoint's that its extensions make.
    ///
    /// # Errors
    /// When the database fails.
    pub fn put_certificates(
        &self,
        certificate: &StoredCertificate,
        certified: Option<(Sequence, QuorumCertificate)>,
    ) -> Result<(), StoreError> {
        let mut batch = Batch::new(self);
        batch.put(CERTIFICATES, &number_key(certificate.certificate.height.get()), certificate);
        if let Some((sequence, certificate)) = certified {
            self.put_certificate(&mut batch, sequence, &certificate)?;
        }
        batch.write("certificate")
    }

    /// Stores a proposal for a restart.
    ///
    /// # Errors
    /// When the database fails.
    pub fn put_undecided(&self, undecided: &UndecidedBlock) -> Result<(), StoreError> {
        let key = undecided_key(undecided.height, undecided.round, &undecided.block);
        let mut batch = Batch::new(self);
        batch.inner.put_cf(self.family(UNDECIDED), key, &undecided.record);
        batch.write("undecided block")
    }

    /// Records, before it happens, that this node signs `digest` as checkpoint `sequence`.
    ///
    /// # Errors
    /// [`StoreError::Equivocation`] when another digest was recorded before, or when the database fails.
    pub fn guard_signature(&self, sequence: Sequence, digest: &Digest) -> Result<(), StoreError> {
        match self.signed_digest(sequence)? {
            Some(signed) if signed == *digest => Ok(()),
            Some(signed) => Err(StoreError::Equivocation { sequence, signed, asked: *digest }),
            None => {
                let mut batch = Batch::new(self);
                batch.put(SIGNED, &number_key(sequence.get()), digest);
                batch.write("signed digest")
            }
        }
    }

    /// A block may do several things to one message, so its traces are put together before they are written. Of each id
    /// so many are kept ([`CrossTrace::has_room`]).
    fn with_earlier_traces(
        &self,
        new: &[(Digest, CrossTrace)],
    ) -> Result<BTreeMap<Digest, Vec<CrossTrace>>, StoreError> {
        let mut all: BTreeMap<Digest, Vec<CrossTrace>> = BTreeMap::new();
        for (id, trace) in new {
            let traces = match all.entry(*id) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => entry.insert(self.cross_traces(id)?),
            };
            if trace.has_room(traces) {
                traces.push(trace.clone());
            }
        }
        Ok(all)
    }

    fn put_certificate(
        &self,
        batch: &mut Batch<'_>,
        sequence: Sequence,
        certificate: &QuorumCertificate,
    ) -> Result<(), StoreError> {
        let mut record = self.require(self.checkpoint(sequence)?, "checkpoint", &sequence.to_string())?;
        record.certificate = Some(certificate.clone());
        batch.put(CHECKPOINTS, &number_key(sequence.get()), &record);
        Ok(())
    }
}

/// A write batch that knows the column families.
struct Batch<'a> {
    store: &'a Store,
    inner: WriteBatch,
}

impl<'a> Batch<'a> {
    fn new(store: &'a Store) -> Self {
        Self { store, inner: WriteBatch::default() }
    }

    fn put<T: Serialize>(&mut self, family: &str, key: &[u8], value: &T) {
        self.inner.put_cf(self.store.family(family), key, encode(value));
    }

    fn put_ipld(&mut self, blocks: &[IpldBlock]) {
        let family = self.store.family(IPLD);
        for (cid, bytes) in blocks {
            self.inner.put_cf(family, cid.to_bytes(), bytes);
        }
    }

    /// Removes what was proposed up to a height that is decided now: one by one, since there are few, and a tombstone of a
    /// range costs every later read.
    fn delete_undecided(&mut self, height: Height) -> Result<(), StoreError> {
        let store = self.store;
        let family = store.family(UNDECIDED);
        let end = number_key(height.next().get());
        let mut rows = store.db.raw_iterator_cf(family);
        rows.seek_to_first();
        while let Some(key) = rows.key().filter(|key| *key < &end[..]) {
            self.inner.delete_cf(family, key);
            rows.next();
        }
        rows.status().map_err(|error| read_error("undecided block", &error))
    }

    fn write(self, what: &'static str) -> Result<(), StoreError> {
        let mut options = WriteOptions::default();
        match self.store.durability {
            Durability::Synced => options.set_sync(true),
            Durability::Volatile => options.disable_wal(true),
        }
        self.store
            .db
            .write_opt(self.inner, &options)
            .map_err(|error| StoreError::Write { what, reason: error.to_string() })
    }
}
