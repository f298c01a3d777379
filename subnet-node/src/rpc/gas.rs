//! What a message should offer: gas from a trial on a state, prices from the last block.

use client::api::{ApiError, MessageSendSpec};
use fvm_exec::CallOutcome;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use subnet_types::Height;

use super::chain::internal;
use super::context::RpcContext;
use super::limits::{FEE_CAP_BASE_FEES, GAS_MARGIN_PERCENT, GAS_PREMIUM_ATTO};

impl RpcContext {
    /// Runs `message` on the state after `height` and forgets the result.
    pub(super) fn trial(&self, message: &Message, height: Height) -> Result<CallOutcome, ApiError> {
        self.chain.call(height, message).map_err(internal)
    }

    /// `message` with gas limit, premium and fee cap filled in where they are zero.
    pub(super) fn estimate(
        &self,
        mut message: Message,
        spec: Option<MessageSendSpec>,
        height: Height,
    ) -> Result<Message, ApiError> {
        if message.gas_limit == 0 {
            let outcome = self.trial(&message, height)?;
            if !outcome.exit_code.is_success() {
                let reason = outcome.failure.unwrap_or_else(|| "no further reason".to_owned());
                return Err(ApiError::InvalidParams(format!(
                    "the message would fail with exit code {}: {reason}; set GasLimit to send it nevertheless",
                    outcome.exit_code.value()
                )));
            }
            message.gas_limit = with_margin(outcome.gas_used).min(self.genesis().chain.block_gas_limit);
        }
        fill_prices(&mut message, &self.chain.tip().next_base_fee, &spec.unwrap_or_default());
        Ok(message)
    }
}

fn with_margin(gas: u64) -> u64 {
    gas.saturating_add(gas / 100 * GAS_MARGIN_PERCENT).saturating_add(1)
}

fn fill_prices(message: &mut Message, base_fee: &TokenAmount, spec: &MessageSendSpec) {
    let is_premium_open = message.gas_premium.is_zero();
    if is_premium_open {
        message.gas_premium = TokenAmount::from_atto(GAS_PREMIUM_ATTO);
    }
    if message.gas_fee_cap.is_zero() {
        message.gas_fee_cap = base_fee * FEE_CAP_BASE_FEES + &message.gas_premium;
        let max_fee = &spec.max_fee.0;
        if max_fee.is_positive() && message.gas_limit > 0 {
            let cap_max = max_fee.div_floor(message.gas_limit);
            message.gas_fee_cap = message.gas_fee_cap.clone().min(cap_max);
        }
    }
    // A premium above the cap is invalid; one that the caller chose is theirs to mend.
    if is_premium_open {
        message.gas_premium = message.gas_premium.clone().min(message.gas_fee_cap.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use client::api::JsonAmount;
    use fvm_ipld_encoding::RawBytes;
    use fvm_shared::address::Address;

    /// Fee cap and premium, filled in at a base fee of a million.
    fn filled(gas_limit: u64, fee_cap: u64, premium: u64, max_fee: u64) -> (u64, u64) {
        let mut message = Message {
            version: 0,
            from: Address::new_id(100),
            to: Address::new_id(101),
            sequence: 0,
            value: TokenAmount::default(),
            method_num: 0,
            params: RawBytes::default(),
            gas_limit,
            gas_fee_cap: TokenAmount::from_atto(fee_cap),
            gas_premium: TokenAmount::from_atto(premium),
        };
        let spec = MessageSendSpec { max_fee: JsonAmount(TokenAmount::from_atto(max_fee)) };
        fill_prices(&mut message, &TokenAmount::from_atto(1_000_000), &spec);
        let atto = |amount: &TokenAmount| u64::try_from(amount.atto().clone()).expect("small");
        (atto(&message.gas_fee_cap), atto(&message.gas_premium))
    }

    #[test]
    fn open_prices_cover_two_base_fees_and_the_premium() {
        assert_eq!(filled(1000, 0, 0, 0), (2_000_000 + GAS_PREMIUM_ATTO, GAS_PREMIUM_ATTO));
        assert_eq!(filled(1000, 0, 7, 0), (2_000_007, 7));
    }

    #[test]
    fn chosen_prices_stay() {
        assert_eq!(filled(1000, 5_000_000, 9, 1), (5_000_000, 9));
        assert_eq!(filled(1000, 50_000, 0, 0), (50_000, 50_000), "an open premium fits under a chosen cap");
    }

    #[test]
    fn a_largest_fee_bounds_the_cap_and_the_open_premium() {
        assert_eq!(filled(1000, 0, 0, 50_000_000), (50_000, 50_000));
        assert_eq!(filled(0, 0, 0, 1), (2_000_000 + GAS_PREMIUM_ATTO, GAS_PREMIUM_ATTO), "no gas, nothing to divide");
    }

    #[test]
    fn margin_is_a_quarter_and_never_overflows() {
        assert_eq!(with_margin(1_000_000), 1_250_001);
        assert_eq!(with_margin(u64::MAX), u64::MAX);
    }
}
