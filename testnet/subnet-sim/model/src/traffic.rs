//! What a gateway does with a message: send, take over an edge, forward, deliver, answer, settle.
//!
//! Each function has the message's amount in hand and has put all of it somewhere when it returns.

use crate::config::{Config, Hop};
use crate::message::{Address, Amount, ChainId, Code, Id, Kind, Message, Place, Send};
use crate::mutation::Mutation;
use crate::world::{Counted, Pending, World};

/// The edge over which a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Parent,
    Child(ChainId),
}

impl World {
    /// Whether the gateway's door lets this in.
    pub(crate) fn may_send(&self, config: &Config, send: &Send) -> bool {
        let has_funds = self.chain(send.from.chain).balance(send.from.address) >= send.value + send.fee;
        has_funds && send.fee >= 2 * config.cross_gas_price
    }

    /// A message enters here.
    pub(crate) fn send(&mut self, config: &Config, send: &Send) {
        let Send { from, to, kind, value, fee } = send.clone();
        let chain = self.chain_mut(from.chain);
        chain.credit(from.address, -(value + fee));
        let sequence = chain.next_sequence;
        chain.next_sequence += 1;
        if kind.is_answered() {
            chain.pending.insert(sequence, Pending { destination: to, amount: value + fee });
        }
        let id = Id { chain: from.chain, address: from.address, sequence };
        let message = Message { id, origin: from, destination: to, value, fee, kind };
        self.ledger.issued.insert(id, message.clone());
        self.go_on(config, from.chain, message);
    }

    /// A message has crossed an edge.
    pub(crate) fn take(&mut self, config: &Config, here: ChainId, side: Side, mut message: Message) {
        let amount = message.amount();
        let is_inside = |chain, top| config.is_within(chain, top);
        let (is_forged, is_astray) = match side {
            Side::Child(child) => {
                (!is_inside(message.origin.chain, child), is_inside(message.destination.chain, child))
            }
            Side::Parent => (is_inside(message.origin.chain, here), !is_inside(message.destination.chain, here)),
        };
        if side == Side::Parent {
            self.chain_mut(here).minted += amount;
        }
        if is_forged && !config.breaks(Mutation::OriginUnchecked) {
            return match side {
                // There is nobody to tell: back to where it came from.
                Side::Child(child) => self.lock(child, amount),
                Side::Parent => self.keep_unclaimed(here, &message),
            };
        }
        if is_astray {
            return self.answer(config, here, message, Code::Refused);
        }
        let price = config.cross_gas_price;
        let cost = if message.kind.is_receipt() { message.fee.min(price) } else { price };
        if message.fee < cost {
            return self.answer(config, here, message, Code::Refused);
        }
        message.fee -= cost;
        match side {
            Side::Child(_) => self.chain_mut(here).credit(Address::Relayer, cost),
            Side::Parent => self.burn(config, here, cost),
        }
        let is_passing = message.destination.chain != here && !message.kind.is_receipt();
        if is_passing && message.fee < 2 * price {
            return self.answer(config, here, message, Code::Refused);
        }
        self.go_on(config, here, message);
    }

    /// On to the next edge, or to its destination here.
    fn go_on(&mut self, config: &Config, here: ChainId, message: Message) {
        match config.hop(here, message.destination.chain) {
            Hop::Here => self.deliver(config, here, message),
            Hop::Down(child) => {
                self.lock(child, message.amount());
                self.edge_mut(child).queue.push(message);
            }
            Hop::Up => {
                let chain = self.chain_mut(here);
                if !config.breaks(Mutation::UnmintForgotten) {
                    chain.minted -= message.amount();
                }
                chain.outbox.push(message);
            }
            Hop::Nowhere => self.answer(config, here, message, Code::Refused),
        }
    }

