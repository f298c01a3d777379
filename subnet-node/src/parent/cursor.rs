//! Where a subnet stands in following its parent.

use cid::Cid;
use fvm_exec::witness::{RangeLimits, RangeQuery};
use fvm_ipld_blockstore::Blockstore;
use gateway_actor::types::GatewayError;
use subnet_types::{ChainIdentity, ConfigurationNumber, Height, Nonce, SubnetId, TimestampMs, ValidatorSet};

/// What the state after the last block says of the parent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParentCursor {
    /// This chain.
    pub subnet: SubnetId,
    /// Identity of the parent.
    pub parent: ChainIdentity,
    /// The parent's validators as tracked.
    pub validators: ValidatorSet,
    /// The parent height last followed.
    pub height: Height,
    /// The block that proved it; `None` before the first update.
    pub block: Option<Cid>,
    /// That block's time; at the start, the anchor's.
    pub timestamp: TimestampMs,
    /// The next message to apply.
    pub next_nonce: Nonce,
    /// The configuration that the next change makes.
    pub next_configuration: ConfigurationNumber,
}

impl ParentCursor {
    /// The cursor in a gateway's state; `None` on a root.
    ///
    /// # Errors
    /// When the store fails.
    pub fn of(gateway: &gateway_actor::State, store: &impl Blockstore) -> Result<Option<Self>, GatewayError> {
        let (Some(view), Some(validators)) = (&gateway.parent, gateway.parent_validators(store)?) else {
            return Ok(None);
        };
        Ok(Some(Self {
            subnet: gateway.subnet.clone(),
            parent: view.identity,
            validators,
            height: view.height,
            block: view.block,
            timestamp: view.timestamp,
            next_nonce: view.next_nonce,
            next_configuration: gateway.pending(store)?.number().next(),
        }))
    }

    /// What the next update has to answer.
    pub fn query(&self) -> RangeQuery {
        RangeQuery {
            child: self.subnet.clone(),
            from_nonce: self.next_nonce,
            from_configuration: self.next_configuration,
            limits: RangeLimits::UPDATE,
        }
    }
}
