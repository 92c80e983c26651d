//! `grail keys new`: a hotkey that did not exist here.

use super::{
    advise,
    args::{PasswordArgs, WalletArgs},
    show, show_json,
};
use anyhow::Context as _;
use clap::Args;
use grail_node::btcli::PACKAGE;
use grail_wallet::{
    secret::{MOST_URI_BYTES, Words},
    wallet::KeyOrigin,
};
use serde::Serialize;
use std::io::Read;
use zeroize::Zeroizing;

/// What to make.
#[derive(Debug, Args)]
pub(crate) struct NewArgs {
    #[command(flatten)]
    wallet: WalletArgs,

    /// Words of the new mnemonic.
    #[arg(long, value_name = "N", default_value = "12", value_parser = ["12", "24"])]
    words: String,

    /// Take words, a seed (0x…), or a URI with a path from the first line of a file, - for standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "words")]
    import: Option<String>,

    /// Encrypt the file with a password ($NACL, as Bittensor's tools do). Takes 512 MiB for some seconds.
    #[arg(long)]
    encrypt: bool,

    #[command(flatten)]
    password: PasswordArgs,
}

/// A new hotkey, for scripts.
#[derive(Debug, Serialize)]
struct Made<'a> {
    hotkey: String,
    file: String,
    encrypted: bool,
    words: Option<&'a str>,
}

/// Makes.
pub(super) fn run(args: &NewArgs, json: bool) -> anyhow::Result<()> {
    let wallet = args.wallet.wallet()?;
    let origin = match &args.import {
        Some(name) => KeyOrigin::Import(first_line(name)?),
        None if args.words == "24" => KeyOrigin::Draw(Words::TwentyFour),
        None => KeyOrigin::Draw(Words::Twelve),
    };
    let password = args.encrypt.then(|| args.password.choose()).transpose()?;
    let made = wallet.create(&origin, password.as_ref().map(|password| password.as_str()))?;
    let words = made.words.as_ref().map(|words| words.as_str());
    let (hotkey, file) = (made.hotkey.to_ss58(), made.path.display().to_string());
    if json {
        show_json(&Made { hotkey, file, encrypted: args.encrypt, words })?;
    } else {
        show(&format!("hotkey  {hotkey}\nfile    {file}"));
        if let Some(words) = words {
            show(&format!("words   {words}"));
            advise("Write the words down: they are shown this once, and who has them has the key.");
        }
        let (cold, hot) = (wallet.cold(), wallet.hot());
        advise(&format!(
            "To take part, register it: btcli subnets register --netuid N --network finney --wallet {cold} \
             --wallet-hotkey {hot}  {PACKAGE}"
        ));
    }
    if !made.has_coldkey {
        let cold = wallet.cold();
        advise(&format!(
            "There is no coldkeypub.txt of {cold:?} here. Registering needs the coldkey, on the machine that has it. The \
             public file is made here by: btcli wallet regen-coldkeypub --wallet {cold} --ss58 ADDRESS --public-key \
             0xKEY  {PACKAGE}"
        ));
    }
    Ok(())
}

/// The first line of a file or of standard input.
fn first_line(name: &str) -> anyhow::Result<Zeroizing<String>> {
    let source: Box<dyn Read> = match name {
        "-" => Box::new(std::io::stdin()),
        name => Box::new(std::fs::File::open(name).with_context(|| format!("open {name}"))?),
    };
    let most = MOST_URI_BYTES as u64 + 2;
    let mut text = Zeroizing::new(String::with_capacity(MOST_URI_BYTES + 2));
    source.take(most).read_to_string(&mut text).with_context(|| format!("read {name}"))?;
    let line = text.lines().next().unwrap_or_default().trim();
    anyhow::ensure!(
        !line.is_empty(),
        "the first line of {name} is empty; it should be words, a seed, or a URI"
    );
    Ok(Zeroizing::new(line.to_owned()))
}
