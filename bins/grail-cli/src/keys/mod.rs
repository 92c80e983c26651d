//! `grail keys`: the hotkeys in the folder of wallets: which there are, whose they are, new ones, and signatures by hand.
//!
//! The coldkey is never asked for.

pub(crate) mod args;
mod list;
mod message;
mod new;
mod show;
mod sign;
mod verify;

use clap::Subcommand;
use serde::Serialize;

/// What to do with hotkeys.
#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Every wallet and hotkey in the folder of wallets, with its address. Needs no password.
    List(list::ListArgs),
    /// One hotkey: its address, its file, how that is kept, and whether others may read it.
    Show(show::ShowArgs),
    /// Make a hotkey, from new words or from those that you have. Never overwrites one.
    ///
    /// New words are shown once, and stand in the hotkey's file; who has them has the key. The file has mode 600 and the
    /// form that Bittensor's own tools read. `--encrypt` asks for a password, and whoever starts the miner needs it then.
    ///
    /// Examples:
    ///   grail keys new --wallet-cold main --wallet-hot miner1
    ///   grail keys new --wallet-hot miner2 --encrypt
    ///   grail keys new --wallet-hot old --import -        (words, a seed, or a URI such as //Alice//1 from standard input)
    #[command(verbatim_doc_comment)]
    New(new::NewArgs),
    /// Sign a text or a file as a hotkey.
    ///
    /// What is signed is H("grail/1 message", bytes), so that no such signature can pass for one over a window file or a
    /// call of the chain. `--plain` signs the bytes themselves, as the Python wallet does: look at them first.
    ///
    /// Examples:
    ///   grail keys sign --message "this hotkey is mine"
    ///   grail keys sign --file statement.txt --json
    ///   grail keys sign --message x --signer /run/grail/signer.sock
    #[command(verbatim_doc_comment)]
    Sign(sign::SignArgs),
    /// Whether a hotkey signed a text or a file. Exit code 0: it did; 1: it did not.
    ///
    /// Example:
    ///   grail keys verify --hotkey 5Grw… --message "this hotkey is mine" --signature 0x…
    #[command(verbatim_doc_comment)]
    Verify(verify::VerifyArgs),
}

/// Runs the command; `Ok(false)` when a signature does not hold.
pub(crate) fn run(command: &KeysCommand, json: bool) -> anyhow::Result<bool> {
    match command {
        KeysCommand::List(args) => list::run(args, json).map(|()| true),
        KeysCommand::Show(args) => show::run(args, json).map(|()| true),
        KeysCommand::New(args) => new::run(args, json).map(|()| true),
        KeysCommand::Sign(args) => sign::run(args, json).map(|()| true),
        KeysCommand::Verify(args) => verify::run(args, json),
    }
}

#[expect(clippy::print_stdout, reason = "the result of a program for people")]
fn show(text: &str) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "advice beside the result")]
fn advise(text: &str) {
    eprintln!("{text}");
}

/// One JSON value on standard output.
fn show_json(value: &impl Serialize) -> anyhow::Result<()> {
    show(&serde_json::to_string_pretty(value)?);
    Ok(())
}