    fn deliver(&mut self, config: &Config, here: ChainId, message: Message) {
        let to = message.destination.address;
        let is_done = match message.kind {
            Kind::Receipt { of, code } => return self.settle(config, here, message, of, code),
            Kind::Transfer | Kind::TransferWithReceipt => to != Address::Missing,
            Kind::Call => to == Address::Contract,
        };
        let chain = self.chain_mut(here);
        if !is_done {
            if config.breaks(Mutation::ValueMovesBeforeFailure) {
                chain.credit(to, message.value);
            }
            return self.answer(config, here, message, Code::Failed);
        }
        chain.credit(to, message.value);
        if message.kind == Kind::Call {
            // The contract takes what it can of its caller's. The courier never has anything.
            if config.breaks(Mutation::CallRunsAsUser) && chain.balance(Address::User) > 0 {
                chain.credit(Address::User, -1);
                chain.credit(to, 1);
            }
        }
        self.ledger.executed.push(message.clone());
        if message.kind.is_answered() {
            self.answer(config, here, message, Code::Ok);
        } else {
            self.burn(config, here, message.fee);
        }
    }

    /// The outcome, with what comes back. A receipt is never answered.
    fn answer(&mut self, config: &Config, here: ChainId, message: Message, code: Code) {
        if message.kind.is_receipt() {
            return self.keep_unclaimed(here, &message);
        }
        let is_kept = code == Code::Ok || config.breaks(Mutation::RefundForgotten);
        let chain = self.chain_mut(here);
        let id = Id { chain: here, address: message.destination.address, sequence: chain.next_sequence };
        chain.next_sequence += 1;
        let receipt = Message {
            id,
            origin: Place::new(here, message.destination.address),
            destination: message.origin,
            value: if is_kept { 0 } else { message.value },
            fee: message.fee,
            kind: Kind::Receipt { of: message.id, code },
        };
        self.ledger.issued.insert(id, receipt.clone());
        self.go_on(config, here, receipt);
    }

    /// A receipt is home. What of it does not count goes to the unclaimed ledger.
    fn settle(&mut self, config: &Config, here: ChainId, receipt: Message, of: Id, code: Code) {
        let (amount, from) = (receipt.amount(), receipt.origin.chain);
        let to = receipt.destination.address;
        let chain = self.chain(here);
        let is_known = of.chain == here && of.address == to && of.sequence < chain.next_sequence;
        let is_repeated = is_known && chain.settled & (1 << of.sequence) != 0;
        let (is_from_the_way, is_affordable) = match chain.pending.get(&of.sequence) {
            Some(sent) if code == Code::Ok => (from == sent.destination.chain, amount <= sent.amount),
            Some(sent) => (config.is_between(from, here, sent.destination.chain), amount <= sent.amount),
            // Where a plain transfer went is not remembered; only its refusal is ever told.
            None => (code != Code::Ok, true),
        };
        let counts = is_known
            && !config.breaks(Mutation::ReceiptNeverCounts)
            && (!is_repeated || config.breaks(Mutation::ReceiptRepeats))
            && (is_from_the_way || config.breaks(Mutation::ReceiptSenderUnchecked))
            && (is_affordable || config.breaks(Mutation::ReceiptValueUnchecked));
        if !counts {
            return self.keep_unclaimed(here, &receipt);
        }
        let chain = self.chain_mut(here);
        chain.settled |= 1 << of.sequence;
        chain.pending.remove(&of.sequence);
        chain.credit(to, amount);
        self.ledger.counted.push(Counted { of, code, amount });
        self.ledger.executed.push(receipt);
    }

    fn keep_unclaimed(&mut self, here: ChainId, message: &Message) {
        let amount = message.amount();
        if amount != 0 {
            *self.chain_mut(here).unclaimed.entry(message.destination.address).or_insert(0) += amount;
        }
    }

    fn lock(&mut self, child: ChainId, amount: Amount) {
        self.edge_mut(child).custody += amount;
        self.ledger.locked[child.index()] += amount;
    }

    fn burn(&mut self, config: &Config, here: ChainId, amount: Amount) {
        let chain = self.chain_mut(here);
        if config.breaks(Mutation::BurnIntoReserve) && here != ChainId::ROOT {
            chain.minted -= amount;
        } else {
            chain.burnt += amount;
        }
    }
}
