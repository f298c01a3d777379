//! One run of the VM over one state: messages in, receipts out, a root at the end.

use std::any::Any;
use std::num::NonZeroUsize;
use std::sync::Arc;

use cid::Cid;
use fvm::executor::ApplyRet;
use fvm::machine::MachineContext;
use fvm_ipld_blockstore::Blockstore;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use lanes::{BlockExecutor, BlockMessage, BlockStats, Learned, Options, Waypoint, Waypoints};
use vm::state::{CacheUse, Flushed};

use crate::block::BlockContext;
use crate::engine::Engine;
use crate::error::ExecError;
use crate::externs::ChainExterns;
use crate::overlay::Overlay;
use crate::rules::ChainRules;
use crate::state_view::StateView;

/// The VM asks for 64 MiB: 1024 nested calls take 36 KiB of native stack each.
const VM_STACK_BYTES: usize = 64 << 20;

/// What a run needs besides the state and the block.
pub(crate) struct Setting<'a> {
    pub(crate) engine: &'a Arc<Engine>,
    pub(crate) rules: &'a ChainRules,
    pub(crate) externs: &'a ChainExterns,
    pub(crate) lanes: NonZeroUsize,
    pub(crate) learned: &'a Learned,
}

/// A run of the VM, over one block or over consecutive ones. Messages run on a thread made by [`on_vm_thread`].
///
/// What it has read stays in caches of bounded size, so a session may go on for as long as the chain does.
pub(crate) struct Session<B: Blockstore + Send + Sync + 'static> {
    executor: BlockExecutor<Overlay<B>, ChainExterns>,
    overlay: Overlay<B>,
}

impl<B: Blockstore + Send + Sync + 'static> Session<B> {
    pub(crate) fn start(
        setting: &Setting<'_>,
        overlay: Overlay<B>,
        state_root: &Cid,
        context: &BlockContext,
    ) -> Result<Self, ExecError> {
        let result = Self::try_start(setting, &overlay, state_root, context);
        overlay.failure().map_or(result, Err)
    }

    fn try_start(
        setting: &Setting<'_>,
        overlay: &Overlay<B>,
        state_root: &Cid,
        context: &BlockContext,
    ) -> Result<Self, ExecError> {
        let machine_context = machine_context(setting, overlay, state_root, context)?;
        let code = setting.engine.wasm().code().map_err(|error| ExecError::vm("binding the system calls", error))?;
        let options = Options::new(setting.lanes);
        let executor = BlockExecutor::new(options, &machine_context, overlay.clone(), setting.externs.clone(), code)
            .map_err(|error| ExecError::vm("opening the state", error))?
            .with_learned(setting.learned.clone());
        Ok(Self { executor, overlay: overlay.clone() })
    }

    /// Goes on with the block after the one that gave `state_root`, whose new blocks are in the store by now.
    pub(crate) fn resume(
        mut self,
        setting: &Setting<'_>,
        state_root: &Cid,
        context: &BlockContext,
    ) -> Result<Self, ExecError> {
        let result = machine_context(setting, &self.overlay, state_root, context).and_then(|context| {
            self.executor.resume(&context).map_err(|error| ExecError::vm("going on with the next block", error))
        });
        self.overlay.failure().map_or(result, Err).map(|()| self)
    }

    /// Whether it may go on with another block.
    pub(crate) fn is_good(&self) -> bool {
        self.overlay.failure().is_none()
    }

    /// Where it writes to.
    pub(crate) fn overlay(&self) -> &Overlay<B> {
        &self.overlay
    }

    /// Runs a message that nobody has signed.
    pub(crate) fn apply(&mut self, message: Message) -> Result<ApplyRet, ExecError> {
        let result = self.executor.apply_implicit(message);
        self.checked(result, "executing a message")
    }

    /// Runs the block's signed messages.
    pub(crate) fn execute(&mut self, messages: &[BlockMessage]) -> Result<Vec<ApplyRet>, ExecError> {
        let result = self.executor.execute(messages);
        self.checked(result, "executing the block's messages")
    }

    /// The same, leaving waypoints between so many segments.
    pub(crate) fn execute_marking(
        &mut self,
        messages: &[BlockMessage],
        segments: usize,
    ) -> Result<(Vec<ApplyRet>, Waypoints), ExecError> {
        let overlay = &self.overlay;
        let reached = |roots: &[Cid]| {
            let blocks = overlay.reached(roots)?;
            Ok(blocks.into_iter().map(|(cid, block)| (cid, block.to_vec())).collect())
        };
        let result = self.executor.execute_marking(messages, segments, reached);
        self.checked(result, "executing the block's messages")
    }

    /// The same with the help of waypoints, which may be wrong.
    pub(crate) fn execute_between(
        &mut self,
        messages: &[BlockMessage],
        waypoints: &[Waypoint],
    ) -> Result<Vec<ApplyRet>, ExecError> {
        if let Some(failure) = self.overlay.failure() {
            return Err(failure);
        }
        let overlay = &self.overlay;
        let result = self.executor.execute_between(messages, waypoints, || overlay.take_failure().is_some());
        self.checked(result, "executing the block's messages")
    }

    /// Puts the state together. What is new in it must be in the store before the next block.
    pub(crate) fn flush(&mut self) -> Result<Flushed, ExecError> {
        let result = self.executor.flush_apart();
        self.checked(result, "writing the state")
    }

    /// How the last block's signed messages were executed.
    pub(crate) fn stats(&self) -> &BlockStats {
        self.executor.stats()
    }

    /// How often the state was known already, since the session began.
    pub(crate) fn cache_use(&self) -> CacheUse {
        self.executor.snapshot().cache_use()
    }

    /// What a broken disk wrote into a receipt, or left out of the state, is not what the other nodes have.
    fn checked<T>(&self, result: anyhow::Result<T>, doing: &'static str) -> Result<T, ExecError> {
        match self.overlay.failure() {
            Some(failure) => Err(failure),
            None => result.map_err(|error| ExecError::vm(doing, error)),
        }
    }
}

