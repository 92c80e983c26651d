//! What a check comes to: the same as in a role's `check` and at its start.

pub(crate) use grail_node::ready::{Finding, Health as Standing};
