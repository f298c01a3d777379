//! Who joined, and which keys are taken.

use cid::Cid;
use fvm_ipld_blockstore::Blockstore;
use fvm_ipld_hamt::{BytesKey, Config, Hamt};
use fvm_shared::address::{Address, Protocol};
use fvm_shared::econ::TokenAmount;
use num_traits::ToPrimitive;
use serde::Serialize;
use serde::de::DeserializeOwned;
use subnet_types::VoteKey;
use subnet_types::actors::JoinParams;
use subnet_types::genesis::{ATTO_PER_POWER, MembershipMode, TOTAL_POWER_MAX};
use subnet_types::limits::{ENDPOINT_BYTES_MAX, VALIDATORS_MAX};
use subnet_types::parent::MembershipChange;
use subnet_types::quantity::Power;

use super::{State, StateError, Status, state_error};
use crate::error::CheckpointError;
use crate::exit_error::ExitError;
use crate::keys::POINT_BYTES;
use crate::types::Member;

/// Members of one subnet, candidates without power included. Activation reads them all.
pub const MEMBERS_MAX: u64 = 4 * VALIDATORS_MAX as u64;

/// The most power of one validator (some 24 million FIL of stake): three times the power of the largest set still fits
/// 64 bits, so that no sum anywhere overflows.
pub const POWER_MAX: u64 = TOTAL_POWER_MAX / VALIDATORS_MAX as u64;

/// The power that a stake gives.
pub fn power_of_stake(stake: &TokenAmount) -> Power {
    let units = stake.atto() / ATTO_PER_POWER;
    // A stake beyond 64 bits of nanoFIL has the most power there is.
    Power::new(units.to_u64().unwrap_or(u64::MAX).min(POWER_MAX))
}

/// Narrow nodes: a join touches one path.
fn config() -> Config {
    Config { bit_width: 5, ..Config::default() }
}

/// An empty map from bytes, in the form that all of this actor's have.
pub(crate) fn empty_map<T: Serialize + DeserializeOwned, B: Blockstore>(store: &B) -> Result<Cid, StateError> {
    Hamt::<&B, T>::new_with_config(store, config()).flush().map_err(state_error)
}

/// What such a map has for a key.
pub(crate) fn get<T: Serialize + DeserializeOwned + Clone>(
    store: &impl Blockstore,
    root: &Cid,
    key: &[u8],
) -> Result<Option<T>, StateError> {
    let map = Hamt::<_, T>::load_with_config(root, store, config()).map_err(state_error)?;
    Ok(map.get(&BytesKey(key.to_vec())).map_err(state_error)?.cloned())
}

/// Puts an entry into such a map, or takes it out.
pub(crate) fn set<T: Serialize + DeserializeOwned + Clone + PartialEq>(
    store: &impl Blockstore,
    root: &mut Cid,
    key: &[u8],
    value: Option<T>,
) -> Result<(), StateError> {
    let mut map = Hamt::<_, T>::load_with_config(root, store, config()).map_err(state_error)?;
    let key = BytesKey(key.to_vec());
    match value {
        Some(value) => map.set(key, value).map(drop),
        None => map.delete(&key).map(drop),
    }
    .map_err(state_error)?;
    *root = map.flush().map_err(state_error)?;
    Ok(())
}

/// All entries of such a map.
pub(crate) fn all<T: Serialize + DeserializeOwned + Clone>(
    store: &impl Blockstore,
    root: &Cid,
) -> Result<Vec<(Vec<u8>, T)>, StateError> {
    let map = Hamt::<_, T>::load_with_config(root, store, config()).map_err(state_error)?;
    let mut entries = Vec::new();
    map.for_each(|key, value| {
        entries.push((key.0.clone(), value.clone()));
        Ok(())
    })
    .map_err(state_error)?;
    Ok(entries)
}

