use std::collections::BTreeMap;

use fvm_shared::EMPTY_ARR_CID;
use fvm_shared::econ::TokenAmount;

use super::*;

/// Ids below 1,000 exist.
struct Ids;

impl View for Ids {
    fn resolve(&self, address: &Address) -> Option<ActorID> {
        address.id().ok()
    }

    fn actor(&self, id: ActorID) -> Option<ActorState> {
        (id < 1_000).then(|| ActorState::new_empty(EMPTY_ARR_CID, None))
    }
}

fn message(from: ActorID, to: Address, method_num: u64) -> Message {
    Message {
        version: 0,
        from: Address::new_id(from),
        to,
        sequence: 0,
        value: TokenAmount::default(),
        method_num,
        params: Default::default(),
        gas_limit: 0,
        gas_fee_cap: TokenAmount::default(),
        gas_premium: TokenAmount::default(),
    }
}

fn call(from: ActorID, to: ActorID) -> Message {
    message(from, Address::new_id(to), 2)
}

fn send(from: ActorID, to: ActorID) -> Message {
    message(from, Address::new_id(to), METHOD_SEND)
}

fn key(seed: u8) -> Address {
    Address::new_secp256k1(&[seed; 65]).unwrap()
}

fn plan(messages: &[Message]) -> Plan {
    Plan::new(messages.iter(), &Ids, &Predictor::default(), None)
}

/// The tasks' messages, in the order of their first ones.
fn tasks(plan: &Plan) -> Vec<Vec<u32>> {
    let tasks: BTreeMap<_, _> = plan.tasks.iter().map(|task| (task.messages[0], task.messages.clone())).collect();
    tasks.into_values().collect()
}

#[test]
fn calls_of_one_contract_are_one_task_and_a_senders_messages_too() {
    let plan = plan(&[call(100, 500), call(101, 501), call(102, 500), send(101, 300), call(103, 502), call(103, 501)]);
    assert_eq!(tasks(&plan), [vec![0, 2], vec![1, 3, 4, 5]]);
    assert_eq!(plan.tasks[0].messages, [1, 3, 4, 5], "the longest comes first");
    assert!(plan.in_task.iter().all(|is| *is));
}

#[test]
fn transfers_do_not_meet_at_their_receiver_and_stay_out_of_tasks() {
    let plan = plan(&[send(100, 500), send(101, 500), call(102, 500), send(500, 100)]);
    // The contract's own message is in its chain; those that only pay it are not.
    assert_eq!(tasks(&plan), [vec![2, 3]]);
    assert_eq!(plan.in_task, [false, false, true, true]);
    assert_eq!(plan.canonical, SEND_TIME * 2);
}

#[test]
fn new_accounts_are_counted_and_meet_at_their_address() {
    let to = |from, address| message(from, address, METHOD_SEND);
    let plan = plan(&[to(100, key(1)), call(101, 500), to(102, key(2)), to(103, key(1))]);
    assert_eq!(tasks(&plan), [vec![0, 3], vec![1], vec![2]]);
    assert_eq!(plan.created_before(), [0, 1, 1, 2], "the one who comes second creates nothing");
    assert!(!plan.messages[3].creates);
}

#[test]
fn what_makes_actors_is_for_the_canonical_state_with_all_of_its_chain() {
    let plan = plan(&[call(100, 1), call(100, 500), call(101, 500), call(102, 501)]);
    assert_eq!(tasks(&plan), [vec![3]]);
    assert_eq!(plan.in_task, [false, false, false, true]);
}

#[test]
fn claims_are_followed_and_what_they_leave_out_stands_alone() {
    let messages = [call(100, 500), call(100, 500), call(101, 501), call(102, 502)];
    let plan = Plan::new(messages.iter(), &Ids, &Predictor::default(), Some(&[9, 4, 9]));
    assert_eq!(tasks(&plan), [vec![0, 2], vec![1], vec![3]]);
}

#[test]
fn block_of_transfers_is_seen_as_one() {
    assert!(plan(&[send(100, 101), send(1, 2)]).only_transfers);
    assert!(!plan(&[send(100, 101), call(102, 500)]).only_transfers);
    assert!(!plan(&[message(100, key(3), METHOD_SEND)]).only_transfers);
    let empty = plan(&[]);
    assert!(empty.only_transfers && empty.tasks.is_empty() && empty.longest().is_zero());
}
