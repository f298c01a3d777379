//! One chain: its nodes and, in the place of the engine, the rounds in which they decide.
//!
//! A round takes no messages apart: whoever runs gets the proposal, judges it and votes at once. What a network can do
//! besides is that a node misses a decision, or is stopped; both catch up from a peer later.

use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use client::keys::AccountKey;
use client::sign_message;
use engine_api::{Block, DecidedBlock, Source, Verdict};
use fvm_exec::Engine;
use fvm_shared::address::Address;
use fvm_shared::message::Message;
use mempool::{AccountSource, AccountView};
use parking_lot::Mutex;
use subnet_node::app::accounts::LatestAccounts;
use subnet_node::app::genesis::GenesisContent;
use subnet_node::app::{ChainReader, Clock, Tip, pool_rules};
use subnet_types::membership::is_quorum;
use subnet_types::{BlockHeader, ChainIdentity, Height, ParentUpdate, Payload, Power, SignedMessage, SubnetId};

use crate::node::{Node, Surroundings, certificate};
use crate::parent::{Lie, ParentView, Readers, forge};
use crate::placed;
use crate::pool::SharedPool;
use crate::prng::Prng;

/// Rounds after which a height waits for the world to change.
const ROUNDS_MAX: u32 = 8;

/// A block that was decided.
#[derive(Clone, Debug)]
pub struct Decision {
    /// The block.
    pub block: Block,
    /// In which round.
    pub round: u32,
    /// False proofs that a proposer put into a block, and everybody refused.
    pub forged: u32,
}

/// One chain.
pub struct Chain {
    /// Its name.
    pub name: SubnetId,
    /// Its identity.
    pub identity: ChainIdentity,
    /// Its number in the world.
    pub number: usize,
    /// The parent's number; `None` for a root.
    pub parent: Option<usize>,
    /// Its nodes, in the order of their numbers.
    pub nodes: Vec<Node>,
    /// What its nodes show.
    pub readers: Readers,
    /// When its next block is due.
    pub due_ms: u64,
    /// Share of decisions that a node misses, in thousandths.
    pub missed_permille: u64,
    /// Share of blocks with news of the parent that are proposed with false ones first, in thousandths.
    pub forged_permille: u64,
    /// The last block that was decided. Who voted for it has it, whatever becomes of the nodes that committed it.
    head: Option<DecidedBlock>,
    pool: Arc<SharedPool>,
}

/// From what a chain is made.
pub struct ChainParts {
    /// Its number in the world.
    pub number: usize,
    /// The parent's number and nodes; `None` for a root.
    pub parent: Option<(usize, Readers)>,
    /// From what it starts.
    pub content: GenesisContent,
    /// How many nodes it has.
    pub nodes: usize,
    /// The process's VM.
    pub engine: Arc<Engine>,
    /// The world's time.
    pub clock: Clock,
}

impl Chain {
    /// A chain whose nodes all run.
    ///
    /// # Errors
    /// When genesis cannot be built.
    pub fn new(parts: ChainParts) -> anyhow::Result<Self> {
        let ChainParts { number, parent, content, nodes, engine, clock } = parts;
        let genesis = &content.genesis;
        let (name, trusting_period_ms) = (genesis.subnet.clone(), genesis.chain.trusting_period_ms);
        let identity = genesis.identity();
        let due_ms = genesis.timestamp.get() + genesis.chain.block_interval_ms;
        let pool = Arc::new(SharedPool::new(pool_rules(genesis)));
        let readers: Readers = Arc::new(Mutex::new(vec![None; nodes]));
        let genesis = Arc::new(placed::genesis(&content)?);
        let content = Arc::new(content);
        let made = |node| {
            let around = Surroundings {
                content: content.clone(),
                engine: engine.clone(),
                pool: pool.clone(),
                clock: clock.clone(),
                readers: readers.clone(),
                genesis: genesis.clone(),
            };
            let view =
                |readers: &Readers| Arc::new(ParentView::new(readers.clone(), node, clock.clone(), trusting_period_ms));
            Node::new(number, node, around, parent.as_ref().map(|(_, readers)| view(readers)))
        };
        let nodes = (0..nodes).map(made).collect::<anyhow::Result<_>>()?;
        let parent = parent.map(|(number, _)| number);
        Ok(Self {
            name,
            identity,
            number,
            parent,
            nodes,
            readers,
            due_ms,
            missed_permille: 0,
            forged_permille: 0,
            head: None,
            pool,
        })
    }

