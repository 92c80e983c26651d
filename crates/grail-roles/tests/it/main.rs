//! A whole window in memory: fakes at every rim, the real loops between them, a clock turned by hand.

mod evidence;
mod follow;
mod golden;
mod keeping_up;
mod patience;
mod stage;
mod train;
mod walk;
