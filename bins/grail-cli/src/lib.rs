//! `grail`: the operator's tool. Looks at seeds, problems and window files, looks
//! after checkpoints, and starts the programs of the roles under the names that people type.
//!
//! [`run`] is the whole program but for one thing: which networks it opens beside subnets. `grail` knows none;
//! `grail-devnet` is the same tool with development networks.

mod audit;
mod chain;
mod checkpoint;
mod config;
mod doctor;
mod explain;
mod inspect;
mod join;
mod keys;
mod score;
mod setup;
mod signer;
mod verdicts;
mod why;
mod window;

use clap::{Args, Parser, Subcommand};
use grail_config::args::LogArgs;
use grail_node::{local::Networks, sibling::become_program, terminal};
use std::{ffi::OsString, process::ExitCode};

/// GRAIL: rollouts that prove which model made them.
///
/// To take part in a network, begin with `grail setup` and `grail doctor`. With `grail-devnet` beside this program,
/// `grail devnet demo --model DIR` shows a whole network on this machine.
#[derive(Debug, Parser)]
#[command(name = "grail", version)]
struct Cli {
    #[command(flatten)]
    log: LogArgs,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Ask for everything that a participant needs, check it, and write `.env` and `grail.toml`.
    Setup(Box<setup::SetupArgs>),
    /// Fetch everything that a role needs of its network: finds the trainer and its bucket on the chain, takes the newest
    /// checkpoint with its manifest, and the rows that its environments ask. Needs no key.
    ///
    /// Given again it goes on where it was broken off. Exit code 1 when something is missing.
    ///
    /// Example:
    ///   grail join --netuid 81
    #[command(verbatim_doc_comment)]
    Join(Box<join::JoinArgs>),
    /// The rows that an environment asks, from the trainer's bucket, or from a file; only the right ones are kept.
    ///
    /// Example:
    ///   grail dataset gsm8k --netuid 81
    #[command(verbatim_doc_comment)]
    Dataset(Box<join::dataset::DatasetArgs>),
    /// Look at everything that a participant needs: one line a check, each failure with its remedy.
    ///
    /// Exit code 0: all is well; 1: something is wrong; 2: warnings alone. `--json` gives one JSON object.
    Doctor(Box<doctor::DoctorArgs>),
    /// Settings: what each is, where it comes from, and what it means.
    #[command(subcommand)]
    Config(Box<config::ConfigCommand>),
    /// The chain: blocks, participants, commitments and weights.
    #[command(subcommand)]
    Chain(chain::ChainCommand),
    /// A network on this machine: make it, look at it, rehearse on it (`grail-devnet`).
    #[command(disable_help_flag = true)]
    Devnet(Passed),
    /// Explain any code that GRAIL prints: rejections, findings, errors of the chain. All of them without one.
    ///
    /// Exit code 1 when there is no such code.
    ///
    /// Example:
    ///   grail explain sketch-rms
    #[command(verbatim_doc_comment)]
    Explain(explain::ExplainCodeArgs),
    /// Look inside: window files, seeds, problems, rejection codes.
    #[command(subcommand)]
    Inspect(inspect::InspectCommand),
    /// Window files: what would a validator say?
    #[command(subcommand)]
    Window(window::WindowCommand),
    /// Why a miner has the weight it has, and what was counted against it.
    #[command(subcommand)]
    Score(Box<score::ScoreCommand>),
    /// What validators publish about miners' files: their signed verdict files, read from their buckets.
    ///
    /// Exit code 1 when none was found. Needs no key.
    ///
    /// Example:
    ///   grail verdicts --hotkey 5F… --follow
    #[command(verbatim_doc_comment)]
    Verdicts(Box<verdicts::VerdictArgs>),
    /// Why a miner is paid what it is paid: one screen from the chain's incentive back through weights, score, verdicts,
    /// refusals and uploads to the first thing that went wrong, with its remedy.
    ///
    /// Exit code 1 when something went wrong. Needs no key.
    Why(Box<why::WhyArgs>),
    /// A validator's replay bundle: does its verdict follow from what it rests on? Exit code 1 when it does not.
    Audit(audit::AuditArgs),
    /// A trainer's checkpoints: list, fetch, verify, clear away.
    #[command(subcommand)]
    Checkpoint(checkpoint::CheckpointCommand),
    /// Hotkeys: list, show, make, sign, verify.
    #[command(subcommand)]
    Keys(Box<keys::KeysCommand>),
    /// Hold a hotkey in a process of its own, which signs only what it is told to.
    ///
    /// The program that parses strangers' files then needs no key: it asks over a Unix socket. The signer sees what it
    /// signs and hashes for itself; it signs statements of GRAIL, and the calls of the chain that --allow names.
    ///
    /// Example:
    ///   mkdir -m 700 /run/user/$UID/grail
    ///   grail signer --socket /run/user/$UID/grail/signer.sock --labels file --allow set_commitment --netuid 81
    #[command(verbatim_doc_comment)]
    Signer(Box<signer::SignerArgs>),
    /// Become the miner (`grail-miner run`, or the command of it that comes first: `grail mine check`).
    #[command(disable_help_flag = true)]
    Mine(Passed),
    /// Become the validator (`grail-validator run`, or another command of it).
    #[command(disable_help_flag = true)]
    Validate(Passed),
    /// Become the trainer (`grail-trainer run`, or another command of it).
    #[command(disable_help_flag = true)]
    Train(Passed),
}

