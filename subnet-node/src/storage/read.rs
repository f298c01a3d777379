//! Reads by key.

use cid::Cid;
use engine_api::UndecidedBlock;
use fvm_ipld_encoding::from_slice;
use rocksdb::{ColumnFamily, Direction, IteratorMode};
use serde::de::DeserializeOwned;
use subnet_types::{BlockHeader, Digest, Height, Payload, Sequence, ValidatorSet};

use super::columns::{
    BLOCK_IDS, CERTIFICATES, CHECKPOINTS, CROSS, EVENTS, HEADERS, IPLD, MESSAGES, META, META_HEAD, PAYLOADS, RECEIPTS,
    RESULTS, SIGNED, UNDECIDED, number_key,
};
use super::{
    BlockEvents, BlockReceipts, BlockResults, CheckpointRecord, CrossTrace, MessagePosition, Store, StoreError,
    StoredCertificate,
};

impl Store {
    /// Last committed height; `None` before genesis was written.
    ///
    /// # Errors
    /// As every read: when the database fails or holds what this code never wrote.
    pub fn head(&self) -> Result<Option<Height>, StoreError> {
        self.record(META, META_HEAD, "head")
    }

    /// Header at `height`; genesis has none.
    ///
    /// # Errors
    /// As every read.
    pub fn header(&self, height: Height) -> Result<Option<BlockHeader>, StoreError> {
        self.record(HEADERS, &number_key(height.get()), "header")
    }

    /// Payload at `height`.
    ///
    /// # Errors
    /// As every read.
    pub fn payload(&self, height: Height) -> Result<Option<Payload>, StoreError> {
        let items: Option<Vec<fvm_ipld_encoding::BytesDe>> =
            self.record(PAYLOADS, &number_key(height.get()), "payload")?;
        Ok(items.map(|items| Payload { items: items.into_iter().map(|item| item.0).collect() }))
    }

    /// Results at `height`, genesis included.
    ///
    /// # Errors
    /// As every read.
    pub fn results(&self, height: Height) -> Result<Option<BlockResults>, StoreError> {
        self.record(RESULTS, &number_key(height.get()), "results")
    }

    /// Receipts at `height`.
    ///
    /// # Errors
    /// As every read.
    pub fn receipts(&self, height: Height) -> Result<Option<BlockReceipts>, StoreError> {
        self.record(RECEIPTS, &number_key(height.get()), "receipts")
    }

    /// Events at `height`; empty when it has none.
    ///
    /// # Errors
    /// As every read.
    pub fn events(&self, height: Height) -> Result<BlockEvents, StoreError> {
        Ok(self.record(EVENTS, &number_key(height.get()), "events")?.unwrap_or_default())
    }

    /// Certificate of the block at `height`.
    ///
    /// # Errors
    /// As every read.
    pub fn certificate(&self, height: Height) -> Result<Option<StoredCertificate>, StoreError> {
        self.record(CERTIFICATES, &number_key(height.get()), "certificate")
    }

    /// Height of the block with this id.
    ///
    /// # Errors
    /// As every read.
    pub fn height_of(&self, block: &Cid) -> Result<Option<Height>, StoreError> {
        self.record(BLOCK_IDS, &block.to_bytes(), "block id")
    }

    /// Where the message with this CID stands.
    ///
    /// # Errors
    /// As every read.
    pub fn message_position(&self, message: &Cid) -> Result<Option<MessagePosition>, StoreError> {
        self.record(MESSAGES, &message.to_bytes(), "message position")
    }

    /// The checkpoint with this sequence.
    ///
    /// # Errors
    /// As every read.
    pub fn checkpoint(&self, sequence: Sequence) -> Result<Option<CheckpointRecord>, StoreError> {
        self.record(CHECKPOINTS, &number_key(sequence.get()), "checkpoint")
    }

    /// What happened to a cross message on this chain, in order.
    ///
    /// # Errors
    /// As every read.
    pub fn cross_traces(&self, id: &Digest) -> Result<Vec<CrossTrace>, StoreError> {
        Ok(self.record(CROSS, id.as_bytes(), "cross message")?.unwrap_or_default())
    }

    /// The digest this node signed for a checkpoint.
    ///
    /// # Errors
    /// As every read.
    pub fn signed_digest(&self, sequence: Sequence) -> Result<Option<Digest>, StoreError> {
        self.record(SIGNED, &number_key(sequence.get()), "signed digest")
    }

    /// Proposals stored for `height`.
    ///
    /// # Errors
    /// As every read.
    pub fn undecided(&self, height: Height) -> Result<Vec<UndecidedBlock>, StoreError> {
        let from = number_key(height.get());
        let rows = self.db.iterator_cf(self.family(UNDECIDED), IteratorMode::From(&from, Direction::Forward));
        let mut found = Vec::new();
        for row in rows {
            let (key, record) = row.map_err(|error| read_error("undecided block", &error))?;
            let Some(rest) = key.strip_prefix(&from[..]) else { break };
            let (round, block) = parse_undecided(rest).ok_or_else(|| StoreError::Corrupt {
                what: "undecided block",
                key: hex::encode(&key),
                reason: "its key is no height, round and block id".to_owned(),
            })?;
            found.push(UndecidedBlock { height, round, block, record: record.into_vec() });
        }
        Ok(found)
    }

    /// Validators that vote on `height`: those of the state two heights before, and of genesis for the first two.
    ///
    /// # Errors
    /// As every read, and when that state is not committed yet.
    pub fn validators(&self, height: Height) -> Result<ValidatorSet, StoreError> {
        let after = Height::new(height.get().saturating_sub(2));
        let results = self.require(self.results(after)?, "results", &after.to_string())?;
        let key = results.validators.to_bytes();
        let set: ValidatorSet =
            self.require(self.record(IPLD, &key, "validator set")?, "validator set", &results.validators.to_string())?;
        set.check().map_err(|error| StoreError::Corrupt {
            what: "validator set",
            key: results.validators.to_string(),
            reason: error.to_string(),
        })?;
        Ok(set)
    }

    /// Makes the absence of what the head implies an error.
    pub(crate) fn require<T>(&self, found: Option<T>, what: &'static str, key: &str) -> Result<T, StoreError> {
        match found {
            Some(found) => Ok(found),
            None => {
                let head = self.head()?.ok_or(StoreError::NoGenesis)?;
                Err(StoreError::Missing { what, key: key.to_owned(), head })
            }
        }
    }

    pub(super) fn family(&self, name: &str) -> &ColumnFamily {
        self.db.cf_handle(name).expect("every column family was opened or created")
    }

    pub(super) fn get_bytes(
        &self,
        family: &str,
        key: &[u8],
        what: &'static str,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        self.db.get_cf(self.family(family), key).map_err(|error| read_error(what, &error))
    }

    pub(super) fn record<T: DeserializeOwned>(
        &self,
        family: &str,
        key: &[u8],
        what: &'static str,
    ) -> Result<Option<T>, StoreError> {
        let Some(bytes) = self.get_bytes(family, key, what)? else { return Ok(None) };
        from_slice(&bytes).map(Some).map_err(|error| StoreError::Corrupt {
            what,
            key: hex::encode(key),
            reason: error.to_string(),
        })
    }
}

fn parse_undecided(rest: &[u8]) -> Option<(u32, Cid)> {
    let (round, block) = rest.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*round), Cid::try_from(block).ok()?))
}

pub(super) fn read_error(what: &'static str, error: &rocksdb::Error) -> StoreError {
    StoreError::Read { what, reason: error.to_string() }
}
