//! Where this chain, its messages and its value stand.

use cid::Cid;
use client::api::{
    ActorCode, ApiError, JsonBytes, MessageStage, MessageStatus, ParentLink, ParentViewInfo, RejectionReason,
    SubnetInfo, SupplyInfo, TrackedSet,
};
use fvm_exec::genesis::Bundle;
use fvm_shared::econ::TokenAmount;
use mempool::Rejection;
use subnet_types::actors::BURNT_FUNDS_ID;
use subnet_types::{Height, Sequence, SubnetId};

use super::chain::internal;
use super::context::RpcContext;
use crate::parent::ParentCursor;

impl RpcContext {
    pub(super) fn info(&self) -> Result<SubnetInfo, ApiError> {
        let tip = self.chain.tip();
        let gateway = self.state_after(tip.height)?.gateway().map_err(internal)?;
        let facts = self.node.facts();
        let chain = &self.genesis().chain;
        Ok(SubnetInfo {
            subnet: self.genesis().subnet.clone(),
            identity: *self.chain.identity(),
            genesis: self.chain.genesis_cid().into(),
            parent: self.parent_link(),
            moniker: facts.moniker,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            height: tip.height,
            block_id: tip.id.into(),
            timestamp_ms: tip.timestamp,
            block_interval_ms: chain.block_interval_ms,
            block_gas_limit: chain.block_gas_limit,
            checkpoint_period_blocks: chain.checkpoint_period_blocks,
            signatures: chain.signatures,
            bundle: chain.bundle.into(),
            checkpoint_code: gateway.checkpoint_code.into(),
            is_syncing: facts.is_syncing,
            vote_key: facts.vote_key,
            consensus_listen: facts.consensus_listen,
            mempool_listen: facts.mempool_listen,
            consensus_peers: facts.consensus_peers,
            mempool_peers: facts.mempool_peers,
            mempool_messages: self.mempool.status().metrics.pool.messages as u64,
        })
    }

    pub(super) fn actors(&self) -> Result<Vec<ActorCode>, ApiError> {
        let bundle = Bundle::load(self.store(), &self.genesis().chain.bundle).map_err(internal)?;
        let actor = |(name, code): (&str, &Cid)| ActorCode {
            name: name.to_owned(),
            code: (*code).into(),
            is_own: !Bundle::is_builtin(name),
        };
        Ok(bundle.codes().map(actor).collect())
    }

    fn parent_link(&self) -> Option<ParentLink> {
        let anchor = self.genesis().parent.as_ref()?;
        Some(ParentLink { subnet: self.genesis().subnet.parent()?, identity: anchor.identity })
    }

    pub(super) fn parent_view(&self) -> Result<ParentViewInfo, ApiError> {
        let height = self.head();
        let gateway = self.state_after(height)?.gateway().map_err(internal)?;
        let cursor = ParentCursor::of(&gateway, self.store()).map_err(internal)?;
        let (Some(cursor), Some(subnet)) = (cursor, self.genesis().subnet.parent()) else {
            return Err(ApiError::NotFound(format!("{} is a root: it has no parent", self.genesis().subnet)));
        };
        Ok(ParentViewInfo {
            identity: cursor.parent,
            subnet,
            height: cursor.height,
            block: cursor.block.map(Into::into),
            timestamp_ms: cursor.timestamp,
            next_nonce: cursor.next_nonce,
            next_configuration: cursor.next_configuration,
            validators: TrackedSet { number: cursor.validators.number(), hash: cursor.validators.hash() },
            lag_ms: self.timestamp(height)?.saturating_since(cursor.timestamp),
        })
    }

    pub(super) fn message_status(&self, message: Cid) -> Result<MessageStatus, ApiError> {
        if let Some(included) = self.chain.message(&message).map_err(internal)? {
            let receipt = included.receipt;
            return Ok(MessageStatus {
                message: message.into(),
                stage: MessageStage::Included,
                height: Some(included.position.height),
                exit_code: Some(receipt.exit_code.value()),
                gas_used: Some(receipt.gas_used),
                r#return: Some(JsonBytes(receipt.return_data.bytes().to_vec())),
            });
        }
        let is_pending = self.mempool.message(&message).is_some();
        let stage = if is_pending { MessageStage::Pending } else { MessageStage::Unknown };
        Ok(MessageStatus {
            message: message.into(),
            stage,
            height: None,
            exit_code: None,
            gas_used: None,
            r#return: None,
        })
    }

    pub(super) fn supply(&self, height: Option<Height>) -> Result<SupplyInfo, ApiError> {
        let height = self.committed_height(height)?;
        let state = self.state_after(height)?;
        let issued = &self.chain.executor().rules().issued;
        let supply = state.supply_of(issued).map_err(internal)?;
        let gateway = state.gateway().map_err(internal)?;
        let burnt_since_cut = state.balance(BURNT_FUNDS_ID).map_err(internal)? - &gateway.burnt_at_cut;
        // A root's reserve is nobody's; only a subnet's gateway keeps count of one.
        let sent_to_system =
            if gateway.parent.is_some() { &supply.reserve_left - &gateway.reserve } else { TokenAmount::default() };
        Ok(SupplyInfo {
            height,
            minted: (issued - &supply.reserve_left).into(),
            burnt: supply.burnt.into(),
            circulating: supply.circulating.into(),
            burned_uncut: (burnt_since_cut + sent_to_system).into(),
            released_uncut: gateway.outbox.value.into(),
            cut_sequence: gateway.last_cut.map_or(Sequence::ZERO, |cut| cut.sequence),
        })
    }
}

/// What a caller is told when the pool refuses a message.
pub(super) fn rejected(rejection: &Rejection) -> ApiError {
    let reason = match rejection {
        Rejection::Malformed { .. }
        | Rejection::TooLarge { .. }
        | Rejection::Version { .. }
        | Rejection::NegativeAmount { .. }
        | Rejection::Form { .. } => RejectionReason::Form,
        Rejection::SenderKind { .. } | Rejection::NoAccount { .. } => RejectionReason::Sender,
        Rejection::PremiumAboveFeeCap { .. } | Rejection::FeeCapTooLow { .. } => RejectionReason::Fee,
        Rejection::GasBelowIntrinsic { .. } | Rejection::GasAboveBlock { .. } => RejectionReason::GasLimit,
        Rejection::Signature(_) => RejectionReason::Signature,
        Rejection::NonceStale { .. } => RejectionReason::NonceTooLow,
        Rejection::NonceGap { .. } => RejectionReason::NonceTooHigh,
        Rejection::Balance { .. } => RejectionReason::Balance,
        Rejection::ReplacementUnderpriced { .. } => RejectionReason::Replacement,
        Rejection::SenderFull { .. } | Rejection::PoolFull { .. } => RejectionReason::PoolFull,
    };
    ApiError::Rejected { reason, message: rejection.to_string() }
}

/// No such child on this chain.
pub(super) fn no_child(child: &SubnetId, chain: &SubnetId) -> ApiError {
    ApiError::NotFound(format!("{child} is not registered as a child of {chain}; Subnet.Children lists those that are"))
}
