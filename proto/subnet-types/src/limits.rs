//! Every limit of the protocol, named once, with the relations between them checked at compile time.

/// Levels of a hierarchy, the root included.
pub const SUBNET_DEPTH_MAX: usize = 10;

/// Validators of one configuration. Bounds the signer bitmap and the parent's cost to verify a certificate.
pub const VALIDATORS_MAX: usize = 256;

/// Bytes of the endpoint text a validator publishes when it joins.
pub const ENDPOINT_BYTES_MAX: usize = 256;

/// Top-down messages one block applies. Twice as many, all refused, would use more than half of [`IMPLICIT_GAS_MAX`].
pub const CROSS_MESSAGES_PER_BLOCK_MAX: usize = 128;

/// Membership changes one parent update applies.
pub const CHANGES_PER_UPDATE_MAX: usize = 64;

/// Bottom-up messages one checkpoint carries.
pub const CROSS_MESSAGES_PER_CHECKPOINT_MAX: usize = 1024;

/// Bytes of the bottom-up messages of one checkpoint together. What does not fit one message to the parent is delivered
/// slice by slice.
pub const CROSS_MESSAGES_PER_CHECKPOINT_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of the messages of one slice: what a message to the parent has room for beside their proof, a signature and
/// what frames them.
pub const SLICE_BYTES_MAX: usize = MESSAGE_BYTES_MAX - 4 * 1024;

/// Bottom-up messages that wait for a checkpoint, the running period's included, before users have to wait. Answers to
/// messages that came down are taken beyond that: they must not be lost because users were faster.
pub const OUTBOX_MESSAGES_MAX: usize = 16 * CROSS_MESSAGES_PER_CHECKPOINT_MAX;

/// Bytes of the same messages together.
pub const OUTBOX_BYTES_MAX: usize = 16 * CROSS_MESSAGES_PER_CHECKPOINT_BYTES_MAX;

/// Bytes of one encoded cross message, payload included.
pub const CROSS_MESSAGE_BYTES_MAX: usize = 16 * 1024;

/// Bytes of what a call returns, in its receipt. A call that returns more fails.
pub const CROSS_RETURN_BYTES_MAX: usize = 4 * 1024;

/// Gas that one hop of a cross message may use where it comes to: checking it, crediting its value, or queueing it for
/// the next edge, with room for state that grew. Fees count by it, so it is part of the protocol.
pub const CROSS_HOP_GAS: u64 = 60_000_000;

/// Most gas for the code of a call's destination. A message that asks for more is refused and never waits.
pub const CROSS_CALL_GAS_MAX: u64 = 1_000_000_000;

/// Gas for the sender's code when a receipt tells it the outcome.
pub const CROSS_RECEIPT_GAS: u64 = 60_000_000;

/// Gas for each byte of a call's parameters and of what it returned, wherever a message brings them: what writing a byte
/// into the state costs, and a fifth of that for reading and encoding it. What else a message consists of is bounded by
/// names and addresses, and part of [`CROSS_HOP_GAS`].
pub const CROSS_BYTE_GAS: u64 = 4_000;

/// Gas that the courier uses beside the destination's, to read the call, make it, and judge what came back.
pub const CROSS_CARRY_GAS: u64 = 20_000_000;

/// Gas that must be left when code has run, to queue the answer with as much as a call may return, and to end the
/// delivery.
pub const CROSS_AFTER_CODE_GAS: u64 = 50_000_000;

/// Headers by which one parent update leads from the tracked set to the one that voted.
pub const HANDOVERS_PER_UPDATE_MAX: usize = 16;

/// Bytes of one block's payload. Stays below the sync response limit of 10 MiB, or a decided block could never be
/// sent to a node that fell behind.
pub const PAYLOAD_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Items of one payload, the block info included.
pub const PAYLOAD_ITEMS_MAX: usize = 16 * 1024;

/// Bytes of one encoded signed message.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// Bytes of the block info, parent update included.
pub const BLOCK_INFO_BYTES_MAX: usize = 4 * 1024 * 1024 + 64 * 1024;

