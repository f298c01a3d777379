//! Parent updates that prove themselves: what a child has to learn of this chain, made from what this node has stored.

use cid::Cid;
use client::api::{ApiError, BalanceProof, DagCbor, ParentProof, ParentUpdateSummary, TrackedSet};
use fvm_exec::witness::{RangeLimits, RangeQuery, RecordError, WitnessError, record, record_balance};
use fvm_ipld_blockstore::Blockstore as _;
use fvm_shared::address::Address;
use subnet_types::limits::HANDOVERS_PER_UPDATE_MAX;
use subnet_types::parent::{Handover, ParentUpdate};
use subnet_types::{Height, ValidatorSet};

use super::chain::{internal, stored};
use super::context::RpcContext;
use super::status::no_child;
use crate::parent::ParentCursor;
use crate::parent::api::ProofQuery;
use crate::parent::rules::{no_certificate, read};

/// The way from a tracked set to a header.
struct Route {
    handovers: Vec<Handover>,
    /// Height of the header: the one that was asked for, or the last that so many handovers lead to.
    height: Height,
}

impl RpcContext {
    /// What the child has to learn of this chain, made anew or kept.
    pub(super) fn proof_kept(&self, query: &ProofQuery) -> Result<ParentProof, ApiError> {
        let last = self.proving_height(query.header.as_ref())?;
        self.proofs.get(last, query, || self.proof(query, last))
    }

    /// What this node has proved of its own parent and its chain has not applied.
    pub(super) fn parent_proof(&self, query: &ProofQuery) -> Result<Option<ParentProof>, ApiError> {
        let no_parent = || ApiError::NotFound(format!("{} is a root: it has no parent", self.genesis().subnet));
        Ok(self.follower.as_ref().ok_or_else(no_parent)?.proved(query))
    }

    /// What the child has to learn of this chain, by the header at `last`. The header of a height proves the state after the one before.
    fn proof(&self, query: &ProofQuery, last: Height) -> Result<ParentProof, ApiError> {
        let route = match (self.route(query.tracked, last)?, query.header) {
            (Some(route), None) => route,
            (Some(route), Some(_)) if route.height == last => route,
            // The header was named, so that whoever asks knows it from elsewhere.
            (_, Some(_)) => Route { handovers: vec![self.link(last)?], height: last },
            (None, None) => {
                return Err(ApiError::NotFound(format!(
                    "the validators {} of configuration {} never voted on {}, so nothing leads from them to its blocks; \
                     ask with a header that you know from elsewhere",
                    query.tracked.hash,
                    query.tracked.number,
                    self.genesis().subnet
                )));
            }
        };
        let header = self.header(route.height)?;
        let ranges = RangeQuery {
            child: query.child.clone(),
            from_nonce: query.nonce,
            from_configuration: query.configuration,
            limits: RangeLimits::UPDATE,
        };
        let recorded =
            record(self.store(), &header.state_root, &ranges).map_err(|error| self.not_recorded(query, error))?;
        let certificate = stored(self.chain.certificate(route.height), "certificate", route.height)?.certificate;
        let (messages, changes) = (recorded.proven.messages.len(), recorded.proven.changes.len());
        let update = ParentUpdate { handovers: route.handovers, header, certificate, witness: recorded.blocks };
        Ok(ParentProof::new(update, messages, changes))
    }

    /// What the block at `height` brought from the parent.
    pub(super) fn brought(&self, height: Height, update: &ParentUpdate) -> Result<ParentUpdateSummary, ApiError> {
        let before = height.previous().unwrap_or(Height::GENESIS);
        let gateway = self.state_after(before)?.gateway().map_err(internal)?;
        let cursor = ParentCursor::of(&gateway, self.store()).map_err(internal)?;
        let cursor = cursor.ok_or_else(|| internal(format!("block {height} of a root has a parent update")))?;
        let proven = read(&cursor, update).map_err(internal)?;
        Ok(ParentUpdateSummary {
            parent_height: update.header.height.previous().unwrap_or(Height::GENESIS),
            messages: u32::try_from(proven.messages.len()).unwrap_or(u32::MAX),
            changes: u32::try_from(proven.changes.len()).unwrap_or(u32::MAX),
        })
    }

    /// Height of the header to prove with.
    fn proving_height(&self, header: Option<&Cid>) -> Result<Height, ApiError> {
        let chain = &self.genesis().subnet;
        let height = match header {
            None => self.head(),
            Some(id) => self
                .chain
                .height_of(id)
                .map_err(internal)?
                .ok_or_else(|| ApiError::NotFound(format!("{chain} has no final block {id}, or not yet")))?,
        };
        if height == Height::GENESIS {
            return Err(ApiError::NotReady(format!("{chain}: genesis proves no state; a block after it does")));
        }
        Ok(height)
    }

