//! Receipts and events as IPLD, so that a header can commit to them and a proof can show one.

use cid::Cid;
use fvm_ipld_amt::Amt;
use fvm_ipld_blockstore::Blockstore;
use fvm_shared::event::StampedEvent;
use fvm_shared::receipt::Receipt;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::ExecError;

/// Of the VM's own events AMT, whose root stands in the receipt. Receipts use the same.
const AMT_BIT_WIDTH: u32 = 5;

/// Most receipts or events that are read back from one root: more than any block can have.
const ITEMS_MAX: u64 = 1 << 20;

/// Writes the receipts of a block as an AMT and returns its root.
pub(crate) fn store_receipts<B: Blockstore>(store: &B, receipts: &[Receipt]) -> Result<Cid, ExecError> {
    store_amt(store, receipts, "writing receipts")
}

/// Writes the events of one message where the VM only computed the root.
pub(crate) fn store_events<B: Blockstore>(
    store: &B,
    receipt: &Receipt,
    events: &[StampedEvent],
) -> Result<(), ExecError> {
    let Some(expected) = receipt.events_root else { return Ok(()) };
    let root = store_amt(store, events, "writing events")?;
    if root != expected {
        return Err(ExecError::vm("writing events", format!("their root is {root}, the receipt says {expected}")));
    }
    Ok(())
}

/// The receipts of a block, by the root that the next header commits to.
///
/// # Errors
/// When the store fails or does not hold them.
pub fn load_receipts<B: Blockstore>(store: &B, root: &Cid) -> Result<Vec<Receipt>, ExecError> {
    load_amt(store, root, "receipts")
}

/// The events of a message, by the root in its receipt.
///
/// # Errors
/// When the store fails or does not hold them.
pub fn load_events<B: Blockstore>(store: &B, root: &Cid) -> Result<Vec<StampedEvent>, ExecError> {
    load_amt(store, root, "events")
}

fn store_amt<B: Blockstore, T: Serialize + DeserializeOwned + Clone>(
    store: &B,
    items: &[T],
    action: &'static str,
) -> Result<Cid, ExecError> {
    Amt::new_from_iter_with_bit_width(store, AMT_BIT_WIDTH, items.iter().cloned())
        .map_err(|error| ExecError::vm(action, error))
}

fn load_amt<B: Blockstore, T: Serialize + DeserializeOwned + Clone>(
    store: &B,
    root: &Cid,
    what: &'static str,
) -> Result<Vec<T>, ExecError> {
    let failed = |error: fvm_ipld_amt::Error| ExecError::State { what, reason: error.to_string() };
    let amt = Amt::<T, _>::load(root, store).map_err(failed)?;
    if amt.count() > ITEMS_MAX {
        let reason = format!("{} items, at most {ITEMS_MAX} can be", amt.count());
        return Err(ExecError::State { what, reason });
    }
    let mut items = Vec::new();
    amt.for_each(|_, item| {
        items.push(item.clone());
        Ok(())
    })
    .map_err(failed)?;
    Ok(items)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fvm_ipld_blockstore::MemoryBlockstore;
    use fvm_ipld_encoding::RawBytes;
    use fvm_shared::error::ExitCode;
    use fvm_shared::event::{ActorEvent, Entry, Flags};

    fn receipt(gas_used: u64) -> Receipt {
        Receipt { exit_code: ExitCode::OK, return_data: RawBytes::default(), gas_used, events_root: None }
    }

    #[test]
    fn receipts_come_back_in_order_and_the_root_sees_the_order() {
        let store = MemoryBlockstore::default();
        let receipts: Vec<Receipt> = (0..100).map(receipt).collect();
        let root = store_receipts(&store, &receipts).unwrap();
        assert_eq!(load_receipts(&store, &root).unwrap(), receipts);
        let reversed: Vec<Receipt> = receipts.into_iter().rev().collect();
        assert_ne!(store_receipts(&store, &reversed).unwrap(), root);
    }

    #[test]
    fn no_receipts_have_a_root_too() {
        let store = MemoryBlockstore::default();
        let root = store_receipts(&store, &[]).unwrap();
        assert_eq!(load_receipts(&store, &root).unwrap(), []);
    }

    #[test]
    fn absent_receipts_are_an_error() {
        let root = store_receipts(&MemoryBlockstore::default(), &[receipt(1)]).unwrap();
        assert!(matches!(load_receipts(&MemoryBlockstore::default(), &root), Err(ExecError::State { .. })));
    }

    #[test]
    fn events_that_do_not_match_their_receipt_are_refused() {
        let store = MemoryBlockstore::default();
        let entry = Entry { flags: Flags::empty(), key: "k".into(), codec: 0x55, value: vec![1] };
        let events = vec![StampedEvent::new(5, ActorEvent::from(vec![entry]))];
        let root = store_amt(&store, &events, "test").unwrap();
        let committed = Receipt { events_root: Some(root), ..receipt(0) };
        store_events(&store, &committed, &events).unwrap();
        assert_eq!(load_events(&store, &root).unwrap(), events);
        assert!(store_events(&store, &committed, &[]).is_err());
    }
}
