//! How a chain gets the token.
//!
//! Nobody but the init actor creates actors, and it lets anyone create one kind: the checkpoint actor. A bundle is part of
//! a genesis, so a chain may have other code in that place. The chain of the benchmark, which has no subnets, has the
//! token there. No rule of any chain changes for it.

use std::collections::BTreeMap;
use std::time::Duration;

use actor_bundle::archive::Archive;
use anyhow::{Context, ensure};
use client::api::MessageStage;
use fvm_ipld_encoding::RawBytes;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use init::{ExecParams, ExecReturn, METHOD_EXEC};
use subnet_types::actors::INIT_ID;
use subnet_types::hash::encode;
use test_actors::TOKEN;
use token_actor::{ConstructorParams, Holder};
use tokio::time::timeout;

use super::load::{Payer, fee_cap};
use crate::remote::Remote;

/// The actor in whose place the token stands.
const PLACE: &str = "checkpoint";

/// Of everyone's tokens at the start; more than is ever sent.
const BALANCE: u64 = 1_000_000_000;

/// How long the token may take into a block, and how often it is looked for.
const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(100);

/// The bundle of the benchmark's chain, as a CAR.
///
/// # Errors
/// When the actors in this program make none.
pub(super) fn bundle() -> anyhow::Result<Vec<u8>> {
    let mut modules = BTreeMap::new();
    for (name, code) in actor_bundle::actors() {
        let wasm = actor_bundle::blocks().get(code).with_context(|| format!("the bundle lacks the code of {name}"))?;
        modules.insert(name.clone(), wasm.clone());
    }
    ensure!(modules.insert(PLACE.to_owned(), TOKEN.wasm.to_vec()).is_some(), "the bundle has no {PLACE} actor");
    // Every name is among the modules, so that nothing stands for absent ones.
    Ok(Archive::from_modules(&modules, &[]).to_car()?)
}

/// Creates a token of which all payers have the same. The first of them pays for it.
///
/// # Errors
/// When the node refuses the message, or it fails.
pub(super) async fn create(remote: &Remote, payers: &mut [Payer]) -> anyhow::Result<Address> {
    let holders =
        payers.iter().map(|payer| Holder { owner: payer.id, amount: TokenAmount::from_atto(BALANCE) }).collect();
    let creator = payers.first_mut().context("somebody must pay for the token")?;
    let params = ConstructorParams {
        name: "Benchmark".to_owned(),
        symbol: "BENCH".to_owned(),
        granularity: 1,
        creator: creator.id,
        holders,
    };
    let exec = ExecParams { code_cid: TOKEN.code(), constructor_params: RawBytes::new(encode(&params)) };
    let message = Message {
        to: Address::new_id(INIT_ID),
        method_num: METHOD_EXEC,
        params: RawBytes::new(encode(&exec)),
        ..creator.message()
    };
    let message = Message { gas_fee_cap: fee_cap(), ..remote.estimate(&message).await? };
    let identity = remote.info().await?.identity;
    let cid = remote.push(&creator.sign(&message, &identity)).await?;
    creator.nonce += 1;
    let included = async {
        loop {
            let status = remote.message_status(cid).await?;
            if status.stage == MessageStage::Included {
                return status.height.context("it is included nowhere");
            }
            tokio::time::sleep(POLL).await;
        }
    };
    let height = timeout(PATIENCE, included).await.context("the token is in no block yet")??;
    let executed = remote.executed(height, |message| message.method_num == METHOD_EXEC).await?;
    let receipt = &executed.first().context("its block does not hold it")?.receipt;
    ensure!(receipt.exit_code == 0, "creating the token ended with exit code {}", receipt.exit_code);
    let created: ExecReturn = RawBytes::new(receipt.r#return.0.clone()).deserialize()?;
    Ok(created.id_address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bundle_differs_from_every_chains_in_one_actor_alone() {
        let archive = Archive::read(&bundle().unwrap()).unwrap();
        let expected = actor_bundle::actors().iter().map(|(name, code)| {
            let code = if name == PLACE { TOKEN.code() } else { *code };
            (name.clone(), code)
        });
        assert_eq!(archive.actors, expected.collect::<Vec<_>>());
    }
}
