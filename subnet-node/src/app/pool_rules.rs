//! The mempool's rules of a chain, taken from the VM's own, so that the pool keeps no message that no block may hold.

use fvm_exec::preflight;
use fvm_shared::message::Message;
use mempool::{IntrinsicGas, MessageRules};
use subnet_types::Genesis;

/// What the mempool of a chain with this genesis admits.
pub fn pool_rules(genesis: &Genesis) -> MessageRules {
    let base = preflight::inclusion_gas(0);
    MessageRules {
        block_gas_limit: genesis.chain.block_gas_limit,
        intrinsic: IntrinsicGas { base, per_byte: preflight::inclusion_gas(1) - base },
        base_fee_min: genesis.chain.base_fee_min.clone(),
        form,
    }
}

fn form(message: &Message, length: usize, block_gas_limit: u64) -> Result<(), String> {
    preflight::check_form(message, length, block_gas_limit).map_err(|rejection| rejection.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::tests::world::root;
    use subnet_types::limits::MESSAGE_BYTES_MAX;

    #[test]
    fn a_messages_length_costs_in_the_pool_what_it_costs_in_the_vm() {
        let intrinsic = pool_rules(&root().genesis).intrinsic;
        for length in [0, 1, 2, 99, 200, 4096, MESSAGE_BYTES_MAX] {
            assert_eq!(intrinsic.of(length), preflight::inclusion_gas(length), "{length} bytes");
        }
    }
}
