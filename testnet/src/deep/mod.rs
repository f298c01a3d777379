//! The deep demo's story: five chains on three levels, messages on every kind of route between them, one into every kind
//! of failure, and the value of the whole hierarchy added up while they are on their way and afterwards.

pub mod plan;
pub mod report;

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use client::cross::way;
use futures::future::try_join_all;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use serde_json::Value;
use subnet_types::SubnetId;
use subnet_types::subnet_id::parse_address;
use test_actors::CROSS_CALLER;

use crate::actors;
use crate::load::Account;
use crate::network::{Additions, Network};
use crate::progress::Progress;
use crate::supply;
use crate::topology::Topology;
use plan::{Act, Contracts, Expected, Recipient};
use report::{CallFigures, DeepChain, DeepReport, EdgeReport, RouteFigures};

/// What each message carries, in FIL.
const VALUE_FIL: u64 = 3;

/// What all gas and fees of one sender together stay below, in FIL. Less than the value of one message.
const COSTS_FIL_MAX: u64 = 1;

/// How long any message may be on its way, answer included, in seconds. The longest ordinary way is a cousin's and back:
/// four checkpoint periods.
const PATIENCE_SECONDS: &str = "300";

/// A message on its way.
struct Sent {
    act: Act,
    id: String,
    destination: (SubnetId, Address),
}

/// Plays the story on a network that does not run yet, filling in `report` as it goes.
///
/// # Errors
/// When something does not come up or cannot be asked. A message that ends otherwise than it has to stands in the
/// report, and the story goes on.
pub async fn play(
    network: &mut Network,
    topology: &Topology,
    progress: &Progress,
    report: &mut DeepReport,
) -> anyhow::Result<()> {
    plan::check(topology)?;
    let additions = Additions { bundle: Some(actors::bundle(&[CROSS_CALLER])?), ..Additions::default() };
    network.start(topology, &additions, progress).await?;
    report.chains = network.chains().iter().map(chain).collect();
    let step = progress.step("contracts made of code that the chains have of their own");
    let contracts = make_contracts(network).await?;
    step.done(&format!("{} of {}", contracts.len(), CROSS_CALLER.name));
    let acts = plan::acts();
    let count = acts.len();

    let step = progress.step(format!("{count} messages handed in on {} chains", network.chains().len()));
    let sent = send_all(network, &contracts, acts).await?;
    step.done("");
    let on_the_way = reckon(network, "while they are on their way", progress, report).await?;
    ensure!(
        report.supply.iter().any(|edge| edge.figures.in_flight != "0"),
        "nothing was on its way when it was reckoned"
    );
    report.supply_on_the_way = std::mem::take(&mut report.supply);

    let step = progress.step("all of them delivered or answered");
    for (figures, call) in try_join_all(sent.iter().map(|sent| follow(network, sent))).await? {
        report.routes.push(figures);
        report.one_hop_calls.extend(call);
    }
    let good = report.routes.iter().filter(|route| route.ok).count();
    step.done(&format!("{good} of {count} ended as they had to"));

    let afterwards = reckon(network, "afterwards", progress, report).await?;
    let violations = [on_the_way, afterwards].concat();
    report.conserved = violations.is_empty();
    let wrong: Vec<String> = report.routes.iter().filter(|route| !route.ok).map(RouteFigures::line).collect();
    ensure!(wrong.is_empty(), "{} messages did not end as they had to: {}", wrong.len(), wrong.join("; "));
    ensure!(report.conserved, "supply is not conserved: {}", violations.join("; "));
    let late = report.one_hop_calls.iter().find(|call| !call.within_goal);
    ensure!(late.is_none(), "a call over one edge took longer than its goal: {late:?}");
    check_senders(network, topology).await?;
    report.ok = report.is_complete(count);
    Ok(())
}