impl State {
    /// Whether enough members have power and nothing is frozen yet.
    pub fn is_ready(&self) -> bool {
        self.status() == Status::Registered && self.voting_members >= self.parameters.validators_min
    }

    /// Checks all about a join that needs no cryptography.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check_join(
        &self,
        store: &impl Blockstore,
        join: &JoinParams,
        stake: &TokenAmount,
    ) -> Result<(), CheckpointError> {
        let is_active = match self.status() {
            Status::Created => return Err(CheckpointError::NotRegistered),
            Status::Registered => false,
            Status::Active => true,
            Status::Exited => return Err(self.expect_alive().expect_err("it has exited").into()),
        };
        if let Some(height) = self.notice {
            return Err(ExitError::NoticeGiven { height }.into());
        }
        let mode = self.parameters.mode;
        if is_active && mode == MembershipMode::Static {
            return Err(CheckpointError::StaticMembership);
        }
        if !matches!(join.owner.protocol(), Protocol::Secp256k1 | Protocol::BLS | Protocol::Delegated) {
            return Err(CheckpointError::OwnerKind { address: join.owner.to_string() });
        }
        if *stake < self.parameters.stake_min {
            let (actual, min) = (stake.atto().to_string(), self.parameters.stake_min.atto().to_string());
            return Err(CheckpointError::StakeTooLow { actual, min });
        }
        if mode != MembershipMode::Federated && power_of_stake(stake) == Power::ZERO {
            return Err(CheckpointError::StakeWithoutPower { actual: stake.atto().to_string() });
        }
        if join.endpoint.len() > ENDPOINT_BYTES_MAX {
            return Err(CheckpointError::EndpointTooLong { actual: join.endpoint.len() });
        }
        if let Some((position, byte)) = join.endpoint.bytes().enumerate().find(|(_, byte)| !byte.is_ascii_graphic()) {
            return Err(CheckpointError::EndpointCharacter { position, byte });
        }
        let brings_power = mode != MembershipMode::Federated;
        if self.member_count >= MEMBERS_MAX || (brings_power && self.voting_members >= VALIDATORS_MAX as u64) {
            return Err(CheckpointError::Full { members: self.member_count, voting: self.voting_members });
        }
        if self.member(store, &join.owner)?.is_some() {
            return Err(CheckpointError::OwnerTaken { owner: join.owner.to_string() });
        }
        if self.unbonding(store, &join.owner)?.is_some() {
            return Err(ExitError::StillUnbonding { owner: join.owner.to_string() }.into());
        }
        let keys = [("vote", join.vote_key.0.as_slice()), ("checkpoint", join.checkpoint_key.0.as_slice())];
        for (kind, key) in keys {
            if let Some(owner) = self.key_owner(store, key)? {
                let key = hex(key);
                return Err(CheckpointError::KeyTaken { kind, key, owner: owner.to_string() });
            }
        }
        Ok(())
    }

    /// Takes in a member whose join and proofs were checked; `point` is its checkpoint key uncompressed. In a federated
    /// subnet it is a candidate without power until the owner admits it; otherwise its power is its stake, and in an
    /// active subnet that makes the next configuration: the change for the gateway's log.
    ///
    /// # Errors
    /// When the store fails.
    pub fn join(
        &mut self,
        store: &impl Blockstore,
        join: JoinParams,
        point: [u8; POINT_BYTES],
        stake: TokenAmount,
    ) -> Result<(Member, Option<MembershipChange>), CheckpointError> {
        let power = match self.parameters.mode {
            MembershipMode::Federated => Power::ZERO,
            MembershipMode::Collateral | MembershipMode::Static => power_of_stake(&stake),
        };
        self.add_stake(&stake);
        self.member_count += 1;
        self.take_key(store, &join.vote_key.0, &join.owner)?;
        self.take_key(store, &join.checkpoint_key.0, &join.owner)?;
        let member = Member {
            owner: join.owner,
            vote_key: join.vote_key,
            checkpoint_key: join.checkpoint_key,
            point: point.to_vec(),
            stake,
            power,
            endpoint: join.endpoint,
        };
        self.put_member(store, &member)?;
        let mut change = None;
        if power > Power::ZERO {
            self.voting_members += 1;
            if self.status() == Status::Active {
                change = Some(self.change_configuration(store, member.clone())?);
            }
        }
        Ok((member, change))
    }

    /// The owner of a federated subnet sets a member's power. In an active subnet that makes the next configuration.
    ///
    /// # Errors
    /// When nobody has the key, the power is too large or the same, or nobody would be left.
    pub fn set_power(
        &mut self,
        store: &impl Blockstore,
        vote_key: &VoteKey,
        power: Power,
    ) -> Result<(Member, Option<MembershipChange>), CheckpointError> {
        self.expect_alive()?;
        if self.parameters.mode != MembershipMode::Federated {
            return Err(CheckpointError::NotFederated { mode: self.parameters.mode });
        }
        let unknown = || CheckpointError::UnknownMember { vote_key: *vote_key };
        let owner = self.key_owner(store, &vote_key.0)?.ok_or_else(unknown)?;
        let mut member =
            self.member(store, &owner)?.filter(|member| member.vote_key == *vote_key).ok_or_else(unknown)?;
        let before = member.power;
        if power.get() > POWER_MAX || power == before {
            return Err(CheckpointError::BadPower { vote_key: *vote_key, before, actual: power });
        }
        let is_active = self.status() == Status::Active;
        if before == Power::ZERO {
            if self.voting_members >= VALIDATORS_MAX as u64 {
                return Err(CheckpointError::Full { members: self.member_count, voting: self.voting_members });
            }
            self.voting_members += 1;
        } else if power == Power::ZERO {
            if is_active && self.voting_members == 1 {
                return Err(CheckpointError::LastValidator { vote_key: *vote_key });
            }
            self.voting_members -= 1;
        }
        member.power = power;
        self.put_member(store, &member)?;
        let change = if is_active { Some(self.change_configuration(store, member.clone())?) } else { None };
        Ok((member, change))
    }

    /// Who holds a vote or checkpoint key.
    ///
    /// # Errors
    /// When the store fails.
    pub fn key_owner(&self, store: &impl Blockstore, key: &[u8]) -> Result<Option<Address>, StateError> {
        get(store, &self.keys, key)
    }

    fn take_key(&mut self, store: &impl Blockstore, key: &[u8], owner: &Address) -> Result<(), StateError> {
        set(store, &mut self.keys, key, Some(*owner))
    }

    pub(super) fn put_member(&mut self, store: &impl Blockstore, member: &Member) -> Result<(), StateError> {
        set(store, &mut self.members, &member.owner.to_bytes(), Some(member.clone()))
    }

    /// Takes a member off the list. Its keys stay taken: what they signed as this validator's can still come up.
    pub(super) fn remove_member(&mut self, store: &impl Blockstore, member: &Member) -> Result<(), StateError> {
        self.member_count -= 1;
        self.voting_members -= u64::from(member.power > Power::ZERO);
        set::<Member>(store, &mut self.members, &member.owner.to_bytes(), None)
    }

    /// The member that joined as `owner`.
    ///
    /// # Errors
    /// When the store fails.
    pub fn member(&self, store: &impl Blockstore, owner: &Address) -> Result<Option<Member>, StateError> {
        get(store, &self.members, &owner.to_bytes())
    }

    /// Everyone who joined, candidates included, in ascending order of vote key.
    ///
    /// # Errors
    /// When the store fails.
    pub fn members(&self, store: &impl Blockstore) -> Result<Vec<Member>, StateError> {
        let mut members: Vec<Member> = all(store, &self.members)?.into_iter().map(|(_, member)| member).collect();
        members.sort_by_key(|member| member.vote_key);
        Ok(members)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
