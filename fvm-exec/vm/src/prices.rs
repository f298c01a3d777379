//! Prices that the reference VM's price list has and does not show.
//!
//! The list is the reference's own; what it keeps to itself is read back here from what it does show (how it prices
//! instructions for instrumentation), and the two values that appear nowhere are constants, which tests hold against
//! the list.

use anyhow::bail;
use fvm::gas::{Gas, WasmGasPrices};
use fvm_shared::ActorID;
use fvm_wasm_instrument::gas_metering::{InstructionCost, Operator, Rules};

/// What every call from wasm into the VM costs before anything else (FIP-0032 with the figures of FIP-0057).
const HOST_CALL: Gas = Gas::new(14_000);

/// Bytes that one table element counts for.
const TABLE_ELEMENT_BYTES: u64 = 8;

/// Actors that nobody pays for loading or updating, because every message or block touches them.
const PRELOADED: [ActorID; 10] = [0, 1, 2, 3, 4, 5, 6, 7, 10, 99];

/// Whether access to this actor is free.
pub(crate) fn is_preloaded(id: ActorID) -> bool {
    PRELOADED.contains(&id)
}

/// Prices of running wasm, besides those that instrumentation writes into the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WasmPrices {
    /// A call from wasm into the VM.
    pub(crate) host_call: Gas,
    fill_base: Gas,
    fill_per_byte: Gas,
}

impl WasmPrices {
    /// What `rules` hide.
    ///
    /// # Errors
    /// When they price memory in another way than all lists up to now.
    pub(crate) fn of(rules: &WasmGasPrices) -> anyhow::Result<Self> {
        let InstructionCost::Fixed(plain) = rules.instruction_cost(&Operator::I32Const { value: 0 })? else {
            bail!("constants have a price that depends on their value");
        };
        let (base, per_byte) = match rules.instruction_cost(&Operator::MemoryFill { mem: 0 })? {
            InstructionCost::Fixed(base) => (base, 0),
            InstructionCost::Linear(base, per_byte) => (base, per_byte.get()),
        };
        let Some(fill_base) = base.checked_sub(plain) else {
            bail!("filling memory costs less than an instruction");
        };
        Ok(Self {
            host_call: HOST_CALL,
            fill_base: Gas::from_milligas(fill_base),
            fill_per_byte: Gas::from_milligas(per_byte.into()),
        })
    }

    /// Memory that comes into being or grows by so many bytes.
    pub(crate) fn memory(&self, bytes: usize) -> Gas {
        self.fill_base + self.fill_per_byte * bytes
    }

    /// A table that starts with so many elements.
    pub(crate) fn table(&self, elements: u64) -> Gas {
        self.fill_base + self.fill_per_byte * elements * TABLE_ELEMENT_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fvm::engine::EngineConfig;
    use fvm::gas::price_list_by_network_version;
    use fvm::machine::NetworkConfig;
    use fvm_shared::version::NetworkVersion;

    const VERSIONS: [NetworkVersion; 9] = [
        NetworkVersion::V21,
        NetworkVersion::V22,
        NetworkVersion::V23,
        NetworkVersion::V24,
        NetworkVersion::V25,
        NetworkVersion::V26,
        NetworkVersion::V27,
        NetworkVersion::V28,
        NetworkVersion::V29,
    ];

    #[test]
    fn constants_are_those_of_every_price_list() {
        for version in VERSIONS {
            let list = format!("{:?}", price_list_by_network_version(version));
            assert!(list.contains(&format!("host_call_cost: {HOST_CALL:?}")), "{version}");
            assert!(list.contains(&format!("preloaded_actors: {PRELOADED:?}")), "{version}");
        }
    }

    #[test]
    fn hidden_prices_are_read_back() {
        for version in VERSIONS {
            let rules = EngineConfig::from(&NetworkConfig::new(version)).wasm_prices;
            let prices = WasmPrices::of(rules).unwrap();
            let list = format!("{rules:?}");
            assert!(list.contains(&format!("memory_fill_base_cost: {:?}", prices.fill_base)), "{list}");
            assert!(list.contains(&format!("memory_fill_per_byte_cost: {:?}", prices.fill_per_byte)), "{list}");
        }
    }

    #[test]
    fn memory_and_tables_are_priced_by_the_byte() {
        let prices = WasmPrices::of(EngineConfig::from(&NetworkConfig::new(NetworkVersion::V29)).wasm_prices).unwrap();
        assert_eq!(prices.memory(10), Gas::from_milligas(4_000));
        assert_eq!(prices.table(3), Gas::from_milligas(9_600));
    }
}
