//! Subnets are created as users do it: by messages to the parent.

use anyhow::{Context, ensure};
use fvm_ipld_encoding::RawBytes;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use init::{ExecParams, ExecReturn};
use subnet_types::Genesis;
use subnet_types::actors::{
    CheckpointConstructorParams, GATEWAY_ID, INIT_ID, RegisterParams, SendParams, checkpoint, gateway, manifest_names,
};
use subnet_types::cross::CrossAddress;
use subnet_types::genesis::{MembershipMode, SubnetParameters};
use subnet_types::hash::encode;

use crate::keys::ValidatorKeys;
use crate::members::STAKE_FIL;
use crate::world::{World, message, with_bundle};

/// Gas for a message that sets something up.
const SETUP_GAS: u64 = 3_000_000_000;
/// What each validator gets besides, for fees, in whole FIL.
const OWNER_FIL: u64 = 5;
/// What the creator brings to a chain that is to have children, in whole FIL.
const CREATOR_FIL: u64 = 20_000;
/// Blocks that a message may wait for a subnet: longer than anything stands still here.
const LAG_BLOCKS_MAX: u64 = 1_000_000;
/// Blocks of every step in the end of a subnet, which none of these comes to.
const LIFE_BLOCKS: u64 = 1_000_000;
/// Blocks that the stake of somebody who left stays.
const UNBONDING_BLOCKS: u64 = 20;
/// Turns of the world in which a funded account has to show.
const TURNS_MAX: u64 = 5_000;

impl World {
    /// Makes all chains that the options ask for, level by level.
    ///
    /// # Errors
    /// When a step fails.
    pub fn grow(&mut self) -> anyhow::Result<()> {
        let mut level = vec![0];
        for _ in 0..self.options.levels {
            let mut next = Vec::new();
            for parent in level {
                for _ in 0..self.options.children {
                    next.push(self.create_child(parent)?);
                }
            }
            level = next;
        }
        Ok(())
    }

    /// Creates a subnet on `parent`, lets its validators join and starts its nodes. Returns its number.
    ///
    /// # Errors
    /// When a step fails.
    pub fn create_child(&mut self, parent: usize) -> anyhow::Result<usize> {
        let number = self.chains.len();
        if parent > 0 {
            self.provide(parent, TokenAmount::from_whole(CREATOR_FIL))?;
        }
        let zero = TokenAmount::default;
        let parameters = SubnetParameters {
            chain: self.parameters(),
            mode: MembershipMode::Collateral,
            validators_min: self.options.nodes as u64,
            stake_min: TokenAmount::from_whole(1),
            parent_lag_blocks_max: LAG_BLOCKS_MAX,
            unbonding_blocks: UNBONDING_BLOCKS,
            silence_blocks_max: LIFE_BLOCKS,
            exit_notice_blocks: LIFE_BLOCKS,
        };
        let constructor = CheckpointConstructorParams { owner: self.user(0), parameters };
        let exec = ExecParams {
            code_cid: actor_bundle::code(manifest_names::CHECKPOINT).context("the bundle has a checkpoint actor")?,
            constructor_params: RawBytes::new(encode(&constructor)),
        };
        let exec = message(Address::new_id(INIT_ID), init::METHOD_EXEC, encode(&exec), zero(), SETUP_GAS);
        let created: ExecReturn = self.send_as_user(parent, 0, exec)?.return_data.deserialize()?;
        let actor = created.robust_address;
        let register = encode(&RegisterParams { actor });
        self.send_as_user(parent, 0, message(actor, checkpoint::REGISTER, register, zero(), SETUP_GAS))?;
        for node in 0..self.options.nodes {
            self.join(parent, number, node, actor)?;
        }
        for node in self.options.nodes..self.options.nodes + self.options.spares {
            self.endow(parent, number, node)?;
        }

        let id = created.id_address.id()?;
        let reader = self.chains[parent].reader()?;
        let state = reader.latest_state()?.checkpoint(id)?.context("the actor was created")?;
        let record = state.activation(reader.store())?.context("all validators joined, but it is not active")?;
        let genesis = Genesis::from_activation(&record);
        ensure!(state.chain == Some(genesis.identity()), "parent and subnet name different chains");
        let made = self.add_chain(Some(parent), with_bundle(genesis))?;
        self.checks.started(made, parent, id, &self.chains)?;
        Ok(made)
    }

    fn join(&mut self, parent: usize, child: usize, node: usize, actor: Address) -> anyhow::Result<()> {
        self.endow(parent, child, node)?;
        let join = self.join_message(parent, child, node, actor)?;
        let receipt = self.send(parent, &ValidatorKeys::of(child, node)?.owner, join)?;
        ensure!(receipt.exit_code.is_success(), "validator {node} could not join: {}", receipt.exit_code);
        Ok(())
    }

    /// Gives the owner of a node its stake, and something for fees.
    fn endow(&mut self, parent: usize, child: usize, node: usize) -> anyhow::Result<()> {
        let owner = ValidatorKeys::of(child, node)?.owner.address();
        let given = TokenAmount::from_whole(STAKE_FIL + OWNER_FIL);
        self.send_as_user(parent, 0, message(owner, 0, Vec::new(), given, SETUP_GAS))?;
        Ok(())
    }

    /// Brings value from the root's first user to his account on `chain`, at any depth.
    ///
    /// # Errors
    /// When it does not arrive.
    pub fn provide(&mut self, chain: usize, value: TokenAmount) -> anyhow::Result<()> {
        if self.chains[chain].parent.is_none() {
            return Ok(());
        }
        let user = self.user(0);
        let before = self.chains[chain].account(&user)?.balance;
        let to = CrossAddress { subnet: self.chains[chain].name.clone(), address: user };
        let fee = self.fee(0, &to.subnet, None);
        let amount = &value + &fee;
        let send = SendParams { to, call: None, fee, expires: None, wants_receipt: false };
        let send = message(Address::new_id(GATEWAY_ID), gateway::SEND, encode(&send), amount, SETUP_GAS);
        self.send_as_user(0, 0, send)?;
        self.run_until("what was sent down arrives", TURNS_MAX, |world| {
            Ok(world.chains[chain].account(&user)?.balance >= &before + &value)
        })
    }
}
