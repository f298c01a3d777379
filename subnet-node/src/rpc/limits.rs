//! What one caller, and all callers together, may ask of a node. Connections and sizes are settings of the operator, in
//! `config.toml`.

use std::time::Duration;

/// Calls in one batch.
pub const BATCH_CALLS_MAX: u32 = 200;

/// Subscriptions of one WebSocket connection. No method offers one yet.
pub const SUBSCRIPTIONS_PER_CONNECTION_MAX: u32 = 1;

/// Answers that wait for a slow WebSocket reader.
pub const WEBSOCKET_ANSWERS_WAITING_MAX: u32 = 64;

/// Calls that read state or run the VM at one time. The rest of the machine belongs to consensus.
pub const CALLS_AT_WORK_MAX: usize = 4;

/// Of those, calls that run the VM, each for as long as a block's gas lasts. The other places are for cheap calls.
pub const VM_CALLS_AT_WORK_MAX: usize = 2;

/// Calls that run the VM or wait for it.
pub const VM_CALLS_WAITING_MAX: usize = 128;

/// Calls that wait for their turn, those at work included. Beyond this a caller is told to come back.
pub const CALLS_WAITING_MAX: usize = 512;

/// Callers that wait for a message at one time.
pub const WAITERS_MAX: usize = 1024;

/// How long `StateWaitMsg` waits before it says that it saw nothing.
pub const WAIT_TIME_MAX: Duration = Duration::from_secs(300);

/// Checkpoints that one answer lists.
pub const CHECKPOINTS_PER_ANSWER_MAX: usize = 100;

/// Proofs for children that are kept. All nodes of a child ask the same question until it moves on, and one with a full
/// range has some megabytes.
pub const PROOFS_KEPT_MAX: usize = 8;

/// Children that one answer lists.
pub const CHILDREN_PER_ANSWER_MAX: usize = 1000;

/// Messages that were set aside, of those that one answer names.
pub const UNCLAIMED_PER_ANSWER_MAX: usize = 16;

/// Cross messages that one answer lists. Each may be as large as one of those may be.
pub const CROSS_MESSAGES_PER_ANSWER_MAX: usize = 128;

/// Answers that are awaited or owed, or entries of the unclaimed ledger, of those that one answer lists.
pub const CROSS_LEDGER_PER_ANSWER_MAX: usize = 128;

/// Pending messages that one answer lists.
pub const PENDING_PER_ANSWER_MAX: usize = 10_000;

/// How deep a state may nest and still be shown.
pub const STATE_DEPTH_MAX: usize = 64;

/// What an estimate adds to the gas that a trial used, in percent: the state moves on until the message is included.
/// Lotus's own margin.
pub const GAS_MARGIN_PERCENT: u64 = 25;

/// What an estimate offers the proposer for each unit of gas, in attoFIL. Filecoin's usual least premium.
pub const GAS_PREMIUM_ATTO: u64 = 100_000;

/// How many times the next base fee an estimate covers. It rises by an eighth a block at most, so a message stays
/// payable through six full blocks.
pub const FEE_CAP_BASE_FEES: u64 = 2;

const _: () = assert!(CALLS_AT_WORK_MAX < CALLS_WAITING_MAX);
const _: () = assert!(VM_CALLS_AT_WORK_MAX < CALLS_AT_WORK_MAX, "cheap calls always have a place");
const _: () = assert!(VM_CALLS_AT_WORK_MAX < VM_CALLS_WAITING_MAX);
