//! Storage of a chain after one block. Copies share what did not change, so that history is cheap.

use rpds::RedBlackTreeMapSync;
use std::{ops::Bound, sync::Arc};

/// Key of the runtime's code.
pub(crate) const CODE: &[u8] = b":code";
/// Key of the memory that the runtime asks for.
pub(crate) const HEAP_PAGES: &[u8] = b":heappages";

/// A change of storage: the key, and the new value or its absence.
pub(crate) type Change = (Vec<u8>, Option<Vec<u8>>);

/// Every storage item. A copy costs nothing; a change costs the logarithm of the size.
#[derive(Debug, Clone)]
pub(crate) struct State(RedBlackTreeMapSync<Arc<[u8]>, Arc<[u8]>>);

impl Default for State {
    fn default() -> Self {
        Self(RedBlackTreeMapSync::new_sync())
    }
}

impl State {
    pub(crate) fn get(&self, key: &[u8]) -> Option<&Arc<[u8]>> {
        self.0.get(key)
    }

    pub(crate) fn set(&mut self, key: &[u8], value: Option<&[u8]>) {
        match value {
            Some(value) => self.0.insert_mut(key.into(), value.into()),
            None => {
                self.0.remove_mut(key);
            }
        }
    }

    pub(crate) fn apply(&mut self, changes: &[Change]) {
        for (key, value) in changes {
            self.set(key, value.as_deref());
        }
    }

    /// The first key after `key`, or `key` itself where it may be equal and is there.
    pub(crate) fn next_key(&self, key: &[u8], or_equal: bool) -> Option<&[u8]> {
        let from = if or_equal { Bound::Included(key) } else { Bound::Excluded(key) };
        self.0.range::<[u8], _>((from, Bound::Unbounded)).next().map(|(key, _)| &**key)
    }

    /// Keys that begin with `prefix`, in order, from after `after` on.
    pub(crate) fn keys<'a>(
        &'a self,
        prefix: &'a [u8],
        after: Option<&'a [u8]>,
    ) -> impl Iterator<Item = &'a [u8]> {
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        self.0
            .range::<[u8], _>((from, Bound::Unbounded))
            .map(|(key, _)| &**key)
            .take_while(move |key| key.starts_with(prefix))
    }

    /// Every item, in the order of keys.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.iter().map(|(key, value)| (&**key, &**value))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.size()
    }
}

impl FromIterator<(Vec<u8>, Vec<u8>)> for State {
    fn from_iter<I: IntoIterator<Item = (Vec<u8>, Vec<u8>)>>(items: I) -> Self {
        let mut state = Self::default();
        for (key, value) in items {
            state.set(&key, Some(&value));
        }
        state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        [(b"a".to_vec(), b"1".to_vec()), (b"ab".to_vec(), b"2".to_vec()), (b"b".to_vec(), b"3".to_vec())]
            .into_iter()
            .collect()
    }

    #[test]
    fn a_copy_does_not_see_later_changes() {
        let before = state();
        let mut after = before.clone();
        after.apply(&[(b"a".to_vec(), None), (b"c".to_vec(), Some(b"4".to_vec()))]);
        assert_eq!(before.get(b"a").map(|value| value.to_vec()), Some(b"1".to_vec()));
        assert_eq!(before.get(b"c"), None);
        assert_eq!(after.get(b"a"), None);
        assert_eq!(after.len(), 3);
    }

    #[test]
    fn keys_are_walked_in_order_within_a_prefix() {
        let state = state();
        assert_eq!(state.keys(b"a", None).collect::<Vec<_>>(), [&b"a"[..], b"ab"]);
        assert_eq!(state.keys(b"a", Some(b"a")).collect::<Vec<_>>(), [&b"ab"[..]]);
        assert_eq!(state.keys(b"a", Some(b"ab")).count(), 0);
        // A start before the prefix means the prefix itself.
        assert_eq!(state.keys(b"b", Some(b"a")).collect::<Vec<_>>(), [&b"b"[..]]);
        assert_eq!(state.keys(b"", None).count(), 3);
    }

    #[test]
    fn the_next_key_may_be_equal_only_where_asked() {
        let state = state();
        assert_eq!(state.next_key(b"a", false), Some(&b"ab"[..]));
        assert_eq!(state.next_key(b"a", true), Some(&b"a"[..]));
        assert_eq!(state.next_key(b"b", false), None);
    }
}
