//! Cross messages as their users send them: the message to the gateway, the way it takes, and what it has to prepay.

use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use subnet_types::SubnetId;
use subnet_types::actors::{EnqueueReturn, GATEWAY_ID, SendParams, gateway};
use subnet_types::cross::{CrossAddress, CrossKind, answer_gas, delivery_gas, departure_gas};

use crate::rpc::{WaitOptions, Waiting};
use crate::sender::{Done, Draft, SendError, Sender};

/// A cross message on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enqueued {
    /// Id and position on the first edge.
    pub message: EnqueueReturn,
    /// The message to the gateway that enqueued it.
    pub done: Done,
}

/// Hands a cross message to the gateway of the sender's chain. `value` is for the recipient; the fee in `params` is
/// paid on top of it.
///
/// # Errors
/// When the message cannot be sent, or the gateway refuses it at the door.
pub async fn send(
    sender: &Sender,
    params: &SendParams,
    value: &TokenAmount,
    options: WaitOptions,
    progress: impl FnMut(&Waiting),
) -> Result<Enqueued, SendError> {
    let draft = Draft::call(Address::new_id(GATEWAY_ID), value + &params.fee, gateway::SEND, params);
    let done = sender.send(&draft, options, progress).await?;
    Ok(Enqueued { message: done.decode()?, done })
}

/// A plain transfer that prepays `fee` and, as every transfer that is delivered, is not answered.
pub fn transfer(subnet: SubnetId, address: Address, fee: TokenAmount) -> SendParams {
    SendParams { to: CrossAddress { subnet, address }, call: None, fee, expires: None, wants_receipt: false }
}

/// The chains that a message passes, both ends included: up to the first chain that has both below it, and down.
/// `None` between two hierarchies, which no edge connects.
pub fn way(from: &SubnetId, to: &SubnetId) -> Option<Vec<SubnetId>> {
    let mut way = vec![from.clone()];
    let mut here = from.clone();
    while !to.is_within(&here) {
        here = here.parent()?;
        way.push(here.clone());
    }
    for actor in &to.route()[here.route().len()..] {
        here = here.child(*actor).ok()?;
        way.push(here.clone());
    }
    Some(way)
}

/// The lower end of the first edge on the way from `from` to `to`, which names the edge; `None` when there is none.
pub fn first_edge(from: &SubnetId, to: &SubnetId) -> Option<SubnetId> {
    match &way(from, to)?[..] {
        [from, next, ..] => Some(if next.is_within(from) { next.clone() } else { from.clone() }),
        _ => None,
    }
}

/// What a message must find in its purse so that no chain on its way refuses it, and its answer is paid for too.
///
/// `edge_prices` are the prices of the edges in the order in which it crosses them, in attoFIL for each unit of
/// delivery gas. On each edge it pays for one delivery at the far end; before each it must still hold the price of the way
/// there and back. An answer pays on its way back for deliveries of its own.
pub fn fee_needed(edge_prices: &[TokenAmount], kind: &CrossKind, gas_limit: u64, is_answered: bool) -> TokenAmount {
    let there = delivery_gas(kind, gas_limit);
    let there_and_back = departure_gas(kind, gas_limit, is_answered);
    let back = if is_answered { answer_gas(kind) } else { 0 };
    let (mut paid, mut needed) = (TokenAmount::default(), TokenAmount::default());
    for price in edge_prices {
        needed = needed.max(&paid + price * there_and_back);
        paid += price * there;
    }
    let both_ways = edge_prices.iter().fold(paid, |sum, price| sum + price * back);
    needed.max(both_ways)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fvm_ipld_encoding::RawBytes;
    use subnet_types::limits::CROSS_CALL_GAS_MAX;

    fn actor(name: &str) -> Address {
        Address::new_actor(name.as_bytes())
    }

    fn chain(route: &[&str]) -> SubnetId {
        SubnetId::new(1, route.iter().map(|name| actor(name)).collect()).expect("few levels")
    }

    #[test]
    fn the_way_leads_up_to_the_common_chain_and_down() {
        let passed = |from: &[&str], to: &[&str]| way(&chain(from), &chain(to)).expect("one hierarchy");
        assert_eq!(passed(&[], &["a"]), [chain(&[]), chain(&["a"])]);
        assert_eq!(passed(&["a"], &[]), [chain(&["a"]), chain(&[])]);
        assert_eq!(passed(&["a"], &["b"]), [chain(&["a"]), chain(&[]), chain(&["b"])]);
        assert_eq!(
            passed(&["a", "x"], &["b", "y"]),
            [chain(&["a", "x"]), chain(&["a"]), chain(&[]), chain(&["b"]), chain(&["b", "y"])]
        );
        assert_eq!(passed(&["a", "x"], &["a", "y"]), [chain(&["a", "x"]), chain(&["a"]), chain(&["a", "y"])]);
        assert_eq!(passed(&["a"], &["a"]), [chain(&["a"])]);
        assert_eq!(way(&chain(&["a"]), &SubnetId::root(2)), None);
    }

    #[test]
    fn an_edge_has_the_name_of_its_lower_end() {
        assert_eq!(first_edge(&chain(&[]), &chain(&["a", "x"])), Some(chain(&["a"])));
        assert_eq!(first_edge(&chain(&["a", "x"]), &chain(&["b"])), Some(chain(&["a", "x"])));
        assert_eq!(first_edge(&chain(&["a"]), &chain(&["a"])), None);
    }

    #[test]
    fn fee_lasts_there_and_back_over_every_edge() {
        let price = TokenAmount::from_atto;
        // A hop of a transfer; what a call's or a receipt's has beside its gas; a receipt; one with all that a call may return.
        let (hop, beside, receipt, full) = (60_000_000, 130_000_000, 190_000_000, 206_384_000);
        let transfer = |prices: &[TokenAmount], answered| fee_needed(prices, &CrossKind::Transfer, 0, answered);
        assert_eq!(transfer(&[], false), price(0));
        assert_eq!(transfer(&[price(0), price(0)], true), price(0));
        assert_eq!(transfer(&[price(3)], false), price(6 * hop));
        // Over the first edge it pays 3, and before the second it must hold twice 5.
        assert_eq!(transfer(&[price(3), price(5)], false), price(13 * hop));
        assert_eq!(transfer(&[price(5), price(1)], false), price(10 * hop), "the first edge asks for most");
        assert_eq!(transfer(&[price(3)], true), price(3 * (hop + receipt)));
        let call = CrossKind::Call { method: 2, params: RawBytes::default() };
        assert_eq!(fee_needed(&[price(1)], &call, 1000, true), price(beside + 1000 + full));
        let most = fee_needed(&[price(1)], &call, u64::MAX, true);
        assert_eq!(most, price(beside + CROSS_CALL_GAS_MAX + full));
    }
}