/// Gas that the signed messages of one block may ask for together. Filecoin's own limit.
pub const BLOCK_GAS_MAX: u64 = 10_000_000_000;

/// The least that a chain can set for it, so that the dearest cross message can be delivered on any chain: one that no
/// block had room for would hold up all behind it for ever.
pub const BLOCK_GAS_MIN: u64 = 1_600_000_000;

/// Gas of each implicit message: parent update, tips and checkpoint cut. Reserved apart from [`BLOCK_GAS_MAX`], so
/// that users cannot crowd the protocol out.
pub const IMPLICIT_GAS_MAX: u64 = 10_000_000_000;

/// Bytes in which a sync response must fit (the engine's default).
pub const SYNC_RESPONSE_BYTES_MAX: usize = 10 * 1024 * 1024;

/// Bytes of the hints beside a proposed block. A block that changes more is executed without.
pub const HINT_BYTES_MAX: usize = 2 * 1024 * 1024;

/// How far ahead of a node's clock a live proposal's timestamp may be, in milliseconds.
pub const CLOCK_DRIFT_MS_MAX: u64 = 10_000;

/// Longest checkpoint period, in blocks.
pub const CHECKPOINT_PERIOD_BLOCKS_MAX: u64 = 100_000;

/// Longest wait that can be configured for unbonding, silence and the notice of an exit, in parent blocks: three years
/// of one second each. Whatever is longer is a mistake, and would hold stake and value for ever.
pub const EXIT_BLOCKS_MAX: u64 = 100_000_000;

/// Messages that one call refunds after an exit.
pub const REFUNDS_PER_CALL_MAX: usize = 64;

/// Blocks of the proof that a claim brings.
pub const CLAIM_BLOCKS_MAX: usize = 256;

/// Shortest block interval that can be configured, in milliseconds.
pub const BLOCK_INTERVAL_MS_MIN: u64 = 200;

/// Longest block interval that can be configured, in milliseconds.
pub const BLOCK_INTERVAL_MS_MAX: u64 = 60_000;

// An update applies one message at least, whatever it is, and as many transfers as it may bring.
const _: () = assert!(2 * crate::cross::DELIVERY_GAS_MAX < IMPLICIT_GAS_MAX);
const _: () = assert!(CROSS_RETURN_BYTES_MAX as u64 * CROSS_BYTE_GAS < CROSS_AFTER_CODE_GAS / 2);
const _: () = assert!(CROSS_MESSAGES_PER_BLOCK_MAX as u64 * CROSS_HOP_GAS < IMPLICIT_GAS_MAX);
const _: () = assert!(CROSS_RETURN_BYTES_MAX + 1024 <= CROSS_MESSAGE_BYTES_MAX);
const _: () = assert!(CROSS_MESSAGES_PER_BLOCK_MAX * CROSS_MESSAGE_BYTES_MAX <= BLOCK_INFO_BYTES_MAX);
const _: () = assert!(CROSS_MESSAGE_BYTES_MAX <= SLICE_BYTES_MAX);
const _: () = assert!(SLICE_BYTES_MAX <= CROSS_MESSAGES_PER_CHECKPOINT_BYTES_MAX);
// A proof has two digests of 34 bytes for each row below the root.
const _: () =
    assert!(2 * 34 * CROSS_MESSAGES_PER_CHECKPOINT_MAX.ilog2() as usize + 1024 <= MESSAGE_BYTES_MAX - SLICE_BYTES_MAX);
const _: () = assert!(BLOCK_GAS_MIN <= BLOCK_GAS_MAX);
const _: () = assert!(BLOCK_INFO_BYTES_MAX < PAYLOAD_BYTES_MAX);
const _: () = assert!(PAYLOAD_BYTES_MAX + 512 * 1024 < SYNC_RESPONSE_BYTES_MAX);
const _: () = assert!(MESSAGE_BYTES_MAX < PAYLOAD_BYTES_MAX);
