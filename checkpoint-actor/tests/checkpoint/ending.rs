//! Notice, silence, exit, refunds, recovery.

use actor_runtime::{ActorError, Runtime, decode_params};
use fvm_shared::address::Address;
use fvm_shared::error::ExitCode;
use subnet_types::actors::{
    CloseChildParams, GATEWAY_ID, KillReturn, OwnerParams, RecoverParams, RecoveringMember, SetPowerParams,
    UnlockParams, checkpoint, gateway,
};
use subnet_types::genesis::MembershipMode;
use subnet_types::quantity::Power;

use crate::keys::Keys;
use crate::world::{NANO, NOTICE, OWNER, SILENCE, STRANGER, UNBONDING, VALIDATOR, World, atto};

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, ActorError>, code: u32) {
    let error = result.unwrap_err();
    assert_eq!(error.exit_code.value(), code, "{error}");
}

/// Two validators whom the owner admitted.
fn federated() -> World {
    let world = World::registered(MembershipMode::Federated, 2);
    for seed in 1..=2 {
        world.join(seed, NANO).unwrap();
        set_power(&world, seed, 10).unwrap();
    }
    world.lock(1_000);
    world.rt.take_sends();
    world
}

fn set_power(world: &World, seed: u64, power: u64) -> Result<(), ActorError> {
    let params = SetPowerParams { vote_key: Keys::of(seed).vote_key(), power: Power::new(power) };
    world.call(OWNER, 0, checkpoint::SET_POWER, &params).map(drop)
}

fn recovering(seeds: &[(u64, u64)]) -> Vec<RecoveringMember> {
    let mut validators: Vec<_> = seeds
        .iter()
        .map(|(seed, power)| RecoveringMember { vote_key: Keys::of(*seed).vote_key(), power: Power::new(*power) })
        .collect();
    validators.sort_by_key(|validator| validator.vote_key);
    validators
}

fn recover(world: &World, seed: u64, validators: &[(u64, u64)]) -> Result<bool, ActorError> {
    let params = RecoverParams { owner: Keys::of(seed).owner, validators: recovering(validators) };
    let returned = world.call(VALIDATOR + seed, 0, checkpoint::RECOVER, &params)?;
    Ok(decode_params::<KillReturn>(returned).unwrap().is_decided)
}

#[test]
fn owner_of_a_federated_subnet_gives_notice_once_and_checkpoints_go_on() {
    let world = federated();
    refused(world.exit(), 187);
    assert_eq!(world.kill_as_owner(), Ok(true));
    let sent = world.rt.take_sends().pop().unwrap();
    assert_eq!(sent.method, gateway::CLOSE_CHILD);
    assert_eq!(decode_params::<CloseChildParams>(sent.params).unwrap(), CloseChildParams { has_exited: false });
    refused(world.kill_as_owner(), 186);
    refused(world.kill(1), 186);
    refused(world.join(3, NANO), 186);

    world.at(600 + NOTICE - 1);
    let messages = world.messages(1, 100);
    let checkpoint = world.next(&messages);
    world.submit(&checkpoint, &world.certify(&checkpoint, &[1, 2]), &messages).unwrap();
    assert_eq!(world.delivered(), [0]);
    refused(world.exit(), 187);
    world.at(600 + NOTICE);
    world.exit().unwrap();
    assert_eq!(world.state().exit.unwrap().height.get(), 600 + NOTICE);
}

#[test]
fn notice_by_votes_takes_more_than_two_thirds_of_those_in_charge() {
    let world = World::of_four();
    refused(world.kill_as_owner(), 189);
    assert_eq!(world.kill(1), Ok(false));
    refused(world.kill(1), 188);
    assert_eq!(world.kill(2), Ok(false));
    world.rt.add_actor(VALIDATOR + 9, actor_runtime::mock::code("account"), Some(Keys::of(9).owner));
    refused(world.kill(9), 189);
    assert!(world.state().notice.is_none());
    assert_eq!(world.kill(3), Ok(true));
    assert_eq!(world.state().notice.unwrap().get(), 600);
}

