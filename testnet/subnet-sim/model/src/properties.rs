//! What must always hold. Plain arithmetic over what is there and what happened; none of the protocol's own checks is
//! asked.

use stateright::Property;

use crate::config::Config;
use crate::message::{Address, Amount, ChainId, Code, Kind, Message};
use crate::system::System;
use crate::world::World;

/// What the properties are called.
pub mod name {
    /// On every edge each nonce is applied once, in order, and is what the sender queued there.
    pub const EXACTLY_ONCE: &str = "every nonce is applied exactly once, in order";
    /// No message that an honest chain issued takes effect twice.
    pub const EFFECT_ONCE: &str = "no message takes effect twice";
    /// Whatever takes effect in the name of an honest chain was issued by that chain, in these words.
    pub const AUTHENTIC: &str = "nobody speaks for another chain";
    /// Accepted checkpoints have no gap, fork or repeat, and are what the child has cut.
    pub const CHECKPOINT_CHAIN: &str = "a checkpoint chain has no gap, fork or repeat";
    /// On every edge custody is what circulates below, is on its way or is burned and not reported.
    pub const CONSERVED_ON_EDGES: &str = "custody is what circulates and is in flight";
    /// The root's supply never changes, and each chain holds what it has minted.
    pub const SUPPLY: &str = "supply is constant";
    /// A subnet never takes out more than was put in.
    pub const FIREWALL: &str = "a subnet takes out no more than went in";
    /// Nobody has less than what he had, less what he sent.
    pub const NOBODY_ELSE_PAYS: &str = "nobody pays but who sends";
    /// Each message is answered at most once, with at most what was sent.
    pub const RECEIPT_ONCE: &str = "a receipt counts once, for no more than was sent";
    /// What a receipt says is what happened, when no chain on the way is corrupt.
    pub const RECEIPT_TRUE: &str = "a receipt that counts tells the truth";
    /// From here, when the wire is fair from now on, all ends settled.
    pub const SETTLES: &str = "settlement stays within reach";
    /// An example, not a rule: all was sent and is settled. A model that cannot get there proves nothing.
    pub const ALL_SETTLED: &str = "everything is sent and settled";
}

/// All of them.
pub(crate) fn all() -> Vec<Property<System>> {
    vec![
        Property::always(name::EXACTLY_ONCE, |model, world| is_exactly_once(&model.config, world)),
        Property::always(name::EFFECT_ONCE, |model, world| is_effect_once(&model.config, world)),
        Property::always(name::AUTHENTIC, |model, world| is_authentic(&model.config, world)),
        Property::always(name::CHECKPOINT_CHAIN, |model, world| is_checkpoint_chain(&model.config, world)),
        Property::always(name::CONSERVED_ON_EDGES, |model, world| is_conserved_on_edges(&model.config, world)),
        Property::always(name::SUPPLY, |model, world| is_supply_constant(&model.config, world)),
        Property::always(name::FIREWALL, |model, world| is_firewall_closed(&model.config, world)),
        Property::always(name::NOBODY_ELSE_PAYS, |model, world| nobody_else_pays(&model.config, world)),
        Property::always(name::RECEIPT_ONCE, |_, world| is_receipt_once(world)),
        Property::always(name::RECEIPT_TRUE, |model, world| is_receipt_true(&model.config, world)),
        Property::always(name::SETTLES, |model, world| model.settles_from(world)),
        Property::sometimes(name::ALL_SETTLED, |model: &System, world: &World| {
            world.sent.count_ones() as usize == model.config.sends.len() && is_settled(&model.config, world)
        }),
    ]
}

fn is_exactly_once(config: &Config, world: &World) -> bool {
    config.children().all(|child| {
        let (ledger, at) = (&world.ledger, child.index());
        let queued_down = &world.edge(child).queue;
        let chain = world.chain(child);
        let queued_up: Vec<&Message> = chain.cuts.iter().flat_map(|cut| &cut.messages).chain(&chain.outbox).collect();
        let down = ledger.applied_down[at].iter().enumerate().all(|(position, (nonce, id))| {
            usize::from(*nonce) == position && queued_down.get(position).is_some_and(|message| message.id == *id)
        });
        let up = ledger.applied_up[at].iter().enumerate().all(|(position, (nonce, id))| {
            let is_queued = queued_up.get(position).is_some_and(|message| message.id == *id);
            usize::from(*nonce) == position && (is_queued || config.is_corrupt(child))
        });
        down && up
    })
}

fn is_effect_once(config: &Config, world: &World) -> bool {
    let honest = || world.ledger.executed.iter().filter(|message| !config.is_corrupt(message.id.chain));
    honest().all(|message| honest().filter(|other| other.id == message.id).count() == 1)
}

fn is_authentic(config: &Config, world: &World) -> bool {
    world.ledger.executed.iter().all(|message| {
        config.is_corrupt(message.origin.chain)
            || world.ledger.issued.get(&message.id).is_some_and(|issued| message.is_same_as(issued))
    })
}

