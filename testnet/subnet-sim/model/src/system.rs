//! The model as the checker sees it: which steps there are from a world, and where they lead.

use stateright::{Model, Property};

use crate::config::Config;
use crate::fair::Reached;
use crate::message::{
    Address, ChainId, Checkpoint, Id, Kind, Message, POWER_MINORITY, POWER_QUORUM, POWER_TOTAL, Packet, Place, Step,
};
use crate::properties;
use crate::world::World;

/// A configuration with its worlds and steps.
pub struct System {
    /// What is checked.
    pub config: Config,
    /// Worlds from which all is known to settle.
    pub(crate) reached: Reached,
}

impl System {
    /// The model of `config`.
    pub fn new(config: Config) -> Self {
        Self { config, reached: Reached::default() }
    }

    /// Where `step` leads from `world`; `None` when it cannot be taken there.
    pub fn step(&self, world: &World, step: &Step) -> Option<World> {
        let config = &self.config;
        match step {
            Step::Send(send) => {
                let index = config.sends.iter().position(|other| other == send)?;
                if world.sent & (1 << index) != 0 || !world.may_send(config, send) {
                    return None;
                }
                let mut world = world.clone();
                world.sent |= 1 << index;
                world.send(config, send);
                Some(world)
            }
            Step::Cut { chain } => world.cut(*chain),
            Step::Submit { packet } | Step::Deliver { packet } | Step::Update { packet } => {
                let mut world = world.clone();
                world.post(packet.clone());
                Some(world)
            }
            Step::Arrive { packet } => {
                let world = world.without(packet)?;
                let last = world.handle(config, packet).pop();
                Some(last.unwrap_or(world))
            }
            Step::Lose { packet } => world.without(packet),
            Step::Duplicate { packet } => {
                let mut world = world.clone();
                world.post(packet.clone());
                Some(world)
            }
            Step::Crash { packet, writes } => {
                let world = world.without(packet)?;
                match writes.checked_sub(1) {
                    None => Some(world),
                    Some(last) => world.handle(config, packet).into_iter().nth(usize::from(last)),
                }
            }
        }
    }

    /// What the honest do of themselves: cut, submit, deliver, update.
    pub(crate) fn honest_steps(&self, world: &World, steps: &mut Vec<Step>) {
        for child in self.config.children().filter(|child| !self.config.is_corrupt(*child)) {
            if world.cut(child).is_some() {
                steps.push(Step::Cut { chain: child });
            }
            let (chain, edge) = (world.chain(child), world.edge(child));
            for checkpoint in chain.cuts.iter().skip(usize::from(edge.accepted)).cloned() {
                steps.push(Step::Submit { packet: Packet::Submission { child, power: POWER_QUORUM, checkpoint } });
            }
            for packet in self.slices(world, child) {
                steps.push(Step::Deliver { packet });
            }
            let (first, next) = (chain.cursor, edge.queue.len() as u8);
            // Of what is pruned there is no witness.
            if first < next && first >= edge.pruned {
                let messages = range(world, child, first, next);
                steps
                    .push(Step::Update { packet: Packet::Update { child, first, next, is_certified: true, messages } });
            }
        }
    }

    /// Every slice of every undelivered batch that does not begin below the cursor, the useful one first.
    fn slices(&self, world: &World, child: ChainId) -> Vec<Packet> {
        let edge = world.edge(child);
        let mut slices = Vec::new();
        for batch in &edge.batches {
            for first in edge.cursor.max(batch.first)..batch.end() {
                for end in (first + 1..=batch.end()).rev() {
                    let at = |nonce: u8| usize::from(nonce - batch.first);
                    let messages = batch.messages[at(first)..at(end)].to_vec();
                    slices.push(Packet::Delivery { child, sequence: batch.sequence, first, messages });
                }
            }
        }
        slices
    }

