//! Lines of `btcli` that the repository prints or tells, held against the options of the real one.
//!
//! What operators paste must work as it stands: the command is there, every option is one of its own, and none that it
//! demands is left out. The table is made by `fixtures/scripts/btcli_commands.py` from the package that it is named after.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

/// Commands of the package that our lines are for.
const TABLE: &str = "fixtures/btcli/bittensor-11.3.0.json";

/// Where a line ends, in sources and pages.
const ENDS: [char; 7] = ['`', '"', '#', ';', '|', ',', ')'];

/// Groups of commands, of which a mention begins a line. Others are words about the program.
const GROUPS: [&str; 10] = ["subnets", "subnet", "s", "wallet", "w", "stake", "st", "weights", "wt", "sudo"];

#[derive(Debug)]
struct Known {
    options: Vec<String>,
    required: Vec<String>,
}

/// Problems in the lines of these files.
///
/// # Errors
/// When the table or a file cannot be read.
pub(super) fn check(root: &Path, files: &[PathBuf]) -> Result<Vec<String>> {
    let table = std::fs::read_to_string(root.join(TABLE)).with_context(|| format!("read {TABLE}"))?;
    let known = known(&table)?;
    let mut problems = Vec::new();
    for file in files {
        let told = file
            .extension()
            .is_some_and(|kind| ["rs", "md", "sh", "toml", "service"].iter().any(|is| kind == *is));
        // The rule itself and what it is made of hold lines that are wrong on purpose.
        if !told
            || file.ends_with("tidy/btcli.rs")
            || file.starts_with("fixtures")
            || file.starts_with("findings")
        {
            continue;
        }
        let Ok(text) = std::fs::read_to_string(root.join(file)) else { continue };
        problems.extend(lines(&text).filter_map(|line| {
            Some(format!("{}: `btcli {line}`: {}", file.display(), wrong(&known, &line)?))
        }));
    }
    Ok(problems)
}

fn known(table: &str) -> Result<BTreeMap<String, Known>> {
    let table: Value = serde_json::from_str(table).with_context(|| format!("read {TABLE}"))?;
    let list = |value: &Value| {
        let words = value.as_array().map(Vec::as_slice).unwrap_or_default();
        words.iter().filter_map(|word| word.as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    let commands = table["commands"].as_object().with_context(|| format!("{TABLE} has no commands"))?;
    let entry = |(name, value): (&String, &Value)| {
        (name.clone(), Known { options: list(&value["options"]), required: list(&value["required"]) })
    };
    Ok(commands.iter().map(entry).collect())
}

/// Every mention that begins a command, to its end; lines that a source breaks are put together.
fn lines(text: &str) -> impl Iterator<Item = String> {
    let mut joined = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(place) = rest.find("\\\n") {
        joined.push_str(&rest[..place]);
        rest = rest[place + 2..].trim_start();
    }
    joined.push_str(rest);
    let mentions: Vec<String> = joined
        .match_indices("btcli ")
        .map(|(place, word)| {
            let line = joined[place + word.len()..].lines().next().unwrap_or_default();
            line.split(ENDS).next().unwrap_or_default().trim().to_owned()
        })
        .filter(|line| GROUPS.contains(&line.split_whitespace().next().unwrap_or_default()))
        .collect();
    mentions.into_iter()
}

/// What is wrong with a line; `None` when it works.
fn wrong(known: &BTreeMap<String, Known>, line: &str) -> Option<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let command = words.get(..2).unwrap_or(&words).join(" ");
    let Some(known) = known.get(&command) else {
        return Some(format!("no such command in {TABLE}; add it there if the package has it"));
    };
    let given: Vec<&str> =
        words.iter().filter(|word| word.starts_with('-')).map(|word| word.trim_end_matches('.')).collect();
    let flag = |word: &str| word.split('=').next().unwrap_or_default().to_owned();
    if let Some(odd) = given.iter().find(|word| !known.options.contains(&flag(word))) {
        return Some(format!("no option {odd}"));
    }
    // `--amount` is another name of `--amount-tao`.
    let has = |wanted: &String| {
        given.iter().any(|word| *wanted == flag(word) || wanted.starts_with(&format!("{}-", flag(word))))
    };
    let missing = known.required.iter().find(|wanted| !has(wanted) && !given.contains(&"--help"));
    missing.map(|missing| format!("without {missing}, which it demands"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> BTreeMap<String, Known> {
        known(include_str!("../../../fixtures/btcli/bittensor-11.3.0.json")).unwrap()
    }

    #[test]
    fn lines_that_work_pass_and_others_are_named() {
        let known = table();
        let says = |line: &str| wrong(&known, line).unwrap_or_default();
        assert_eq!(says("subnets register --netuid 81 --network finney --wallet c --wallet-hotkey h"), "");
        assert_eq!(says("wallet regen-coldkeypub --wallet c --ss58 5G --public-key 0x00"), "");
        assert_eq!(says("stake add --netuid 81 --amount 3 --hotkey 5G"), "");
        assert_eq!(says("subnets register --netuid 81 --wallet.name c"), "no option --wallet.name");
        assert!(says("subnet register --netuid 81").contains("no such command"));
        assert!(says("wallet regen_coldkeypub --wallet c").contains("no such command"));
        assert_eq!(
            says("wallet regen-coldkeypub --wallet c --ss58 5G"),
            "without --public-key, which it demands"
        );
        assert_eq!(says("stake add"), "without --amount-tao, which it demands");
    }

    #[test]
    fn mentions_are_found_in_sources_and_pages() {
        let source = "format!(\"run btcli subnets register --netuid {n} --network finney \\\n   --wallet {c}  {PACKAGE}\")";
        let found: Vec<String> = lines(source).collect();
        assert_eq!(found, ["subnets register --netuid {n} --network finney --wallet {c}  {PACKAGE}"]);
        assert_eq!(
            lines("the btcli of bittensor 11, or `btcli wallet list`").collect::<Vec<_>>(),
            ["wallet list"]
        );
        assert_eq!(lines("printed btcli lines").count(), 0);
    }
}
