//! The nodes that a command was told of, by the chain that each is on.

use std::collections::BTreeMap;

use client::Client;
use subnet_types::SubnetId;

use super::EndpointArgs;
use crate::cli::context::Context;
use crate::cli::error::CliError;

/// Endpoints of one command line.
const ENDPOINTS_MAX: usize = 64;

/// A node of each chain that is known.
pub struct Chains {
    /// The chain that the command is about.
    pub here: SubnetId,
    clients: BTreeMap<SubnetId, Client>,
}

impl Chains {
    /// Asks every node which chain it is on: the command's own, those named with --endpoint, and the parent's in the
    /// configuration. The first one of a chain is kept.
    ///
    /// # Errors
    /// When a node that was named does not answer. One of the configuration may be down.
    pub async fn ask(context: &Context, args: &EndpointArgs) -> Result<Self, CliError> {
        if args.endpoints.len() > ENDPOINTS_MAX {
            let actual = args.endpoints.len();
            return Err(CliError::usage(format!("{actual} endpoints are named, at most {ENDPOINTS_MAX} are asked")));
        }
        let own = context.client()?;
        let here = own.info().await?.subnet;
        let mut clients = BTreeMap::from([(here.clone(), own)]);
        for url in &args.endpoints {
            let client = Client::connect(url)?;
            let subnet = client.info().await?.subnet;
            clients.entry(subnet).or_insert(client);
        }
        let configured = context.config()?.map(|config| config.parent.endpoints).unwrap_or_default();
        for url in &configured {
            let client = Client::connect(url)?;
            match client.info().await {
                Ok(info) => {
                    clients.entry(info.subnet).or_insert(client);
                }
                Err(error) => context.output.note(&format!("the parent's node is left out: {error}")),
            }
        }
        Ok(Self { here, clients })
    }

    /// The node on a chain, when there is one.
    pub fn get(&self, subnet: &SubnetId) -> Option<&Client> {
        self.clients.get(subnet)
    }

    /// All chains and their nodes; a parent comes before its children.
    pub fn iter(&self) -> impl Iterator<Item = (&SubnetId, &Client)> {
        self.clients.iter()
    }
}
