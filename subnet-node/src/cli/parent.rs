//! `parent`: how a subnet's node follows the chain above.

use std::path::PathBuf;

use cid::Cid;
use clap::Subcommand;
use client::Client;
use client::api::{ParentProof, ParentViewInfo};
use serde::Serialize;

use super::context::Context;
use super::error::CliError;
use super::output::table;
use super::parse;
use crate::parent::files;

/// Shows how a subnet follows its parent, and carries proofs from there as files.
#[derive(Subcommand, Debug)]
pub enum ParentCommand {
    /// Show how far the subnet follows its parent
    #[command(after_help = "Example:\n  subnet-node parent show --home ./nodes/child-0")]
    Show,
    /// Get what the subnet has to learn next from a parent node, with its proof, and write it to a file
    ///
    /// The file is for this subnet's nodes: each reads parent-proofs/*.proof in its home and proposes what it proves. It
    /// needs no trust on the way: a file that proves nothing is named in the log and left alone. A proof is for the
    /// subnet's next step, so get a new one after each.
    #[command(after_help = "Example:\n  \
        subnet-node parent proof --home ./nodes/child-0 --endpoint http://127.0.0.1:20003 --out ./nodes/child-0/parent-proofs/next.proof")]
    Proof {
        /// RPC address of a parent node
        #[arg(long, value_name = "URL")]
        endpoint: String,
        /// Where to write the proof
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Id of the parent block to prove with, as where the nodes have it as their trusted header. Default: the last
        /// final one
        #[arg(long, value_name = "CID", value_parser = parse::cid)]
        header: Option<Cid>,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    file: PathBuf,
    bytes: usize,
    parent_height: subnet_types::Height,
    header: client::api::JsonCid,
    handovers: u32,
    messages: u32,
    changes: u32,
    witness_blocks: u32,
}

impl ParentCommand {
    pub(super) async fn run(self, context: &Context) -> Result<(), CliError> {
        let client = context.client()?;
        match self {
            Self::Show => {
                let view = client.parent_view().await?;
                context.output.result(&view, || view_text(&view));
            }
            Self::Proof { endpoint, out, header } => {
                let (view, info) = (client.parent_view().await?, client.info().await?);
                let parent = Client::connect(&endpoint)?;
                let actual = parent.info().await?.identity;
                if actual != view.identity {
                    let problem = format!("{endpoint} belongs to chain {actual}, the parent is {}", view.identity);
                    return Err(CliError::failure(problem).hint("name an RPC address of a parent node"));
                }
                let (nonce, configuration) = (view.next_nonce, view.next_configuration);
                let proof = parent.proof(&info.subnet, nonce, configuration, view.validators, header).await?;
                if let Some(folder) = out.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                    std::fs::create_dir_all(folder)
                        .map_err(|error| CliError::failure(format!("{}: {error}", folder.display())))?;
                }
                let bytes = files::write(&out, &proof.proof.0).map_err(|error| CliError::failure(error.to_string()))?;
                let written = written(out, bytes, &proof);
                context.output.result(&written, || written_text(&written));
            }
        }
        Ok(())
    }
}

fn written(file: PathBuf, bytes: usize, proof: &ParentProof) -> Written {
    let ParentProof { parent_height, header, handovers, messages, changes, witness_blocks, .. } = proof.clone();
    Written { file, bytes, parent_height, header, handovers, messages, changes, witness_blocks }
}

fn view_text(view: &ParentViewInfo) -> String {
    let block = view.block.as_ref().map_or_else(|| "none yet".to_owned(), ToString::to_string);
    table(&[
        ("parent", view.subnet.to_string()),
        ("identity", view.identity.to_string()),
        ("followed to height", view.height.to_string()),
        ("proved by block", block),
        ("behind by", format!("{} ms", view.lag_ms)),
        ("next message", view.next_nonce.to_string()),
        ("next change", view.next_configuration.to_string()),
        ("validators", format!("configuration {}, {}", view.validators.number, view.validators.hash)),
    ])
}

fn written_text(written: &Written) -> String {
    table(&[
        ("written", written.file.display().to_string()),
        ("bytes", written.bytes.to_string()),
        ("parent height", written.parent_height.to_string()),
        ("proved by block", written.header.to_string()),
        ("handovers", written.handovers.to_string()),
        ("messages", written.messages.to_string()),
        ("changes", written.changes.to_string()),
        ("witness", format!("{} blocks", written.witness_blocks)),
    ])
}
