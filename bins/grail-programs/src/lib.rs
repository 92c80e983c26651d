//! The roles as programs: arguments and settings become a miner, a validator or a trainer that runs.
//!
//! `grail-miner`, `grail-validator` and `grail-trainer` are a page each: parse, hand in which networks they open, run.
//! What they share is here: how a checkpoint becomes a loaded model ([`engine`]), how a network is entered and left
//! ([`program`]), how a check is told ([`checks`]), what is looked at before a start ([`ready`]). `grail-devnet` runs the same roles on development networks.

pub mod checks;
pub mod engine;
pub mod mine;
pub mod program;
pub mod ready;
pub mod train;
pub mod validate;

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn no_command_takes_a_flag_twice() {
        crate::mine::MineCli::command().debug_assert();
        crate::validate::ValidateCli::command().debug_assert();
        crate::train::TrainCli::command().debug_assert();
    }
}
