//! The key that names a node among its peers.

use std::fmt;

use libp2p_identity::{Keypair, PeerId};

use super::{Secret, SecretError, random_secret, secret_from};

/// Ed25519 keypair of a node's libp2p identity. It signs nothing of the protocol.
pub struct P2pKeypair(Secret);

impl P2pKeypair {
    /// A new key from the operating system's randomness.
    pub fn generate() -> Self {
        Self(random_secret())
    }

    /// The key with this secret. Every 32 bytes are one.
    ///
    /// # Errors
    /// When the length is another.
    pub fn from_secret(bytes: &[u8]) -> Result<Self, SecretError> {
        secret_from("p2p", bytes).map(Self)
    }

    /// The secret, for the keystore and libp2p.
    pub fn secret(&self) -> Secret {
        self.0.clone()
    }

    /// The name by which peers know the node.
    pub fn peer_id(&self) -> PeerId {
        let mut secret = self.0.clone();
        Keypair::ed25519_from_bytes(&mut *secret).expect("every 32 bytes are an Ed25519 secret").public().to_peer_id()
    }
}

impl fmt::Debug for P2pKeypair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "P2pKeypair({})", self.peer_id())
    }
}
