//! The hotkey's file.

use super::check::{Finding, Standing};
use grail_config::{Config, table};
use grail_node::local::Networks;
use grail_protocol::words::Hotkey;
use grail_wallet::{Wallet, WalletError};

/// Finds the hotkey, and says who it is. Its secret is not read where the public file tells enough.
pub(crate) fn look(networks: &dyn Networks, config: &Config) -> (Finding, Option<Hotkey>) {
    if let Some(dir) = config.path(&table::DEVNET) {
        return devnet(networks, &dir, config.text(&table::KEY));
    }
    let choice = config.wallet();
    let name = format!("{}/{}", choice.cold, choice.hot);
    let wallet = match Wallet::new(&choice.root, &choice.cold, &choice.hot) {
        Ok(wallet) => wallet,
        Err(error) => {
            let remedy = "correct BT_WALLET_COLD and BT_WALLET_HOT: they are names, not addresses";
            return (Finding::bad("wallet", "wallet-name", error.to_string(), remedy), None);
        }
    };
    let hotkey = match wallet.public() {
        Ok(hotkey) => hotkey,
        Err(error) => return (trouble(&error), None),
    };
    let found = match wallet.open_to_others() {
        Some(mode) => Finding::warning(
            "wallet",
            "wallet-open-to-others",
            format!("{} has mode {mode:o}: others on this machine may use the key", wallet.path().display()),
            format!("chmod 600 {}", wallet.path().display()),
        ),
        None => Finding::good("wallet", format!("{name} is {hotkey}")),
    };
    (found, Some(hotkey))
}

fn trouble(error: &WalletError) -> Finding {
    let told = super::store::chain(error);
    let (code, remedy) = match error {
        WalletError::NotFound { .. } => (
            "wallet-not-found",
            "set BT_WALLET_PATH, BT_WALLET_COLD and BT_WALLET_HOT to those of an existing hotkey, or make one: \
             `grail keys new`",
        ),
        WalletError::PublicUnknown { .. } => {
            ("wallet-encrypted", "write its address into the public file beside it")
        }
        _ => ("wallet-unreadable", "mend the file, or take a copy of it"),
    };
    Finding::bad("wallet", code, told, remedy)
}

fn devnet(networks: &dyn Networks, dir: &std::path::Path, key: Option<&str>) -> (Finding, Option<Hotkey>) {
    let Some(key) = key else {
        let remedy = "set GRAIL_KEY to a name in the network's folder `keys`";
        return (Finding::bad("wallet", "setting-missing", "GRAIL_KEY is not set", remedy), None);
    };
    let read = || anyhow::Ok(networks.local(dir)?.key(key)?.hotkey());
    match read() {
        Ok(hotkey) => (Finding::good("wallet", format!("{key} is {hotkey}")), Some(hotkey)),
        Err(error) => {
            let remedy = "set GRAIL_KEY to a name in the network's folder `keys`";
            (Finding::bad("wallet", "wallet-not-found", format!("{error:#}"), remedy), None)
        }
    }
}

/// The same for the wizard: who the hotkey is, or what is wrong.
pub(crate) fn who(networks: &dyn Networks, config: &Config) -> Result<Hotkey, Finding> {
    match look(networks, config) {
        (finding, Some(hotkey)) if finding.standing != Standing::Bad => Ok(hotkey),
        (finding, _) => Err(finding),
    }
}
