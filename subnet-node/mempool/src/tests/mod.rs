//! Tests that need more than one file, and what they share.

mod admission;
mod network;
mod properties;
mod room;
mod select;
mod service;
mod signatures;

use std::collections::BTreeMap;
use std::time::Duration;

use bls_signatures::Serialize as _;
use fvm_ipld_encoding::RawBytes;
use fvm_shared::address::Address;
use fvm_shared::crypto::signature::Signature;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use parking_lot::Mutex;
use subnet_types::hash::blake2b_256;
use subnet_types::message::signing_bytes;
use subnet_types::{ChainIdentity, Digest, SignedMessage};

use crate::accounts::{AccountSource, AccountView, AccountsUnreadable};
use crate::limits::PoolLimits;
use crate::pool::{Admission, Pool};
use crate::rejection::Rejection;
use crate::rules::{IntrinsicGas, MessageRules};

pub(crate) const IDENTITY: ChainIdentity = Digest([7; 32]);
pub(crate) const OTHER_IDENTITY: ChainIdentity = Digest([8; 32]);

pub(crate) fn atto(amount: u64) -> TokenAmount {
    TokenAmount::from_atto(amount)
}

pub(crate) fn rules() -> MessageRules {
    MessageRules {
        block_gas_limit: 1_000_000,
        intrinsic: IntrinsicGas { base: 100, per_byte: 1 },
        base_fee_min: atto(10),
        form,
    }
}

/// Stands for a VM that has one rule of its own: no method above 1000.
fn form(message: &Message, _: usize, _: u64) -> Result<(), String> {
    if message.method_num <= 1000 { Ok(()) } else { Err(format!("method {}", message.method_num)) }
}

pub(crate) fn pool() -> Pool {
    Pool::new(rules(), PoolLimits::default())
}

pub(crate) fn view(nonce: u64, balance: u64) -> AccountView {
    AccountView { nonce, balance: atto(balance) }
}

/// Rich enough for anything the tests send.
pub(crate) fn rich(nonce: u64) -> AccountView {
    view(nonce, 1_000_000_000_000)
}

/// An f1 address whose key nobody holds: the pure pool checks no signature.
pub(crate) fn sender(seed: u8) -> Address {
    Address::new_secp256k1(&[seed; 65]).unwrap()
}

/// A message of [`sender`] with premium 20 and fee cap 100, changed by the test before it is sealed.
pub(crate) fn message(seed: u8, nonce: u64) -> Message {
    Message {
        version: 0,
        from: sender(seed),
        to: sender(200),
        sequence: nonce,
        value: atto(1),
        method_num: 0,
        params: RawBytes::default(),
        gas_limit: 1_000,
        gas_fee_cap: atto(100),
        gas_premium: atto(20),
    }
}

pub(crate) fn priced(seed: u8, nonce: u64, premium: u64, fee_cap: u64) -> SignedMessage {
    seal(Message { gas_premium: atto(premium), gas_fee_cap: atto(fee_cap), ..message(seed, nonce) })
}

/// Puts a signature on that no check would accept.
pub(crate) fn seal(message: Message) -> SignedMessage {
    SignedMessage { message, signature: Signature::new_secp256k1(vec![1; 65]) }
}

pub(crate) fn plain(seed: u8, nonce: u64) -> SignedMessage {
    seal(message(seed, nonce))
}

pub(crate) fn add(pool: &mut Pool, signed: &SignedMessage, account: &AccountView) -> Result<Admission, Rejection> {
    let result = pool.add(signed.clone(), account);
    assert_eq!(pool.violations(), Vec::<String>::new());
    result
}

/// A key that really signs.
pub(crate) enum Key {
    Secp256k1(secp256k1::SecretKey),
    Bls(bls_signatures::PrivateKey),
}

impl Key {
    pub(crate) fn secp256k1(seed: u8) -> Self {
        Self::Secp256k1(secp256k1::SecretKey::from_byte_array([seed; 32]).unwrap())
    }

    pub(crate) fn bls(seed: u8) -> Self {
        Self::Bls(bls_signatures::PrivateKey::new([seed; 32]))
    }

    pub(crate) fn address(&self) -> Address {
        match self {
            Self::Secp256k1(key) => {
                let public = key.public_key(&secp256k1::Secp256k1::signing_only());
                Address::new_secp256k1(&public.serialize_uncompressed()).unwrap()
            }
            Self::Bls(key) => Address::new_bls(&key.public_key().as_bytes()).unwrap(),
        }
    }

    pub(crate) fn sign_bytes(&self, bytes: &[u8]) -> Signature {
        match self {
            Self::Secp256k1(key) => {
                let digest = secp256k1::Message::from_digest(*blake2b_256(bytes).as_bytes());
                let context = secp256k1::Secp256k1::signing_only();
                let (id, compact) = context.sign_ecdsa_recoverable(digest, key).serialize_compact();
                let id = u8::try_from(i32::from(id)).unwrap();
                Signature::new_secp256k1([compact.as_slice(), &[id]].concat())
            }
            Self::Bls(key) => Signature::new_bls(key.sign(bytes).as_bytes()),
        }
    }

    /// [`message`] from this key, with a signature bound to [`IDENTITY`].
    pub(crate) fn sign(&self, nonce: u64) -> SignedMessage {
        let message = Message { from: self.address(), ..message(0, nonce) };
        let signature = self.sign_bytes(&signing_bytes(&message, &IDENTITY));
        SignedMessage { message, signature }
    }
}

/// Accounts in memory that can be made unreadable.
#[derive(Default)]
pub(crate) struct Accounts {
    views: Mutex<BTreeMap<Address, AccountView>>,
    is_broken: std::sync::atomic::AtomicBool,
}

impl Accounts {
    pub(crate) fn with(views: impl IntoIterator<Item = (Address, AccountView)>) -> Self {
        Self { views: Mutex::new(views.into_iter().collect()), ..Self::default() }
    }

    pub(crate) fn set(&self, address: Address, view: AccountView) {
        self.views.lock().insert(address, view);
    }

    pub(crate) fn get(&self, address: &Address) -> AccountView {
        self.views.lock().get(address).cloned().unwrap_or_default()
    }

    pub(crate) fn fail(&self) {
        self.is_broken.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

impl AccountSource for Accounts {
    fn account(&self, address: &Address) -> Result<Option<AccountView>, AccountsUnreadable> {
        if self.is_broken.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(AccountsUnreadable { address: address.to_string(), reason: "the disk is gone".to_owned() });
        }
        Ok(self.views.lock().get(address).cloned())
    }
}

/// Generous: a loaded machine may take long, a broken node takes for ever.
const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + DEADLINE;
    while !holds() {
        assert!(tokio::time::Instant::now() < deadline, "not within {DEADLINE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
