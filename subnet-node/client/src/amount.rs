//! Amounts of FIL as people write them, in whole numbers from end to end.

use std::fmt;
use std::str::FromStr;

use fvm_shared::bigint::BigInt;
use fvm_shared::econ::TokenAmount;
use num_traits::Zero as _;

use crate::api::AMOUNT_DIGITS_MAX;

/// An amount as text: `1.5 FIL`, `100 nanoFIL`, `7 attoFIL`. Reads all of these and writes FIL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amount(pub TokenAmount);

/// Why a text is no amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// No number, or more than digits and a point.
    #[error("{text:?} is no amount: expected a number and a unit, as in \"1.5 FIL\", \"100 nanoFIL\" or \"7 attoFIL\"")]
    Form {
        /// What came, cut to a readable length.
        text: String,
    },
    /// A unit nobody knows.
    #[error("unit {unit:?} is unknown: expected FIL, milliFIL, microFIL, nanoFIL, picoFIL, femtoFIL or attoFIL")]
    Unit {
        /// What came, cut to a readable length.
        unit: String,
    },
    /// A number without a unit could mean FIL or attoFIL, a factor of 10^18.
    #[error("amount {number:?} has no unit: write \"{number} FIL\" or \"{number} attoFIL\"")]
    NoUnit {
        /// The number.
        number: String,
    },
    /// Smaller than the smallest unit.
    #[error("{text:?} is not a whole number of attoFIL: {unit} has {decimals} decimals")]
    TooFine {
        /// What came.
        text: String,
        /// The unit.
        unit: &'static str,
        /// Digits after the point that it has.
        decimals: usize,
    },
    /// More digits than any amount has.
    #[error("an amount of {actual} digits, at most {AMOUNT_DIGITS_MAX} are read")]
    TooLong {
        /// How many came.
        actual: usize,
    },
}

/// Units and the digits that one of each has after the point.
const UNITS: [(&str, usize); 7] =
    [("FIL", 18), ("milliFIL", 15), ("microFIL", 12), ("nanoFIL", 9), ("picoFIL", 6), ("femtoFIL", 3), ("attoFIL", 0)];

impl FromStr for Amount {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        let shown: String = text.chars().take(80).collect();
        let form = || AmountError::Form { text: shown.clone() };
        let trimmed = text.trim();
        let split = trimmed.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(trimmed.len());
        let (number, unit) = (trimmed[..split].trim_end(), &trimmed[split..]);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let is_digits = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
        if !is_digits(whole) || !is_digits(fraction) || whole.is_empty() || number.ends_with('.') {
            return Err(form());
        }
        if unit.is_empty() {
            return Err(AmountError::NoUnit { number: number.chars().take(80).collect() });
        }
        let (name, decimals) = UNITS
            .into_iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(unit))
            .ok_or_else(|| AmountError::Unit { unit: unit.chars().take(40).collect() })?;
        let fraction = fraction.trim_end_matches('0');
        if fraction.len() > decimals {
            return Err(AmountError::TooFine { text: shown, unit: name, decimals });
        }
        let digits = format!("{whole}{fraction:0<decimals$}");
        if digits.len() > AMOUNT_DIGITS_MAX {
            return Err(AmountError::TooLong { actual: digits.len() });
        }
        let atto = BigInt::from_str(&digits).map_err(|_| form())?;
        Ok(Self(TokenAmount::from_atto(atto)))
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let atto = self.0.atto();
        let (sign, magnitude) = (if self.0.is_negative() { "-" } else { "" }, atto.magnitude().to_string());
        let padded = format!("{magnitude:0>19}");
        let (whole, fraction) = padded.split_at(padded.len() - 18);
        let fraction = fraction.trim_end_matches('0');
        // Dust reads better in its own unit than behind fifteen zeros.
        if whole == "0" && fraction.len() > 9 && !atto.is_zero() {
            return write!(f, "{sign}{magnitude} attoFIL");
        }
        let point = if fraction.is_empty() { "" } else { "." };
        write!(f, "{sign}{whole}{point}{fraction} FIL")
    }
}

impl From<TokenAmount> for Amount {
    fn from(amount: TokenAmount) -> Self {
        Self(amount)
    }
}
