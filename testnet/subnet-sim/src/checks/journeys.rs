//! Every cross message from its sender to its end: what it says does not change on the way, it arrives where it was sent
//! to or is answered with its value, and what an answer says is so.
//!
//! ```text
//!   queued at its origin ─▶ queued again on every further edge ─▶ delivered, or answered with a refusal
//!                                                                    │ calls, and what asked for it
//!   counted at the origin ◀── the same for the receipt ◀─────────────┘
//! ```

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, ensure};
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::ExitCode;
use subnet_types::actors::refusal;
use subnet_types::cross::{call_key, message_id};
use subnet_types::{ChainIdentity, CrossKind, CrossMessage, Digest, Height, SubnetId};

use super::Edge;
use super::facts::Fact;
use super::order::Arrival;

/// The chain on which something happened, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its number.
    pub number: usize,
    /// Its name.
    pub subnet: SubnetId,
    /// Its identity.
    pub identity: ChainIdentity,
    /// Height of the block.
    pub height: Height,
}

/// How far a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// On this edge.
    OnEdge(Arrival),
    /// Its destination has it and answers later.
    Deferred,
    /// It was delivered, or refused for a reason.
    Ended(ExitCode),
}

/// One message and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Journey {
    /// As it was last queued.
    message: CrossMessage,
    /// The chain that made it.
    made_on: usize,
    stage: Stage,
    /// The edge that it has left for the next one, in a call that is not over.
    left: Option<Arrival>,
    /// The receipt that answers it, and what that says.
    answer: Option<(Digest, ExitCode)>,
    /// Whether that receipt counted at the origin.
    is_told: bool,
}

/// All messages.
#[derive(Clone, Debug, Default)]
pub struct Journeys {
    all: BTreeMap<Digest, Journey>,
    /// Numbers that chains have given their messages.
    numbers: BTreeSet<(usize, u64)>,
    /// What was delivered, by chain and address, in attoFIL.
    credits: BTreeMap<(usize, Vec<u8>), TokenAmount>,
    /// Ends by code, to see what seeds have tried.
    ends: BTreeMap<u32, u64>,
    /// The last block's answers put off, by chain.
    deferred: BTreeSet<(usize, Digest)>,
    open: u64,
}

impl Journeys {
    /// Takes in one thing that happened at `here`, on the edge that [`super::order::take`] found.
    ///
    /// # Errors
    /// What must not happen.
    pub fn take(&mut self, edges: &[Edge], here: &Place, fact: &Fact, arrival: Option<Arrival>) -> anyhow::Result<()> {
        match (fact, arrival) {
            (Fact::Queued { message, .. }, Some(edge)) => {
                let known = self.all.contains_key(&message.id);
                if known { self.went_on(edges, here, message, edge) } else { self.made(edges, here, message, edge) }
                    .with_context(|| format!("message {message:?}"))
            }
            (Fact::Settled { id, exit_code, answered }, Some(edge)) => {
                self.settled(here, id, *exit_code, *answered, edge).with_context(|| format!("message {id}"))
            }
            // Whatever was kept is somebody's that could not be credited. Here everybody can.
            (Fact::Kept { id }, _) => anyhow::bail!("what message {id} brought could not be credited"),
            _ => Ok(()),
        }
    }

    /// What was delivered to an address, in attoFIL.
    pub fn credited(&self, chain: usize, address: &Address) -> TokenAmount {
        self.credits.get(&(chain, address.to_bytes())).cloned().unwrap_or_default()
    }

    /// How many messages there were.
    pub fn count(&self) -> u64 {
        self.all.len() as u64
    }

    /// How many messages ended with which code.
    pub fn ends(&self) -> &BTreeMap<u32, u64> {
        &self.ends
    }

    /// How many messages have not ended, or have and somebody has still to be told.
    pub fn open(&self) -> u64 {
        self.open
    }

    /// Whether every message has ended, and everybody was told who had to be.
    pub fn are_over(&self) -> bool {
        self.open == 0
    }

    /// The key of one of the calls that a destination on this chain has not answered yet, with its value in attoFIL.
    pub fn deferred_on(&self, chain: usize) -> Option<(Digest, TokenAmount)> {
        let range = (chain, Digest::ZERO)..=(chain, Digest([0xff; 32]));
        let (_, id) = self.deferred.range(range).next()?;
        let message = &self.all.get(id)?.message;
        Some((call_key(&message.origin.subnet, id), message.value.clone()))
    }

