//! One node: the application of `subnet-node` on a database in memory.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use engine_api::{
    Block, BuildContext, DecidedBlock, HeightRules, SignedExtension, Source, SubnetApp, ValidateContext, Verdict,
};
use futures::executor::block_on;
use fvm_exec::Engine;
use mempool::Verifier;
use subnet_node::app::genesis::{GenesisContent, open_chain_in};
use subnet_node::app::{App, AppParts, ChainReader, Clock};
use subnet_node::checkpoint::sign::CheckpointSigner;
use subnet_node::metrics::Metrics;
use subnet_node::parent::ParentSource;
use subnet_node::storage::{GenesisCommit, MemoryLimits, Store};
use subnet_types::vote::{CommitSignature, VoteKind, extension_signing_bytes, vote_signing_bytes};
use subnet_types::{ChainIdentity, FinalityCertificate, Height};

use crate::keys::{ValidatorKeys, checkpoint};
use crate::parent::{ParentView, Readers};
use crate::pool::SharedPool;

/// Small: a simulation has many databases. What is beyond goes into tables, in memory as well.
const DATABASE_MEMORY: MemoryLimits = MemoryLimits { block_cache_bytes: 4 << 20, write_buffer_bytes: 128 << 20 };

/// Time for a block, which must never run out: what it decided would depend on the machine.
const TIME_BUDGET: Duration = Duration::from_secs(24 * 3600);

/// What all nodes of a chain share.
#[derive(Clone)]
pub struct Surroundings {
    /// From what the chain starts.
    pub content: Arc<GenesisContent>,
    /// The process's VM.
    pub engine: Arc<Engine>,
    /// The chain's messages.
    pub pool: Arc<SharedPool>,
    /// The world's time.
    pub clock: Clock,
    /// What the chain's nodes show.
    pub readers: Readers,
    /// What their databases begin with.
    pub genesis: Arc<GenesisCommit>,
}

/// One node.
pub struct Node {
    /// Its number on the chain.
    pub number: usize,
    /// What it signs with.
    pub keys: ValidatorKeys,
    /// Its view of the parent; `None` on a root.
    pub parent: Option<Arc<ParentView>>,
    chain_number: usize,
    around: Surroundings,
    store: Store,
    app: Option<App>,
}

impl Node {
    /// A node that runs on an empty database.
    ///
    /// # Errors
    /// When genesis cannot be built.
    pub fn new(
        chain_number: usize,
        number: usize,
        around: Surroundings,
        parent: Option<Arc<ParentView>>,
    ) -> anyhow::Result<Self> {
        let store = Store::open_in_memory(&around.content.genesis.identity(), DATABASE_MEMORY)?;
        store.put_genesis(&around.genesis)?;
        let keys = ValidatorKeys::of(chain_number, number)?;
        let mut node = Self { number, keys, parent, chain_number, around, store, app: None };
        node.start()?;
        Ok(node)
    }