fn machine_context<B: Blockstore>(
    setting: &Setting<'_>,
    overlay: &Overlay<B>,
    state_root: &Cid,
    context: &BlockContext,
) -> Result<MachineContext, ExecError> {
    let circulating = circulating(overlay, state_root, &setting.rules.issued)?;
    let mut machine_context =
        setting.rules.network_config().for_epoch(context.height.epoch(), context.timestamp.seconds(), *state_root);
    machine_context.set_base_fee(context.base_fee.clone()).set_circulating_supply(circulating);
    Ok(machine_context)
}

fn circulating<B: Blockstore>(store: &B, state_root: &Cid, issued: &TokenAmount) -> Result<TokenAmount, ExecError> {
    Ok(StateView::new(store, state_root)?.supply_of(issued)?.circulating)
}

/// Runs `work` on a thread of its own with the stack that the VM needs, and waits for it. A panic inside becomes an
/// error: whatever ran has written nothing but its own overlay.
pub(crate) fn on_vm_thread<T: Send>(work: impl FnOnce() -> Result<T, ExecError> + Send) -> Result<T, ExecError> {
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .name("vm".to_owned())
            .stack_size(VM_STACK_BYTES)
            .spawn_scoped(scope, work)
            .map_err(|error| ExecError::vm("starting a thread", error))?
            .join()
            .unwrap_or_else(|panic| Err(ExecError::Panicked { reason: panic_message(&*panic) }))
    })
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_has_a_deep_stack() {
        #[inline(never)]
        fn dig(depth: u32) -> u64 {
            let frame = std::hint::black_box([u64::from(depth); 512]);
            if depth == 0 { frame[0] } else { dig(depth - 1) + frame[511] - u64::from(depth) }
        }
        // 4,000 frames of at least 4 KiB: far beyond the 2 MiB of an ordinary thread.
        assert_eq!(on_vm_thread(|| Ok(dig(4_000))).unwrap(), 0);
    }

    #[test]
    fn panic_becomes_an_error_with_its_message() {
        let error = on_vm_thread::<()>(|| panic!("lost {}", "count")).unwrap_err();
        assert!(matches!(&error, ExecError::Panicked { reason } if reason == "lost count"), "{error}");
        assert_eq!(on_vm_thread(|| Ok(3)).unwrap(), 3);
    }
}
