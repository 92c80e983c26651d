//! `grail keys verify`: whether a signature holds.

use super::{message::MessageArgs, show, show_json};
use clap::Args;
use grail_protocol::{
    sign::{Signature, verify},
    words::Hotkey,
};
use serde::Serialize;

/// Whose signature over what.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    message: MessageArgs,

    /// Who is said to have signed.
    #[arg(long, value_name = "SS58")]
    hotkey: Hotkey,

    /// The signature: 128 hexadecimal digits, with or without 0x.
    #[arg(long, value_name = "HEX", value_parser = signature)]
    signature: Signature,
}

/// The answer, for scripts.
#[derive(Debug, Serialize)]
struct Answer {
    hotkey: String,
    form: &'static str,
    valid: bool,
}

/// Checks.
pub(super) fn run(args: &VerifyArgs, json: bool) -> anyhow::Result<bool> {
    let bytes = args.message.bytes()?;
    let valid = verify(&args.hotkey, &args.message.signed(&bytes), &args.signature);
    if json {
        show_json(&Answer { hotkey: args.hotkey.to_ss58(), form: args.message.form(), valid })?;
    } else if valid {
        show(&format!("valid: {} signed this ({})", args.hotkey, args.message.form()));
    } else {
        show(&format!(
            "NOT valid: {} did not sign this as {}; was it signed {} --plain?",
            args.hotkey,
            args.message.form(),
            if args.message.is_plain() { "without" } else { "with" }
        ));
    }
    Ok(valid)
}

fn signature(text: &str) -> Result<Signature, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let json = serde_json::Value::String(digits.to_owned());
    serde_json::from_value(json).map_err(|_| {
        format!("a signature is 128 hexadecimal digits, this has {} characters", digits.chars().count())
    })
}
