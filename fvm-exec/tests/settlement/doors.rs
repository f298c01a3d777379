//! What a call tries while it is delivered: every entry point of gateway and checkpoint actors, from inside. Only sending
//! and answering are open.

use fvm_ipld_encoding::RawBytes;
use fvm_shared::address::Address;
use fvm_shared::error::ExitCode;
use fvm_shared::{ActorID, MethodNum};
use subnet_types::actors::{
    AnswerParams, CheckpointConstructorParams, ClaimParams, CommitCheckpointParams, DeliverBatchParams, DeliverParams,
    GATEWAY_ID, METHOD_CONSTRUCTOR, RegisterChildParams, RegisterParams, SendParams, SetPowerParams,
    SubmitCheckpointReturn, checkpoint, gateway,
};
use subnet_types::checkpoint::TopDownApplied;
use subnet_types::cross::{CrossAddress, CrossKind, CrossMessage};
use subnet_types::genesis::MembershipMode;
use subnet_types::hash::encode;
use subnet_types::membership::Validator;
use subnet_types::parent::MembershipChange;
use subnet_types::quantity::{ConfigurationNumber, Height, Nonce, Power};
use subnet_types::{Digest, Sequence};

use cross_caller::{ProbeParams, served};

use crate::common::accounts::{call, secp};
use crate::common::chain::Chain;
use crate::common::parent::{top_down, update};
use crate::hostile::{BROUGHT, Case, between_neighbours, callee, case, place, with_much_gas};
use crate::keys::Keys;
use crate::slices::batch;
use crate::subnet::{Root, alice, decode, nano};

/// Deliveries do not nest, says the gateway.
const GATEWAY_DELIVERS: u32 = 60;

/// The checkpoint actor says the same.
const CHECKPOINT_DELIVERS: u32 = 175;

/// Not for whoever calls: [`ExitCode::USR_FORBIDDEN`].
const FORBIDDEN: u32 = 18;

/// A door that a called actor tries, and what it hears there.
struct Door {
    what: &'static str,
    to: ActorID,
    method: MethodNum,
    params: Vec<u8>,
    exit_code: u32,
}

fn door(what: &'static str, to: ActorID, method: MethodNum, params: Vec<u8>, exit_code: u32) -> Door {
    Door { what, to, method, params, exit_code }
}

/// One call for each door, which succeeds and tells what it heard.
fn probes(doors: &[Door]) -> Vec<Case> {
    let probe = |door: &Door| {
        let (to, params) = (Address::new_id(door.to), RawBytes::new(door.params.clone()));
        let probe = ProbeParams { to, method: door.method, params, value: nano(0) };
        case(door.what, served::PROBE, &probe, ExitCode::OK)
    };
    doors.iter().map(probe).collect()
}

/// What the probes heard, from the receipts that went out. What a probe itself has sent stands among them.
fn check_heard(doors: &[Door], messages: &[CrossMessage], queued: &[CrossMessage]) {
    let probes = messages.iter().skip(1).step_by(2);
    for (door, probe) in doors.iter().zip(probes) {
        let heard = queued.iter().find_map(|message| match &message.kind {
            CrossKind::Receipt { of, exit_code, return_data, .. } if *of == probe.id => {
                assert_eq!(*exit_code, ExitCode::OK, "{}", door.what);
                Some(return_data.deserialize::<u32>().unwrap())
            }
            _ => None,
        });
        println!("{:<44} {heard:?}", door.what);
        assert_eq!(heard, Some(door.exit_code), "{}", door.what);
    }
}

