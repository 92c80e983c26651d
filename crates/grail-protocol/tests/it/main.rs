//! The public face: vectors, what the Python original signed, and lies that must be caught.

mod adversary;
mod evidence;
mod pinned;
mod vectors;
