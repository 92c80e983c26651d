//! Lines of Bittensor's own command line that operators are asked to run.
//!
//! They are those of the current package, `bittensor`, which holds SDK and command line in one. The older package,
//! `bittensor-cli`, names the wallet otherwise, and no spelling serves both, so the package stands behind each line.
//! `cargo xtask tidy` holds every line of the repository against the options of the real one.

use grail_config::{WalletChoice, networks::NetworkChoice};

/// Which `btcli` is meant; a comment, so that the whole line can be pasted into a shell.
pub const PACKAGE: &str =
    "# btcli of the package bittensor 11; bittensor-cli 9 says --wallet-name for --wallet";

/// Registers the hotkey: asks before it pays, and says the price of the moment.
pub fn register(wallet: &WalletChoice, network: &NetworkChoice) -> String {
    let netuid = network.netuid.map_or("N".to_owned(), |netuid| netuid.to_string());
    let node = match network.name.as_str() {
        name @ ("finney" | "test" | "local") => name,
        _ => network.endpoints.first().map_or("URL", String::as_str),
    };
    let line = format!(
        "btcli subnets register --netuid {netuid} --network {node} --wallet {} --wallet-hotkey {}",
        wallet.cold, wallet.hot
    );
    format!("{line}{}  {PACKAGE}", folder(wallet))
}

/// Writes the public file of a coldkey whose secret is elsewhere. Both its address and its key are asked for.
pub fn regen_coldkeypub(wallet: &WalletChoice) -> String {
    let line =
        format!("btcli wallet regen-coldkeypub --wallet {} --ss58 ADDRESS --public-key 0xKEY", wallet.cold);
    format!("{line}{}  {PACKAGE}", folder(wallet))
}

/// The flag for a folder of wallets that is not Bittensor's own.
fn folder(wallet: &WalletChoice) -> String {
    let own = wallet.root.ends_with(".bittensor/wallets");
    if own { String::new() } else { format!(" --wallet-path {}", wallet.root.display()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use grail_config::networks;

    #[test]
    fn lines_are_those_of_the_current_package() {
        let wallet = |root: &str| WalletChoice { root: root.into(), cold: "cold".into(), hot: "hot".into() };
        let finney = networks::by_name("finney").unwrap();
        let choice = NetworkChoice {
            name: "finney".into(),
            endpoints: finney.endpoints.iter().map(|&node| node.to_owned()).collect(),
            netuid: finney.netuid,
            params: finney.params,
            trainer_uid: finney.trainer_uid,
        };
        let usual = wallet("/home/user/.bittensor/wallets");
        let line = register(&usual, &choice);
        let expected = "btcli subnets register --netuid 81 --network finney --wallet cold --wallet-hotkey hot  # btcli of";
        assert!(line.starts_with(expected), "{line}");
        let own = NetworkChoice {
            name: "ws://node:9944".into(),
            endpoints: vec!["ws://node:9944".into()],
            netuid: None,
            ..choice
        };
        let line = register(&wallet("/srv/keys"), &own);
        let expected =
            "--netuid N --network ws://node:9944 --wallet cold --wallet-hotkey hot --wallet-path /srv/keys";
        assert!(line.contains(expected), "{line}");
        let line = regen_coldkeypub(&usual);
        assert!(line.contains("--wallet cold --ss58 ADDRESS --public-key 0xKEY"), "{line}");
        assert!(!line.contains("--wallet-path"), "{line}");
    }
}
