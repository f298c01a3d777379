//! Accepted checkpoints: each follows the one before, is the one that the subnet's own chain made, was signed by more than
//! two thirds of the configuration that the one before confirmed, and takes no more than the custody.

use anyhow::{Context, ensure};
use bls_signatures::Serialize as _;
use bls12_381::{G1Affine, G1Projective};
use fvm_ipld_encoding::from_slice;
use fvm_shared::econ::TokenAmount;
use subnet_node::app::ChainReader;
use subnet_types::actors::{SubmitCheckpointParams, checkpoint};
use subnet_types::checkpoint::CheckpointDomain;
use subnet_types::{BlsPublicKey, Checkpoint, Digest, QuorumCertificate, Sequence, ValidatorSet};

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
        take(edge, parent, &params)?;
        accepted.push(edge.child);
    }
    Ok(accepted)
}

/// Takes in the checkpoint that the last block of the subnet `number` cut, if it cut one: it says what is so.
///
/// # Errors
/// What differs.
pub fn check_cut(edges: &mut [Edge], chains: &[Chain], number: usize) -> anyhow::Result<()> {
    let reader = chains[number].reader()?;
    let height = reader.tip().height;
    let Some(edge) = edges.iter_mut().find(|edge| edge.child == number) else { return Ok(()) };
    if !height.get().is_multiple_of(reader.genesis().chain.checkpoint_period_blocks) {
        return Ok(());
    }
    let record = reader.last_checkpoint()?.context("a period's last block cuts a checkpoint")?;
    let checkpoint = &record.checkpoint;
    let Checkpoint { sequence, messages, top_down_applied, burned, .. } = checkpoint;
    let last = edge.cuts.last_key_value().map(|(sequence, (_, digest))| (*sequence, *digest));
    let (before, previous) = last.unwrap_or((Sequence::ZERO, *reader.identity()));
    ensure!(*sequence == before.next(), "cut {sequence} follows {before}");
    ensure!(checkpoint.previous == previous, "cut {sequence} follows another one");
    let block = reader.header(height)?.context("the block was committed")?.id();
    let state_root = reader.state_root(height)?.context("the block was committed")?;
    let own = (checkpoint.height, checkpoint.block, checkpoint.state_root);
    ensure!(own == (height, block, state_root), "cut {sequence} is of {own:?}");
    ensure!(checkpoint.chain == *reader.identity(), "cut {sequence} is of another chain");
    let first = messages.first_nonce.get() as usize;
    let next =
        edge.cuts.last_key_value().map_or(0, |(_, (cut, _))| cut.messages.first_nonce.get() + cut.messages.count);
    ensure!(first as u64 == next, "the batch of cut {sequence} begins with {first}, expected {next}");
    let batch = edge.up.queued.get(first..first + messages.count as usize);
    let value: TokenAmount = batch.context("a batch with messages that nobody queued")?.iter().map(|m| &m.amount).sum();
    ensure!(value == messages.value, "the batch of cut {sequence} says {}, has {value}", messages.value);
    let applied = top_down_applied.nonce.get() as usize;
    ensure!(applied == edge.down.arrived, "cut {sequence} says {applied} applied, {} were", edge.down.arrived);
    ensure!(!burned.is_negative(), "cut {sequence} reports {burned} as burned");
    let parent = &chains[edge.parent];
    let actor = chains[number].name.checkpoint_actor().context("a subnet has a checkpoint actor")?;
    let domain = CheckpointDomain { parent: parent.identity, actor };
    let digest = checkpoint.digest(&domain).context("a checkpoint has a digest")?;
    ensure!(digest == record.digest, "the digest of cut {sequence} is {digest}, recorded is {}", record.digest);
    edge.cuts.insert(*sequence, (checkpoint.clone(), digest));
    Ok(())
}

/// Takes in an accepted checkpoint, right or not: what comes after it is judged by itself.
fn take(edge: &mut Edge, parent: &ChainReader, params: &SubmitCheckpointParams) -> anyhow::Result<()> {
    let checkpoint = &params.checkpoint;
    let found = judge(edge, parent, params);
    let batch = &checkpoint.messages;
    edge.accepted = checkpoint.sequence;
    edge.digest = edge.cuts.get(&checkpoint.sequence).map_or(Digest::ZERO, |(_, digest)| *digest);
    edge.confirmed = checkpoint.configuration.number;
    edge.burned_reported += &checkpoint.burned;
    edge.up.accepted = (batch.first_nonce.get() + batch.count) as usize;
    edge.up.accepted_total += &batch.value;
    found?;
    ensure!(!edge.custody().is_negative(), "checkpoint {} takes more than was ever sent down", edge.accepted);
    Ok(())
}

fn judge(edge: &Edge, parent: &ChainReader, params: &SubmitCheckpointParams) -> anyhow::Result<()> {
    let SubmitCheckpointParams { checkpoint, certificate, .. } = params;
    let sequence = checkpoint.sequence;
    ensure!(sequence == edge.accepted.next(), "checkpoint {sequence} was accepted after {}", edge.accepted);
    ensure!(checkpoint.previous == edge.digest, "checkpoint {sequence} follows another one");
    let (own, digest) = edge.cuts.get(&sequence).context("an accepted checkpoint that the subnet did not make")?;
    ensure!(own == checkpoint, "another checkpoint {sequence} was accepted than the subnet made");
    ensure!(certificate.configuration == edge.confirmed, "signed by configuration {}", certificate.configuration);
    let state = parent.latest_state()?.checkpoint(edge.actor)?.context("a checkpoint actor does not vanish")?;
    let set = state.validators(parent.store(), edge.confirmed)?.context("a confirmed configuration is kept")?;
    check_certificate(&set, certificate, digest)
}

