//! Traces of the model, driven through the real application and actors.
//!
//! The model goes along unbroken: a step that its protocol cannot take is passed over, what it calls refused must be
//! refused here, and after each step both have the same cursors on every edge. The checks look at every block. At the end
//! the wire becomes fair, and everything has to settle.
//!
//! What is put differently here: a chain makes empty blocks while it waits; a contract's transfer is sent by a user; a
//! chain with nobody but corrupt validators is not run, so traces with one are refused.

mod packets;
mod setup;

use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use fvm_exec::Engine;
use fvm_ipld_encoding::RawBytes;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use subnet_model::{Config, FORMAT, Kind, Packet, Place, Send, Step, System, Trace, UNKNOWN};
use subnet_types::CrossKind;
use subnet_types::actors::{CallParams, GATEWAY_ID, SendParams, gateway};
use subnet_types::cross::{CrossAddress, departure_gas};
use subnet_types::hash::encode;

use crate::checks::Edge;
use crate::faults::Bug;
use crate::keys;
use crate::placed::callee;
use crate::world::{World, message};

/// What one unit of the model is here, in attoFIL.
const UNIT_ATTO: u64 = 1_000_000_000_000_000;
/// Gas that a call asks for.
const CALL_GAS: u64 = 20_000_000;
/// Gas of a message that a step sends.
const STEP_GAS: u64 = 3_000_000_000;
/// Blocks of a chain in which a message has to be included.
const INCLUSION_BLOCKS_MAX: usize = 20;
/// Turns of each chain in which everything has to settle at the end: a few periods on every level.
const REST_TURNS: u64 = 2_000;

/// How a replay went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Steps taken.
    pub taken: usize,
    /// Steps that only a broken protocol has.
    pub passed_over: usize,
    /// Packets that arrived and changed something.
    pub accepted: usize,
    /// Packets that arrived and were refused.
    pub refused: usize,
    /// Blocks of all chains.
    pub blocks: u64,
}

/// An edge as both sides had it before the first step: the model counts from zero.
#[derive(Clone, Copy, Debug)]
struct Offset {
    sequence: u64,
    down: usize,
    up: usize,
}

/// A replay under way.
struct Replay {
    world: World,
    system: System,
    model: subnet_model::World,
    /// By the subnet's number less one.
    offsets: Vec<Offset>,
    bug: Option<Bug>,
    done: Replayed,
}

/// Takes the steps of `trace` in a world of its own.
///
/// # Errors
/// When the trace is not one of ours, a checker found something, or the world and the unbroken model came apart.
pub fn replay(trace: &Trace, engine: Arc<Engine>, bug: Option<Bug>) -> anyhow::Result<Replayed> {
    let config = Config::named(&trace.config).filter(|_| trace.format == FORMAT);
    let config = config.with_context(|| format!("no configuration `{}` in form {FORMAT}", trace.config))?;
    let is_corrupt = config.ids().any(|id| config.is_corrupt(id));
    ensure!(!is_corrupt, "`{}` has a chain whose validators are all corrupt; only honest chains are run", trace.config);
    let world = setup::world(&config, engine).context("while the chains are made")?;
    let offsets = world.checks.edges.iter().map(Offset::of).collect();
    let model = subnet_model::World::start(&config);
    let mut replay = Replay { world, system: System::new(config), model, offsets, bug, done: Replayed::default() };
    for (at, step) in trace.steps.iter().enumerate() {
        replay.step(step).with_context(|| format!("step {at} of the trace"))?;
    }
    replay.settle().context("after the last step, on a fair wire")?;
    Ok(replay.done)
}

impl Offset {
    fn of(edge: &Edge) -> Self {
        Self { sequence: edge.accepted.get(), down: edge.down.queued.len(), up: edge.up.queued.len() }
    }
}

