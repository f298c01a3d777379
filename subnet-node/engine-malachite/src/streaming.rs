//! A proposed block as a stream of small parts, and back, with every buffer bounded.
//!
//! A stream is: the signed announcement (sequence 0), the block in chunks of [`CHUNK_BYTES`] (1..=n, the last may be
//! shorter), the proposer's hints in chunks (n + 1..=n + m, none when no hints are announced), an end mark (n + m + 1).
//! Parts arrive in any order and through any neighbour; they are grouped by who published them and the stream's id.
//! Nothing is kept for a stream whose announcement the caller refuses, and before the announcement only a few parts are.
//! Where a bound is reached the neighbour's own oldest stream makes room, so one that floods us loses its own streams
//! first.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use arc_malachitebft_app_channel::app::streaming::{StreamContent, StreamId, StreamMessage};
use arc_malachitebft_app_channel::app::types::PeerId;
use bytes::{Bytes, BytesMut};
use proto::block::BLOCK_BYTES_MAX;
use subnet_types::limits::HINT_BYTES_MAX;

use crate::context::{ProposalInit, ProposalPart};
use crate::faults::Refusal;

/// Bytes of a chunk. Small enough to be relayed at once, large enough that a full block is 65 messages.
pub(crate) const CHUNK_BYTES: usize = 128 * 1024;

/// Bytes of a stream's id. Ours have 16.
pub(crate) const STREAM_ID_BYTES_MAX: usize = 32;

/// Parts of a stream that are kept before its announcement came.
const EARLY_PARTS_MAX: usize = 8;

/// Open streams that came through one neighbour. An honest one relays a stream for each round, and those of validators
/// that propose an older block again.
const STREAMS_PER_NEIGHBOUR_MAX: usize = 8;

/// Bytes of a stream: a block and hints.
const STREAM_BYTES_MAX: usize = BLOCK_BYTES_MAX + HINT_BYTES_MAX;

/// Bytes buffered of the streams that came through one neighbour: three full ones.
const BYTES_PER_NEIGHBOUR_MAX: usize = 3 * STREAM_BYTES_MAX;

/// Bytes buffered of all streams.
const BYTES_MAX: usize = 8 * STREAM_BYTES_MAX;

/// Ended streams that are remembered, so that parts that come late do not open them again.
const ENDED_MAX: usize = 256;

/// The stream that carries `encoded` and `hints`, announced by `init`.
pub(crate) fn split(
    init: ProposalInit,
    encoded: Bytes,
    hints: Bytes,
    stream: StreamId,
) -> impl Iterator<Item = StreamMessage<ProposalPart>> {
    std::iter::once(ProposalPart::Init(init))
        .chain(chunks(encoded))
        .chain(chunks(hints))
        .map(StreamContent::Data)
        .chain(std::iter::once(StreamContent::Fin))
        .zip(0u64..)
        .map(move |(content, sequence)| StreamMessage::new(stream.clone(), sequence, content))
}

fn chunks(bytes: Bytes) -> impl Iterator<Item = ProposalPart> {
    (0..bytes.len()).step_by(CHUNK_BYTES).map(move |start| {
        let end = bytes.len().min(start + CHUNK_BYTES);
        ProposalPart::Chunk(bytes.slice(start..end))
    })
}

fn chunks_of(bytes: usize) -> usize {
    bytes.div_ceil(CHUNK_BYTES)
}

/// Why a part was dropped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Drop {
    /// The stream already ended, well or not.
    #[error("its stream has ended")]
    Ended,
    /// The announcement stands at another position than the first.
    #[error("part {sequence} is out of place: {reason}")]
    OutOfPlace {
        /// Position in the stream.
        sequence: u64,
        /// What does not fit.
        reason: &'static str,
    },
    /// Too many parts came before the announcement.
    #[error("{EARLY_PARTS_MAX} parts came before the announcement")]
    NoAnnouncement,
    /// The announced length is none that a block, or hints, can have.
    #[error("{what} of {bytes} bytes is announced, 1 to {max} are allowed")]
    Length {
        /// Of what.
        what: &'static str,
        /// As announced.
        bytes: u64,
        /// Most bytes of it.
        max: usize,
    },
    /// The caller refused the announcement.
    #[error("announcement refused: {0}")]
    Refused(Refusal),
}

