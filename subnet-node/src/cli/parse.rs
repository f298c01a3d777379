//! Values on the command line, parsed once.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use cid::Cid;
use client::amount::Amount;
use frc42_dispatch::hash::{Hasher, MethodResolver};
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use multihash_codetable::{Code, MultihashDigest as _};
use subnet_types::cross::CrossAddress;
use subnet_types::genesis::{GenesisBalance, MembershipMode};
use subnet_types::limits::CROSS_MESSAGE_BYTES_MAX;
use subnet_types::subnet_id::{SubnetIdError, parse_address};

use crate::regular;

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

/// `NAME=FILE`.
pub fn named_file(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, file)) if !name.is_empty() && !file.is_empty() => Ok((name.to_owned(), PathBuf::from(file))),
        _ => Err("expected NAME=FILE, as in dex=./dex.wasm".to_owned()),
    }
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

/// `SUBNET:ADDRESS`. Ids are refused: they mean something else on every chain.
pub fn cross_address(text: &str) -> Result<CrossAddress, String> {
    let (subnet, holder) = text.rsplit_once(':').ok_or("expected SUBNET:ADDRESS, as in /r31415926/f2…:f1…")?;
    let subnet = subnet.parse().map_err(|error: SubnetIdError| error.to_string())?;
    let address = address(holder)?;
    if address.id().is_ok() {
        return Err(format!(
            "{holder} is an id, which means something else on every chain; expected f1…, f2…, f3… or f4…"
        ));
    }
    Ok(CrossAddress { subnet, address })
}

/// A method: its number, or a name whose FRC-42 number it is.
pub fn method(text: &str) -> Result<u64, String> {
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        return text.parse().map_err(|error| format!("expected a method's number or name: {error}"));
    }
    let number = MethodResolver::new(Blake2b512).method_number(text);
    number.map_err(|error| format!("{text:?} is no method's name: {error:?}"))
}

/// FRC-42's hash.
struct Blake2b512;

impl Hasher for Blake2b512 {
    fn hash(&self, bytes: &[u8]) -> Vec<u8> {
        Code::Blake2b512.digest(bytes).digest().to_vec()
    }
}

/// Bytes in hexadecimal, or the content of a file after `@`.
pub fn bytes_or_file(text: &str) -> Result<Vec<u8>, String> {
    let Some(path) = text.strip_prefix('@') else { return bytes(text) };
    // Nothing larger crosses.
    regular::read(Path::new(path), CROSS_MESSAGE_BYTES_MAX).map_err(|error| format!("cannot read {path}: {error}"))
}

/// Bytes in hexadecimal, with or without `0x`.
pub fn bytes(text: &str) -> Result<Vec<u8>, String> {
    hex::decode(text.strip_prefix("0x").unwrap_or(text)).map_err(|error| format!("expected hexadecimal: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use subnet_types::SubnetId;
    use subnet_types::actors::gateway;

    #[test]
    fn destination_is_a_chain_and_a_robust_address_there() {
        let child = SubnetId::root(7).child(Address::new_actor(b"child")).unwrap();
        let address = Address::new_actor(b"somebody");
        let parsed = cross_address(&format!("{child}:{address}")).unwrap();
        assert_eq!(parsed, CrossAddress { subnet: child, address });
        assert!(cross_address("/r7").unwrap_err().contains("SUBNET:ADDRESS"));
        assert!(cross_address("/r7:f01").unwrap_err().contains("is an id"));
    }

    #[test]
    fn method_is_a_number_or_a_name_with_its_number() {
        assert_eq!(method("2"), Ok(2));
        assert_eq!(method("Send"), Ok(gateway::SEND));
        assert!(method("2x").is_err() && method("no name").is_err() && method("").is_err());
    }

    #[test]
    fn parameters_are_hexadecimal_or_a_file_that_fits_a_message() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("params");
        let named = format!("@{}", path.display());
        assert!(bytes_or_file(&named).is_err(), "there is no such file");
        std::fs::write(&path, [1, 2]).unwrap();
        assert_eq!(bytes_or_file(&named), Ok(vec![1, 2]));
        assert_eq!(bytes_or_file("0x0102"), Ok(vec![1, 2]));
        for unfit in regular::tests::unfit(folder.path(), CROSS_MESSAGE_BYTES_MAX) {
            let error = bytes_or_file(&format!("@{}", unfit.display())).unwrap_err();
            assert!(error.contains(&unfit.display().to_string()) && error.contains(": it "), "{error}");
        }
    }
}
