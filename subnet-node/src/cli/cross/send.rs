//! `cross send`, and its two common cases, `cross fund` and `cross release`.

use client::api::{CrossEnd, CrossPosition, CrossStepInfo, JsonAmount};
use client::cross::{self, Enqueued, fee_needed, first_edge, way};
use client::{Client, Sender, Waiting};
use fvm_ipld_encoding::RawBytes;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::ExitCode;
use serde::Serialize;
use subnet_types::actors::{CallParams, SendParams, refusal};
use subnet_types::bytes::Digest;
use subnet_types::{CrossKind, Height, Nonce, SubnetId};

use super::{Chains, SendArgs};
use crate::cli::context::{Context, SenderArgs};
use crate::cli::error::CliError;
use crate::cli::genesis::fil;
use crate::cli::output::table;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Crossing {
    id: Digest,
    to: CrossEnd,
    nonce: Nonce,
    amount: JsonAmount,
    fee: JsonAmount,
    height: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    arrival: Option<CrossStepInfo>,
}

impl SendArgs {
    pub(super) async fn run(self, context: &Context) -> Result<(), CliError> {
        let chains = Chains::ask(context, &self.endpoints).await?;
        let destination = self.to.subnet.clone();
        if destination == chains.here {
            return Err(CliError::usage(format!("{destination} is the chain of --rpc itself"))
                .hint("within one chain, use `subnet-node send`"));
        }
        let call = self.method.map(|method| CallParams {
            method,
            params: RawBytes::new(self.params),
            gas_limit: self.gas_limit,
        });
        let fee = match self.fee {
            Some(fee) => fee,
            None => default_fee(context, &chains, &destination, call.as_ref(), self.receipt).await?,
        };
        let params =
            SendParams { to: self.to, call, fee, expires: self.expires.map(Height::new), wants_receipt: self.receipt };
        let sender = context.sender(&self.sender).await?;
        let sent = enqueue(context, &sender, &params, &self.value).await?;
        finish(context, &params, sent, self.value, None).await
    }
}

/// `fund` and `release`: a transfer over one edge, to the child or the parent (`None`).
pub(super) async fn transfer(
    context: &Context,
    child: Option<SubnetId>,
    to: Option<Address>,
    amount: TokenAmount,
    to_rpc: Option<&str>,
    sender: &SenderArgs,
) -> Result<(), CliError> {
    let chains = Chains::ask(context, &super::EndpointArgs { endpoints: Vec::new() }).await?;
    let subnet = match child {
        Some(child) => child,
        None => chains.here.parent().ok_or_else(|| {
            CliError::usage(format!("{} is a root: there is no parent to release to", chains.here))
                .hint("name a node of the subnet with --rpc URL")
        })?,
    };
    let receiver = receiver(to_rpc, &chains.here, &subnet).await?;
    let fee = default_fee(context, &chains, &subnet, None, false).await?;
    let sender = context.sender(sender).await?;
    let to = to.unwrap_or_else(|| sender.address());
    let params = cross::transfer(subnet, to, fee);
    let sent = enqueue(context, &sender, &params, &amount).await?;
    finish(context, &params, sent, amount, receiver).await
}

/// The node to wait at, on the chain that it must be on, and the edge by which the message comes there.
async fn receiver(
    url: Option<&str>,
    here: &SubnetId,
    expected: &SubnetId,
) -> Result<Option<(Client, SubnetId)>, CliError> {
    let Some(url) = url else { return Ok(None) };
    let edge = first_edge(here, expected).filter(|_| way(here, expected).is_some_and(|way| way.len() == 2));
    let Some(edge) = edge else {
        return Err(CliError::usage(format!(
            "--to-rpc waits for the chain at the other end of an edge, {expected} is none"
        ))
        .hint("leave it out, and follow the message with `cross status ID --watch`"));
    };
    let client = Client::connect(url)?;
    let actual = client.info().await?.subnet;
    if actual != *expected {
        return Err(CliError::usage(format!("--to-rpc {url} is a node of {actual}, expected one of {expected}")));
    }
    Ok(Some((client, edge)))
}

