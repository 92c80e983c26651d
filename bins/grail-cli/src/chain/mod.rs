//! `grail chain`: what stands on the chain, and what an operator writes there by hand.

mod open;
mod read;
mod write;

use clap::{Args, Subcommand};
use grail_chain::errors::{self, RetryClass};
use grail_config::flags::ConfigFlags;
use grail_node::local::Networks;
use grail_protocol::words::Hotkey;
use serde::Serialize;
use std::{path::PathBuf, str::FromStr};

/// What to look at, or to write.
#[derive(Debug, Subcommand)]
pub(crate) enum ChainCommand {
    /// The newest block, its age, and how each node does.
    Head(ReadArgs),
    /// Everyone on the subnet.
    Metagraph(ReadArgs),
    /// What stands under a hotkey.
    #[command(subcommand)]
    Commitment(CommitmentCommand),
    /// Weights of a validator.
    #[command(subcommand)]
    Weights(WeightsCommand),
    /// The price of a registration, and what the subnet asks of validators.
    RegisterCost(ReadArgs),
    /// What this program needs of the chain's runtime, by name, and how the node's has it. Exit code 1 when something is
    /// missing or differs.
    Runtime(RuntimeArgs),
    /// How one participant stands: permit, immunity, collateral, when it may set weights. Exit code 1 when it is not
    /// registered.
    Standing(Box<GetArgs>),
    /// Weights that were to be set, and how far each came.
    Intents(IntentsArgs),
    /// What an error of the chain means and what to do; all of them without a name.
    Explain {
        /// The chain's name of the error, for example `NeuronNoValidatorPermit`.
        name: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum CommitmentCommand {
    /// Read it. Exit code 1 when there is none.
    Get(Box<GetArgs>),
    /// Write it: the read credentials of the settings, or what is given.
    Set(Box<write::CommitArgs>),
}

#[derive(Debug, Subcommand)]
pub(crate) enum WeightsCommand {
    /// Read them, and when they may be set again. Exit code 1 when none were set.
    Get(Box<GetArgs>),
    /// Set them: shows what the chain will store, and asks before. Exit code 1 when it is too soon.
    Set(Box<write::WeightsArgs>),
}

/// How the chain is reached.
#[derive(Debug, Args)]
pub(crate) struct ReadArgs {
    #[command(flatten)]
    config: ConfigFlags,
}

/// What of a runtime to show.
#[derive(Debug, Args)]
pub(crate) struct RuntimeArgs {
    /// Every part, also those that are as known.
    #[arg(long)]
    all: bool,

    #[command(flatten)]
    config: ConfigFlags,
}

/// Whose.
#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    /// Address of the hotkey, or its uid; without it the own one.
    who: Option<Who>,

    #[command(flatten)]
    config: ConfigFlags,
}

/// Where intents are kept.
#[derive(Debug, Args)]
pub(crate) struct IntentsArgs {
    /// Folder of the journals; by default `intents` in the cache folder.
    #[arg(long, value_name = "DIR")]
    journal: Option<PathBuf>,

    #[command(flatten)]
    config: ConfigFlags,
}

/// A participant as people name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    /// By number.
    Uid(u16),
    /// By address.
    Hotkey(Hotkey),
}

impl FromStr for Who {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(uid) = text.parse() {
            return Ok(Self::Uid(uid));
        }
        text.parse()
            .map(Self::Hotkey)
            .map_err(|error| format!("{text:?} is neither a uid nor a hotkey: {error}"))
    }
}

/// Runs the command; `Ok(false)` when the answer is no.
pub(crate) async fn run(networks: &dyn Networks, command: ChainCommand, json: bool) -> anyhow::Result<bool> {
    match command {
        ChainCommand::Head(args) => read::head(networks, &args.config, json).await.map(|()| true),
        ChainCommand::Metagraph(args) => read::metagraph(networks, &args.config, json).await.map(|()| true),
        ChainCommand::Commitment(CommitmentCommand::Get(args)) => {
            read::commitment(networks, &args.config, args.who, json).await
        }
        ChainCommand::Commitment(CommitmentCommand::Set(args)) => {
            write::commitment(networks, &args, json).await
        }
        ChainCommand::Weights(WeightsCommand::Get(args)) => {
            read::weights(networks, &args.config, args.who, json).await
        }
        ChainCommand::Weights(WeightsCommand::Set(args)) => write::weights(networks, &args, json).await,
        ChainCommand::RegisterCost(args) => {
            read::register_cost(networks, &args.config, json).await.map(|()| true)
        }
        ChainCommand::Runtime(args) => read::runtime(networks, &args.config, args.all, json).await,
        ChainCommand::Standing(args) => read::standing(networks, &args.config, args.who, json).await,
        ChainCommand::Intents(args) => read::intents(&args, json).map(|()| true),
        ChainCommand::Explain { name } => explain(name.as_deref(), json),
    }
}

fn explain(name: Option<&str>, json: bool) -> anyhow::Result<bool> {
    let all = errors::MODULE_ERRORS.iter().chain(errors::pool_errors());
    let asked = |known: &str| name.is_none_or(|name| known.eq_ignore_ascii_case(name));
    let found: Vec<_> = all.filter(|class| asked(class.name)).collect();
    if json {
        tell_json(&found)?;
    } else {
        for class in &found {
            let again = match class.again {
                RetryClass::Later { after_blocks } => format!("try again after {after_blocks} blocks"),
                RetryClass::Never => "trying again does not help".into(),
                RetryClass::Reconnect => "tried again at once".into(),
            };
            tell(&format!("{}: {}; {}. {again}.", class.name, class.explanation, class.remedy));
        }
        if let (Some(name), true) = (name, found.is_empty()) {
            tell(&format!("this build does not know an error {name:?}"));
        }
    }
    Ok(!found.is_empty())
}

#[expect(clippy::print_stdout, reason = "the result of a program for people")]
pub(crate) fn tell(line: &str) {
    println!("{line}");
}

/// One JSON value.
pub(crate) fn tell_json(value: &impl Serialize) -> anyhow::Result<()> {
    tell(&serde_json::to_string_pretty(value)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_name_participants_by_number_or_address() {
        assert_eq!("17".parse(), Ok(Who::Uid(17)));
        let alice = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
        assert_eq!(alice.parse(), Ok(Who::Hotkey(alice.parse().unwrap())));
        assert!("70000".parse::<Who>().unwrap_err().contains("neither"));
    }
}