    /// Runs the node on what its database holds. Every second one executes blocks in two lanes, the others in one.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn start(&mut self) -> anyhow::Result<()> {
        let around = &self.around;
        let lanes = NonZeroUsize::MIN.saturating_add(self.number % 2);
        let chain = open_chain_in(&around.content, self.store.clone(), around.engine.clone(), lanes)?;
        around.readers.lock()[self.number] = Some(chain.clone());
        let is_root = around.content.genesis.subnet.is_root();
        let signer =
            if is_root { None } else { Some(CheckpointSigner::new(checkpoint(self.chain_number, self.number)?)) };
        self.app = Some(App::inline(AppParts {
            verifier: Arc::new(Verifier::new(*chain.identity(), around.content.genesis.chain.signatures)),
            chain,
            messages: around.pool.clone(),
            parent: self.parent.clone().map(|parent| parent as Arc<dyn ParentSource>),
            signer,
            clock: around.clock.clone(),
            metrics: Metrics::new().chain,
        }));
        Ok(())
    }

    /// Ends the node as a crash does: what is in its memory is gone, its database stays.
    pub fn stop(&mut self) {
        self.app = None;
        self.around.readers.lock()[self.number] = None;
    }

    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        self.app.is_some()
    }

    /// The committed chain, while the node runs.
    pub fn reader(&self) -> Option<&ChainReader> {
        self.app.as_ref().map(App::chain)
    }

    /// The last committed height, while the node runs.
    pub fn height(&self) -> Option<Height> {
        self.reader().map(|reader| reader.tip().height)
    }

    fn app(&self) -> anyhow::Result<&App> {
        self.app.as_ref().context("the node is stopped")
    }

    /// Rules of `height`.
    ///
    /// # Errors
    /// As the application's.
    pub fn rules(&self, height: Height) -> anyhow::Result<HeightRules> {
        Ok(block_on(self.app()?.rules(height))?)
    }

    /// The next block, by this node.
    ///
    /// # Errors
    /// As the application's.
    pub fn build(&self, height: Height, round: u32) -> anyhow::Result<Block> {
        let context = BuildContext { height, round, proposer: self.keys.vote.public(), time_budget: TIME_BUDGET };
        Ok(block_on(self.app()?.build(context))?.block)
    }

    /// This node's verdict on a block.
    ///
    /// # Errors
    /// As the application's.
    pub fn judge(&self, block: &Block, round: u32, source: Source) -> anyhow::Result<Verdict> {
        let context = ValidateContext { height: block.header.height, round, source, hints: bytes::Bytes::new() };
        Ok(block_on(self.app()?.validate(context, block))?)
    }

    /// This node's precommit for a block.
    pub fn precommit(&self, identity: &ChainIdentity, block: &Block, round: u32) -> CommitSignature {
        let validator = self.keys.vote.public();
        let (height, id) = (block.header.height, block.id());
        let bytes = vote_signing_bytes(identity, VoteKind::Precommit, height, round, Some(&id), &validator);
        CommitSignature { validator, signature: self.keys.vote.sign(&bytes) }
    }

    /// The extension of that precommit.
    ///
    /// # Errors
    /// As the application's.
    pub fn extension(&self, identity: &ChainIdentity, block: &Block, round: u32) -> anyhow::Result<SignedExtension> {
        let validator = self.keys.vote.public();
        let (height, id) = (block.header.height, block.id());
        let extension = block_on(self.app()?.extend_vote(height, &id))?;
        let bytes = extension_signing_bytes(identity, height, round, &id, &validator, &extension);
        Ok(SignedExtension { validator, signature: self.keys.vote.sign(&bytes), extension })
    }

    /// Checks the extension of another.
    ///
    /// # Errors
    /// When the node is stopped or the extension is wrong.
    pub fn check_extension(&self, block: &Block, extension: &SignedExtension) -> anyhow::Result<()> {
        let SignedExtension { validator, extension, .. } = extension;
        let checked = block_on(self.app()?.verify_extension(block.header.height, &block.id(), validator, extension));
        checked.map_err(anyhow::Error::msg)
    }

    /// Commits a decided block.
    ///
    /// # Errors
    /// As the application's.
    pub fn commit(&self, decided: DecidedBlock) -> anyhow::Result<()> {
        Ok(block_on(self.app()?.commit(decided))?)
    }

    /// The committed block at `height`, for a node that fell behind.
    ///
    /// # Errors
    /// As the application's.
    pub fn decided(&self, height: Height) -> anyhow::Result<Option<DecidedBlock>> {
        Ok(block_on(self.app()?.decided(height))?)
    }

    /// Takes from `peer` what this node missed, judging each block as one with a certificate.
    ///
    /// # Errors
    /// When a block that was decided is not accepted.
    pub fn catch_up(&self, peer: &Self) -> anyhow::Result<u64> {
        let mut taken = 0;
        while let (Some(own), Some(theirs)) = (self.height(), peer.height())
            && own < theirs
        {
            let decided = peer.decided(own.next())?.context("a committed block is served")?;
            let verdict = self.judge(&decided.block, decided.certificate.round, Source::Certified)?;
            ensure!(verdict == Verdict::Accept, "a decided block at {} was judged {verdict:?}", own.next());
            self.commit(decided)?;
            taken += 1;
        }
        Ok(taken)
    }
}

/// The certificate that `signatures` make.
pub fn certificate(block: &Block, round: u32, signatures: Vec<CommitSignature>) -> FinalityCertificate {
    FinalityCertificate { height: block.header.height, round, block: block.id(), signatures }
}
