//! A subnet whose validators all sign what their chain did not make.
#![allow(clippy::unwrap_used)]

use engine_api::SignedExtension;
use fvm_exec::Engine;
use fvm_shared::econ::TokenAmount;
use subnet_node::checkpoint::certificate::assemble;
use subnet_sim::keys::ValidatorKeys;
use subnet_sim::world::{Options, World, message};
use subnet_types::actors::{SubmitCheckpointParams, checkpoint};
use subnet_types::checkpoint::CheckpointDomain;
use subnet_types::hash::{cid_of_bytes, encode};
use subnet_types::{Checkpoint, Ed25519Signature};

const GAS: u64 = 3_000_000_000;

/// A world with one subnet that holds something and has cut two checkpoints, none of them submitted.
fn captured() -> (World, usize) {
    let mut world = World::new(Options::default(), Engine::new(2).unwrap()).unwrap();
    world.submitters.are_idle = true;
    let child = world.create_child(0).unwrap();
    world.provide(child, TokenAmount::from_whole(7)).unwrap();
    let blocks = 2 * world.options.period + 1;
    world
        .run_until("two periods pass", 100, |world| {
            Ok(world.chains[child].best().unwrap().height().unwrap().get() >= blocks)
        })
        .unwrap();
    (world, child)
}

/// The subnet's next checkpoint after `change`, signed by its only validator.
fn forged(world: &World, child: usize, change: impl FnOnce(&mut Checkpoint)) -> SubmitCheckpointParams {
    let (edge, reader) = (&world.checks.edges[0], world.chains[child].reader().unwrap());
    let mut checkpoint = reader.checkpoint(edge.accepted.next()).unwrap().unwrap().checkpoint;
    change(&mut checkpoint);
    let actor = world.chains[child].name.checkpoint_actor().unwrap();
    let domain = CheckpointDomain { parent: *world.chains[0].reader().unwrap().identity(), actor };
    let digest = checkpoint.digest(&domain).unwrap();
    let keys = ValidatorKeys::of(child, 0).unwrap();
    let extension = SignedExtension {
        validator: keys.vote.public(),
        extension: keys.checkpoint.sign_digest(&digest).as_bytes().to_vec(),
        signature: Ed25519Signature([0; 64]),
    };
    let validators = reader.validators(checkpoint.height).unwrap();
    let certificate = assemble(&validators, &digest, &[extension]).unwrap();
    SubmitCheckpointParams { checkpoint, certificate, messages: Vec::new() }
}

fn submit(world: &mut World, child: usize, params: &SubmitCheckpointParams) -> anyhow::Result<u32> {
    let actor = world.chains[child].name.checkpoint_actor().unwrap();
    let message = message(actor, checkpoint::SUBMIT_CHECKPOINT, encode(params), TokenAmount::default(), GAS);
    let receipt = world.send(0, &subnet_sim::keys::user(0)?, message)?;
    Ok(receipt.exit_code.value())
}

#[test]
fn more_than_the_custody_is_refused_and_all_of_it_is_not() {
    let (mut world, child) = captured();
    let custody = |world: &World| {
        let state = world.chains[0].reader().unwrap().latest_state().unwrap();
        state.checkpoint(world.checks.edges[0].actor).unwrap().unwrap().custody
    };
    let held = custody(&world);
    assert_eq!(held, TokenAmount::from_whole(7));
    let beyond = forged(&world, child, |checkpoint| checkpoint.burned = &held + TokenAmount::from_atto(1));
    assert_ne!(submit(&mut world, child, &beyond).unwrap(), 0);
    assert_eq!(custody(&world), held);
    // What is the subnet's own, its validators can burn, and the checks say that its chain did not.
    let all = forged(&world, child, |checkpoint| checkpoint.burned = held.clone());
    let found = submit(&mut world, child, &all).unwrap_err();
    assert!(format!("{found:#}").contains("another checkpoint 1 was accepted"), "{found:#}");
    assert_eq!(custody(&world), TokenAmount::default());
}

#[test]
fn the_checks_find_a_checkpoint_of_another_history() {
    let (mut world, child) = captured();
    let honest = forged(&world, child, |_| {});
    assert_eq!(submit(&mut world, child, &honest).unwrap(), 0);
    let other = forged(&world, child, |checkpoint| checkpoint.state_root = cid_of_bytes(b"another state"));
    let found = submit(&mut world, child, &other).unwrap_err();
    assert!(format!("{found:#}").contains("another checkpoint 2 was accepted"), "{found:#}");
}
