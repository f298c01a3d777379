//! Where a message goes from here, and which chains lie on its way.

use fvm_ipld_blockstore::Blockstore;
use fvm_shared::ActorID;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::ExitCode;
use subnet_types::SubnetId;
use subnet_types::actors::refusal;
use subnet_types::cross::CrossKind;

use super::State;
use crate::types::GatewayError;

/// The next step of a message, with the price of the edge that it crosses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// It has arrived.
    Here,
    /// To the parent.
    Up {
        /// In attoFIL per unit of delivery gas.
        price: TokenAmount,
    },
    /// To the child of this checkpoint actor.
    Down {
        /// Which.
        id: ActorID,
        /// In attoFIL per unit of delivery gas.
        price: TokenAmount,
    },
}

impl State {
    /// The next step of a message of this kind towards `subnet`, or the refusal's code when there is none. Names alone
    /// decide; `resolve` finds the actor that a name's step stands for. To a child whose end is announced only answers
    /// go.
    ///
    /// # Errors
    /// When the store fails.
    pub fn way_to(
        &self,
        store: &impl Blockstore,
        subnet: &SubnetId,
        kind: &CrossKind,
        resolve: impl FnOnce(&Address) -> Option<ActorID>,
    ) -> Result<Result<Way, ExitCode>, GatewayError> {
        if *subnet == self.subnet {
            return Ok(Ok(Way::Here));
        }
        if !subnet.is_within(&self.subnet) {
            let is_ours = subnet.root_chain_id() == self.subnet.root_chain_id();
            let parent = self.parent.as_ref().filter(|_| is_ours);
            return Ok(parent.map(|parent| Way::Up { price: parent.cross_gas_price.clone() }).ok_or(refusal::NO_ROUTE));
        }
        let Some(step) = subnet.route().get(self.subnet.route().len()) else { return Ok(Err(refusal::NO_ROUTE)) };
        let Some(id) = resolve(step) else { return Ok(Err(refusal::UNKNOWN_SUBNET)) };
        // An actor may have two robust addresses; its child has one name.
        let child = self.child(store, id)?.filter(|child| child.is_active && child.actor == *step);
        let Some(child) = child else { return Ok(Err(refusal::UNKNOWN_SUBNET)) };
        let is_answer = matches!(kind, CrossKind::Receipt { .. });
        if child.has_exited || (child.is_closing && !is_answer) {
            return Ok(Err(refusal::KILLED_SUBNET));
        }
        Ok(Ok(Way::Down { id, price: child.cross_gas_price }))
    }
}

/// Whether a message from `from` to `to` passes `chain`, both ends included.
pub fn is_on_the_way(from: &SubnetId, to: &SubnetId, chain: &SubnetId) -> bool {
    let shared = from.route().iter().zip(to.route()).take_while(|(one, other)| one == other).count();
    chain.route().len() >= shared && (from.is_within(chain) || to.is_within(chain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn way_goes_over_the_common_ancestor_and_no_further() {
        let root = SubnetId::root(1);
        let below = |parent: &SubnetId, name: &str| parent.child(Address::new_actor(name.as_bytes())).unwrap();
        let (middle, aunt) = (below(&root, "middle"), below(&root, "aunt"));
        let (left, right) = (below(&middle, "left"), below(&middle, "right"));
        for on_the_way in [&left, &middle, &right] {
            assert!(is_on_the_way(&left, &right, on_the_way), "{on_the_way}");
        }
        for elsewhere in [&root, &aunt, &below(&right, "deeper"), &SubnetId::root(2)] {
            assert!(!is_on_the_way(&left, &right, elsewhere), "{elsewhere}");
        }
        assert!(is_on_the_way(&left, &aunt, &root));
    }
}
