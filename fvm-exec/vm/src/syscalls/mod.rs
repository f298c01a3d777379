//! The syscalls of the VM, bound to our engine.
//!
//! A binding reads its arguments from the actor's memory, asks the kernel, and writes back what came out; what the
//! kernel does, charges and answers is the reference's. Names, arguments, the order of checks and the numbers of
//! errors are part of the protocol (`fvm_sdk::sys` declares them to actors).
//!
//! Rules that all share (link.rs): running code is charged before, the call itself costs a fixed price, room for the
//! result is checked before anything is done, and the actor's gas counter is set anew after.

mod actor;
mod crypto;
mod event;
mod ipld;
mod link;
mod network;
mod proofs;
mod send;
mod sself;
mod system;
mod trap;

use fvm::syscalls::Context;
use wasmtime::Linker;

use crate::invocation::Invocation;
use crate::kernel::LaneKernel;
use crate::machine::VmMachine;
use link::Bind as _;
pub(crate) use trap::abort_of;

/// What a binding works on: the kernel and the actor's memory.
type Ctx<'a, M> = Context<'a, LaneKernel<M>>;

/// Binds every syscall.
///
/// # Errors
/// When two have the same name, which is a bug.
pub(crate) fn link<M: VmMachine>(linker: &mut Linker<Invocation<M>>) -> wasmtime::Result<()> {
    system::exit.bind(linker, "vm", "exit")?;
    system::message_context.bind(linker, "vm", "message_context")?;
    system::charge_gas.bind(linker, "gas", "charge")?;
    system::gas_available.bind(linker, "gas", "available")?;
    system::debug_log.bind(linker, "debug", "log")?;
    system::debug_enabled.bind(linker, "debug", "enabled")?;
    system::debug_store_artifact.bind(linker, "debug", "store_artifact")?;

    network::context.bind(linker, "network", "context")?;
    network::tipset_cid.bind(linker, "network", "tipset_cid")?;
    network::total_fil_circ_supply.bind(linker, "network", "total_fil_circ_supply")?;
    network::chain_randomness.bind(linker, "rand", "get_chain_randomness")?;
    network::beacon_randomness.bind(linker, "rand", "get_beacon_randomness")?;

    ipld::block_open.bind(linker, "ipld", "block_open")?;
    ipld::block_create.bind(linker, "ipld", "block_create")?;
    ipld::block_read.bind(linker, "ipld", "block_read")?;
    ipld::block_stat.bind(linker, "ipld", "block_stat")?;
    ipld::block_link.bind(linker, "ipld", "block_link")?;

    sself::root.bind(linker, "self", "root")?;
    sself::set_root.bind(linker, "self", "set_root")?;
    sself::current_balance.bind(linker, "self", "current_balance")?;
    sself::self_destruct.bind(linker, "self", "self_destruct")?;

    actor::resolve_address.bind(linker, "actor", "resolve_address")?;
    actor::lookup_delegated_address.bind(linker, "actor", "lookup_delegated_address")?;
    actor::get_actor_code_cid.bind(linker, "actor", "get_actor_code_cid")?;
    actor::next_actor_address.bind(linker, "actor", "next_actor_address")?;
    actor::create_actor.bind(linker, "actor", "create_actor")?;
    actor::get_builtin_actor_type.bind(linker, "actor", "get_builtin_actor_type")?;
    actor::get_code_cid_for_type.bind(linker, "actor", "get_code_cid_for_type")?;
    actor::balance_of.bind(linker, "actor", "balance_of")?;

    crypto::verify_signature.bind(linker, "crypto", "verify_signature")?;
    crypto::verify_bls_aggregate.bind(linker, "crypto", "verify_bls_aggregate")?;
    crypto::recover_secp_public_key.bind(linker, "crypto", "recover_secp_public_key")?;
    crypto::hash.bind(linker, "crypto", "hash")?;
    proofs::compute_unsealed_sector_cid.bind(linker, "crypto", "compute_unsealed_sector_cid")?;
    proofs::verify_post.bind(linker, "crypto", "verify_post")?;
    proofs::verify_consensus_fault.bind(linker, "crypto", "verify_consensus_fault")?;
    proofs::verify_aggregate_seals.bind(linker, "crypto", "verify_aggregate_seals")?;
    proofs::verify_replica_update.bind(linker, "crypto", "verify_replica_update")?;
    proofs::batch_verify_seals.bind(linker, "crypto", "batch_verify_seals")?;

    event::emit_event.bind(linker, "event", "emit_event")?;
    send::send.bind(linker, "send", "send")
}
