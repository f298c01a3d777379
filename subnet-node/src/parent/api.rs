//! The calls that a subnet's node makes to its parent. A trait, so that services can be tested without a network.

use async_trait::async_trait;
use cid::Cid;
use client::Client;
use client::api::{ChildStatus, MessageSendSpec, MessageStatus, TrackedSet};
use client::rpc::RpcError;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use subnet_types::{ChainIdentity, ConfigurationNumber, Height, Nonce, ParentUpdate, SignedMessage, SubnetId};

use super::ParentCursor;

/// What a node says of the chain it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParentFacts {
    /// Identity of its chain.
    pub identity: ChainIdentity,
    /// Target time between blocks, in milliseconds.
    pub block_interval_ms: u64,
    /// Its last final height.
    pub height: Height,
    /// Most gas that a message may ask for.
    pub block_gas_limit: u64,
}

/// Which proof a child needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofQuery {
    /// The child.
    pub child: SubnetId,
    /// The first message.
    pub nonce: Nonce,
    /// The configuration that the first change makes.
    pub configuration: ConfigurationNumber,
    /// The parent's validators as the child tracks them.
    pub tracked: TrackedSet,
    /// The parent block to prove with; `None` for the newest that is final.
    pub header: Option<Cid>,
}

impl ProofQuery {
    /// What the state that `cursor` describes needs next.
    pub fn of(cursor: &ParentCursor, header: Option<Cid>) -> Self {
        Self {
            child: cursor.subnet.clone(),
            nonce: cursor.next_nonce,
            configuration: cursor.next_configuration,
            tracked: TrackedSet { number: cursor.validators.number(), hash: cursor.validators.hash() },
            header,
        }
    }
}

/// Whoever has proofs: a node of the parent, or one of this chain that follows it.
#[async_trait]
pub trait ProofApi: Send + Sync {
    /// Its address, for logs.
    fn url(&self) -> &str;

    /// Which chain it belongs to.
    async fn facts(&self) -> Result<ParentFacts, RpcError>;

    /// What the child has to learn, with its proof; `None` where it knows of nothing new. Nothing of it is verified.
    async fn proof(&self, query: &ProofQuery) -> Result<Option<ParentUpdate>, RpcError>;
}

/// One parent node.
#[async_trait]
pub trait ParentApi: ProofApi {
    /// What the parent knows of `child`.
    async fn child_status(&self, child: &SubnetId) -> Result<ChildStatus, RpcError>;

    /// The sender's next nonce in the last final state; messages that wait do not count.
    async fn state_nonce(&self, sender: &Address) -> Result<u64, RpcError>;

    /// The sender's next nonce, messages that wait counted.
    async fn next_nonce(&self, sender: &Address) -> Result<u64, RpcError>;

    /// The sender's messages that wait, by nonce.
    async fn pending(&self, sender: &Address) -> Result<Vec<Message>, RpcError>;

    /// `message` with its gas filled in, paying `fee_max` at most. Fails when running it fails.
    async fn estimate(&self, message: &Message, fee_max: &TokenAmount) -> Result<Message, RpcError>;

    /// Hands a message to the node.
    async fn push(&self, signed: &SignedMessage) -> Result<Cid, RpcError>;

    /// Where a message is.
    async fn message_status(&self, message: &Cid) -> Result<MessageStatus, RpcError>;
}

#[async_trait]
impl ProofApi for Client {
    fn url(&self) -> &str {
        Self::url(self)
    }

    async fn facts(&self) -> Result<ParentFacts, RpcError> {
        let info = self.info().await?;
        Ok(ParentFacts {
            identity: info.identity,
            block_interval_ms: info.block_interval_ms,
            height: info.height,
            block_gas_limit: info.block_gas_limit,
        })
    }

    async fn proof(&self, query: &ProofQuery) -> Result<Option<ParentUpdate>, RpcError> {
        let ProofQuery { child, nonce, configuration, tracked, header } = query;
        Ok(Some(Self::proof(self, child, *nonce, *configuration, *tracked, *header).await?.proof.0))
    }
}

/// A node of this chain: it hands on what it has proved itself.
pub struct PeerApi(pub Client);

#[async_trait]
impl ProofApi for PeerApi {
    fn url(&self) -> &str {
        self.0.url()
    }

    async fn facts(&self) -> Result<ParentFacts, RpcError> {
        self.0.facts().await
    }

    async fn proof(&self, query: &ProofQuery) -> Result<Option<ParentUpdate>, RpcError> {
        let ProofQuery { nonce, configuration, tracked, header, .. } = query;
        let proof = self.0.parent_proof(*nonce, *configuration, *tracked, *header).await?;
        Ok(proof.map(|proof| proof.proof.0))
    }
}

#[async_trait]
impl ParentApi for Client {
    async fn child_status(&self, child: &SubnetId) -> Result<ChildStatus, RpcError> {
        Self::child_status(self, child).await
    }

    async fn state_nonce(&self, sender: &Address) -> Result<u64, RpcError> {
        Ok(self.state_get_actor(sender).await?.map_or(0, |actor| actor.nonce))
    }

    async fn next_nonce(&self, sender: &Address) -> Result<u64, RpcError> {
        self.mpool_get_nonce(sender).await
    }

    async fn pending(&self, sender: &Address) -> Result<Vec<Message>, RpcError> {
        let all = self.mpool_pending().await?;
        let mut own: Vec<Message> = all
            .into_iter()
            .map(|signed| signed.message.into())
            .filter(|message: &Message| message.from == *sender)
            .collect();
        own.sort_by_key(|message| message.sequence);
        Ok(own)
    }

    async fn estimate(&self, message: &Message, fee_max: &TokenAmount) -> Result<Message, RpcError> {
        let spec = MessageSendSpec { max_fee: fee_max.clone().into() };
        self.gas_estimate_message_gas(message, Some(spec)).await
    }

    async fn push(&self, signed: &SignedMessage) -> Result<Cid, RpcError> {
        self.mpool_push(signed).await
    }

    async fn message_status(&self, message: &Cid) -> Result<MessageStatus, RpcError> {
        Self::message_status(self, *message).await
    }
}
