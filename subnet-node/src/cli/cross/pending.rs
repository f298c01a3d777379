//! `cross pending`: what waits on one chain.

use client::api::{AwaitedAnswer, CheckpointSummary, CrossMessageInfo, CrossPending, OwedAnswer, Page, UnclaimedValue};
use client::{Client, RpcError};
use serde::Serialize;
use subnet_types::{Height, Nonce, Sequence, SubnetId};

use super::{Chains, PendingArgs};
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::genesis::fil;
use crate::cli::output::{columns, short};

/// Most entries of a list that one may ask for.
pub(super) const LIMIT_MAX: u32 = 10_000;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Waiting {
    #[serde(flatten)]
    edges: CrossPending,
    queues: Vec<Queue>,
    /// Absent on a root.
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoints: Option<Unaccepted>,
    /// Messages sent from here that wait for their answers.
    awaited: List<AwaitedAnswer>,
    /// Answers that actors of this chain owe.
    owed: List<OwedAnswer>,
    /// Entries of the gateway's unclaimed ledger.
    unclaimed_by_address: List<UnclaimedValue>,
}

/// The first entries of a list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List<T> {
    items: Vec<T>,
    /// Whether more follow.
    has_more: bool,
}

/// The first messages that wait for one chain.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Queue {
    /// The child; absent for what goes up.
    #[serde(skip_serializing_if = "Option::is_none")]
    child: Option<SubnetId>,
    /// How many wait in all.
    waiting: u64,
    /// As many of them as were asked for.
    messages: Vec<CrossMessageInfo>,
    /// How many of them follow after these.
    more: u64,
}

/// Checkpoints that this chain has cut and its parent has not accepted.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Unaccepted {
    /// The last one that was cut.
    cut: Sequence,
    /// The last one that the parent accepted; absent when no node of the parent is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    accepted: Option<Sequence>,
    /// Those in between that validators have signed, as many as were asked for; all since the last one when nobody tells
    /// what is accepted.
    signed: Vec<CheckpointSummary>,
}

impl PendingArgs {
    pub(super) async fn run(self, context: &Context) -> Result<(), CliError> {
        let chains = Chains::ask(context, &self.endpoints).await?;
        let client = chains.get(&chains.here).ok_or_else(|| CliError::failure("no node is asked"))?;
        let edges = client.cross_pending(None).await?;
        let at = Some(edges.height);
        let mut queues = Vec::new();
        for child in &edges.children {
            let from = child.applied_below;
            queues.extend(self.queue(client, &edges, Some(&child.subnet), from..child.next_nonce).await?);
        }
        if let Some(outbox) = &edges.outbox {
            let from = outbox.first_nonce;
            let end = from.checked_add(outbox.messages).unwrap_or(from);
            queues.extend(self.queue(client, &edges, None, from..end).await?);
        }
        let awaited = self.list(async |from, max| client.cross_awaited(from, max, at).await).await?;
        let owed = self.list(async |from, max| client.cross_owed(from, max, at).await).await?;
        let unclaimed_by_address = self.list(async |from, max| client.cross_unclaimed(from, max, at).await).await?;
        let checkpoints = self.checkpoints(&chains, client, edges.height).await?;
        let waiting = Waiting { edges, queues, checkpoints, awaited, owed, unclaimed_by_address };
        context.output.result(&waiting, || waiting.text());
        Ok(())
    }

    /// Messages of a queue, page by page, from --from-nonce on.
    async fn queue(
        &self,
        client: &Client,
        edges: &CrossPending,
        child: Option<&SubnetId>,
        nonces: std::ops::Range<Nonce>,
    ) -> Result<Option<Queue>, CliError> {
        let waiting = nonces.end.saturating_since(nonces.start);
        if waiting == 0 {
            return Ok(None);
        }
        let mut next = self.from_nonce.map_or(nonces.start, Nonce::new).max(nonces.start);
        let mut messages: Vec<CrossMessageInfo> = Vec::new();
        while next < nonces.end && messages.len() < self.limit as usize {
            let page = client.cross_queue(child, next, Some(edges.height)).await?;
            // Whatever a node answers, this ends: each page moves on.
            let Some(last) = page.last().map(|message| message.nonce).filter(|last| *last >= next) else { break };
            messages.extend(page);
            next = last.next();
        }
        messages.truncate(self.limit as usize);
        let shown_to = messages.last().map_or(next, |message| message.nonce.next());
        let more = nonces.end.saturating_since(shown_to);
        Ok(Some(Queue { child: child.cloned(), waiting, messages, more }))
    }

