//! Shelves over any object store.