/// The gateway's doors, on a chain whose parent or child is called `elsewhere`.
fn doors_of_the_gateway(elsewhere: &CrossAddress, message: &CrossMessage) -> Vec<Door> {
    let keys = Keys::of(9);
    let validator = Validator {
        owner: keys.owner,
        vote_key: keys.vote_key(),
        checkpoint_key: keys.checkpoint_key(),
        power: Power::new(1),
    };
    let change = MembershipChange { number: ConfigurationNumber::new(2), validator };
    let registering = RegisterChildParams { actor: callee(), cross_gas_price: nano(0) };
    let applied = TopDownApplied { nonce: Nonce::ZERO, parent_height: Height::new(1) };
    let report = CommitCheckpointParams { top_down_applied: applied, configuration: ConfigurationNumber::FIRST };
    let sending = SendParams { to: elsewhere.clone(), call: None, fee: nano(0), expires: None, wants_receipt: false };
    let answer = AnswerParams { of: Digest([1; 32]), exit_code: ExitCode::OK, return_data: RawBytes::default() };
    let delivery = DeliverParams { messages: vec![message.clone()] };
    let to = |what, method, params, code| door(what, GATEWAY_ID, method, params, code);
    vec![
        to("gateway: RegisterChild", gateway::REGISTER_CHILD, encode(&registering), FORBIDDEN),
        to("gateway: ActivateChild", gateway::ACTIVATE_CHILD, vec![], FORBIDDEN),
        to("gateway: LogChange", gateway::LOG_CHANGE, encode(&change), FORBIDDEN),
        to("gateway: CommitCheckpoint", gateway::COMMIT_CHECKPOINT, encode(&report), FORBIDDEN),
        to("gateway: Deliver", gateway::DELIVER, encode(&delivery), FORBIDDEN),
        to("gateway: ApplyParentUpdate", gateway::APPLY_PARENT_UPDATE, encode(&update(9, vec![])), FORBIDDEN),
        to("gateway: CutCheckpoint", gateway::CUT_CHECKPOINT, vec![], FORBIDDEN),
        to("gateway: Claim", gateway::CLAIM, encode(&ClaimParams { address: callee() }), GATEWAY_DELIVERS),
        // Open, and held to their own rules: nothing is owed, and no value came along.
        to("gateway: Answer", gateway::ANSWER, encode(&answer), 68),
        to("gateway: Send", gateway::SEND, encode(&sending), 48),
    ]
}

