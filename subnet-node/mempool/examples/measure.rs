//! Prints what the mempool does in a second: `cargo run --release -p mempool --example measure`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bls_signatures::Serialize as _;
use fvm_ipld_encoding::RawBytes;
use fvm_shared::address::Address;
use fvm_shared::crypto::signature::Signature;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use mempool::limits::{MESSAGES_MAX, SENDER_MESSAGES_MAX};
use mempool::{
    AccountSource, AccountView, AccountsUnreadable, Choice, GossipConfig, IntrinsicGas, Mempool, MempoolConfig,
    MessageRules, Pool, PoolLimits, SelectLimits, Verifier,
};
use subnet_types::hash::blake2b_256;
use subnet_types::limits::{BLOCK_GAS_MAX, PAYLOAD_BYTES_MAX, PAYLOAD_ITEMS_MAX};
use subnet_types::message::{SignaturePolicy, signing_bytes};
use subnet_types::{ChainIdentity, Digest, SignedMessage};

const IDENTITY: ChainIdentity = Digest([7; 32]);
const MESSAGES: u64 = 2_000;

struct Accounts(BTreeMap<Address, AccountView>);

impl AccountSource for Accounts {
    fn account(&self, address: &Address) -> Result<Option<AccountView>, AccountsUnreadable> {
        Ok(self.0.get(address).cloned())
    }
}

fn message(from: Address, nonce: u64, premium: u64) -> Message {
    Message {
        version: 0,
        from,
        to: from,
        sequence: nonce,
        value: TokenAmount::from_atto(1),
        method_num: 0,
        params: RawBytes::default(),
        gas_limit: 2_000_000,
        gas_fee_cap: TokenAmount::from_atto(1_000),
        gas_premium: TokenAmount::from_atto(premium),
    }
}

fn secp256k1(seed: u8, nonce: u64) -> SignedMessage {
    let context = secp256k1::Secp256k1::signing_only();
    let key = secp256k1::SecretKey::from_byte_array([seed; 32]).expect("the seed is a scalar");
    let from = Address::new_secp256k1(&key.public_key(&context).serialize_uncompressed()).expect("65 bytes");
    let message = message(from, nonce, 10);
    let digest = blake2b_256(&signing_bytes(&message, &IDENTITY));
    let signature = context.sign_ecdsa_recoverable(secp256k1::Message::from_digest(digest.0), &key);
    let (id, compact) = signature.serialize_compact();
    let bytes = [compact.as_slice(), &[i32::from(id) as u8]].concat();
    SignedMessage { message, signature: Signature::new_secp256k1(bytes) }
}

fn bls(seed: u8, nonce: u64) -> SignedMessage {
    let key = bls_signatures::PrivateKey::new([seed; 32]);
    let message = message(Address::new_bls(&key.public_key().as_bytes()).expect("48 bytes"), nonce, 10);
    let signature = Signature::new_bls(key.sign(signing_bytes(&message, &IDENTITY)).as_bytes());
    SignedMessage { message, signature }
}

fn rules() -> MessageRules {
    MessageRules {
        block_gas_limit: BLOCK_GAS_MAX,
        // About what the VM charges; the exact figures do not matter to the measurement.
        intrinsic: IntrinsicGas { base: 560_000, per_byte: 1_300 },
        base_fee_min: TokenAmount::from_atto(100),
        form: |_, _, _| Ok(()),
    }
}

fn rich() -> AccountView {
    AccountView { nonce: 0, balance: TokenAmount::from_whole(1_000_000) }
}

fn per_second(name: &str, count: u64, took: Duration) {
    println!("{name:<52} {:>10.0} /s  ({count} in {took:.1?})", count as f64 / took.as_secs_f64());
}

fn measure_signatures() {
    for (name, make) in [("secp256k1", secp256k1 as fn(u8, u64) -> SignedMessage), ("bls", bls)] {
        let messages: Vec<_> = (0..MESSAGES).map(|nonce| make(5, nonce)).collect();
        let verifier = Verifier::new(IDENTITY, SignaturePolicy::Bound);
        for state in ["new", "remembered"] {
            let start = Instant::now();
            verifier.verify_all(&messages).expect("they are right");
            per_second(&format!("verify_all/kind={name} state={state}"), MESSAGES, start.elapsed());
        }
    }
}

fn measure_pool() {
    let mut pool = Pool::new(rules(), PoolLimits::default());
    let senders = MESSAGES_MAX / SENDER_MESSAGES_MAX + 1;
    let address = |seed: usize| Address::new_secp256k1(&[seed as u8; 65]).expect("65 bytes");
    let accounts = Accounts((0..senders).map(|seed| (address(seed), rich())).collect());
    let messages: Vec<_> = (0..MESSAGES_MAX)
        .map(|index| {
            let message = message(address(index % senders), (index / senders) as u64, (index * 7919 % 800) as u64);
            SignedMessage { message, signature: Signature::new_secp256k1(vec![1; 65]) }
        })
        .collect();
    let start = Instant::now();
    for signed in messages {
        pool.add(signed, &rich()).expect("there is room");
    }
    per_second(&format!("pool::add/messages={MESSAGES_MAX} senders={senders}"), MESSAGES_MAX as u64, start.elapsed());
    let limits = SelectLimits { gas_max: BLOCK_GAS_MAX, bytes_max: PAYLOAD_BYTES_MAX, items_max: PAYLOAD_ITEMS_MAX };
    let start = Instant::now();
    let selection = pool
        .select(limits, &TokenAmount::from_atto(100), &accounts, &mut |_| Choice::Take)
        .expect("accounts are readable");
    per_second(&format!("pool::select/pending={MESSAGES_MAX}"), selection.messages.len() as u64, start.elapsed());
}

async fn measure_gossip() {
    let from = secp256k1(5, 0).message.from;
    let accounts = Arc::new(Accounts([(from, rich())].into()));
    let mut nodes: Vec<Mempool> = Vec::new();
    for seed in 1..=4 {
        let gossip = GossipConfig {
            identity: IDENTITY,
            p2p_seed: [seed; 32],
            listen: "127.0.0.1:0".parse().expect("an address"),
            peers: nodes.iter().map(Mempool::listen).collect(),
            connections_per_ip_max: 8,
        };
        let config = MempoolConfig { rules: rules(), limits: PoolLimits::default(), gossip };
        let verifier = Arc::new(Verifier::new(IDENTITY, SignaturePolicy::Bound));
        nodes.push(Mempool::start(config, accounts.clone(), verifier).await.expect("loopback is there"));
    }
    while nodes.iter().any(|node| node.status().gossip.peers.len() < 3) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // Subscriptions and the mesh follow the connections with the next heartbeat.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let messages: Vec<_> = (0..1_000).map(|nonce| secp256k1(5, nonce)).collect();
    let start = Instant::now();
    for signed in messages {
        nodes[0].push(signed).expect("it is right");
    }
    let pushed = start.elapsed();
    let deadline = start + Duration::from_secs(60);
    let waiting = |node: &Mempool| node.status().metrics.pool.messages;
    while nodes.iter().any(|node| waiting(node) < 1_000) && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    per_second("mempool::push/nodes=4 sender=1", 1_000, pushed);
    let least = nodes.iter().map(waiting).min().expect("four nodes");
    per_second("gossip::everywhere/nodes=4 sender=1", least as u64, start.elapsed());
    for node in nodes {
        node.shutdown().await;
    }
}

#[tokio::main]
async fn main() {
    measure_signatures();
    measure_pool();
    measure_gossip().await;
}
