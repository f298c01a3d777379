//! What must hold of a checkpoint actor's state between messages. Returns everything that does not.

use std::collections::{BTreeMap, BTreeSet};

use bls12_381::G1Affine;
use fvm_ipld_amt::Amt;
use fvm_ipld_blockstore::Blockstore;
use fvm_shared::econ::TokenAmount;
use subnet_types::Digest;
use subnet_types::ValidatorSet;
use subnet_types::genesis::Genesis;
use subnet_types::limits::VALIDATORS_MAX;
use subnet_types::quantity::{ConfigurationNumber, Power, Sequence};

use crate::keys::{self, POINT_BYTES};
use crate::state::{State, THE_END, load};
use crate::types::{Configuration, ConfigurationKeys, Member, Status, UnclaimedMessage};

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
    check_money(state, store, balance, &mut report);
    let members = report.read("members", state.members(store)).unwrap_or_default();
    check_members(state, store, &members, &mut report);
    check_configurations(state, store, &members, &mut report);
    check_activation(state, store, &mut report);
    check_batches(state, store, &mut report);
    check_ending(state, store, &mut report);
    report.0
}

fn check_money(state: &State, store: &impl Blockstore, balance: &TokenAmount, report: &mut Report) {
    let counters = [
        ("custody", &state.custody),
        ("stake", &state.stake_total),
        ("batch reserved", &state.batch_reserved),
        ("unclaimed", &state.unclaimed),
        ("unbonding", &state.unbonding_total),
    ];
    for (name, amount) in counters {
        report.expect(!amount.is_negative(), || format!("{name} is {amount}"));
    }
    let sum: TokenAmount = counters.into_iter().map(|(_, amount)| amount).sum();
    report.expect(sum <= *balance, || format!("counters make {sum}, the balance is only {balance}"));
    check_unclaimed(state, store, report);
}

fn check_unclaimed(state: &State, store: &impl Blockstore, report: &mut Report) {
    let messages = Amt::<UnclaimedMessage, _>::load(&state.unclaimed_messages, store);
    let Some(messages) = report.read("unclaimed", messages) else { return };
    let (mut sum, cursor) = (TokenAmount::default(), state.next_delivery_nonce);
    let read = messages.for_each(|nonce, message| {
        sum += &message.amount;
        report.expect(nonce < cursor.get(), || format!("unclaimed message {nonce}, but the cursor is {cursor}"));
        report.expect(message.leaf != Digest::ZERO, || format!("unclaimed message {nonce} matches no message"));
        report.expect(!message.amount.is_negative(), || format!("unclaimed message {nonce} has {}", message.amount));
        Ok(())
    });
    report.read("unclaimed", read);
    report.expect(sum == state.unclaimed, || format!("unclaimed {}, messages {sum}", state.unclaimed));
}

fn check_members(state: &State, store: &impl Blockstore, members: &[Member], report: &mut Report) {
    let stake: TokenAmount = members.iter().map(|member| &member.stake).sum();
    report.expect(stake == state.stake_total, || format!("stake {}, members' {stake}", state.stake_total));
    let voting = members.iter().filter(|member| member.power > Power::ZERO).count() as u64;
    let counts = (members.len() as u64, voting);
    report.expect(counts == (state.member_count, state.voting_members), || {
        format!("counts {} members, {} voting; there are {counts:?}", state.member_count, state.voting_members)
    });
    for member in members {
        for key in [member.vote_key.0.as_slice(), member.checkpoint_key.0.as_slice()] {
            let owner = report.read("keys", state.key_owner(store, key));
            report.expect(owner == Some(Some(member.owner)), || {
                format!("a key of {} belongs to {owner:?}", member.owner)
            });
        }
        let point = keys::check_checkpoint_key(&member.checkpoint_key);
        report.expect(point.as_ref().is_ok_and(|point| point[..] == member.point[..]), || {
            format!("stored point of {} is not its key", member.owner)
        });
    }
}

