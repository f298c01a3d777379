//! The application behind the consensus engine: builds, judges, executes and commits blocks.
//!
//! ```text
//!   prepare   draft: the next block, executed before it is proposed, where that is worth it
//!   build     that, or mempool + parent's candidate ─▶ block on top of the tip
//!   validate  block_rules (the same on every node), then what only this node can see
//!      └─────▶ speculate: execute, in memory, while the votes travel
//!   commit    take that, or execute ─▶ one synced batch ─▶ new tip ─▶ mempool
//! ```
//!
//! A block is executed before the next one is built: the next header carries its results. The tip in memory moves only
//! after the batch is on disk.

pub mod accounts;
mod after;
pub mod block_rules;
mod build;
mod commit;
mod cross_index;
mod draft;
mod error;
mod execute;
mod frame;
pub mod genesis;
pub mod messages;
pub mod pool_rules;
mod reader;
mod senders;
mod service;
mod speculation;
#[cfg(test)]
pub(crate) mod tests;
mod tip;
mod validate;

use std::sync::Arc;

use mempool::Verifier;
use parking_lot::Mutex;
use subnet_types::TimestampMs;
use subnet_types::checkpoint::CheckpointDomain;

pub use error::ChainError;
pub use frame::Frame;
pub use messages::MessageSource;
pub use pool_rules::pool_rules;
pub use reader::{ChainReader, IncludedMessage};
pub use tip::{Proposal, SetHashes, Tip, next_header};

use crate::checkpoint::derive;
use crate::checkpoint::sign::CheckpointSigner;
use crate::metrics::ChainMetrics;
use crate::parent::ParentSource;
use draft::{DraftOptions, Drafts};
use execute::Executed;
use speculation::Speculations;

/// The node's clock; a value of its own so that tests can hold it still.
pub type Clock = Arc<dyn Fn() -> TimestampMs + Send + Sync>;

/// What an application is made of.
pub struct AppParts {
    /// The committed chain.
    pub chain: ChainReader,
    /// The mempool.
    pub messages: Arc<dyn MessageSource>,
    /// Checks signatures and remembers those it checked; the mempool's own.
    pub verifier: Arc<Verifier>,
    /// The node's view of the parent; `None` on a root.
    pub parent: Option<Arc<dyn ParentSource>>,
    /// This node's checkpoint key; `None` on a root and where the node does not vote.
    pub signer: Option<CheckpointSigner>,
    /// The time.
    pub clock: Clock,
    /// Counts what happens.
    pub metrics: ChainMetrics,
}

/// The application. Clones share it.
#[derive(Clone)]
pub struct App {
    inner: Arc<Inner>,
}

struct Inner {
    parts: AppParts,
    /// `None` on a root.
    domain: Option<CheckpointDomain>,
    /// The frame of the last tip it was asked for.
    frame: Mutex<Option<Arc<Frame>>>,
    /// Blocks executed ahead of their decision.
    speculations: Speculations<Executed>,
    /// The block that this node is about to propose.
    drafts: Arc<Drafts>,
    /// Whether what touches disk or VM runs on the caller's thread.
    is_inline: bool,
}

impl App {
    /// An application on a chain whose genesis is committed.
    pub fn new(parts: AppParts) -> Self {
        let options = DraftOptions::of(&parts.chain.genesis().chain);
        Self::with_drafts(parts, options)
    }

    /// The same without a thread of its own: every call does its work before it first returns, nothing is executed
    /// ahead of a decision, and no async runtime is needed. For simulations, in which nothing may depend on time.
    pub fn inline(parts: AppParts) -> Self {
        let options = DraftOptions::of(&parts.chain.genesis().chain);
        let mut inner = Self::made(parts, options);
        inner.speculations.close();
        inner.is_inline = true;
        Self { inner: Arc::new(inner) }
    }

    fn with_drafts(parts: AppParts, options: DraftOptions) -> Self {
        Self { inner: Arc::new(Self::made(parts, options)) }
    }

    fn made(parts: AppParts, options: DraftOptions) -> Inner {
        let domain = derive::domain(parts.chain.genesis());
        let speculations = Speculations::new(parts.metrics.speculation.clone());
        let drafts = Arc::new(Drafts::new(options, parts.metrics.draft.clone()));
        Inner { parts, domain, frame: Mutex::new(None), speculations, drafts, is_inline: false }
    }

    /// The committed chain.
    pub fn chain(&self) -> &ChainReader {
        &self.inner.parts.chain
    }

    /// Executes nothing more ahead of decisions, and waits for what runs. Call it once the engine has ended.
    pub async fn close(&self) {
        let inner = self.inner.clone();
        if tokio::task::spawn_blocking(move || inner.speculations.close()).await.is_err() {
            tracing::error!("waiting for a block in execution ended in a panic");
        }
    }
}

impl Inner {
    fn chain(&self) -> &ChainReader {
        &self.parts.chain
    }

    /// What the next block is built on and judged by.
    fn frame(&self) -> Result<Arc<Frame>, ChainError> {
        let tip = self.chain().tip();
        let mut cached = self.frame.lock();
        if let Some(frame) = cached.as_ref().filter(|frame| frame.tip == tip) {
            return Ok(frame.clone());
        }
        let frame = Arc::new(Frame::load(self.chain(), tip)?);
        *cached = Some(frame.clone());
        Ok(frame)
    }
}

/// Wall-clock time.
pub fn system_clock() -> Clock {
    Arc::new(|| {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        TimestampMs::new(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    })
}
