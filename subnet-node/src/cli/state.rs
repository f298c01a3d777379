//! `state`: actors, balances, supply, validators.

use clap::Subcommand;
use client::api::{JsonAddress, JsonAmount, ReadState, SupplyInfo, ValidatorsInfo};
use fvm_shared::address::Address;
use serde::Serialize;
use subnet_types::Height;

use super::context::Context;
use super::error::CliError;
use super::genesis::fil;
use super::output::{columns, table};
use super::parse;

/// Shows the chain's state.
#[derive(Subcommand, Debug)]
pub enum StateCommand {
    /// Show an actor: code, balance and its state as JSON
    #[command(after_help = "Example:\n  subnet-node state actor f064")]
    Actor {
        /// Its address
        #[arg(value_parser = parse::address)]
        address: Address,
    },
    /// Show what an address holds; by default the keystore's `account`
    #[command(after_help = "Example:\n  subnet-node state balance f1abjxfbp274xpdqcpuaykwkfb43omjotacm2p3za")]
    Balance {
        /// The address. Default: that of the key `account` in the keystore
        #[arg(value_parser = parse::address)]
        address: Option<Address>,
    },
    /// Show the native supply: minted, burnt, circulating
    #[command(after_help = "Example:\n  subnet-node state supply --height 100")]
    Supply {
        /// After this height. Default: the last final one
        #[arg(long)]
        height: Option<Height>,
    },
    /// Show the validators that vote on a height
    #[command(after_help = "Example:\n  subnet-node state validators")]
    Validators {
        /// The height. Default: the last final one
        #[arg(long)]
        height: Option<Height>,
    },
}

#[derive(Serialize)]
struct Balance {
    address: JsonAddress,
    balance: JsonAmount,
}

impl StateCommand {
    pub(super) async fn run(self, context: &Context) -> Result<(), CliError> {
        let client = context.client()?;
        match self {
            Self::Actor { address } => {
                let state = client.state_read_state(&address).await?;
                context.output.result(&state, || actor_text(&state));
            }
            Self::Balance { address } => {
                let address = match address {
                    Some(address) => address,
                    None => own_address(context)?,
                };
                let balance = client.wallet_balance(&address).await?;
                let view = Balance { address: address.into(), balance: balance.into() };
                context.output.result(&view, || fil(&view.balance.0));
            }
            Self::Supply { height } => {
                let supply = client.supply(height).await?;
                context.output.result(&supply, || supply_text(&supply));
            }
            Self::Validators { height } => {
                let validators = client.validators(height).await?;
                context.output.result(&validators, || validators_text(&validators));
            }
        }
        Ok(())
    }
}

fn own_address(context: &Context) -> Result<Address, CliError> {
    let public = client::keystore::public_part(&context.key_path("account")?)?;
    parse::address(&public.public).map_err(CliError::failure)
}

fn actor_text(state: &ReadState) -> String {
    let json = serde_json::to_string_pretty(&state.state).expect("JSON has a text form");
    let rows = [("code", state.code.to_string()), ("balance", fil(&state.balance.0))];
    format!("{}\n\n{json}", table(&rows))
}

fn supply_text(supply: &SupplyInfo) -> String {
    table(&[
        ("after height", supply.height.to_string()),
        ("minted", fil(&supply.minted.0)),
        ("burnt", fil(&supply.burnt.0)),
        ("circulating", fil(&supply.circulating.0)),
        ("waits for the next cut", fil(&supply.released_uncut.0)),
        ("burned since the last cut", fil(&supply.burned_uncut.0)),
        ("last cut", supply.cut_sequence.to_string()),
    ])
}

fn validators_text(info: &ValidatorsInfo) -> String {
    let rows: Vec<[String; 3]> = (info.validators.iter())
        .map(|entry| [entry.vote_key.to_string(), entry.power.to_string(), entry.owner.to_string()])
        .collect();
    let head = table(&[
        ("height", info.height.to_string()),
        ("configuration", info.configuration.to_string()),
        ("total power", info.total_power.to_string()),
    ]);
    format!("{head}\n\n{}", columns(["VALIDATOR", "POWER", "OWNER"], &rows))
}