#[test]
fn votes_for_the_end_stand_when_others_join() {
    let world = World::of_four();
    assert_eq!((world.kill(1), world.kill(2)), (Ok(false), Ok(false)));
    world.join(5, NANO).unwrap();
    assert_eq!(world.state().configuration_confirmed.get(), 1);
    refused(world.kill(5), 189);
    world.confirm(&[1, 2, 3]);
    refused(world.kill(2), 188);
    assert_eq!(world.kill(3), Ok(true), "thirty of forty-one");
}

#[test]
fn votes_count_with_the_power_that_there_is_when_others_vote() {
    let world = World::of_four();
    assert_eq!((world.kill(1), world.kill(2)), (Ok(false), Ok(false)));
    world.join(5, 100 * NANO).unwrap();
    world.confirm(&[1, 2, 3]);
    assert_eq!(world.kill(3), Ok(false), "thirty of a hundred and forty");
    // Nobody is counted who is not in charge any more.
    world.leave(1).unwrap();
    world.confirm(&[3, 4, 5]);
    assert_eq!(world.kill(4), Ok(false));
    world.leave(5).unwrap();
    refused(world.kill(2), 188);
    world.confirm(&[2, 3, 4, 5]);
    assert_eq!(world.kill(2), Ok(true), "who has voted calls again, as all that are left agree");
}

#[test]
fn votes_for_a_recovery_end_with_the_silence() {
    let world = World::of_four();
    let three = [(1, 10), (2, 10), (3, 10)];
    world.at(500 + SILENCE);
    assert_eq!((recover(&world, 1, &three), recover(&world, 2, &three)), (Ok(false), Ok(false)));
    assert_eq!(world.kill(1), Ok(false));
    world.settle(&world.next(&[]), &[]).unwrap();
    world.at(500 + 2 * SILENCE);
    assert_eq!(recover(&world, 3, &three), Ok(false));
    assert_eq!((world.kill(2), recover(&world, 1, &three)), (Ok(false), Ok(false)));
    assert_eq!(recover(&world, 2, &three), Ok(true));
    assert_eq!(world.kill(3), Ok(true), "votes for the end are about no silence");
}

#[test]
fn validator_takes_its_votes_back() {
    let world = World::of_four();
    refused(world.retract(2), 204);
    assert_eq!((world.kill(1), world.kill(2)), (Ok(false), Ok(false)));
    world.retract(2).unwrap();
    refused(world.retract(2), 204);
    assert_eq!(world.kill(3), Ok(false), "one of the two has changed its mind");
    refused(world.call(STRANGER, 0, checkpoint::RETRACT_VOTES, &OwnerParams { owner: Keys::of(1).owner }), 122);
    world.rt.add_actor(VALIDATOR + 9, actor_runtime::mock::code("account"), Some(Keys::of(9).owner));
    refused(world.retract(9), 189);
    assert_eq!(world.kill(2), Ok(true));
}

#[test]
fn silence_ends_a_subnet_and_an_accepted_checkpoint_puts_that_off() {
    let world = World::of_four();
    // Activated at height 500.
    world.at(500 + SILENCE + NOTICE - 1);
    refused(world.exit(), 187);
    world.settle(&world.next(&[]), &[]).unwrap();
    let accepted = 500 + SILENCE + NOTICE - 1;
    world.at(accepted + SILENCE + NOTICE - 1);
    refused(world.exit(), 187);
    world.at(accepted + SILENCE + NOTICE);
    world.exit().unwrap();
}

#[test]
fn subnet_that_never_began_does_not_end() {
    let world = World::registered(MembershipMode::Collateral, 2);
    world.join(1, NANO).unwrap();
    world.at(1_000_000);
    refused(world.exit(), 124);
    refused(world.kill(1), 124);
}

#[test]
fn after_the_end_nothing_goes_on_but_what_was_accepted() {
    let world = federated();
    let messages = world.messages(2, 100);
    let checkpoint = world.next(&messages);
    world.submit(&checkpoint, &world.certify(&checkpoint, &[1, 2]), &[]).unwrap();
    let later = world.next(&[]);
    let certificate = world.certify(&later, &[1, 2]);
    world.end();

    refused(world.submit(&later, &certificate, &[]), 184);
    refused(world.join(3, NANO), 184);
    refused(set_power(&world, 1, 20), 184);
    refused(world.leave(1), 184);
    refused(world.kill(1), 184);
    refused(world.kill_as_owner(), 184);
    refused(recover(&world, 1, &[(1, 10)]), 184);
    refused(world.retract(1), 184);
    refused(world.exit(), 184);

    world.deliver(1, &messages).unwrap();
    assert_eq!((world.delivered(), world.state().custody), (vec![0, 1], atto(800)));
    // What comes back of its own batches is for claims.
    world.lock(5);
    assert_eq!(world.state().custody, atto(805));
}

