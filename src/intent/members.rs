//! Which clients an answer is about, without a list of them all.

use std::collections::BTreeSet;
use std::sync::Arc;

/// A set of client numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Numbers {
    words: Vec<u64>,
    count: usize,
}

/// Clients that get the same answer, by their number in the list that was grouped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Members {
    /// These, in order.
    These(Vec<usize>),
    /// All of a set but these, which are in it and in order.
    AllBut(Arc<Numbers>, Vec<usize>),
}

/// The clients of several answers together, for as many answers as there are: most of them are all of a set but a few, and of a
/// set only those are kept that no answer was about.
#[derive(Debug, Clone, Default)]
pub struct Union {
    sets: Vec<(Arc<Numbers>, Vec<usize>)>,
    others: Numbers,
}

const BITS: usize = 64;

// === impl Union ===

impl Union {
    /// Adds the members of an answer.
    pub fn add(&mut self, members: &Members) {
        match members {
            Members::These(numbers) => {
                for number in numbers {
                    self.others.insert(*number);
                }
            }
            Members::AllBut(all, but) => match self.sets.iter_mut().find(|(known, _)| Arc::ptr_eq(known, all)) {
                Some((_, missing)) => missing.retain(|number| but.binary_search(number).is_ok()),
                None => self.sets.push((Arc::clone(all), but.clone())),
            },
        }
    }

    /// Everybody that was added.
    #[must_use]
    pub fn numbers(self) -> Numbers {
        let mut numbers = self.others;
        for (all, but) in self.sets {
            numbers.add(&all, &but);
        }
        numbers
    }
}

// === impl Numbers ===

impl Numbers {
    /// Adds a number; whether it is new.
    pub fn insert(&mut self, number: usize) -> bool {
        let index = number / BITS;
        if self.words.len() <= index {
            self.words.resize(index + 1, 0);
        }
        let bit = 1_u64 << (number % BITS);
        let Some(word) = self.words.get_mut(index) else { return false };
        let new = *word & bit == 0;
        *word |= bit;
        self.count += usize::from(new);
        new
    }

    /// Whether a number is in the set.
    #[must_use]
    pub fn contains(&self, number: usize) -> bool {
        self.words.get(number / BITS).is_some_and(|word| word & (1_u64 << (number % BITS)) != 0)
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// The numbers, in order.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().flat_map(|(index, word)| {
            let word = *word;
            (0..BITS).filter(move |bit| word & (1_u64 << bit) != 0).map(move |bit| index * BITS + bit)
        })
    }

    /// Adds all of a set but these, which are in it.
    fn add(&mut self, all: &Self, but: &[usize]) {
        let absent: Vec<usize> = but.iter().copied().filter(|number| !self.contains(*number)).collect();
        if self.words.len() < all.words.len() {
            self.words.resize(all.words.len(), 0);
        }
        for (word, more) in self.words.iter_mut().zip(&all.words) {
            self.count += usize::try_from((more & !*word).count_ones()).unwrap_or_default();
            *word |= more;
        }
        for number in absent {
            self.remove(number);
        }
    }

    fn remove(&mut self, number: usize) {
        let bit = 1_u64 << (number % BITS);
        if let Some(word) = self.words.get_mut(number / BITS).filter(|word| **word & bit != 0) {
            *word &= !bit;
            self.count -= 1;
        }
    }
}

impl FromIterator<usize> for Numbers {
    fn from_iter<I: IntoIterator<Item = usize>>(numbers: I) -> Self {
        let mut set = Self::default();
        for number in numbers {
            set.insert(number);
        }
        set
    }
}

// === impl Members ===

impl Members {
    /// The least of them.
    #[must_use]
    pub fn first(&self) -> Option<usize> {
        self.numbers().next()
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        match self {
            Self::These(numbers) => numbers.len(),
            Self::AllBut(all, but) => all.count().saturating_sub(but.len()),
        }
    }

    /// Their numbers, in order.
    #[must_use]
    pub fn numbers(&self) -> Box<dyn Iterator<Item = usize> + '_> {
        match self {
            Self::These(numbers) => Box::new(numbers.iter().copied()),
            Self::AllBut(all, but) => Box::new(all.iter().filter(|number| but.binary_search(number).is_err())),
        }
    }

    /// Whether a client is among them.
    #[must_use]
    pub fn contains(&self, number: usize) -> bool {
        match self {
            Self::These(numbers) => numbers.contains(&number),
            Self::AllBut(all, but) => all.contains(number) && but.binary_search(&number).is_err(),
        }
    }

    /// The same clients but some of them, all of which are among them.
    #[must_use]
    pub fn without(self, some: &BTreeSet<usize>) -> Self {
        match self {
            Self::These(numbers) => Self::These(numbers.into_iter().filter(|number| !some.contains(number)).collect()),
            Self::AllBut(all, mut but) => {
                but.extend(some);
                but.sort_unstable();
                Self::AllBut(all, but)
            }
        }
    }
}
