//! One window world in memory, for tests.

pub mod doors;
pub mod model;
pub mod window;
