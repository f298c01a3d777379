//! The way from a state's root to the ranges of one child. The parent's node and the child's validators go it alike.

use std::ops::{ControlFlow, Range};

use cid::Cid;
use fvm_ipld_blockstore::Blockstore;
use fvm_ipld_encoding::from_slice;
use fvm_shared::ActorID;
use fvm_shared::address::Address;
use fvm_shared::state::{ActorState, StateRoot, StateTreeVersion};
use gateway_actor::types::{Child, LoggedChange, QueuedMessage};
use hamt::Nodes;
use serde::de::DeserializeOwned;
use subnet_types::actors::{GATEWAY_ID, INIT_ID};
use subnet_types::cross::CrossMessage;
use subnet_types::parent::MembershipChange;
use subnet_types::quantity::ConfigurationNumber;
use subnet_types::subnet_id::SubnetId;

use super::error::{RangeKind, WitnessError};
use super::store::load;
use super::{Load, Proven, RangeQuery, amt};

/// Reads what `query` asks for in the state `state_root`. Touches no block that it does not need.
pub(super) fn walk<B: Blockstore>(store: &B, state_root: &Cid, query: &RangeQuery) -> Result<Proven, WitnessError> {
    let child = entry(store, state_root, &query.child)?;
    let next_configuration = child.configuration_logged.get().saturating_add(1);
    Ok(Proven {
        messages: messages(store, &child, query)?,
        changes: changes(store, &child, next_configuration, query)?,
        next_nonce: child.next_nonce,
        next_configuration: ConfigurationNumber::new(next_configuration),
    })
}

/// What the gateway keeps for the child. The way is by the child's name: its last step is the robust address of the
/// actor under whose id the entry stands, and only the state can say which id that is.
fn entry<B: Blockstore>(store: &B, state_root: &Cid, subnet: &SubnetId) -> Result<Child, WitnessError> {
    let actor = subnet.checkpoint_actor().ok_or_else(|| WitnessError::Root { subnet: subnet.clone() })?;
    let unknown = || WitnessError::NotRegistered { child: subnet.clone() };
    let actors = Actors::open(store, state_root)?;
    let init: init::State = actors.state("the init actor", INIT_ID)?;
    let id: ActorID = actors.look_up("the address map", &init.address_map, &actor)?.ok_or_else(unknown)?;
    let gateway: gateway_actor::State = actors.state("the gateway", GATEWAY_ID)?;
    let child: Child = amt::get(store, "the gateway's children", &gateway.children, id)?.ok_or_else(unknown)?;
    if child.subnet != *subnet {
        return Err(WitnessError::OtherChild { expected: subnet.clone(), actual: child.subnet });
    }
    Ok(child)
}

/// Bytes of nodes that are kept during a walk, of which none is read twice: one of up to 32 KiB is kept, and the widest
/// of small actors has half of that.
const NODES_BYTES_MAX: usize = 4 << 20;

/// The actors of a state. Its trees are read node by node and nothing of them is decoded but the entry that is asked for.
pub(super) struct Actors<'a, B> {
    store: &'a B,
    nodes: Nodes,
    root: Cid,
}

impl<'a, B: Blockstore> Actors<'a, B> {
    pub(super) fn open(store: &'a B, state_root: &Cid) -> Result<Self, WitnessError> {
        let what = "the state root";
        let root: StateRoot = load(store, what, state_root)?;
        if root.version != StateTreeVersion::V5 {
            return Err(WitnessError::state(what, format!("its version is {:?}, expected V5", root.version)));
        }
        Ok(Self { store, nodes: Nodes::new(NODES_BYTES_MAX), root: root.actors })
    }

    /// The state of one of the actors that every chain has.
    pub(super) fn state<T: DeserializeOwned>(&self, what: &'static str, id: ActorID) -> Result<T, WitnessError> {
        load(self.store, what, &self.actor(what, id)?.state)
    }

