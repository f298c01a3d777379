//! Counters, each in its own type.
//!
//! There is no `From<u64>`: the call site says which quantity a number is. Arithmetic is checked; `next` is for
//! counters that cannot reach `u64::MAX` in a chain's life.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(u64);

        impl $name {
            /// Zero.
            pub const ZERO: Self = Self(0);

            /// Says that `value` is this quantity.
            pub const fn new(value: u64) -> Self {
                Self(value)
            }

            /// The bare number, for encoders and display.
            pub const fn get(self) -> u64 {
                self.0
            }

            /// The next value.
            ///
            /// # Panics
            /// At `u64::MAX`, which no chain reaches by counting.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0 + 1)
            }

            /// The value before; `None` at zero.
            pub fn previous(self) -> Option<Self> {
                self.0.checked_sub(1).map(Self)
            }

            /// `self + by`, or `None` where that overflows.
            pub fn checked_add(self, by: u64) -> Option<Self> {
                self.0.checked_add(by).map(Self)
            }

            /// How far `self` is past `earlier`; zero when it is not.
            pub fn saturating_since(self, earlier: Self) -> u64 {
                self.0.saturating_sub(earlier.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = std::num::ParseIntError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

quantity!(
    /// Position of a block in one chain. Height 0 is genesis and final without votes.
    Height
);
quantity!(
    /// Position of a cross message on one edge in one direction. The first message has nonce 0.
    Nonce
);
quantity!(
    /// Position of a checkpoint in one subnet's checkpoint chain. The first checkpoint has sequence 1.
    Sequence
);
quantity!(
    /// Voting weight of a validator, or a sum of them. 3 × any total fits a `u128`.
    Power
);
quantity!(
    /// Number of a validator configuration of one subnet. Activation makes number 1 and each membership change
    /// the next.
    ConfigurationNumber
);
quantity!(
    /// Milliseconds since the Unix epoch, as a block's proposer stated and more than 2/3 of the power accepted.
    TimestampMs
);

impl Height {
    /// The block every node starts from.
    pub const GENESIS: Self = Self(0);

    /// The height as the VM's epoch.
    ///
    /// # Panics
    /// Above `i64::MAX`, which no chain reaches by counting.
    pub fn epoch(self) -> i64 {
        i64::try_from(self.0).expect("heights are counted up from zero")
    }
}

impl ConfigurationNumber {
    /// The configuration that activation froze.
    pub const FIRST: Self = Self(1);
}

impl TimestampMs {
    /// Whole seconds, the VM's unit.
    pub const fn seconds(self) -> u64 {
        self.0 / 1000
    }
}
