//! Numbers and names of the built-in actor types.
//!
//! A type's number is its position in the bundle's manifest, counted from 1; the VM derives it from there. The first
//! sixteen are Filecoin's official order, so that code which knows Filecoin's numbers is right here too. Positions of
//! actors that this chain does not have are kept by modules that refuse every call. A bundle may go on after the last of
//! them with actors of its chain's own, whose types have numbers but no names here.

/// Names by position; the type of `NAMES[i]` is `i + 1`.
pub const NAMES: [&str; 19] = [
    "system",
    "init",
    "cron",
    "account",
    "storagepower",
    "storageminer",
    "storagemarket",
    "paymentchannel",
    "multisig",
    "reward",
    "verifiedregistry",
    "datacap",
    "placeholder",
    "evm",
    "eam",
    "ethaccount",
    subnet_types::actors::manifest_names::GATEWAY,
    subnet_types::actors::manifest_names::CHECKPOINT,
    subnet_types::actors::manifest_names::COURIER,
];

/// Type of the system actor.
pub const SYSTEM: u32 = 1;
/// Type of the init actor.
pub const INIT: u32 = 2;
/// Type of accounts with a native key.
pub const ACCOUNT: u32 = 4;
/// Type of the reward actor.
pub const REWARD: u32 = 10;
/// Type of an address that has been sent to but has no code yet.
pub const PLACEHOLDER: u32 = 13;
/// Type of Ethereum contracts.
pub const EVM: u32 = 14;
/// Type of the Ethereum address manager.
pub const EAM: u32 = 15;
/// Type of accounts with an Ethereum key.
pub const ETHACCOUNT: u32 = 16;
/// Type of the gateway actor.
pub const GATEWAY: u32 = 17;
/// Type of the checkpoint actor.
pub const CHECKPOINT: u32 = 18;
/// Type of the courier.
pub const COURIER: u32 = 19;

/// Whether a type is of an actor that a chain has besides the built-in ones. They follow them in its bundle.
pub fn is_own(number: u32) -> bool {
    number > COURIER
}

/// Name of a type; `None` for a number that no built-in actor has.
pub fn name(number: u32) -> Option<&'static str> {
    let index = usize::try_from(number).ok()?.checked_sub(1)?;
    NAMES.get(index).copied()
}

/// Type by name; `None` for a name that no built-in actor has.
pub fn number(name: &str) -> Option<u32> {
    let index = NAMES.iter().position(|known| *known == name)?;
    u32::try_from(index + 1).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_agree_with_the_order_of_names() {
        let pairs = [
            (SYSTEM, "system"),
            (INIT, "init"),
            (ACCOUNT, "account"),
            (REWARD, "reward"),
            (PLACEHOLDER, "placeholder"),
            (EVM, "evm"),
            (EAM, "eam"),
            (ETHACCOUNT, "ethaccount"),
            (GATEWAY, "gateway"),
            (CHECKPOINT, "checkpoint"),
            (COURIER, "courier"),
        ];
        for (expected, known) in pairs {
            assert_eq!(number(known), Some(expected), "{known}");
            assert_eq!(name(expected), Some(known));
        }
        assert_eq!(name(0), None);
        assert_eq!(name(20), None);
        assert_eq!(number("cthulhu"), None);
        assert_eq!(usize::try_from(COURIER).unwrap(), NAMES.len(), "a chain's own actors come after the last");
        assert!(!is_own(COURIER) && is_own(COURIER + 1));
    }
}
