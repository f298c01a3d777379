//! Numbers that look random and are the same on every machine.

/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The sequence of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below `bound`, which is above zero. Multiplied instead of divided; the bias is 2⁻⁶⁴ of the bound.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.number()) * u128::from(bound)) >> 64) as u64
    }

    /// A number from 0 to below 1.
    pub fn fraction(&mut self) -> f64 {
        (self.number() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Any order of `items`.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

/// Ranks that are drawn with a probability in proportion to (rank + 1)⁻ˢ.
#[derive(Clone, Debug)]
pub struct Zipf {
    /// For each rank, the weight of it and all before.
    cumulative: Vec<f64>,
}

impl Zipf {
    /// So many ranks with this exponent.
    pub fn new(ranks: u64, exponent: f64) -> Self {
        let mut total = 0.0;
        let weights = (1..=ranks.max(1)).map(|rank| (rank as f64).powf(-exponent));
        let cumulative = weights
            .map(|weight| {
                total += weight;
                total
            })
            .collect();
        Self { cumulative }
    }

    /// A rank.
    pub fn draw(&self, random: &mut Random) -> u64 {
        let total = self.cumulative.last().copied().unwrap_or_default();
        let point = random.fraction() * total;
        let rank = self.cumulative.partition_point(|weight| *weight <= point);
        rank.min(self.cumulative.len() - 1) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_published_generator() {
        // From the reference implementation with seed 1234567.
        let mut random = Random::new(1_234_567);
        assert_eq!(random.number(), 6_457_827_717_110_365_317);
        assert_eq!(random.number(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn bounded_numbers_stay_below_and_reach_everything() {
        let mut random = Random::new(7);
        let mut seen = [0; 5];
        (0..5_000).for_each(|_| seen[random.below(5) as usize] += 1);
        assert!(seen.iter().all(|count| (800..1_200).contains(count)), "{seen:?}");
    }

    #[test]
    fn shuffling_loses_nothing() {
        let mut items: Vec<u32> = (0..100).collect();
        Random::new(7).shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn lower_ranks_are_drawn_in_proportion() {
        let (zipf, mut random) = (Zipf::new(100, 1.0), Random::new(7));
        let mut seen = vec![0u32; 100];
        (0..100_000).for_each(|_| seen[zipf.draw(&mut random) as usize] += 1);
        let ratio = f64::from(seen[0]) / f64::from(seen[9]);
        assert!((8.0..12.0).contains(&ratio), "rank 0 is drawn {ratio} times as often as rank 9");
    }
}