#[test]
fn call_from_below_gets_through_no_door_of_the_parent() {
    let mut root = Root::with_keys(9);
    place(&mut root.chain);
    let subnet = root.active(4);
    let other = root.active(4);
    // Two subnets that the called actor could bring forward: one that it owns and that lacks its power to start, and one
    // that nobody has registered.
    let mut owned = root.create_of(callee(), MembershipMode::Federated, 1);
    root.join(&mut owned, 9, 10);
    let unregistered = root.exec(alice(), MembershipMode::Collateral, 1);

    let first = batch(&root, &subnet, 1, &|_| secp(1)).remove(0);
    let elsewhere = CrossAddress { subnet: subnet.name.clone(), address: secp(1) };
    let mut doors = doors_of_the_gateway(&elsewhere, &first);
    let checkpoint = root.next(&subnet, &[]);
    let submission = encode(&root.submission(&subnet, &checkpoint, &[1, 2, 3], &[]));
    let of_other = root.next(&other, &[]);
    let other_submission = encode(&root.submission(&other, &of_other, &[1, 2, 3], &[]));
    let slice = |nonce| {
        let messages = vec![CrossMessage { nonce: Nonce::new(nonce), ..first.clone() }];
        encode(&DeliverBatchParams { sequence: Sequence::new(1), messages, proof: Vec::new() })
    };
    let join = encode(&Keys::of(8).join(&root.chain.genesis.identity(), &subnet.actor));
    let power = |power| encode(&SetPowerParams { vote_key: Keys::of(9).vote_key(), power: Power::new(power) });
    let parameters = root.state(&subnet).parameters;
    let constructor = CheckpointConstructorParams { owner: callee(), parameters };
    let register = |actor| encode(&RegisterParams { actor });
    let to = |what, method, params, code| door(what, subnet.id, method, params, code);
    doors.extend([
        to("checkpoint: Constructor", METHOD_CONSTRUCTOR, encode(&constructor), FORBIDDEN),
        to("checkpoint: Register", checkpoint::REGISTER, register(subnet.actor), 121),
        to("checkpoint: Join", checkpoint::JOIN, join, 122),
        to("checkpoint: SetPower", checkpoint::SET_POWER, power(5), FORBIDDEN),
        to("checkpoint: SubmitCheckpoint", checkpoint::SUBMIT_CHECKPOINT, submission, CHECKPOINT_DELIVERS),
        to("checkpoint: DeliverBatch", checkpoint::DELIVER_BATCH, slice(1), CHECKPOINT_DELIVERS),
        to("checkpoint: DeliverUnclaimed", checkpoint::DELIVER_UNCLAIMED, encode(&first), CHECKPOINT_DELIVERS),
        to("checkpoint: Lock", checkpoint::LOCK, vec![], FORBIDDEN),
        // By actors that deliver nothing themselves, and that the gateway would listen to.
        door("another's SubmitCheckpoint", other.id, checkpoint::SUBMIT_CHECKPOINT, other_submission, 181),
        door("another's DeliverBatch", other.id, checkpoint::DELIVER_BATCH, slice(0), 181),
        door("another's DeliverUnclaimed", other.id, checkpoint::DELIVER_UNCLAIMED, encode(&first), 181),
        door("SetPower that starts a subnet", owned.id, checkpoint::SET_POWER, power(5), GATEWAY_DELIVERS),
        door(
            "Register of a new subnet",
            unregistered.id,
            checkpoint::REGISTER,
            register(unregistered.actor),
            GATEWAY_DELIVERS,
        ),
    ]);
    let cases = probes(&doors);
    let messages = between_neighbours(&first, &cases);
    let next = root.next(&subnet, &messages);
    let params = root.submission(&subnet, &next, &[1, 2, 3], &messages);
    let custody = root.state(&subnet).custody;
    let message =
        call(alice(), root.chain.nonce(&alice()), subnet.actor, checkpoint::SUBMIT_CHECKPOINT, &params, nano(0));
    let receipt = root.send_all(vec![with_much_gas(message)]).message_receipt(0).unwrap().clone();
    assert!(receipt.exit_code.is_success(), "exit {}", receipt.exit_code);
    assert_eq!(decode::<SubmitCheckpointReturn>(&receipt).undelivered, 0, "{} gas", receipt.gas_used);
    let gateway = root.chain.view().gateway().unwrap();
    let queued = gateway.top_down(&root.chain.store, subnet.id, Nonce::new(1), 1_000).unwrap();
    check_heard(&doors, &messages, &queued);

    // All calls succeeded, so what they brought stays; nothing else has changed hands.
    assert_eq!(root.chain.balance(&callee()), nano(BROUGHT * doors.len() as u64));
    let state = root.state(&subnet);
    let all: fvm_shared::econ::TokenAmount = messages.iter().map(CrossMessage::amount).sum();
    assert_eq!(
        (&state.custody, state.last_sequence, state.members(&root.chain.store).unwrap().len()),
        (&(custody - all), next.sequence, 4)
    );
    assert_eq!(root.state(&other).last_sequence.get(), 0);
    // From outside, both are open.
    root.ok(alice(), unregistered.actor, checkpoint::REGISTER, &RegisterParams { actor: unregistered.actor }, nano(0));
}

#[test]
fn call_from_above_gets_through_no_door_of_the_child() {
    let mut chain = Chain::child();
    place(&mut chain);
    let base = top_down(&chain.genesis.subnet, 0, secp(1), nano(0));
    let elsewhere = base.origin.clone();
    let doors = doors_of_the_gateway(&elsewhere, &base);
    let cases = probes(&doors);
    let messages = between_neighbours(&base, &cases);
    let before = chain.view().gateway().unwrap();
    let output = chain.execute_update(update(6, messages.clone()), vec![]);
    let outcomes = output.parent_update.expect("an update").expect("applied").outcomes;
    assert_eq!(outcomes, vec![ExitCode::OK; messages.len()]);
    let gateway = chain.view().gateway().unwrap();
    let balance = chain.balance_of(GATEWAY_ID);
    assert_eq!(gateway_actor::invariants::check(&gateway, &chain.store, &balance), []);
    assert_eq!((gateway.pending, gateway.children, gateway.last_cut.clone()), (before.pending, before.children, None));
    let cut = loop {
        if let Some(cut) = chain.execute(vec![]).cut {
            break cut;
        }
    };
    let queued = chain.view().gateway().unwrap().batch(&chain.store, &cut).unwrap();
    check_heard(&doors, &messages, &queued);
    assert_eq!(queued.len(), doors.len(), "answers and nothing else");
}
