//! Sets of clients, put together without a list of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use kubectl_mtls::intent::{Members, Numbers, Union};
use proptest::prelude::*;
use proptest::sample::Index;

/// The members of an answer: of which group, whether all of it but these or these, and which.
type Answer = (Index, bool, Vec<Index>);

/// Two groups of clients, and answers about them.
fn answers() -> impl Strategy<Value = (Vec<BTreeSet<usize>>, Vec<Answer>)> {
    let groups = (2_usize..200).prop_map(|count| {
        let (even, odd) = (0..count).partition(|number| number % 2 == 0);
        vec![even, odd]
    });
    (groups, prop::collection::vec((any::<Index>(), any::<bool>(), prop::collection::vec(any::<Index>(), 0..9)), 0..12))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_union_has_everybody_whom_an_answer_was_about((groups, answers) in answers()) {
        let sets: Vec<Arc<Numbers>> = groups.iter().map(|group| Arc::new(group.iter().copied().collect())).collect();
        let (mut union, mut expected) = (Union::default(), BTreeSet::new());
        for (group, but, picked) in answers {
            let place = group.index(groups.len());
            let all: Vec<usize> = groups[place].iter().copied().collect();
            let some: BTreeSet<usize> = picked.iter().map(|index| *index.get(&all)).collect();
            let these = some.iter().copied().collect();
            let members = if but { Members::AllBut(Arc::clone(&sets[place]), these) } else { Members::These(these) };
            expected.extend(members.numbers());
            union.add(&members);
        }
        let numbers = union.numbers();
        prop_assert_eq!(numbers.count(), expected.len());
        prop_assert!(numbers.iter().eq(expected));
    }
}