impl Replay {
    fn step(&mut self, step: &Step) -> anyhow::Result<()> {
        let Some(next) = self.system.step(&self.model, step) else {
            self.done.passed_over += 1;
            return Ok(());
        };
        match step {
            Step::Send(send) => self.send(send)?,
            Step::Cut { chain } => self.cut(chain.index())?,
            Step::Arrive { packet } => self.arrive(packet, has_changed(&self.model, &next))?,
            Step::Crash { packet, writes } => {
                if *writes > 0 {
                    self.arrive(packet, has_changed(&self.model, &next))?;
                }
                self.restart(packet)?;
            }
            // What is on the wire and what is not changes no chain.
            Step::Submit { .. } | Step::Deliver { .. } | Step::Update { .. } => {}
            Step::Lose { .. } | Step::Duplicate { .. } => {}
        }
        self.model = next;
        self.done.taken += 1;
        self.compare()
    }

    /// Both have the same cursors and queues on every edge.
    fn compare(&self) -> anyhow::Result<()> {
        for (edge, offset) in self.world.checks.edges.iter().zip(&self.offsets) {
            let chain = &self.model.chains[edge.child];
            let other = &self.model.edges[edge.child];
            let cut: usize = chain.cuts.iter().map(|cut| cut.messages.len()).sum();
            let theirs = [
                ("checkpoints accepted", usize::from(other.accepted)),
                ("queued down", other.queue.len()),
                ("applied from above", usize::from(chain.cursor)),
                ("queued up", cut + chain.outbox.len()),
                ("delivered from below", usize::from(other.cursor)),
            ];
            let ours = [
                (edge.accepted.get() - offset.sequence) as usize,
                edge.down.queued.len() - offset.down,
                edge.down.arrived - offset.down,
                edge.up.queued.len() - offset.up,
                edge.up.arrived - offset.up,
            ];
            for ((what, expected), actual) in theirs.into_iter().zip(ours) {
                let child = edge.child;
                ensure!(expected == actual, "{what} on the edge to chain {child}: {actual}, the model has {expected}");
            }
        }
        Ok(())
    }

    fn turn(&mut self, chain: usize) -> anyhow::Result<()> {
        self.done.blocks += 1;
        self.world.turn(chain)
    }

    fn send(&mut self, send: &Send) -> anyhow::Result<()> {
        let (from, unit) = (send.from.chain.index(), TokenAmount::from_atto(UNIT_ATTO));
        let to = self.place(&send.to)?;
        let method = if send.to.address == subnet_model::Address::Reverting {
            cross_caller::served::REVERT
        } else {
            cross_caller::served::ADD
        };
        let params = RawBytes::new(encode(&setup::CALL_ARGUMENT));
        let is_call = send.kind == Kind::Call;
        let kind = if is_call { CrossKind::Call { method, params: params.clone() } } else { CrossKind::Transfer };
        let call = is_call.then_some(CallParams { method, params, gas_limit: CALL_GAS });
        let wants_receipt = send.kind == Kind::TransferWithReceipt;
        // The model's fee counts deliveries, of which one has to pay for two to set out: there and back.
        let gas = departure_gas(&kind, CALL_GAS, is_call || wants_receipt);
        let fee = TokenAmount::from_atto(self.world.options.price_atto) * gas * u64::try_from(send.fee)?;
        let fee = fee.div_ceil(2u64);
        let value = unit * u64::try_from(send.value)?;
        let params = encode(&SendParams { to, call, fee: fee.clone(), expires: None, wants_receipt });
        let sent = message(Address::new_id(GATEWAY_ID), gateway::SEND, params, value + fee, STEP_GAS);
        let exit_code = self.execute(from, sent)?;
        ensure!(exit_code == 0, "the gateway refused a message with {exit_code}");
        Ok(())
    }

    fn place(&self, place: &Place) -> anyhow::Result<CrossAddress> {
        use subnet_model::Address as Name;
        let subnet = if place.chain == UNKNOWN {
            self.world.chains[0].name.child(Address::new_actor(b"no subnet"))?
        } else {
            self.world.chains.get(place.chain.index()).context("a chain of the trace")?.name.clone()
        };
        let address = match place.address {
            Name::User => self.world.user(0),
            Name::Contract | Name::Reverting => callee(),
            Name::Missing => Address::new_actor(b"nobody"),
            Name::Relayer => self.world.user(1),
            Name::Thief => self.world.checks.sinks[0],
        };
        Ok(CrossAddress { subnet, address })
    }

