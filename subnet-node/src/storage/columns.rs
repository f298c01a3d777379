//! Column families and the form of their keys. Numbers in keys are big-endian, so that iteration follows counting.

use cid::Cid;
use subnet_types::Height;

/// CID → block of state, receipts or code.
pub(super) const IPLD: &str = "ipld";
/// Height → header.
pub(super) const HEADERS: &str = "headers";
/// Height → payload.
pub(super) const PAYLOADS: &str = "payloads";
/// Height → [`super::BlockResults`]; genesis included.
pub(super) const RESULTS: &str = "results";
/// Height → [`super::BlockReceipts`].
pub(super) const RECEIPTS: &str = "receipts";
/// Height → [`super::BlockEvents`]; absent when the block has none.
pub(super) const EVENTS: &str = "events";
/// Height → [`super::StoredCertificate`].
pub(super) const CERTIFICATES: &str = "certificates";
/// Message CID → [`super::MessagePosition`].
pub(super) const MESSAGES: &str = "messages";
/// Block id → height.
pub(super) const BLOCK_IDS: &str = "block_ids";
/// Sequence → [`super::CheckpointRecord`].
pub(super) const CHECKPOINTS: &str = "checkpoints";
/// Cross message id → [`super::CrossTrace`]s.
pub(super) const CROSS: &str = "cross";
/// Height ‖ round ‖ block id → a proposed block, as the engine wants it back.
pub(super) const UNDECIDED: &str = "undecided";
/// Sequence → the only checkpoint digest this node may sign for it.
pub(super) const SIGNED: &str = "signed";
/// Fixed names → facts about the database.
pub(super) const META: &str = "meta";

/// Every column family.
pub(super) const ALL: [&str; 14] = [
    IPLD,
    HEADERS,
    PAYLOADS,
    RESULTS,
    RECEIPTS,
    EVENTS,
    CERTIFICATES,
    MESSAGES,
    BLOCK_IDS,
    CHECKPOINTS,
    CROSS,
    UNDECIDED,
    SIGNED,
    META,
];

/// [`META`]: version of this layout.
pub(super) const META_SCHEMA: &[u8] = b"schema";
/// [`META`]: identity of the chain.
pub(super) const META_IDENTITY: &[u8] = b"identity";
/// [`META`]: last committed height.
pub(super) const META_HEAD: &[u8] = b"head";

/// Layout that this code reads and writes.
pub(super) const SCHEMA_VERSION: u64 = 2;

pub(super) fn number_key(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

pub(super) fn undecided_key(height: Height, round: u32, block: &Cid) -> Vec<u8> {
    [&height.get().to_be_bytes()[..], &round.to_be_bytes(), &block.to_bytes()].concat()
}
