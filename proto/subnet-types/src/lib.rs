//! The domain nouns of the subnet runtime: what a subnet, a block, a checkpoint and a cross message are.
//!
//! The actors on chain and the node share this package, so it knows no clock, file, socket, thread or random
//! number, and it builds for wasm32. Everything here is data and pure functions over data; whatever is signed or
//! hashed has its preimage defined here and nowhere else.

mod abi;
pub mod actors;
pub mod block;
pub mod bytes;
pub mod checkpoint;
pub mod cross;
pub mod events;
pub mod genesis;
pub mod hash;
pub mod identity;
pub mod limits;
pub mod membership;
pub mod message;
pub mod parent;
pub mod proposal;
pub mod quantity;
pub mod subnet_id;
pub mod unlinked;
pub mod vote;

pub use block::{BlockHeader, BlockInfo, Payload};
pub use bytes::{BlsPublicKey, BlsSignature, Digest, Ed25519Signature, VoteKey};
pub use checkpoint::{Checkpoint, QuorumCertificate};
pub use cross::{CrossKind, CrossMessage};
pub use genesis::{Genesis, SubnetParameters};
pub use identity::ChainIdentity;
pub use membership::{Validator, ValidatorSet};
pub use message::SignedMessage;
pub use parent::{MembershipChange, ParentUpdate};
pub use quantity::{ConfigurationNumber, Height, Nonce, Power, Sequence, TimestampMs};
pub use subnet_id::SubnetId;
pub use vote::FinalityCertificate;
