//! The world: chains, time, what is on its way between them, and the order in which things happen.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, ensure};
use client::keys::AccountKey;
use fvm_exec::Engine;
use fvm_ipld_encoding::RawBytes;
use fvm_shared::MethodNum;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use fvm_shared::receipt::Receipt;
use subnet_node::app::Clock;
use subnet_node::app::genesis::GenesisContent;
use subnet_types::actors::CallParams;
use subnet_types::cross::{delivery_gas, departure_gas};
use subnet_types::genesis::{ChainParameters, GENESIS_VERSION, GenesisBalance};
use subnet_types::hash::blake2b_256;
use subnet_types::message::SignaturePolicy;
use subnet_types::{
    ConfigurationNumber, CrossKind, Digest, Genesis, ParentUpdate, Power, SubnetId, TimestampMs, Validator,
    ValidatorSet,
};

use crate::chain::{Chain, ChainParts};
use crate::checks::Checks;
use crate::faults::{Bug, Faults};
use crate::keys::{self, ValidatorKeys};
use crate::prng::Prng;
use crate::submitters::Submitters;

/// When the root starts, in milliseconds.
const START_MS: u64 = 1_700_000_000_000;
/// Time between blocks, in milliseconds.
const INTERVAL_MS: u64 = 1000;
/// By how much a block may be late, in milliseconds.
const JITTER_MS: u64 = 250;
/// Number in the root's name.
pub(crate) const ROOT: u64 = 1_789;
/// What each user has on the root, in whole FIL.
const USER_FIL: u64 = 1_000_000;
/// Base fee of every chain, in attoFIL.
const BASE_FEE_MIN_ATTO: u64 = 100;
/// What a message of the simulation pays for gas at most, in attoFIL: far above what the base fee rises to.
const FEE_CAP_ATTO: u64 = 1_000_000;
/// Accounts on every chain that nobody has the key of.
const SINKS: u8 = 3;
/// Blocks of a chain in which a message has to be included.
const INCLUSION_BLOCKS_MAX: u64 = 200;
/// How old the tracked parent may be, in milliseconds: longer than anything stands still here.
const TRUSTING_PERIOD_MS: u64 = 30 * 24 * 3_600_000;

/// What kind of world to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Decides everything that is left to chance.
    pub seed: u64,
    /// Levels below the root.
    pub levels: u32,
    /// Children of each chain that is not on the last level.
    pub children: u32,
    /// Nodes of each chain that are its validators at first.
    pub nodes: usize,
    /// Further nodes of each subnet. They may become validators, and validators may leave.
    pub spares: usize,
    /// Blocks between checkpoints.
    pub period: u64,
    /// Users, who have accounts on every chain.
    pub users: usize,
    /// What is broken, if anything.
    pub bug: Option<Bug>,
    /// Whether nodes stop, parents lie and submissions go astray.
    pub has_faults: bool,
    /// Price of a unit of delivery gas on every edge, in attoFIL.
    pub price_atto: u64,
    /// Blocks of a chain after which all its value is added up even if nothing was settled.
    pub check_every: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 1,
            levels: 1,
            children: 1,
            nodes: 1,
            spares: 0,
            period: 5,
            users: 8,
            bug: None,
            has_faults: false,
            price_atto: 0,
            check_every: 10,
        }
    }
}

/// Who signs a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// A user.
    User(usize),
    /// The owner of a node: chain and node.
    Owner(usize, usize),
}

/// A message on its way to a chain; signed when it arrives, in the order of arrival.
#[derive(Clone, Debug)]
pub struct Post {
    /// The chain it goes to.
    pub to: usize,
    /// Who sends it.
    pub sender: Sender,
    /// What, without sender and nonce.
    pub message: Message,
}

/// What happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Blocks decided.
    pub blocks: u64,
    /// Turns in which a chain could decide nothing.
    pub stalls: u64,
    /// False proofs that a proposer brought and everybody refused.
    pub forged: u64,
    /// Proofs of parent nodes that were none, and were left aside.
    pub dropped: u64,
    /// Messages in blocks.
    pub messages: u64,
    /// Of these, messages that failed.
    pub failed: u64,
    /// Messages that the pool refused.
    pub not_admitted: u64,
    /// Checkpoints that a minority made up.
    pub made_up: u64,
    /// Nodes stopped.
    pub stopped: u64,
    /// Times at which a parent node began to lie.
    pub lies: u64,
}

