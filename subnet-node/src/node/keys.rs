//! A node's keys, opened with the password of its keystore.

use client::keys::{AccountKey, CheckpointKeypair, P2pKeypair, VoteKeypair};
use client::keystore::{self, KeystoreError, Password, PasswordSource};
use subnet_types::Genesis;

use super::NodeError;
use crate::config::Config;
use crate::home::{Home, KeyName};

/// The keys that a node of one chain needs.
#[derive(Debug)]
pub struct NodeKeys {
    /// Signs votes.
    pub vote: VoteKeypair,
    /// Signs checkpoints; not needed on a root.
    pub checkpoint: Option<CheckpointKeypair>,
    /// Names the node among its peers.
    pub p2p: P2pKeypair,
    /// Pays for submissions; needed only where the node submits.
    pub account: Option<AccountKey>,
}

impl NodeKeys {
    /// Reads those that the node will need.
    ///
    /// # Errors
    /// When one is missing or the password does not open it.
    pub fn load(home: &Home, config: &Config, genesis: &Genesis) -> Result<Self, NodeError> {
        let source = PasswordSource { file: config.keys.password_file.clone(), may_prompt: true };
        let password = source.read()?;
        let is_subnet = !genesis.subnet.is_root();
        let vote = open(home, KeyName::Vote, &password)?.into_vote(&home.key(KeyName::Vote))?;
        let p2p = open(home, KeyName::P2p, &password)?.into_p2p(&home.key(KeyName::P2p))?;
        let checkpoint = if is_subnet {
            let path = home.key(KeyName::Checkpoint);
            Some(open(home, KeyName::Checkpoint, &password)?.into_checkpoint(&path)?)
        } else {
            None
        };
        let account = if is_subnet && config.checkpoint.is_submitter {
            Some(open(home, KeyName::Account, &password)?.into_account(&home.key(KeyName::Account))?)
        } else {
            None
        };
        Ok(Self { vote, checkpoint, p2p, account })
    }
}

fn open(home: &Home, name: KeyName, password: &Password) -> Result<keystore::Key, KeystoreError> {
    keystore::load(&home.key(name), password)
}
