//! Sets that grow together.

/// Disjoint sets of the numbers below a bound.
pub(super) struct UnionFind(Vec<u32>);

impl UnionFind {
    /// Each number alone.
    pub(super) fn new(count: u32) -> Self {
        Self((0..count).collect())
    }

    /// The number that stands for the set of `item`: its least.
    pub(super) fn find(&mut self, item: u32) -> u32 {
        let mut at = item;
        loop {
            let above = self.0[at as usize];
            if above == at {
                return at;
            }
            let further = self.0[above as usize];
            self.0[at as usize] = further;
            at = further;
        }
    }

    /// Makes one set of two.
    pub(super) fn union(&mut self, one: u32, other: u32) {
        let (one, other) = (self.find(one), self.find(other));
        // The least stands for the set, so that which one it is does not depend on the order of unions.
        self.0[one.max(other) as usize] = one.min(other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_told_by_their_least_member() {
        let mut sets = UnionFind::new(8);
        for (one, other) in [(7, 3), (3, 5), (0, 1), (5, 1)] {
            sets.union(one, other);
        }
        let found: Vec<_> = (0..8).map(|item| sets.find(item)).collect();
        assert_eq!(found, [0, 0, 2, 0, 4, 0, 6, 0]);
    }
}
