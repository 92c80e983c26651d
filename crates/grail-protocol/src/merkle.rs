//! A Merkle tree over rollout digests, so that one signature covers a file and any one rollout can be shown alone.
//!
//! Leaf: `H("grail/1 leaf", digest)`. Node: `H("grail/1 node", left, right)`. A node without a sibling moves up
//! unchanged; since the number of leaves is signed beside the root, two trees of different sizes cannot share both.

use crate::hash::{Digest, digest};

/// Root over the digests in order: one per rollout of a file, by group and rollout. The root of no leaves is
/// `H("grail/1 empty")`.
///
/// Source: Merkle's tree with separate labels for leaves and nodes, as RFC 6962 separates them by a byte.
pub fn root(digests: &[Digest]) -> Digest {
    let mut level: Vec<Digest> = digests.iter().map(leaf).collect();
    if level.is_empty() {
        return digest("grail/1 empty", &[]);
    }
    while level.len() > 1 {
        level = parents(&level);
    }
    level.first().copied().unwrap_or_default()
}

/// The siblings from a leaf to the root, bottom first: at most log₂ of the number of leaves, rounded up; a level on which
/// the node is alone has none. `None` when the index is outside the tree.
pub fn path(digests: &[Digest], index: usize) -> Option<Vec<Digest>> {
    if index >= digests.len() {
        return None;
    }
    let mut level: Vec<Digest> = digests.iter().map(leaf).collect();
    let mut position = index;
    let mut siblings = Vec::new();
    while level.len() > 1 {
        if let Some(sibling) = level.get(position ^ 1) {
            siblings.push(*sibling);
        }
        level = parents(&level);
        position /= 2;
    }
    Some(siblings)
}

/// Whether `path` leads from the digest at `index` of `count` leaves to `root`. False for an index outside the tree, and for
/// a path with a sibling too few or too many.
pub fn verify(root: &Digest, leaf_digest: &Digest, index: usize, count: usize, path: &[Digest]) -> bool {
    if index >= count {
        return false;
    }
    let (mut node, mut position, mut width) = (leaf(leaf_digest), index, count);
    let mut siblings = path.iter();
    while width > 1 {
        let alone = position % 2 == 0 && position + 1 == width;
        if !alone {
            let Some(sibling) = siblings.next() else { return false };
            node = if position % 2 == 0 { join(&node, sibling) } else { join(sibling, &node) };
        }
        position /= 2;
        width = width.div_ceil(2);
    }
    siblings.next().is_none() && node == *root
}

fn leaf(bytes: &Digest) -> Digest {
    digest("grail/1 leaf", &[bytes])
}

fn join(left: &Digest, right: &Digest) -> Digest {
    digest("grail/1 node", &[left, right])
}

fn parents(level: &[Digest]) -> Vec<Digest> {
    level
        .chunks(2)
        .map(|pair| match pair {
            [left, right] => join(left, right),
            [single] => *single,
            _ => Digest::default(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn leaves(count: usize) -> Vec<Digest> {
        (0..count).map(|i| crate::hash::sha256(&i.to_le_bytes())).collect()
    }

    proptest! {
        #[test]
        fn every_leaf_can_be_shown_and_no_other(count in 1usize..70, pick in any::<prop::sample::Index>(), flip in 0usize..256) {
            let digests = leaves(count);
            let index = pick.index(count);
            let root = root(&digests);
            let path = path(&digests, index).unwrap();
            prop_assert!(verify(&root, &digests[index], index, count, &path));
            let mut other = digests[index];
            other[flip / 8] ^= 1 << (flip % 8);
            prop_assert!(!verify(&root, &other, index, count, &path));
            if count > 1 {
                prop_assert!(!verify(&root, &digests[index], (index + 1) % count, count, &path));
                let mut long = path.clone();
                long.push([0; 32]);
                prop_assert!(!verify(&root, &digests[index], index, count, &long));
                prop_assert!(!verify(&root, &digests[index], index, count, &path[1..]));
            }
        }
    }

    #[test]
    fn order_and_number_of_leaves_matter() {
        let mut digests = leaves(5);
        let before = root(&digests);
        digests.swap(0, 4);
        assert_ne!(before, root(&digests));
        assert_ne!(root(&leaves(4)), root(&leaves(5)));
        assert!(path(&digests, 5).is_none());
    }
}
