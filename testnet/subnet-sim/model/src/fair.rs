//! Eventual settlement, as far as it can be checked.
//!
//! "Eventually" of the checker looks at paths that end. Ours need not: a packet can be lost and sent again for ever, and
//! the checker does not tell such a circle from two ways that meet, so it would miss what never settles there. What holds
//! under a fair wire is this: *from every world that can be reached, settlement can still be reached*. There are finitely
//! many worlds, so a wire that gives each possible step its chance again and again gets there.
//!
//! It is shown by a witness: from each world the honest go on alone, one step after the other, and nothing new is lost,
//! forged or sent. What is on the wire arrives first, lies included. If that ends settled, settlement is within reach. It
//! is a property of a world, so the checker finds any from which nothing settles any more: where a message is stuck, as
//! well as where nothing can be done.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Mutex;

use crate::message::Step;
use crate::properties::is_settled;
use crate::system::System;
use crate::world::World;

/// Steps of the honest after which a world that is not settled counts as stuck. Few messages over few edges take less than
/// a hundred.
const STEPS_MAX: usize = 300;

/// Digests of worlds from which all settles. A digest of 64 bits is what the checker, too, tells worlds apart by.
#[derive(Default)]
pub(crate) struct Reached(Mutex<HashSet<u64>>);

impl Reached {
    fn contains(&self, digest: u64) -> bool {
        self.0.lock().is_ok_and(|known| known.contains(&digest))
    }

    fn extend(&self, digests: Vec<u64>) {
        if let Ok(mut known) = self.0.lock() {
            known.extend(digests);
        }
    }
}

impl System {
    /// Whether all that was sent so far settles when the wire is fair from `world` on.
    pub(crate) fn settles_from(&self, world: &World) -> bool {
        let mut world = world.clone();
        let mut passed = Vec::new();
        let mut steps = Vec::new();
        for _ in 0..STEPS_MAX {
            let digest = digest(&world);
            passed.push(digest);
            if is_settled(&self.config, &world) || self.reached.contains(digest) {
                self.reached.extend(passed);
                return true;
            }
            steps.clear();
            match world.network.first() {
                Some(packet) => steps.push(Step::Arrive { packet: packet.clone() }),
                None => self.honest_steps(&world, &mut steps),
            }
            match steps.first().and_then(|step| self.step(&world, step)) {
                Some(next) => world = next,
                None => return false,
            }
        }
        false
    }
}

/// Tells worlds apart.
pub(crate) fn digest(world: &World) -> u64 {
    let mut hasher = DefaultHasher::new();
    world.hash(&mut hasher);
    hasher.finish()
}
