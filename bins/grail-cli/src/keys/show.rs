//! `grail keys show`: one hotkey.

use super::{
    advise,
    args::{PasswordArgs, WalletArgs},
    show, show_json,
};
use clap::Args;
use serde::Serialize;

/// Which hotkey.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    wallet: WalletArgs,

    /// Open the hotkey too, with its password where it has one: whether the secret is there and belongs to the address.
    #[arg(long)]
    unlock: bool,

    #[command(flatten)]
    password: PasswordArgs,
}

/// A hotkey, for scripts.
#[derive(Debug, Serialize)]
struct Shown {
    cold: String,
    hot: String,
    hotkey: String,
    public_key: String,
    file: String,
    kept: &'static str,
    /// Permission bits in octal, where others may read the file.
    open_to_others: Option<String>,
    unlocked: bool,
}

/// Shows.
pub(super) fn run(args: &ShowArgs, json: bool) -> anyhow::Result<()> {
    let wallet = args.wallet.wallet()?;
    let hotkey = if args.unlock { args.password.unlock(&wallet)?.hotkey() } else { wallet.public()? };
    let shown = Shown {
        cold: wallet.cold().to_owned(),
        hot: wallet.hot().to_owned(),
        hotkey: hotkey.to_ss58(),
        public_key: format!("0x{}", hex(hotkey.as_bytes())),
        file: wallet.path().display().to_string(),
        kept: wallet.scheme()?.name(),
        open_to_others: wallet.open_to_others().map(|mode| format!("{mode:o}")),
        unlocked: args.unlock,
    };
    if json {
        return show_json(&shown);
    }
    let secret =
        if shown.unlocked { "opens, and belongs to the address" } else { "not looked at (--unlock)" };
    let lines = [
        ("wallet", format!("{}/{}", shown.cold, shown.hot)),
        ("address", shown.hotkey),
        ("public key", shown.public_key),
        ("file", shown.file.clone()),
        ("kept", shown.kept.to_owned()),
        ("secret", secret.to_owned()),
    ];
    for (name, value) in lines {
        show(&format!("{name:<12}{value}"));
    }
    if let Some(mode) = shown.open_to_others {
        advise(&format!("others on this machine may read it (mode {mode}): chmod 600 {:?}", shown.file));
    }
    Ok(())
}

/// Hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
