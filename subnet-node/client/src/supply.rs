//! The supply equation of every edge of a hierarchy, read from running nodes and added up.
//!
//! ```text
//! custody + reserved = circulating + in flight + burned and not reported
//! ```
//!
//! The left side is what the child's checkpoint actor counts on the parent. The right side is what the child holds, what
//! waits in queues and checkpoints message by message, and what burned in the child since the last checkpoint that the
//! parent accepted. [`reckon`] is the arithmetic; [`read`] brings the figures from two nodes at heights that fit each
//! other. What a chain holds for its own children is in its circulation, so edge by edge a whole hierarchy is covered.

use fvm_shared::econ::TokenAmount;
use subnet_types::{Height, Nonce, Sequence, SubnetId};

use crate::api::{ChildEdge, CrossMessageInfo, CrossPending};
use crate::rpc::{Client, RpcError};

/// How often the child is asked anew while it has not signed, or this node of it not seen, what the parent knows.
const ATTEMPTS_MAX: usize = 60;

/// Pause between two attempts.
const ATTEMPT_PAUSE: std::time::Duration = std::time::Duration::from_millis(500);

/// For how long one edge is read, whatever its nodes answer: with many checkpoints or messages that wait, or a node that
/// stays behind, the figures of one moment cannot be had.
const READ_TIME_MAX: std::time::Duration = std::time::Duration::from_secs(60);

/// Unaccepted and undelivered checkpoints that are looked at. A child whose settlement stands still for longer is not
/// reckoned.
const CHECKPOINTS_MAX: u64 = 10_000;

/// What the parent's state says of one child, after one block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParentFigures {
    /// Locked for the child.
    pub custody: TokenAmount,
    /// Of accepted checkpoints, and not delivered.
    pub reserved: TokenAmount,
    /// Of messages that the gateway would not take.
    pub unclaimed: TokenAmount,
    /// Stake of the child's validators.
    pub stake: TokenAmount,
    /// What the checkpoint actor holds.
    pub actor_balance: TokenAmount,
    /// Sum over the messages queued for the child that it has not applied.
    pub queued: TokenAmount,
}

/// What the child says of itself, after one block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChildFigures {
    /// What its accounts and actors hold.
    pub circulating: TokenAmount,
    /// Sum over the messages that no checkpoint carries yet.
    pub outbox: TokenAmount,
    /// Sum over the messages of checkpoints that the parent has not accepted.
    pub unaccepted: TokenAmount,
    /// Sum over the messages of accepted checkpoints that the parent has not delivered.
    pub undelivered: TokenAmount,
    /// What burned, and no accepted checkpoint reported.
    pub burned: TokenAmount,
}

/// The supply equation of one edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdgeSupply {
    /// Locked in the checkpoint actor for the child and what is on its way out of it.
    pub custody: TokenAmount,
    /// What the child's accounts and actors hold.
    pub circulating: TokenAmount,
    /// Queued and not applied, or sent up and not delivered.
    pub in_flight: TokenAmount,
    /// Burned in the child and not yet taken from custody.
    pub burned: TokenAmount,
    /// Every way in which the edge is not conserved; empty when it is.
    pub violations: Vec<String>,
}

/// Adds up both sides of an edge.
pub fn reckon(parent: &ParentFigures, child: &ChildFigures) -> EdgeSupply {
    let custody = &parent.custody + &parent.reserved;
    let in_flight = &parent.queued + &child.outbox + &child.unaccepted + &child.undelivered;
    let mut violations = Vec::new();
    let mut equal = |left: &str, value: &TokenAmount, right: &str, expected: &TokenAmount| {
        if value != expected {
            violations.push(format!("{left} is {} attoFIL, {right} is {}", value.atto(), expected.atto()));
        }
    };
    let held = &child.circulating + &in_flight + &child.burned;
    equal("custody", &custody, "circulating + in flight + burned", &held);
    equal("reserved for delivery", &parent.reserved, "the sum of the undelivered messages", &child.undelivered);
    let owed = &custody + &parent.unclaimed + &parent.stake;
    if parent.actor_balance < owed {
        let (held, owed) = (parent.actor_balance.atto(), owed.atto());
        violations.push(format!("the checkpoint actor holds {held} attoFIL and owes {owed}"));
    }
    let terms = [
        ("custody", &parent.custody),
        ("reserved", &parent.reserved),
        ("circulating", &child.circulating),
        ("in flight", &in_flight),
        ("burned", &child.burned),
    ];
    for (name, amount) in terms {
        if amount.is_negative() {
            violations.push(format!("{name} is {} attoFIL, below zero", amount.atto()));
        }
    }
    let (circulating, burned) = (child.circulating.clone(), child.burned.clone());
    EdgeSupply { custody, circulating, in_flight, burned, violations }
}