/// The world.
pub struct World {
    /// What it was made from.
    pub options: Options,
    /// Chance.
    pub prng: Prng,
    /// All chains; parents come before their children.
    pub chains: Vec<Chain>,
    /// What must hold.
    pub checks: Checks,
    /// What happened.
    pub tally: Tally,
    /// Who brings checkpoints to parents.
    pub submitters: Submitters,
    /// What goes wrong.
    pub faults: Faults,
    /// Whether users do something.
    pub has_workload: bool,
    pub(crate) engine: Arc<Engine>,
    users: Vec<AccountKey>,
    now: Arc<AtomicU64>,
    posts: BTreeMap<(u64, u64), Post>,
    posted: u64,
    history: Digest,
}

impl World {
    /// A world with a root and nothing below it.
    ///
    /// # Errors
    /// When the VM or genesis cannot be made.
    pub fn new(options: Options, engine: Arc<Engine>) -> anyhow::Result<Self> {
        let users = (0..options.users).map(keys::user).collect::<anyhow::Result<Vec<_>>>()?;
        let content = root_content(&options, &users)?;
        let mut world = Self {
            prng: Prng::new(options.seed),
            chains: Vec::new(),
            checks: Checks::default(),
            tally: Tally::default(),
            submitters: Submitters::default(),
            faults: Faults::default(),
            has_workload: false,
            engine,
            users,
            now: Arc::new(AtomicU64::new(START_MS)),
            posts: BTreeMap::new(),
            posted: 0,
            history: Digest::ZERO,
            options,
        };
        world.checks.sinks = (0..SINKS).map(sink).collect();
        world.add_chain(None, content)?;
        Ok(world)
    }

    /// Starts a chain and returns its number.
    ///
    /// # Errors
    /// When genesis cannot be built.
    pub fn add_chain(&mut self, parent: Option<usize>, content: GenesisContent) -> anyhow::Result<usize> {
        let number = self.chains.len();
        let parts = ChainParts {
            number,
            parent: parent.map(|parent| (parent, self.chains[parent].readers.clone())),
            content,
            nodes: self.options.nodes + if parent.is_some() { self.options.spares } else { 0 },
            engine: self.engine.clone(),
            clock: self.clock(),
        };
        let mut chain = Chain::new(parts)?;
        chain.due_ms = chain.due_ms.max(self.now_ms() + INTERVAL_MS);
        self.chains.push(chain);
        Ok(number)
    }

    /// The world's time, in milliseconds.
    pub fn now_ms(&self) -> u64 {
        self.now.load(Ordering::Relaxed)
    }

    /// When the root started, in milliseconds.
    pub(crate) fn start_ms(&self) -> u64 {
        START_MS
    }

    fn clock(&self) -> Clock {
        let now = self.now.clone();
        Arc::new(move || TimestampMs::new(now.load(Ordering::Relaxed)))
    }

    /// A digest over every block decided so far: its chain, its id and the state after it, in order.
    pub fn history(&self) -> Digest {
        self.history
    }

    /// The account of a user, on every chain.
    pub fn user(&self, number: usize) -> Address {
        self.users[number].address()
    }

    /// The fee with which a transfer, or a call, comes from `chain` to another one, wherever it ends.
    pub fn fee(&self, chain: usize, to: &SubnetId, call: Option<&CallParams>) -> TokenAmount {
        let (from, to) = (self.chains[chain].name.route(), to.route());
        let shared = from.iter().zip(to).take_while(|(one, other)| one == other).count();
        let edges = (from.len() + to.len() - 2 * shared) as u64;
        let (kind, gas_limit) = match call {
            Some(call) => (CrossKind::Call { method: call.method, params: call.params.clone() }, call.gas_limit),
            None => (CrossKind::Transfer, 0),
        };
        // Each edge takes the price once; to set out over the last one, there must be enough for there and back.
        let last = departure_gas(&kind, gas_limit, true).max(departure_gas(&kind, gas_limit, false));
        let before = delivery_gas(&kind, gas_limit).saturating_mul(edges.saturating_sub(1));
        TokenAmount::from_atto(self.options.price_atto) * last.saturating_add(before)
    }

    /// Parameters of every chain here.
    pub fn parameters(&self) -> ChainParameters {
        parameters(&self.options)
    }

    /// Lets a message arrive after `delay_ms`.
    pub fn post(&mut self, post: Post, delay_ms: u64) {
        self.posted += 1;
        self.posts.insert((self.now_ms() + delay_ms, self.posted), post);
    }

