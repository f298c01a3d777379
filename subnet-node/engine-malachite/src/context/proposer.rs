//! Who proposes.
//!
//! A point walks around a circle on which each validator owns an arc as long as its power; the validator on whose arc
//! it stands proposes. Each slot (`height + round`) moves the point by the golden ratio of the circle, the step that
//! spreads points most evenly. So:
//!
//! - it is a pure function of the set, the height and the round: nothing to store, nothing to replay;
//! - over a long time each validator proposes in proportion to its power, and over a short time nearly so;
//! - a validator with less than 38 % of the power never proposes twice in a row, so after a round that failed because
//!   its proposer is down, the next round has another proposer;
//! - everybody can foresee it, as with Tendermint's own rotation.

use subnet_types::Height;

/// 2^64 divided by the golden ratio, made odd so that the walk visits every point.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// A point in `0..total` for this slot.
///
/// `total` must not be zero; a validator set has power.
pub(super) fn point(height: Height, round: u32, total: u64) -> u64 {
    let slot = height.get().wrapping_add(u64::from(round));
    let angle = slot.wrapping_mul(STEP);
    let scaled = (u128::from(angle) * u128::from(total)) >> 64;
    u64::try_from(scaled).expect("a fraction of a 64-bit number fits 64 bits")
}
