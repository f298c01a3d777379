//! Nothing is missing from the log.
//!
//! Writes: of two trees, before and after a message, no entry differs that the log does not have.
//! Reads: whatever the log does not have is changed, and the message comes out the same and does the same.

use std::collections::BTreeMap;

use cid::Cid;
use fvm::executor::{ApplyKind, ApplyRet, Executor};
use fvm::state_tree::{ActorState, StateTree};
use fvm_exec::Overlay;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use fvm_shared::{ActorID, EMPTY_ARR_CID};
use proptest::test_runner::TestRunner;
use vm::access::{Access, ActorAccess, Fields};
use vm::{LaneExecutor, LaneMachine, VmMachine as _};

use crate::common::accounts::{ethereum, secp};
use crate::mix::config;
use crate::support::compare::{ENGINE, Ours, RAW_LENGTH, Store, TestExterns, context};
use crate::support::deep;
use crate::support::random::draft;
use crate::support::script::{NO_LIMIT, Script};
use crate::support::world::{NOBODY, SCRIPTS, World, alice, bob, carol, exec, fil, message, script_message};

const SYSTEM: ActorID = 0;
const INIT: ActorID = 1;
/// Random messages that are tried.
const CASES: u32 = 120;

fn executor(store: Store, root: Cid) -> Ours {
    let machine = LaneMachine::new(&context(root, false), store, TestExterns, ENGINE.code().unwrap()).unwrap();
    LaneExecutor::new(machine).unwrap()
}

fn actors(store: &Store, root: &Cid) -> BTreeMap<ActorID, ActorState> {
    let tree = StateTree::new_from_root(store.clone(), root).unwrap();
    let mut actors = BTreeMap::new();
    tree.for_each(|address, actor| {
        actors.insert(address.id()?, actor.clone());
        Ok(())
    })
    .unwrap();
    actors
}

/// A message's result, its log and the state after it.
struct Recorded {
    ret: ApplyRet,
    access: Access,
    after: BTreeMap<ActorID, ActorState>,
}

fn record(store: &Store, root: Cid, message: &Message) -> Option<Recorded> {
    let mut executor = executor(store.clone(), root);
    let (ret, access) = executor.execute_recorded(message, ApplyKind::Explicit, RAW_LENGTH).ok()?;
    let root = executor.flush().unwrap();
    Some(Recorded { ret, access, after: actors(store, &root) })
}

fn check_writes(before: &BTreeMap<ActorID, ActorState>, recorded: &Recorded) {
    let Recorded { access, after, .. } = recorded;
    for id in before.keys().chain(after.keys()) {
        match access.actors.get(id) {
            // The log has what was registered, instead of what the map became, or says that it has neither.
            _ if *id == INIT && !access.created.is_empty() => {
                assert!(!access.runs_init || access.mixes_registries, "addresses are registered in two places");
            }
            None => assert_eq!(before.get(id), after.get(id), "{id} was written and is not in the log"),
            Some(actor) => {
                assert_eq!(actor.before.as_ref(), before.get(id), "{id} before");
                assert_eq!(actor.after.as_ref(), after.get(id), "{id} after");
            }
        }
    }
    // The init actor may have changed its map in a call that was taken back.
    let is_changed = before[&INIT].state != after[&INIT].state;
    assert!(!is_changed || access.runs_init || !access.created.is_empty(), "the map of addresses changed by itself");
    assert!(is_changed || access.created.is_empty(), "an address was registered nowhere");
}

/// Which way balances are bent, and whether strangers are deleted.
#[derive(Clone, Copy, Debug)]
enum Bend {
    Down,
    Up,
    Delete,
}

fn another(cid: &Cid) -> Cid {
    let empty_map = World::get().root;
    if *cid == EMPTY_ARR_CID { empty_map } else { EMPTY_ARR_CID }
}

/// An actor with everything changed that the message does not depend on.
fn bent(actor: &ActorState, access: Option<&ActorAccess>, bend: Bend) -> Option<ActorState> {
    let read = access.map_or(Fields::default(), |access| access.read);
    if access.is_none() && matches!(bend, Bend::Delete) {
        return None;
    }
    let mut actor = actor.clone();
    if !read.contains(Fields::CODE) {
        actor.code = actor_bundle::code("reward").unwrap();
        actor.delegated_address = Some(ethereum(200));
    }
    if !read.contains(Fields::HEAD) {
        actor.state = another(&actor.state);
    }
    if !read.contains(Fields::SEQUENCE) {
        actor.sequence += 3;
    }
    if !read.contains(Fields::BALANCE) {
        let least = access.and_then(|access| access.balance_min.clone()).unwrap_or_default();
        actor.balance = if matches!(bend, Bend::Up) { &actor.balance + fil(1_000_000) } else { least };
    }
    Some(actor)
}

