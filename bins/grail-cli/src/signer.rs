//! `grail signer`: a process that holds a hotkey and signs only what it is told to.

use crate::keys::args::{PasswordArgs, WalletArgs};
use anyhow::Context as _;
use clap::Args;
use grail_wallet::signer::{self, Server, ServerSettings, rules::Rules};
use std::{path::PathBuf, time::Duration};

/// What the signer signs, and where it listens.
#[derive(Debug, Args)]
pub(crate) struct SignerArgs {
    /// The socket, in a folder of your own with mode 700. One that a dead signer left is replaced.
    #[arg(long, value_name = "SOCKET")]
    socket: PathBuf,

    #[command(flatten)]
    wallet: WalletArgs,

    #[command(flatten)]
    password: PasswordArgs,

    /// What of GRAIL is signed: file (a miner's windows), verdicts and bundle (a validator's), manifest (a trainer's
    /// checkpoints), message (`grail keys sign`).
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "LABELS",
        default_value = "file,verdicts,manifest,bundle,message"
    )]
    labels: Vec<String>,

    /// Calls of the chain that are signed, none by default: set_commitment, set_weights, set_mechanism_weights,
    /// commit_timelocked_weights, commit_timelocked_mechanism_weights, commit_weights, reveal_weights, commit_crv3_weights;
    /// or NAME=HEX with the bytes that the call must begin with (index of the pallet, index of the call, …).
    #[arg(long, value_delimiter = ',', value_name = "CALLS")]
    allow: Vec<String>,

    /// Calls that are named without HEX must be for this subnet.
    #[arg(long, value_name = "N", requires = "allow")]
    netuid: Option<u16>,

    /// Calls must be for the chain with this genesis hash.
    #[arg(long, value_name = "HEX", value_parser = genesis, requires = "allow")]
    genesis: Option<[u8; 32]>,

    /// Most seconds of one request.
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=60))]
    patience: u64,
}

/// Serves until it is asked to stop.
pub(crate) async fn run(args: &SignerArgs) -> anyhow::Result<()> {
    let mut rules = Rules::default()
        .only_labels(args.labels.iter().map(String::as_str))?
        .allow(args.allow.iter().map(String::as_str), args.netuid)?;
    if let Some(genesis) = args.genesis {
        rules = rules.on_chain(genesis);
    }
    if let Err(error) = signer::keep_memory_private() {
        tell(&format!("warning: other programs of this user may read this one's memory: {error}"));
    }
    let pair = args.password.unlock(&args.wallet.wallet()?)?;
    let hotkey = pair.hotkey();
    let told = told(&rules);
    let settings = ServerSettings {
        time: Duration::from_secs(args.patience),
        ..ServerSettings::new(args.socket.clone(), rules)
    };
    let server = Server::bind(settings, pair)?;
    tell(&format!("signs as {hotkey} at {}\n{told}", args.socket.display()));
    let stop = server.stop();
    let mut serving = tokio::task::spawn_blocking(move || server.serve());
    tokio::select! {
        ended = &mut serving => ended.context("the signer's thread broke off")??,
        asked = asked_to_stop() => {
            asked?;
            stop.stop();
            serving.await.context("the signer's thread broke off")??;
        }
    }
    Ok(())
}

/// Ctrl-C, or the end of a service.
async fn asked_to_stop() -> anyhow::Result<()> {
    let mut end = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupt = tokio::signal::ctrl_c() => interrupt?,
        _ = end.recv() => {}
    }
    Ok(())
}

/// What is signed, for the operator.
fn told(rules: &Rules) -> String {
    let labels: Vec<&str> = rules.labels().collect();
    let calls: Vec<String> = rules
        .calls()
        .map(|(name, prefix)| {
            format!("{name} (0x{})", prefix.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
        })
        .collect();
    let calls = if calls.is_empty() { "no call of the chain (--allow)".to_owned() } else { calls.join(", ") };
    format!("statements: {}\ncalls: {calls}", labels.join(", "))
}

fn genesis(text: &str) -> Result<[u8; 32], String> {
    let wrong = || format!("a genesis hash is 64 hexadecimal digits, this is {text:?}");
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let digits: Vec<u32> = digits.chars().map(|c| c.to_digit(16)).collect::<Option<_>>().ok_or_else(wrong)?;
    let bytes: Vec<u8> =
        digits.chunks(2).map(|two| two.iter().fold(0, |byte, digit| byte << 4 | *digit as u8)).collect();
    if digits.len() == 64 { bytes.try_into().map_err(|_| wrong()) } else { Err(wrong()) }
}

#[expect(clippy::print_stderr, reason = "what a service says about itself")]
fn tell(text: &str) {
    eprintln!("{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_genesis_hash_is_read_whole() {
        let text = format!("0x{}", "0aF1".repeat(16));
        assert_eq!(genesis(&text).unwrap()[..4], [0x0a, 0xf1, 0x0a, 0xf1]);
        for bad in ["", "0x", "0xzz", &text[..65], &format!("{text}0")] {
            assert!(genesis(bad).unwrap_err().contains("64 hexadecimal"), "{bad}");
        }
    }
}
