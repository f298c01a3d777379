//! Ed25519 signatures of votes, proposals, extensions and streams.
//!
//! Every preimage holds the chain's identity and a tag of its own (`subnet_types::{vote, proposal}`), so nothing signed
//! here counts elsewhere. Verification is the strict kind: what it accepts, every other Ed25519 verifier accepts as
//! well, so a certificate made here never fails in an actor or a client that uses another library.

use arc_malachitebft_app_channel::app::types::core::{
    NilOrVal, Round, SignedMessage, SigningScheme, ValidatorProof, VoteExtensionScope, VoteType,
};
use arc_malachitebft_app_channel::{Signer, Verifier};
use arc_malachitebft_signing::{Error, VerificationResult};
use async_trait::async_trait;
use bytes::Bytes;
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use subnet_types::bytes::BytesError;
use subnet_types::proposal::{proposal_signing_bytes, validator_peer_signing_bytes};
use subnet_types::vote::{VoteKind, extension_signing_bytes, vote_signing_bytes};
use subnet_types::{ChainIdentity, Ed25519Signature, VoteKey};

use crate::certified::Certified;
use crate::context::{Chain, Proposal, Vote, number};

/// Whether `signature` is `key`'s over `bytes`. A key that is no point of the curve has signed nothing.
pub fn verify(key: &VoteKey, bytes: &[u8], signature: &Ed25519Signature) -> bool {
    let signature = ed25519_dalek::Signature::from_bytes(signature.as_bytes());
    VerifyingKey::from_bytes(key.as_bytes()).is_ok_and(|key| key.verify_strict(bytes, &signature).is_ok())
}

/// The vote key that belongs to a seed.
pub fn vote_key(seed: &[u8; 32]) -> VoteKey {
    VoteKey(SigningKey::from_bytes(seed).verifying_key().to_bytes())
}

/// The scheme, to Malachite. Keys and signatures stay bytes; a malformed key simply verifies nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ed25519;

impl SigningScheme for Ed25519 {
    type DecodingError = BytesError;
    type Signature = Ed25519Signature;
    type PublicKey = VoteKey;
    type PrivateKey = SigningKey;

    fn decode_signature(bytes: &[u8]) -> Result<Ed25519Signature, BytesError> {
        Ed25519Signature::try_from(bytes)
    }

    fn encode_signature(signature: &Ed25519Signature) -> Vec<u8> {
        signature.as_bytes().to_vec()
    }

    fn decode_public_key(bytes: &[u8]) -> Result<VoteKey, BytesError> {
        VoteKey::try_from(bytes)
    }

    fn encode_public_key(key: &VoteKey) -> Vec<u8> {
        key.as_bytes().to_vec()
    }
}

/// Verifies what the validators of one chain sign.
#[derive(Clone, Debug)]
pub(crate) struct ChainVerifier {
    pub identity: ChainIdentity,
    /// Hears of the votes whose signature is right.
    pub certified: Certified,
}

/// Signs for one validator of one chain. Not printed by `Debug`.
#[derive(Clone)]
pub(crate) struct ChainSigner {
    identity: ChainIdentity,
    key: SigningKey,
}

impl ChainSigner {
    pub(crate) fn new(identity: ChainIdentity, seed: &[u8; 32]) -> Self {
        Self { identity, key: SigningKey::from_bytes(seed) }
    }

    /// This validator's key.
    pub(crate) fn vote_key(&self) -> VoteKey {
        VoteKey(self.key.verifying_key().to_bytes())
    }

    /// Signature over a finished preimage.
    pub(crate) fn sign(&self, bytes: &[u8]) -> Ed25519Signature {
        Ed25519Signature(self.key.sign(bytes).to_bytes())
    }
}

fn vote_bytes(identity: &ChainIdentity, vote: &Vote) -> Vec<u8> {
    let kind = match vote.kind {
        VoteType::Prevote => VoteKind::Prevote,
        VoteType::Precommit => VoteKind::Precommit,
    };
    let block = match &vote.value {
        NilOrVal::Nil => None,
        NilOrVal::Val(block) => Some(&block.0),
    };
    vote_signing_bytes(identity, kind, vote.height.height(), number(vote.round), block, &vote.address.0)
}

