//! The balance of an account of a subnet, read from blocks that somebody brings.
//!
//! ```text
//!   state root ─► actors ─► init ─► address map ─► id of the account ─► its balance
//!                       └─► (by the address map) a checkpoint actor ─► the state root of a chain below: as above
//! ```
//!
//! Every block is named by the hash of its bytes, so what is read is what the chain's state holds. That state may say
//! anything: a subnet whose validators are all corrupt states what it likes. So nothing of it decides more than how the
//! subnet's own custody is shared out, and whatever form it has, reading it ends, at the cost of whoever brought it.

use std::collections::BTreeMap;

use cid::Cid;
use fvm_ipld_encoding::BytesDe;
use fvm_shared::address::{Address, Payload};
use fvm_shared::econ::TokenAmount;
use fvm_shared::state::{ActorState, StateRoot, StateTreeVersion};
use fvm_shared::{ActorID, HAMT_BIT_WIDTH};
use ipld_core::ipld::Ipld;
use ipld_core::serde::from_ipld;
use serde::de::DeserializeOwned;
use serde_tuple::{Deserialize_tuple, Serialize_tuple};
use sha2::{Digest as _, Sha256};
use subnet_types::Digest;
use subnet_types::actors::{EAM_ID, FIRST_USER_ID, INIT_ID};
use subnet_types::hash::cid_of_digest;
use subnet_types::limits::{CLAIM_BLOCKS_MAX, SUBNET_DEPTH_MAX};
use subnet_types::parent::WitnessBlock;

use crate::error::CheckpointError;
use crate::exit_error::ExitError;
use crate::state::{State, claim_key};

/// An account and its balance on some chain below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// The way to that chain: checkpoint actors, each on the chain before.
    pub path: Vec<Address>,
    /// The account's id there.
    pub id: ActorID,
    /// In attoFIL.
    pub balance: TokenAmount,
    /// What may still come out of each chain of the path: what the chain above it held for it, in attoFIL.
    pub limits: Vec<TokenAmount>,
}

/// Blocks under the CIDs that their bytes have.
pub struct Blocks<'a>(BTreeMap<Cid, &'a [u8]>);

/// The init actor's state, as every chain has it.
#[derive(Serialize_tuple, Deserialize_tuple)]
struct InitState {
    address_map: Cid,
    next_id: ActorID,
    network_name: String,
}

/// One chain's state.
struct Chain<'a> {
    blocks: &'a Blocks<'a>,
    actors: Cid,
    addresses: Cid,
}

fn failed(problem: impl std::fmt::Display) -> ExitError {
    ExitError::Proof { problem: problem.to_string() }
}

impl<'a> Blocks<'a> {
    /// Names blocks by `hash`, which is blake2b-256.
    ///
    /// # Errors
    /// When there are too many.
    pub fn of(blocks: &'a [WitnessBlock], hash: impl Fn(&[u8]) -> Digest) -> Result<Self, ExitError> {
        if blocks.len() > CLAIM_BLOCKS_MAX {
            return Err(failed(format!("{} blocks, at most {CLAIM_BLOCKS_MAX}", blocks.len())));
        }
        let named = blocks.iter().map(|block| (cid_of_digest(&hash(&block.bytes)), block.bytes.as_slice()));
        Ok(Self(named.collect()))
    }

    fn load<T: DeserializeOwned>(&self, what: &str, cid: &Cid) -> Result<T, ExitError> {
        let block = self.0.get(cid).ok_or_else(|| failed(format!("{what}: block {cid} is missing")))?;
        fvm_ipld_encoding::from_slice(block).map_err(|error| failed(format!("{what}: {error}")))
    }

    /// What a HAMT of the chain has for a key. The library's reader takes a node's word for how many pointers it has.
    /// A node is `[bitfield, [pointer, …]]`, a pointer a link or a bucket `[[key, value], …]`: the IPLD HashMap
    /// specification, with Filecoin's parameters.
    fn look_up<T: DeserializeOwned>(&self, what: &str, map: &Cid, key: &[u8]) -> Result<Option<T>, ExitError> {
        let hash: [u8; 32] = Sha256::digest(key).into();
        let malformed = || failed(format!("{what}: a node is malformed"));
        let mut at = *map;
        for depth in 0..256 / HAMT_BIT_WIDTH as usize {
            let (BytesDe(bitfield), mut pointers): (BytesDe, Vec<Ipld>) = self.load(what, &at)?;
            let bits = bitfield.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
            if bitfield.len() > 4 || bits.count_ones() as usize != pointers.len() {
                return Err(malformed());
            }
            let position = position(&hash, depth);
            if bits >> position & 1 == 0 {
                return Ok(None);
            }
            match pointers.swap_remove((bits & ((1 << position) - 1)).count_ones() as usize) {
                Ipld::Link(cid) => at = cid,
                Ipld::List(bucket) => {
                    let value = bucket.into_iter().find_map(|entry| value_of(entry, key));
                    return value.map(from_ipld).transpose().map_err(|error| failed(format!("{what}: {error}")));
                }
                _ => return Err(malformed()),
            }
        }
        Err(malformed())
    }
}

/// The position in a node at `depth` that a hash leads to: five bits of it, from the most significant on.
fn position(hash: &[u8; 32], depth: usize) -> usize {
    let bit = depth * HAMT_BIT_WIDTH as usize;
    let next = hash.get(bit / 8 + 1).copied().unwrap_or_default();
    usize::from(u16::from_be_bytes([hash[bit / 8], next]) >> (11 - bit % 8) & 31)
}

