//! Judging blocks: live proposals, stored ones after a restart, and blocks that come with a certificate.

use std::sync::Arc;
use std::time::Duration;

use arc_malachitebft_app_channel::app::engine::host::SyncedValueOutcome;
use arc_malachitebft_app_channel::app::streaming::StreamMessage;
use arc_malachitebft_app_channel::app::types::core::{Round, Validator as _, Validity};
use arc_malachitebft_app_channel::app::types::{PeerId, ProposedValue};
use bytes::Bytes;
use engine_api::{EngineEvent, Source, SubnetApp, ValidateContext, Verdict};
use subnet_types::Height;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::decide::members;
use super::{Current, Handler, State};
use crate::config::HEIGHTS_AHEAD_MAX;
use crate::context::{Address, At, BlockId, Chain, ProposalInit, ProposalPart, number};
use crate::failure::Failure;
use crate::faults::{Faults, Refusal};
use crate::proposals::{Early, Judgement, Proposals, Proposed, open_announced, open_block};
use crate::signing::verify;
use crate::streaming::Progress;

/// Rounds ahead of ours of which blocks are taken; the engine drops what is further ahead as well.
const ROUNDS_AHEAD_MAX: u32 = 10;

/// How long the beginning of a round waits for open blocks to be confirmed, for all of them together. The engine waits
/// for it without a limit of its own, and this node takes no part in the round before.
const REASK_TIME: Duration = Duration::from_millis(200);

impl Handler {
    /// Begins a round: the blocks of this round that are judged already, and any whose judgement was open and is
    /// not any more.
    pub(super) async fn started_round(
        &self,
        state: &mut State,
        height: At,
        round: Round,
        proposer: Address,
    ) -> Result<Vec<ProposedValue<Chain>>, Failure> {
        let (height, round) = (height.height(), number(round));
        self.status.enter(height, round);
        self.events.send(EngineEvent::RoundStarted { height, round, proposer: proposer.0 }).ok();
        match &mut state.current {
            Some(current) if current.height == height => current.round = round,
            _ => self.begin(state, height, round).await?,
        }
        let closed = self.judge_open(state, height).await?;
        let values =
            state.proposals.iter().filter(|proposed| proposed.round == round || closed.contains(&proposed.block.id()));
        Ok(values.filter_map(|proposed| answer(height, proposed)).collect())
    }

    /// Moves to a new height: reads what was stored for it, and looks into what came early.
    async fn begin(&self, state: &mut State, height: Height, round: u32) -> Result<(), Failure> {
        let rules = self.app.rules(height).await.map_err(Failure::liveness)?;
        let early = state.proposals.begin(height);
        state.streams.retain(|init| init.height >= height);
        self.certified.begin(height);
        state.current = Some(Current { height, round, members: members(&rules)? });
        for stored in self.app.undecided(height).await.map_err(Failure::liveness)? {
            let id = stored.block;
            let proposed = Proposed::restore(stored, &self.identity)
                .map_err(|error| Failure::safety(format!("stored proposal {id} of height {height}: {error}")))?;
            let proposed = self.judge_restored(proposed).await?;
            state.proposals.insert(proposed);
        }
        for Early { init, encoded, hints } in early {
            if let Err(reason) = self.check_announcement(state, &init) {
                tracing::debug!(height = %init.height, block = %init.block, %reason, "early block dropped");
                continue;
            }
            self.judge_announced(state, init, encoded, hints).await?;
        }
        Ok(())
    }

    /// A block this node judged valid stays so; what was open is asked about again like a live one.
    async fn judge_restored(&self, mut proposed: Proposed) -> Result<Proposed, Failure> {
        if proposed.judgement == Judgement::Valid {
            proposed.judgement = self.judge(&proposed, Source::Certified).await?;
        }
        Ok(proposed)
    }

    /// Asks again about the blocks whose judgement is open, all at once; the ids of those that are judged now.
    async fn judge_open(&self, state: &mut State, height: Height) -> Result<Vec<cid::Cid>, Failure> {
        let deadline = Instant::now() + REASK_TIME;
        let mut asked = Vec::new();
        for proposed in state.proposals.iter() {
            if proposed.judgement == Judgement::Open && proposed.block.header.height == height {
                let (app, proposed, (answer, judged)) = (self.app.clone(), proposed.clone(), oneshot::channel());
                // It is asked to the end even when the round does not wait for it: what the application learns on the
                // way, it knows in the next round.
                state.tasks.spawn(async move {
                    let judgement = judge(&app, &proposed, Source::Live).await?;
                    answer.send(Proposed { judgement, ..proposed }).ok();
                    Ok(())
                });
                asked.push(judged);
            }
        }
        let mut closed = Vec::new();
        for judged in asked {
            // No answer in time leaves it open, and so does a failure, which ends the engine from its task.
            let Ok(Ok(proposed)) = timeout_at(deadline, judged).await else { continue };
            if proposed.judgement != Judgement::Open {
                closed.push(proposed.block.id());
                self.keep(state, proposed).await?;
            }
        }
        Ok(closed)
    }

