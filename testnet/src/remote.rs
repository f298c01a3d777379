//! One node as its callers see it: typed calls over its RPC, with the node's name in every error.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use client::api::{
    ActorStateJson, BlockDetails, CheckpointRecord, ChildStatus, CrossTraceInfo, FilecoinApiClient, JsonCid,
    MessageStatus, SignedMessageJson, SubnetApiClient, SubnetInfo,
};
use fvm_shared::ActorID;
use fvm_shared::address::Address;
use fvm_shared::crypto::signature::Signature;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use jsonrpsee::core::ClientError;
use jsonrpsee::core::client::ClientT as _;
use jsonrpsee::core::params::BatchRequestBuilder;
use jsonrpsee::core::traits::ToRpcParams;
use jsonrpsee::http_client::{HttpClient, HttpClientBuilder};
use serde_json::value::RawValue;
use subnet_types::{Digest, Height, Sequence, SignedMessage, SubnetId, ValidatorSet};

use crate::ledger::Executed;

/// How long one call may take. A node that executes a large block on a busy machine answers late, not never.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes of a BLS signature, which blocks' messages come without.
const BLS_SIGNATURE_BYTES: usize = 96;

/// A signed message in the form in which a node takes it, encoded ahead of its time.
#[derive(Clone, Debug)]
pub struct PreparedPush(Box<RawValue>);

impl PreparedPush {
    /// Encodes a message.
    ///
    /// # Errors
    /// When it has no JSON form, which is a bug.
    pub fn new(signed: &SignedMessage) -> anyhow::Result<Self> {
        Ok(Self(serde_json::value::to_raw_value(&[SignedMessageJson::from(signed)])?))
    }
}

impl ToRpcParams for PreparedPush {
    fn to_rpc_params(self) -> Result<Option<Box<RawValue>>, serde_json::Error> {
        Ok(Some(self.0))
    }
}

/// One node's RPC.
#[derive(Clone, Debug)]
pub struct Remote {
    name: Arc<str>,
    url: Arc<str>,
    client: HttpClient,
}

impl Remote {
    /// The RPC of node `name` at `url`. Nothing is sent yet.
    ///
    /// # Errors
    /// When the URL is none.
    pub fn new(name: &str, url: &str) -> anyhow::Result<Self> {
        let client = HttpClientBuilder::default().request_timeout(CALL_TIMEOUT).build(url)?;
        Ok(Self { name: name.into(), url: url.into(), client })
    }

    /// Name of the node.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it answers.
    pub fn url(&self) -> &str {
        &self.url
    }

    fn named<T>(&self, what: &str, answer: Result<T, ClientError>) -> anyhow::Result<T> {
        answer.map_err(|error| anyhow!("{}, {what}: {error}", self.name))
    }

    /// Which chain this is and where it stands.
    ///
    /// # Errors
    /// As every call: when the node does not answer, or with an error.
    pub async fn info(&self) -> anyhow::Result<SubnetInfo> {
        self.named("info", SubnetApiClient::info(&self.client).await)
    }

    /// The last final height.
    ///
    /// # Errors
    /// As every call.
    pub async fn height(&self) -> anyhow::Result<Height> {
        Ok(self.info().await?.height)
    }

    /// A block and what it made.
    ///
    /// # Errors
    /// As every call.
    pub async fn block(&self, height: Height) -> anyhow::Result<BlockDetails> {
        self.named("block", SubnetApiClient::block(&self.client, Some(height)).await)
    }

    /// The validators that vote on a height.
    ///
    /// # Errors
    /// As every call.
    pub async fn validators(&self, height: Height) -> anyhow::Result<ValidatorSet> {
        let answer = self.named("validators", SubnetApiClient::validators(&self.client, Some(height)).await)?;
        Ok(answer.set.0)
    }

    /// A checkpoint of the node's chain, as this node certified it; `None` before.
    ///
    /// # Errors
    /// As every call.
    pub async fn checkpoint(&self, sequence: Sequence) -> anyhow::Result<Option<CheckpointRecord>> {
        self.named("checkpoint", SubnetApiClient::checkpoint(&self.client, sequence).await)
    }

    /// What the node's chain knows of a child.
    ///
    /// # Errors
    /// As every call.
    pub async fn child_status(&self, child: &SubnetId) -> anyhow::Result<ChildStatus> {
        self.named("child status", SubnetApiClient::child_status(&self.client, child.clone()).await)
    }

    /// Where a message is.
    ///
    /// # Errors
    /// As every call.
    pub async fn message_status(&self, message: JsonCid) -> anyhow::Result<MessageStatus> {
        self.named("message status", SubnetApiClient::message_status(&self.client, message).await)
    }

    /// What happened to a cross message on this chain.
    ///
    /// # Errors
    /// As every call.
    pub async fn cross_trace(&self, id: Digest) -> anyhow::Result<CrossTraceInfo> {
        self.named("cross trace", SubnetApiClient::cross_trace(&self.client, id).await)
    }

