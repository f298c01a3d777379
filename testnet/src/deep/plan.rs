//! What the deep demo sends: a transfer and a call on every kind of route, and a message into every kind of failure.

use std::collections::BTreeMap;

use anyhow::Context;
use cross_caller::served;
use fvm_shared::address::Address;
use subnet_types::SubnetId;
use subnet_types::actors::refusal;

use crate::network::Network;
use crate::topology::{Account, Topology};

/// The account that sends, on every chain from which something is sent.
pub const SENDER: &str = "alice";

/// Gas for the code of calls that shall succeed. An account needs a small part of it.
pub const CALL_GAS: u64 = 100_000_000;

/// Gas in which no code ends.
const NO_GAS: u64 = 1;

/// The contracts, by the names of their chains in the topology.
pub type Contracts = BTreeMap<&'static str, Address>;

/// What the contract is asked to fail with.
const REVERT_CODE: u32 = 33;

/// The chains that get a [`Recipient::Contract`]: one to which calls go down, one to which they go up.
pub const CONTRACT_CHAINS: [&str; 2] = ["left", "root"];

/// How a message has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Its destination has it.
    Delivered,
    /// Refused with this code.
    Refused(u32),
}

/// A method to call at the destination, as `cross send` takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Its name, or its number.
    pub method: String,
    /// Its parameters in hexadecimal.
    pub params: &'static str,
    /// Gas for the code.
    pub gas: u64,
}

/// A call that every account takes.
fn ping(gas: u64) -> Call {
    Call { method: "Ping".to_owned(), params: "", gas }
}

/// To whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recipient {
    /// An address that nobody has used, so that its balance tells what came.
    Fresh,
    /// An address that no account can have.
    Nobody,
    /// The checkpoint actor of another subnet there.
    CheckpointActor,
    /// An actor with code that fails as it is asked to.
    Contract,
}

/// One message to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// How its sender calls the destination.
    pub route: &'static str,
    /// `transfer`, `call`, or the failure.
    pub kind: &'static str,
    /// Sending chain, by its name in the topology.
    pub from: &'static str,
    /// Receiving chain; `None` for a subnet that does not exist.
    pub to: Option<&'static str>,
    /// Whom.
    pub recipient: Recipient,
    /// What is called; `None` for a transfer.
    pub call: Option<Call>,
    /// What `cross send` gets besides.
    pub options: &'static [&'static str],
    /// How it has to end.
    pub expected: Expected,
}

/// Every kind of route, from one chain to another.
pub const ROUTES: [(&str, &str, &str); 6] = [
    ("child", "root", "left"),
    ("parent", "left", "root"),
    ("sibling", "left", "right"),
    ("cousin", "left_leaf", "right_leaf"),
    ("grandparent", "left_leaf", "root"),
    ("grandchild", "root", "right_leaf"),
];

/// What is sent, in this order on each chain.
pub fn acts() -> Vec<Act> {
    let on_route = |(route, from, to), kind, call| Act {
        route,
        kind,
        from,
        to: Some(to),
        recipient: Recipient::Fresh,
        call,
        options: &[],
        expected: Expected::Delivered,
    };
    let mut acts: Vec<Act> = ROUTES.iter().map(|route| on_route(*route, "transfer", None)).collect();
    acts.extend(ROUTES.iter().map(|route| on_route(*route, "call", Some(ping(CALL_GAS)))));
    let up = on_route(("parent", "left", "root"), "", None);
    let down = on_route(("child", "root", "left"), "", None);
    let over = on_route(("sibling", "left", "right"), "", None);
    let refused = |code: fvm_shared::error::ExitCode| Expected::Refused(code.value());
    acts.extend([
        Act {
            kind: "no such actor",
            recipient: Recipient::Nobody,
            expected: refused(refusal::NO_DESTINATION),
            ..down.clone()
        },
        Act {
            kind: "forbidden target",
            recipient: Recipient::CheckpointActor,
            expected: refused(refusal::FORBIDDEN),
            ..up.clone()
        },
        Act { kind: "out of gas", call: Some(ping(NO_GAS)), expected: refused(refusal::OUT_OF_GAS), ..down.clone() },
        Act { kind: "expired", options: &["--expires", "1"], expected: refused(refusal::EXPIRED), ..over.clone() },
        // The first edge is free and takes it; the one to the sibling has a price.
        Act { kind: "fee too low", options: &["--fee", "0 FIL"], expected: refused(refusal::FEE_TOO_LOW), ..over },
        Act { kind: "unknown subnet", to: None, expected: refused(refusal::UNKNOWN_SUBNET), ..up },
    ]);
    acts.extend(contract_acts());
    acts
}