    /// Whether no message is on its way to a chain.
    pub fn is_nothing_posted(&self) -> bool {
        self.posts.is_empty()
    }

    /// One turn of the chain whose block is due next. Returns its number.
    ///
    /// # Errors
    /// What does not hold, or that a node failed.
    pub fn step(&mut self) -> anyhow::Result<usize> {
        let due = self.chains.iter().map(|chain| (chain.due_ms, chain.number)).min();
        let (_, number) = due.context("a world has a root")?;
        self.turn(number)?;
        Ok(number)
    }

    /// One turn of chain `number`, which waits until it is due.
    ///
    /// # Errors
    /// As [`Self::step`].
    pub fn turn(&mut self, number: usize) -> anyhow::Result<()> {
        self.wake(number)?;
        match self.chains[number].decide(&mut self.prng)? {
            Some(decision) => self.decided(number, &decision),
            None => {
                self.tally.stalls += 1;
                Ok(())
            }
        }
    }

    /// One turn of chain `number` whose proposer brings `update`, whatever it is. Whether it was decided so.
    ///
    /// # Errors
    /// As [`Self::step`], or when some nodes accept the block and others do not.
    pub fn turn_with(&mut self, number: usize, update: &ParentUpdate) -> anyhow::Result<bool> {
        self.wake(number)?;
        let decision = self.chains[number].decide_with(update, &mut self.prng)?;
        decision.as_ref().map_or(Ok(()), |decision| self.decided(number, decision))?;
        Ok(decision.is_some())
    }

    /// Whether no node hears anything of its chain's parent from now on.
    pub fn set_deaf(&self, is_deaf: bool) {
        let views = self.chains.iter().flat_map(|chain| &chain.nodes).filter_map(|node| node.parent.as_ref());
        views.for_each(|view| view.set_deaf(is_deaf));
    }

    /// Time goes on to the turn of chain `number`, with what happens until then.
    fn wake(&mut self, number: usize) -> anyhow::Result<()> {
        let now = self.now_ms().max(self.chains[number].due_ms);
        self.now.store(now, Ordering::Relaxed);
        self.arrive(now)?;
        self.stir(number)?;
        let jitter = self.prng.below(JITTER_MS);
        self.chains[number].due_ms = now + INTERVAL_MS + jitter;
        Ok(())
    }

    /// A block was decided and committed: it is looked at, and answered with what follows.
    fn decided(&mut self, number: usize, decision: &crate::chain::Decision) -> anyhow::Result<()> {
        let height = decision.block.header.height;
        let root = self.chains[number].state_root(height)?.context("the block was committed")?;
        let mut record = self.history.0.to_vec();
        record.extend(number.to_be_bytes());
        record.extend(decision.block.id().to_bytes());
        record.extend(root.to_bytes());
        self.history = blake2b_256(&record);
        self.count(number, decision)?;
        let is_thorough = height.get().is_multiple_of(self.options.check_every.max(1));
        self.checks.committed(&self.chains, number, is_thorough)?;
        self.submit(number)?;
        if self.has_workload { self.act(number) } else { self.answer(number) }
    }

    fn count(&mut self, number: usize, decision: &crate::chain::Decision) -> anyhow::Result<()> {
        self.tally.blocks += 1;
        self.tally.forged += u64::from(decision.forged);
        let (info, messages) = decision.block.payload.parse()?;
        self.tally.messages += messages.len() as u64;
        let receipts = self.chains[number].reader()?.receipts(decision.block.header.height)?;
        let first = usize::from(info.parent_update.is_some());
        let own = receipts.iter().skip(first).take(messages.len());
        self.tally.failed += own.filter(|receipt| !receipt.exit_code.is_success()).count() as u64;
        Ok(())
    }

    fn arrive(&mut self, now_ms: u64) -> anyhow::Result<()> {
        while let Some(entry) = self.posts.first_entry().filter(|entry| entry.key().0 <= now_ms) {
            let Post { to, sender, message } = entry.remove();
            if self.chains[to].best().is_none() {
                continue;
            }
            if self.chains[to].push(message, self.key(sender))?.is_none() {
                self.tally.not_admitted += 1;
            }
        }
        Ok(())
    }

    fn key(&self, sender: Sender) -> &AccountKey {
        match sender {
            Sender::User(number) => &self.users[number],
            Sender::Owner(chain, node) => &self.chains[chain].nodes[node].keys.owner,
        }
    }

