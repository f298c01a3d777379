//! Parameters that tell the script actor what to do.
//!
//! ```text
//! u32 where the steps begin │ u32 how many │ data… │ steps: u64 number, nine u64 arguments
//! ```

use fvm_ipld_encoding::RawBytes;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;

use super::actors::{SCRIPT_AT, STEP_BYTES, step};

/// The gas limit that means no limit.
pub const NO_LIMIT: u64 = u64::MAX;

/// Block id of a script's own parameters.
pub const PARAMS: u64 = 1;

/// A script under construction.
#[derive(Clone, Debug, Default)]
pub struct Script {
    data: Vec<u8>,
    steps: Vec<(u32, Vec<u64>)>,
    blocks: u64,
}

impl Script {
    /// Nothing to do.
    pub fn new() -> Self {
        Self { blocks: PARAMS, ..Self::default() }
    }

    /// Bytes for the steps to use: where they are, and how many.
    pub fn data(&mut self, bytes: &[u8]) -> (u64, u64) {
        let at = u64::from(SCRIPT_AT) + 8 + self.data.len() as u64;
        self.data.extend_from_slice(bytes);
        (at, bytes.len() as u64)
    }

    /// Where the result of the next step goes: a place of its own, as long as there are not too many.
    pub fn place(&self) -> u64 {
        0x800 + (self.steps.len() as u64 * 64) % 0x800
    }

    /// A step by name.
    pub fn step(mut self, name: &str, args: &[u64]) -> Self {
        self.steps.push((step(name), args.to_vec()));
        self
    }

    /// A step by number, whatever it is.
    pub fn any(mut self, number: u32, args: &[u64]) -> Self {
        self.steps.push((number, args.to_vec()));
        self
    }

    /// A syscall that returns a value at a place of its own.
    pub fn call(self, name: &str, args: &[u64]) -> Self {
        let mut all = vec![self.place()];
        all.extend_from_slice(args);
        self.step(name, &all)
    }

    /// Creates a block.
    pub fn block(mut self, codec: u64, bytes: &[u8]) -> Self {
        let (at, len) = self.data(bytes);
        self.blocks += 1;
        self.call("ipld::block_create", &[codec, at, len])
    }

    /// Id of the block that was created last, if every creation so far succeeds and no call has returned a block.
    pub fn last_block(&self) -> u64 {
        self.blocks
    }

    /// Sends, with a block of parameters that there is.
    pub fn send_block(
        mut self,
        to: Address,
        method: u64,
        params: u64,
        value: &TokenAmount,
        gas: u64,
        flags: u64,
    ) -> Self {
        let (at, len) = self.data(&to.to_bytes());
        let atto = u128::try_from(value.atto()).unwrap_or_default();
        self.call("send::send", &[at, len, method, params, (atto >> 64) as u64, atto as u64, gas, flags])
    }

    /// Sends value and nothing else.
    pub fn pay(self, to: Address, value: &TokenAmount) -> Self {
        self.send_block(to, 0, 0, value, NO_LIMIT, 0)
    }

    /// Lets another script actor run a script.
    pub fn run(self, to: Address, script: &Self, value: &TokenAmount, gas: u64, flags: u64) -> Self {
        let with_block = self.block(0x55, script.encode().bytes());
        let block = with_block.last_block();
        let mut sent = with_block.send_block(to, 2, block, value, gas, flags);
        // What comes back takes an id.
        sent.blocks += 1;
        sent
    }

    /// Ends the actor with a code and a message.
    pub fn exit(mut self, code: u64, block: u64, message: &str) -> Self {
        let (at, len) = self.data(message.as_bytes());
        self.step("vm::exit", &[code, block, at, len])
    }

    /// Emits an event of entries: flags, key, codec, value.
    pub fn emit(mut self, entries: &[(u64, &str, u64, &[u8])]) -> Self {
        let (mut table, mut keys, mut values) = (Vec::new(), Vec::new(), Vec::new());
        for (flags, key, codec, value) in entries {
            table.extend_from_slice(&flags.to_le_bytes());
            table.extend_from_slice(&codec.to_le_bytes());
            table.extend_from_slice(&(key.len() as u32).to_le_bytes());
            table.extend_from_slice(&(value.len() as u32).to_le_bytes());
            keys.extend_from_slice(key.as_bytes());
            values.extend_from_slice(value);
        }
        let (table, _) = self.data(&table);
        let (keys, keys_len) = self.data(&keys);
        let (values, values_len) = self.data(&values);
        self.step("event::emit_event", &[table, entries.len() as u64, keys, keys_len, values, values_len])
    }

    /// The parameters.
    pub fn encode(&self) -> RawBytes {
        let mut out = Vec::new();
        out.extend_from_slice(&(8 + self.data.len() as u32).to_le_bytes());
        out.extend_from_slice(&(self.steps.len() as u32).to_le_bytes());
        out.extend_from_slice(&self.data);
        for (number, args) in &self.steps {
            let mut bytes = u64::from(*number).to_le_bytes().to_vec();
            bytes.extend(args.iter().flat_map(|arg| arg.to_le_bytes()));
            bytes.resize(STEP_BYTES as usize, 0);
            out.extend(bytes);
        }
        RawBytes::new(out)
    }
}
