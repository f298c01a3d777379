//! Many signed transfers between many accounts, spread over the nodes of a chain.

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use client::api::{JsonCid, MessageStage};
use client::keys::{AccountKey, AccountScheme};
use client::sign_message;
use fvm_ipld_encoding::RawBytes;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use subnet_types::{ChainIdentity, Height};

use crate::remote::Remote;

/// How often a message that waits is looked for.
const POLL: Duration = Duration::from_millis(100);

/// What a plain transfer on one chain needs: gas, prices, and the identity to sign for.
#[derive(Clone, Debug)]
pub struct Price {
    identity: ChainIdentity,
    gas_limit: u64,
    fee_cap: TokenAmount,
    premium: TokenAmount,
}

/// Through which node and at which price.
#[derive(Clone, Copy, Debug)]
pub struct Via<'a> {
    /// The node.
    pub remote: &'a Remote,
    /// The price.
    pub price: &'a Price,
}

/// An account that pays for its own transfers.
pub struct Account {
    key: AccountKey,
    nonce: u64,
}

/// Transfers on their way.
#[derive(Debug, Default)]
pub struct Sent {
    messages: Vec<JsonCid>,
    first_sent: Option<Instant>,
}

/// What became of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// In a block with exit code 0.
    pub included: u64,
    /// From the first one sent until the last one was final.
    pub took: Duration,
}

impl Price {
    /// What a node asks for a transfer from `from`, with room for a base fee that rises under load.
    ///
    /// # Errors
    /// When the node cannot be asked or the transfer would fail.
    pub async fn ask(remote: &Remote, from: Address, to: Address) -> anyhow::Result<Self> {
        let identity = remote.info().await?.identity;
        let filled = remote.estimate(&transfer(from, to, TokenAmount::from_atto(1), 0)).await?;
        Ok(Self {
            identity,
            gas_limit: filled.gas_limit,
            fee_cap: filled.gas_fee_cap * 10u64,
            premium: filled.gas_premium,
        })
    }
}

fn transfer(from: Address, to: Address, value: TokenAmount, nonce: u64) -> Message {
    Message {
        version: 0,
        from,
        to,
        sequence: nonce,
        value,
        method_num: 0,
        params: RawBytes::default(),
        gas_limit: 0,
        gas_fee_cap: TokenAmount::default(),
        gas_premium: TokenAmount::default(),
    }
}

impl Account {
    /// A new account, which does not exist on any chain yet.
    pub fn generate() -> Self {
        Self::new(AccountKey::generate(AccountScheme::Secp256k1), 0)
    }

    /// The account of `key`, whose next message has `nonce`.
    pub fn new(key: AccountKey, nonce: u64) -> Self {
        Self { key, nonce }
    }

    /// Its address.
    pub fn address(&self) -> Address {
        self.key.address()
    }

    /// Signs the account's next transfer and hands it over.
    async fn send(&mut self, via: &Via<'_>, to: Address, value: TokenAmount) -> anyhow::Result<JsonCid> {
        let mut message = transfer(self.address(), to, value, self.nonce);
        message.gas_limit = via.price.gas_limit;
        message.gas_fee_cap = via.price.fee_cap.clone();
        message.gas_premium = via.price.premium.clone();
        let sent = via.remote.push(&sign_message(&message, &self.key, &via.price.identity)).await?;
        self.nonce += 1;
        Ok(sent)
    }
}

/// Whom to pay: everyone pays the next one in turn, a little further along each round, so that all pairs meet.
fn receiver(index: usize, accounts: usize) -> (usize, usize) {
    let (from, round) = (index % accounts, index / accounts);
    let to = (from + 1 + round % (accounts - 1)) % accounts;
    (from, to)
}

impl Sent {
    /// How many were handed over.
    pub fn count(&self) -> u64 {
        self.messages.len() as u64
    }

    /// Hands over one transfer.
    ///
    /// # Errors
    /// When the node refuses it.
    pub async fn send(
        &mut self,
        from: &mut Account,
        to: Address,
        value: TokenAmount,
        via: &Via<'_>,
    ) -> anyhow::Result<()> {
        self.first_sent.get_or_insert_with(Instant::now);
        let sent = from.send(via, to, value).await;
        self.messages.push(sent.with_context(|| format!("transfer {}", self.messages.len()))?);
        Ok(())
    }

    /// Hands over transfers `range` of an endless sequence between `accounts`, spread over `remotes`.
    ///
    /// # Errors
    /// When a node refuses one.
    pub async fn push(
        &mut self,
        range: std::ops::Range<usize>,
        accounts: &mut [Account],
        remotes: &[Remote],
        price: &Price,
    ) -> anyhow::Result<()> {
        ensure!(accounts.len() > 1 && !remotes.is_empty(), "transfers need two accounts and a node");
        for index in range {
            let (from, to) = receiver(index, accounts.len());
            let to = accounts[to].address();
            // One node for each account keeps an account's messages in order without waiting for gossip.
            let via = Via { remote: &remotes[from % remotes.len()], price };
            self.send(&mut accounts[from], to, TokenAmount::from_atto(1000 + index as u64), &via).await?;
        }
        Ok(())
    }

    /// Waits until all are in blocks, as `remote` sees them, and checks their exit codes.
    ///
    /// # Errors
    /// When that takes longer than `patience`.
    pub async fn settle(&self, remote: &Remote, patience: Duration) -> anyhow::Result<Outcome> {
        let started = self.first_sent.unwrap_or_else(Instant::now);
        let deadline = Instant::now() + patience;
        let (mut included, mut failed) = (0, 0);
        let mut last = Height::GENESIS;
        for (position, message) in self.messages.iter().enumerate() {
            loop {
                let status = remote.message_status(*message).await?;
                if status.stage == MessageStage::Included {
                    last = last.max(status.height.unwrap_or_default());
                    if status.exit_code == Some(0) {
                        included += 1
                    } else {
                        failed += 1
                    }
                    break;
                }
                if Instant::now() > deadline {
                    bail!(
                        "transfer {position} of {} ({message}) is {:?} on {} after {} s; {included} were included before it",
                        self.messages.len(),
                        status.stage,
                        remote.name(),
                        patience.as_secs()
                    );
                }
                tokio::time::sleep(POLL).await;
            }
        }
        ensure!(failed == 0, "{failed} of {} transfers ended with an exit code other than 0", self.messages.len());
        Ok(Outcome { included, took: started.elapsed() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn everyone_pays_equally_often_and_nobody_themselves() {
        let pairs: Vec<_> = (0..1000).map(|index| receiver(index, 50)).collect();
        assert!(pairs.iter().all(|(from, to)| from != to && *to < 50));
        assert!((0..50).all(|account| pairs.iter().filter(|(from, _)| *from == account).count() == 20));
        assert_eq!(pairs.iter().collect::<BTreeSet<_>>().len(), 1000, "every payment has another pair");
    }
}
