//! Amounts as people write them.

use client::amount::{Amount, AmountError};
use fvm_shared::bigint::BigInt;
use fvm_shared::econ::TokenAmount;
use proptest::prelude::*;

fn atto(text: &str) -> Result<BigInt, AmountError> {
    text.parse::<Amount>().map(|amount| amount.0.atto().clone())
}

#[test]
fn units_and_fractions_are_exact() {
    let fil = BigInt::from(10u64.pow(18));
    assert_eq!(atto("1 FIL"), Ok(fil.clone()));
    assert_eq!(atto("1.5FIL"), Ok(&fil * 3 / 2));
    assert_eq!(atto(" 0.000000000000000001 fil "), Ok(1.into()));
    assert_eq!(atto("100 nanoFIL"), Ok(BigInt::from(100) * 10u64.pow(9)));
    assert_eq!(atto("2000 milliFIL"), Ok(&fil * 2));
    assert_eq!(atto("1.000 attoFIL"), Ok(1.into()), "zeros after the point are nothing");
    assert_eq!(atto("0 FIL"), Ok(0.into()));
}

#[test]
fn what_is_no_amount_is_named() {
    for text in
        ["", " ", "FIL", "-1 FIL", "+1 FIL", "1e3 FIL", "1,5 FIL", ".5 FIL", "1. FIL", "1.2.3 FIL", "0x10 FIL", "١ FIL"]
    {
        let error = atto(text).expect_err(text);
        assert!(matches!(error, AmountError::Form { .. } | AmountError::Unit { .. }), "{text}: {error}");
    }
    assert!(matches!(atto("1"), Err(AmountError::NoUnit { .. })));
    assert!(matches!(atto("1 ETH"), Err(AmountError::Unit { .. })));
    assert!(matches!(atto("1 FILFIL"), Err(AmountError::Unit { .. })));
    assert!(matches!(atto("0.5 attoFIL"), Err(AmountError::TooFine { decimals: 0, .. })));
    assert!(matches!(atto("1.0000000000000000001 FIL"), Err(AmountError::TooFine { decimals: 18, .. })));
    assert!(matches!(atto(&format!("{} FIL", "9".repeat(70))), Err(AmountError::TooLong { actual: 88 })));
    assert!(atto(&format!("{} FIL", "9".repeat(1_000_000))).is_err());
}

#[test]
fn amounts_read_well() {
    let text = |atto: i64| Amount(TokenAmount::from_atto(atto)).to_string();
    assert_eq!(text(0), "0 FIL");
    assert_eq!(text(1_500_000_000_000_000_000), "1.5 FIL");
    assert_eq!(text(1_000_000_000), "0.000000001 FIL");
    assert_eq!(text(123), "123 attoFIL");
    assert_eq!(text(-2_000_000_000_000_000_000), "-2 FIL");
}

proptest! {
    #[test]
    fn every_amount_reads_back_as_itself(value in 0u128..) {
        let amount = Amount(TokenAmount::from_atto(value));
        prop_assert_eq!(amount.to_string().parse::<Amount>(), Ok(amount));
    }

    #[test]
    fn any_text_is_an_amount_or_an_error(text in ".*") {
        let _ = text.parse::<Amount>();
    }

    #[test]
    fn digits_mean_what_they_say(whole in 0u64.., fraction in 0u64..1_000_000_000) {
        let text = format!("{whole}.{fraction:09} nanoFIL");
        prop_assert_eq!(atto(&text), Ok(BigInt::from(whole) * 1_000_000_000u64 + fraction));
    }
}