    /// The running node that has committed most; of several the first.
    pub fn best(&self) -> Option<&Node> {
        let running = self.nodes.iter().filter(|node| node.is_running());
        running.max_by_key(|node| (node.height(), std::cmp::Reverse(node.number)))
    }

    /// Whether a running node has the last block that was decided.
    pub fn is_current(&self) -> bool {
        let decided = self.head.as_ref().map(|head| head.block.header.height);
        self.best().is_some_and(|best| best.height() >= decided)
    }

    /// What that node shows.
    ///
    /// # Errors
    /// When all nodes are stopped.
    pub fn reader(&self) -> anyhow::Result<&ChainReader> {
        self.best().and_then(Node::reader).with_context(|| format!("no node of {} runs", self.name))
    }

    /// An account as the best node has it.
    ///
    /// # Errors
    /// When no node runs or the state cannot be read.
    pub fn account(&self, address: &Address) -> anyhow::Result<AccountView> {
        let accounts = LatestAccounts::new(self.reader()?.clone());
        Ok(accounts.account(address)?.unwrap_or_default())
    }

    /// How many messages wait.
    pub fn waiting(&self) -> usize {
        self.pool.waiting()
    }

    /// Signs `message` with the sender's next nonce and lets it wait for a block. `None` when the pool refused it.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn push(&self, mut message: Message, key: &AccountKey) -> anyhow::Result<Option<SignedMessage>> {
        let account = self.account(&key.address())?;
        message.from = key.address();
        message.sequence = self.pool.next_nonce(&message.from, &account);
        let signed = sign_message(&message, key, self.reader()?.identity());
        Ok(self.pool.push(signed.clone(), &account).then_some(signed))
    }

    /// Tries to decide the next block. `None` when too few nodes run, or none of the proposals found a quorum.
    ///
    /// # Errors
    /// When a node failed or two nodes disagree on what a block makes.
    pub fn decide(&mut self, prng: &mut Prng) -> anyhow::Result<Option<Decision>> {
        if !self.level()? {
            return Ok(None);
        }
        let Some((decision, decided)) = self.decide_next(prng, None)? else { return Ok(None) };
        self.commit(&decided, prng)?;
        self.head = Some(decided);
        Ok(Some(decision))
    }

    /// Has the next proposer bring `update`, whatever it is. `None` when everybody refused the block.
    ///
    /// # Errors
    /// As [`Self::decide`], or when some accept the block and others do not.
    pub fn decide_with(&mut self, update: &ParentUpdate, prng: &mut Prng) -> anyhow::Result<Option<Decision>> {
        ensure!(self.level()?, "too few nodes of {} run", self.name);
        let Some((decision, decided)) = self.decide_next(prng, Some(update))? else { return Ok(None) };
        self.commit(&decided, prng)?;
        self.head = Some(decided);
        Ok(Some(decision))
    }

    /// Brings every running node to the last decided height. Whether that is possible with those that run.
    fn level(&self) -> anyhow::Result<bool> {
        let Some(best) = self.best() else { return Ok(false) };
        if let (Some(head), Some(height)) = (&self.head, best.height()) {
            if head.block.header.height > height.next() {
                return Ok(false);
            }
            if head.block.header.height == height.next() {
                best.commit(head.clone())?;
            }
        }
        for node in self.nodes.iter().filter(|node| node.is_running()) {
            node.catch_up(best)?;
        }
        Ok(true)
    }

    fn decide_next(
        &self,
        prng: &mut Prng,
        brought: Option<&ParentUpdate>,
    ) -> anyhow::Result<Option<(Decision, DecidedBlock)>> {
        let Some(best) = self.best() else { return Ok(None) };
        let head = best.height().context("the best node runs")?;
        let height = head.next();
        let rules = best.rules(height)?;
        let identity = *best.reader().context("the best node runs")?.identity();
        let voters: Vec<&Node> = self.voters(&rules.validators);
        let total = rules.validators.total_power();
        let power = |nodes: &[&Node]| {
            let powers = nodes.iter().filter_map(|node| rules.validators.find(&node.keys.vote.public()));
            Power::new(powers.map(|(_, validator)| validator.power.get()).sum())
        };
        if !is_quorum(power(&voters), total) {
            return Ok(None);
        }
        for round in 0..ROUNDS_MAX {
            let turn = (height.get() + u64::from(round)) as usize % rules.validators.len();
            let proposer = rules.validators.validators()[turn].vote_key;
            let Some(proposer) = voters.iter().find(|node| node.keys.vote.public() == proposer) else { continue };
            let mut block = proposer.build(height, round)?;
            if let Some(update) = brought {
                block = with_update(&block, |brought| *brought = Some(update.clone()))?;
                let mut verdicts = voters.iter().map(|node| node.judge(&block, round, Source::Live));
                if verdicts.all(|verdict| matches!(verdict, Ok(Verdict::Reject(_)))) {
                    return Ok(None);
                }
            }
            let others: Vec<&Node> = voters.iter().copied().filter(|node| node.number != proposer.number).collect();
            let forged = u32::from(prng.permille(self.forged_permille) && self.refuses_forged(&block, &others, prng)?);
            self.all_accept(&block, round, &others)?;
            let signatures = voters.iter().map(|node| node.precommit(&identity, &block, round)).collect();
            let mut extensions = Vec::new();
            if rules.extensions_required {
                for node in &voters {
                    extensions.push(node.extension(&identity, &block, round)?);
                }
                if let (Some(other), Some(extension)) = (others.first(), extensions.last()) {
                    other.check_extension(&block, extension)?;
                }
            }
            let certificate = certificate(&block, round, signatures);
            let decision = Decision { block: block.clone(), round, forged };
            return Ok(Some((decision, DecidedBlock { block, certificate, extensions })));
        }
        Ok(None)
    }

    /// Lets a proposer bring false news of the parent, in a block that is right in everything else. Whether there were
    /// news, and somebody to refuse them.
    fn refuses_forged(&self, block: &Block, others: &[&Node], prng: &mut Prng) -> anyhow::Result<bool> {
        let lie = Lie::FALSE[prng.index(Lie::FALSE.len())];
        let (info, _) = block.payload.parse()?;
        if info.parent_update.is_none() || others.is_empty() {
            return Ok(false);
        }
        let forged = with_update(block, |update| update.iter_mut().for_each(|update| forge(update, lie)))?;
        self.all_refuse(&forged, others).with_context(|| format!("a proof that is {lie:?}"))?;
        Ok(true)
    }

    /// An honest block is a good one to everybody.
    fn all_accept(&self, block: &Block, round: u32, judges: &[&Node]) -> anyhow::Result<()> {
        for node in judges {
            let verdict = node.judge(block, round, Source::Live)?;
            let height = block.header.height;
            ensure!(verdict == Verdict::Accept, "{} judged an honest block {height}: {verdict:?}", self.name);
        }
        Ok(())
    }

    /// A block that is not honest is one to nobody.
    fn all_refuse(&self, block: &Block, judges: &[&Node]) -> anyhow::Result<()> {
        for node in judges {
            let verdict = node.judge(block, 0, Source::Live)?;
            let is_rejected = matches!(verdict, Verdict::Reject(_));
            ensure!(is_rejected, "{} judged a false block: {verdict:?}", self.name);
        }
        Ok(())
    }

    fn voters(&self, validators: &subnet_types::ValidatorSet) -> Vec<&Node> {
        let running = self.nodes.iter().filter(|node| node.is_running());
        running.filter(|node| validators.find(&node.keys.vote.public()).is_some()).collect()
    }

    /// Lets every running node commit, but for those that miss it. The proposer's own is never among these, so that the
    /// block is there for the others.
    fn commit(&self, decided: &DecidedBlock, prng: &mut Prng) -> anyhow::Result<()> {
        let mut tips = Vec::new();
        for node in self.nodes.iter().filter(|node| node.is_running()) {
            let is_proposer = node.keys.vote.public() == decided.block.header.proposer;
            if !is_proposer && self.missed_permille > 0 && prng.permille(self.missed_permille) {
                continue;
            }
            node.commit(decided.clone())?;
            tips.push(node.reader().context("the node runs")?.tip());
        }
        agree(&tips).with_context(|| format!("nodes of {}", self.name))?;
        let (_, messages) = decided.block.payload.parse()?;
        self.pool.committed(&messages, &LatestAccounts::new(self.reader()?.clone()))?;
        Ok(())
    }

    /// The state root after `height`, as the best node has it.
    ///
    /// # Errors
    /// When the store fails.
    pub fn state_root(&self, height: Height) -> anyhow::Result<Option<cid::Cid>> {
        Ok(self.reader()?.state_root(height)?)
    }
}