/// Figures of an edge and the two heights after whose blocks they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdgeFigures {
    /// The child.
    pub child: SubnetId,
    /// Height of the parent.
    pub parent_height: Height,
    /// Height of the child.
    pub child_height: Height,
    /// The parent's side.
    pub parent_side: ParentFigures,
    /// The child's side.
    pub child_side: ChildFigures,
}

/// Why an edge could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SupplyError {
    /// A node did not answer.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// The parent has no such child.
    #[error("{parent} has no child {child}")]
    NoChild {
        /// The parent.
        parent: SubnetId,
        /// The child.
        child: SubnetId,
    },
    /// The child's node knows less than what the parent has accepted.
    #[error("the node {url} of {child} is behind what its parent accepted: {problem}")]
    Behind {
        /// The node.
        url: String,
        /// The chain.
        child: SubnetId,
        /// What is missing.
        problem: String,
    },
    /// It took too long.
    #[error("the edge to {child} could not be read within {} s: its nodes are slow, or far too much waits", READ_TIME_MAX.as_secs())]
    TooLong {
        /// The chain at the lower end.
        child: SubnetId,
    },
    /// What a node answered contradicts itself.
    #[error("{url} contradicts itself: {problem}")]
    Contradiction {
        /// The node.
        url: String,
        /// How.
        problem: String,
    },
}

/// Reads both sides of the edge between `parent`'s chain and its child `subnet`.
///
/// The chains go on while they are read, so the heights must fit: the parent's comes first; the child is read after the
/// last of its blocks that followed the parent no further. What the parent accepted until then was final in the child
/// before.
///
/// # Errors
/// When a node cannot be asked, is too far behind, takes too long, or contradicts itself.
pub async fn read(parent: &Client, child: &Client, subnet: &SubnetId) -> Result<EdgeFigures, SupplyError> {
    let reading = read_unbounded(parent, child, subnet);
    match tokio::time::timeout(READ_TIME_MAX, reading).await {
        Ok(figures) => figures,
        Err(_) => Err(SupplyError::TooLong { child: subnet.clone() }),
    }
}

async fn read_unbounded(parent: &Client, child: &Client, subnet: &SubnetId) -> Result<EdgeFigures, SupplyError> {
    let above = parent.cross_pending(None).await?;
    let (subnet, url) = (subnet.clone(), child.url().to_owned());
    let edge = above.children.iter().find(|edge| edge.subnet == subnet).cloned();
    let edge = edge.ok_or_else(|| SupplyError::NoChild { parent: above.subnet.clone(), child: subnet.clone() })?;
    let mut attempts = 0;
    loop {
        attempts += 1;
        let problem = match read_child(child, &above, &edge).await? {
            Ok((below, child_side)) => {
                let from = below.parent.as_ref().map_or(Nonce::ZERO, |cursor| cursor.next_nonce);
                let parent_side = read_parent(parent, &above, &edge, from).await?;
                let (parent_height, child_height) = (above.height, below.height);
                return Ok(EdgeFigures { child: subnet, parent_height, child_height, parent_side, child_side });
            }
            Err(problem) => problem,
        };
        if attempts == ATTEMPTS_MAX {
            return Err(SupplyError::Behind { url, child: subnet, problem });
        }
        tokio::time::sleep(ATTEMPT_PAUSE).await;
    }
}