#[test]
fn stakes_are_freed_some_time_after_the_end() {
    let world = World::of_four();
    world.leave(1).unwrap();
    refused(world.withdraw(2), 192);
    world.end();
    let end = world.state().exit.unwrap().height.get();
    world.at(end + UNBONDING - 1);
    // The removal of the first was never confirmed: it waits from the end on.
    refused(world.withdraw(1), 187);
    refused(world.withdraw(2), 187);
    world.at(end + UNBONDING);
    for seed in 1..=4 {
        world.withdraw(seed).unwrap();
        assert_eq!(world.holds(&Keys::of(seed).owner), atto(10 * NANO));
        refused(world.withdraw(seed), 192);
    }
    let state = world.state();
    assert_eq!((state.stake_total, state.unbonding_total, state.member_count), (atto(0), atto(0), 0));
    assert_eq!(world.rt.balance(), atto(1_000), "the custody is untouched");
}

#[test]
fn refunds_come_out_of_custody_and_close_when_all_are_made() {
    let world = World::of_four();
    *world.gateway.waiting.borrow_mut() = vec![10, 20, 30];
    refused(world.refund(2), 185);
    world.end();
    let waits = || world.state().exit.map(|exit| (exit.unrefunded, exit.unrefunded_amount)).unwrap();
    assert_eq!(waits(), (3, atto(60)));
    let two = world.refund(2).unwrap();
    assert_eq!((two.refunded, two.left, world.state().custody), (2, 1, atto(970)));
    assert_eq!(waits(), (1, atto(30)));
    assert_eq!(world.refund(100).unwrap().left, 0);
    assert_eq!((world.state().custody, waits()), (atto(940), (0, atto(0))));
    refused(world.refund(1), 195);
    assert_eq!(*world.gateway.refunded.borrow(), [atto(30), atto(30)]);
}

#[test]
fn refund_that_answers_nothing_is_refused() {
    let world = World::of_four();
    *world.gateway.waiting.borrow_mut() = vec![10];
    world.end();
    refused(world.refund(0), 194);
}

#[test]
fn refunds_get_what_there_is_when_the_subnet_released_more_than_it_had() {
    let world = World::of_four();
    *world.gateway.waiting.borrow_mut() = vec![400, 500, 600];
    world.end();
    world.refund(2).unwrap();
    world.refund(1).unwrap();
    assert_eq!(*world.gateway.refunded.borrow(), [atto(900), atto(100)]);
    assert_eq!((world.state().custody, world.state().exit.unwrap().unrefunded_amount), (atto(0), atto(0)));
}

#[test]
fn only_the_gateway_unlocks_and_only_after_the_end() {
    let world = World::of_four();
    let unlock = UnlockParams { amount: atto(1) };
    refused(world.call(GATEWAY_ID, 0, checkpoint::UNLOCK, &unlock), 185);
    world.end();
    let error = world.call(STRANGER, 0, checkpoint::UNLOCK, &unlock).unwrap_err();
    assert_eq!(error.exit_code, ExitCode::USR_FORBIDDEN);
    assert_eq!(world.state().custody, atto(1_000));
}

#[test]
fn refund_comes_in_a_message_of_its_own() {
    let world = World::of_four();
    *world.gateway.waiting.borrow_mut() = vec![1];
    world.end();
    world.rt.answer_with(|rt, _| {
        let params =
            actor_runtime::encode_params(&subnet_types::actors::RefundChildParams { messages_max: 1 }).unwrap();
        for (method, params) in [(checkpoint::REFUND, params), (checkpoint::EXIT, None)] {
            let nested = rt.call(checkpoint_actor::dispatch, STRANGER, &atto(0), method, params).unwrap_err();
            assert!([175, 184].contains(&nested.exit_code.value()), "{nested}");
        }
        Some(actor_runtime::SendReturn::failed(ExitCode::USR_UNSPECIFIED))
    });
    refused(world.refund(1), ExitCode::USR_UNSPECIFIED.value());
    assert!(!world.state().is_delivering);
}