/// The same block with other news of the parent.
fn with_update(block: &Block, change: impl FnOnce(&mut Option<ParentUpdate>)) -> anyhow::Result<Block> {
    let (mut info, messages) = block.payload.parse()?;
    change(&mut info.parent_update);
    let payload = Payload::new(&info, &messages);
    let header = BlockHeader { payload_root: payload.root(), ..block.header.clone() };
    Ok(Block { header, payload })
}

/// All nodes make the same of a block.
fn agree(tips: &[Arc<Tip>]) -> anyhow::Result<()> {
    let differs = tips.windows(2).find(|pair| pair[0] != pair[1]);
    if let Some([one, other]) = differs {
        bail!("they disagree after block {}: {one:?}, {other:?}", one.height);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use fvm_shared::econ::TokenAmount;

    use super::*;
    use crate::world::{Options, World};

    fn world() -> World {
        let mut world = World::new(Options { nodes: 4, ..Options::default() }, Engine::new(2).unwrap()).unwrap();
        for _ in 0..3 {
            world.step().unwrap();
        }
        world
    }

    #[test]
    fn nodes_that_make_different_things_of_a_block_are_found() {
        let world = world();
        let tip = world.chains[0].reader().unwrap().tip();
        agree(&[tip.clone(), tip.clone(), tip.clone()]).unwrap();
        let forged: [fn(&mut Tip); 3] = [
            |tip| tip.results.state_root = tip.results.receipts_root,
            |tip| tip.id = tip.results.state_root,
            |tip| tip.next_base_fee += TokenAmount::from_atto(1),
        ];
        for change in forged {
            let mut other = Tip::clone(&tip);
            change(&mut other);
            let found = agree(&[tip.clone(), tip.clone(), Arc::new(other)]).unwrap_err();
            assert!(found.to_string().contains("disagree after block 3"), "{found}");
        }
    }

    #[test]
    fn verdicts_that_are_not_what_a_block_deserves_are_found() {
        let world = world();
        let chain = &world.chains[0];
        let height = chain.best().unwrap().height().unwrap().next();
        let rules = chain.nodes[0].rules(height).unwrap();
        let turn = usize::try_from(height.get()).unwrap() % rules.validators.len();
        let key = rules.validators.validators()[turn].vote_key;
        let proposer = chain.nodes.iter().find(|node| node.keys.vote.public() == key).unwrap();
        let judges: Vec<&Node> = chain.nodes.iter().filter(|node| node.number != proposer.number).collect();
        let honest = proposer.build(height, 0).unwrap();
        chain.all_accept(&honest, 0, &judges).unwrap();
        assert!(chain.all_refuse(&honest, &judges).unwrap_err().to_string().contains("judged a false block"));
        let header = BlockHeader { state_root: honest.header.receipts_root, ..honest.header.clone() };
        let false_one = Block { header, payload: honest.payload };
        chain.all_refuse(&false_one, &judges).unwrap();
        assert!(chain.all_accept(&false_one, 0, &judges).unwrap_err().to_string().contains("judged an honest block"));
    }
}
