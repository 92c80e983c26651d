//! Reward components and group advantages.
