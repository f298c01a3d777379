//! The `Filecoin.*` methods.

use std::sync::Arc;

use client::api::{
    ActorStateJson, ApiError, ApiVersion, BlockHeaderJson, BlockMessages, FilecoinApiServer, InvocationResult,
    JsonAddress, JsonAmount, JsonBytes, JsonCid, MessageGasCost, MessageJson, MessageLookup, MessageSendSpec,
    ReadState, ReceiptJson, SignedMessageJson, Tipset, TipsetKey,
};
use fvm_shared::address::Address;
use fvm_shared::crypto::signature::SignatureType;
use fvm_shared::message::Message;
use jsonrpsee::core::async_trait;
use mempool::PushError;
use serde_json::Value;
use subnet_types::message::message_cid;
use subnet_types::{Height, SignedMessage};

use super::chain::internal;
use super::context::RpcContext;
use super::eth_address;
use super::gate::Gate;
use super::limits::{PENDING_PER_ANSWER_MAX, WAIT_TIME_MAX};
use super::status::rejected;
use super::wait;

/// Version of the API that the answers follow: Lotus's v1, `major << 16 | minor << 8 | patch`.
const API_VERSION: u32 = 0x0002_0300;

pub(super) struct FilecoinMethods {
    context: RpcContext,
    gate: Arc<Gate>,
}

impl FilecoinMethods {
    pub(super) fn new(context: RpcContext, gate: Arc<Gate>) -> Self {
        Self { context, gate }
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&RpcContext) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let context = self.context.clone();
        self.gate.run(move || work(&context)).await
    }

    /// The same for what runs the VM.
    async fn run_vm<T: Send + 'static>(
        &self,
        work: impl FnOnce(&RpcContext) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let context = self.context.clone();
        self.gate.run_vm(move || work(&context)).await
    }
}

#[async_trait]
impl FilecoinApiServer for FilecoinMethods {
    async fn version(&self) -> Result<ApiVersion, ApiError> {
        Ok(ApiVersion {
            version: concat!("subnet-node ", env!("CARGO_PKG_VERSION")).to_owned(),
            api_version: API_VERSION,
            block_delay: self.context.genesis().chain.block_interval_ms.div_ceil(1000),
        })
    }

    async fn chain_head(&self) -> Result<Tipset, ApiError> {
        self.run(|context| context.tipset(context.head())).await
    }

    async fn chain_get_tip_set_by_height(&self, height: i64, _: Option<TipsetKey>) -> Result<Tipset, ApiError> {
        let height = u64::try_from(height)
            .map_err(|_| ApiError::InvalidParams(format!("height is {height}, expected 0 or above")))?;
        self.run(move |context| context.tipset(context.committed_height(Some(Height::new(height)))?)).await
    }

    async fn chain_get_block(&self, block: JsonCid) -> Result<BlockHeaderJson, ApiError> {
        self.run(move |context| {
            let tipset = context.tipset(context.height_of_block(&block.0)?)?;
            Ok(tipset.blocks.into_iter().next().expect("a tipset of this chain has one block"))
        })
        .await
    }

    async fn chain_get_message(&self, message: JsonCid) -> Result<MessageJson, ApiError> {
        self.run(move |context| {
            if let Some(included) = context.chain.message(&message.0).map_err(internal)? {
                return Ok((&included.message.message).into());
            }
            let pending = context.mempool.message(&message.0);
            let pending = pending.ok_or_else(|| {
                ApiError::NotFound(format!("message {message} is in no block and does not wait for one"))
            })?;
            Ok((&pending.signed().message).into())
        })
        .await
    }

    async fn chain_get_block_messages(&self, block: JsonCid) -> Result<BlockMessages, ApiError> {
        self.run(move |context| {
            let height = context.height_of_block(&block.0)?;
            Ok(block_messages(&context.chain.messages(height).map_err(internal)?.unwrap_or_default()))
        })
        .await
    }

    async fn mpool_push(&self, message: SignedMessageJson) -> Result<JsonCid, ApiError> {
        self.run(move |context| match context.mempool.push(message.into()) {
            Ok(cid) => Ok(cid.into()),
            Err(PushError::Rejected(rejection)) => Err(rejected(&rejection)),
            Err(PushError::Fatal(error)) => Err(internal(error)),
        })
        .await
    }

    async fn mpool_pending(&self, _: Option<TipsetKey>) -> Result<Vec<SignedMessageJson>, ApiError> {
        self.run(|context| {
            let pending = context.mempool.pending();
            Ok(pending.iter().take(PENDING_PER_ANSWER_MAX).map(|message| message.signed().into()).collect())
        })
        .await
    }

