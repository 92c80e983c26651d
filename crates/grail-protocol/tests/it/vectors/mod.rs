//! Vectors: every derivation of the crate against the files that pin it.

pub(crate) mod kit;
pub(crate) mod numeric;
pub(crate) mod topics;

/// Every topic.
pub(crate) fn all() -> impl Iterator<Item = &'static kit::Topic> {
    topics::TOPICS.iter().chain(numeric::TOPICS)
}