    /// The first time that a message is seen, on the chain that makes it.
    fn made(&mut self, edges: &[Edge], here: &Place, message: &CrossMessage, edge: Arrival) -> anyhow::Result<()> {
        let origin = &message.origin;
        ensure!(origin.subnet == here.subnet, "it is new here, and of {}", origin.subnet);
        let id = message_id(&here.identity, &origin.address, message.origin_sequence);
        ensure!(message.id == id, "its id is not made of its chain, origin and number");
        ensure!(self.numbers.insert((here.number, message.origin_sequence)), "its number was given out before");
        ensure!(!message.value.is_negative() && !message.fee.is_negative(), "its amount is below zero");
        if let CrossKind::Receipt { of, of_sequence, exit_code, .. } = &message.kind {
            self.answers(edges, here, message, *of, *of_sequence, *exit_code)?;
        }
        let (stage, made_on) = (Stage::OnEdge(edge), here.number);
        let journey = Journey { message: message.clone(), made_on, stage, left: None, answer: None, is_told: false };
        self.open += 1;
        self.all.insert(message.id, journey);
        Ok(())
    }

    /// A receipt is made where what it answers has just arrived, or was put off; it goes back with the value, or without.
    fn answers(
        &mut self,
        edges: &[Edge],
        here: &Place,
        receipt: &CrossMessage,
        of: Digest,
        of_sequence: u64,
        exit_code: ExitCode,
    ) -> anyhow::Result<()> {
        let journey = self.all.get_mut(&of).context("it answers what nobody sent")?;
        let sent = &journey.message;
        ensure!(!matches!(sent.kind, CrossKind::Receipt { .. }), "it answers a receipt");
        ensure!(journey.answer.is_none(), "it is the second answer");
        ensure!(of_sequence == sent.origin_sequence && receipt.destination == sent.origin, "it goes to somebody else");
        ensure!(receipt.origin.address == sent.destination.address, "it comes from somebody else");
        ensure!(receipt.fee <= sent.fee, "it brings a fee of {}, {} were left", receipt.fee, sent.fee);
        let is_at_end = here.subnet == sent.destination.subnet;
        match journey.stage {
            Stage::OnEdge(arrival) => {
                ensure!(ends_at(edges, arrival) == here.number, "what it answers is elsewhere");
                let back = if exit_code.is_success() { TokenAmount::default() } else { sent.value.clone() };
                ensure!(receipt.value == back, "it brings {} back, expected {back}", receipt.value);
                ensure!(is_at_end || !exit_code.is_success(), "it says delivered where nothing can be");
                let wants = matches!(sent.kind, CrossKind::Call { .. }) || sent.wants_receipt;
                ensure!(wants || !exit_code.is_success(), "nobody asked for it");
            }
            Stage::Deferred => {
                ensure!(is_at_end, "what it answers was put off elsewhere");
                ensure!(receipt.value <= sent.value, "it brings {} back, {} came", receipt.value, sent.value);
                self.deferred.remove(&(here.number, of));
            }
            Stage::Ended(code) => anyhow::bail!("what it answers has ended with {code}"),
        }
        journey.answer = Some((receipt.id, exit_code));
        if journey.stage == Stage::Deferred {
            journey.stage = Stage::Ended(ExitCode::OK);
        }
        Ok(())
    }

    /// A message is put on its next edge where it has just arrived, as it was but for fee and nonce.
    fn went_on(&mut self, edges: &[Edge], here: &Place, message: &CrossMessage, edge: Arrival) -> anyhow::Result<()> {
        let journey = self.all.get_mut(&message.id).context("it is known")?;
        let Stage::OnEdge(before) = journey.stage else { anyhow::bail!("it goes on after it has ended") };
        ensure!(ends_at(edges, before) == here.number, "it goes on where it is not");
        ensure!(journey.left.is_none() && journey.answer.is_none(), "it goes on twice, or after its answer");
        ensure!(before != edge, "it goes back");
        let same = CrossMessage { fee: message.fee.clone(), nonce: message.nonce, ..journey.message.clone() };
        ensure!(same == *message, "it was {:?}", journey.message);
        ensure!(!message.fee.is_negative() && message.fee <= journey.message.fee, "its fee grew");
        journey.left = Some(before);
        journey.stage = Stage::OnEdge(edge);
        journey.message = same;
        Ok(())
    }

