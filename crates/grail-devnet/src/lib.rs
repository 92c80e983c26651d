//! A whole network on one machine: chain, beacon, launcher.