    /// The entry of an actor that is there.
    pub(super) fn actor(&self, what: &'static str, id: ActorID) -> Result<ActorState, WitnessError> {
        let actor: Option<ActorState> = self.look_up(what, &self.root, &Address::new_id(id))?;
        actor.ok_or_else(|| WitnessError::state(what, format!("no actor has id {id}")))
    }

    /// What a map from addresses has for `key`.
    pub(super) fn look_up<T: DeserializeOwned>(
        &self,
        what: &'static str,
        map: &Cid,
        key: &Address,
    ) -> Result<Option<T>, WitnessError> {
        let found =
            self.nodes.get(self.store, map, &key.to_bytes()).map_err(|error| WitnessError::state(what, error))?;
        found.map(|value| from_slice(&value)).transpose().map_err(|error| WitnessError::state(what, error))
    }
}

fn messages<B: Blockstore>(store: &B, child: &Child, query: &RangeQuery) -> Result<Vec<CrossMessage>, WitnessError> {
    let span = Span {
        what: RangeKind::Messages,
        from: query.from_nonce.get(),
        first: child.pruned_below.get(),
        next: child.next_nonce.get(),
        max: query.limits.messages_max,
    };
    let mut weight = Load::default();
    let message = |queued: QueuedMessage| load::<CrossMessage, _>(store, RangeKind::Messages.name(), &queued.message);
    let is_full = |message: &CrossMessage| weight.add(message, &query.limits);
    span.read(store, &child.messages, message, |message| message.nonce.get(), is_full)
}

fn changes<B: Blockstore>(
    store: &B,
    child: &Child,
    next_configuration: u64,
    query: &RangeQuery,
) -> Result<Vec<MembershipChange>, WitnessError> {
    let span = Span {
        what: RangeKind::Changes,
        from: query.from_configuration.get(),
        // Activation made the first configuration, and all changes since are kept.
        first: ConfigurationNumber::FIRST.next().get(),
        next: next_configuration,
        max: query.limits.changes_max,
    };
    let change = |logged: LoggedChange| Ok(logged.change);
    span.read(store, &child.changes, change, |change| change.number.get(), |_| false)
}

/// One range: where it begins and how far it can go.
struct Span {
    what: RangeKind,
    from: u64,
    /// The first that is kept.
    first: u64,
    /// The next to come.
    next: u64,
    max: usize,
}

impl Span {
    /// What the entries of the range lead to. The range is over early when `is_full` says so of an item, and has no gap
    /// before.
    fn read<E: DeserializeOwned, T, B: Blockstore>(
        &self,
        store: &B,
        root: &Cid,
        open: impl Fn(E) -> Result<T, WitnessError>,
        number_of: impl Fn(&T) -> u64,
        mut is_full: impl FnMut(&T) -> bool,
    ) -> Result<Vec<T>, WitnessError> {
        let (numbers, what) = (self.numbers()?, self.what);
        let (mut items, mut is_cut) = (Vec::new(), false);
        let end = amt::each(store, what.name(), root, numbers.clone(), |expected, entry: E| {
            let item = open(entry)?;
            let actual = number_of(&item);
            if actual != expected {
                return Err(WitnessError::Misplaced { what, expected, actual });
            }
            is_cut = is_full(&item);
            items.push(item);
            Ok(if is_cut { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        if !is_cut && end < numbers.end {
            return Err(WitnessError::Gap { what, expected: end, next: self.next });
        }
        Ok(items)
    }

    /// The numbers to read. None where the asker has it all already: then nothing below the child's entry is read.
    fn numbers(&self) -> Result<Range<u64>, WitnessError> {
        let &Self { what, from, first, next, max } = self;
        if from < first {
            return Err(WitnessError::Before { what, from, first });
        }
        if from > next {
            return Err(WitnessError::Beyond { what, from, next });
        }
        Ok(from..next.min(from.saturating_add(max as u64)))
    }
}
