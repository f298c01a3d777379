//! Accepted checkpoints: each follows the one before, is the one that the subnet's own chain made, was signed by more than
//! two thirds of the configuration that the one before confirmed, and takes no more than the custody.

use anyhow::{Context, ensure};
use bls_signatures::Serialize as _;
use bls12_381::{G1Affine, G1Projective};
use fvm_ipld_encoding::from_slice;
use fvm_shared::econ::TokenAmount;
use subnet_node::app::ChainReader;
use subnet_types::actors::{SubmitCheckpointParams, checkpoint};
use subnet_types::{BlsPublicKey, Digest, QuorumCertificate, ValidatorSet};

use super::Edge;
use crate::chain::Chain;

/// Takes in the checkpoints that the last block of chain `number` accepted. Returns the numbers of the subnets they are of.
///
/// # Errors
/// What does not hold.
pub fn check(edges: &mut [Edge], chains: &[Chain], number: usize) -> anyhow::Result<Vec<usize>> {
    let parent = chains[number].reader()?;
    let height = parent.tip().height;
    let messages = parent.messages(height)?.unwrap_or_default();
    let mut accepted = Vec::new();
    for signed in &messages {
        let message = &signed.message;
        if message.method_num != checkpoint::SUBMIT_CHECKPOINT {
            continue;
        }
        let included = parent.message(&signed.cid())?.context("a message of the block")?;
        if !included.receipt.exit_code.is_success() {
            continue;
        }
        let to = parent.latest_state()?.lookup_id(&message.to)?;
        let Some(edge) = edges.iter_mut().find(|edge| edge.parent == number && Some(edge.actor) == to) else {
            continue;
        };
        let params: SubmitCheckpointParams = from_slice(message.params.bytes())?;
        take(edge, parent, chains[edge.child].reader()?, &params)?;
        accepted.push(edge.child);
    }
    for edge in edges.iter().filter(|edge| edge.parent == number) {
        check_counters(edge, parent)?;
    }
    Ok(accepted)
}

fn take(
    edge: &mut Edge,
    parent: &ChainReader,
    child: &ChainReader,
    params: &SubmitCheckpointParams,
) -> anyhow::Result<()> {
    let SubmitCheckpointParams { checkpoint, certificate, .. } = params;
    let sequence = checkpoint.sequence;
    ensure!(sequence == edge.accepted.next(), "checkpoint {sequence} was accepted after {}", edge.accepted);
    ensure!(checkpoint.previous == edge.digest, "checkpoint {sequence} follows another one");
    let record = child.checkpoint(sequence)?.context("an accepted checkpoint that the subnet did not make")?;
    ensure!(record.checkpoint == *checkpoint, "another checkpoint {sequence} was accepted than the subnet made");
    ensure!(certificate.configuration == edge.confirmed, "signed by configuration {}", certificate.configuration);
    let state = parent.latest_state()?.checkpoint(edge.actor)?.context("a checkpoint actor does not vanish")?;
    let set = state.validators(parent.store(), edge.confirmed)?.context("a confirmed configuration is kept")?;
    check_certificate(&set, certificate, &record.digest)?;
    edge.accepted = sequence;
    edge.digest = record.digest;
    edge.confirmed = checkpoint.configuration.number;
    edge.burned_reported += &checkpoint.burned;
    edge.moved += &checkpoint.burned + &checkpoint.messages.value;
    Ok(())
}

fn check_counters(edge: &Edge, parent: &ChainReader) -> anyhow::Result<()> {
    let state = parent.latest_state()?;
    let actor = state.checkpoint(edge.actor)?.context("a checkpoint actor does not vanish")?;
    let last = (actor.last_sequence, actor.last_digest);
    ensure!(last == (edge.accepted, edge.digest), "the actor says {last:?}, accepted was {:?}", edge.accepted);
    let counters = [&actor.custody, &actor.stake_total, &actor.batch_reserved, &actor.unclaimed];
    ensure!(counters.iter().all(|amount| !amount.is_negative()), "a counter of actor {} is below zero", edge.actor);
    let held: TokenAmount = counters.into_iter().sum();
    let balance = state.balance(edge.actor)?;
    ensure!(held <= balance, "actor {} counts {held} and holds {balance}", edge.actor);
    Ok(())
}

fn check_certificate(set: &ValidatorSet, certificate: &QuorumCertificate, digest: &Digest) -> anyhow::Result<()> {
    let signers = set.validators().iter().enumerate().filter(|(index, _)| certificate.is_signer(*index));
    let signers: Vec<_> = signers.map(|(_, validator)| validator).collect();
    let signed: u128 = signers.iter().map(|validator| u128::from(validator.power.get())).sum();
    let total = set.total_power().get();
    ensure!(3 * signed > 2 * u128::from(total), "power {signed} of {total} signed");
    let keys: Option<Vec<G1Affine>> = signers.iter().map(|validator| point(&validator.checkpoint_key)).collect();
    let sum: G1Projective = keys.context("a key is no point")?.iter().map(G1Projective::from).sum();
    let key = bls_signatures::PublicKey::from_bytes(&G1Affine::from(sum).to_compressed())?;
    let signature = bls_signatures::Signature::from_bytes(certificate.signature.as_bytes())?;
    let is_valid = bls_signatures::verify_messages(&signature, &[digest.as_bytes()], &[key]);
    ensure!(is_valid, "the signatures do not verify");
    Ok(())
}

fn point(key: &BlsPublicKey) -> Option<G1Affine> {
    G1Affine::from_compressed(key.as_bytes()).into_option()
}