/// The counters of a checkpoint actor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Counters {
    custody: TokenAmount,
    stake: TokenAmount,
    unbonding: TokenAmount,
    reserved: TokenAmount,
    unclaimed: TokenAmount,
    balance: TokenAmount,
}

impl Counters {
    /// Compares them with what went over the edge.
    fn check(&self, edge: &Edge) -> anyhow::Result<()> {
        let Self { custody, stake, unbonding, reserved, unclaimed, balance } = self;
        let (own, owed) = (edge.custody(), edge.reserved());
        ensure!(*custody == own, "actor {} has {custody} in custody, {own} is the subnet's", edge.actor);
        ensure!(*reserved == owed, "actor {} reserves {reserved}, {owed} waits for delivery", edge.actor);
        let counters = [custody, stake, unbonding, reserved, unclaimed];
        ensure!(counters.iter().all(|amount| !amount.is_negative()), "a counter of {} is below zero", edge.actor);
        let held: TokenAmount = counters.into_iter().sum();
        ensure!(held <= *balance, "actor {} counts {held} and holds {balance}", edge.actor);
        Ok(())
    }
}

/// Compares the state of each checkpoint actor on `chain` with what was accepted from its subnet.
///
/// # Errors
/// When they differ, or the state cannot be read.
pub fn check_counters(edges: &[Edge], chain: &Chain) -> anyhow::Result<()> {
    let parent = chain.reader()?;
    edges.iter().filter(|edge| edge.parent == chain.number).try_for_each(|edge| check_actor(edge, parent))
}

fn check_actor(edge: &Edge, parent: &ChainReader) -> anyhow::Result<()> {
    let state = parent.latest_state()?;
    let actor = state.checkpoint(edge.actor)?.context("a checkpoint actor does not vanish")?;
    let last = (actor.last_sequence, actor.last_digest);
    ensure!(last == (edge.accepted, edge.digest), "the actor says {last:?}, accepted was {:?}", edge.accepted);
    let counters = Counters {
        custody: actor.custody,
        stake: actor.stake_total,
        unbonding: actor.unbonding_total,
        reserved: actor.batch_reserved,
        unclaimed: actor.unclaimed,
        balance: state.balance(edge.actor)?,
    };
    counters.check(edge)
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

#[cfg(test)]
mod tests {
    use engine_api::SignedExtension;
    use subnet_node::checkpoint::certificate::assemble;
    use subnet_types::{ConfigurationNumber, Ed25519Signature, Power, Validator};

    use super::*;
    use crate::checks::Queued;
    use crate::keys::ValidatorKeys;

    #[test]
    fn signatures_of_too_few_or_over_something_else_are_found() {
        let keys: Vec<ValidatorKeys> = (0..4).map(|node| ValidatorKeys::of(1, node).unwrap()).collect();
        let validators = keys.iter().map(|keys| Validator {
            owner: keys.owner.address(),
            vote_key: keys.vote.public(),
            checkpoint_key: keys.checkpoint.public(),
            power: Power::new(1),
        });
        let set = ValidatorSet::new(ConfigurationNumber::FIRST, validators.collect()).unwrap();
        let digest = Digest([7; 32]);
        let extensions: Vec<SignedExtension> = keys[..3]
            .iter()
            .map(|keys| SignedExtension {
                validator: keys.vote.public(),
                extension: keys.checkpoint.sign_digest(&digest).as_bytes().to_vec(),
                signature: Ed25519Signature([0; 64]),
            })
            .collect();
        let certificate = assemble(&set, &digest, &extensions).unwrap();
        check_certificate(&set, &certificate, &digest).unwrap();
        assert!(check_certificate(&set, &certificate, &Digest([8; 32])).is_err(), "over something else");
        let mut more = certificate.clone();
        more.signers[0] = 0b1111;
        assert!(check_certificate(&set, &more, &digest).is_err(), "one of them did not sign");
        let mut fewer = certificate;
        fewer.signers[0] &= fewer.signers[0] - 1;
        let found = check_certificate(&set, &fewer, &digest).unwrap_err();
        assert!(found.to_string().contains("power 2 of 4"), "{found}");
    }

    #[test]
    fn counters_that_are_not_what_went_over_the_edge_are_found() {
        let atto = TokenAmount::from_atto;
        let mut edge = Edge::new(1, 0, 105, Digest::ZERO);
        edge.down.queued.push(Queued { id: Digest::ZERO, amount: atto(100) });
        edge.down.queued_total = atto(100);
        (edge.up.accepted_total, edge.up.arrived_total, edge.burned_reported) = (atto(30), atto(10), atto(5));
        let true_ones = Counters {
            custody: atto(65),
            stake: atto(40),
            reserved: atto(20),
            balance: atto(125),
            ..Counters::default()
        };
        true_ones.check(&edge).unwrap();
        let forged: [fn(&mut Counters); 6] = [
            |counters| counters.custody += TokenAmount::from_atto(1),
            |counters| counters.reserved -= TokenAmount::from_atto(1),
            |counters| counters.stake = TokenAmount::from_atto(-1),
            |counters| counters.balance -= TokenAmount::from_atto(1),
            |counters| counters.unclaimed += TokenAmount::from_atto(1),
            |counters| counters.unbonding += TokenAmount::from_atto(1),
        ];
        for change in forged {
            let mut counters = true_ones.clone();
            change(&mut counters);
            assert!(counters.check(&edge).is_err(), "{counters:?}");
        }
    }
}
