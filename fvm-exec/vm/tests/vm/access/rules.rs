//! The rules of recording, one message each.

use fvm::executor::{ApplyKind, ApplyRet};
use fvm_shared::ActorID;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use vm::VmMachine as _;
use vm::access::{Access, Fields};

use crate::common::accounts::{ethereum, secp};
use crate::support::compare::{Ours, Pair, RAW_LENGTH, ours};
use crate::support::deep;
use crate::support::script::{NO_LIMIT, Script};
use crate::support::world::{NOBODY, SCRIPTS, World, alice, bob, exec, fil, message, script_message};

const BURNT: ActorID = 99;
const REWARD: ActorID = 2;
const INIT: ActorID = 1;

fn id(address: &Address) -> ActorID {
    ours(World::get().root, false).state().resolve(address).unwrap().unwrap()
}

fn record(message: &Message) -> (ApplyRet, Access) {
    record_as(message, ApplyKind::Explicit)
}

fn record_as(message: &Message, kind: ApplyKind) -> (ApplyRet, Access) {
    deep(|| {
        let mut pair = Pair::new(false);
        let recorded = pair.apply_recorded(message, kind).unwrap();
        pair.flush();
        recorded
    })
}

fn gas_cost(message: &Message) -> TokenAmount {
    &message.gas_fee_cap * message.gas_limit
}

fn run(script: &Script) -> Access {
    record(&script_message(0, script)).1
}

#[test]
fn transfer_needs_a_receiver_and_enough_money() {
    let message = message(alice(), 0, bob(), fil(3));
    let (_, access) = record(&message);
    let (alice_id, bob_id) = (id(&alice()), id(&bob()));
    assert_eq!(access.actors.keys().copied().collect::<Vec<_>>(), [REWARD, BURNT, alice_id, bob_id]);
    let sender = &access.actors[&alice_id];
    assert_eq!(sender.read, Fields::PRESENT | Fields::CODE | Fields::SEQUENCE);
    assert_eq!(sender.balance_min, Some(gas_cost(&message) + fil(3)));
    for receiver in [REWARD, BURNT, bob_id] {
        assert_eq!(access.actors[&receiver].read, Fields::PRESENT, "{receiver}");
        assert_eq!(access.actors[&receiver].balance_min, None);
        assert!(access.actors[&receiver].is_written());
    }
    assert_eq!(access.resolved.len(), 2);
    assert_eq!(access.resolved[&alice()], Some(alice_id));
    assert_eq!((access.created, access.next_id, access.runs_init), (vec![], None, false));
}

#[test]
fn transfer_of_too_much_depends_on_the_very_balance() {
    let (_, access) = record(&message(alice(), 0, bob(), fil(5_000)));
    assert!(access.actors[&id(&alice())].read.contains(Fields::BALANCE));
    assert!(!access.actors[&id(&bob())].is_written());
    // So does a sender that cannot pay for its gas.
    let poor = Message { gas_fee_cap: fil(1), ..message(alice(), 0, bob(), fil(1)) };
    let (_, access) = record(&poor);
    assert!(access.actors[&id(&alice())].read.contains(Fields::BALANCE));
    assert!(access.actors.values().all(|actor| !actor.is_written()));
}

#[test]
fn implicit_message_touches_nobody_who_is_paid_for_gas() {
    let (_, access) = record_as(&message(alice(), 9, bob(), fil(3)), ApplyKind::Implicit);
    assert_eq!(access.actors.keys().copied().collect::<Vec<_>>(), [id(&alice()), id(&bob())]);
    assert_eq!(access.actors[&id(&alice())].balance_min, Some(fil(3)));
}

#[test]
fn new_account_takes_the_next_id() {
    for (address, is_key) in [(secp(70), true), (ethereum(70), false)] {
        let (ret, access) = record(&message(alice(), 0, address, fil(3)));
        assert!(ret.msg_receipt.exit_code.is_success());
        let next = access.next_id.unwrap();
        assert_eq!(access.created, [(address, next)]);
        assert_eq!(access.resolved[&address], None);
        assert_eq!((&access.actors[&next].before, access.runs_init), (&None, false));
        assert!(!access.actors.contains_key(&INIT), "its map is told apart");
        // The constructor of an account runs and sets its state.
        assert_eq!(access.actors[&next].read.contains(Fields::HEAD), is_key);
    }
}

