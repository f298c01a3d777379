//! What must hold of a gateway's state between messages. Returns everything that does not.

use cid::Cid;
use fvm_ipld_amt::Amt;
use fvm_ipld_blockstore::Blockstore;
use fvm_shared::ActorID;
use fvm_shared::econ::TokenAmount;
use subnet_types::cross::{CrossMessage, message_id};
use subnet_types::hash::encode;
use subnet_types::quantity::Nonce;

use crate::state::{State, load, unapplied_amount};
use crate::types::{Child, LoggedChange, QueuedMessage};

/// Something that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation(pub String);

struct Report(Vec<Violation>);

impl Report {
    fn expect(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.0.push(Violation(what()));
        }
    }

    /// Takes a value that must be readable.
    fn read<T, E: std::fmt::Display>(&mut self, what: &str, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.0.push(Violation(format!("{what}: {error}")))).ok()
    }
}

/// Every violation in `state`, whose actor holds `balance`.
pub fn check(state: &State, store: &impl Blockstore, balance: &TokenAmount) -> Vec<Violation> {
    let mut report = Report(Vec::new());
    report.expect(!state.is_delivering, || "a delivery is running between messages".to_owned());
    check_sets(state, store, &mut report);
    check_outbox(state, store, &mut report);
    if let Some(parent) = &state.parent {
        report.expect(!parent.cross_gas_price.is_negative(), || {
            format!("the price of the edge to the parent is {}", parent.cross_gas_price)
        });
    }
    report.expect(!state.reserve.is_negative() && (state.parent.is_some() || state.reserve.is_zero()), || {
        format!("the mint reserve of {} is {}", state.subnet, state.reserve)
    });
    check_cut(state, store, &mut report);
    check_answers(state, store, &mut report);
    check_balance(state, store, balance, &mut report);
    if let Some(children) = report.read("children", state.children(store)) {
        for (id, child) in children {
            check_child(state, store, id, &child, &mut report);
        }
    }
    report.0
}

fn check_sets(state: &State, store: &impl Blockstore, report: &mut Report) {
    report.expect(state.parent.is_none() == state.subnet.is_root(), || {
        format!("{} follows a parent: {}", state.subnet, state.parent.is_some())
    });
    let validators = report.read("validators", state.validators(store));
    let pending = report.read("pending", state.pending(store));
    if let (Some(validators), Some(pending)) = (validators, pending) {
        report.read("validators", validators.check());
        report.read("pending", pending.check());
        report.expect(pending.number() >= validators.number(), || {
            format!("pending configuration {} is before the sealed {}", pending.number(), validators.number())
        });
    }
    report.read("parent validators", state.parent_validators(store));
}

fn check_outbox(state: &State, store: &impl Blockstore, report: &mut Report) {
    let outbox = &state.outbox;
    let Some(amt) = report.read("outbox", Amt::<Cid, _>::load(&outbox.messages, store)) else { return };
    let (mut count, mut bytes, mut value) = (0, 0, TokenAmount::default());
    let read = amt.for_each(|index, link| {
        let message: CrossMessage = load(store, link)?;
        let expected = Nonce::new(outbox.first_nonce.get() + count);
        report.expect(message.nonce == expected && outbox.base.get() + index == expected.get(), || {
            format!("outbox entry {index} has nonce {}, expected {expected} from base {}", message.nonce, outbox.base)
        });
        report.expect(!message.destination.subnet.is_within(&state.subnet), || {
            format!("outbox entry {index} goes to {}, which is not up", message.destination.subnet)
        });
        count += 1;
        bytes += encode(&message).len() as u64;
        value += message.amount();
        Ok(())
    });
    report.read("outbox", read);
    report.expect((count, bytes) == (outbox.count, outbox.bytes), || {
        format!("outbox counts {} messages of {} bytes, holds {count} of {bytes}", outbox.count, outbox.bytes)
    });
    report.expect(value == outbox.value, || format!("outbox says it carries {}, carries {value}", outbox.value));
}

fn check_cut(state: &State, store: &impl Blockstore, report: &mut Report) {
    let Some(cut) = &state.last_cut else {
        report.expect(state.next_sequence.get() == 1, || format!("no cut, but next is {}", state.next_sequence));
        return;
    };
    report.expect(cut.sequence.next() == state.next_sequence, || {
        format!("last cut is {}, next {}", cut.sequence, state.next_sequence)
    });
    report.expect(cut.height.get() == cut.sequence.get() * state.checkpoint_period_blocks, || {
        format!("cut {} at height {}, period {}", cut.sequence, cut.height, state.checkpoint_period_blocks)
    });
    report.expect(!cut.burned.is_negative(), || format!("cut burned {}", cut.burned));
    let end = cut.messages.first_nonce.get() + cut.messages.count;
    report.expect(end == state.outbox.first_nonce.get(), || {
        format!("the cut's batch ends before nonce {end}, the outbox begins at {}", state.outbox.first_nonce)
    });
    if let Some(batch) = report.read("last batch", state.batch(store, cut)) {
        let actual = subnet_types::cross::MessageBatch::of(cut.messages.first_nonce, &batch);
        report.expect(actual == cut.messages, || format!("cut says {:?}, its AMT makes {actual:?}", cut.messages));
    }
}

