//! Numbered validator lists: who signs, with which keys and weights.

use std::collections::BTreeMap;

use bls12_381::G1Affine;
use fvm_ipld_amt::Amt;
use fvm_ipld_blockstore::Blockstore;
use subnet_types::checkpoint::QuorumCertificate;
use subnet_types::genesis::{ActivationRecord, Genesis, ParentAnchor};
use subnet_types::membership::{Validator, ValidatorSet, is_quorum};
use subnet_types::parent::MembershipChange;
use subnet_types::quantity::{ConfigurationNumber, Height, Power};
use subnet_types::unlinked::Unlinked;
use subnet_types::{BlsPublicKey, BlsSignature, Digest, VoteKey};

use super::{State, StateError, load, save, state_error};
use crate::error::CheckpointError;
use crate::keys::{self, POINT_BYTES};
use crate::rejection::Rejection;
use crate::types::{Configuration, ConfigurationKeys, Member};

/// A validator and its uncompressed checkpoint key.
pub(super) type Weighed = (Validator, Vec<u8>);

impl State {
    /// Freezes configuration 1 of all members with power, and with it the subnet's genesis.
    ///
    /// # Errors
    /// When the members make no valid set.
    pub fn activate(&mut self, store: &impl Blockstore, anchor: ParentAnchor) -> Result<(), CheckpointError> {
        let members = self.members(store)?.into_iter().filter(|member| member.power > Power::ZERO);
        let validators = self.put_configuration(store, ConfigurationNumber::FIRST, members.map(weighed).collect())?;
        let subnet = self.subnet.clone().ok_or(CheckpointError::NotRegistered)?;
        let anchor_height = anchor.height;
        self.top_down_applied.parent_height = anchor_height;
        let record = ActivationRecord { subnet, chain: self.parameters.chain.clone(), validators, parent: anchor };
        let chain = Genesis::from_activation(&record).identity();
        self.activation = Some(save(store, &Unlinked(record))?);
        self.chain = Some(chain);
        self.last_digest = chain;
        self.last_accepted_at = anchor_height;
        self.confirm(store, self.configuration_last, anchor_height)?;
        Ok(())
    }

    /// Puts configuration `number` in charge, at `height` of this chain.
    pub(super) fn confirm(
        &mut self,
        store: &impl Blockstore,
        number: ConfigurationNumber,
        height: Height,
    ) -> Result<(), StateError> {
        if number == self.configuration_confirmed {
            return Ok(());
        }
        let mut confirmations = Amt::<Height, _>::load(&self.confirmations, store).map_err(state_error)?;
        confirmations.set(number.get(), height).map_err(state_error)?;
        self.confirmations = confirmations.flush().map_err(state_error)?;
        self.configuration_confirmed = number;
        Ok(())
    }

    /// This chain's height when configuration `number`, or a later one before it, was put in charge.
    ///
    /// # Errors
    /// When the store fails.
    pub fn confirmed_at(
        &self,
        store: &impl Blockstore,
        number: ConfigurationNumber,
    ) -> Result<Option<Height>, StateError> {
        let confirmations = Amt::<Height, _>::load(&self.confirmations, store).map_err(state_error)?;
        let mut found = None;
        let first = confirmations.for_each_ranged(Some(number.get()), Some(1), |_, height| {
            found = Some(*height);
            Ok(())
        });
        first.map_err(state_error)?;
        Ok(found)
    }

    /// Makes the next configuration out of the newest by putting `member` at its present power (0 removes it), and
    /// returns the change for the gateway's log.
    ///
    /// # Errors
    /// When the result is no valid set.
    pub(crate) fn change_configuration(
        &mut self,
        store: &impl Blockstore,
        member: Member,
    ) -> Result<MembershipChange, CheckpointError> {
        let number = self.configuration_last.next();
        let change = MembershipChange { number, validator: weighed(member.clone()).0 };
        self.make_configuration(store, number, vec![member])?;
        Ok(change)
    }

    /// Makes configuration `number` out of the newest by putting these members at their present power.
    ///
    /// # Errors
    /// When the result is no valid set.
    pub(super) fn make_configuration(
        &mut self,
        store: &impl Blockstore,
        number: ConfigurationNumber,
        changed: Vec<Member>,
    ) -> Result<(), CheckpointError> {
        let newest = self.configuration(store, self.configuration_last)?;
        let newest = newest.ok_or_else(|| state_error("the newest configuration is missing"))?;
        let set: ValidatorSet = load(store, &newest.validators)?;
        let keys: ConfigurationKeys = load(store, &newest.keys)?;
        let points = keys.points.chunks(POINT_BYTES).map(<[u8]>::to_vec);
        let weighed_before = set.validators().iter().cloned().zip(points);
        let mut entries: BTreeMap<VoteKey, Weighed> = weighed_before.map(|entry| (entry.0.vote_key, entry)).collect();
        for member in changed {
            if member.power > Power::ZERO {
                entries.insert(member.vote_key, weighed(member));
            } else {
                entries.remove(&member.vote_key);
            }
        }
        self.put_configuration(store, number, entries.into_values().collect()).map(drop)
    }