fn proposal_bytes(identity: &ChainIdentity, proposal: &Proposal) -> Vec<u8> {
    let polka_round = match proposal.pol_round {
        Round::Nil => None,
        Round::Some(round) => Some(round),
    };
    proposal_signing_bytes(
        identity,
        proposal.height.height(),
        number(proposal.round),
        &proposal.value.0,
        polka_round,
        &proposal.address.0,
    )
}

fn extension_bytes(identity: &ChainIdentity, scope: &VoteExtensionScope<Chain>, extension: &[u8]) -> Vec<u8> {
    extension_signing_bytes(
        identity,
        scope.height.height(),
        number(scope.round),
        &scope.value_id.0,
        &scope.validator_address.0,
        extension,
    )
}

#[async_trait]
impl Verifier<Chain> for ChainVerifier {
    async fn verify_signed_vote(
        &self,
        vote: &Vote,
        signature: &Ed25519Signature,
        key: &VoteKey,
    ) -> Result<VerificationResult, Error> {
        let is_valid = verify(key, &vote_bytes(&self.identity, vote), signature);
        // The key is the one that the validator set has for the vote's address: with us the address itself.
        if is_valid && *key == vote.address.0 {
            self.certified.verified(vote);
        }
        Ok(VerificationResult::from_bool(is_valid))
    }

    async fn verify_signed_proposal(
        &self,
        proposal: &Proposal,
        signature: &Ed25519Signature,
        key: &VoteKey,
    ) -> Result<VerificationResult, Error> {
        Ok(VerificationResult::from_bool(verify(key, &proposal_bytes(&self.identity, proposal), signature)))
    }

    async fn verify_signed_vote_extension(
        &self,
        scope: &VoteExtensionScope<Chain>,
        extension: &Bytes,
        signature: &Ed25519Signature,
        key: &VoteKey,
    ) -> Result<VerificationResult, Error> {
        let bytes = extension_bytes(&self.identity, scope, extension);
        Ok(VerificationResult::from_bool(verify(key, &bytes, signature)))
    }

    async fn verify_validator_proof(&self, proof: &ValidatorProof<Chain>) -> Result<VerificationResult, Error> {
        // The engine would have the proof be the same on every network; ours names the chain like everything else.
        let bytes = validator_peer_signing_bytes(&self.identity, &proof.public_key, &proof.peer_id);
        let valid =
            VoteKey::try_from(proof.public_key.as_slice()).is_ok_and(|key| verify(&key, &bytes, &proof.signature));
        Ok(VerificationResult::from_bool(valid))
    }
}

#[async_trait]
impl Signer<Chain> for ChainSigner {
    async fn sign_vote(&self, vote: Vote) -> Result<SignedMessage<Chain, Vote>, Error> {
        let signature = self.sign(&vote_bytes(&self.identity, &vote));
        Ok(SignedMessage::new(vote, signature))
    }

    async fn sign_proposal(&self, proposal: Proposal) -> Result<SignedMessage<Chain, Proposal>, Error> {
        let signature = self.sign(&proposal_bytes(&self.identity, &proposal));
        Ok(SignedMessage::new(proposal, signature))
    }

    async fn sign_vote_extension(
        &self,
        scope: VoteExtensionScope<Chain>,
        extension: Bytes,
    ) -> Result<SignedMessage<Chain, Bytes>, Error> {
        let signature = self.sign(&extension_bytes(&self.identity, &scope, &extension));
        Ok(SignedMessage::new(extension, signature))
    }

    async fn sign_validator_proof(
        &self,
        public_key: Vec<u8>,
        peer_id: Vec<u8>,
    ) -> Result<ValidatorProof<Chain>, Error> {
        let signature = self.sign(&validator_peer_signing_bytes(&self.identity, &public_key, &peer_id));
        Ok(ValidatorProof::new(public_key, peer_id, signature))
    }
}
