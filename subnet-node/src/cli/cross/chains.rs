//! The nodes that a command was told of, by the chain that each is on.

use std::collections::BTreeMap;

use client::Client;
use client::api::SubnetInfo;
use subnet_types::{ChainIdentity, SubnetId};

use super::EndpointArgs;
use crate::cli::context::Context;
use crate::cli::error::CliError;

/// Endpoints of one command line.
const ENDPOINTS_MAX: usize = 64;

/// A node of each chain that is known. Names alone do not tell chains apart: what two nodes say of one chain's identity,
/// or of its parent's, agrees here.
pub struct Chains {
    /// The chain that the command is about.
    pub here: SubnetId,
    nodes: BTreeMap<SubnetId, Node>,
}

struct Node {
    client: Client,
    identity: ChainIdentity,
    /// What the node says of its parent's.
    parent: Option<(SubnetId, ChainIdentity)>,
}

impl Node {
    fn new(client: Client, info: SubnetInfo) -> (SubnetId, Self) {
        let parent = info.parent.map(|link| (link.subnet, link.identity));
        (info.subnet, Self { client, identity: info.identity, parent })
    }
}

impl Chains {
    /// Asks every node which chain it is on: the command's own, those named with --endpoint, and the parent's in the
    /// configuration, of which the first one that answers is kept.
    ///
    /// # Errors
    /// When a node that was named does not answer, is the second one of its chain, or is on another chain with the same
    /// name. Those of the configuration may be down.
    pub async fn ask(context: &Context, args: &EndpointArgs) -> Result<Self, CliError> {
        if args.endpoints.len() > ENDPOINTS_MAX {
            let actual = args.endpoints.len();
            return Err(CliError::usage(format!("{actual} endpoints are named, at most {ENDPOINTS_MAX} are asked")));
        }
        let own = context.client()?;
        let info = own.info().await?;
        let (here, own) = Node::new(own, info);
        let mut chains = Self { here: here.clone(), nodes: BTreeMap::from([(here, own)]) };
        for url in &args.endpoints {
            let client = Client::connect(url)?;
            let info = client.info().await?;
            chains.add_named(client, info)?;
        }
        let configured = context.config()?.map(|config| config.parent.endpoints).unwrap_or_default();
        for url in &configured {
            let client = Client::connect(url)?;
            match client.info().await {
                Ok(info) => chains.add_configured(client, info)?,
                Err(error) => context.output.note(&format!("the parent's node is left out: {error}")),
            }
        }
        chains.check_parents()?;
        Ok(chains)
    }

    /// Takes a node that was named. The same one twice is one.
    fn add_named(&mut self, client: Client, info: SubnetInfo) -> Result<(), CliError> {
        let (subnet, node) = Node::new(client, info);
        match self.same_chain(&subnet, &node)? {
            None => {
                self.nodes.insert(subnet, node);
                Ok(())
            }
            Some(first) if first == node.client.url() => Ok(()),
            Some(first) => {
                let second = node.client.url();
                Err(CliError::usage(format!("{second} is a second node of {subnet}, beside {first}"))
                    .hint("one node of each chain is asked: leave out one of the two"))
            }
        }
    }

    fn add_configured(&mut self, client: Client, info: SubnetInfo) -> Result<(), CliError> {
        let (subnet, node) = Node::new(client, info);
        if self.same_chain(&subnet, &node)?.is_none() {
            self.nodes.insert(subnet, node);
        }
        Ok(())
    }

    /// The URL of the node that is known of this chain already.
    fn same_chain(&self, subnet: &SubnetId, node: &Node) -> Result<Option<&str>, CliError> {
        let Some(known) = self.nodes.get(subnet) else { return Ok(None) };
        if known.identity == node.identity {
            return Ok(Some(known.client.url()));
        }
        let (one, other) = (known.client.url(), node.client.url());
        let (first, second) = (known.identity, node.identity);
        Err(CliError::usage(format!(
            "two chains have the name {subnet}: {first} at {one}, {second} at {other}; expected nodes of one hierarchy"
        )))
    }