async fn read_parent(
    parent: &Client,
    above: &CrossPending,
    edge: &ChildEdge,
    from: Nonce,
) -> Result<ParentFigures, SupplyError> {
    let waiting = queue(parent, Some(&edge.subnet), from..edge.next_nonce, above.height).await?;
    Ok(ParentFigures {
        custody: edge.custody.0.clone(),
        reserved: edge.reserved.0.clone(),
        unclaimed: edge.unclaimed.0.clone(),
        stake: edge.stake.0.clone(),
        actor_balance: edge.actor_balance.0.clone(),
        queued: waiting,
    })
}

/// The child's side, with what waits there; or what of the parent's knowledge it lacks.
async fn read_child(
    child: &Client,
    above: &CrossPending,
    edge: &ChildEdge,
) -> Result<Result<(CrossPending, ChildFigures), String>, SupplyError> {
    let below = followed(child, above.height).await?;
    let supply = child.supply(Some(below.height)).await?;
    if supply.cut_sequence < edge.last_sequence {
        return Ok(Err(format!("checkpoint {} is not cut there", edge.last_sequence)));
    }
    let next_up = below.outbox.as_ref().map_or(Nonce::ZERO, |outbox| outbox.first_nonce);
    let end = below.outbox.as_ref().and_then(|outbox| next_up.checked_add(outbox.messages)).unwrap_or(next_up);
    let mut side = ChildFigures {
        circulating: supply.circulating.0,
        outbox: queue(child, None, next_up..end, below.height).await?,
        burned: supply.burned_uncut.0,
        ..ChildFigures::default()
    };
    let mut sequence = supply.cut_sequence;
    let mut looked_at = 0;
    while sequence > Sequence::ZERO {
        let is_accepted = sequence <= edge.last_sequence;
        let Some(record) = child.checkpoint(sequence).await? else {
            return Ok(Err(format!("checkpoint {sequence} is not signed yet")));
        };
        let batch = &record.submission.0.checkpoint.messages;
        let messages = &record.submission.0.messages;
        let end = batch.first_nonce.checked_add(batch.count).unwrap_or(batch.first_nonce);
        if is_accepted && end <= edge.next_delivery_nonce {
            break;
        }
        if messages.len() as u64 != batch.count {
            let problem = format!("checkpoint {sequence} has {} of its {} messages", messages.len(), batch.count);
            return Err(SupplyError::Contradiction { url: child.url().to_owned(), problem });
        }
        let amount = messages.iter().filter(|message| message.nonce >= edge.next_delivery_nonce);
        let amount: TokenAmount = amount.map(|message| message.amount()).sum();
        if is_accepted {
            side.undelivered += amount;
        } else {
            side.unaccepted += amount;
            side.burned += &record.submission.0.checkpoint.burned;
        }
        looked_at += 1;
        if looked_at == CHECKPOINTS_MAX {
            return Ok(Err(format!("{CHECKPOINTS_MAX} checkpoints are not settled")));
        }
        sequence = sequence.previous().unwrap_or(Sequence::ZERO);
    }
    Ok(Ok((below, side)))
}

/// What waits in the child after its last block that followed the parent no further than `height`.
async fn followed(child: &Client, height: Height) -> Result<CrossPending, SupplyError> {
    let is_within = |below: &CrossPending| below.parent.as_ref().is_none_or(|cursor| cursor.height <= height);
    let head = child.cross_pending(None).await?;
    if is_within(&head) {
        return Ok(head);
    }
    // Heights followed only grow, so the last such block is found by halving. Genesis follows the parent's activation.
    let (mut low, mut high) = (Height::GENESIS, head.height);
    while let Some(middle) = low.checked_add(high.saturating_since(low) / 2).filter(|middle| *middle > low) {
        if is_within(&child.cross_pending(Some(middle)).await?) { low = middle } else { high = middle }
    }
    Ok(child.cross_pending(Some(low)).await?)
}