fn check_configurations(state: &State, store: &impl Blockstore, members: &[Member], report: &mut Report) {
    let last = state.configuration_last;
    report.expect(state.configuration_confirmed <= last, || {
        format!("confirmed configuration {}, last {last}", state.configuration_confirmed)
    });
    let Some(all) = report.read("configurations", Amt::<Configuration, _>::load(&state.configurations, store)) else {
        return;
    };
    let mut list = Vec::new();
    let read = all.for_each(|number, configuration| {
        list.push((number, configuration.clone()));
        Ok(())
    });
    report.read("configurations", read);
    let newest = list.last().map_or(0, |(number, _)| *number);
    report.expect(newest == last.get(), || format!("the newest configuration is {newest}, last {last}"));
    // Those that a recovery passed over are missing, and none that can still be reported.
    let confirmed = state.configuration_confirmed.get();
    let reportable = list.iter().filter(|(number, _)| *number >= confirmed).count() as u64;
    report.expect(list.is_empty() || reportable == last.get() - confirmed + 1, || {
        format!("{reportable} configurations from {confirmed} to {last}")
    });
    for (number, configuration) in &list {
        check_configuration(store, ConfigurationNumber::new(*number), configuration, report);
    }
    if let Some((_, newest)) = list.last() {
        let Some(set) = report.read("newest set", load::<ValidatorSet>(store, &newest.validators)) else { return };
        // After the end members withdraw, and no configuration is made any more.
        if state.exit.is_some() {
            return;
        }
        let voting = members.iter().filter(|member| member.power > Power::ZERO);
        let expected: BTreeMap<_, _> = voting.map(|member| (member.vote_key, member.power)).collect();
        let actual: BTreeMap<_, _> = set.validators().iter().map(|member| (member.vote_key, member.power)).collect();
        report.expect(actual == expected, || format!("newest configuration {actual:?}, members {expected:?}"));
    }
}

fn check_configuration(
    store: &impl Blockstore,
    number: ConfigurationNumber,
    configuration: &Configuration,
    report: &mut Report,
) {
    let set = report.read("set", load::<ValidatorSet>(store, &configuration.validators));
    let packed = report.read("keys", load::<ConfigurationKeys>(store, &configuration.keys));
    let (Some(set), Some(packed)) = (set, packed) else { return };
    report.read("set", set.check());
    let summary = (set.number(), set.hash(), set.len() as u64, set.total_power());
    let stored = (number, configuration.validators_hash, configuration.count, configuration.total_power);
    report.expect(summary == stored, || format!("configuration {number} is {stored:?}, its set {summary:?}"));
    let points: Option<Vec<_>> =
        set.validators().iter().map(|member| keys::check_checkpoint_key(&member.checkpoint_key).ok()).collect();
    let points = points.unwrap_or_default();
    report.expect(points.concat() == packed.points, || format!("configuration {number} packs other keys"));
    let powers: Vec<u8> = set.validators().iter().flat_map(|member| member.power.get().to_be_bytes()).collect();
    report.expect(powers == packed.powers, || format!("configuration {number} packs other powers"));
    let sum = keys::sum(None, packed.points.chunks(POINT_BYTES), []);
    let is_sum = sum
        .map(G1Affine::from)
        .is_some_and(|sum| sum.to_uncompressed()[..] == packed.sum_point[..] && keys::as_key(&sum) == packed.key_sum);
    report.expect(is_sum, || format!("configuration {number} stores another key sum"));
}

fn check_activation(state: &State, store: &impl Blockstore, report: &mut Report) {
    let named = (state.actor.is_some(), state.subnet.is_some(), state.parent.is_some());
    report.expect(named == (true, true, true) || named == (false, false, false), || format!("half named: {named:?}"));
    let is_active = state.status() >= Status::Active;
    report.expect(is_active == (state.configuration_last > ConfigurationNumber::ZERO), || {
        format!("active is {is_active}, last configuration {}", state.configuration_last)
    });
    let expected = report
        .read("activation", state.activation(store))
        .flatten()
        .map(|record| Genesis::from_activation(&record).identity());
    report.expect(state.chain == expected, || format!("identity {:?}, the record's {expected:?}", state.chain));
    if state.last_sequence.get() == 0 {
        let start = state.chain.unwrap_or(Digest::ZERO);
        report.expect(state.last_digest == start, || format!("no checkpoint, but digest {}", state.last_digest));
    }
    let height = state.last_sequence.get() * state.parameters.chain.checkpoint_period_blocks;
    report
        .expect(state.last_height.get() == height, || format!("last height {}, expected {height}", state.last_height));
}

