//! Which wallet, and its password.

use anyhow::Context as _;
use clap::Args;
use grail_config::{
    Config,
    flags::ConfigFlags,
    table::{self, Setting},
};
use grail_node::signer::{SIGNER_TIME, password};
use grail_protocol::sign::HotkeyPair;
use grail_wallet::{
    Wallet,
    signer::{Signer, SocketSigner},
};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Where wallets lie. Unset flags follow the variables, `.env` and `grail.toml`, as everywhere.
#[derive(Debug, Clone, Args)]
pub(crate) struct FolderArgs {
    /// Folder of wallets; by default ~/.bittensor/wallets [BT_WALLET_PATH]
    #[arg(long, visible_alias = "wallet-root", alias = "wallet.path", value_name = "DIR")]
    wallet_path: Option<String>,
}

/// One hotkey.
#[derive(Debug, Clone, Args)]
pub(crate) struct WalletArgs {
    /// Name of the wallet, which is that of its coldkey; by default `default` [BT_WALLET_COLD]
    #[arg(long, visible_alias = "wallet.name", aliases = ["wallet", "wallet-name"], value_name = "NAME")]
    wallet_cold: Option<String>,

    /// Name of the hotkey in it; by default `default` [BT_WALLET_HOT]
    #[arg(long, visible_alias = "wallet.hotkey", alias = "wallet-hotkey", value_name = "NAME")]
    wallet_hot: Option<String>,

    #[command(flatten)]
    folder: FolderArgs,
}

/// How an encrypted hotkey opens.
#[derive(Debug, Clone, Args)]
pub(crate) struct PasswordArgs {
    /// File whose first line is the password; without it the password is asked for [GRAIL_WALLET_PASSWORD_FILE]
    #[arg(long, visible_alias = "wallet-password-file", value_name = "FILE")]
    password_file: Option<String>,
}

fn config(given: Vec<(&'static Setting, &Option<String>)>) -> anyhow::Result<Config> {
    let given = given.into_iter().filter_map(|(setting, value)| Some((setting, value.clone()?))).collect();
    ConfigFlags::given(given).config().context("read the configuration")
}

impl FolderArgs {
    /// The folder of wallets.
    pub(crate) fn root(&self) -> anyhow::Result<PathBuf> {
        Ok(config(vec![(&table::WALLET_PATH, &self.wallet_path)])?.wallet().root)
    }
}

impl WalletArgs {
    /// The wallet by its place; nothing is read.
    pub(crate) fn wallet(&self) -> anyhow::Result<Wallet> {
        let choice = config(vec![
            (&table::WALLET_PATH, &self.folder.wallet_path),
            (&table::WALLET_COLD, &self.wallet_cold),
            (&table::WALLET_HOT, &self.wallet_hot),
        ])?
        .wallet();
        Ok(Wallet::new(&choice.root, &choice.cold, &choice.hot)?)
    }
}

impl PasswordArgs {
    /// The file of the password, where one is named.
    pub(crate) fn file(&self) -> anyhow::Result<Option<PathBuf>> {
        Ok(config(vec![(&table::WALLET_PASSWORD_FILE, &self.password_file)])?
            .path(&table::WALLET_PASSWORD_FILE))
    }

    /// Opens a wallet, and asks for its password where it needs one.
    pub(crate) fn unlock(&self, wallet: &Wallet) -> anyhow::Result<HotkeyPair> {
        let file = self.file()?;
        let prompt = format!("Password of hotkey {}/{}: ", wallet.cold(), wallet.hot());
        let mut ask = || password(file.as_deref(), &prompt);
        Ok(wallet.unlock(&mut ask)?)
    }

    /// A password for a new file: from the file, or asked for twice.
    pub(crate) fn choose(&self) -> anyhow::Result<Zeroizing<String>> {
        let file = self.file()?;
        let first = password(file.as_deref(), "Password for the new hotkey: ").context("get a password")?;
        anyhow::ensure!(
            !first.is_empty(),
            "an empty password protects nothing; leave out --encrypt to keep the file plain"
        );
        if file.is_none() {
            let second = password(None, "The same once more: ").context("get a password")?;
            anyhow::ensure!(first == second, "these are two different passwords; nothing was made");
        }
        Ok(first)
    }
}

/// Signs with the wallet's key, or by the signer at a socket.
pub(crate) fn signer(
    socket: Option<&Path>,
    wallet: &WalletArgs,
    password: &PasswordArgs,
) -> anyhow::Result<Signer> {
    match socket {
        Some(socket) => Ok(Signer::Socket(SocketSigner::connect(socket, SIGNER_TIME)?)),
        None => Ok(Signer::Pair(password.unlock(&wallet.wallet()?)?)),
    }
}