/// Whether every sender has what it began with, but for what was delivered and a little for gas and fees. So what was
/// refused has come back, and to nobody else.
async fn check_senders(network: &Network, topology: &Topology) -> anyhow::Result<()> {
    for spec in &topology.chains {
        let Some(account) = spec.accounts.iter().find(|account| account.name == plan::SENDER) else { continue };
        let is_delivered = |act: &&Act| act.from == spec.name && act.expected == Expected::Delivered;
        let delivered = plan::acts().iter().filter(is_delivered).count() as u64;
        let most = TokenAmount::from_whole(account.balance_fil - VALUE_FIL * delivered);
        let least = &most - TokenAmount::from_whole(COSTS_FIL_MAX);
        let chain = network.chain(&spec.name)?;
        let held = chain.remote().balance(&chain.account(plan::SENDER)?.address).await?;
        ensure!(
            least <= held && held <= most,
            "{} holds {held} on {}, expected {least} to {most}: what was refused must be back",
            plan::SENDER,
            spec.name
        );
    }
    Ok(())
}

fn chain(chain: &crate::network::Chain) -> DeepChain {
    let period = chain.spec.parent.is_some().then_some(chain.spec.checkpoint_period_blocks);
    DeepChain {
        name: chain.spec.name.clone(),
        subnet: chain.subnet.to_string(),
        validators: chain.nodes.len(),
        checkpoint_period_blocks: period,
    }
}

/// Sends everything: chain by chain at once, and one after another on each, since one account sends them.
async fn send_all(network: &Network, contracts: &Contracts, acts: Vec<Act>) -> anyhow::Result<Vec<Sent>> {
    let mut by_chain: BTreeMap<&str, Vec<Act>> = BTreeMap::new();
    for act in acts {
        by_chain.entry(act.from).or_default().push(act);
    }
    let chains = by_chain.into_values().map(|acts| async move {
        let mut sent = Vec::new();
        for act in acts {
            sent.push(send(network, contracts, act).await?);
        }
        anyhow::Ok(sent)
    });
    Ok(try_join_all(chains).await?.into_iter().flatten().collect())
}

async fn send(network: &Network, contracts: &Contracts, act: Act) -> anyhow::Result<Sent> {
    let from = network.chain(act.from)?;
    let destination = act.destination(network, contracts, Account::generate().address())?;
    let to = format!("{}:{}", destination.0, destination.1);
    let value = format!("{VALUE_FIL} FIL");
    let gas = act.call.as_ref().map(|call| call.gas.to_string()).unwrap_or_default();
    let mut arguments = vec!["cross", "send", "--to", &to, "--value", &value, "--from"];
    arguments.extend([from.account(plan::SENDER)?.argument()?, "--rpc", from.remote().url()]);
    if let Some(call) = &act.call {
        arguments.extend(["--method", &call.method, "--params", call.params, "--gas-limit", &gas]);
    }
    arguments.extend(act.options);
    let endpoints = endpoints(network, &from.subnet, &destination.0);
    arguments.extend(endpoints.iter().flat_map(|url| ["--endpoint", url.as_str()]));
    let answer = network.command(&arguments).await?;
    let id = answer["id"].as_str().context("the id that `cross send` printed")?.to_owned();
    Ok(Sent { act, id, destination })
}

/// Makes a contract on each chain to which the story has something for one.
async fn make_contracts(network: &Network) -> anyhow::Result<Contracts> {
    let mut contracts = Contracts::new();
    for name in plan::CONTRACT_CHAINS {
        let chain = network.chain(name)?;
        let from = chain.account(plan::SENDER)?.argument()?;
        let arguments = ["actor", "create", CROSS_CALLER.name, "--from", from, "--rpc", chain.remote().url()];
        let made = network.command(&arguments).await?;
        let address = made["actor"].as_str().context("the address that `actor create` printed")?;
        contracts.insert(name, parse_address(address).with_context(|| format!("the address {address:?}"))?);
    }
    Ok(contracts)
}

