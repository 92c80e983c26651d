//! Who signs, by the settings: the wallet's hotkey, or another process that holds it.

use grail_config::{Config, table};
use grail_wallet::{
    Wallet,
    signer::{Signer, SocketSigner},
};
use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
    time::Duration,
};
use zeroize::Zeroizing;

/// A password is one line.
const PASSWORD_BYTES: u64 = 4_096;
/// A signer answers in milliseconds; one that does not within this is in trouble.
pub const SIGNER_TIME: Duration = Duration::from_secs(10);

/// The process at a socket where one is set, else the wallet's hotkey, opened once; its password is asked for
/// where it has one. The coldkey is never read.
///
/// Errors: no signer answers there; the wallet gives no key, with what to do.
pub fn signer(config: &Config) -> anyhow::Result<Signer> {
    if let Some(socket) = config.path(&table::SIGNER) {
        return Ok(Signer::Socket(SocketSigner::connect(&socket, SIGNER_TIME)?));
    }
    let choice = config.wallet();
    let wallet = Wallet::new(&choice.root, &choice.cold, &choice.hot)?;
    let file = config.path(&table::WALLET_PASSWORD_FILE);
    let prompt = format!("Password of hotkey {}/{}: ", wallet.cold(), wallet.hot());
    Ok(Signer::Pair(wallet.unlock(&mut || password(file.as_deref(), &prompt))?))
}

/// The first line of a file, or what a person types unseen.
///
/// Errors: a file that cannot be read, by its name; no terminal to ask at.
pub fn password(file: Option<&Path>, prompt: &str) -> io::Result<Zeroizing<String>> {
    let Some(path) = file else {
        return rpassword::prompt_password(prompt).map(Zeroizing::new).map_err(|error| {
            let told = format!(
                "there is no terminal to ask at ({error}); name a file with {}",
                table::WALLET_PASSWORD_FILE.variable
            );
            io::Error::new(error.kind(), told)
        });
    };
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let mut text = Zeroizing::new(String::with_capacity(PASSWORD_BYTES as usize));
    File::open(path).map_err(named)?.take(PASSWORD_BYTES).read_to_string(&mut text).map_err(named)?;
    Ok(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned()))
}