fn check_reads(store: &Store, root: Cid, message: &Message, recorded: &Recorded, bend: Bend) {
    let before = actors(store, &root);
    let mut tree = StateTree::new_from_root(store.clone(), &root).unwrap();
    let access = &recorded.access;
    // Another address in the map is no matter, unless the message takes an id or reads the map as state.
    let reads_map = access.actors.get(&INIT).is_some_and(|init| init.read.contains(Fields::HEAD));
    if access.next_id.is_none() && !reads_map {
        tree.register_new_address(&Address::new_actor(b"a stranger")).unwrap();
    }
    let mut world = BTreeMap::new();
    for (id, actor) in &before {
        // The map of addresses and the list of codes are what everything stands on.
        let keep = [SYSTEM, INIT].contains(id);
        let actor = if keep { tree.get_actor(*id).unwrap() } else { bent(actor, access.actors.get(id), bend) };
        match &actor {
            Some(actor) => tree.set_actor(*id, actor.clone()),
            None => tree.delete_actor(*id),
        }
        world.extend(actor.map(|actor| (*id, actor)));
    }
    let bent_root = tree.flush().unwrap();
    let mut executor = executor(store.clone(), bent_root);
    let (ret, again) = executor.execute_recorded(message, ApplyKind::Explicit, RAW_LENGTH).unwrap();
    crate::support::compare::assert_same(message, &recorded.ret, &ret);
    let bent_after = actors(store, &executor.flush().unwrap());

    assert_eq!(access.actors.keys().collect::<Vec<_>>(), again.actors.keys().collect::<Vec<_>>());
    assert_eq!((&access.created, access.next_id), (&again.created, again.next_id));
    for (id, actor) in &access.actors {
        let (Some(before), Some(after)) = (&actor.before, &actor.after) else {
            assert_eq!(actor.after.as_ref(), bent_after.get(id), "{id} came or went");
            continue;
        };
        let (bent_before, bent_after) = (&world[id], &bent_after[id]);
        assert_eq!(&after.balance - &before.balance, &bent_after.balance - &bent_before.balance, "{id} balance");
        assert_eq!(after.sequence - before.sequence, bent_after.sequence - bent_before.sequence, "{id} sequence");
        if before.code != after.code {
            assert_eq!((after.code, after.delegated_address), (bent_after.code, bent_after.delegated_address), "{id}");
        } else {
            assert_eq!(bent_before.code, bent_after.code, "{id} code");
        }
        if *id != INIT {
            let expected = if before.state == after.state { bent_before.state } else { after.state };
            assert_eq!(expected, bent_after.state, "{id} state");
        }
    }
    for (id, actor) in &world {
        if !access.actors.contains_key(id) && *id != INIT {
            assert_eq!(bent_after.get(id), Some(actor), "{id} was written and is not in the log");
        }
    }
}

fn check(message: &Message) {
    let store = Overlay::new(World::get().store.clone());
    let root = World::get().root;
    let Some(recorded) = record(&store, root, message) else { return };
    check_writes(&actors(&store, &root), &recorded);
    for bend in [Bend::Down, Bend::Up, Bend::Delete] {
        check_reads(&store, root, message, &recorded, bend);
    }
}

#[test]
fn ordinary_messages_depend_on_nothing_else() {
    let other = |index: usize| Address::new_id(SCRIPTS[index]);
    let inner = Script::new()
        .pay(bob(), &fil(1))
        .pay(secp(70), &fil(1))
        .call("self::root", &[0x700, 60])
        .call("actor::balance_of", &[SCRIPTS[2]]);
    let scripts = [
        Script::new(),
        Script::new().pay(carol(), &fil(7)).pay(other(2), &fil(100)),
        Script::new().pay(other(2), &fil(101)),
        Script::new().run(other(1), &inner, &fil(1), NO_LIMIT, 0).run(other(1), &inner, &fil(0), NO_LIMIT, 1),
        Script::new().run(other(1), &inner.clone().exit(40, 0, "no"), &fil(3), NO_LIMIT, 0).pay(secp(71), &fil(1)),
        Script::new().step("self::self_destruct", &[1]),
        Script::new().run(other(1), &Script::new().step("self::self_destruct", &[1]), &fil(1), NO_LIMIT, 0),
        Script::new().call("actor::get_actor_code_cid", &[SCRIPTS[3], 0x700, 60]).call("actor::balance_of", &[NOBODY]),
    ];
    let mut messages: Vec<_> = scripts.iter().map(|script| script_message(0, script)).collect();
    for to in [bob(), carol(), secp(70), ethereum(70), alice(), other(0), Address::new_id(NOBODY), Address::new_id(99)]
    {
        for value in [0, 3, 5_000] {
            messages.push(message(alice(), 0, to, fil(value)));
        }
    }
    messages.push(message(carol(), 0, bob(), fil(1)));
    messages.push(message(secp(99), 0, bob(), fil(1)));
    messages.push(message(alice(), 4, bob(), fil(1)));
    messages.push(Message { gas_fee_cap: fil(1), ..message(alice(), 0, bob(), fil(1)) });
    messages.push(exec(0));
    deep(|| messages.iter().for_each(check));
}

#[test]
fn random_messages_depend_on_nothing_else() {
    TestRunner::new(config(CASES))
        .run(&draft(), |draft| {
            deep(|| check(&draft.with_sequence(0)));
            Ok(())
        })
        .unwrap();
}

/// The bound is tight: with one attoFIL less, the transfer fails.
#[test]
fn balance_bounds_are_the_least_that_is_enough() {
    deep(|| {
        let store = Overlay::new(World::get().store.clone());
        let message = message(alice(), 0, bob(), fil(3));
        let recorded = record(&store, World::get().root, &message).unwrap();
        let (id, sender) = recorded.access.actors.iter().find(|(_, actor)| actor.balance_min.is_some()).unwrap();
        let least = sender.balance_min.clone().unwrap();
        for (balance, is_enough) in [(least.clone(), true), (&least - TokenAmount::from_atto(1), false)] {
            let mut tree = StateTree::new_from_root(store.clone(), &World::get().root).unwrap();
            tree.mutate_actor(*id, |actor| {
                actor.balance = balance.clone();
                Ok(())
            })
            .unwrap();
            let mut executor = executor(store.clone(), tree.flush().unwrap());
            let ret = executor.execute_message(message.clone(), ApplyKind::Explicit, RAW_LENGTH).unwrap();
            assert_eq!(ret.msg_receipt.exit_code.is_success(), is_enough);
            let left = executor.state().actor(*id).unwrap().unwrap().balance;
            assert!(is_enough || !left.is_zero());
        }
    });
}