    /// What liars, minorities and corrupt chains do.
    fn dishonest_steps(&self, world: &World, steps: &mut Vec<Step>) {
        for child in self.config.children() {
            let edge = world.edge(child);
            if self.config.is_corrupt(child) {
                if edge.accepted < self.config.forgeries_max {
                    for forgery in &self.config.forgeries {
                        let checkpoint = self.config.forge(forgery, edge.accepted + 1, edge.next_first);
                        let packet = Packet::Submission { child, power: POWER_TOTAL, checkpoint };
                        steps.push(Step::Submit { packet });
                    }
                }
                // Somebody brings its batches, too.
                steps.extend(self.slices(world, child).into_iter().map(|packet| Step::Deliver { packet }));
                continue;
            }
            if !self.config.has_liars {
                continue;
            }
            let bogus = bogus(child);
            let (sequence, first) = (edge.accepted + 1, edge.next_first);
            let checkpoint = Checkpoint {
                sequence,
                first,
                messages: vec![bogus.clone()],
                value: bogus.value,
                burned: 0,
                applied: 0,
            };
            steps.push(Step::Submit { packet: Packet::Submission { child, power: POWER_MINORITY, checkpoint } });
            if let Some(batch) = edge.batches.first() {
                let packet = Packet::Delivery {
                    child,
                    sequence: batch.sequence,
                    first: edge.cursor,
                    messages: vec![Message { value: batch.left, ..bogus }],
                };
                steps.push(Step::Deliver { packet });
            }
            self.lies(world, child, steps);
        }
    }

    /// What a lying source serves a child.
    fn lies(&self, world: &World, child: ChainId, steps: &mut Vec<Step>) {
        let (first, next) = (world.chain(child).cursor, world.edge(child).queue.len() as u8);
        let mut serve = |next, is_certified, messages| {
            steps.push(Step::Update { packet: Packet::Update { child, first, next, is_certified, messages } });
        };
        let invented = Message { origin: Place::new(ChainId::ROOT, Address::Thief), ..bogus(child) };
        serve(first + 1, false, vec![invented]);
        let truth = range(world, child, first, next);
        let Some(front) = truth.first() else { return };
        serve(next, true, Vec::new());
        let destination = Place { address: Address::Thief, ..front.destination };
        let altered = Message { destination, kind: Kind::Transfer, ..front.clone() };
        serve(next, true, [&[altered], &truth[1..]].concat());
        if truth.len() > 1 {
            serve(next, true, truth[1..].to_vec());
        }
    }
}

/// A message that nobody sent: for the thief on the other side of the edge above `child`.
fn bogus(child: ChainId) -> Message {
    let origin = Place::new(child, Address::User);
    // No honest chain sends as many messages as this.
    let id = Id { chain: child, address: Address::User, sequence: 31 };
    let destination = Place::new(ChainId::ROOT, Address::Thief);
    Message { id, origin, destination, value: 1, fee: 0, kind: Kind::Transfer }
}

/// What a parent update holds of a queue that ends before `next`.
fn range(world: &World, child: ChainId, first: u8, next: u8) -> Vec<Message> {
    let end = next.min(first + crate::message::UPDATE_MESSAGES_MAX).max(first);
    world.edge(child).queue.get(usize::from(first)..usize::from(end)).unwrap_or_default().to_vec()
}

impl Model for System {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        vec![World::start(&self.config)]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        let sends = self.config.sends.iter().enumerate().filter(|(index, _)| world.sent & (1 << index) == 0);
        steps.extend(sends.map(|(_, send)| Step::Send(send.clone())));
        let mut posts = Vec::new();
        self.honest_steps(world, &mut posts);
        self.dishonest_steps(world, &mut posts);
        let has_room = world.network.len() < self.config.packets_max;
        steps.extend(posts.into_iter().filter(|step| match step {
            // A second packet of the same content is what `Duplicate` makes.
            Step::Submit { packet } | Step::Deliver { packet } | Step::Update { packet } => {
                has_room && !world.network.contains(packet)
            }
            _ => true,
        }));
        for (at, packet) in world.network.iter().enumerate() {
            if at > 0 && world.network[at - 1] == *packet {
                continue;
            }
            let packet = || packet.clone();
            steps.push(Step::Arrive { packet: packet() });
            steps.push(Step::Lose { packet: packet() });
            if has_room {
                steps.push(Step::Duplicate { packet: packet() });
            }
            // Killed before each durable write. After the last one it is as if it had arrived.
            let writes = world.handle(&self.config, &world.network[at]).len() as u8;
            steps.extend((0..writes).map(|writes| Step::Crash { packet: packet(), writes }));
        }
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        self.step(world, &step)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}