    fn settled(
        &mut self,
        here: &Place,
        id: &Digest,
        exit_code: ExitCode,
        answered: Option<(Digest, ExitCode)>,
        edge: Arrival,
    ) -> anyhow::Result<()> {
        let journey = self.all.get_mut(id).context("it settled and was never queued")?;
        let is_at_end = journey.message.destination.subnet == here.subnet;
        if journey.left.take() == Some(edge) {
            ensure!(exit_code.is_success() && !is_at_end, "it went on and ended with {exit_code}");
            return Ok(());
        }
        ensure!(journey.stage == Stage::OnEdge(edge), "it settled, and is {:?}", journey.stage);
        let message = journey.message.clone();
        let answer = journey.answer.map(|(_, code)| code);
        if let CrossKind::Receipt { of, exit_code: outcome, .. } = &message.kind {
            ensure!(exit_code.is_success() && is_at_end, "a true receipt was refused with {exit_code}");
            ensure!(answered == Some((*of, *outcome)), "it says {outcome} of {of} and counted as {answered:?}");
            journey.stage = Stage::Ended(exit_code);
            self.open -= 1;
            return self.told(here, id, of);
        }
        ensure!(answered.is_none(), "it counted as an answer");
        let is_expired = message.expires.is_some_and(|expires| here.height >= expires);
        if exit_code.is_success() {
            ensure!(is_at_end, "it was delivered on another chain than its destination's");
            ensure!(!is_expired, "it was delivered after it had expired");
            let key = (here.number, message.destination.address.to_bytes());
            *self.credits.entry(key).or_default() += &message.value;
        } else {
            ensure!(answer.is_some(), "it was refused with {exit_code}, and its value did not go back");
            // The code that a call runs may fail with any number, with this one too.
            let is_own = is_at_end && matches!(message.kind, CrossKind::Call { .. });
            ensure!(exit_code != refusal::EXPIRED || is_own || (is_expired && is_at_end), "it did not expire");
        }
        if answer.is_some() {
            ensure!(answer == Some(exit_code), "it ended with {exit_code}, its answer says {answer:?}");
        }
        let is_call = matches!(message.kind, CrossKind::Call { .. });
        ensure!(answer.is_some() || is_call || !message.wants_receipt, "it is not answered");
        *self.ends.entry(exit_code.value()).or_default() += 1;
        let is_deferred = is_call && answer.is_none();
        journey.stage = if is_deferred { Stage::Deferred } else { Stage::Ended(exit_code) };
        if is_deferred {
            self.deferred.insert((here.number, *id));
        } else if answer.is_none() {
            self.open -= 1;
        }
        Ok(())
    }

    /// The sender of `of` was told.
    fn told(&mut self, here: &Place, receipt: &Digest, of: &Digest) -> anyhow::Result<()> {
        let journey = self.all.get_mut(of).context("it answers what nobody sent")?;
        ensure!(journey.made_on == here.number, "it counted on another chain than the sender's");
        ensure!(journey.answer.is_some_and(|(id, _)| id == *receipt), "it is not the answer");
        ensure!(!journey.is_told, "it counted twice");
        ensure!(matches!(journey.stage, Stage::Ended(_)), "it counted before what it answers had ended");
        journey.is_told = true;
        self.open -= 1;
        Ok(())
    }
}

/// The chain at which a message that goes over an edge arrives.
fn ends_at(edges: &[Edge], arrival: Arrival) -> usize {
    let edge = &edges[arrival.edge];
    if arrival.is_down { edge.child } else { edge.parent }
}

#[cfg(test)]
pub(super) mod tests {
    use fvm_ipld_encoding::RawBytes;
    use subnet_types::Nonce;
    use subnet_types::cross::CrossAddress;

    use super::*;

    const ROOT: usize = 0;
    const SUBNET: usize = 1;
    const DOWN: Arrival = Arrival { edge: 0, is_down: true };
    const UP: Arrival = Arrival { edge: 0, is_down: false };

    fn place(number: usize) -> Place {
        let root = SubnetId::root(1);
        let subnet = if number == ROOT { root } else { root.child(Address::new_actor(b"subnet")).unwrap() };
        Place { number, subnet, identity: Digest([number as u8; 32]), height: Height::new(10) }
    }

    fn at(number: usize, name: &[u8]) -> CrossAddress {
        CrossAddress { subnet: place(number).subnet, address: Address::new_actor(name) }
    }