    /// A list that the node gives in pages.
    async fn list<T, K, A>(&self, ask: A) -> Result<List<T>, CliError>
    where
        A: AsyncFn(Option<K>, u32) -> Result<Page<T, K>, RpcError>,
    {
        let limit = self.limit as usize;
        let (mut items, mut from) = (Vec::new(), None);
        loop {
            let missing = u32::try_from(limit - items.len()).unwrap_or(self.limit);
            let page = ask(from, missing).await?;
            let is_empty = page.items.is_empty();
            items.extend(page.items);
            let has_more = page.next.is_some() || items.len() > limit;
            items.truncate(limit);
            if is_empty || page.next.is_none() || items.len() == limit {
                return Ok(List { items, has_more });
            }
            from = page.next;
        }
    }

    async fn checkpoints(
        &self,
        chains: &Chains,
        client: &Client,
        height: Height,
    ) -> Result<Option<Unaccepted>, CliError> {
        let Some(parent) = chains.here.parent() else { return Ok(None) };
        let cut = client.supply(Some(height)).await?.cut_sequence;
        let accepted = match chains.get(&parent) {
            Some(parent) => Some(parent.child_status(&chains.here).await?.last_sequence),
            None => None,
        };
        let from = accepted.map_or(cut, Sequence::next);
        let mut signed = Vec::new();
        if from <= cut && from > Sequence::ZERO {
            signed = client.checkpoints(from, self.limit).await?;
            signed.retain(|summary| summary.sequence <= cut);
        }
        Ok(Some(Unaccepted { cut, accepted, signed }))
    }
}

impl Waiting {
    fn text(&self) -> String {
        let mut parts = vec![format!("{} after block {}", self.edges.subnet, self.edges.height)];
        parts.extend(self.queues.iter().map(Queue::text));
        parts.extend(self.checkpoints.as_ref().and_then(Unaccepted::text));
        for child in self.edges.children.iter().filter(|child| child.undelivered > 0) {
            let (count, sequence) = (child.undelivered, child.last_sequence);
            parts.push(format!(
                "from {}: {count} messages of checkpoints up to {sequence} are accepted and wait for delivery, with {}",
                child.subnet,
                fil(&child.reserved.0)
            ));
        }
        let awaited = |sent: &AwaitedAnswer| {
            [sent.id.to_string(), sent.sent_at.to_string(), fil(&sent.value.0), sent.destination.to_string()]
        };
        parts.extend(self.awaited.text("sent from here, and not answered", ["ID", "SENT AT", "VALUE", "TO"], awaited));
        let owed = |call: &OwedAnswer| {
            [call.key.to_string(), call.called.to_string(), fil(&call.value.0), call.origin.to_string()]
        };
        parts.extend(self.owed.text("answers that actors here owe", ["KEY", "CALLED", "VALUE", "FROM"], owed));
        let kept = |entry: &UnclaimedValue| [entry.address.to_string(), fil(&entry.value.0)];
        if !num_traits::Zero::is_zero(&self.edges.unclaimed.0) {
            let title = format!("{} lie in the unclaimed ledger", fil(&self.edges.unclaimed.0));
            parts.extend(self.unclaimed_by_address.text(&title, ["ADDRESS", "VALUE"], kept));
        }
        if parts.len() == 1 {
            parts.push("nothing waits".to_owned());
        }
        parts.join("\n\n")
    }
}

impl<T> List<T> {
    /// `None` when there is nothing to tell.
    fn text<const N: usize>(&self, title: &str, header: [&str; N], row: impl Fn(&T) -> [String; N]) -> Option<String> {
        if self.items.is_empty() {
            return None;
        }
        let rows: Vec<[String; N]> = self.items.iter().map(row).collect();
        let more = if self.has_more { "\nand more: raise --limit" } else { "" };
        Some(format!("{title}\n{}{more}", columns(header, &rows)))
    }
}

impl Queue {
    fn text(&self) -> String {
        let title = match &self.child {
            Some(child) => {
                format!("for {child}: {} messages that no accepted checkpoint reports as applied", self.waiting)
            }
            None => format!("for the next checkpoint: {} messages", self.waiting),
        };
        let rows: Vec<[String; 5]> = self
            .messages
            .iter()
            .map(|message| {
                [
                    message.nonce.to_string(),
                    short(&message.id.to_string()),
                    message.kind.to_string(),
                    fil(&message.value.0),
                    message.destination.to_string(),
                ]
            })
            .collect();
        let more = match (self.more, self.messages.last()) {
            (0, _) => String::new(),
            (more, Some(last)) => format!("\nand {more} more, from nonce {} on", last.nonce.next()),
            (more, None) => format!("\nand {more} more"),
        };
        format!("{title}\n{}{more}", columns(["NONCE", "ID", "KIND", "VALUE", "TO"], &rows))
    }
}

