//! What goes wrong: nodes end as in a crash and come back, miss decisions, ask parent nodes that lie, and
//! propose what is not so.

use crate::parent::Lie;
use crate::world::World;

/// Chance of each kind of fault at a chain's turn, in thousandths.
const STOP_PERMILLE: u64 = 20;
const LIE_PERMILLE: u64 = 30;
/// Chance that a fault of a chain ends at its turn, in thousandths.
const END_PERMILLE: u64 = 120;
/// Share of decisions that a node misses, in thousandths.
const MISSED_PERMILLE: u64 = 40;
/// Share of blocks with news of the parent whose proposer brings false ones first, in thousandths.
const FORGED_PERMILLE: u64 = 200;

/// A rule that is broken on purpose, to see that it is found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Bug {
    /// Whatever a minority signs has the signatures of all, as if the power of signers did not count.
    MinorityCounts,
}

/// What is wrong now.
#[derive(Debug, Default)]
pub struct Faults {
    /// Whether new ones come.
    pub is_active: bool,
}

impl World {
    /// Lets faults begin and end on chain `number`.
    pub(crate) fn stir(&mut self, number: usize) -> anyhow::Result<()> {
        if !self.options.has_faults {
            return Ok(());
        }
        let is_active = self.faults.is_active;
        let chain = &mut self.chains[number];
        chain.missed_permille = if is_active { MISSED_PERMILLE } else { 0 };
        chain.forged_permille = if is_active { FORGED_PERMILLE } else { 0 };
        for node in &mut chain.nodes {
            if !node.is_running() && (!is_active || self.prng.permille(END_PERMILLE)) {
                node.start()?;
            } else if is_active && node.is_running() && self.prng.permille(STOP_PERMILLE) {
                node.stop();
                self.tally.stopped += 1;
            }
            let Some(parent) = &node.parent else { continue };
            if !is_active || self.prng.permille(END_PERMILLE) {
                parent.set_lie(None);
            } else if self.prng.permille(LIE_PERMILLE) {
                parent.set_lie(Some(Lie::ALL[self.prng.index(Lie::ALL.len())]));
                self.tally.lies += 1;
            }
        }
        Ok(())
    }
}