    /// A transfer from the root to its subnet.
    pub(in crate::checks) fn message(sequence: u64) -> CrossMessage {
        let (origin, destination) = (at(ROOT, b"from"), at(SUBNET, b"to"));
        CrossMessage {
            id: message_id(&place(ROOT).identity, &origin.address, sequence),
            origin,
            origin_sequence: sequence,
            destination,
            value: TokenAmount::from_atto(10),
            kind: CrossKind::Transfer,
            nonce: Nonce::ZERO,
            gas_limit: 0,
            fee: TokenAmount::from_atto(2),
            expires: None,
            wants_receipt: true,
        }
    }

    fn receipt(of: &CrossMessage, exit_code: ExitCode) -> CrossMessage {
        let (of_sequence, return_data) = (of.origin_sequence, RawBytes::default());
        CrossMessage {
            id: message_id(&place(SUBNET).identity, &of.destination.address, 0),
            origin: of.destination.clone(),
            origin_sequence: 0,
            destination: of.origin.clone(),
            value: if exit_code.is_success() { TokenAmount::default() } else { of.value.clone() },
            kind: CrossKind::Receipt { of: of.id, of_sequence, exit_code, return_data },
            wants_receipt: false,
            ..message(0)
        }
    }

    struct World {
        edges: Vec<Edge>,
        journeys: Journeys,
    }

    impl World {
        fn new() -> Self {
            let edges = vec![Edge::new(SUBNET, ROOT, 105, Digest::ZERO)];
            Self { edges, journeys: Journeys::default() }
        }

        /// A world in which `message` is on its way down.
        fn with(message: &CrossMessage) -> Self {
            let mut world = Self::new();
            world.queued(ROOT, message, DOWN).unwrap();
            world
        }

        fn queued(&mut self, number: usize, message: &CrossMessage, edge: Arrival) -> anyhow::Result<()> {
            let fact = Fact::Queued { actor: edge.is_down.then_some(105), message: Box::new(message.clone()) };
            self.journeys.take(&self.edges, &place(number), &fact, Some(edge))
        }

        fn settles(&mut self, number: usize, id: Digest, exit_code: ExitCode, edge: Arrival) -> anyhow::Result<()> {
            let fact = Fact::Settled { id, exit_code, answered: None };
            self.journeys.take(&self.edges, &place(number), &fact, Some(edge))
        }

        fn counts(&mut self, receipt: &CrossMessage, of: Digest, outcome: ExitCode) -> anyhow::Result<()> {
            let fact = Fact::Settled { id: receipt.id, exit_code: ExitCode::OK, answered: Some((of, outcome)) };
            self.journeys.take(&self.edges, &place(ROOT), &fact, Some(UP))
        }
    }

    #[test]
    fn a_message_that_wants_a_receipt_is_over_when_its_sender_was_told() {
        let (sent, told) = (message(0), receipt(&message(0), ExitCode::OK));
        let mut world = World::with(&sent);
        world.queued(SUBNET, &told, UP).unwrap();
        world.settles(SUBNET, sent.id, ExitCode::OK, DOWN).unwrap();
        assert!(!world.journeys.are_over());
        world.counts(&told, sent.id, ExitCode::OK).unwrap();
        assert!(world.journeys.are_over());
        assert_eq!(world.journeys.credited(SUBNET, &sent.destination.address), sent.value);
        assert!(world.counts(&told, sent.id, ExitCode::OK).is_err(), "once");
        assert!(world.settles(SUBNET, sent.id, ExitCode::OK, DOWN).is_err(), "delivered once");
    }

    #[test]
    fn forged_messages_are_found() {
        let forged: [fn(&mut CrossMessage); 5] = [
            |m| m.id = Digest([9; 32]),
            |m| m.origin = at(SUBNET, b"from"),
            |m| m.origin_sequence = 1,
            |m| m.value = TokenAmount::from_atto(-1),
            |m| m.origin.address = Address::new_actor(b"other"),
        ];
        for change in forged {
            let mut message = message(0);
            change(&mut message);
            assert!(World::new().queued(ROOT, &message, DOWN).is_err(), "{message:?}");
        }
        let mut world = World::with(&message(0));
        let other = CrossMessage { origin: at(ROOT, b"x"), ..message(0) };
        let other = CrossMessage { id: message_id(&place(ROOT).identity, &other.origin.address, 0), ..other };
        assert!(world.queued(ROOT, &other, DOWN).is_err(), "the number is taken");
    }