    /// What an address holds after the last block.
    ///
    /// # Errors
    /// As every call.
    pub async fn balance(&self, address: &Address) -> anyhow::Result<TokenAmount> {
        let balance = FilecoinApiClient::wallet_balance(&self.client, (*address).into()).await;
        Ok(self.named("balance", balance)?.into())
    }

    /// What an actor holds after the block at a height; `None` where there is no actor.
    ///
    /// # Errors
    /// As every call.
    pub async fn balance_at(&self, id: ActorID, height: Height) -> anyhow::Result<Option<TokenAmount>> {
        let actor = self.actor_at(&Address::new_id(id), height).await?;
        Ok(actor.map(|actor| actor.balance.into()))
    }

    /// An actor after the block at a height.
    ///
    /// # Errors
    /// As every call.
    pub async fn actor_at(&self, address: &Address, height: Height) -> anyhow::Result<Option<ActorStateJson>> {
        let key = vec![self.block_id(height).await?];
        let actor = FilecoinApiClient::state_get_actor(&self.client, (*address).into(), Some(key)).await;
        self.named("actor", actor)
    }

    async fn block_id(&self, height: Height) -> anyhow::Result<JsonCid> {
        let height = i64::try_from(height.get())?;
        let tipset = FilecoinApiClient::chain_get_tip_set_by_height(&self.client, height, None).await;
        let tipset = self.named("tipset", tipset)?;
        tipset.cids.first().copied().with_context(|| format!("{}: a tipset without a block", self.name))
    }

    /// The id of an address after the block at a height.
    ///
    /// # Errors
    /// As every call, and when there is no actor.
    pub async fn lookup_id(&self, address: &Address, height: Height) -> anyhow::Result<ActorID> {
        let key = vec![self.block_id(height).await?];
        let id = FilecoinApiClient::state_lookup_id(&self.client, (*address).into(), Some(key)).await;
        Ok(self.named("id of an address", id)?.0.id()?)
    }

    /// The next nonce of an account, pending messages counted.
    ///
    /// # Errors
    /// As every call.
    pub async fn nonce(&self, address: &Address) -> anyhow::Result<u64> {
        self.named("nonce", FilecoinApiClient::mpool_get_nonce(&self.client, (*address).into()).await)
    }

    /// The message with gas and prices filled in.
    ///
    /// # Errors
    /// As every call, and when the message would fail.
    pub async fn estimate(&self, message: &Message) -> anyhow::Result<Message> {
        let filled = FilecoinApiClient::gas_estimate_message_gas(&self.client, message.into(), None, None).await;
        Ok(self.named("gas estimate", filled)?.into())
    }

    /// Hands a signed message to the node.
    ///
    /// # Errors
    /// As every call, and when the pool refuses the message.
    pub async fn push(&self, signed: &SignedMessage) -> anyhow::Result<JsonCid> {
        self.named("push", FilecoinApiClient::mpool_push(&self.client, signed.into()).await)
    }

    /// Hands messages to the node in one request; it takes them in this order.
    ///
    /// # Errors
    /// As every call, and when the pool refuses one of them.
    pub async fn push_all(&self, messages: Vec<PreparedPush>) -> anyhow::Result<()> {
        let mut batch = BatchRequestBuilder::new();
        for message in messages {
            batch.insert("Filecoin.MpoolPush", message)?;
        }
        let answers = self.named("push", self.client.batch_request::<JsonCid>(batch).await)?;
        for answer in answers.iter() {
            answer.as_ref().map_err(|error| anyhow!("{}, push: {error}", self.name))?;
        }
        Ok(())
    }

    /// The messages of a block that are `relevant`, with their receipts.
    ///
    /// # Errors
    /// As every call.
    pub async fn executed(&self, height: Height, relevant: impl Fn(&Message) -> bool) -> anyhow::Result<Vec<Executed>> {
        let block = self.block_id(height).await?;
        let content = FilecoinApiClient::chain_get_block_messages(&self.client, block).await;
        let content = self.named("messages of a block", content)?;
        let bls = content.bls_messages.into_iter().map(|message| SignedMessage {
            message: message.into(),
            // Only its length matters here; the block shows BLS messages without their signatures.
            signature: Signature::new_bls(vec![0; BLS_SIGNATURE_BYTES]),
        });
        let signed = bls.chain(content.secpk_messages.into_iter().map(Into::into));
        let mut found = Vec::new();
        for (signed, cid) in signed.zip(content.cids) {
            if relevant(&signed.message) {
                let lookup = FilecoinApiClient::state_search_msg(&self.client, None, cid, None, None).await;
                let lookup = self.named("search", lookup)?;
                let lookup = lookup.with_context(|| format!("{}: {cid} has no receipt", self.name))?;
                let signed_bytes = signed.to_bytes().len();
                found.push(Executed { message: signed.message, signed_bytes, receipt: lookup.receipt });
            }
        }
        Ok(found)
    }
}