    async fn mpool_get_nonce(&self, address: JsonAddress) -> Result<u64, ApiError> {
        self.run(move |context| {
            // The pool knows senders by their keys.
            let key = context.account_key(&address.0, context.head())?;
            context.mempool.next_nonce(&key).map_err(internal)
        })
        .await
    }

    async fn gas_estimate_message_gas(
        &self,
        message: MessageJson,
        spec: Option<MessageSendSpec>,
        key: Option<TipsetKey>,
    ) -> Result<MessageJson, ApiError> {
        self.run_vm(move |context| {
            let height = context.height_of_key(key)?;
            Ok((&context.estimate(message.into(), spec, height)?).into())
        })
        .await
    }

    async fn state_network_name(&self) -> Result<String, ApiError> {
        Ok(self.context.genesis().subnet.to_string())
    }

    async fn state_get_actor(
        &self,
        address: JsonAddress,
        key: Option<TipsetKey>,
    ) -> Result<Option<ActorStateJson>, ApiError> {
        self.run(move |context| context.actor(&address.0, context.height_of_key(key)?)).await
    }

    async fn state_lookup_id(&self, address: JsonAddress, key: Option<TipsetKey>) -> Result<JsonAddress, ApiError> {
        self.run(move |context| {
            let id = context.actor_id(&address.0, context.height_of_key(key)?)?;
            Ok(Address::new_id(id).into())
        })
        .await
    }

    async fn state_account_key(&self, address: JsonAddress, key: Option<TipsetKey>) -> Result<JsonAddress, ApiError> {
        self.run(move |context| Ok(context.account_key(&address.0, context.height_of_key(key)?)?.into())).await
    }

    async fn state_call(&self, message: MessageJson, key: Option<TipsetKey>) -> Result<InvocationResult, ApiError> {
        self.run_vm(move |context| invoke(context, &message.into(), context.height_of_key(key)?)).await
    }

    async fn state_search_msg(
        &self,
        _: Option<TipsetKey>,
        message: JsonCid,
        _: Option<i64>,
        _: Option<bool>,
    ) -> Result<Option<MessageLookup>, ApiError> {
        self.run(move |context| context.lookup(message.0)).await
    }

    async fn state_wait_msg(
        &self,
        message: JsonCid,
        _: Option<u64>,
        _: Option<i64>,
        _: Option<bool>,
    ) -> Result<MessageLookup, ApiError> {
        wait::wait(&self.context, &self.gate, message.0, WAIT_TIME_MAX).await
    }

    async fn state_read_state(&self, address: JsonAddress, key: Option<TipsetKey>) -> Result<ReadState, ApiError> {
        self.run(move |context| context.read_state(&address.0, context.height_of_key(key)?)).await
    }

    async fn wallet_balance(&self, address: JsonAddress) -> Result<JsonAmount, ApiError> {
        self.run(move |context| Ok(context.balance(&address.0, context.head())?.into())).await
    }

    async fn filecoin_address_to_eth_address(
        &self,
        address: JsonAddress,
        _: Option<Value>,
    ) -> Result<String, ApiError> {
        self.run(move |context| eth_address::to_eth(&address.0, |address| context.actor_id(address, context.head())))
            .await
    }

    async fn eth_address_to_filecoin_address(&self, address: String) -> Result<JsonAddress, ApiError> {
        Ok(eth_address::from_eth(&address)?.into())
    }
}

fn block_messages(messages: &[SignedMessage]) -> BlockMessages {
    let is_bls = |signed: &&SignedMessage| signed.signature.signature_type() == SignatureType::BLS;
    let (bls, secpk): (Vec<_>, Vec<_>) = messages.iter().partition(is_bls);
    BlockMessages {
        cids: bls.iter().chain(&secpk).map(|signed| signed.cid().into()).collect(),
        bls_messages: bls.into_iter().map(|signed| (&signed.message).into()).collect(),
        secpk_messages: secpk.into_iter().map(Into::into).collect(),
    }
}

fn invoke(context: &RpcContext, message: &Message, height: Height) -> Result<InvocationResult, ApiError> {
    let started = std::time::Instant::now();
    let outcome = context.trial(message, height)?;
    let cid = message_cid(message);
    Ok(InvocationResult {
        msg_cid: cid.into(),
        msg: message.into(),
        msg_rct: Some(ReceiptJson {
            exit_code: outcome.exit_code.value(),
            r#return: JsonBytes(outcome.return_data.bytes().to_vec()),
            gas_used: outcome.gas_used,
            events_root: None,
        }),
        gas_cost: MessageGasCost { message: Some(cid.into()), ..MessageGasCost::default() },
        execution_trace: None,
        error: outcome.failure.unwrap_or_default(),
        duration: u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX),
    })
}