    /// The handovers from the tracked set to the header at `last`; `None` where it never voted.
    fn route(&self, tracked: TrackedSet, last: Height) -> Result<Option<Route>, ApiError> {
        let Some((mut height, set)) = self.last_voted(tracked.number.get(), last)? else { return Ok(None) };
        if set.hash() != tracked.hash {
            return Ok(None);
        }
        let mut handovers = Vec::new();
        while height < last {
            let next = height.next();
            if handovers.len() == HANDOVERS_PER_UPDATE_MAX {
                return Ok(Some(Route { handovers, height }));
            }
            let validators = self.chain.validators(next).map_err(internal)?;
            let certificate = stored(self.chain.certificate(height), "certificate", height)?.certificate;
            let number = validators.number().get();
            handovers.push(Handover { header: self.header(height)?, certificate, validators });
            let (voted, _) = self
                .last_voted(number, last)?
                .filter(|(voted, _)| *voted >= next)
                .ok_or_else(|| internal(format!("configuration {number} votes on {next} and not later")))?;
            height = voted;
        }
        Ok(Some(Route { handovers, height }))
    }

    /// The last height up to `last` on which a configuration up to `number` voted, and its set. Numbers never descend.
    fn last_voted(&self, number: u64, last: Height) -> Result<Option<(Height, ValidatorSet)>, ApiError> {
        let set_of = |height: u64| self.chain.validators(Height::new(height)).map_err(internal);
        let found = last_where(last.get(), |height| Ok(set_of(height)?.number().get() <= number))?;
        found.map(|height| Ok((Height::new(height), set_of(height)?))).transpose()
    }

    /// What a state of this chain holds for an address, with its proof.
    pub(super) fn balance_proof(&self, state_root: &Cid, address: &Address) -> Result<BalanceProof, ApiError> {
        if !self.store().has(state_root).map_err(internal)? {
            let problem = format!("this node has no state with the root {state_root}");
            return Err(ApiError::NotFound(problem));
        }
        let recorded = record_balance(self.store(), state_root, address).map_err(|error| match error {
            RecordError::Broken(error) => internal(error),
            RecordError::Refused(error) => ApiError::NotFound(error.to_string()),
        })?;
        Ok(BalanceProof {
            id: Address::new_id(recorded.id).into(),
            balance: recorded.balance.into(),
            below: recorded.below.map(Into::into),
            proof: DagCbor(recorded.blocks),
        })
    }

    /// What stands in place of handovers where the header itself is known: the block before it, which names its voters.
    fn link(&self, height: Height) -> Result<Handover, ApiError> {
        let before = height.previous().filter(|before| *before > Height::GENESIS);
        let before = before
            .ok_or_else(|| ApiError::NotFound("the first block has none before it to name its voters".to_owned()))?;
        let header = self.header(before)?;
        let validators = self.chain.validators(height).map_err(internal)?;
        Ok(Handover { certificate: no_certificate(&header), header, validators })
    }

    fn not_recorded(&self, query: &ProofQuery, error: RecordError) -> ApiError {
        match error {
            RecordError::Broken(error) => internal(error),
            RecordError::Refused(WitnessError::NotRegistered { .. }) => no_child(&query.child, &self.genesis().subnet),
            // This node, or the header that was named, is behind the child.
            RecordError::Refused(error @ WitnessError::Beyond { .. }) => ApiError::NotReady(error.to_string()),
            RecordError::Refused(error) => ApiError::NotFound(error.to_string()),
        }
    }
}

/// The last number from 1 up to `last` for which something holds that, once it does not, never holds again.
fn last_where<E>(last: u64, mut holds: impl FnMut(u64) -> Result<bool, E>) -> Result<Option<u64>, E> {
    let (mut low, mut high) = (0, last);
    while low < high {
        let middle = high - (high - low) / 2;
        if holds(middle)? {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    Ok((low > 0).then_some(low))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_height_of_a_configuration_is_found_wherever_it_is() {
        for last in 0..70 {
            for end in 0..=last + 1 {
                let found = last_where(last, |height| {
                    assert!((1..=last).contains(&height), "{height} of {last}");
                    Ok::<_, ()>(height <= end)
                });
                let expected = end.min(last);
                assert_eq!(found, Ok((expected > 0).then_some(expected)), "up to {end} of {last}");
            }
        }
    }
}