/// What the edges on the way ask for. An edge of which no node is known counts like the one before.
async fn default_fee(
    context: &Context,
    chains: &Chains,
    to: &SubnetId,
    call: Option<&CallParams>,
    wants_receipt: bool,
) -> Result<TokenAmount, CliError> {
    let Some(way) = way(&chains.here, to) else {
        return Err(CliError::usage(format!("no edge connects {} with {to}: they have different roots", chains.here)));
    };
    let mut prices: Vec<TokenAmount> = Vec::new();
    for pair in way.windows(2) {
        let [from, next] = pair else { continue };
        match (price(chains, from, next).await?, prices.last()) {
            (Some(price), _) => prices.push(price),
            (None, Some(last)) => prices.push(last.clone()),
            (None, None) => context.output.note("the price of the first edge is unknown and counts as zero"),
        }
    }
    let (kind, gas_limit) = match call {
        None => (CrossKind::Transfer, 0),
        Some(call) => (CrossKind::Call { method: call.method, params: call.params.clone() }, call.gas_limit),
    };
    Ok(fee_needed(&prices, &kind, gas_limit, wants_receipt || call.is_some()))
}

/// The price of the edge between two chains, both ends of which know it; `None` when no node of them is known, or the one
/// that is knows no such edge.
async fn price(chains: &Chains, from: &SubnetId, next: &SubnetId) -> Result<Option<TokenAmount>, CliError> {
    let asked = match (chains.get(from), chains.get(next)) {
        (Some(client), _) => client.cross_price(next).await,
        (None, Some(client)) => client.cross_price(from).await,
        (None, None) => return Ok(None),
    };
    match asked {
        Ok(asked) => Ok(Some(asked.price.0)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn enqueue(
    context: &Context,
    sender: &Sender,
    params: &SendParams,
    value: &TokenAmount,
) -> Result<Enqueued, CliError> {
    let progress = context.output.progress("handing it to the gateway");
    let tell = |waiting: &Waiting| progress.tell(waiting);
    Ok(cross::send(sender, params, value, context.wait_options(), tell).await?)
}

async fn finish(
    context: &Context,
    params: &SendParams,
    sent: Enqueued,
    amount: TokenAmount,
    receiver: Option<(Client, SubnetId)>,
) -> Result<(), CliError> {
    let id = sent.message.id;
    let arrival = match receiver {
        Some((receiver, edge)) if context.is_waiting => {
            let progress = context.output.progress("on its way");
            let from = CrossPosition { edge, nonce: sent.message.nonce };
            Some(receiver.wait_cross(id, &from, context.wait_options(), |waiting| progress.tell(waiting)).await?)
        }
        _ => None,
    };
    if let Some(exit_code) = arrival.as_ref().and_then(|step| step.exit_code).filter(|code| *code != 0) {
        let why = describe(exit_code);
        return Err(CliError::rejected(format!("{id} was refused: {why}; its value is on its way back")));
    }
    let crossing = Crossing {
        id,
        to: params.to.clone().into(),
        nonce: sent.message.nonce,
        amount: amount.into(),
        fee: params.fee.clone().into(),
        height: sent.done.height,
        arrival,
    };
    context.output.result(&crossing, || crossing.text());
    Ok(())
}

/// What an exit code of a delivery means.
pub(super) fn describe(exit_code: u32) -> String {
    match refusal::describe(ExitCode::new(exit_code)) {
        Some(text) => format!("{text} (exit code {exit_code})"),
        None => format!("the destination, or the VM there, failed it (exit code {exit_code})"),
    }
}

impl Crossing {
    fn text(&self) -> String {
        let mut rows = vec![
            ("id", self.id.to_string()),
            ("to", self.to.to_string()),
            ("nonce", self.nonce.to_string()),
            ("amount", fil(&self.amount.0)),
            ("fee", fil(&self.fee.0)),
            ("left at height", self.height.to_string()),
        ];
        match &self.arrival {
            Some(step) => rows.push(("delivered at height", step.height.to_string())),
            None => rows.push(("follow it with", format!("subnet-node cross status {} --watch", self.id))),
        }
        table(&rows)
    }
}
