//! Actors in native code.
//!
//! A native actor runs in place of the wasm with its code CID: inside the same transaction, on the same kernel, under
//! the same limits of gas and depth, and what it exits with is treated the same. It has no instance, so nobody pays
//! for memory or instructions; it charges what its own price list says, through the kernel.

use std::collections::HashMap;
use std::sync::Arc;

use cid::Cid;
use fvm::kernel::prelude::BlockId;
use fvm::syscalls::Abort;

use crate::kernel::LaneKernel;
use crate::machine::VmMachine;

pub use fvm::call_manager::Entrypoint;

/// An actor in native code.
///
/// It must be a function of what it reads through the kernel's operations: the same on every node, and known to the
/// access log. The state tree that the kernel's machine shows is not for actors; reading it there goes unseen.
pub trait NativeActor<M: VmMachine>: Send + Sync {
    /// Runs the actor. `params` is a block of the kernel, 0 for none; so is what it returns.
    ///
    /// Errors of the kernel become aborts by [`Abort::from_error`], with the exit code of the actor's choice; running
    /// out of gas and fatal errors keep their meaning.
    ///
    /// # Errors
    /// The abort that ends the call, and with it all it has changed.
    fn run(&self, kernel: &mut LaneKernel<M>, entrypoint: Entrypoint, params: BlockId) -> Result<BlockId, Abort>;
}

/// Native actors by code CID.
pub struct Natives<M: VmMachine>(HashMap<Cid, Arc<dyn NativeActor<M>>>);

impl<M: VmMachine> Default for Natives<M> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<M: VmMachine> Natives<M> {
    /// Runs `actor` for this code from now on.
    pub fn insert(&mut self, code: Cid, actor: Arc<dyn NativeActor<M>>) {
        self.0.insert(code, actor);
    }

    /// The native actor for this code.
    pub(crate) fn get(&self, code: &Cid) -> Option<Arc<dyn NativeActor<M>>> {
        self.0.get(code).cloned()
    }
}
