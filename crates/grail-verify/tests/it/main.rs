//! The court from outside: honest files pass, every lie is named, our own trouble decides nothing.

mod audit;
mod bytes;
mod corridor;
mod digits;
mod lies;
mod samples;
