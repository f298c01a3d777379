//! The `Filecoin.*` methods, with the names and parameter order of FRC-0104.

use jsonrpsee::proc_macros::rpc;
use serde_json::Value;

use super::chain::{BlockHeaderJson, BlockMessages, Tipset, TipsetKey};
use super::error::ApiError;
use super::message::{MessageJson, MessageSendSpec, SignedMessageJson};
use super::scalar::{JsonAddress, JsonAmount, JsonCid};
use super::state::{ActorStateJson, ApiVersion, InvocationResult, MessageLookup, ReadState};

/// What a Filecoin wallet needs of a node.
#[rpc(server, client, namespace = "Filecoin", namespace_separator = ".")]
pub trait FilecoinApi {
    /// Which node this is.
    #[method(name = "Version")]
    async fn version(&self) -> Result<ApiVersion, ApiError>;

    /// The last final block.
    #[method(name = "ChainHead")]
    async fn chain_head(&self) -> Result<Tipset, ApiError>;

    /// The block at a height. The key is ignored: there is one chain.
    #[method(name = "ChainGetTipSetByHeight")]
    async fn chain_get_tip_set_by_height(&self, height: i64, key: Option<TipsetKey>) -> Result<Tipset, ApiError>;

    /// The header with this id.
    #[method(name = "ChainGetBlock")]
    async fn chain_get_block(&self, block: JsonCid) -> Result<BlockHeaderJson, ApiError>;

    /// The message with this CID, out of a block or the mempool.
    #[method(name = "ChainGetMessage")]
    async fn chain_get_message(&self, message: JsonCid) -> Result<MessageJson, ApiError>;

    /// The messages of the block with this id.
    #[method(name = "ChainGetBlockMessages")]
    async fn chain_get_block_messages(&self, block: JsonCid) -> Result<BlockMessages, ApiError>;

    /// Hands a signed message to the mempool.
    #[method(name = "MpoolPush")]
    async fn mpool_push(&self, message: SignedMessageJson) -> Result<JsonCid, ApiError>;

    /// Messages that wait for a block.
    #[method(name = "MpoolPending")]
    async fn mpool_pending(&self, key: Option<TipsetKey>) -> Result<Vec<SignedMessageJson>, ApiError>;

    /// The next nonce to use, pending messages counted.
    #[method(name = "MpoolGetNonce")]
    async fn mpool_get_nonce(&self, address: JsonAddress) -> Result<u64, ApiError>;

    /// The message with gas limit, fee cap and premium filled in where they are zero.
    #[method(name = "GasEstimateMessageGas")]
    async fn gas_estimate_message_gas(
        &self,
        message: MessageJson,
        spec: Option<MessageSendSpec>,
        key: Option<TipsetKey>,
    ) -> Result<MessageJson, ApiError>;

    /// Name of the chain.
    #[method(name = "StateNetworkName")]
    async fn state_network_name(&self) -> Result<String, ApiError>;

    /// The actor at an address, or `null`.
    #[method(name = "StateGetActor")]
    async fn state_get_actor(
        &self,
        address: JsonAddress,
        key: Option<TipsetKey>,
    ) -> Result<Option<ActorStateJson>, ApiError>;

    /// The id address of an address.
    #[method(name = "StateLookupID")]
    async fn state_lookup_id(&self, address: JsonAddress, key: Option<TipsetKey>) -> Result<JsonAddress, ApiError>;

    /// The key address of an account.
    #[method(name = "StateAccountKey")]
    async fn state_account_key(&self, address: JsonAddress, key: Option<TipsetKey>) -> Result<JsonAddress, ApiError>;

    /// Runs a message on a state and forgets the result.
    #[method(name = "StateCall")]
    async fn state_call(&self, message: MessageJson, key: Option<TipsetKey>) -> Result<InvocationResult, ApiError>;

    /// Where a message was executed, or `null`.
    #[method(name = "StateSearchMsg")]
    async fn state_search_msg(
        &self,
        key: Option<TipsetKey>,
        message: JsonCid,
        look_back_limit: Option<i64>,
        allow_replaced: Option<bool>,
    ) -> Result<Option<MessageLookup>, ApiError>;

    /// As `StateSearchMsg`, but waits for the message. Every block is final, so the confidence is ignored.
    #[method(name = "StateWaitMsg")]
    async fn state_wait_msg(
        &self,
        message: JsonCid,
        confidence: Option<u64>,
        look_back_limit: Option<i64>,
        allow_replaced: Option<bool>,
    ) -> Result<MessageLookup, ApiError>;

    /// An actor with its state as JSON.
    #[method(name = "StateReadState")]
    async fn state_read_state(&self, address: JsonAddress, key: Option<TipsetKey>) -> Result<ReadState, ApiError>;

    /// What an address holds; zero when there is no such actor.
    #[method(name = "WalletBalance")]
    async fn wallet_balance(&self, address: JsonAddress) -> Result<JsonAmount, ApiError>;

    /// The Ethereum form (`0x…`) of an address that has one. The second parameter is Lotus's and is ignored.
    #[method(name = "FilecoinAddressToEthAddress")]
    async fn filecoin_address_to_eth_address(
        &self,
        address: JsonAddress,
        block: Option<Value>,
    ) -> Result<String, ApiError>;

    /// The Filecoin form of an Ethereum address (`0x…`).
    #[method(name = "EthAddressToFilecoinAddress")]
    async fn eth_address_to_filecoin_address(&self, address: String) -> Result<JsonAddress, ApiError>;
}
