//! A genesis document for people and scripts.

use client::api::{JsonAddress, JsonAmount, JsonCid, ValidatorInfo};
use serde::Serialize;
use subnet_types::message::SignaturePolicy;
use subnet_types::quantity::{Height, Power, TimestampMs};
use subnet_types::{ChainIdentity, Genesis, SubnetId};

use super::genesis::fil;
use super::output::{columns, table};

/// A genesis document, readable.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GenesisView {
    subnet: SubnetId,
    identity: ChainIdentity,
    genesis: JsonCid,
    bundle: JsonCid,
    timestamp_ms: TimestampMs,
    block_interval_ms: u64,
    block_gas_limit: u64,
    base_fee_min: JsonAmount,
    checkpoint_period_blocks: u64,
    trusting_period_ms: u64,
    cross_gas_price: JsonAmount,
    signatures: SignaturePolicy,
    total_power: Power,
    validators: Vec<ValidatorInfo>,
    balances: Vec<Balance>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<Anchor>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Balance {
    address: JsonAddress,
    balance: JsonAmount,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Anchor {
    identity: ChainIdentity,
    height: Height,
    timestamp_ms: TimestampMs,
    validators: usize,
}

impl GenesisView {
    /// What to show of `genesis`.
    pub fn new(genesis: &Genesis) -> Self {
        let balance = |entry: &subnet_types::genesis::GenesisBalance| Balance {
            address: entry.address.into(),
            balance: entry.balance.clone().into(),
        };
        Self {
            subnet: genesis.subnet.clone(),
            identity: genesis.identity(),
            genesis: genesis.cid().into(),
            bundle: genesis.chain.bundle.into(),
            timestamp_ms: genesis.timestamp,
            block_interval_ms: genesis.chain.block_interval_ms,
            block_gas_limit: genesis.chain.block_gas_limit,
            base_fee_min: genesis.chain.base_fee_min.clone().into(),
            checkpoint_period_blocks: genesis.chain.checkpoint_period_blocks,
            trusting_period_ms: genesis.chain.trusting_period_ms,
            cross_gas_price: genesis.chain.cross_gas_price.clone().into(),
            signatures: genesis.chain.signatures,
            total_power: genesis.validators.total_power(),
            validators: genesis.validators.validators().iter().map(ValidatorInfo::from).collect(),
            balances: genesis.balances.iter().map(balance).collect(),
            parent: genesis.parent.as_ref().map(|anchor| Anchor {
                identity: anchor.identity,
                height: anchor.height,
                timestamp_ms: anchor.timestamp,
                validators: anchor.validators.len(),
            }),
        }
    }

    /// The same as text.
    pub fn text(&self) -> String {
        let mut rows = vec![
            ("subnet", self.subnet.to_string()),
            ("identity", self.identity.to_string()),
            ("genesis", self.genesis.to_string()),
            ("actor bundle", self.bundle.to_string()),
            ("time", format!("{} ms since 1970", self.timestamp_ms)),
            ("block interval", format!("{} ms", self.block_interval_ms)),
            ("block gas limit", self.block_gas_limit.to_string()),
            ("base fee, least", fil(&self.base_fee_min.0)),
        ];
        if let Some(anchor) = &self.parent {
            rows.push(("checkpoint period", format!("{} blocks", self.checkpoint_period_blocks)));
            rows.push(("trusting period", format!("{} s", self.trusting_period_ms / 1000)));
            rows.push(("parent", format!("{} from height {}", anchor.identity, anchor.height)));
        }
        if self.signatures == SignaturePolicy::BareAllowed {
            rows.push(("signatures", "bare Filecoin signatures are allowed (devnet)".to_owned()));
        }
        let validators: Vec<[String; 3]> = (self.validators.iter())
            .map(|entry| [entry.vote_key.to_string(), entry.power.to_string(), entry.owner.to_string()])
            .collect();
        let mut text = format!("{}\n\n{}", table(&rows), columns(["VALIDATOR", "POWER", "OWNER"], &validators));
        if !self.balances.is_empty() {
            let balances: Vec<[String; 2]> =
                self.balances.iter().map(|entry| [entry.address.to_string(), fil(&entry.balance.0)]).collect();
            text = format!("{text}\n\n{}", columns(["ACCOUNT", "BALANCE"], &balances));
        }
        text
    }
}