    /// Children name the identity of their parent: a node that is on another chain of that name is none of this hierarchy.
    fn check_parents(&self) -> Result<(), CliError> {
        for (subnet, node) in &self.nodes {
            let Some((parent, expected)) = &node.parent else { continue };
            let Some(known) = self.nodes.get(parent).filter(|known| known.identity != *expected) else { continue };
            let (url, child_url, actual) = (known.client.url(), node.client.url(), known.identity);
            return Err(CliError::usage(format!(
                "{url} is on a chain {parent} with identity {actual}, expected {expected}, the parent of {subnet} at \
                 {child_url}"
            )));
        }
        Ok(())
    }

    /// The node on a chain, when there is one.
    pub fn get(&self, subnet: &SubnetId) -> Option<&Client> {
        self.nodes.get(subnet).map(|node| &node.client)
    }

    /// All chains and their nodes; a parent comes before its children.
    pub fn iter(&self) -> impl Iterator<Item = (&SubnetId, &Client)> {
        self.nodes.iter().map(|(subnet, node)| (subnet, &node.client))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fvm_shared::address::Address;
    use serde_json::json;
    use subnet_types::Digest;

    const CID: &str = "bafy2bzaceaa466o2jfc4g4ggrmtf55ygigvkmxvkr5mvhy4qbwlxetbmlkqjk";

    fn info(subnet: &SubnetId, identity: u8, parent: Option<(&SubnetId, u8)>) -> SubnetInfo {
        let parent = parent.map(|(subnet, identity)| json!({ "subnet": subnet, "identity": Digest([identity; 32]) }));
        serde_json::from_value(json!({
            "subnet": subnet, "identity": Digest([identity; 32]), "genesis": { "/": CID }, "parent": parent,
            "moniker": "", "version": "", "height": 1, "blockId": { "/": CID }, "timestampMs": 1,
            "blockIntervalMs": 1, "blockGasLimit": 1, "checkpointPeriodBlocks": 1, "signatures": "bound",
            "bundle": { "/": CID }, "checkpointCode": { "/": CID }, "isSyncing": false, "voteKey": null,
            "consensusListen": [], "mempoolListen": [], "consensusPeers": 0, "mempoolPeers": 0, "mempoolMessages": 0,
        }))
        .unwrap()
    }

    fn node(port: u16) -> Client {
        Client::connect(&format!("http://127.0.0.1:{port}")).unwrap()
    }

    fn chains() -> Chains {
        let here = SubnetId::root(1);
        let (subnet, own) = Node::new(node(1), info(&here, 1, None));
        Chains { here, nodes: BTreeMap::from([(subnet, own)]) }
    }

    #[test]
    fn a_second_node_of_a_chain_is_refused_and_the_same_one_again_is_not() {
        let mut chains = chains();
        let root = SubnetId::root(1);
        chains.add_named(node(1), info(&root, 1, None)).unwrap();
        let error = chains.add_named(node(2), info(&root, 1, None)).unwrap_err();
        assert!(error.message.contains("second node of /r1") && error.hint.is_some(), "{}", error.message);
        chains.add_configured(node(2), info(&root, 1, None)).unwrap();
        assert_eq!(chains.iter().count(), 1);
    }

    #[test]
    fn chains_of_one_name_are_told_apart_by_their_identities() {
        let root = SubnetId::root(1);
        let error = chains().add_named(node(2), info(&root, 9, None)).unwrap_err();
        assert!(error.message.contains("two chains have the name /r1"), "{}", error.message);

        let child = root.child(Address::new_actor(b"child")).unwrap();
        let mut good = chains();
        good.add_named(node(2), info(&child, 2, Some((&root, 1)))).unwrap();
        assert!(good.check_parents().is_ok());
        let mut bad = chains();
        bad.add_named(node(2), info(&child, 2, Some((&root, 7)))).unwrap();
        let error = bad.check_parents().unwrap_err();
        assert!(error.message.contains("the parent of"), "{}", error.message);
    }
}
