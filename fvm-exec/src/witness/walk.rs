//! The way from a state's root to the ranges of one child. The parent's node and the child's validators go it alike.

use std::ops::{ControlFlow, Range};

use cid::Cid;
use fvm_ipld_blockstore::Blockstore;
use gateway_actor::types::{Child, LoggedChange, QueuedMessage};
use serde::de::DeserializeOwned;
use subnet_types::cross::CrossMessage;
use subnet_types::hash::encode;
use subnet_types::parent::MembershipChange;
use subnet_types::quantity::{ConfigurationNumber, Nonce};
use subnet_types::subnet_id::SubnetId;

use super::error::{RangeKind, WitnessError};
use super::{Proven, RangeQuery, amt};
use crate::error::ExecError;
use crate::state_view::StateView;

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
    let view = StateView::new(store, state_root).map_err(unreadable)?;
    let id = view.lookup_id(&actor).map_err(unreadable)?.ok_or_else(unknown)?;
    let gateway = view.gateway().map_err(unreadable)?;
    let child: Child = amt::get(store, "the gateway's children", &gateway.children, id)?.ok_or_else(unknown)?;
    if child.subnet != *subnet {
        return Err(WitnessError::OtherChild { expected: subnet.clone(), actual: child.subnet });
    }
    Ok(child)
}

fn messages<B: Blockstore>(store: &B, child: &Child, query: &RangeQuery) -> Result<Vec<CrossMessage>, WitnessError> {
    let span = Span {
        what: RangeKind::Messages,
        from: query.from_nonce.get(),
        first: child.pruned_below.get(),
        next: child.next_nonce.get(),
        max: query.limits.messages_max,
    };
    let mut bytes = 0;
    let is_full = |queued: &QueuedMessage| {
        bytes += encode(&queued.message).len();
        bytes >= query.limits.message_bytes_max
    };
    let queued = span.read(store, &child.messages, |queued: &QueuedMessage| queued.message.nonce.get(), is_full)?;
    Ok(queued.into_iter().map(|queued| queued.message).collect())
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
    let logged = span.read(store, &child.changes, |logged: &LoggedChange| logged.change.number.get(), |_| false)?;
    Ok(logged.into_iter().map(|logged| logged.change).collect())
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
    /// The entries of the range, which is over early when `is_full` says so of one, and has no gap before.
    fn read<T: DeserializeOwned, B: Blockstore>(
        &self,
        store: &B,
        root: &Cid,
        number_of: impl Fn(&T) -> u64,
        mut is_full: impl FnMut(&T) -> bool,
    ) -> Result<Vec<T>, WitnessError> {
        let (numbers, what) = (self.numbers()?, self.what);
        let (mut entries, mut is_cut) = (Vec::new(), false);
        let end = amt::each(store, what.name(), root, numbers.clone(), |expected, entry: T| {
            let actual = number_of(&entry);
            if actual != expected {
                return Err(WitnessError::Misplaced { what, expected, actual });
            }
            is_cut = is_full(&entry);
            entries.push(entry);
            Ok(if is_cut { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        if !is_cut && end < numbers.end {
            return Err(WitnessError::Gap { what, expected: end, next: self.next });
        }
        Ok(entries)
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

fn unreadable(error: ExecError) -> WitnessError {
    match error {
        ExecError::State { what, reason } => WitnessError::state(what, reason),
        other => WitnessError::state("the state", other),
    }
}
