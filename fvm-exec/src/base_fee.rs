//! The price burned for each unit of gas, block by block.

use fvm_shared::bigint::BigInt;
use fvm_shared::econ::TokenAmount;
use num_traits::Zero;
use subnet_types::genesis::ChainParameters;

/// The base fee moves by at most one part in this many from block to block, as in EIP-1559.
const CHANGE_DENOMINATOR: u64 = 8;

/// Base fee of the block after one that had `base_fee` and used `gas_used`.
///
/// A block that uses half of the gas limit leaves the fee as it is; above that it rises, below it falls, and never
/// below the chain's minimum. A rise is at least one attoFIL, or a fee of a few attoFIL could never rise again.
pub fn next(base_fee: &TokenAmount, gas_used: u64, parameters: &ChainParameters) -> TokenAmount {
    // A limit of 1 would make a target of 0, and a division by it.
    let target = (parameters.block_gas_limit / 2).max(1);
    // Gas above the limit cannot be; the bound keeps the change within its eighth whatever comes in.
    let gas_used = gas_used.min(target.saturating_mul(2));
    let share = |distance: u64| -> BigInt { base_fee.atto() * distance / target / CHANGE_DENOMINATOR };
    let atto = if gas_used > target {
        let rise = share(gas_used - target);
        base_fee.atto() + if rise.is_zero() { BigInt::from(1) } else { rise }
    } else {
        base_fee.atto() - share(target - gas_used)
    };
    TokenAmount::from_atto(atto).max(parameters.base_fee_min.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use subnet_types::hash::cid_of;
    use subnet_types::message::SignaturePolicy;

    fn parameters(block_gas_limit: u64, base_fee_min: u64) -> ChainParameters {
        ChainParameters {
            block_interval_ms: 1000,
            block_gas_limit,
            base_fee_min: TokenAmount::from_atto(base_fee_min),
            signatures: SignaturePolicy::Bound,
            checkpoint_period_blocks: 10,
            trusting_period_ms: 1_000_000,
            cross_gas_price: TokenAmount::default(),
            bundle: cid_of(&0u8),
        }
    }

    fn step(base_fee: u64, gas_used: u64, limit: u64, min: u64) -> String {
        next(&TokenAmount::from_atto(base_fee), gas_used, &parameters(limit, min)).atto().to_string()
    }

    #[test]
    fn full_empty_and_half_blocks_move_the_fee_by_an_eighth_or_not() {
        assert_eq!(step(800, 2000, 2000, 100), "900");
        assert_eq!(step(800, 0, 2000, 100), "700");
        assert_eq!(step(800, 1000, 2000, 100), "800");
        assert_eq!(step(800, 1500, 2000, 100), "850");
    }

    #[test]
    fn fee_never_falls_below_the_minimum_and_can_always_rise() {
        assert_eq!(step(100, 0, 2000, 100), "100");
        assert_eq!(step(0, 2000, 2000, 0), "1");
        assert_eq!(step(3, 2000, 2000, 0), "4");
        assert_eq!(step(50, 1000, 2000, 100), "100", "a fee below the minimum comes back to it");
    }

    #[test]
    fn smallest_gas_limit_divides_by_nothing() {
        assert_eq!(step(800, 1, 1, 0), "800");
        assert_eq!(step(800, 0, 1, 0), "700");
    }

    proptest! {
        #[test]
        fn change_is_at_most_an_eighth(fee in 100u64..u64::MAX / 16, gas in any::<u64>(), limit in 1u64..u64::MAX) {
            let after = next(&TokenAmount::from_atto(fee), gas, &parameters(limit, 100));
            let eighth = fee / 8;
            prop_assert!(after >= TokenAmount::from_atto((fee - eighth).max(100)));
            prop_assert!(after <= TokenAmount::from_atto(fee + eighth.max(1)));
        }
    }
}
