//! Whether all nodes of a chain have the same blocks, and made the same of them.

use anyhow::{Context, ensure};
use cid::Cid;
use futures::future::try_join_all;
use subnet_types::{Height, TimestampMs};

use crate::remote::Remote;
use crate::watch::interval_ms_p50;

/// What one node says of one block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// The block's id.
    pub block: Cid,
    /// State after it.
    pub state_root: Cid,
    /// Its receipts.
    pub receipts_root: Cid,
    /// Its time.
    pub timestamp: TimestampMs,
}

/// What all nodes say of all their common heights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreement {
    blocks: Vec<Made>,
}

impl Agreement {
    /// How many heights were compared, from 1.
    pub fn heights(&self) -> u64 {
        self.blocks.len() as u64
    }

    /// State after the block at `height`, if it was compared.
    pub fn state_root(&self, height: Height) -> Option<&Cid> {
        let index = usize::try_from(height.previous()?.get()).ok()?;
        self.blocks.get(index).map(|made| &made.state_root)
    }

    /// Median time between blocks.
    pub fn interval_ms_p50(&self) -> Option<u64> {
        let timestamps: Vec<_> = self.blocks.iter().map(|made| made.timestamp).collect();
        interval_ms_p50(&timestamps)
    }

    fn of(nodes: &[(&str, Vec<Made>)]) -> anyhow::Result<Self> {
        let (first, expected) = nodes.first().context("a chain has nodes")?;
        for (name, made) in nodes {
            for (index, (expected, actual)) in expected.iter().zip(made).enumerate() {
                ensure!(expected == actual, "at height {}, {name} has {actual:?}, {first} has {expected:?}", index + 1);
            }
            ensure!(made.len() == expected.len(), "{name} gave {} blocks, {first} {}", made.len(), expected.len());
        }
        Ok(Self { blocks: expected.clone() })
    }
}

/// Compares all nodes at all heights that all of them have.
///
/// # Errors
/// When a node cannot be read, or at the first difference.
pub async fn compare(remotes: &[&Remote]) -> anyhow::Result<Agreement> {
    let heights = try_join_all(remotes.iter().map(|remote| remote.height())).await?;
    let common = heights.into_iter().min().context("a chain has nodes")?;
    let nodes = try_join_all(remotes.iter().map(async |remote| {
        let mut made = Vec::new();
        for height in (1..=common.get()).map(Height::new) {
            let block = remote.block(height).await?;
            made.push(Made {
                block: block.id.0,
                state_root: block.state_root.0,
                receipts_root: block.receipts_root.0,
                timestamp: block.header.timestamp_ms,
            });
        }
        anyhow::Ok((remote.name(), made))
    }))
    .await?;
    Agreement::of(&nodes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use subnet_types::hash::cid_of_bytes;

    fn made(height: u64) -> Made {
        let cid = |what: &str| cid_of_bytes(format!("{what} {height}").as_bytes());
        Made {
            block: cid("block"),
            state_root: cid("state"),
            receipts_root: cid("receipts"),
            timestamp: TimestampMs::new(1000 * height),
        }
    }

    #[test]
    fn equal_nodes_agree() {
        let blocks: Vec<_> = (1..=5).map(made).collect();
        let agreement = Agreement::of(&[("a-0", blocks.clone()), ("a-1", blocks)]).expect("the same");
        assert_eq!((agreement.heights(), agreement.interval_ms_p50()), (5, Some(1000)));
        assert_eq!(agreement.state_root(Height::new(3)), Some(&made(3).state_root));
        assert_eq!(agreement.state_root(Height::new(6)), None);
        assert_eq!(agreement.state_root(Height::GENESIS), None);
    }

    #[test]
    fn one_other_state_root_is_found_with_node_and_height() {
        let blocks: Vec<_> = (1..=5).map(made).collect();
        let mut other = blocks.clone();
        other[3].state_root = cid_of_bytes(b"another");
        let error = Agreement::of(&[("a-0", blocks.clone()), ("a-1", blocks.clone()), ("a-2", other)]);
        let error = error.expect_err("differ").to_string();
        assert!(error.contains("height 4") && error.contains("a-2"), "{error}");
        let short = Agreement::of(&[("a-0", blocks.clone()), ("a-1", blocks[..4].to_vec())]);
        assert!(short.expect_err("differ").to_string().contains("4 blocks"));
    }
}