    #[test]
    fn answers_that_are_not_true_are_found() {
        let sent = message(0);
        let failed = receipt(&sent, ExitCode::USR_NOT_FOUND);
        let forged: [fn(&mut CrossMessage); 6] = [
            |m| m.value -= TokenAmount::from_atto(1),
            |m| m.fee = TokenAmount::from_atto(3),
            |m| m.destination = at(ROOT, b"thief"),
            |m| m.origin.address = Address::new_actor(b"other"),
            |m| m.kind = receipt(&message(1), ExitCode::USR_NOT_FOUND).kind,
            |m| m.kind = receipt(&message(0), ExitCode::OK).kind,
        ];
        for change in forged {
            let mut receipt = failed.clone();
            change(&mut receipt);
            receipt.id = message_id(&place(SUBNET).identity, &receipt.origin.address, 0);
            assert!(World::with(&sent).queued(SUBNET, &receipt, UP).is_err(), "{receipt:?}");
        }
        let mut world = World::with(&sent);
        world.queued(SUBNET, &failed, UP).unwrap();
        assert!(world.settles(SUBNET, sent.id, ExitCode::OK, DOWN).is_err(), "it says refused");
        let second = CrossMessage { origin_sequence: 1, ..failed.clone() };
        let second = CrossMessage { id: message_id(&place(SUBNET).identity, &second.origin.address, 1), ..second };
        assert!(world.queued(SUBNET, &second, UP).is_err(), "the second answer");
        world.settles(SUBNET, sent.id, ExitCode::USR_NOT_FOUND, DOWN).unwrap();
        assert!(world.counts(&failed, sent.id, ExitCode::OK).is_err(), "it says refused");
    }

    #[test]
    fn messages_that_end_without_a_word_are_found() {
        let sent = message(0);
        let refused = World::with(&sent).settles(SUBNET, sent.id, ExitCode::USR_NOT_FOUND, DOWN);
        assert!(refused.is_err(), "its value is lost");
        assert!(World::with(&sent).settles(SUBNET, sent.id, ExitCode::OK, DOWN).is_err(), "it wants a receipt");
        assert!(World::with(&sent).settles(SUBNET, sent.id, ExitCode::OK, UP).is_err(), "it did not come that way");
        let expired = CrossMessage { expires: Some(Height::new(10)), wants_receipt: false, ..message(0) };
        assert!(World::with(&expired).settles(SUBNET, expired.id, ExitCode::OK, DOWN).is_err(), "too late");
        let kept = Fact::Kept { id: sent.id };
        let mut world = World::with(&sent);
        assert!(world.journeys.take(&world.edges, &place(SUBNET), &kept, None).is_err());
    }

    #[test]
    fn only_the_code_of_a_call_may_fail_with_the_number_of_an_expiry() {
        let call = CrossKind::Call { method: 1, params: RawBytes::default() };
        for (kind, is_allowed) in [(call, true), (CrossKind::Transfer, false)] {
            let sent = CrossMessage { kind, ..message(0) };
            let mut world = World::with(&sent);
            world.queued(SUBNET, &receipt(&sent, refusal::EXPIRED), UP).unwrap();
            let settled = world.settles(SUBNET, sent.id, refusal::EXPIRED, DOWN);
            assert_eq!(settled.is_ok(), is_allowed, "{sent:?}");
        }
    }

    #[test]
    fn messages_that_change_on_the_way_are_found() {
        let edges = vec![Edge::new(SUBNET, ROOT, 105, Digest::ZERO), Edge::new(2, SUBNET, 105, Digest::ZERO)];
        let further = Arrival { edge: 1, is_down: true };
        type Change = fn(&mut CrossMessage);
        let changes: [(bool, Change); 5] = [
            (true, |m| m.fee = TokenAmount::from_atto(1)),
            (false, |m| m.fee = TokenAmount::from_atto(3)),
            (false, |m| m.value = TokenAmount::from_atto(11)),
            (false, |m| m.destination.address = Address::new_actor(b"thief")),
            (false, |m| m.kind = CrossKind::Call { method: 1, params: RawBytes::default() }),
        ];
        for (is_allowed, change) in changes {
            let mut world = World { edges: edges.clone(), journeys: Journeys::default() };
            let mut sent = message(0);
            sent.destination.subnet = place(SUBNET).subnet.child(Address::new_actor(b"further")).unwrap();
            world.queued(ROOT, &sent, DOWN).unwrap();
            change(&mut sent);
            assert_eq!(world.queued(SUBNET, &sent, further).is_ok(), is_allowed, "{sent:?}");
            if is_allowed {
                world.settles(SUBNET, sent.id, ExitCode::OK, DOWN).unwrap();
                assert!(world.queued(SUBNET, &sent, further).is_err(), "it is not there any more");
            }
        }
    }
}
