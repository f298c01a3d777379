//! Answers that are known: the same results for the same gas, charge by charge, as those that are found.

use std::sync::LazyLock;

use fvm::executor::{ApplyKind, ApplyRet, Executor};
use fvm_ipld_encoding::to_vec;
use fvm_shared::EMPTY_ARR_CID;
use fvm_shared::address::Address;
use fvm_shared::crypto::signature::SECP_SIG_LEN;
use fvm_shared::crypto::signature::ops::recover_secp_public_key;
use fvm_shared::error::ErrorNumber;
use fvm_shared::message::Message;
use fvm_shared::piece::{PaddedPieceSize, PieceInfo};
use fvm_shared::randomness::Randomness;
use fvm_shared::sector::{
    AggregateSealVerifyProofAndInfos, RegisteredAggregateProof, RegisteredSealProof, RegisteredUpdateProof,
    ReplicaUpdateInfo, WindowPoStVerifyInfo,
};
use multihash_codetable::{Code, MultihashDigest as _};
use vm::{MemoCounts, WasmEngine};

use crate::support::actors::ERRORS_AT;
use crate::support::compare::{RAW_LENGTH, assert_same, context, network, ours_on, stock};
use crate::support::deep;
use crate::support::script::Script;
use crate::support::world::{World, bob, script_message};

const TEXT: &[u8] = b"what was signed";

/// A signature of the text, and whose it is: every curve point is somebody's key.
static SIGNED: LazyLock<([u8; SECP_SIG_LEN], Address)> = LazyLock::new(|| {
    let hash: [u8; 32] = Code::Blake2b256.digest(TEXT).digest().try_into().unwrap();
    (1..)
        .find_map(|fill| {
            let mut signature = [fill; SECP_SIG_LEN];
            signature[SECP_SIG_LEN - 1] = 0;
            let key = recover_secp_public_key(&hash, &signature).ok()?;
            Some((signature, Address::new_secp256k1(&key).unwrap()))
        })
        .unwrap()
});

/// Verifications that [`verifications`] asks for, and how many of them are asked for twice.
const QUESTIONS: u64 = 12;
const REPEATED: u64 = 1;

/// A script that asks for every kind of verification, with every kind of answer.
pub fn verifications() -> Script {
    let mut script = Script::new();
    let (signature, signer) = &*SIGNED;
    let text = script.data(TEXT);
    let hash = script.data(Code::Blake2b256.digest(TEXT).digest());
    let signature = script.data(signature);
    let nobodys = script.data(&[0xff; 96]);
    let signer = script.data(&signer.to_bytes());
    let bls = script.data(&bob().to_bytes());
    let id = script.data(&Address::new_id(7).to_bytes());
    let lengths = script.data(&[5, 0, 0, 0, 3, 0, 0, 0]);
    let wrong_lengths = script.data(&[5, 0, 0, 0, 0, 0, 0, 0]);

    // CommP of nothing in particular, for a sector of 2 KiB.
    let multihash = cid::multihash::Multihash::wrap(0x1012, &[1; 32]).unwrap();
    let piece = PieceInfo { size: PaddedPieceSize(2_048), cid: cid::Cid::new_v1(0xf101, multihash) };
    let pieces = script.data(&to_vec(&vec![piece]).unwrap());
    let post = WindowPoStVerifyInfo {
        randomness: Randomness(vec![1; 32]),
        proofs: vec![],
        challenged_sectors: vec![],
        prover: 1,
    };
    let post = script.data(&to_vec(&post).unwrap());
    let seals = AggregateSealVerifyProofAndInfos {
        miner: 1,
        seal_proof: RegisteredSealProof::StackedDRG2KiBV1P1,
        aggregate_proof: RegisteredAggregateProof::SnarkPackV1,
        proof: vec![1; 10],
        infos: vec![],
    };
    let seals = script.data(&to_vec(&seals).unwrap());
    let update = ReplicaUpdateInfo {
        update_proof_type: RegisteredUpdateProof::StackedDRG2KiBV1,
        old_sealed_cid: EMPTY_ARR_CID,
        new_sealed_cid: EMPTY_ARR_CID,
        new_unsealed_cid: EMPTY_ARR_CID,
        proof: vec![1],
    };
    let update = script.data(&to_vec(&update).unwrap());

    let verify = "crypto::verify_signature";
    script
        .call(verify, &[1, signature.0, 65, signer.0, signer.1, text.0, text.1])
        .call(verify, &[1, signature.0, 65, signer.0, signer.1, text.0, text.1 - 1])
        .call(verify, &[2, nobodys.0, 96, bls.0, bls.1, text.0, text.1])
        .call(verify, &[1, signature.0, 65, id.0, id.1, text.0, text.1])
        .call(verify, &[1, signature.0, 65, signer.0, signer.1, text.0, text.1])
        .call("crypto::verify_bls_aggregate", &[2, nobodys.0, nobodys.0, text.0, lengths.0])
        .call("crypto::verify_bls_aggregate", &[2, nobodys.0, nobodys.0, text.0, wrong_lengths.0])
        .call("crypto::recover_secp_public_key", &[hash.0, signature.0])
        .call("crypto::recover_secp_public_key", &[hash.0, nobodys.0])
        .call("crypto::compute_unsealed_sector_cid", &[5, pieces.0, pieces.1, 0x700, 60])
        .call("crypto::verify_post", &[post.0, post.1])
        .call("crypto::verify_aggregate_seals", &[seals.0, seals.1])
        .call("crypto::verify_replica_update", &[update.0, update.1])
}

