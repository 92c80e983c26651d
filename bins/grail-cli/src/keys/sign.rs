//! `grail keys sign`: a signature by hand.

use super::{
    args::{self, PasswordArgs, WalletArgs},
    message::MessageArgs,
    show,
    show::hex,
    show_json,
};
use clap::Args;
use grail_protocol::sign::Statement;
use grail_wallet::signer::{Signer, sign_here};
use serde::Serialize;
use std::path::PathBuf;

/// Who signs what.
#[derive(Debug, Args)]
pub(crate) struct SignArgs {
    #[command(flatten)]
    message: MessageArgs,

    #[command(flatten)]
    wallet: WalletArgs,

    #[command(flatten)]
    password: PasswordArgs,

    /// Ask the signer at this socket in place of opening the wallet. It signs no plain bytes.
    #[arg(long, value_name = "SOCKET", conflicts_with = "plain")]
    signer: Option<PathBuf>,
}

/// A signature, for scripts.
#[derive(Debug, Serialize)]
struct Signed {
    hotkey: String,
    form: &'static str,
    bytes: usize,
    signature: String,
}

/// Signs.
pub(super) fn run(args: &SignArgs, json: bool) -> anyhow::Result<()> {
    let bytes = args.message.bytes()?;
    let signer = args::signer(args.signer.as_deref(), &args.wallet, &args.password)?;
    let signature = match &signer {
        Signer::Pair(pair) if args.message.is_plain() => sign_here(pair, &bytes)?,
        signer => signer.sign(&Statement::message(&bytes))?,
    };
    let signed = Signed {
        hotkey: signer.hotkey().to_ss58(),
        form: args.message.form(),
        bytes: bytes.len(),
        signature: format!("0x{}", hex(signature.as_bytes())),
    };
    if json {
        return show_json(&signed);
    }
    show(&format!(
        "hotkey     {}\nform       {}\nsignature  {}",
        signed.hotkey, signed.form, signed.signature
    ));
    Ok(())
}
