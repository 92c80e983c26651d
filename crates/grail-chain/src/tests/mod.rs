//! Parts that have no public face.

mod follow;
mod later;
mod link;
mod node;
#[path = "../../tests/it/recorded.rs"]
mod recorded;
mod subnet;