    /// Has a user's message included by the next blocks of a chain. Returns its exit code.
    fn execute(&mut self, chain: usize, message: Message) -> anyhow::Result<u32> {
        let pushed = self.world.chains[chain].push(message, &keys::user(0)?)?.context("the pool refused a message")?;
        let cid = pushed.cid();
        for _ in 0..INCLUSION_BLOCKS_MAX {
            self.turn(chain)?;
            if let Some(included) = self.world.chains[chain].reader()?.message(&cid)? {
                return Ok(included.receipt.exit_code.value());
            }
        }
        bail!("a message waits for {INCLUSION_BLOCKS_MAX} blocks")
    }

    /// Up to the end of the period, and the block whose votes sign its checkpoint.
    fn cut(&mut self, chain: usize) -> anyhow::Result<()> {
        let before = self.world.checks.edges[chain - 1].cuts.len();
        for _ in 0..=self.world.options.period {
            self.turn(chain)?;
            if self.world.checks.edges[chain - 1].cuts.len() > before {
                return self.turn(chain);
            }
        }
        bail!("a period passed without a cut")
    }

    /// A packet reaches who handles it. What the model calls refused must be refused.
    fn arrive(&mut self, packet: &Packet, is_accepted: bool) -> anyhow::Result<()> {
        let has_changed = match packet {
            Packet::Submission { child, power, checkpoint } => {
                let call = self.submission(child.index(), *power, checkpoint)?;
                self.execute(self.parent_of(child.index())?, call)? == 0
            }
            Packet::Delivery { child, sequence, first, messages } => {
                let before = self.world.checks.edges[child.index() - 1].up.arrived;
                let call = self.delivery(child.index(), *sequence, *first, messages)?;
                let exit_code = self.execute(self.parent_of(child.index())?, call)?;
                // A slice of what was delivered before is no failure; it does nothing.
                exit_code == 0 && self.world.checks.edges[child.index() - 1].up.arrived > before
            }
            Packet::Update { child, first, next, is_certified, messages } => {
                let update = self.update(child.index(), *first, *next, *is_certified, messages)?;
                self.done.blocks += 1;
                match update {
                    Some(update) => self.world.turn_with(child.index(), &update)?,
                    None => false,
                }
            }
        };
        if self.bug.is_none() {
            ensure!(
                has_changed == is_accepted,
                "{packet:?}: {}, in the model {}",
                word(has_changed),
                word(is_accepted)
            );
        }
        self.done.accepted += usize::from(has_changed);
        self.done.refused += usize::from(!has_changed);
        Ok(())
    }

    fn parent_of(&self, child: usize) -> anyhow::Result<usize> {
        self.world.chains[child].parent.context("a subnet has a parent")
    }

    /// The nodes of the chain that handles a packet are killed, and start again on what their databases hold.
    fn restart(&mut self, packet: &Packet) -> anyhow::Result<()> {
        let chain = match packet {
            Packet::Submission { child, .. } | Packet::Delivery { child, .. } => self.parent_of(child.index())?,
            Packet::Update { child, .. } => child.index(),
        };
        for node in &mut self.world.chains[chain].nodes {
            node.stop();
            node.start()?;
        }
        Ok(())
    }

    fn settle(&mut self) -> anyhow::Result<()> {
        self.world.submitters.are_idle = false;
        self.world.set_deaf(false);
        let before = self.world.tally.blocks;
        let turns_max = REST_TURNS * self.world.chains.len() as u64;
        self.world.run_until("everything settles", turns_max, World::is_at_rest)?;
        self.done.blocks += self.world.tally.blocks - before;
        Ok(())
    }
}

/// Whether a handled packet did more than leave the wire.
fn has_changed(before: &subnet_model::World, after: &subnet_model::World) -> bool {
    (&before.chains, &before.edges) != (&after.chains, &after.edges)
}

fn word(is_accepted: bool) -> &'static str {
    if is_accepted { "accepted" } else { "refused" }
}
