//! Makes and opens hotkeys for `fixtures/scripts/wallets_of_others.py`; people have `grail keys`.
//!
//! ```sh
//! cargo run -p grail-wallet --example keys -- new ROOT COLD HOT draw|URI [PASSWORD]
//! cargo run -p grail-wallet --example keys -- open ROOT COLD HOT [PASSWORD]
//! cargo run -p grail-wallet --example keys -- coldkey ROOT COLD
//! ```
//!
//! Each prints an address.

#![expect(clippy::print_stdout, reason = "an address is printed")]

use grail_wallet::{Wallet, secret::Words, wallet::KeyOrigin};
use std::{io, path::Path};
use zeroize::Zeroizing;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let address =
        match words.as_slice() {
            ["new", root, cold, hot, origin, password @ ..] => {
                let origin = match *origin {
                    "draw" => KeyOrigin::Draw(Words::Twelve),
                    uri => KeyOrigin::Import(Zeroizing::new(uri.to_owned())),
                };
                Wallet::new(Path::new(root), cold, hot)?.create(&origin, password.first().copied())?.hotkey
            }
            ["open", root, cold, hot, password @ ..] => {
                let mut ask = || match password.first() {
                    Some(word) => Ok(Zeroizing::new((*word).to_owned())),
                    None => Err(io::Error::other("no password was given")),
                };
                Wallet::new(Path::new(root), cold, hot)?.unlock(&mut ask)?.hotkey()
            }
            ["coldkey", root, cold] => {
                let wallets = Wallet::list(Path::new(root))?;
                let coldkey =
                    wallets.iter().find(|wallet| wallet.cold == *cold).and_then(|wallet| wallet.coldkey);
                coldkey.ok_or("its public file names no coldkey")?
            }
            _ => return Err(
                "new ROOT COLD HOT draw|URI [PASSWORD], open ROOT COLD HOT [PASSWORD], or coldkey ROOT COLD"
                    .into(),
            ),
        };
    println!("{address}");
    Ok(())
}