fn check_batches(state: &State, store: &impl Blockstore, report: &mut Report) {
    let Some(batches) = report.read("batches", state.undelivered_batches(store)) else { return };
    let cursor = state.next_delivery_nonce;
    // The first one may be delivered in part; the others follow without a gap.
    let mut next = batches.first().map_or(cursor, |(_, batch)| batch.first_nonce);
    report.expect(next <= cursor, || format!("the first batch begins at {next}, cursor {cursor}"));
    let mut waiting = TokenAmount::default();
    for (sequence, batch) in &batches {
        let first = batch.first_nonce;
        report.expect(*sequence > Sequence::ZERO && *sequence <= state.last_sequence, || {
            format!("batch of checkpoint {sequence}, last {}", state.last_sequence)
        });
        report.expect(first == next, || format!("batch {sequence} begins at {first}, expected {next}"));
        waiting += &batch.value;
        report.expect(batch.root != Digest::ZERO, || format!("batch {sequence} has no root"));
        if cursor > first {
            let delivered = &state.batch_delivered;
            report.expect(!delivered.is_negative() && *delivered <= batch.value, || {
                format!("batch {sequence} of {} delivered {delivered}", batch.value)
            });
            waiting -= delivered;
        }
        let Some(end) = report.read("batch", first.checked_add(batch.count).ok_or("its nonces overflow")) else {
            return;
        };
        report.expect(cursor < end, || format!("batch {sequence} ends before {end}, cursor {cursor}"));
        next = end;
    }
    report.expect(next == state.next_batch_nonce, || {
        format!("batches end at {next}, next is {}", state.next_batch_nonce)
    });
    report.expect(waiting == state.batch_reserved, || format!("reserved {}, waiting {waiting}", state.batch_reserved));
}

fn check_ending(state: &State, store: &impl Blockstore, report: &mut Report) {
    let unbonding = report.read("unbonding", state.all_unbonding(store)).unwrap_or_default();
    let sum: TokenAmount = unbonding.iter().map(|entry| &entry.stake).sum();
    report.expect(sum == state.unbonding_total, || format!("unbonding {}, stakes {sum}", state.unbonding_total));
    for entry in &unbonding {
        report.expect(entry.configuration <= state.configuration_last && !entry.stake.is_negative(), || {
            format!("a stake of {} waits for configuration {}", entry.stake, entry.configuration)
        });
    }
    let confirmed = state.configuration_confirmed;
    if confirmed > ConfigurationNumber::ZERO {
        let at = report.read("confirmations", state.confirmed_at(store, confirmed)).flatten();
        report.expect(at.is_some_and(|at| at <= state.last_accepted_at || at >= state.silent_from()), || {
            format!("configuration {confirmed} was confirmed at {at:?}, neither by a checkpoint nor in silence")
        });
        let after = report.read("confirmations", state.confirmed_at(store, confirmed.next())).flatten();
        report.expect(after.is_none(), || format!("a configuration after {confirmed} was confirmed at {after:?}"));
    }
    if let Some(ballot) = report.read("ballot", state.ballot(store)).flatten() {
        report.expect(ballot.sequence <= state.last_sequence, || {
            format!("votes as of checkpoint {}, the last is {}", ballot.sequence, state.last_sequence)
        });
        let voters: BTreeSet<_> = ballot.votes.iter().map(|vote| (vote.vote_key, vote.subject == THE_END)).collect();
        report.expect(voters.len() == ballot.votes.len() && ballot.votes.len() <= 2 * VALIDATORS_MAX, || {
            format!("{} votes, of {} validators and subjects", ballot.votes.len(), voters.len())
        });
    }
    if let Some(exit) = &state.exit {
        let paid = report.read("claims", state.paid_in_all(store));
        report.expect(paid.as_ref() == Some(&exit.claimed_total), || {
            format!("claims say {}, their entries make {paid:?}", exit.claimed_total)
        });
        let (due, custody) = (&exit.unrefunded_amount, &state.custody);
        report.expect(!due.is_negative() && (exit.unrefunded > 0 || due.is_zero()), || {
            format!("{} messages wait for {due} to be refunded", exit.unrefunded)
        });
        report.expect(exit.claimed_total.is_zero() || custody >= due, || {
            format!("claims left {custody} in custody, refunds need {due}")
        });
    }
}
