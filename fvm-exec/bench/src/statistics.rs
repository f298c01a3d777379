//! Medians, and how sure they are.

use crate::workload::random::Random;

/// Samples drawn anew for an interval.
const RESAMPLES: usize = 2_000;
/// Any seed; the same one, so that the same measurements have the same interval.
const SEED: u64 = 0x5eed;

/// A median and the interval that holds it with 95 % confidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The median.
    pub median: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Estimate {
    /// The median of `values` with its bootstrap interval: the middle 95 % of the medians of samples drawn from
    /// `values` with replacement. `None` without values.
    pub fn of(values: &[f64]) -> Option<Self> {
        let median = median(values)?;
        let mut random = Random::new(SEED);
        let mut medians: Vec<f64> = (0..RESAMPLES)
            .filter_map(|_| {
                let sample: Vec<f64> =
                    values.iter().map(|_| values[random.below(values.len() as u64) as usize]).collect();
                self::median(&sample)
            })
            .collect();
        medians.sort_by(f64::total_cmp);
        let at = |share: f64| medians[(share * (medians.len() - 1) as f64).round() as usize];
        Some(Self { median, low: at(0.025), high: at(0.975) })
    }
}

/// The middle of `values`, or of the two in the middle. `None` without values.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    Some(if sorted.len() % 2 == 1 { upper } else { (sorted[middle - 1] + upper) / 2.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_is_in_the_middle_whatever_the_order() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[9.0, 1.0, 2.0, 4.0]), Some(3.0));
    }

    #[test]
    fn interval_is_a_point_for_equal_values_and_narrows_with_more() {
        let equal = Estimate::of(&[1.5; 7]).unwrap();
        assert_eq!((equal.low, equal.median, equal.high), (1.5, 1.5, 1.5));
        assert_eq!(Estimate::of(&[]), None);

        let mut random = Random::new(1);
        let mut noisy = |count: usize| (0..count).map(|_| 1.0 + random.fraction()).collect::<Vec<_>>();
        let [few, many] = [10, 1_000].map(&mut noisy).map(|values| Estimate::of(&values).unwrap());
        for estimate in [few, many] {
            assert!(estimate.low <= estimate.median && estimate.median <= estimate.high, "{estimate:?}");
        }
        assert!(many.high - many.low < (few.high - few.low) / 2.0, "{few:?} {many:?}");
    }

    // Of many samples of a known distribution, nearly all intervals hold its median.
    #[test]
    fn interval_holds_the_true_median_about_as_often_as_it_says() {
        let mut random = Random::new(2);
        let held = (0..200).filter(|_| {
            let values: Vec<f64> = (0..25).map(|_| random.fraction()).collect();
            let estimate = Estimate::of(&values).unwrap();
            estimate.low <= 0.5 && 0.5 <= estimate.high
        });
        let held = held.count();
        assert!((180..=199).contains(&held), "{held} of 200");
    }
}
