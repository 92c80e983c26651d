//! `grail keys list`: every wallet and hotkey.

use super::{args::FolderArgs, show, show_json};
use clap::Args;
use grail_wallet::{
    Wallet,
    wallet::{ListedHotkey, ListedWallet},
};
use serde::Serialize;
use std::path::Path;

/// Which folder.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    folder: FolderArgs,
}

/// A hotkey, for scripts.
#[derive(Debug, Serialize)]
struct Row {
    cold: String,
    coldkey: Option<String>,
    hot: Option<String>,
    hotkey: Option<String>,
    kept: Option<&'static str>,
    problem: Option<String>,
}

/// Lists.
pub(super) fn run(args: &ListArgs, json: bool) -> anyhow::Result<()> {
    let root = args.folder.root()?;
    let rows: Vec<Row> = Wallet::list(&root)?.iter().flat_map(rows).collect();
    if json {
        return show_json(&rows);
    }
    if rows.is_empty() {
        show(&nothing(&root));
        return Ok(());
    }
    let mut table = tabled::builder::Builder::default();
    table.push_record(["wallet", "hotkey", "kept", "address"]);
    for row in rows {
        let address = row.hotkey.or(row.problem).unwrap_or_default();
        table.push_record([
            row.cold,
            row.hot.unwrap_or_else(|| "none".to_owned()),
            row.kept.unwrap_or("?").to_owned(),
            address,
        ]);
    }
    show(&table.build().with(tabled::settings::Style::modern_rounded()).to_string());
    Ok(())
}

fn nothing(root: &Path) -> String {
    format!("no wallet lies under {}; `grail keys new` makes a hotkey", root.display())
}

/// One row a hotkey; one without hotkey for a wallet that has none.
fn rows(wallet: &ListedWallet) -> Vec<Row> {
    let row = |hotkey: Option<&ListedHotkey>| Row {
        cold: wallet.cold.clone(),
        coldkey: wallet.coldkey.map(|coldkey| coldkey.to_ss58()),
        hot: hotkey.map(|hotkey| hotkey.name.clone()),
        hotkey: hotkey.and_then(|hotkey| hotkey.hotkey.as_ref().ok()).map(|hotkey| hotkey.to_ss58()),
        kept: hotkey.and_then(|hotkey| hotkey.scheme).map(|scheme| scheme.name()),
        problem: hotkey.and_then(|hotkey| hotkey.hotkey.as_ref().err()).map(ToString::to_string),
    };
    if wallet.hotkeys.is_empty() {
        vec![row(None)]
    } else {
        wallet.hotkeys.iter().map(|hotkey| row(Some(hotkey))).collect()
    }
}
