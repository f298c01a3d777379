//! Every limit of the mempool, named once, with the relations between them checked at compile time.

use std::time::Duration;

use subnet_types::limits::{MESSAGE_BYTES_MAX, PAYLOAD_BYTES_MAX, PAYLOAD_ITEMS_MAX};

/// How much a pool holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolLimits {
    /// Messages in all.
    pub messages_max: usize,
    /// Encoded bytes in all.
    pub bytes_max: usize,
    /// Messages of one sender.
    pub sender_messages_max: usize,
    /// How far a nonce may be past the first one that the sender has free. Gossip does not keep order, so a gap is
    /// ordinary; but what lies behind it cannot be included and only takes room.
    pub nonce_gap_max: u64,
    /// Blocks that a message may wait.
    pub age_blocks_max: u64,
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self {
            messages_max: MESSAGES_MAX,
            bytes_max: BYTES_MAX,
            sender_messages_max: SENDER_MESSAGES_MAX,
            nonce_gap_max: NONCE_GAP_MAX,
            age_blocks_max: AGE_BLOCKS_MAX,
        }
    }
}

/// Messages of a default pool: two full blocks' items.
pub const MESSAGES_MAX: usize = 2 * PAYLOAD_ITEMS_MAX;
/// Encoded bytes of a default pool: four full blocks. Held once encoded and once decoded, so about 64 MiB at most.
pub const BYTES_MAX: usize = 4 * PAYLOAD_BYTES_MAX;
/// Messages of one sender in a default pool, as on Filecoin (1000) rounded up.
pub const SENDER_MESSAGES_MAX: usize = 1024;
/// Nonce gap of a default pool.
pub const NONCE_GAP_MAX: u64 = 256;
/// Blocks that a message waits in a default pool: six hours of one-second blocks. What no block takes for that long
/// (it stands behind a gap, or offers too little) would otherwise keep its room for ever.
pub const AGE_BLOCKS_MAX: u64 = 6 * 3600;

/// A replacement offers at least this share of the premium and of the fee cap that it replaces, in percent.
pub const REPLACEMENT_PERCENT_MIN: u64 = 110;

/// Digests of signed bytes remembered as verified, in each of two generations, unless the pool is larger. Covers a full
/// pool: 32 bytes each, so about 2 MiB.
pub const VERIFIED_GENERATION_MAX: usize = MESSAGES_MAX;

/// Threads that verify the signatures of one block or batch, where there are as many cores. Nothing else of this node can
/// go on before a block is judged; what other services do meanwhile gets its share from the system.
pub const VERIFY_THREADS_MAX: usize = 64;

/// Messages of gossip that are judged together, their signatures on all cores. Also how many signatures a peer that lies
/// can have checked in vain before its first fault counts.
pub const JUDGED_TOGETHER_MAX: usize = 128;

/// Blocks after which a message pushed at this node is published again while it waits.
pub const REBROADCAST_BLOCKS: u64 = 30;
/// Messages published again after one block.
pub const REBROADCAST_MESSAGES_MAX: usize = 128;

/// Bytes that gossip adds around one message (topic, field headers, control parts that travel along).
pub const ENVELOPE_BYTES_MAX: usize = 4 * 1024;
/// Largest frame that gossip reads.
pub const TRANSMIT_BYTES_MAX: usize = MESSAGE_BYTES_MAX + ENVELOPE_BYTES_MAX;

/// Message ids (32 bytes and their framing) in one announcement: more would not fit a frame.
pub const IDS_PER_FRAME_MAX: usize = TRANSMIT_BYTES_MAX / 40;
/// Heartbeats (of a second) that gossip keeps a message while it waits for a verdict.
pub const VERDICT_HEARTBEATS_MAX: usize = 10;
/// How long gossip remembers what it has seen. Shorter than [`REBROADCAST_BLOCKS`] blocks at the default interval, or
/// peers would not hear what is published again.
pub const DUPLICATE_MEMORY: Duration = Duration::from_secs(25);

/// Messages received and not yet judged; one peer gets half. Full: a newcomer is ignored and counted, and whoever
/// published it does so again. Room for a burst that takes a loaded machine a second to verify.
pub const INBOUND_QUEUE_MAX: usize = 4096;
/// Bytes received and not yet judged; one peer gets half.
pub const INBOUND_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Answers to pulls received and not yet judged, and questions not yet answered.
pub const PULLS_QUEUE_MAX: usize = 16;
/// Orders to the swarm not yet carried out; half of the room is for publications, half for verdicts.
pub const COMMAND_QUEUE_MAX: usize = 2 * (INBOUND_QUEUE_MAX + 2 * PULLS_QUEUE_MAX);

