//! A root chain of one validator in this process, driven block by block without an engine, behind a real RPC server.

// Each test file uses a part of it.
#![allow(dead_code)]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use client::keys::{AccountKey, AccountScheme, CheckpointKeypair, VoteKeypair};
use client::sign_message;
use engine_api::{BuildContext, DecidedBlock, SubnetApp};
use fvm_ipld_encoding::RawBytes;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use jsonrpsee::core::ClientError;
use jsonrpsee::core::client::ClientT;
use jsonrpsee::core::params::ArrayParams;
use jsonrpsee::http_client::{HttpClient, HttpClientBuilder};
use jsonrpsee::types::ErrorObjectOwned;
use mempool::{GossipConfig, Mempool, MempoolConfig, PoolLimits, Verifier};
use serde_json::Value;
use subnet_node::app::accounts::LatestAccounts;
use subnet_node::app::genesis::{GenesisContent, OpenOptions, open_chain};
use subnet_node::app::{App, AppParts, pool_rules, system_clock};
use subnet_node::config::RpcConfig;
use subnet_node::metrics::Metrics;
use subnet_node::rpc::{NodeFacts, NodeStatus, RpcContext, RpcHandle, serve};
use subnet_node::storage::MemoryLimits;
use subnet_types::genesis::{ChainParameters, GENESIS_VERSION, GenesisBalance};
use subnet_types::message::SignaturePolicy;
use subnet_types::vote::{CommitSignature, VoteKind, vote_signing_bytes};
use subnet_types::{
    ChainIdentity, ConfigurationNumber, FinalityCertificate, Genesis, Height, Power, SignedMessage, SubnetId,
    TimestampMs, Validator, ValidatorSet,
};

/// The chain and its server.
pub struct TestChain {
    pub app: App,
    pub mempool: Mempool,
    pub alice: AccountKey,
    pub bob: AccountKey,
    pub http: HttpClient,
    pub listen: SocketAddr,
    pub identity: ChainIdentity,
    vote: VoteKeypair,
    server: RpcHandle,
    _folder: tempfile::TempDir,
}

struct Facts;

impl NodeStatus for Facts {
    fn facts(&self) -> NodeFacts {
        NodeFacts { moniker: "test".to_owned(), ..NodeFacts::default() }
    }
}

fn genesis(vote: &VoteKeypair, accounts: &[Address]) -> Genesis {
    let validator = Validator {
        owner: accounts[0],
        vote_key: vote.public(),
        checkpoint_key: CheckpointKeypair::generate().public(),
        power: Power::new(1),
    };
    let mut balances: Vec<_> = accounts
        .iter()
        .map(|address| GenesisBalance { address: *address, balance: TokenAmount::from_whole(1000) })
        .collect();
    balances.sort_by_key(|entry| entry.address);
    Genesis {
        version: GENESIS_VERSION,
        subnet: SubnetId::root(31_415_926),
        timestamp: TimestampMs::new(1_700_000_000_000),
        chain: ChainParameters {
            block_interval_ms: 1000,
            block_gas_limit: subnet_types::limits::BLOCK_GAS_MAX,
            base_fee_min: TokenAmount::from_atto(100),
            signatures: SignaturePolicy::Bound,
            checkpoint_period_blocks: 10,
            trusting_period_ms: 86_400_000,
            cross_gas_price: TokenAmount::default(),
            bundle: actor_bundle::manifest_cid(),
        },
        validators: ValidatorSet::new(ConfigurationNumber::FIRST, vec![validator]).expect("a set of one"),
        balances,
        parent: None,
    }
}

impl TestChain {
    /// Starts the chain with two blocks: in the second, Alice has paid Bob.
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let vote = VoteKeypair::generate();
        let alice = AccountKey::generate(AccountScheme::Secp256k1);
        let bob = AccountKey::generate(AccountScheme::Bls);
        let genesis = genesis(&vote, &[alice.address(), bob.address()]);
        let file = fvm_exec::genesis_file::write(&genesis, actor_bundle::BUNDLE_CAR).expect("a genesis file");
        let genesis_file = folder.path().join("genesis.car");
        std::fs::write(&genesis_file, &file).expect("writes");

