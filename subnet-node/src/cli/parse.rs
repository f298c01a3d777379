//! Values on the command line, parsed once.

use std::str::FromStr;

use cid::Cid;
use client::amount::Amount;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use subnet_types::genesis::{GenesisBalance, MembershipMode};
use subnet_types::subnet_id::parse_address;

/// An amount with its unit.
pub fn amount(text: &str) -> Result<TokenAmount, String> {
    Amount::from_str(text).map(|amount| amount.0).map_err(|error| error.to_string())
}

/// An amount above zero.
pub fn positive_amount(text: &str) -> Result<TokenAmount, String> {
    match amount(text)? {
        amount if amount.is_positive() => Ok(amount),
        _ => Err("the amount must be above zero".to_owned()),
    }
}

/// An address with either prefix.
pub fn address(text: &str) -> Result<Address, String> {
    parse_address(text).map_err(|error| format!("expected an address like f1…, f2…, f3…, f410f… or f0…: {error}"))
}

/// A CID.
pub fn cid(text: &str) -> Result<Cid, String> {
    Cid::from_str(text).map_err(|error| format!("expected a CID like bafy…: {error}"))
}

/// `ADDRESS=AMOUNT`.
pub fn balance(text: &str) -> Result<GenesisBalance, String> {
    let (holder, held) = text.split_once('=').ok_or("expected ADDRESS=AMOUNT, as in \"f1…=100 FIL\"")?;
    Ok(GenesisBalance { address: address(holder.trim())?, balance: amount(held.trim())? })
}

/// How validators get their power.
pub fn mode(text: &str) -> Result<MembershipMode, String> {
    match text {
        "collateral" => Ok(MembershipMode::Collateral),
        "federated" => Ok(MembershipMode::Federated),
        "static" => Ok(MembershipMode::Static),
        other => Err(format!("mode {other:?}, expected collateral, federated or static")),
    }
}

/// Bytes in hexadecimal, with or without `0x`.
pub fn bytes(text: &str) -> Result<Vec<u8>, String> {
    hex::decode(text.strip_prefix("0x").unwrap_or(text)).map_err(|error| format!("expected hexadecimal: {error}"))
}
