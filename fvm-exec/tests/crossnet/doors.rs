//! Who may have something carried, and which doors are shut to the code that is called.

use cross_caller::{ProbeParams, served};
use fvm_ipld_encoding::{CborStore, RawBytes};
use fvm_shared::address::Address;
use fvm_shared::error::ExitCode;
use fvm_shared::{METHOD_SEND, MethodNum};
use subnet_types::Digest;
use subnet_types::actors::{
    COURIER_ID, CarryCallParams, CarryReceiptParams, CrossCall, CrossReceipt, DeliverParams, GATEWAY_ID,
    METHOD_CONSTRUCTOR, courier, gateway, manifest_names, receiver,
};
use subnet_types::hash::encode;

use crate::wire::{Wire, atto, elsewhere, id_of};

fn forged_call() -> CrossCall {
    CrossCall { id: Digest([3; 32]), origin: elsewhere(), method: served::ADD, params: RawBytes::new(encode(&5u64)) }
}

fn forged_receipt() -> CrossReceipt {
    let (of, return_data) = (id_of(cross_caller::Conduct::Take), RawBytes::default());
    CrossReceipt { of, from: elsewhere(), exit_code: ExitCode::OK, return_data, value: atto(3), fee: atto(0) }
}

#[test]
fn genesis_has_a_courier_with_nothing() {
    let wire = Wire::new();
    let actor = wire.chain.view().actor(COURIER_ID).unwrap().unwrap();
    assert_eq!(actor.code, actor_bundle::code(manifest_names::COURIER).unwrap());
    assert_eq!((actor.balance, actor.sequence), (atto(0), 0));
    let state: Vec<u8> = wire.chain.store.get_cbor(&actor.state).unwrap().unwrap();
    assert_eq!(state, [0u8; 0]);
}

#[test]
fn users_have_nothing_carried_and_are_no_courier() {
    let mut wire = Wire::new();
    let before = (wire.state(), wire.balances());
    let to = wire.callee();
    let call = CarryCallParams { to, gas_limit: 1_000_000, call: forged_call() };
    assert_eq!(wire.send(COURIER_ID, courier::CARRY_CALL, &call, 10), ExitCode::USR_FORBIDDEN);
    let receipt = CarryReceiptParams { to, receipt: forged_receipt() };
    assert_eq!(wire.send(COURIER_ID, courier::CARRY_RECEIPT, &receipt, 0), ExitCode::USR_FORBIDDEN);
    assert_eq!(wire.send(COURIER_ID, METHOD_CONSTRUCTOR, &(), 0), ExitCode::USR_FORBIDDEN);
    let callee = wire.callee;
    assert_eq!(wire.send(callee, receiver::RECEIVE_CROSS_CALL, &forged_call(), 10), ExitCode::USR_FORBIDDEN);
    assert_eq!(wire.send(callee, receiver::RECEIVE_CROSS_RECEIPT, &forged_receipt(), 0), ExitCode::USR_FORBIDDEN);
    assert_eq!((wire.state(), wire.balances()), before);
}

#[test]
fn value_that_is_sent_to_the_courier_is_lost_and_carried_to_nobody() {
    let mut wire = Wire::new();
    // The VM asks nobody about a plain transfer.
    assert_eq!(wire.send(COURIER_ID, METHOD_SEND, &(), 77), ExitCode::OK);
    assert_eq!(wire.balances()[1], atto(77));
}

/// What a message ends with that the called actor sends while the call runs.
fn probed(wire: &mut Wire, to: u64, method: MethodNum, params: RawBytes) -> ExitCode {
    let probe = ProbeParams { to: Address::new_id(to), method, params, value: atto(0) };
    ExitCode::new(wire.call(served::PROBE, &probe).answer().data.deserialize().unwrap())
}

#[test]
fn called_actor_has_no_rights_of_gateway_or_courier() {
    let mut wire = Wire::new();
    let to = wire.callee();
    let call = CarryCallParams { to, gas_limit: 1_000_000, call: forged_call() };
    let receipt = CarryReceiptParams { to, receipt: forged_receipt() };
    let doors = [
        (COURIER_ID, courier::CARRY_CALL, RawBytes::new(encode(&call))),
        (COURIER_ID, courier::CARRY_RECEIPT, RawBytes::new(encode(&receipt))),
        (GATEWAY_ID, gateway::APPLY_PARENT_UPDATE, RawBytes::default()),
        (GATEWAY_ID, gateway::CUT_CHECKPOINT, RawBytes::default()),
        (GATEWAY_ID, gateway::DELIVER, RawBytes::new(encode(&DeliverParams { messages: Vec::new() }))),
        (wire.callee, receiver::RECEIVE_CROSS_CALL, RawBytes::new(encode(&forged_call()))),
        (wire.callee, receiver::RECEIVE_CROSS_RECEIPT, RawBytes::new(encode(&forged_receipt()))),
    ];
    for (to, method, params) in doors {
        assert_eq!(probed(&mut wire, to, method, params), ExitCode::USR_FORBIDDEN, "method {method} of {to}");
    }
    assert_eq!(wire.state().counter, 0);
}