/// Calls of a contract's code that does harm to nobody but the call, from above and from below.
fn contract_acts() -> impl Iterator<Item = Act> {
    // Parameters are CBOR: the code to revert with, and zeros that the other methods do not read.
    let revert = ("revert", served::REVERT, "1821", REVERT_CODE);
    let endless = ("endless loop", served::LOOP, "00", refusal::OUT_OF_GAS.value());
    let stack = ("endless recursion", served::OVERFLOW_STACK, "00", refusal::TRAPPED.value());
    [("child", "root", "left"), ("parent", "left", "root")].into_iter().flat_map(move |(route, from, to)| {
        [revert, endless, stack].map(|(kind, method, params, code)| Act {
            route,
            kind,
            from,
            to: Some(to),
            recipient: Recipient::Contract,
            call: Some(Call { method: method.to_string(), params, gas: CALL_GAS }),
            options: &[],
            expected: Expected::Refused(code),
        })
    })
}

impl Act {
    /// Where it goes, and to whom there. A fresh address comes from the caller.
    ///
    /// # Errors
    /// When a chain does not run.
    pub fn destination(
        &self,
        network: &Network,
        contracts: &Contracts,
        fresh: Address,
    ) -> anyhow::Result<(SubnetId, Address)> {
        let nobody = Address::new_actor(b"nobody has this address");
        let subnet = match self.to {
            Some(name) => network.chain(name)?.subnet.clone(),
            None => network.chain("root")?.subnet.child(nobody)?,
        };
        let address = match self.recipient {
            Recipient::Fresh => fresh,
            Recipient::Nobody => nobody,
            Recipient::Contract => *contracts.get(self.to.unwrap_or_default()).context("no contract was made there")?,
            Recipient::CheckpointActor => network.chain("right")?.subnet.checkpoint_actor().unwrap_or(nobody),
        };
        Ok((subnet, address))
    }

    /// Whether its sender gets an answer.
    pub fn is_answered(&self) -> bool {
        self.call.is_some() || self.expected != Expected::Delivered
    }

    /// Whether an outcome is the expected one.
    pub fn is_met(&self, outcome: &str, exit_code: Option<u32>) -> bool {
        match (self.expected, outcome, exit_code) {
            (Expected::Delivered, "delivered", code) => code.unwrap_or_default() == 0,
            (Expected::Refused(expected), "refused", Some(code)) => code == expected,
            _ => false,
        }
    }
}

/// Whether the story can be played on a topology.
///
/// # Errors
/// When a chain is missing.
pub fn check(topology: &Topology) -> anyhow::Result<()> {
    let find = |name: &str| topology.chains.iter().find(|chain| chain.name == name);
    for act in acts() {
        for name in [Some(act.from), act.to].into_iter().flatten() {
            anyhow::ensure!(find(name).is_some(), "the story needs a chain named {name:?}");
        }
        let is_sender = |account: &Account| account.name == SENDER;
        let has_sender = find(act.from).is_some_and(|chain| chain.accounts.iter().any(is_sender));
        anyhow::ensure!(has_sender, "the story needs an account named {SENDER:?} on {:?}", act.from);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_taken_by_a_transfer_and_a_call_between_chains_that_exist() {
        check(&Topology::deep(None).expect("parses")).expect("all there");
        for (route, ..) in ROUTES {
            for kind in ["transfer", "call"] {
                assert!(acts().iter().any(|act| act.route == route && act.kind == kind), "{kind} to {route}");
            }
        }
        let failures = acts().iter().filter(|act| act.expected != Expected::Delivered).count();
        assert_eq!(failures, 12);
        for act in acts().iter().filter(|act| act.recipient == Recipient::Contract) {
            assert!(act.to.is_some_and(|to| CONTRACT_CHAINS.contains(&to)), "{act:?}");
        }
    }

    #[test]
    fn routes_have_the_names_that_their_ends_have_in_the_topology() {
        let topology = Topology::deep(None).expect("parses");
        let parent =
            |name: &str| topology.chains.iter().find(|chain| chain.name == name).and_then(|chain| chain.parent.clone());
        let grandparent = |name: &str| parent(name).and_then(|name| parent(&name));
        for (route, from, to) in ROUTES {
            let is_right = match route {
                "child" => parent(to).as_deref() == Some(from),
                "parent" => parent(from).as_deref() == Some(to),
                "sibling" => parent(from) == parent(to),
                "grandparent" => grandparent(from).as_deref() == Some(to),
                "grandchild" => grandparent(to).as_deref() == Some(from),
                "cousin" => grandparent(from) == grandparent(to) && parent(from) != parent(to),
                other => panic!("{other}"),
            };
            assert!(is_right, "{from} → {to} is no {route}");
        }
    }

    #[test]
    fn only_the_expected_end_is_met() {
        let acts = acts();
        let act = |kind: &str| acts.iter().find(|act| act.kind == kind).expect("is planned");
        assert!(act("call").is_met("delivered", Some(0)) && !act("call").is_met("refused", Some(7)));
        assert!(act("expired").is_met("refused", Some(103)) && !act("expired").is_met("refused", Some(107)));
        assert!(act("out of gas").is_met("refused", Some(117)) && !act("out of gas").is_met("refused", Some(107)));
        assert!(!act("out of gas").is_met("delivered", Some(0)));
        assert!(!act("transfer").is_met("unknown", None));
    }
}
