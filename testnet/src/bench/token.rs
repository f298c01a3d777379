//! How the chain of the benchmark gets its token, of which it has the code besides the system's.

use std::time::Duration;

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

/// Of everyone's tokens at the start; more than is ever sent.
const BALANCE: u64 = 1_000_000_000;

/// How long the token may take into a block, and how often it is looked for.
const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(100);

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
