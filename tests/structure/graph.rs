//! Circles in a graph.

use std::collections::BTreeSet;

/// The sets of more than one node that can all reach each other.
pub(crate) fn knots(edges: &[BTreeSet<usize>]) -> Vec<BTreeSet<usize>> {
    let reached: Vec<_> = (0..edges.len()).map(|node| reachable(edges, node)).collect();
    let mut knots = BTreeSet::new();
    for node in 0..edges.len() {
        let knot: BTreeSet<_> =
            reached[node].iter().copied().filter(|other| reached[*other].contains(&node)).collect();
        if knot.len() > 1 {
            knots.insert(knot);
        }
    }
    knots.into_iter().collect()
}

fn reachable(edges: &[BTreeSet<usize>], from: usize) -> BTreeSet<usize> {
    let mut seen = BTreeSet::new();
    let mut next = vec![from];
    while let Some(node) = next.pop() {
        for &other in &edges[node] {
            if seen.insert(other) {
                next.push(other);
            }
        }
    }
    seen
}

#[test]
fn a_circle_is_one_knot() {
    let edges = [[1].into(), [2].into(), [0, 3].into(), [].into()];
    assert_eq!(knots(&edges), [BTreeSet::from([0, 1, 2])]);
}
