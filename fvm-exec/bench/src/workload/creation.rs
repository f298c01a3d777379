//! Messages that make actors.

use cid::Cid;
use fvm_ipld_encoding::RawBytes;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use init::{ExecParams, METHOD_EXEC};
use subnet_types::actors::{CheckpointConstructorParams, EAM_ID, INIT_ID, manifest_names};
use subnet_types::genesis::{MembershipMode, SubnetParameters};
use subnet_types::hash::encode;

use super::turn::{Source, Turn};
use super::world::{address, code, parameters};

/// Numbers of f1 addresses that no world has given to an account.
const NEW: u64 = 1 << 40;

/// An f1 address that nobody has had before.
pub(crate) fn new_key(count: u64) -> Address {
    address(NEW + count)
}

/// The f410 address of a number.
pub(crate) fn ethereum(number: u64) -> Address {
    let mut subaddress = [0xe7; 20];
    subaddress[..8].copy_from_slice(&number.to_be_bytes());
    Address::new_delegated(EAM_ID, &subaddress).expect("20 bytes are a subaddress")
}

/// Every message pays a new address: f1 and f410 in turn.
#[derive(Default)]
pub(crate) struct Accounts {
    made: u64,
}

impl Source for Accounts {
    fn message(&mut self, turn: &mut Turn<'_>) -> Message {
        self.made += 1;
        let to = if self.made.is_multiple_of(2) { new_key(self.made) } else { ethereum(self.made) };
        turn.senders.send(address(turn.index), to, TokenAmount::from_nano(1))
    }
}

/// Every message lets init create a checkpoint actor, the only kind that anyone may create.
pub(crate) struct Deployments {
    code: Cid,
}

impl Deployments {
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self { code: code(manifest_names::CHECKPOINT)? })
    }
}

impl Source for Deployments {
    fn message(&mut self, turn: &mut Turn<'_>) -> Message {
        let owner = address(turn.index);
        let parameters = SubnetParameters {
            chain: parameters(),
            mode: MembershipMode::Collateral,
            validators_min: 1,
            stake_min: TokenAmount::from_nano(1),
            parent_lag_blocks_max: 1_000,
            unbonding_blocks: 20,
            silence_blocks_max: 30,
            exit_notice_blocks: 10,
        };
        let constructor = CheckpointConstructorParams { owner, parameters };
        let exec = ExecParams { code_cid: self.code, constructor_params: RawBytes::new(encode(&constructor)) };
        turn.senders.call(owner, INIT_ID, METHOD_EXEC, &exec)
    }
}