impl Drop {
    /// Whether no honest node publishes such a part. A stream that ended here, or whose parts came in a bad order, is
    /// nobody's fault.
    pub(crate) fn is_fault(&self) -> bool {
        match self {
            Self::Ended | Self::NoAnnouncement => false,
            Self::OutOfPlace { .. } | Self::Length { .. } => true,
            Self::Refused(refusal) => refusal.is_fault(),
        }
    }
}

/// What a part did.
#[expect(clippy::large_enum_variant, reason = "made once for each part and matched at once, never stored")]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// More parts are to come.
    Waiting,
    /// The announcement and all bytes are here: the block's, then the hints'. Whether they are the announced ones is
    /// the caller's to check.
    Complete(ProposalInit, Bytes, Bytes),
}

type Key = (PeerId, Bytes);

/// Streams that are being received.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    open: BTreeMap<Key, Stream>,
    /// Keys of the open streams, oldest first.
    order: VecDeque<Key>,
    ended: VecDeque<Key>,
}

#[derive(Debug)]
struct Stream {
    neighbour: PeerId,
    init: Option<ProposalInit>,
    /// Chunks by sequence.
    chunks: BTreeMap<u64, Bytes>,
    bytes: usize,
}

impl Streams {
    /// Takes a part that came through `neighbour`. `check` judges an announcement.
    pub(crate) fn accept(
        &mut self,
        neighbour: PeerId,
        publisher: Option<PeerId>,
        message: StreamMessage<ProposalPart>,
        check: impl FnOnce(&ProposalInit) -> Result<(), Refusal>,
    ) -> Result<Progress, Drop> {
        let key = (publisher.unwrap_or(neighbour), message.stream_id.to_bytes());
        if self.ended.contains(&key) {
            return Err(Drop::Ended);
        }
        if !self.open.contains_key(&key) {
            self.open(&key, neighbour);
        }
        let stream = self.open.get_mut(&key).expect("the stream was just opened");
        match stream.accept(message, check) {
            Ok(false) => {
                self.make_room(neighbour);
                Ok(Progress::Waiting)
            }
            Ok(true) => {
                let stream = self.end(&key).expect("the stream is open");
                let init = stream.init.expect("a complete stream was announced");
                let mut bytes = BytesMut::with_capacity(stream.bytes);
                stream.chunks.values().for_each(|chunk| bytes.extend_from_slice(chunk));
                let mut block = bytes.freeze();
                let hints = block.split_off(block_bytes(&init));
                Ok(Progress::Complete(init, block, hints))
            }
            Err(reason) => {
                self.end(&key);
                Err(reason)
            }
        }
    }

    /// Forgets the streams whose announcement is not to be kept: at a new height, those of the one before.
    pub(crate) fn retain(&mut self, keep: impl Fn(&ProposalInit) -> bool) {
        let dead: Vec<Key> = self
            .open
            .iter()
            .filter(|(_, stream)| stream.init.as_ref().is_some_and(|init| !keep(init)))
            .map(|(key, _)| key.clone())
            .collect();
        for key in dead {
            self.end(&key);
        }
    }

    fn open(&mut self, key: &Key, neighbour: PeerId) {
        if self.of(neighbour).count() >= STREAMS_PER_NEIGHBOUR_MAX {
            self.end_oldest_of(neighbour);
        }
        self.open.insert(key.clone(), Stream { neighbour, init: None, chunks: BTreeMap::new(), bytes: 0 });
        self.order.push_back(key.clone());
    }

    /// Ends streams until the bounds on buffered bytes hold again.
    fn make_room(&mut self, neighbour: PeerId) {
        while self.of(neighbour).map(|stream| stream.bytes).sum::<usize>() > BYTES_PER_NEIGHBOUR_MAX {
            self.end_oldest_of(neighbour);
        }
        while self.open.values().map(|stream| stream.bytes).sum::<usize>() > BYTES_MAX {
            let oldest = self.order.front().cloned().expect("what buffers bytes is open");
            self.end(&oldest);
        }
    }

    fn of(&self, neighbour: PeerId) -> impl Iterator<Item = &Stream> {
        self.open.values().filter(move |stream| stream.neighbour == neighbour)
    }