fn is_checkpoint_chain(config: &Config, world: &World) -> bool {
    config.children().all(|child| {
        let accepted = &world.ledger.accepted[child.index()];
        let is_gapless = (1..).zip(accepted).all(|(position, (sequence, _))| *sequence == position);
        is_gapless && (config.is_corrupt(child) || accepted.iter().all(|(_, is_own)| *is_own))
    })
}

/// All that a chain holds but for what is burnt: accounts, unclaimed, what its checkpoint actors keep.
fn holdings(config: &Config, world: &World, id: ChainId) -> Amount {
    let chain = world.chain(id);
    let own: Amount = chain.balances.values().chain(chain.unclaimed.values()).sum();
    let below = config.children().filter(|child| config.parent(*child) == Some(id));
    let kept = below.map(|child| {
        let edge = world.edge(child);
        edge.custody + edge.batches.iter().map(|batch| batch.left).sum::<Amount>()
    });
    own + kept.sum::<Amount>()
}

fn is_conserved_on_edges(config: &Config, world: &World) -> bool {
    config.children().filter(|child| !config.is_corrupt(*child)).all(|child| {
        let (chain, edge) = (world.chain(child), world.edge(child));
        let down = edge.queue.iter().skip(world.ledger.applied_down[child.index()].len());
        let not_accepted = chain.cuts.iter().skip(usize::from(edge.accepted));
        let up = not_accepted.clone().flat_map(|cut| &cut.messages).chain(&chain.outbox);
        let in_flight: Amount = down.chain(up).map(Message::amount).sum();
        let unreported = chain.burnt - chain.cuts.iter().map(|cut| cut.burned).sum::<Amount>();
        let burned = unreported + not_accepted.map(|cut| cut.burned).sum::<Amount>();
        // Circulation counted by what everybody holds, and by what has left the reserve.
        let held = holdings(config, world, child);
        edge.custody == held + in_flight + burned && edge.custody == chain.minted - chain.burnt + in_flight + burned
    })
}

fn is_supply_constant(config: &Config, world: &World) -> bool {
    let is_constant = |id: ChainId| {
        let chain = world.chain(id);
        holdings(config, world, id) + chain.burnt == chain.minted
    };
    let root = holdings(config, world, ChainId::ROOT) + world.chain(ChainId::ROOT).burnt;
    root == config.circulating_at_start(ChainId::ROOT)
        && config.ids().filter(|id| !config.is_corrupt(*id)).all(is_constant)
}

fn is_firewall_closed(config: &Config, world: &World) -> bool {
    config.children().all(|child| {
        let edge = world.edge(child);
        let is_solvent = edge.custody >= 0 && edge.batches.iter().all(|batch| batch.left >= 0);
        is_solvent && world.ledger.released[child.index()] <= world.ledger.locked[child.index()]
    })
}

fn nobody_else_pays(config: &Config, world: &World) -> bool {
    config.ids().filter(|id| !config.is_corrupt(*id)).all(|id| {
        config.chains[id.index()].balances.iter().all(|(address, had)| {
            let sent = config.sends.iter().enumerate().filter(|(index, send)| {
                world.sent & (1 << index) != 0 && send.from.chain == id && send.from.address == *address
            });
            let spent: Amount = sent.map(|(_, send)| send.value + send.fee).sum();
            world.chain(id).balance(*address) >= had - spent
        })
    }) && world.chains.iter().all(|chain| chain.balance(Address::Missing) == 0)
}

fn is_receipt_once(world: &World) -> bool {
    let counted = &world.ledger.counted;
    counted.iter().all(|receipt| {
        let is_only = counted.iter().filter(|other| other.of == receipt.of).count() == 1;
        let sent = world.ledger.issued.get(&receipt.of);
        is_only && sent.is_some_and(|sent| !sent.kind.is_answered() || receipt.amount <= sent.amount())
    })
}

fn is_receipt_true(config: &Config, world: &World) -> bool {
    world.ledger.counted.iter().all(|receipt| {
        let Some(sent) = world.ledger.issued.get(&receipt.of) else { return false };
        // A plain transfer's destination is not remembered, so a corrupt chain off its way can pay it back out of its
        // own custody. That costs nobody else anything and is not a lie worth an entry in the state.
        if !sent.kind.is_answered() || !config.is_honest_way(sent.origin.chain, sent.destination.chain) {
            return true;
        }
        let is_executed = world.ledger.executed.iter().any(|message| message.id == receipt.of);
        is_executed == (receipt.code == Code::Ok)
    })
}

/// Whether each message that was sent and met no corrupt chain has ended: delivered, and its sender told if he waits for
/// that; or refunded. What lies in an unclaimed ledger has not: nobody came to know of it.
pub(crate) fn is_settled(config: &Config, world: &World) -> bool {
    let ledger = &world.ledger;
    ledger.issued.values().all(|message| {
        if matches!(message.kind, Kind::Receipt { .. })
            || !config.is_honest_way(message.origin.chain, message.destination.chain)
        {
            return true;
        }
        let is_answered = ledger.counted.iter().any(|receipt| receipt.of == message.id);
        let is_executed = ledger.executed.iter().any(|other| other.id == message.id);
        is_answered || (is_executed && !message.kind.is_answered())
    })
}
