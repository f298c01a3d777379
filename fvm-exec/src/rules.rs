//! What execution needs to know of its chain, all of it fixed at genesis.

use fvm::machine::NetworkConfig;
use fvm_shared::chainid::ChainID;
use fvm_shared::econ::TokenAmount;
use fvm_shared::version::NetworkVersion;
use subnet_types::genesis::mint_reserve;
use subnet_types::hash::blake2b_256;
use subnet_types::{ChainIdentity, Genesis, SubnetId};

/// The VM's rules: gas prices, syscalls, limits.
///
/// 29 is the highest version that fvm 4.8.4 runs without a development feature, and its price list is that of 25, the
/// newest with frozen prices. It is a constant of the protocol: a node with another one computes other gas.
pub const NETWORK_VERSION: NetworkVersion = NetworkVersion::V29;

/// Subnets' VM chain ids are this plus a number below it: above every id in public registries, below the largest
/// (about 2^52) that common Ethereum wallets accept.
const SUBNET_CHAIN_ID_BASE: u64 = 1 << 50;

/// What execution needs to know of its chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainRules {
    /// What `chain_id` says inside the VM.
    pub chain_id: u64,
    /// Identity of the chain.
    pub identity: ChainIdentity,
    /// Gas that the signed messages of one block may ask for together.
    pub block_gas_limit: u64,
    /// All the value that the state holds: a root's balances at genesis, a subnet's mint reserve. No message changes
    /// the sum.
    pub issued: TokenAmount,
}

impl ChainRules {
    /// The rules of the chain that starts from `genesis`.
    pub fn of(genesis: &Genesis) -> Self {
        let identity = genesis.identity();
        Self {
            chain_id: vm_chain_id(&genesis.subnet, &identity),
            identity,
            block_gas_limit: genesis.chain.block_gas_limit,
            issued: issued(genesis),
        }
    }

    pub(crate) fn network_config(&self) -> NetworkConfig {
        let mut config = NetworkConfig::new(NETWORK_VERSION);
        config.chain_id(ChainID::from(self.chain_id));
        config
    }
}

/// A root's is the one in its name. A subnet's comes from its identity, so that an EIP-155 signature for one chain is
/// worth nothing on another of the same hierarchy.
fn vm_chain_id(subnet: &SubnetId, identity: &ChainIdentity) -> u64 {
    if subnet.is_root() {
        return subnet.root_chain_id();
    }
    let digest = blake2b_256(&[b"subnet-runtime/vm-chain-id/v1".as_slice(), identity.as_bytes()].concat());
    let head = digest.as_bytes()[..8].try_into().expect("a digest has 32 bytes");
    SUBNET_CHAIN_ID_BASE + u64::from_be_bytes(head) % SUBNET_CHAIN_ID_BASE
}

fn issued(genesis: &Genesis) -> TokenAmount {
    if genesis.subnet.is_root() {
        genesis.balances.iter().map(|entry| entry.balance.clone()).sum()
    } else {
        mint_reserve()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fvm_shared::address::Address;
    use subnet_types::Digest;

    #[test]
    fn chain_ids_are_the_roots_own_or_derived_inside_the_safe_range() {
        let root = SubnetId::root(31_415_926);
        assert_eq!(vm_chain_id(&root, &Digest([1; 32])), 31_415_926);
        let child = root.child(Address::new_actor(b"child")).unwrap();
        let ids: Vec<u64> = (0..4).map(|seed| vm_chain_id(&child, &Digest([seed; 32]))).collect();
        assert!(ids.iter().all(|id| (SUBNET_CHAIN_ID_BASE..2 * SUBNET_CHAIN_ID_BASE).contains(id)), "{ids:?}");
        assert!(ids.windows(2).all(|pair| pair[0] != pair[1]), "another identity, another id: {ids:?}");
    }
}