    /// Takes a part of a proposal; the value, when the part completes a block that can be judged.
    pub(super) async fn part(
        &self,
        state: &mut State,
        from: PeerId,
        published_by: Option<PeerId>,
        message: StreamMessage<ProposalPart>,
    ) -> Result<Option<ProposedValue<Chain>>, Failure> {
        let State { streams, current, proposals, faults, .. } = state;
        // The publisher signed the part; a neighbour relays whatever comes.
        let publisher = published_by.unwrap_or(from);
        let Some(current) = current.as_ref() else { return Ok(None) };
        let check = |init: &ProposalInit| self.check_against(current, proposals, init);
        let (mut init, encoded, mut hints) = match streams.accept(from, published_by, message, check) {
            Ok(Progress::Waiting) => return Ok(None),
            Ok(Progress::Complete(init, encoded, hints)) => (init, encoded, hints),
            Err(reason) => {
                tracing::debug!(%publisher, through = %from, height = %current.height, %reason, "proposal part dropped");
                if reason.is_fault() {
                    count_fault(faults, publisher, &reason);
                }
                return Ok(None);
            }
        };
        // What was fine when it was announced may be superfluous now: the same block may have come another way.
        if let Err(reason) = self.check_against(current, proposals, &init) {
            tracing::debug!(%publisher, block = %init.block, %reason, "proposed block dropped");
            return Ok(None);
        }
        if !init.names_hints(&hints) {
            count_fault(faults, publisher, &"the hints of a proposal are not the announced ones");
            // The block may be good all the same.
            (init.hints, hints) = (None, Bytes::new());
        }
        if init.height > current.height {
            proposals.insert_early(Early { init, encoded, hints });
            return Ok(None);
        }
        let (height, id) = (current.height, init.block);
        if !self.judge_announced(state, init, encoded, hints).await? {
            count_fault(&mut state.faults, publisher, &"the bytes of a proposal are not the announced block");
            return Ok(None);
        }
        Ok(state.proposals.get(&id).and_then(|proposed| answer(height, proposed)))
    }

    fn check_announcement(&self, state: &State, init: &ProposalInit) -> Result<(), Refusal> {
        let current = state.current.as_ref().ok_or_else(|| Refusal::unwanted("no height is being decided"))?;
        self.check_against(current, &state.proposals, init)
    }

    /// Whether this announcement's block is wanted: of this or a near height, not here yet, and signed by
    /// the validator whose turn it is.
    fn check_against(&self, current: &Current, proposals: &Proposals, init: &ProposalInit) -> Result<(), Refusal> {
        let unwanted = |reason: String| Err(Refusal::unwanted(reason));
        let ahead = init.height.get().checked_sub(current.height.get());
        match ahead {
            None => return unwanted(format!("height {} is decided, this is {}", init.height, current.height)),
            Some(0) => {
                let expected = current.members.proposer(init.height, init.round).address().0;
                if init.proposer != expected {
                    let reason = format!("{expected} proposes in round {}, not {}", init.round, init.proposer);
                    return Err(Refusal::fault(reason));
                }
                if init.round > current.round.saturating_add(ROUNDS_AHEAD_MAX) {
                    return unwanted(format!("round {} is far ahead of {}", init.round, current.round));
                }
                if proposals.get(&init.block).is_some() {
                    return unwanted("the block is here already".to_owned());
                }
                if !proposals.has_room(init.round) {
                    return unwanted(format!("there are enough blocks of round {}", init.round));
                }
            }
            Some(1..=HEIGHTS_AHEAD_MAX) => proposals.early_room(init, |key| current.members.contains(key))?,
            Some(_) => return unwanted(format!("height {} is far ahead of {}", init.height, current.height)),
        }
        if !verify(&init.proposer, &init.signing_bytes(&self.identity), &init.signature) {
            return Err(Refusal::fault(format!("the signature is not {}'s", init.proposer)));
        }
        if let Some(hints) = &init.hints
            && !verify(&init.proposer, &init.hints_signing_bytes(&self.identity, hints), &hints.signature)
        {
            return Err(Refusal::fault(format!("the signature of the hints is not {}'s", init.proposer)));
        }
        Ok(())
    }

