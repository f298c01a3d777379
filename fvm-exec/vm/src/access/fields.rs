//! The parts of an actor that a message can depend on.

use std::fmt;
use std::ops::{BitOr, BitOrAssign};

/// A set of an actor's fields.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Fields(u8);

impl Fields {
    /// Whether there is such an actor. Every access depends on that.
    pub const PRESENT: Self = Self(1);
    /// Its code and its delegated address, which change together.
    pub const CODE: Self = Self(1 << 1);
    /// The root of its state.
    pub const HEAD: Self = Self(1 << 2);
    /// Its nonce.
    pub const SEQUENCE: Self = Self(1 << 3);
    /// Its balance, to the last attoFIL.
    pub const BALANCE: Self = Self(1 << 4);
    /// Everything.
    pub const ALL: Self = Self(0b1_1111);

    /// Whether all of `fields` are among these.
    pub const fn contains(self, fields: Self) -> bool {
        self.0 & fields.0 == fields.0
    }
}

impl BitOr for Fields {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Fields {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (Self::PRESENT, "present"),
            (Self::CODE, "code"),
            (Self::HEAD, "head"),
            (Self::SEQUENCE, "sequence"),
            (Self::BALANCE, "balance"),
        ];
        f.debug_set().entries(names.iter().filter(|(field, _)| self.contains(*field)).map(|(_, name)| name)).finish()
    }
}
