//! A child: made by messages to its parent, and started from what the parent's state froze.

use anyhow::Context;
use futures::future::try_join_all;
use subnet_types::SubnetId;

use crate::cli::text;
use crate::progress::Progress;
use crate::topology;
use crate::watch::Watcher;

use super::{Chain, Network, Node};

/// What each validator gets on the parent besides its stake, to pay for checkpoints, in whole FIL.
const SUBMITTER_FIL: u64 = 100;

impl Network {
    /// Creates a child on `parent`, lets its validators join, and starts its nodes.
    ///
    /// # Errors
    /// When something does not come up.
    pub async fn start_child(
        &mut self,
        spec: &topology::Chain,
        parent: &str,
        progress: &Progress,
    ) -> anyhow::Result<()> {
        let step = progress.step(format!("{}: created on {parent}", spec.name));
        let nodes = self.make_nodes(spec).await?;
        for node in &nodes {
            self.give(parent, &node.owner, spec.stake_fil + SUBMITTER_FIL).await?;
        }
        let subnet = self.create(spec, parent).await?;
        step.done(&subnet.to_string());

        let step =
            progress.step(format!("{}: {} validators join with {} FIL each", spec.name, nodes.len(), spec.stake_fil));
        try_join_all(nodes.iter().map(|node| self.join(node, &subnet, spec, parent))).await?;
        let status = self.chain(parent)?.remote().child_status(&subnet).await?;
        anyhow::ensure!(
            status.is_active,
            "{subnet} is not active although {} of {} validators joined",
            status.members,
            status.validators_min
        );
        step.done("active");

        let step = progress.step(format!("{}: {} validators up, from the parent's state", spec.name, nodes.len()));
        let parents: Vec<String> = self.chain(parent)?.nodes.iter().map(|node| node.remote.url().to_owned()).collect();
        for node in &nodes {
            let name = subnet.to_string();
            let arguments = ["genesis", "from-parent", &name, "--rpc", &parents[0], "--home", text(&node.home)?];
            self.cli.run(&arguments).await?;
        }
        self.init(&nodes, &parents).await?;
        let answered = self.launch(&nodes, &step).await?;
        step.done(&format!("RPC after {:.1} s, first block decided", answered.as_secs_f64()));
        let accounts = self.make_accounts(spec).await?;
        let watcher = Watcher::start(nodes[0].remote.clone());
        self.chains.push(Chain { spec: spec.clone(), subnet, nodes, accounts, watcher });
        self.give_accounts(spec, progress).await
    }

    async fn create(&self, spec: &topology::Chain, parent: &str) -> anyhow::Result<SubnetId> {
        let (validators, stake) = (spec.validators.to_string(), format!("{} FIL", spec.stake_fil));
        let price = format!("{} attoFIL", spec.cross_gas_price_atto);
        let (interval, period) = (spec.block_interval_ms.to_string(), spec.checkpoint_period_blocks.to_string());
        let (from, rpc) = (self.faucet()?.argument()?, self.chain(parent)?.remote().url());
        if !self.chain(parent)?.subnet.is_root() {
            self.give(parent, self.faucet()?, SUBMITTER_FIL).await?;
        }
        let answer = self
            .command(&[
                "subnet",
                "create",
                "--validators-min",
                &validators,
                "--stake-min",
                &stake,
                "--block-interval-ms",
                &interval,
                "--checkpoint-period",
                &period,
                "--cross-gas-price",
                &price,
                "--from",
                from,
                "--rpc",
                rpc,
            ])
            .await?;
        serde_json::from_value(answer["subnet"].clone()).context("the name that `subnet create` printed")
    }

    async fn join(&self, node: &Node, subnet: &SubnetId, spec: &topology::Chain, parent: &str) -> anyhow::Result<()> {
        let (name, stake) = (subnet.to_string(), format!("{} FIL", spec.stake_fil));
        let endpoint = format!("/ip4/127.0.0.1/tcp/{}", node.port_base);
        let rpc = self.chain(parent)?.remote().url();
        let arguments = [
            "subnet",
            "join",
            &name,
            "--stake",
            &stake,
            "--endpoint",
            &endpoint,
            "--rpc",
            rpc,
            "--home",
            text(&node.home)?,
        ];
        self.cli.run(&arguments).await?;
        Ok(())
    }

    async fn give_accounts(&self, spec: &topology::Chain, progress: &Progress) -> anyhow::Result<()> {
        let funded: Vec<_> = spec.accounts.iter().filter(|account| account.balance_fil > 0).collect();
        if funded.is_empty() {
            return Ok(());
        }
        let step = progress.step(format!("{}: {} accounts funded from the root", spec.name, funded.len()));
        for account in funded {
            let to = self.chain(&spec.name)?.account(&account.name)?.clone();
            self.give(&spec.name, &to, account.balance_fil).await?;
        }
        step.done("");
        Ok(())
    }
}