/// Established connections in all.
pub const CONNECTIONS_MAX: u32 = 128;
/// Those of them that others made. The rest is for peers this node chose, so that strangers cannot take all.
pub const CONNECTIONS_INCOMING_MAX: u32 = CONNECTIONS_MAX - PERSISTENT_PEERS_MAX as u32;
/// Connections that are being established, in each direction.
pub const CONNECTIONS_PENDING_MAX: u32 = 32;
/// Connections with one peer: two nodes that name each other dial at the same time.
pub const CONNECTIONS_PER_PEER_MAX: u32 = 2;
/// Connections from one IP unless the configuration says otherwise.
pub const CONNECTIONS_PER_IP_MAX: usize = 8;
/// Peers that a configuration may name.
pub const PERSISTENT_PEERS_MAX: usize = 64;
/// Connections that no protocol uses are closed after this time. Long: a peer outside the mesh is still a peer, and
/// one that died is noticed by its missing pings.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(3600);
/// Time in which a peer must say which chain it belongs to.
pub const INTRODUCTION_TIME: Duration = Duration::from_secs(20);

/// Messages that one answer to a pull carries.
pub const PULL_MESSAGES_MAX: usize = 4096;
/// Encoded bytes that one answer to a pull carries.
pub const PULL_BYTES_MAX: usize = 1024 * 1024;
/// Bytes that encoding adds to a pull's answer: a header of at most five bytes for each message and for the list.
pub const PULL_RESPONSE_BYTES_MAX: usize = PULL_BYTES_MAX + 5 * (PULL_MESSAGES_MAX + 8);
/// A peer is asked, and answered, at most once in this time.
pub const PULL_INTERVAL: Duration = Duration::from_secs(20);
/// Time for one pull.
pub const PULL_TIMEOUT: Duration = Duration::from_secs(10);

/// First pause before a configured peer is dialled again; doubles with each failure.
pub const REDIAL_PAUSE_MIN: Duration = Duration::from_millis(250);
/// Longest such pause.
pub const REDIAL_PAUSE_MAX: Duration = Duration::from_secs(15);

/// Score at which every peer starts and above which none rises.
pub const SCORE_MAX: i64 = 0;
/// What one fault costs.
pub const FAULT_COST: i64 = 25;
/// A peer at or below this score is cut off: the fourth fault within the time a score takes to recover.
pub const SCORE_CUT: i64 = -100;
/// Points that come back in each second: a fault is forgiven after 250 s.
pub const SCORE_RECOVERY_PER_SECOND_MILLI: i64 = 100;
/// How long a peer that was cut off is refused.
pub const REFUSAL_TIME: Duration = Duration::from_secs(600);
/// How long a node of another chain is left alone. It may be restarted with another genesis.
pub const WRONG_CHAIN_REFUSAL_TIME: Duration = Duration::from_secs(60);
/// Peers whose score is kept. Full: the best score is forgotten.
pub const SCORED_PEERS_MAX: usize = 1024;
/// Peers that are refused at one time. Full: the one that would be admitted first is.
pub const REFUSED_PEERS_MAX: usize = 4096;
/// Peers of one IP that were cut off, after which the IP itself is refused. Loopback is exempt.
pub const CUTS_PER_IP_MAX: u32 = 4;

const _: () = assert!(MESSAGES_MAX >= PAYLOAD_ITEMS_MAX, "a pool can fill a block");
const _: () = assert!(BYTES_MAX >= PAYLOAD_BYTES_MAX, "a pool can fill a block");
const _: () = assert!(PULL_BYTES_MAX >= MESSAGE_BYTES_MAX, "any message can be pulled");
const _: () = assert!(SENDER_MESSAGES_MAX as u64 > NONCE_GAP_MAX);
const _: () =
    assert!((JUDGED_TOGETHER_MAX as u64) < NONCE_GAP_MAX, "a batch of one sender opens no gap that is too wide");
const _: () = assert!(AGE_BLOCKS_MAX > REBROADCAST_BLOCKS, "a message is published again before it is too old");
const _: () = assert!(PERSISTENT_PEERS_MAX < CONNECTIONS_MAX as usize);
const _: () = assert!(INBOUND_BYTES_MAX / 2 >= TRANSMIT_BYTES_MAX);
const _: () = assert!(SCORE_CUT < SCORE_MAX && FAULT_COST > 0);