/// Nodes of all running chains on the way between two.
fn endpoints(network: &Network, from: &SubnetId, to: &SubnetId) -> Vec<String> {
    let way = way(from, to).unwrap_or_default();
    let on_the_way = network.chains().iter().filter(|chain| way.contains(&chain.subnet));
    on_the_way.map(|chain| chain.remote().url().to_owned()).collect()
}

/// Waits for a message's end and compares it with what had to come.
async fn follow(network: &Network, sent: &Sent) -> anyhow::Result<(RouteFigures, Option<CallFigures>)> {
    let Sent { act, id, destination } = sent;
    let from = network.chain(act.from)?;
    let mut arguments = vec!["cross", "status", id, "--watch", "--timeout", PATIENCE_SECONDS];
    arguments.extend(["--rpc", from.remote().url()]);
    let endpoints = endpoints(network, &from.subnet, &destination.0);
    arguments.extend(endpoints.iter().flat_map(|url| ["--endpoint", url.as_str()]));
    if act.is_answered() {
        arguments.push("--settled");
    }
    let (_, journey) = network.outcome(&arguments).await?;
    let mut figures = figures(act, &journey);
    figures.ok = figures.ok && received(network, sent).await?;
    let call = (act.kind == "call").then(|| one_hop(network, act, &journey)).transpose()?.flatten();
    Ok((figures, call))
}

/// What the journey that `cross status` printed means for an act.
fn figures(act: &Act, journey: &Value) -> RouteFigures {
    let standing = journey["standing"].as_str().unwrap_or_default();
    let is_decided = ["delivered", "refused"].contains(&standing);
    let exit_code = journey["exitCode"].as_u64().and_then(|code| u32::try_from(code).ok());
    let is_settled = !journey["settled"].is_null();
    let is_ended = is_decided && (is_settled || !act.is_answered());
    RouteFigures {
        route: act.route.to_owned(),
        kind: act.kind.to_owned(),
        from: act.from.to_owned(),
        to: act.to.unwrap_or("a subnet that does not exist").to_owned(),
        outcome: is_decided.then(|| standing.to_owned()),
        exit_code,
        reason: journey["reason"].as_str().map(str::to_owned),
        latency_ms: if is_ended { latency_ms(act, journey) } else { None },
        hops: journey["hops"].as_array().map_or(0, Vec::len),
        settled: act.is_answered().then_some(is_settled),
        ok: is_ended && act.is_met(standing, exit_code),
    }
}

/// From the block that took a message to the one in which its answer counted, or in which it arrived when it needs none;
/// by the chains' clocks.
fn latency_ms(act: &Act, journey: &Value) -> Option<u64> {
    let hops = journey["hops"].as_array()?;
    let queued = hops.first()?["queued"]["timeMs"].as_u64()?;
    let end = if act.is_answered() { &journey["settled"] } else { &hops.last()?["applied"] };
    Some(end["timeMs"].as_u64()?.saturating_sub(queued))
}

/// Whether the recipient holds exactly what had to come. Fresh addresses get one message each, and contracts none that
/// succeeds.
async fn received(network: &Network, sent: &Sent) -> anyhow::Result<bool> {
    let (Some(to), Recipient::Fresh | Recipient::Contract) = (sent.act.to, sent.act.recipient) else {
        return Ok(true);
    };
    let held = network.chain(to)?.remote().balance(&sent.destination.1).await?;
    let expected = if sent.act.expected == Expected::Delivered { VALUE_FIL } else { 0 };
    Ok(held == TokenAmount::from_whole(expected))
}

/// The time of a call over one edge until its receipt counted; `None` for a longer way.
fn one_hop(network: &Network, act: &Act, journey: &Value) -> anyhow::Result<Option<CallFigures>> {
    let lower = match (act.route, act.to) {
        ("child", Some(to)) => network.chain(to)?,
        ("parent", _) => network.chain(act.from)?,
        _ => return Ok(None),
    };
    let goal_blocks = 2 * lower.spec.checkpoint_period_blocks + 4;
    let goal_ms = goal_blocks * lower.spec.block_interval_ms;
    let times = [&journey["hops"][0]["queued"]["timeMs"], &journey["settled"]["timeMs"]].map(Value::as_u64);
    let receipt_ms = match times {
        [Some(queued), Some(settled)] => Some(settled.saturating_sub(queued)),
        _ => None,
    };
    let within_goal = receipt_ms.is_some_and(|took| took <= goal_ms);
    Ok(Some(CallFigures { route: act.route.to_owned(), receipt_ms, goal_ms, within_goal }))
}

