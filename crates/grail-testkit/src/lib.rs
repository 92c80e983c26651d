//! One window world in memory, for tests.