impl Unaccepted {
    /// `None` when there is nothing to tell.
    fn text(&self) -> Option<String> {
        let cut = self.cut;
        if cut == Sequence::ZERO || self.accepted == Some(cut) {
            return None;
        }
        let title = match self.accepted {
            Some(accepted) => format!("the parent accepted checkpoints up to {accepted}, cut are those up to {cut}"),
            None => format!(
                "cut are checkpoints up to {cut}; which of them the parent accepted is not known: name a node of it with \
                 --endpoint URL"
            ),
        };
        let rows: Vec<[String; 5]> = self
            .signed
            .iter()
            .map(|summary| {
                [
                    summary.sequence.to_string(),
                    summary.height.to_string(),
                    summary.messages.to_string(),
                    summary.first_nonce.to_string(),
                    fil(&summary.value.0),
                ]
            })
            .collect();
        let last = self.signed.last().map(|summary| summary.sequence);
        let rest = match last {
            Some(last) if last == cut => String::new(),
            Some(last) => format!("\nthose after {last} are not signed yet, or left out by --limit"),
            None => "\nnone of them is signed yet".to_owned(),
        };
        let header = ["CHECKPOINT", "CUT AT", "MESSAGES", "FROM NONCE", "VALUE"];
        let table = if rows.is_empty() { String::new() } else { format!("\n{}", columns(header, &rows)) };
        Some(format!("{title}{table}{rest}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use client::api::JsonAmount;
    use fvm_shared::address::Address;
    use fvm_shared::econ::TokenAmount;

    fn args(limit: u32) -> PendingArgs {
        PendingArgs { limit, from_nonce: None, endpoints: super::super::EndpointArgs { endpoints: vec![] } }
    }

    /// A node that holds 300 entries and gives 128 at most.
    async fn listed(limit: u32) -> (usize, bool, u32) {
        let asked = std::cell::Cell::new(0);
        let ask = async |from: Option<u64>, max: u32| {
            asked.set(asked.get() + 1);
            let from = from.unwrap_or(0);
            let end = (from + u64::from(max.min(128))).min(300);
            Ok(Page { items: (from..end).collect::<Vec<u64>>(), next: (end < 300).then_some(end) })
        };
        let list = args(limit).list(ask).await.unwrap();
        assert!(list.items.iter().copied().eq(0..list.items.len() as u64), "each once and in order");
        (list.items.len(), list.has_more, asked.get())
    }

    #[tokio::test]
    async fn a_list_ends_at_its_limit_or_with_its_last_entry() {
        assert_eq!(listed(20).await, (20, true, 1));
        assert_eq!(listed(200).await, (200, true, 2));
        assert_eq!(listed(300).await, (300, false, 3));
        assert_eq!(listed(10_000).await, (300, false, 3));
    }

    #[tokio::test]
    async fn a_node_that_gives_nothing_and_says_that_more_follows_is_not_asked_for_ever() {
        let ask = async |_: Option<u64>, _: u32| Ok(Page { items: Vec::<u64>::new(), next: Some(1) });
        let list = args(5).list(ask).await.unwrap();
        assert!(list.items.is_empty() && list.has_more);
    }

    #[test]
    fn unaccepted_checkpoints_are_told_and_what_is_not_known_of_them() {
        let told = |accepted: Option<u64>| {
            Unaccepted { cut: Sequence::new(5), accepted: accepted.map(Sequence::new), signed: vec![] }.text()
        };
        assert_eq!(told(Some(5)), None);
        assert!(told(Some(3)).unwrap().contains("accepted checkpoints up to 3, cut are those up to 5"));
        assert!(told(None).unwrap().contains("--endpoint"));
    }

    #[test]
    fn a_list_says_when_it_was_cut_short() {
        let entry = UnclaimedValue {
            address: Address::new_actor(b"somebody").into(),
            value: JsonAmount::from(TokenAmount::from_whole(1)),
        };
        let text = |has_more| {
            let list = List { items: vec![entry.clone()], has_more };
            list.text("kept", ["VALUE"], |entry| [fil(&entry.value.0)]).unwrap()
        };
        assert!(text(true).ends_with("raise --limit") && !text(false).contains("more"));
    }
}
