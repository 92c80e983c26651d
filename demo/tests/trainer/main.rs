//! The trainer as its operator meets it: its mistakes are named, and a kill at any moment costs nothing.

mod kill;
mod stage;
mod wrong;
