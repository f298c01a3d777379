//! Names of chains in a hierarchy.

use std::fmt;
use std::str::FromStr;

use fvm_shared::address::{Address, Network};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::limits::SUBNET_DEPTH_MAX;

/// Name of a chain: the root's chain id and, level by level, the checkpoint actor that stands for the next subnet.
///
/// Text form: `/r31415926` for a root, `/r31415926/f2abc…` for its child. Addresses are robust (never ids), so that
/// a name means the same on every chain and cannot be reassigned by a reorganisation of the parent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubnetId {
    root: u64,
    route: Vec<Address>,
}

/// Why a text or byte string names no subnet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubnetIdError {
    /// The text does not have the form of a name.
    #[error("expected a subnet like /r31415926/f2…, got {text:?}")]
    Form {
        /// What came, cut to a readable length.
        text: String,
    },
    /// A step is not a robust address.
    #[error("step {step} of the subnet is {text:?}, expected a robust address (f2… or f4…), not an id")]
    Step {
        /// Position in the route, from 1.
        step: usize,
        /// What stands there.
        text: String,
    },
    /// More levels than the protocol has.
    #[error("the subnet has {actual} levels, at most {SUBNET_DEPTH_MAX} are allowed")]
    TooDeep {
        /// Levels, the root included.
        actual: usize,
    },
}

impl SubnetId {
    /// The root network with this chain id.
    pub const fn root(chain_id: u64) -> Self {
        Self { root: chain_id, route: Vec::new() }
    }

    /// A name from its parts.
    ///
    /// # Errors
    /// When the route is too long or holds an id address.
    pub fn new(chain_id: u64, route: Vec<Address>) -> Result<Self, SubnetIdError> {
        if route.len() >= SUBNET_DEPTH_MAX {
            return Err(SubnetIdError::TooDeep { actual: route.len() + 1 });
        }
        for (index, address) in route.iter().enumerate() {
            if address.id().is_ok() {
                return Err(SubnetIdError::Step { step: index + 1, text: address.to_string() });
            }
        }
        Ok(Self { root: chain_id, route })
    }

    /// The child of this chain that `checkpoint_actor` (robust address on this chain) stands for.
    ///
    /// # Errors
    /// When the child would be too deep or the address is an id.
    pub fn child(&self, checkpoint_actor: Address) -> Result<Self, SubnetIdError> {
        let mut route = self.route.clone();
        route.push(checkpoint_actor);
        Self::new(self.root, route)
    }

    /// The parent's name; `None` for a root.
    pub fn parent(&self) -> Option<Self> {
        let (_, parent) = self.route.split_last()?;
        Some(Self { root: self.root, route: parent.to_vec() })
    }

    /// The checkpoint actor on the parent; `None` for a root.
    pub fn checkpoint_actor(&self) -> Option<Address> {
        self.route.last().copied()
    }

    /// Chain id of the root of this hierarchy.
    pub const fn root_chain_id(&self) -> u64 {
        self.root
    }

    /// Robust addresses of the checkpoint actors, outermost first.
    pub fn route(&self) -> &[Address] {
        &self.route
    }

    /// Whether this chain has no parent.
    pub fn is_root(&self) -> bool {
        self.route.is_empty()
    }

    /// Whether `self` is `other` or lies below it.
    pub fn is_within(&self, other: &Self) -> bool {
        self.root == other.root && self.route.starts_with(&other.route)
    }
}

impl fmt::Display for SubnetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/r{}", self.root)?;
        self.route.iter().try_for_each(|address| write!(f, "/{}", display_address(address)))
    }
}

/// Text of an address with the main network's prefix `f`, whatever the process-wide default is.
pub fn display_address(address: &Address) -> String {
    let text = address.to_string();
    // The library's prefix depends on a process-wide setting; names must not.
    format!("f{}", &text[1..])
}

/// Reads an address with either prefix, `f` or `t`.
///
/// # Errors
/// When the text is no address.
pub fn parse_address(text: &str) -> Result<Address, fvm_shared::address::Error> {
    Network::Mainnet.parse_address(text).or_else(|_| Network::Testnet.parse_address(text))
}

impl FromStr for SubnetId {
    type Err = SubnetIdError;

    fn from_str(text: &str) -> Result<Self, SubnetIdError> {
        let form = || SubnetIdError::Form { text: text.chars().take(120).collect() };
        let mut steps = text.strip_prefix("/r").ok_or_else(form)?.split('/');
        let root = steps.next().ok_or_else(form)?;
        if root.is_empty() || !root.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(form());
        }
        let root = root.parse().map_err(|_| form())?;
        let route = steps
            .enumerate()
            .map(|(index, step)| {
                parse_address(step)
                    .map_err(|_| SubnetIdError::Step { step: index + 1, text: step.chars().take(80).collect() })
            })
            .collect::<Result<Vec<_>, _>>()?;
        Self::new(root, route)
    }
}

// Binary: `[root, [address…]]`. Human-readable: the text form.
impl Serialize for SubnetId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            (self.root, &self.route).serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for SubnetId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
        } else {
            let (root, route) = <(u64, Vec<Address>)>::deserialize(deserializer)?;
            Self::new(root, route).map_err(de::Error::custom)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_round_trips_as_text_and_bytes() {
        let child = SubnetId::root(314).child(Address::new_actor(b"child")).expect("one level");
        let text = child.to_string();
        assert!(text.starts_with("/r314/f2"), "{text}");
        assert_eq!(text.parse::<SubnetId>().expect("parses"), child);
        let bytes = fvm_ipld_encoding::to_vec(&child).expect("encodes");
        assert_eq!(fvm_ipld_encoding::from_slice::<SubnetId>(&bytes).expect("decodes"), child);
        assert_eq!(child.parent(), Some(SubnetId::root(314)));
        assert!(child.is_within(&SubnetId::root(314)));
        assert!(!SubnetId::root(314).is_within(&child));
    }

    #[test]
    fn garbage_id_steps_and_depth_are_refused() {
        assert!(matches!("r314".parse::<SubnetId>(), Err(SubnetIdError::Form { .. })));
        assert!(matches!("/r".parse::<SubnetId>(), Err(SubnetIdError::Form { .. })));
        assert!(matches!("/r+5".parse::<SubnetId>(), Err(SubnetIdError::Form { .. })));
        assert!(matches!("/r314/".parse::<SubnetId>(), Err(SubnetIdError::Step { step: 1, .. })));
        assert!(matches!("/r314/f0100".parse::<SubnetId>(), Err(SubnetIdError::Step { step: 1, .. })));
        let route = vec![Address::new_actor(b"x"); SUBNET_DEPTH_MAX];
        assert!(matches!(SubnetId::new(1, route), Err(SubnetIdError::TooDeep { actual: 11 })));
    }
}
