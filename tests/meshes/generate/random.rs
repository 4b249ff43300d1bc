//! A source of random choices that is the same on every machine and for ever (`SplitMix64`).

use std::cell::Cell;

/// Drawing from it changes nothing that a caller holds: choices may be made within choices.
pub(crate) struct Random(Cell<u64>);

// === impl Random ===

impl Random {
    /// The source of one part of a mesh.
    pub(crate) fn of(seed: u64, part: &str) -> Self {
        // FNV-1a of the name keeps the parts apart.
        let name = part
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        Self(Cell::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ name))
    }

    fn next(&self) -> u64 {
        let state = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % end).unwrap_or(0)
    }

    /// True in so many of a hundred cases.
    pub(crate) fn percent(&self, chance: usize) -> bool {
        self.below(100) < chance
    }

    /// One of them.
    pub(crate) fn pick<T: Clone>(&self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }

    /// Some of them, in random order.
    pub(crate) fn sample<T: Clone>(&self, of: &[T], count: usize) -> Vec<T> {
        let mut all = of.to_vec();
        self.shuffle(&mut all);
        all.truncate(count);
        all
    }

    pub(crate) fn shuffle<T>(&self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            items.swap(end, self.below(end + 1));
        }
    }
}