    fn put_configuration(
        &mut self,
        store: &impl Blockstore,
        number: ConfigurationNumber,
        mut entries: Vec<Weighed>,
    ) -> Result<ValidatorSet, CheckpointError> {
        let bad = |problem: String| CheckpointError::BadConfiguration { number, problem };
        // Packed in the set's order, which is that of the vote keys.
        entries.sort_by_key(|(validator, _)| validator.vote_key);
        let set = ValidatorSet::new(number, entries.iter().map(|(validator, _)| validator.clone()).collect())
            .map_err(|error| bad(error.to_string()))?;
        let sum = keys::sum(None, entries.iter().map(|(_, point)| point.as_slice()), [])
            .ok_or_else(|| state_error("a member's point is malformed"))?;
        let sum = G1Affine::from(sum);
        let packed = ConfigurationKeys {
            key_sum: keys::as_key(&sum),
            sum_point: sum.to_uncompressed().to_vec(),
            points: entries.iter().flat_map(|(_, point)| point.iter().copied()).collect(),
            powers: set.validators().iter().flat_map(|validator| validator.power.get().to_be_bytes()).collect(),
        };
        let configuration = Configuration {
            validators: save(store, &set)?,
            validators_hash: set.hash(),
            keys: save(store, &packed)?,
            count: set.len() as u64,
            total_power: set.total_power(),
        };
        let mut all = Amt::<Configuration, _>::load(&self.configurations, store).map_err(state_error)?;
        all.set(number.get(), configuration).map_err(state_error)?;
        self.configurations = all.flush().map_err(state_error)?;
        self.configuration_last = number;
        Ok(set)
    }

    /// Checks that more than 2/3 of the power in charge signed `digest`. `verify` checks one BLS signature; it gets
    /// **one** key, the sum of the signers', because they all signed the same.
    ///
    /// # Errors
    /// Why the certificate proves nothing.
    pub fn check_certificate(
        &self,
        store: &impl Blockstore,
        certificate: &QuorumCertificate,
        digest: &Digest,
        verify: impl FnOnce(&BlsSignature, &BlsPublicKey, &Digest) -> bool,
    ) -> Result<(), CheckpointError> {
        let number: ConfigurationNumber = self.configuration_confirmed;
        if certificate.configuration != number {
            let (expected, actual) = (number, certificate.configuration);
            return Err(Rejection::CertificateConfiguration { expected, actual }.into());
        }
        let configuration =
            self.configuration(store, number)?.ok_or_else(|| state_error("configuration is missing"))?;
        let validators = configuration.count;
        let count = usize::try_from(validators).map_err(state_error)?;
        if !certificate.is_bitmap_for(count) {
            return Err(Rejection::Bitmap { validators, bytes: certificate.signers.len() }.into());
        }
        let keys: ConfigurationKeys = load(store, &configuration.keys)?;
        let total = configuration.total_power;
        let signed = keys.signed_power(certificate)?;
        if !is_quorum(signed, total) {
            return Err(Rejection::BelowQuorum { signed, total }.into());
        }
        let key = keys.signers_key(certificate, count)?;
        if verify(&certificate.signature, &key, digest) {
            return Ok(());
        }
        Err(Rejection::Signature { digest: *digest }.into())
    }
}

/// A member as a configuration has it.
pub(super) fn weighed(member: Member) -> Weighed {
    let Member { owner, vote_key, checkpoint_key, power, point, .. } = member;
    (Validator { owner, vote_key, checkpoint_key, power }, point)
}

impl ConfigurationKeys {
    /// Sum of the signers' powers.
    fn signed_power(&self, certificate: &QuorumCertificate) -> Result<Power, StateError> {
        let mut signed = Power::ZERO;
        for (index, power) in self.powers.chunks(8).enumerate() {
            if certificate.is_signer(index) {
                let power = power.try_into().map(u64::from_be_bytes).map_err(state_error)?;
                signed = signed.checked_add(power).ok_or_else(|| state_error("powers overflow"))?;
            }
        }
        Ok(signed)
    }

    /// Sum of the signers' keys: all minus the absent, or the signers alone when they are fewer.
    fn signers_key(&self, certificate: &QuorumCertificate, count: usize) -> Result<BlsPublicKey, CheckpointError> {
        let points = || self.points.chunks(POINT_BYTES).enumerate();
        let signers = points().filter(|(index, _)| certificate.is_signer(*index)).map(|(_, point)| point);
        let absent = points().filter(|(index, _)| !certificate.is_signer(*index)).map(|(_, point)| point);
        let absent_count = absent.clone().count();
        if absent_count == 0 {
            if certificate.key_sum != self.sum_point {
                return Err(Rejection::KeySum.into());
            }
            return Ok(self.key_sum.ok_or(Rejection::IdentityKey)?);
        }
        let sum = if absent_count * 2 <= count {
            keys::sum(Some(&self.sum_point), [], absent)
        } else {
            keys::sum(None, signers, [])
        };
        let sum = sum.ok_or_else(|| state_error("a stored point is malformed"))?;
        let point = keys::claimed(&sum, &certificate.key_sum).ok_or(Rejection::KeySum)?;
        Ok(keys::as_key(&point).ok_or(Rejection::IdentityKey)?)
    }
}