/// Sum over the messages that wait on an edge, by their nonces.
async fn queue(
    client: &Client,
    child: Option<&SubnetId>,
    nonces: std::ops::Range<Nonce>,
    height: Height,
) -> Result<TokenAmount, SupplyError> {
    let (mut next, mut sum) = (nonces.start, TokenAmount::default());
    while next < nonces.end {
        let messages = client.cross_queue(child, next, Some(height)).await?;
        let missing = |problem: String| SupplyError::Contradiction { url: client.url().to_owned(), problem };
        if messages.is_empty() {
            return Err(missing(format!("message {next} of {} to {} is not in the queue", nonces.start, nonces.end)));
        }
        for CrossMessageInfo { nonce, value, fee, .. } in messages {
            if nonce != next {
                return Err(missing(format!("message {nonce} stands where {next} had to follow")));
            }
            if next < nonces.end {
                sum += value.0 + fee.0;
                next = next.next();
            }
        }
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn atto(amount: u64) -> TokenAmount {
        TokenAmount::from_atto(amount)
    }

    /// 1000 went down, 100 of them not applied; 300 went up: 200 delivered, 60 accepted and waiting, 25 in a checkpoint
    /// on its way, 15 in none; 50 burned, 20 of them reported.
    fn sides() -> (ParentFigures, ChildFigures) {
        let custody = 1000 - 200 - 60 - 20;
        let parent = ParentFigures {
            custody: atto(custody),
            reserved: atto(60),
            unclaimed: atto(5),
            stake: atto(40),
            actor_balance: atto(custody + 60 + 5 + 40),
            queued: atto(100),
        };
        let child = ChildFigures {
            circulating: atto(900 - 300 - 50),
            outbox: atto(15),
            unaccepted: atto(25),
            undelivered: atto(60),
            burned: atto(30),
        };
        (parent, child)
    }

    fn violations((parent, child): &(ParentFigures, ChildFigures)) -> Vec<String> {
        reckon(parent, child).violations
    }

    #[test]
    fn an_edge_with_something_in_every_place_is_conserved() {
        let (parent, child) = sides();
        let supply = reckon(&parent, &child);
        assert_eq!(supply.violations, Vec::<String>::new());
        assert_eq!(
            [supply.custody, supply.circulating, supply.in_flight, supply.burned],
            [atto(780), atto(550), atto(200), atto(30)]
        );
    }

    #[test]
    fn whoever_gives_the_actor_something_breaks_nothing_and_whoever_takes_it_does() {
        let mut sides = sides();
        sides.0.actor_balance += atto(1);
        assert_eq!(violations(&sides), Vec::<String>::new());
        sides.0.actor_balance -= atto(2);
        assert_eq!(violations(&sides).len(), 1);
    }

    #[test]
    fn a_counter_that_lies_is_found() {
        let mut sides = sides();
        sides.0.custody += atto(1);
        assert_eq!(violations(&sides).len(), 2, "nobody holds it, and the actor owes it");
        sides.0.custody -= atto(1);
        sides.0.reserved += atto(1);
        assert!(violations(&sides).iter().any(|text| text.contains("reserved")));
    }

    #[test]
    fn value_minted_twice_or_lost_is_found() {
        let mut sides = sides();
        sides.1.circulating += atto(5);
        assert_eq!(violations(&sides).len(), 1);
        sides.1.circulating -= atto(5);
        sides.0.queued -= atto(1);
        assert_eq!(violations(&sides).len(), 1);
    }

    #[test]
    fn a_negative_term_is_found_though_the_sum_is_right() {
        let mut sides = sides();
        sides.1.burned -= atto(31);
        sides.1.circulating += atto(31);
        assert_eq!(violations(&sides).len(), 1, "{:?}", violations(&sides));
    }

    mod running {
        use fvm_ipld_encoding::RawBytes;
        use fvm_shared::address::Address;
        use serde_json::{Value, json};
        use subnet_types::actors::SubmitCheckpointParams;
        use subnet_types::bytes::{BlsSignature, Digest};
        use subnet_types::checkpoint::{CHECKPOINT_VERSION, ConfigurationApplied, TopDownApplied};
        use subnet_types::cross::{CrossAddress, MessageBatch};
        use subnet_types::hash::cid_of_bytes;
        use subnet_types::{Checkpoint, ConfigurationNumber, CrossKind, CrossMessage, QuorumCertificate};

        use super::*;
        use crate::api::{ApiError, CheckpointRecord, OutboxInfo, ParentCursorInfo, SupplyInfo};
        use crate::rpc::tests::server;

        fn child() -> SubnetId {
            SubnetId::root(1).child(Address::new_actor(b"child")).unwrap()
        }

        fn message(nonce: u64, value: u64, fee: u64) -> CrossMessage {
            let at = || CrossAddress { subnet: child(), address: Address::new_actor(b"somebody") };
            CrossMessage {
                id: Digest([9; 32]),
                origin: at(),
                origin_sequence: nonce,
                destination: at(),
                value: atto(value),
                kind: CrossKind::Call { method: 2, params: RawBytes::default() },
                nonce: Nonce::new(nonce),
                gas_limit: 0,
                fee: atto(fee),
                expires: None,
                wants_receipt: false,
            }
        }

        fn queue(messages: Vec<CrossMessage>, params: &Value) -> Value {
            let from = params[1].as_u64().unwrap();
            let from = messages.into_iter().filter(|message| message.nonce.get() >= from);
            // One at a time, so that the next one has to be asked for.
            json!(from.take(1).map(CrossMessageInfo::from).collect::<Vec<_>>())
        }

        fn pending(height: u64, edges: Vec<ChildEdge>, parent: Option<ParentCursorInfo>) -> CrossPending {
            let outbox = OutboxInfo { messages: 1, first_nonce: Nonce::new(4), value: atto(7).into() };
            CrossPending {
                subnet: parent.as_ref().map_or(SubnetId::root(1), |_| child()),
                height: Height::new(height),
                outbox: parent.is_some().then_some(outbox),
                parent,
                children: edges,
                unclaimed: atto(0).into(),
            }
        }

        /// The parent at height 20: message 2 of checkpoint 1 waits, checkpoint 2 is not accepted, and messages 3 and 4
        /// are queued beyond what the child had applied by then.
        fn parent(method: &str, params: &Value, custody: u64) -> Value {
            match method {
                "Subnet.CrossPending" => {
                    let edge = ChildEdge {
                        subnet: child(),
                        actor: Address::new_id(1000).into(),
                        actor_balance: atto(custody + 5).into(),
                        custody: atto(custody).into(),
                        reserved: atto(5).into(),
                        unclaimed: atto(0).into(),
                        stake: atto(0).into(),
                        applied_below: Nonce::new(1),
                        next_nonce: Nonce::new(5),
                        last_sequence: Sequence::new(1),
                        next_delivery_nonce: Nonce::new(2),
                        undelivered: 1,
                    };
                    json!(pending(20, vec![edge], None))
                }
                _ => queue((1..5).map(|nonce| message(nonce, 10, 1)).collect(), params),
            }
        }

        fn checkpoint(sequence: u64, messages: Vec<CrossMessage>, burned: u64) -> Value {
            let cid = cid_of_bytes(b"any");
            let checkpoint = Checkpoint {
                version: CHECKPOINT_VERSION,
                chain: Digest([1; 32]),
                sequence: Sequence::new(sequence),
                height: Height::new(5 * sequence),
                block: cid,
                state_root: cid,
                previous: Digest::ZERO,
                messages: MessageBatch::of(messages[0].nonce, &messages),
                burned: atto(burned),
                top_down_applied: TopDownApplied { nonce: Nonce::ZERO, parent_height: Height::GENESIS },
                configuration: ConfigurationApplied {
                    number: ConfigurationNumber::FIRST,
                    validators_hash: Digest::ZERO,
                },
                upgrade: Digest::ZERO,
            };
            let certificate = QuorumCertificate {
                configuration: ConfigurationNumber::FIRST,
                signers: vec![1],
                key_sum: vec![],
                signature: BlsSignature([0; 96]),
            };
            json!(CheckpointRecord::new(SubmitCheckpointParams { checkpoint, certificate, messages }, Digest::ZERO))
        }

        /// The child at height 12, which has followed the parent past height 20 since its block 11.
        fn below(method: &str, params: &Value) -> Value {
            match method {
                "Subnet.CrossPending" => {
                    let height = params[0].as_u64().unwrap_or(12);
                    let cursor = ParentCursorInfo { height: Height::new(10 + height), next_nonce: Nonce::new(3) };
                    json!(pending(height, vec![], Some(cursor)))
                }
                "Subnet.Supply" => {
                    assert_eq!(params[0], 10, "the last block that followed the parent no further");
                    json!(SupplyInfo {
                        height: Height::new(10),
                        minted: atto(103).into(),
                        burnt: atto(3).into(),
                        circulating: atto(100).into(),
                        released_uncut: atto(7).into(),
                        burned_uncut: atto(3).into(),
                        cut_sequence: Sequence::new(2),
                    })
                }
                "Subnet.Checkpoint" if params[0] == 2 => checkpoint(2, vec![message(3, 6, 0)], 4),
                "Subnet.Checkpoint" => checkpoint(1, (0..3).map(|nonce| message(nonce, 5, 0)).collect(), 2),
                _ => queue(vec![message(4, 6, 1)], params),
            }
        }

        const METHODS: [&str; 4] = ["Subnet.CrossPending", "Subnet.CrossQueue", "Subnet.Supply", "Subnet.Checkpoint"];

        async fn read_with(custody: u64) -> EdgeFigures {
            let (above, _parent) = server(&METHODS, move |method, params| Ok(parent(method, &params, custody))).await;
            let (client, _child) = server(&METHODS, |method, params| Ok(below(method, &params))).await;
            read(&above, &client, &child()).await.unwrap()
        }

        #[tokio::test]
        async fn two_chains_that_go_on_are_read_at_heights_that_fit() {
            let figures = read_with(142).await;
            assert_eq!((figures.parent_height, figures.child_height), (Height::new(20), Height::new(10)));
            assert_eq!(figures.parent_side.queued, atto(22));
            let expected = ChildFigures {
                circulating: atto(100),
                outbox: atto(7),
                unaccepted: atto(6),
                undelivered: atto(5),
                burned: atto(7),
            };
            assert_eq!(figures.child_side, expected);
            let supply = reckon(&figures.parent_side, &figures.child_side);
            assert_eq!((supply.in_flight, supply.violations), (atto(40), vec![]));
            let figures = read_with(143).await;
            assert_eq!(reckon(&figures.parent_side, &figures.child_side).violations.len(), 1);
        }

        #[tokio::test]
        async fn a_child_that_the_parent_does_not_have_is_named_and_so_is_a_hole_in_a_queue() {
            let (above, _parent) = server(&METHODS, |method, params| Ok(parent(method, &params, 142))).await;
            let error = read(&above, &above, &SubnetId::root(5)).await.unwrap_err();
            assert!(matches!(error, SupplyError::NoChild { .. }), "{error}");

            let (hollow, _parent) = server(&METHODS, |method, params| match method {
                "Subnet.CrossQueue" => Ok(json!([])),
                _ => Ok(parent(method, &params, 142)),
            })
            .await;
            let (client, _child) = server(&METHODS, |method, params| Ok(below(method, &params))).await;
            let error = read(&hollow, &client, &child()).await.unwrap_err();
            assert!(matches!(error, SupplyError::Contradiction { .. }), "{error}");

            let (silent, _parent) = server(&METHODS, |_, _| Err(ApiError::Internal("out".to_owned()).into())).await;
            assert!(matches!(read(&silent, &client, &child()).await, Err(SupplyError::Rpc(_))));
        }
    }
}
