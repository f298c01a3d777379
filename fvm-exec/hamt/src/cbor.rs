//! As much of DAG-CBOR as nodes need: values are passed over and not decoded.

use crate::node::Malformed;

// Major types, RFC 8949 §3.1.
pub(crate) const BYTES: u8 = 2;
pub(crate) const ARRAY: u8 = 4;
pub(crate) const TAG: u8 = 6;

/// Goes through encoded values from the first on.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How many bytes are read.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// The major type of the value that begins here.
    pub(crate) fn major(&self) -> Option<u8> {
        self.bytes.get(self.at).map(|first| first >> 5)
    }

    /// The length of an array, whose values are next.
    pub(crate) fn array(&mut self, what: &str) -> Result<u64, Malformed> {
        self.expect(ARRAY, "an array", what)
    }

    pub(crate) fn tag(&mut self, what: &str) -> Result<u64, Malformed> {
        self.expect(TAG, "a tag", what)
    }

    pub(crate) fn byte_string(&mut self, what: &str) -> Result<&'a [u8], Malformed> {
        let length = self.expect(BYTES, "a byte string", what)?;
        self.take(length).ok_or_else(|| cut_short(what))
    }

    /// The bytes of the value that begins here.
    pub(crate) fn span(&mut self, what: &str) -> Result<&'a [u8], Malformed> {
        let from = self.at;
        // Counted, not nested: a value may nest as deep as its block is long.
        let mut open = 1_u64;
        while open > 0 {
            open -= 1;
            let (major, argument) = self.head().ok_or_else(|| cut_short(what))?;
            let inside = match major {
                // Numbers, and what is neither: true, null, floats.
                0 | 1 | 7 => 0,
                2 | 3 => self.take(argument).map(|_| 0).ok_or_else(|| cut_short(what))?,
                4 => argument,
                5 => argument.saturating_mul(2),
                _ => 1,
            };
            open = open.saturating_add(inside);
        }
        Ok(&self.bytes[from..self.at])
    }

    /// Nothing follows?
    pub(crate) fn end(&self, what: &str) -> Result<(), Malformed> {
        if self.at == self.bytes.len() { Ok(()) } else { Err(format!("{what}: bytes after its end")) }
    }

    fn expect(&mut self, major: u8, name: &str, what: &str) -> Result<u64, Malformed> {
        match self.head() {
            Some((found, argument)) if found == major => Ok(argument),
            Some((found, _)) => Err(format!("{what}: expected {name}, found major type {found}")),
            None => Err(cut_short(what)),
        }
    }

    /// Major type and argument (RFC 8949 §3). `None` when it is cut short or the length is not given.
    fn head(&mut self) -> Option<(u8, u64)> {
        let first = *self.bytes.get(self.at)?;
        self.at += 1;
        let argument = match first & 0x1f {
            low @ 0..=23 => u64::from(low),
            low @ 24..=27 => self.take(1 << (low - 24))?.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)),
            _ => return None,
        };
        Some((first >> 5, argument))
    }

    fn take(&mut self, length: u64) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..)?.get(..usize::try_from(length).ok()?)?;
        self.at += taken.len();
        Some(taken)
    }
}

fn cut_short(what: &str) -> Malformed {
    format!("{what}: it is cut short, or a length is not given")
}

/// A head in the shortest form, as DAG-CBOR wants it.
pub(crate) fn write_head(out: &mut Vec<u8>, major: u8, argument: u64) {
    let major = major << 5;
    match argument {
        0..=23 => out.push(major | argument as u8),
        24..=0xff => out.extend_from_slice(&[major | 24, argument as u8]),
        0x100..=0xffff => {
            out.push(major | 25);
            out.extend_from_slice(&(argument as u16).to_be_bytes());
        }
        0x1_0000..=0xffff_ffff => {
            out.push(major | 26);
            out.extend_from_slice(&(argument as u32).to_be_bytes());
        }
        _ => {
            out.push(major | 27);
            out.extend_from_slice(&argument.to_be_bytes());
        }
    }
}

pub(crate) fn write_bytes(out: &mut Vec<u8>, content: &[u8]) {
    write_head(out, BYTES, content.len() as u64);
    out.extend_from_slice(content);
}
