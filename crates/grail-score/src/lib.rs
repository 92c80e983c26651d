//! From verified tallies to weights.
