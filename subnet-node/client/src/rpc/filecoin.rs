//! `Filecoin.*` as typed methods over domain types.

use cid::Cid;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use subnet_types::{Height, SignedMessage};

use super::{Client, RpcError};
use crate::api::{
    ActorStateJson, ApiVersion, BlockHeaderJson, BlockMessages, FilecoinApiClient as _, InvocationResult,
    MessageLookup, MessageSendSpec, ReadState, SignedMessageJson, Tipset,
};

impl Client {
    /// Which node this is.
    ///
    /// # Errors
    /// When the call brings no result; so for every method here.
    pub async fn version(&self) -> Result<ApiVersion, RpcError> {
        self.call("Filecoin.Version", self.http.version()).await
    }

    /// The last final block.
    ///
    /// # Errors
    /// When the call brings no result.
    pub async fn chain_head(&self) -> Result<Tipset, RpcError> {
        self.call("Filecoin.ChainHead", self.http.chain_head()).await
    }

    /// The block at a height.
    ///
    /// # Errors
    /// When the call brings no result.
    pub async fn chain_get_tip_set_by_height(&self, height: Height) -> Result<Tipset, RpcError> {
        let height = i64::try_from(height.get()).unwrap_or(i64::MAX);
        self.call("Filecoin.ChainGetTipSetByHeight", self.http.chain_get_tip_set_by_height(height, None)).await
    }

    /// The header with this id.
    ///
    /// # Errors
    /// When the call brings no result.
    pub async fn chain_get_block(&self, block: Cid) -> Result<BlockHeaderJson, RpcError> {
        self.call("Filecoin.ChainGetBlock", self.http.chain_get_block(block.into())).await
    }

    /// The message with this CID.
    ///
    /// # Errors
    /// When the call brings no result.
    pub async fn chain_get_message(&self, message: Cid) -> Result<Message, RpcError> {
        let json = self.call("Filecoin.ChainGetMessage", self.http.chain_get_message(message.into())).await?;
        Ok(json.into())
    }

    /// The messages of a block.
    ///
    /// # Errors
    /// When the call brings no result.
    pub async fn chain_get_block_messages(&self, block: Cid) -> Result<BlockMessages, RpcError> {
        self.call("Filecoin.ChainGetBlockMessages", self.http.chain_get_block_messages(block.into())).await
    }

    /// Hands a signed message to the mempool.
    ///
    /// # Errors
    /// When the call brings no result, or the node names the message differently than this program.
    pub async fn mpool_push(&self, signed: &SignedMessage) -> Result<Cid, RpcError> {
        const METHOD: &str = "Filecoin.MpoolPush";
        let cid: Cid = self.call(METHOD, self.http.mpool_push(signed.into())).await?.into();
        let expected = signed.cid();
        if cid != expected {
            let reason = format!("it took message {expected} for {cid}");
            return Err(RpcError::Garbage { url: self.url().to_owned(), method: METHOD, reason });
        }
        Ok(cid)
    }

    /// Messages that wait for a block.
    ///
    /// # Errors
    /// When the call brings no result.
    pub async fn mpool_pending(&self) -> Result<Vec<SignedMessageJson>, RpcError> {
        self.call("Filecoin.MpoolPending", self.http.mpool_pending(None)).await
    }

    /// The next nonce to use, pending messages counted.
    ///
    /// # Errors
    /// When the call brings no result.
    pub async fn mpool_get_nonce(&self, address: &Address) -> Result<u64, RpcError> {
        self.call("Filecoin.MpoolGetNonce", self.http.mpool_get_nonce((*address).into())).await
    }

    /// The message with gas limit, fee cap and premium filled in where they are zero.
    ///
    /// # Errors
    /// When the call brings no result, or the answer is another message.
    pub async fn gas_estimate_message_gas(
        &self,
        message: &Message,
        spec: Option<MessageSendSpec>,
    ) -> Result<Message, RpcError> {
        const METHOD: &str = "Filecoin.GasEstimateMessageGas";
        let request = self.http.gas_estimate_message_gas(message.into(), spec, None);
        let answer = Message::from(self.call(METHOD, request).await?);
        // Only the gas fields are the node's to choose: nothing else may change on its way to be signed.
        let expected = Message {
            gas_limit: answer.gas_limit,
            gas_fee_cap: answer.gas_fee_cap.clone(),
            gas_premium: answer.gas_premium.clone(),
            ..message.clone()
        };
        if answer != expected {
            let reason = "it changed more than the gas fields".to_owned();
            return Err(RpcError::Garbage { url: self.url().to_owned(), method: METHOD, reason });
        }
        Ok(answer)
    }

    /// Name of the chain.
    ///
    /// # Errors
    /// When the call brings no result.
    pub async fn state_network_name(&self) -> Result<String, RpcError> {
        self.call("Filecoin.StateNetworkName", self.http.state_network_name()).await
    }

    /// The actor at an address, or `None`.
    ///
    /// # Errors
    /// When the call brings no result.
    pub async fn state_get_actor(&self, address: &Address) -> Result<Option<ActorStateJson>, RpcError> {
        self.call("Filecoin.StateGetActor", self.http.state_get_actor((*address).into(), None)).await
    }

    /// The id address of an address.
    ///
    /// # Errors
    /// When the call brings no result.
    pub async fn state_lookup_id(&self, address: &Address) -> Result<Address, RpcError> {
        let id = self.call("Filecoin.StateLookupID", self.http.state_lookup_id((*address).into(), None)).await?;
        Ok(id.0)
    }

    /// The key address of an account.
    ///
    /// # Errors
    /// When the call brings no result.
    pub async fn state_account_key(&self, address: &Address) -> Result<Address, RpcError> {
        let key = self.call("Filecoin.StateAccountKey", self.http.state_account_key((*address).into(), None)).await?;
        Ok(key.0)
    }

    /// Runs a message on the last state and forgets the result.
    ///
    /// # Errors
    /// When the call brings no result.
    pub async fn state_call(&self, message: &Message) -> Result<InvocationResult, RpcError> {
        self.call("Filecoin.StateCall", self.http.state_call(message.into(), None)).await
    }

    /// Where a message was executed, or `None`.
    ///
    /// # Errors
    /// When the call brings no result.
    pub async fn state_search_msg(&self, message: Cid) -> Result<Option<MessageLookup>, RpcError> {
        let request = self.http.state_search_msg(None, message.into(), None, None);
        self.call("Filecoin.StateSearchMsg", request).await
    }

    /// An actor with its state as JSON.
    ///
    /// # Errors
    /// When the call brings no result.
    pub async fn state_read_state(&self, address: &Address) -> Result<ReadState, RpcError> {
        self.call("Filecoin.StateReadState", self.http.state_read_state((*address).into(), None)).await
    }

    /// What an address holds.
    ///
    /// # Errors
    /// When the call brings no result.
    pub async fn wallet_balance(&self, address: &Address) -> Result<TokenAmount, RpcError> {
        let balance = self.call("Filecoin.WalletBalance", self.http.wallet_balance((*address).into())).await?;
        Ok(balance.0)
    }
}