    /// Opens, judges and keeps an announced block. `false` when the bytes are another block or none.
    async fn judge_announced(
        &self,
        state: &mut State,
        init: ProposalInit,
        encoded: Bytes,
        hints: Bytes,
    ) -> Result<bool, Failure> {
        let block = match open_announced(&init, &encoded, &self.identity) {
            Ok(block) => block,
            Err(reason) => {
                tracing::warn!(proposer = %init.proposer, height = %init.height, round = init.round, %reason,
                    "proposal dropped");
                return Ok(false);
            }
        };
        let round = init.round;
        let mut proposed = Proposed { init: Some(init), hints, round, block, encoded, judgement: Judgement::Open };
        proposed.judgement = self.judge(&proposed, Source::Live).await?;
        self.keep(state, proposed).await?;
        Ok(true)
    }

    /// Takes a block that a peer sent with a certificate, which Malachite has verified. The bytes may be anything: unless
    /// they are a block that this very certificate makes final, nothing is done with them.
    pub(super) async fn synced(
        &self,
        state: &mut State,
        height: At,
        round: Round,
        proposer: Address,
        encoded: Bytes,
    ) -> Result<SyncedValueOutcome<Chain>, Failure> {
        let Some(current) = state.current.as_ref().filter(|current| current.height == height.height()) else {
            return Ok(SyncedValueOutcome::LocalTransientError);
        };
        let block = match open_block(&encoded, &self.identity, height.height()) {
            Ok(block) => block,
            Err(reason) => {
                tracing::warn!(%height, %reason, "a peer sent something else than a block");
                return Ok(SyncedValueOutcome::PeerFault);
            }
        };
        let id = block.id();
        if !self.certified.holds(current.height, &id, &current.members) {
            tracing::warn!(%height, block = %id, "a peer sent another block than its certificate is for");
            return Ok(SyncedValueOutcome::PeerFault);
        }
        let (init, hints, round_number) = (None, Bytes::new(), number(round));
        let mut proposed = Proposed { init, hints, round: round_number, block, encoded, judgement: Judgement::Open };
        proposed.judgement = self.judge(&proposed, Source::Certified).await?;
        let validity = match proposed.judgement {
            Judgement::Valid => Validity::Valid,
            Judgement::Invalid => Validity::Invalid,
            Judgement::Open => return Ok(SyncedValueOutcome::LocalTransientError),
        };
        match state.proposals.get(&id) {
            // The live block has the announcement, which a later restream needs.
            Some(known) if known.init.is_some() => {
                let (init, hints, round) = (known.init.clone(), known.hints.clone(), known.round);
                self.keep(state, Proposed { init, hints, round, ..proposed }).await?;
            }
            _ => self.keep(state, proposed).await?,
        }
        Ok(SyncedValueOutcome::Verdict(ProposedValue {
            height,
            round,
            valid_round: Round::Nil,
            proposer,
            value: BlockId(id),
            validity,
        }))
    }

    /// Keeps a block; one that may be voted for is durable before anybody hears of it.
    async fn keep(&self, state: &mut State, proposed: Proposed) -> Result<(), Failure> {
        if proposed.judgement != Judgement::Invalid {
            self.app.put_undecided(proposed.record()).await.map_err(Failure::liveness)?;
        }
        state.proposals.insert(proposed);
        Ok(())
    }

    async fn judge(&self, proposed: &Proposed, source: Source) -> Result<Judgement, Failure> {
        judge(&self.app, proposed, source).await
    }
}

fn count_fault(faults: &mut Faults, peer: PeerId, reason: &dyn std::fmt::Display) {
    if let Some(faults) = faults.count(peer) {
        tracing::warn!(%peer, faults, %reason, "peer publishes what no honest node does");
    }
}

async fn judge(app: &Arc<dyn SubnetApp>, proposed: &Proposed, source: Source) -> Result<Judgement, Failure> {
    let (height, round) = (proposed.block.header.height, proposed.round);
    let context = ValidateContext { height, round, source, hints: proposed.hints.clone() };
    let block = proposed.block.id();
    match app.validate(context, &proposed.block).await.map_err(Failure::liveness)? {
        Verdict::Accept => Ok(Judgement::Valid),
        Verdict::Reject(reason) => {
            tracing::warn!(%height, round, %block, ?source, %reason, "block rejected");
            Ok(Judgement::Invalid)
        }
        Verdict::NotYet(reason) => {
            tracing::info!(%height, round, %block, ?source, %reason, "block not confirmed yet, vote withheld");
            Ok(Judgement::Open)
        }
    }
}

/// What Malachite hears of a block: nothing while its judgement is open.
fn answer(height: Height, proposed: &Proposed) -> Option<ProposedValue<Chain>> {
    let validity = match proposed.judgement {
        Judgement::Valid => Validity::Valid,
        Judgement::Invalid => Validity::Invalid,
        Judgement::Open => return None,
    };
    Some(ProposedValue {
        height: At::from(height),
        round: Round::new(proposed.round),
        valid_round: Round::Nil,
        proposer: Address(proposed.block.header.proposer),
        value: BlockId(proposed.block.id()),
        validity,
    })
}
