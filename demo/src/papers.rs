//! What is printed of the command lines: man pages, and completions for shells.
//!
//! It stands in this program, since this one alone reaches the command lines of all the others.

use anyhow::Context as _;
use clap::{Command, CommandFactory as _};
use clap_complete::Shell;
use grail_programs::{mine, train, validate};
use std::path::Path;

/// Every program with its command line; the first word of each is its name.
pub fn programs() -> Vec<(&'static str, Command)> {
    vec![
        ("grail", grail_cli::command()),
        ("grail-miner", mine::MineCli::command()),
        ("grail-validator", validate::ValidateCli::command()),
        ("grail-trainer", train::TrainCli::command()),
        ("grail-devnet", crate::Cli::command()),
    ]
}

/// Writes them: a man page a command and subcommand, a file of completions a program and shell.
pub(crate) fn write(dir: &Path) -> anyhow::Result<()> {
    let made = |name: &str| {
        let folder = dir.join(name);
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("make the folder {}", folder.display()))
            .map(|()| folder)
    };
    for (name, command) in programs() {
        let man = made("man")?;
        clap_mangen::generate_to(command.clone(), &man)
            .with_context(|| format!("write the man pages of {name} into {}", man.display()))?;
        for (shell, folder) in [(Shell::Bash, "bash"), (Shell::Zsh, "zsh"), (Shell::Fish, "fish")] {
            let folder = made(folder)?;
            clap_complete::generate_to(shell, &mut command.clone(), name, &folder)
                .with_context(|| format!("write completions of {name} into {}", folder.display()))?;
        }
    }
    Ok(())
}
