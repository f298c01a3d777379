//! Plain transfers between accounts.

use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;

use super::random::Zipf;
use super::turn::{Source, Turn};
use super::world::address;

/// What one transfer moves.
fn value() -> TokenAmount {
    TokenAmount::from_nano(1)
}

/// Every message has a sender and a receiver of its own, the same in each block.
pub(crate) struct Disjoint;

impl Source for Disjoint {
    fn message(&mut self, turn: &mut Turn<'_>) -> Message {
        turn.senders.send(address(2 * turn.index), address(2 * turn.index + 1), value())
    }
}

/// Many senders, one receiver.
pub(crate) struct HotReceiver;

impl Source for HotReceiver {
    fn message(&mut self, turn: &mut Turn<'_>) -> Message {
        turn.senders.send(address(turn.index + 1), address(0), value())
    }
}

/// One sender, many receivers.
pub(crate) struct HotSender;

impl Source for HotSender {
    fn message(&mut self, turn: &mut Turn<'_>) -> Message {
        turn.senders.send(address(0), address(turn.index + 1), value())
    }
}

/// Sender and receiver are drawn, each like the other.
pub(crate) struct Drawn {
    pub accounts: Zipf,
}

impl Source for Drawn {
    fn message(&mut self, turn: &mut Turn<'_>) -> Message {
        let [from, to] = [(), ()].map(|()| address(self.accounts.draw(turn.random)));
        turn.senders.send(from, to, value())
    }
}