#[test]
fn account_that_is_taken_back_still_depends_on_its_id() {
    let inner = Script::new().pay(secp(70), &fil(1)).exit(40, 0, "no");
    let access = run(&Script::new().run(Address::new_id(SCRIPTS[1]), &inner, &fil(1), NO_LIMIT, 0));
    assert!(access.created.is_empty());
    assert!(access.next_id.is_some());
    assert_eq!(access.resolved[&secp(70)], None);
    assert!(!access.actors.contains_key(&INIT));
    let access = run(&Script::new()
        .run(Address::new_id(SCRIPTS[1]), &inner, &fil(1), NO_LIMIT, 0)
        .pay(secp(71), &fil(1))
        .pay(secp(72), &fil(1)));
    let next = access.next_id.unwrap();
    assert_eq!(access.created, [(secp(71), next), (secp(72), next + 1)]);
}

#[test]
fn exec_depends_on_the_state_of_the_init_actor() {
    let (ret, access) = record(&exec(0));
    assert!(ret.msg_receipt.exit_code.is_success(), "{ret:?}");
    assert!(access.runs_init);
    assert!(access.actors[&INIT].read.contains(Fields::HEAD));
    assert_eq!(access.next_id, None);
    assert!(access.actors.values().any(|actor| actor.before.is_none() && actor.after.is_some()));
}

#[test]
fn state_and_balance_are_read_when_asked_for() {
    let actor = SCRIPTS[0];
    let fields = |script: &Script, id: ActorID| run(script).actors.get(&id).map(|actor| actor.read);
    let plain = Fields::PRESENT | Fields::CODE;
    assert_eq!(fields(&Script::new(), actor), Some(plain));
    assert_eq!(fields(&Script::new().call("self::root", &[0x700, 60]), actor), Some(plain | Fields::HEAD));
    assert_eq!(fields(&Script::new().call("self::current_balance", &[]), actor), Some(plain | Fields::BALANCE));
    let write = Script::new()
        .block(0x71, &[0x80])
        .call("ipld::block_link", &[2, 0xb220, 32, 0x700, 60])
        .step("self::set_root", &[0x700]);
    assert_eq!(fields(&write, actor), Some(plain | Fields::HEAD));
    let other = SCRIPTS[2];
    let ask = |name: &str| Script::new().call(name, &[other, 0x700, 60]);
    assert_eq!(fields(&ask("actor::get_actor_code_cid"), other), Some(plain));
    assert_eq!(fields(&ask("actor::lookup_delegated_address"), other), Some(plain));
    assert_eq!(fields(&ask("actor::balance_of"), other), Some(Fields::PRESENT | Fields::BALANCE));
    assert_eq!(
        fields(&Script::new().call("actor::balance_of", &[NOBODY]), NOBODY),
        Some(Fields::PRESENT | Fields::BALANCE)
    );
    let gone = Script::new().step("self::self_destruct", &[1]);
    assert_eq!(fields(&gone, actor), Some(plain | Fields::BALANCE));
    assert_eq!(run(&gone).actors[&actor].after, None);
}

#[test]
fn bounds_are_on_the_balance_before_the_message() {
    let actor = SCRIPTS[0];
    // 5 FIL come in with the message: of the 12 that go out, 7 are the actor's own.
    let script = Script::new().pay(bob(), &fil(10)).pay(bob(), &fil(2));
    let call = Message { value: fil(5), ..script_message(0, &script) };
    assert_eq!(record(&call).1.actors[&actor].balance_min, Some(fil(7)));
    // What comes in suffices.
    let call = Message { value: fil(50), ..script_message(0, &script) };
    assert_eq!(record(&call).1.actors[&actor].balance_min, None);
    // A call that was taken back needed the money all the same.
    let inner = Script::new().pay(bob(), &fil(60)).exit(40, 0, "no");
    let access = run(&Script::new().run(Address::new_id(SCRIPTS[1]), &inner, &fil(0), NO_LIMIT, 0));
    assert_eq!(access.actors[&SCRIPTS[1]].balance_min, Some(fil(60)));
    assert!(!access.actors[&SCRIPTS[1]].is_written());
}

#[test]
fn recording_is_off_unless_asked_for() {
    deep(|| {
        use fvm::executor::Executor as _;
        use vm::VmMachine as _;
        let mut executor: Ours = ours(World::get().root, false);
        executor.execute_message(message(alice(), 0, bob(), fil(1)), ApplyKind::Explicit, RAW_LENGTH).unwrap();
        assert!(!executor.recorder().is_on());
        executor.execute_recorded(&message(alice(), 1, bob(), fil(1)), ApplyKind::Explicit, RAW_LENGTH).unwrap();
        assert!(!executor.recorder().is_on());
    });
}
