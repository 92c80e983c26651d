//! Writing, after showing what.

use super::{
    open::{config, journal, open, waiting},
    read::row_table,
    tell, tell_json,
};
use anyhow::{Context as _, bail, ensure};
use clap::Args;
use grail_chain::{DryAnswer, DryRun, commitment, weights};
use grail_config::{Config, flags::ConfigFlags, table};
use grail_node::local::Networks;
use grail_ports::chain::{Inclusion, Uid};
use serde_json::json;
use std::{io::IsTerminal as _, path::PathBuf, str::FromStr};

#[derive(Debug, Args)]
pub(crate) struct CommitArgs {
    /// Text to commit, in place of the read credentials of the settings.
    #[arg(long, conflicts_with = "hex")]
    text: Option<String>,

    /// Bytes to commit, as hexadecimal digits.
    #[arg(long, value_name = "DIGITS")]
    hex: Option<String>,

    #[command(flatten)]
    write: WriteArgs,
}

#[derive(Debug, Args)]
pub(crate) struct WeightsArgs {
    /// Weights, as UID=WEIGHT; only their proportions count.
    #[arg(required = true, value_name = "UID=WEIGHT")]
    weights: Vec<Weight>,

    /// Folder of the journals; by default `intents` in the cache folder.
    #[arg(long, value_name = "DIR")]
    journal: Option<PathBuf>,

    #[command(flatten)]
    write: WriteArgs,
}

#[derive(Debug, Args)]
struct WriteArgs {
    /// Do not ask before sending.
    #[arg(long, short)]
    yes: bool,

    /// Show what the chain would say and store, and send nothing. Exit code 1 when it would be refused.
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,

    #[command(flatten)]
    config: ConfigFlags,
}

/// One weight as people type it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Weight(Uid, f64);

impl FromStr for Weight {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (uid, weight) =
            text.split_once('=').ok_or_else(|| format!("{text:?} is not of the form UID=WEIGHT"))?;
        let uid = uid.parse().map_err(|_| format!("{uid:?} is not a uid, 0 to 65535"))?;
        let weight = weight.parse().map_err(|_| format!("{weight:?} is not a number"))?;
        Ok(Self(uid, weight))
    }
}

pub(crate) async fn commitment(
    networks: &dyn Networks,
    args: &CommitArgs,
    json: bool,
) -> anyhow::Result<bool> {
    let config = config(&args.write.config)?;
    let bytes = what_to_commit(args, &config)?;
    commitment::encode_field(&bytes)?;
    if !json {
        tell(&format!("{} bytes will stand under the hotkey, for everybody to read", bytes.len()));
    }
    if args.write.dry_run {
        let open = open(networks, &config, None, json).await?;
        let tried = match open.rehearsal(&config)? {
            Some(writer) => Some(waiting("trying the commitment", json, writer.try_commit(&bytes)).await?),
            None => None,
        };
        return told_trial(tried.as_ref(), json);
    }
    if !agreed(&args.write, json)? {
        return Ok(false);
    }
    let open = open(networks, &config, None, json).await?;
    let writer = open.writer(&config)?;
    let done = waiting("committing, until the block is final", json, writer.commit(&bytes)).await?;
    told(&done, json)
}

/// What is given, or the read credentials of the settings. Write keys are never published.
fn what_to_commit(args: &CommitArgs, config: &Config) -> anyhow::Result<Vec<u8>> {
    let bytes = match (&args.text, &args.hex) {
        (Some(text), _) => text.clone().into_bytes(),
        (None, Some(digits)) => unhex(digits)?,
        (None, None) => {
            let store = grail_node::store::choose(config).context("the read credentials of the settings")?;
            return Ok(store.read.commitment(&store.write)?.to_vec());
        }
    };
    let secret = config.secret(&table::R2_WRITE_SECRET_ACCESS_KEY).map(|secret| secret.reveal().to_owned());
    let id = config.text(&table::R2_WRITE_ACCESS_KEY_ID).map(str::to_owned);
    for own in [secret, id].into_iter().flatten().filter(|own| !own.is_empty()) {
        let found = bytes.windows(own.len()).any(|some| some == own.as_bytes());
        ensure!(
            !found,
            "this holds the write key of the settings; what is committed can be read by everybody"
        );
    }
    Ok(bytes)
}

fn unhex(digits: &str) -> anyhow::Result<Vec<u8>> {
    let digits = digits.strip_prefix("0x").unwrap_or(digits);
    ensure!(digits.bytes().all(|digit| digit.is_ascii_hexdigit()), "{digits:?} are no hexadecimal digits");
    ensure!(digits.len().is_multiple_of(2), "hexadecimal digits come in pairs");
    let pairs = digits.as_bytes().chunks_exact(2);
    pairs.map(|pair| Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?)).collect()
}