fn check_answers(state: &State, store: &impl Blockstore, report: &mut Report) {
    let next = state.next_origin_sequence;
    for (index, word) in report.read("settled", state.settled_words(store)).unwrap_or_default() {
        let last = index.saturating_mul(64).saturating_add(63 - u64::from(word.leading_zeros().min(63)));
        report.expect(word != 0 && last < next, || format!("message {last} is settled, {next} is the next to send"));
    }
    for (id, sent) in report.read("pending messages", state.all_pending_messages(store)).unwrap_or_default() {
        let sequence = sent.origin_sequence;
        report.expect(id == message_id(&state.identity, &sent.origin, sequence) && sequence < next, || {
            format!("pending message {id} is not message {sequence} of {}, next is {next}", sent.origin)
        });
        if let Some(is_settled) = report.read("settled", state.is_settled(store, sequence)) {
            report.expect(is_settled, || {
                format!("pending message {sequence} can be answered as if it were not recorded")
            });
        }
        report.expect(!sent.value.is_negative() && !sent.fee.is_negative(), || {
            format!("pending message {sequence} carries {} and {}", sent.value, sent.fee)
        });
        report.expect(sent.destination.subnet != state.subnet, || format!("pending message {sequence} goes nowhere"));
    }
    let mut fees = TokenAmount::default();
    for (key, answer) in report.read("owed answers", state.all_owed(store)).unwrap_or_default() {
        let id = answer.id;
        report.expect(key == answer.key(), || {
            format!("the answer to {id} from {} is kept under {key}, expected {}", answer.origin.subnet, answer.key())
        });
        report.expect(!answer.value.is_negative() && !answer.fee.is_negative(), || {
            format!("the answer to {id} may bring {} and {}", answer.value, answer.fee)
        });
        report.expect(answer.origin.subnet != state.subnet, || format!("the answer to {id} is owed to this chain"));
        fees += answer.fee;
    }
    report.expect(fees == state.owed_total, || {
        format!("fees of owed answers say {}, they make {fees}", state.owed_total)
    });
}

fn check_balance(state: &State, store: &impl Blockstore, balance: &TokenAmount, report: &mut Report) {
    if let Some(entries) = report.read("unclaimed", state.unclaimed(store)) {
        let sum: TokenAmount = entries.into_iter().map(|(_, amount)| amount).sum();
        report.expect(sum == state.unclaimed_total, || {
            format!("unclaimed says {}, its entries make {sum}", state.unclaimed_total)
        });
    }
    let held = &state.unclaimed_total + &state.owed_total;
    report.expect(held <= *balance, || {
        format!("unclaimed value and fees of owed answers are {held}, the balance only {balance}")
    });
}

fn check_child(state: &State, store: &impl Blockstore, id: ActorID, child: &Child, report: &mut Report) {
    let name = state.subnet.child(child.actor);
    report.expect(name.as_ref() == Ok(&child.subnet), || format!("child {id} is {}, expected {name:?}", child.subnet));
    let (pruned, unapplied, next) = (child.pruned_below, child.unapplied_from, child.next_nonce);
    report.expect(pruned <= unapplied && unapplied <= next, || {
        format!("child {id}: pruned below {pruned}, unapplied from {unapplied}, next {next}")
    });
    report.expect(!child.cross_gas_price.is_negative(), || {
        format!("child {id}: the edge's price is {}", child.cross_gas_price)
    });
    let (active, closing, exited) = (child.is_active, child.is_closing, child.has_exited);
    report.expect(active >= closing && closing >= exited, || {
        format!("child {id}: active {active}, closing {closing}, exited {exited}")
    });
    report.expect(child.is_active || next == Nonce::ZERO, || format!("child {id} got messages before its genesis"));
    if let Some(messages) = report.read("messages", Amt::<QueuedMessage, _>::load(&child.messages, store)) {
        let mut expected = pruned.get();
        let (mut total, mut waiting) = (None, TokenAmount::default());
        let read = messages.for_each(|nonce, queued| {
            let message: CrossMessage = load(store, &queued.message)?;
            let before = total.take().unwrap_or_else(|| queued.before.clone());
            report.expect(queued.before == before && !before.is_negative(), || {
                format!("child {id}: before message {nonce} {} were queued, expected {before}", queued.before)
            });
            total = Some(before + message.amount());
            if nonce >= unapplied.get() {
                waiting += message.amount();
            }
            report.expect(nonce == expected && message.nonce.get() == nonce, || {
                format!("child {id}: message {} at {nonce}, expected {expected}", message.nonce)
            });
            let is_right =
                message.destination.subnet.is_within(&child.subnet) && !message.origin.subnet.is_within(&child.subnet);
            report.expect(is_right, || format!("child {id}: message {nonce} does not go down"));
            expected += 1;
            Ok(())
        });
        report.read("messages", read);
        report.expect(expected == next.get(), || format!("child {id}: messages end at {expected}, next is {next}"));
        let queued = &child.queued_total;
        report.expect(total.is_none_or(|total| total == *queued), || {
            format!("child {id}: {queued} was queued in all, which its messages do not end with")
        });
        let amount = report.read("unapplied", unapplied_amount(store, child));
        report
            .expect(amount.as_ref() == Some(&waiting), || format!("child {id}: {waiting} waits, taken for {amount:?}"));
    }
    if let Some(changes) = report.read("changes", Amt::<LoggedChange, _>::load(&child.changes, store)) {
        let mut expected = 2;
        let read = changes.for_each(|number, logged| {
            report.expect(number == expected && logged.change.number.get() == number, || {
                format!("child {id}: change {} at {number}, expected {expected}", logged.change.number)
            });
            expected += 1;
            Ok(())
        });
        report.read("changes", read);
        let logged = child.configuration_logged;
        report.expect(expected == logged.get() + 1, || format!("child {id}: changes end at {expected}, last {logged}"));
        report.expect(child.configuration_confirmed <= logged, || {
            format!("child {id}: confirmed {}, logged {logged}", child.configuration_confirmed)
        });
    }
}
