//! The root: a network with a static set of validators, from a genesis that lists them and the first accounts.

use crate::cli::text;
use crate::progress::Progress;
use crate::topology;
use crate::watch::Watcher;

use super::{Additions, Chain, Network};

impl Network {
    /// Sets up and starts the root.
    ///
    /// # Errors
    /// When something does not come up.
    pub async fn start_root(
        &mut self,
        spec: &topology::Chain,
        additions: &Additions,
        progress: &Progress,
    ) -> anyhow::Result<()> {
        let step = progress.step(format!("{}: keys and genesis", spec.name));
        let nodes = self.make_nodes(spec).await?;
        let accounts = self.make_accounts(spec).await?;
        let genesis = self.folder.path().join("nodes").join(format!("{}-genesis.car", spec.name));
        let mut arguments = ["genesis", "new", "--out", text(&genesis)?].map(str::to_owned).to_vec();
        arguments.extend(["--chain-id".to_owned(), spec.chain_id.unwrap_or_default().to_string()]);
        arguments.extend(["--block-interval-ms".to_owned(), spec.block_interval_ms.to_string()]);
        for node in &nodes {
            let entry = self.cli.run(&["keys", "show", "--validator", "--home", text(&node.home)?]).await?;
            let file = node.home.join("validator.json");
            std::fs::write(&file, entry.to_string())?;
            arguments.extend(["--validator".to_owned(), text(&file)?.to_owned()]);
        }
        for account in &spec.accounts {
            let address = accounts[&account.name].address;
            arguments.extend(["--balance".to_owned(), format!("{address}={} FIL", account.balance_fil)]);
        }
        for (address, fil) in &additions.balances {
            arguments.extend(["--balance".to_owned(), format!("{address}={fil} FIL")]);
        }
        if let Some(bundle) = &additions.bundle {
            let file = self.folder.path().join("nodes").join("bundle.car");
            std::fs::write(&file, bundle)?;
            arguments.extend(["--bundle".to_owned(), text(&file)?.to_owned()]);
        }
        let subnet = self.cli.field(&arguments, "subnet").await?;
        for node in &nodes {
            std::fs::copy(&genesis, node.home.join("genesis.car"))?;
        }
        self.init(&nodes, &[]).await?;
        step.done(&format!("{subnet}, {} accounts", accounts.len() + additions.balances.len()));

        let step = progress.step(format!("{}: {} validators up", spec.name, nodes.len()));
        let answered = self.launch(&nodes, &step).await?;
        step.done(&format!("RPC after {:.1} s, first block decided", answered.as_secs_f64()));
        let watcher = Watcher::start(nodes[0].remote.clone());
        self.chains.push(Chain { spec: spec.clone(), subnet, nodes, accounts, watcher });
        Ok(())
    }
}