fn run(executor: &mut impl Executor, message: &Message) -> ApplyRet {
    executor.execute_message(message.clone(), ApplyKind::Explicit, RAW_LENGTH).unwrap()
}

/// What step number `step` has returned, as error number and as first bytes of its result.
fn step(ret: &ApplyRet, step: usize) -> (u32, i32) {
    let bytes = ret.msg_receipt.return_data.bytes();
    let word = |at: usize| bytes[at..at + 4].try_into().unwrap();
    (u32::from_le_bytes(word(ERRORS_AT as usize + 4 * step)), i32::from_le_bytes(word(0x800 + 64 * step)))
}

#[test]
fn known_answers_are_the_found_ones_at_the_same_price() {
    let mut network = network();
    network.max_call_depth = 8;
    let engine = WasmEngine::new(&network, 1).unwrap();
    let root = World::get().root;
    let message = script_message(0, &verifications());
    deep(|| {
        for traces in [true, false] {
            let mut context = context(root, traces);
            context.network = network.clone();
            let expected = run(&mut stock(root, traces), &message);
            let before = engine.memo_counts();
            let found = run(&mut ours_on(&engine, &context), &message);
            assert_same(&message, &expected, &found);
            let between = engine.memo_counts();
            let known = run(&mut ours_on(&engine, &context), &message);
            assert_same(&message, &expected, &known);
            let after = engine.memo_counts();
            // Questions are known from their first time on, also within a message.
            if traces {
                assert_eq!(before, MemoCounts::default());
                assert_eq!(between, MemoCounts { hits: REPEATED, misses: QUESTIONS });
            }
            assert_eq!(after.misses, QUESTIONS);
            assert_eq!(after.hits - between.hits, QUESTIONS + REPEATED);

            let illegal = ErrorNumber::IllegalArgument as u32;
            assert_eq!([step(&known, 0), step(&known, 1), step(&known, 4)], [(0, 0), (0, -1), (0, 0)]);
            assert_eq!([3, 8, 10, 12].map(|at| step(&known, at).0), [illegal; 4]);
            assert_eq!([2, 5, 6, 7, 9].map(|at| step(&known, at).0), [0; 5]);
        }
    });
}

/// Out of gas is of one execution, and no answer.
#[test]
fn running_out_of_gas_is_not_remembered() {
    let mut network = network();
    network.max_call_depth = 8;
    let engine = WasmEngine::new(&network, 1).unwrap();
    let mut context = context(World::get().root, false);
    context.network = network;
    let mut script = Script::new();
    let (signature, signer) = &*SIGNED;
    let (text, signature, signer) = (script.data(TEXT), script.data(signature), script.data(&signer.to_bytes()));
    let script = script.call("crypto::verify_signature", &[1, signature.0, 65, signer.0, signer.1, text.0, text.1]);
    let message = script_message(0, &script);
    deep(|| {
        let used = run(&mut ours_on(&engine, &context), &message).msg_receipt.gas_used;
        assert_eq!(engine.memo_counts(), MemoCounts { hits: 0, misses: 1 });
        for tenths in 1..10 {
            let limited = Message { gas_limit: used * tenths / 10, ..message.clone() };
            let fresh = WasmEngine::new(&context.network, 1).unwrap();
            let stopped = run(&mut ours_on(&fresh, &context), &limited);
            assert!(!stopped.msg_receipt.exit_code.is_success());
            let whole = run(&mut ours_on(&fresh, &context), &message);
            assert_eq!((step(&whole, 0), whole.msg_receipt.gas_used), ((0, 0), used));
        }
    });
}