    fn end_oldest_of(&mut self, neighbour: PeerId) {
        let oldest = self.order.iter().find(|key| self.open.get(*key).is_some_and(|s| s.neighbour == neighbour));
        if let Some(oldest) = oldest.cloned() {
            self.end(&oldest);
        }
    }

    fn end(&mut self, key: &Key) -> Option<Stream> {
        let stream = self.open.remove(key)?;
        self.order.retain(|open| open != key);
        if self.ended.len() >= ENDED_MAX {
            self.ended.pop_front();
        }
        self.ended.push_back(key.clone());
        Some(stream)
    }
}

impl Stream {
    /// Whether the stream is complete with this part.
    fn accept(
        &mut self,
        message: StreamMessage<ProposalPart>,
        check: impl FnOnce(&ProposalInit) -> Result<(), Refusal>,
    ) -> Result<bool, Drop> {
        let sequence = message.sequence;
        match (message.content, sequence) {
            (StreamContent::Data(ProposalPart::Init(init)), 0) => self.announce(init, check)?,
            (StreamContent::Data(ProposalPart::Chunk(chunk)), 1..) => self.chunk(sequence, chunk)?,
            // The announced length already says where the stream ends; the mark only closes it for the engine.
            (StreamContent::Fin, 1..) => {}
            (StreamContent::Data(ProposalPart::Init(_)), _) => {
                return Err(Drop::OutOfPlace { sequence, reason: "only the first part announces" });
            }
            (_, 0) => return Err(Drop::OutOfPlace { sequence, reason: "the first part must announce" }),
        }
        Ok(self.init.as_ref().is_some_and(|init| init.bytes_in_all() == self.bytes as u64))
    }

    fn announce(
        &mut self,
        init: ProposalInit,
        check: impl FnOnce(&ProposalInit) -> Result<(), Refusal>,
    ) -> Result<(), Drop> {
        if self.init.is_some() {
            return Err(Drop::OutOfPlace { sequence: 0, reason: "the stream is announced already" });
        }
        let hints = init.hints.as_ref().map(|hints| ("hints", hints.bytes, HINT_BYTES_MAX));
        for (what, bytes, max) in [("a block", init.bytes, BLOCK_BYTES_MAX)].into_iter().chain(hints) {
            if bytes == 0 || bytes > max as u64 {
                return Err(Drop::Length { what, bytes, max });
            }
        }
        check(&init).map_err(Drop::Refused)?;
        for (sequence, chunk) in &self.chunks {
            fits(&init, *sequence, chunk)?;
        }
        self.init = Some(init);
        Ok(())
    }

    fn chunk(&mut self, sequence: u64, chunk: Bytes) -> Result<(), Drop> {
        match &self.init {
            Some(init) => fits(init, sequence, &chunk)?,
            None if self.chunks.len() >= EARLY_PARTS_MAX => return Err(Drop::NoAnnouncement),
            None => {}
        }
        if self.chunks.contains_key(&sequence) {
            return Err(Drop::OutOfPlace { sequence, reason: "it came already" });
        }
        self.bytes += chunk.len();
        self.chunks.insert(sequence, chunk);
        Ok(())
    }
}

/// Whether a chunk has the place and the length that the announcement gives it.
fn fits(init: &ProposalInit, sequence: u64, chunk: &Bytes) -> Result<(), Drop> {
    let index = usize::try_from(sequence).unwrap_or(usize::MAX).saturating_sub(1);
    let block = block_bytes(init);
    let (bytes, index) = match index.checked_sub(chunks_of(block)) {
        None => (block, index),
        Some(index) => (hint_bytes(init), index),
    };
    if index >= chunks_of(bytes) {
        return Err(Drop::OutOfPlace { sequence, reason: "it lies behind the announced length" });
    }
    let expected = (bytes - index * CHUNK_BYTES).min(CHUNK_BYTES);
    if chunk.len() != expected {
        return Err(Drop::OutOfPlace { sequence, reason: "its length is not the one its place has" });
    }
    Ok(())
}

/// Length of the block of an announcement that was taken.
fn block_bytes(init: &ProposalInit) -> usize {
    usize::try_from(init.bytes).expect("checked to be a block's length")
}

/// Length of its hints, zero without any.
fn hint_bytes(init: &ProposalInit) -> usize {
    let bytes = init.hints.as_ref().map_or(0, |hints| hints.bytes);
    usize::try_from(bytes).expect("checked to be a length of hints")
}