        let content = GenesisContent::parse(&file).expect("what was just written");
        let engine = fvm_exec::Engine::new(2).expect("a VM");
        let (database, lanes) = (folder.path().join("db"), std::num::NonZeroUsize::MIN);
        let options = OpenOptions { database, memory: MemoryLimits::default(), engine, lanes };
        let chain = tokio::task::spawn_blocking(move || open_chain(&content, &options));
        let chain = chain.await.expect("runs").expect("opens");
        let identity = *chain.identity();

        let verifier = Arc::new(Verifier::new(identity, SignaturePolicy::Bound));
        let config = MempoolConfig {
            rules: pool_rules(&genesis),
            limits: PoolLimits::default(),
            gossip: GossipConfig {
                identity,
                p2p_seed: [7; 32],
                listen: (Ipv4Addr::LOCALHOST, 0).into(),
                peers: Vec::new(),
                connections_per_ip_max: 8,
            },
        };
        let accounts = Arc::new(LatestAccounts::new(chain.clone()));
        let mempool = Mempool::start(config, accounts, verifier.clone()).await.expect("a mempool");
        let app = App::new(AppParts {
            chain: chain.clone(),
            messages: Arc::new(mempool.clone()),
            verifier,
            parent: None,
            signer: None,
            clock: system_clock(),
            metrics: Metrics::new().chain,
        });
        let settings = RpcConfig { listen: (Ipv4Addr::LOCALHOST, 0).into(), ..RpcConfig::default() };
        let (node, proofs) = (Arc::new(Facts), Arc::default());
        let context = RpcContext { chain, genesis_file, mempool: mempool.clone(), node, follower: None, proofs };
        let server = serve(&settings, context).await.expect("a server");
        let listen = server.listen();
        let http = HttpClientBuilder::default().build(format!("http://{listen}")).expect("a client");
        let this = Self { app, mempool, alice, bob, http, listen, identity, vote, server, _folder: folder };
        this.commit_block().await;
        this.mempool.push(this.payment(0, 5)).expect("a good message");
        this.commit_block().await;
        this
    }

    /// Stops everything.
    pub async fn stop(self) {
        self.server.shutdown().await;
        self.mempool.shutdown().await;
    }

    /// Alice's payment to Bob with this nonce.
    pub fn payment(&self, nonce: u64, atto: u64) -> SignedMessage {
        sign_message(&self.unsigned_payment(nonce, atto), &self.alice, &self.identity)
    }

    pub fn unsigned_payment(&self, nonce: u64, atto: u64) -> Message {
        Message {
            version: 0,
            from: self.alice.address(),
            to: self.bob.address(),
            sequence: nonce,
            value: TokenAmount::from_atto(atto),
            method_num: 0,
            params: RawBytes::default(),
            gas_limit: 10_000_000,
            gas_fee_cap: TokenAmount::from_atto(1000),
            gas_premium: TokenAmount::from_atto(10),
        }
    }

    /// Builds, certifies and commits the next block, as an engine with one validator would.
    pub async fn commit_block(&self) -> Height {
        let height = self.app.chain().tip().height.next();
        let proposer = self.vote.public();
        let context = BuildContext { height, round: 0, proposer, time_budget: Duration::from_secs(5) };
        let block = self.app.build(context).await.expect("a block").block;
        let id = block.id();
        let bytes = vote_signing_bytes(&self.identity, VoteKind::Precommit, height, 0, Some(&id), &proposer);
        let signature = CommitSignature { validator: proposer, signature: self.vote.sign(&bytes) };
        let certificate = FinalityCertificate { height, round: 0, block: id, signatures: vec![signature] };
        self.app.commit(DecidedBlock { block, certificate, extensions: Vec::new() }).await.expect("commits");
        height
    }

    /// Calls a method with these parameters.
    pub async fn call(&self, method: &str, params: &[Value]) -> Result<Value, ErrorObjectOwned> {
        let mut list = ArrayParams::new();
        for param in params {
            list.insert(param).expect("JSON");
        }
        match self.http.request::<Value, _>(method, list).await {
            Ok(value) => Ok(value),
            Err(ClientError::Call(error)) => Err(error),
            Err(other) => panic!("{method}: no answer of the server: {other}"),
        }
    }

    /// As [`Self::call`], for what must succeed.
    pub async fn ok(&self, method: &str, params: &[Value]) -> Value {
        self.call(method, params).await.unwrap_or_else(|error| panic!("{method}{params:?}: {error}"))
    }
}