pub(crate) async fn weights(networks: &dyn Networks, args: &WeightsArgs, json: bool) -> anyhow::Result<bool> {
    let config = config(&args.write.config)?;
    let given: Vec<(Uid, f64)> = args.weights.iter().map(|weight| (weight.0, weight.1)).collect();
    let row = weights::to_row(&given)?;
    ensure!(!row.is_empty(), "all weights are zero; the chain takes no empty row");
    if !json {
        tell("the chain will store");
        tell(&row_table(&row));
    }
    if args.write.dry_run {
        // Without the journal, which a running validator holds.
        let open = open(networks, &config, None, json).await?;
        let tried = match open.rehearsal(&config)? {
            Some(writer) => Some(waiting("trying the weights", json, writer.try_weights(&row)).await?),
            None => None,
        };
        return told_trial(tried.as_ref(), json);
    }
    if !agreed(&args.write, json)? {
        return Ok(false);
    }
    let folder = journal(args.journal.as_deref(), &config);
    let open = open(networks, &config, Some(folder), json).await?;
    let writer = open.writer(&config)?;
    let done = waiting("setting weights, until the block is final", json, writer.set_weights(&row)).await?;
    told(&done, json)
}

/// Whether to send. Programs say so by a flag; people are asked.
fn agreed(args: &WriteArgs, json: bool) -> anyhow::Result<bool> {
    if args.yes {
        return Ok(true);
    }
    if json || !std::io::stdin().is_terminal() {
        bail!("nobody can be asked here; --yes sends it");
    }
    Ok(dialoguer::Confirm::new().with_prompt("Send it?").default(false).wait_for_newline(true).interact()?)
}

fn told(done: &Inclusion, json: bool) -> anyhow::Result<bool> {
    let (included, block) = match done {
        Inclusion::Included { block } => (true, block),
        Inclusion::TooSoon { not_before } => (false, not_before),
    };
    if json {
        let name = if included { "block" } else { "not_before" };
        tell_json(&json!({ "version": 1, "included": included, name: block }))?;
    } else if included {
        tell(&format!("it stands in block {block}, for good"));
    } else {
        tell(&format!("too soon: the chain takes it from block {block} on"));
    }
    Ok(included)
}

/// What a write would do; `None` on a network on this machine, which has no check beforehand.
fn told_trial(tried: Option<&DryRun>, json: bool) -> anyhow::Result<bool> {
    let Some(tried) = tried else {
        if json {
            tell_json(&json!({ "version": 1, "sent": false }))?;
        } else {
            tell("a network on this machine stores it as it is; nothing was sent");
        }
        return Ok(true);
    };
    if json {
        tell_json(&json!({ "version": 1, "sent": false, "trial": tried }))?;
        return Ok(tried.answer == DryAnswer::Taken);
    }
    tell(&format!("at block {}, runtime {}:", tried.block, tried.spec));
    if let (Some(call), Some(data)) = (&tried.call, &tried.call_data) {
        tell(&format!("call    {call}, {} bytes: 0x{data}", data.len() / 2));
    }
    if let Some(key) = &tried.key {
        tell(&format!("item    {} at 0x{key}", tried.item));
        tell(&format!(
            "holds   {}",
            tried.before.as_ref().map_or("nothing".into(), |now| format!("0x{now}"))
        ));
    }
    if let Some(after) = &tried.after {
        tell(&format!("then    0x{after}"));
    }
    if let (Some(block), Some(round)) = (tried.opens_in, tried.opens_with) {
        tell(&format!(
            "sealed: it opens in block {block}, with round {round} of drand; until then nothing shows"
        ));
    }
    let taken = match &tried.answer {
        DryAnswer::Taken => "the node's check takes it".to_owned(),
        DryAnswer::TooSoon { not_before } => {
            format!("too soon: the chain takes it from block {not_before} on")
        }
        DryAnswer::Refused { why } => format!("refused: {why}"),
    };
    tell(&format!("{taken}; nothing was sent"));
    Ok(tried.answer == DryAnswer::Taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_typed_as_pairs() {
        assert_eq!("3=0.5".parse(), Ok(Weight(3, 0.5)));
        for odd in ["3", "x=1", "3=x", "70000=1", "=1"] {
            assert!(odd.parse::<Weight>().is_err(), "{odd}");
        }
    }

    #[test]
    fn digits_become_bytes() {
        assert_eq!(unhex("0x00ff").unwrap(), [0, 255]);
        for odd in ["0", "zz", "é", "+1"] {
            assert!(unhex(odd).is_err(), "{odd}");
        }
    }
}