/// Reckons every edge and the root's total. Returns what does not hold.
async fn reckon(
    network: &Network,
    when: &str,
    progress: &Progress,
    report: &mut DeepReport,
) -> anyhow::Result<Vec<String>> {
    let step = progress.step(format!("supply recomputed over all edges {when}"));
    let mut edges = Vec::new();
    for (parent, child) in network.edges() {
        let reckoned = supply::edge(parent, child).await?;
        let figures = reckoned.figures().into();
        let violations = reckoned.supply.violations;
        edges.push(EdgeReport { child: child.spec.name.clone(), figures, violations });
    }
    report.supply = edges;
    let root = network.chains().first().context("the root runs first")?;
    let root_violations = supply::root_violations(root).await?;
    let mut found = violations(report);
    found.extend(root_violations);
    let verdict = if found.is_empty() { format!("{} edges conserved", report.supply.len()) } else { found.join("; ") };
    step.done(&verdict);
    Ok(found)
}

fn violations(report: &DeepReport) -> Vec<String> {
    let named = |edge: &EdgeReport| {
        let name = edge.child.clone();
        edge.violations.iter().map(move |violation| format!("{name}: {violation}")).collect::<Vec<_>>()
    };
    report.supply.iter().flat_map(named).collect()
}

impl RouteFigures {
    /// One line for people.
    pub fn line(&self) -> String {
        let outcome = self.outcome.as_deref().unwrap_or("not decided");
        let code = self.exit_code.filter(|code| *code != 0).map(|code| format!(" ({code})")).unwrap_or_default();
        let latency = self.latency_ms.map(|ms| format!(", {:.1} s", ms as f64 / 1000.0)).unwrap_or_default();
        format!("{} to {}, {} → {}: {outcome}{code}{latency}", self.kind, self.route, self.from, self.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn act(kind: &str) -> Act {
        plan::acts().into_iter().find(|act| act.kind == kind).expect("is planned")
    }

    #[test]
    fn a_transfer_ends_with_its_delivery_and_a_call_with_its_answer() {
        let hop = json!({ "queued": { "height": 1, "timeMs": 1000 }, "applied": { "height": 3, "timeMs": 1700 } });
        let mut journey = json!({ "standing": "delivered", "exitCode": 0, "hops": [hop] });
        let transfer = figures(&act("transfer"), &journey);
        assert!(transfer.ok && transfer.latency_ms == Some(700) && transfer.settled.is_none());
        let call = figures(&act("call"), &journey);
        assert!(!call.ok && call.latency_ms.is_none() && call.settled == Some(false));
        journey["settled"] = json!({ "height": 9, "timeMs": 9000 });
        let call = figures(&act("call"), &journey);
        assert!(call.ok && call.settled == Some(true) && call.hops == 1 && call.latency_ms == Some(8000));
    }

    #[test]
    fn a_failure_must_be_the_one_that_was_meant() {
        let journey = |code: u32| json!({ "standing": "refused", "exitCode": code, "settled": {}, "hops": [] });
        assert!(figures(&act("expired"), &journey(103)).ok);
        let other = figures(&act("expired"), &journey(108));
        assert!(!other.ok && other.outcome.as_deref() == Some("refused"));
        assert!(other.line().contains("expired to sibling, left → right: refused (108)"), "{}", other.line());
        let lost = figures(&act("expired"), &json!({ "standing": "on-its-way" }));
        assert!(!lost.ok && lost.outcome.is_none());
    }
}
