//! From an actor's wasm, as it lies in the store, to wasm that counts its gas and its stack.

use anyhow::{Context as _, anyhow};
use fvm::engine::EngineConfig;
use fvm_ipld_encoding::tuple::{Deserialize_tuple, Serialize_tuple};
use fvm_wasm_instrument::{gas_metering, stack_limiter};
use wasmtime::{Engine, Module};

use super::rewrite::{GAS_MODULE, own_the_counter};

/// Wasm that counts.
pub(super) struct Instrumented {
    pub(super) wasm: Vec<u8>,
    pub(super) added: AddedExports,
}

/// Names of the exports that instrumentation has added.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize_tuple, Deserialize_tuple)]
pub(super) struct AddedExports {
    /// The gas counter; `None` for a module that cannot be linked.
    pub(super) gas: Option<String>,
    /// What the module wants to run before anything else.
    pub(super) start: Option<String>,
}

/// Checks and instruments an actor. But for the last step it is the reference's, and in its order: the gas that code
/// uses is written into it here.
///
/// # Errors
/// When `wasm` is not valid under the VM's rules, or uses an instruction that has no price.
pub(super) fn instrument(engine: &Engine, config: &EngineConfig, wasm: &[u8]) -> anyhow::Result<Instrumented> {
    Module::validate(engine, wasm).map_err(|error| anyhow!("{error:#}")).context("validating the actor's wasm")?;
    // Stack counting first: it adds code to calls, and that code must be paid for as in the reference.
    let wasm = stack_limiter::inject(wasm, config.max_wasm_stack).map_err(anyhow::Error::msg)?;
    let wasm = gas_metering::inject(&wasm, config.wasm_prices, GAS_MODULE).context("injecting the gas counter")?;
    Ok(match own_the_counter(&wasm).context("moving the gas counter")? {
        Some(rewritten) => Instrumented {
            wasm: rewritten.wasm,
            added: AddedExports { gas: Some(rewritten.gas_export), start: rewritten.start_export },
        },
        None => Instrumented { wasm, added: AddedExports::default() },
    })
}

/// A module with something of everything that instrumentation changes: what becomes of it tells one instrumentation
/// from another.
///
/// Written as bytes, for there is no assembler outside tests; one of them holds the bytes against their text.
pub(super) const PROBE: &[u8] = include_bytes!("probe.wasm");

#[cfg(test)]
mod tests {
    use super::*;
    use fvm::machine::NetworkConfig;
    use fvm_shared::version::NetworkVersion;

    #[test]
    fn probe_is_what_its_text_says() {
        assert_eq!(PROBE, wat::parse_str(include_str!("probe.wat")).unwrap());
    }

    #[test]
    fn probe_shows_the_limit_of_the_stack() {
        let instrumented = |stack: u32| {
            let mut config = EngineConfig::from(&NetworkConfig::new(NetworkVersion::V29));
            config.max_wasm_stack = stack;
            instrument(&Engine::default(), &config, PROBE).unwrap()
        };
        let (one, other) = (instrumented(1_000), instrumented(2_000));
        assert_eq!(one.added, AddedExports { gas: Some("vm.gas".to_owned()), start: Some("vm.start".to_owned()) });
        assert_eq!(one.wasm, instrumented(1_000).wasm);
        assert_ne!(one.wasm, other.wasm);
    }
}