#[test]
fn owner_puts_members_in_charge_of_a_silent_federated_subnet() {
    let world = federated();
    world.join(3, NANO).unwrap();
    let as_owner = |validators: &[(u64, u64)]| {
        let owner = Address::new_actor(b"owner");
        let params = RecoverParams { owner, validators: recovering(validators) };
        world.call(OWNER, 0, checkpoint::RECOVER, &params)
    };
    world.at(500 + SILENCE - 1);
    refused(as_owner(&[(3, 5)]), 187);
    world.at(500 + SILENCE);
    refused(as_owner(&[]), 203);
    refused(as_owner(&[(3, 0)]), 138);
    refused(as_owner(&[(9, 5)]), 137);
    refused(recover(&world, 3, &[(3, 5)]), 189);
    as_owner(&[(3, 5)]).unwrap();
    let state = world.state();
    let set = state.validators(world.rt.store(), state.configuration_confirmed).unwrap().unwrap();
    assert_eq!((set.len(), set.total_power(), state.voting_members), (1, Power::new(5), 1));
    assert_eq!(state.configuration_confirmed, state.configuration_last);
    let logged = world.rt.take_sends().iter().filter(|sent| sent.method == gateway::LOG_CHANGE).count();
    assert_eq!((logged, state.configuration_last.get()), (3, 4), "one comes, and then two go");
    // It goes on from the last accepted checkpoint, and the end comes as if nothing had happened.
    assert_eq!(state.exit_from().get(), 500 + SILENCE + NOTICE);
    world.confirm(&[3]);
    assert_eq!(world.state().last_sequence.get(), 1);
}

#[test]
fn owner_of_a_static_subnet_gives_notice_but_puts_nobody_in_charge() {
    let world = World::active(MembershipMode::Static, &[10; 4]);
    world.at(500 + SILENCE);
    let params = RecoverParams { owner: Address::new_actor(b"owner"), validators: recovering(&[(1, 10)]) };
    refused(world.call(OWNER, 0, checkpoint::RECOVER, &params), 189);
    let three = [(1, 10), (2, 10), (3, 10)];
    assert_eq!((recover(&world, 1, &three), recover(&world, 2, &three)), (Ok(false), Ok(false)));
    assert_eq!(recover(&world, 4, &three), Ok(true), "it takes the votes of those in charge");
    assert_eq!(world.kill_as_owner(), Ok(true));
}

#[test]
fn validators_in_charge_vote_for_one_recovery_at_a_time() {
    let world = World::of_four();
    world.at(500 + SILENCE);
    let (three, two) = ([(1, 10), (2, 10), (3, 10)], [(1, 10), (2, 10)]);
    refused(recover(&world, 1, &[(1, 11)]), 138);
    assert_eq!(recover(&world, 1, &three), Ok(false));
    refused(recover(&world, 1, &three), 188);
    assert_eq!(recover(&world, 2, &two), Ok(false));
    assert_eq!(recover(&world, 3, &three), Ok(false), "two of four are too few, and one wanted something else");
    assert_eq!(world.kill(2), Ok(false), "a vote for the end is another one");
    assert_eq!(recover(&world, 2, &three), Ok(true));
    let state = world.state();
    assert_eq!((state.configuration_confirmed.get(), state.voting_members), (2, 3));
    world.confirm(&[1, 2, 3]);
    // Who lost its power is a member still, and leaves as one.
    world.leave(4).unwrap();
    world.at(500 + SILENCE + UNBONDING);
    world.withdraw(4).unwrap();
}

#[test]
fn notice_is_the_owners_word_or_the_votes_of_others_but_nobody_elses() {
    let world = federated();
    refused(world.call(STRANGER, 0, checkpoint::KILL, &OwnerParams { owner: Keys::of(1).owner }), 122);
    assert_eq!((world.kill(1), world.kill(2)), (Ok(false), Ok(true)));
}