    /// Sends a message to a chain and lets the world go on until it is in a block.
    ///
    /// # Errors
    /// When it is refused, is never included, or something does not hold meanwhile.
    pub fn send(&mut self, chain: usize, key: &AccountKey, message: Message) -> anyhow::Result<Receipt> {
        let pushed = self.chains[chain].push(message, key)?;
        let cid = pushed.with_context(|| format!("the pool of {} refused a message", self.chains[chain].name))?.cid();
        let mut left = INCLUSION_BLOCKS_MAX;
        loop {
            if let Some(included) = self.chains[chain].reader()?.message(&cid)? {
                return Ok(included.receipt);
            }
            ensure!(left > 0, "a message waits for {INCLUSION_BLOCKS_MAX} blocks");
            if self.step()? == chain {
                left -= 1;
            }
        }
    }

    /// Sends what must succeed, from a user.
    ///
    /// # Errors
    /// As [`Self::send`], or when it fails.
    pub fn send_as_user(&mut self, chain: usize, user: usize, message: Message) -> anyhow::Result<Receipt> {
        let key = keys::user(user)?;
        let (to, method) = (message.to, message.method_num);
        let receipt = self.send(chain, &key, message)?;
        ensure!(receipt.exit_code.is_success(), "method {method} of {to} ended with {}", receipt.exit_code);
        Ok(receipt)
    }

    /// Lets the world go on until something is so.
    ///
    /// # Errors
    /// When it is not after `turns` turns, or something does not hold meanwhile.
    pub fn run_until(
        &mut self,
        what: &str,
        turns: u64,
        mut is_so: impl FnMut(&Self) -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        for _ in 0..turns {
            if is_so(self)? {
                return Ok(());
            }
            self.step()?;
        }
        ensure!(is_so(self)?, "{what}: not after {turns} turns");
        Ok(())
    }
}

/// An account that nobody has the key of.
fn sink(number: u8) -> Address {
    Address::new_secp256k1(&[number; 65]).expect("65 bytes are a public key to hash")
}

/// A message whose sender and nonce are still open.
pub fn message(to: Address, method: MethodNum, params: Vec<u8>, value: TokenAmount, gas_limit: u64) -> Message {
    Message {
        version: 0,
        from: Address::new_id(0),
        to,
        sequence: 0,
        value,
        method_num: method,
        params: RawBytes::new(params),
        gas_limit,
        gas_fee_cap: TokenAmount::from_atto(FEE_CAP_ATTO),
        gas_premium: TokenAmount::from_atto(10),
    }
}

fn parameters(options: &Options) -> ChainParameters {
    ChainParameters {
        block_interval_ms: INTERVAL_MS,
        block_gas_limit: subnet_types::limits::BLOCK_GAS_MAX,
        base_fee_min: TokenAmount::from_atto(BASE_FEE_MIN_ATTO),
        signatures: SignaturePolicy::Bound,
        checkpoint_period_blocks: options.period,
        trusting_period_ms: TRUSTING_PERIOD_MS,
        cross_gas_price: TokenAmount::from_atto(options.price_atto),
        bundle: actor_bundle::manifest_cid(),
    }
}

fn root_content(options: &Options, users: &[AccountKey]) -> anyhow::Result<GenesisContent> {
    let balance = TokenAmount::from_whole(USER_FIL);
    let mut balances: Vec<GenesisBalance> =
        users.iter().map(|user| GenesisBalance { address: user.address(), balance: balance.clone() }).collect();
    balances.sort_by_key(|entry| entry.address);
    let validator = |node| {
        let keys = ValidatorKeys::of(0, node)?;
        anyhow::Ok(Validator {
            owner: keys.owner.address(),
            vote_key: keys.vote.public(),
            checkpoint_key: keys.checkpoint.public(),
            power: Power::new(1),
        })
    };
    let validators = (0..options.nodes).map(validator).collect::<anyhow::Result<Vec<_>>>()?;
    let genesis = Genesis {
        version: GENESIS_VERSION,
        subnet: SubnetId::root(ROOT),
        timestamp: TimestampMs::new(START_MS),
        chain: parameters(options),
        validators: ValidatorSet::new(ConfigurationNumber::FIRST, validators)?,
        balances,
        parent: None,
    };
    Ok(with_bundle(genesis))
}

/// A chain's genesis with the actors of this build.
pub fn with_bundle(genesis: Genesis) -> GenesisContent {
    let bundle = actor_bundle::blocks().iter().map(|(cid, bytes)| (*cid, bytes.clone())).collect();
    GenesisContent { genesis, bundle }
}