/// The value of an entry `[key, value]`, if it is this key's.
fn value_of(entry: Ipld, key: &[u8]) -> Option<Ipld> {
    let Ipld::List(entry) = entry else { return None };
    let [Ipld::Bytes(found), value] = <[Ipld; 2]>::try_from(entry).ok()? else { return None };
    (found == key).then_some(value)
}

impl<'a> Chain<'a> {
    fn open(blocks: &'a Blocks<'a>, state_root: &Cid) -> Result<Self, ExitError> {
        let root: StateRoot = blocks.load("the state root", state_root)?;
        if root.version != StateTreeVersion::V5 {
            return Err(failed(format!("the state's version is {:?}, expected V5", root.version)));
        }
        // Not known yet; the init actor, which knows, is found without it.
        let chain = Self { blocks, actors: root.actors, addresses: root.actors };
        let init = chain.actor(INIT_ID)?;
        let init: InitState = blocks.load("the init actor", &init.state)?;
        Ok(Self { addresses: init.address_map, ..chain })
    }

    fn look_up<T: DeserializeOwned>(&self, what: &str, map: &Cid, address: &Address) -> Result<T, ExitError> {
        let found = self.blocks.look_up(what, map, &address.to_bytes())?;
        found.ok_or_else(|| failed(format!("{what}: there is no {address}")))
    }

    fn actor(&self, id: ActorID) -> Result<ActorState, ExitError> {
        self.look_up("the actors", &self.actors, &Address::new_id(id))
    }

    fn resolve(&self, address: &Address) -> Result<ActorID, ExitError> {
        self.look_up("the address map", &self.addresses, address)
    }
}

/// Whether whoever has an address on one chain has it on every chain: addresses of keys.
fn is_key(address: &Address) -> bool {
    match address.payload() {
        Payload::Secp256k1(_) | Payload::BLS(_) => true,
        Payload::Delegated(delegated) => delegated.namespace() == EAM_ID,
        Payload::ID(_) | Payload::Actor(_) => false,
    }
}

/// Reads the balance of `address` on the chain to which `path` leads from the one with this state root. `code` is a
/// checkpoint actor's: no other actor's state says what a chain below has.
///
/// # Errors
/// When the blocks do not lead there, or the account cannot claim.
pub fn read(
    blocks: &Blocks<'_>,
    state_root: &Cid,
    path: &[Address],
    address: &Address,
    code: Option<Cid>,
) -> Result<Proven, CheckpointError> {
    if !is_key(address) {
        return Err(ExitError::ClaimAddress { address: address.to_string() }.into());
    }
    if path.len() > SUBNET_DEPTH_MAX {
        return Err(failed(format!("a path of {} chains, at most {SUBNET_DEPTH_MAX}", path.len())).into());
    }
    let mut chain = Chain::open(blocks, state_root)?;
    let mut passed: Vec<State> = Vec::with_capacity(path.len());
    for step in path {
        let actor = chain.actor(chain.resolve(step)?)?;
        if Some(actor.code) != code {
            return Err(failed(format!("{step} is no checkpoint actor of this chain's version")).into());
        }
        let state: State = blocks.load("a checkpoint actor", &actor.state)?;
        // An actor may have two robust addresses. Under the other one its chain would be claimed a second time.
        if state.actor != Some(*step) {
            return Err(failed(format!("{step} is not the address under which that chain is named")).into());
        }
        let root = state.last_state_root.ok_or_else(|| failed(format!("{step} has accepted no checkpoint")))?;
        chain = Chain::open(blocks, &root)?;
        passed.push(state);
    }
    let id = chain.resolve(address)?;
    if id < FIRST_USER_ID {
        return Err(ExitError::SystemActor { id }.into());
    }
    let balance = chain.actor(id)?.balance;
    let limits = limits(blocks, path, &passed, id)?;
    Ok(Proven { path: path.to_vec(), id, balance, limits })
}

/// What may come out of each chain of the path. Where one of them had exited, its claims were paid on the chain above
/// it: such an account is not paid again, and such value counts as taken out.
fn limits(
    blocks: &Blocks<'_>,
    path: &[Address],
    passed: &[State],
    id: ActorID,
) -> Result<Vec<TokenAmount>, CheckpointError> {
    let mut limits: Vec<TokenAmount> = passed.iter().map(|state| state.custody.clone()).collect();
    for (limit, state) in limits.iter_mut().zip(passed) {
        // The rest of it is for messages that never got there.
        let unrefunded = state.exit.as_ref().map(|exit| exit.unrefunded_amount.clone());
        *limit -= unrefunded.unwrap_or_default().max(TokenAmount::default());
    }
    for (index, state) in passed.iter().enumerate() {
        let Some(exit) = &state.exit else { continue };
        let below = &path[index + 1..];
        let paid = |path: &[Address], id| -> Result<Option<TokenAmount>, ExitError> {
            blocks.look_up("claims", &exit.claims, &claim_key(path, id))
        };
        if paid(below, Some(id))?.is_some() {
            return Err(ExitError::Claimed { id }.into());
        }
        for length in 1..=below.len() {
            limits[index + length] -= paid(&below[..length], None)?.unwrap_or_default();
        }
    }
    Ok(limits)
}