/// Everything after the subcommand, handed on unread.
#[derive(Debug, Args)]
struct Passed {
    /// Arguments of the program; see its own --help.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// The command line of `grail`, for its man pages and completions, and for whoever checks a documented command.
pub fn command() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}

/// The program, over the arguments of this process.
pub fn run(networks: &dyn Networks) -> ExitCode {
    terminal::begin();
    let cli = Cli::parse();
    // What these find they say themselves, once; the log would say it again and again.
    let speaks_for_itself = matches!(cli.command, Command::Setup(_) | Command::Doctor(_));
    if !speaks_for_itself || cli.log.verbose > 0 {
        grail_node::logging::start(cli.log);
    }
    match answer(networks, cli.command, cli.log) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            tell(&error);
            ExitCode::from(2)
        }
    }
}

/// The exit code. 0: done, and the answer is yes; 1: done, and the answer is no.
fn answer(networks: &dyn Networks, command: Command, log: LogArgs) -> anyhow::Result<u8> {
    let json = log.json;
    let become_role = |name, passed: Passed| Err(become_program(name, role_arguments(log, passed.arguments)));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let yes = match command {
        Command::Doctor(args) => {
            let code = runtime.block_on(doctor::run(networks, &args, json));
            // What still waits for an answer was told as late, and is not waited for now.
            runtime.shutdown_background();
            return code;
        }
        Command::Setup(args) => runtime.block_on(setup::run(networks, &args)),
        Command::Config(command) => config::run(&command, json),
        Command::Chain(command) => runtime.block_on(chain::run(networks, command, json)),
        Command::Devnet(passed) => Err(become_program("grail-devnet", log.typed().chain(passed.arguments))),
        Command::Join(args) => runtime.block_on(Box::pin(join::run(networks, &args, json))),
        Command::Dataset(args) => runtime.block_on(join::dataset::run(networks, &args, json)),
        Command::Explain(args) => explain::run(&args, json),
        Command::Inspect(command) => runtime.block_on(inspect::run(networks, command, json)).map(|()| true),
        Command::Window(command) => runtime.block_on(window::run(networks, command, json)),
        Command::Score(command) => runtime.block_on(score::run(networks, *command, json)),
        Command::Verdicts(args) => runtime.block_on(verdicts::run(networks, &args, json)),
        Command::Why(args) => runtime.block_on(why::run(networks, &args, json)),
        Command::Audit(args) => audit::run(&args),
        Command::Checkpoint(command) => runtime.block_on(checkpoint::run(networks, command, json)),
        Command::Keys(command) => keys::run(&command, json),
        Command::Signer(args) => runtime.block_on(signer::run(&args)).map(|()| true),
        Command::Mine(passed) => become_role("grail-miner", passed),
        Command::Validate(passed) => become_role("grail-validator", passed),
        Command::Train(passed) => become_role("grail-trainer", passed),
    }?;
    Ok(u8::from(!yes))
}

/// What a role's program is told: to run, unless the first word is another command of it (`grail mine check`).
fn role_arguments(log: LogArgs, passed: Vec<OsString>) -> impl Iterator<Item = OsString> {
    let mut rest = passed.into_iter().peekable();
    let command = rest.next_if(|word| !word.as_encoded_bytes().starts_with(b"-"));
    // Flags of the log are read here wherever they stand, and are told behind the command.
    std::iter::once(command.unwrap_or_else(|| "run".into())).chain(log.typed()).chain(rest)
}

#[expect(clippy::print_stderr, reason = "the error of a program for people")]
fn tell(error: &anyhow::Error) {
    eprintln!("{} {error:#}", terminal::error_mark());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_command_takes_a_flag_twice() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn a_role_is_told_every_flag_and_the_command_that_was_named() {
        let told = |line: &str| {
            let cli = Cli::try_parse_from(line.split(' ')).unwrap();
            let (Command::Mine(passed) | Command::Validate(passed) | Command::Train(passed)) = cli.command
            else {
                panic!("{line} is no role");
            };
            let words = role_arguments(cli.log, passed.arguments).map(|word| word.into_string().unwrap());
            words.collect::<Vec<_>>().join(" ")
        };
        for (typed, expected) in [
            ("grail mine", "run"),
            ("grail mine -vv --model m", "run -v -v --model m"),
            ("grail --json mine --windows 3", "run --json --windows 3"),
            ("grail mine check --model m", "check --model m"),
            ("grail train --help", "run --help"),
        ] {
            assert_eq!(told(typed), expected, "{typed}");
        }
    }
}
