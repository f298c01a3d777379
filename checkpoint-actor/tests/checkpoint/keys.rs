//! Keys of a validator, made from a number.

use bls_signatures::{PrivateKey, Serialize, Signature, aggregate};
use bls12_381::{G1Affine, G1Projective};
use ed25519_dalek::{Signer, SigningKey};
use fvm_shared::address::Address;
use subnet_types::actors::JoinParams;
use subnet_types::membership::{KeyKind, proof_of_possession_bytes};
use subnet_types::{BlsPublicKey, BlsSignature, Digest, Ed25519Signature, VoteKey};

pub struct Keys {
    vote: SigningKey,
    checkpoint: PrivateKey,
    pub owner: Address,
}

impl Keys {
    pub fn of(seed: u64) -> Self {
        let mut bytes = [7; 32];
        bytes[..8].copy_from_slice(&seed.to_be_bytes());
        let mut public = [4; 65];
        public[..8].copy_from_slice(&seed.to_be_bytes());
        Self {
            vote: SigningKey::from_bytes(&bytes),
            checkpoint: PrivateKey::new(bytes),
            owner: Address::new_secp256k1(&public).unwrap(),
        }
    }

    pub fn vote_key(&self) -> VoteKey {
        VoteKey(self.vote.verifying_key().to_bytes())
    }

    pub fn checkpoint_key(&self) -> BlsPublicKey {
        BlsPublicKey::try_from(self.checkpoint.public_key().as_bytes().as_slice()).unwrap()
    }

    /// A join with both proofs for `actor` on the chain `parent`.
    pub fn join(&self, parent: &Digest, actor: &Address) -> JoinParams {
        let (vote_key, checkpoint_key) = (self.vote_key(), self.checkpoint_key());
        let bytes = |kind, key: &[u8]| proof_of_possession_bytes(kind, parent, actor, &self.owner, key);
        JoinParams {
            owner: self.owner,
            vote_key,
            vote_proof: Ed25519Signature(self.vote.sign(&bytes(KeyKind::Vote, &vote_key.0)).to_bytes()),
            checkpoint_key,
            checkpoint_proof: self.sign(&bytes(KeyKind::Checkpoint, &checkpoint_key.0)),
            endpoint: "/ip4/127.0.0.1/tcp/1".to_owned(),
        }
    }

    pub fn sign(&self, message: &[u8]) -> BlsSignature {
        BlsSignature::try_from(self.checkpoint.sign(message).as_bytes().as_slice()).unwrap()
    }
}

/// Sum of the validators' checkpoint keys, as certificates carry it. Empty for nobody.
pub fn key_sum(seeds: &[u64]) -> Vec<u8> {
    let key = |seed: &u64| G1Affine::from_compressed(&Keys::of(*seed).checkpoint_key().0).unwrap();
    let sum = seeds.iter().map(key).map(G1Projective::from).sum::<G1Projective>();
    G1Affine::from(sum).to_uncompressed().to_vec()
}

pub fn sum(signatures: &[BlsSignature]) -> BlsSignature {
    let signatures: Vec<_> = signatures.iter().map(|signature| Signature::from_bytes(&signature.0).unwrap()).collect();
    BlsSignature::try_from(aggregate(&signatures).unwrap().as_bytes().as_slice()).unwrap()
}
