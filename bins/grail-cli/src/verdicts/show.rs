//! Verdict files for people and for scripts.

use super::read::{Judge, VerdictLook};
use grail_artifact::verdict::{FileVerdict, RefusalReason};
use grail_protocol::words::Hotkey;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tabled::{builder::Builder, settings::Style};

/// Reasons that people are shown of one file.
const SHOWN_REASONS: usize = 8;

/// One verdict file, for scripts.
fn as_json(look: &VerdictLook, miner: Option<&Hotkey>) -> Option<Value> {
    let file = look.file()?;
    let files: Vec<&FileVerdict> =
        file.files.iter().filter(|one| miner.is_none_or(|miner| one.hotkey == *miner)).collect();
    Some(json!({
        "validator": look.judge.hotkey, "uid": look.judge.uid, "stake": look.judge.stake,
        "window": look.window, "format": file.version, "checkpoint": file.checkpoint, "env": file.env, "files": files,
    }))
}

#[derive(Serialize)]
struct Trouble<'a> {
    validator: Hotkey,
    window: u64,
    reason: &'a str,
}

/// Everything at once.
pub(super) fn all(
    looks: &[VerdictLook],
    judges: &[Judge],
    miner: Option<&Hotkey>,
    as_objects: bool,
) -> anyhow::Result<()> {
    if as_objects {
        let verdicts: Vec<Value> = looks.iter().filter_map(|look| as_json(look, miner)).collect();
        let troubles: Vec<Trouble<'_>> = looks
            .iter()
            .filter_map(|look| {
                let reason = look.found.as_ref().err()?;
                Some(Trouble { validator: look.judge.hotkey, window: look.window.0, reason })
            })
            .collect();
        let value = json!({ "version": 1, "validators": judges, "verdicts": verdicts, "unread": troubles });
        say(&serde_json::to_string_pretty(&value)?);
        return Ok(());
    }
    for look in looks {
        if look.file().is_some() {
            say(&in_words(look, miner));
        }
    }
    say(&summary(looks, judges));
    Ok(())
}

/// What is new, one object or one block of lines each.
pub(super) fn follow(looks: &[VerdictLook], miner: Option<&Hotkey>, as_objects: bool) -> anyhow::Result<()> {
    for look in looks {
        if as_objects {
            say(&serde_json::to_string(&as_json(look, miner))?);
        } else {
            say(&in_words(look, miner));
        }
    }
    Ok(())
}

fn summary(looks: &[VerdictLook], judges: &[Judge]) -> String {
    let found = looks.iter().filter(|look| look.file().is_some()).count();
    // Of each validator one reason: a bucket out of reach is out of reach for every window.
    let mut unread: BTreeMap<Hotkey, &str> = BTreeMap::new();
    for look in looks {
        if let Err(reason) = &look.found {
            unread.entry(look.judge.hotkey).or_insert(reason);
        }
    }
    let mut text = match (judges.len(), found) {
        (0, _) => "no validator has a permit on this subnet".to_owned(),
        (judges, 0) => format!(
            "0 verdict files of {judges} validators: a window is judged after its end, and --windows N looks further back"
        ),
        (judges, found) => format!("{found} verdict files of {judges} validators"),
    };
    for (validator, reason) in unread {
        text.push_str(&format!("\n  {validator}: {reason}"));
    }
    text
}

/// The head of a file, a table of all miners or the lines of one.
fn in_words(look: &VerdictLook, miner: Option<&Hotkey>) -> String {
    let Some(file) = look.file() else { return String::new() };
    let uid = look.judge.uid.map_or("not registered".to_owned(), |uid| format!("uid {uid}"));
    let head = format!("window {} ({}) by {} ({uid}):", look.window, file.env, look.judge.hotkey);
    match miner {
        None => format!("{head}\n{}", table(&file.files)),
        Some(miner) => match look.on(miner) {
            None => format!("{head} no file of {miner} was found"),
            Some(one) => format!("{head} {}{}", line(one), reasons(one)),
        },
    }
}

fn table(files: &[FileVerdict]) -> String {
    let mut table = Builder::default();
    table.push_record(["miner", "proven", "counted", "right", "unique", "refused", "undecided"]);
    for file in files {
        let counts = |value: &dyn Fn(&grail_artifact::verdict::FileCounts) -> String| {
            file.counts.as_ref().map_or_else(|| "–".to_owned(), value)
        };
        table.push_record([
            file.hotkey.to_string(),
            counts(&|counts| format!("{} of {}", counts.checked, counts.groups)),
            counts(&|counts| counts.valid.to_string()),
            counts(&|counts| counts.right.to_string()),
            counts(&|counts| counts.unique.to_string()),
            coded(&file.refused),
            coded(&file.undecided),
        ]);
    }
    table.build().with(Style::modern_rounded()).to_string()
}

/// `sketch-rms 16, draw-margin 2`.
fn coded(counts: &BTreeMap<String, u64>) -> String {
    let listed: Vec<String> = counts.iter().map(|(code, count)| format!("{code} {count}")).collect();
    if listed.is_empty() { "–".to_owned() } else { listed.join(", ") }
}

/// The verdict on one file in a line.
pub(crate) fn line(file: &FileVerdict) -> String {
    let mut text = match &file.counts {
        Some(counts) => format!(
            "{} of {} groups proven, {} rollouts count, {} right ({} different)",
            counts.checked, counts.groups, counts.valid, counts.right, counts.unique
        ),
        None => format!("{} groups accepted", file.groups.len()),
    };
    for (word, counts) in [("refused", &file.refused), ("undecided", &file.undecided)] {
        if !counts.is_empty() {
            text.push_str(&format!("; {word}: {}", coded(counts)));
        }
    }
    text
}

fn reasons(file: &FileVerdict) -> String {
    let mut text = String::new();
    for reason in file.reasons.iter().take(SHOWN_REASONS) {
        text.push_str(&format!("\n    {}", reason_line(reason)));
    }
    if file.reasons.len() > SHOWN_REASONS {
        text.push_str(&format!("\n    and {} more; --json has all", file.reasons.len() - SHOWN_REASONS));
    }
    if file.reasons.is_empty() && !file.refused.is_empty() {
        text.push_str("\n    no reasons: a verdict file of version 1 has none");
    }
    text
}

/// A reason in a line, with its place.
pub(crate) fn reason_line(reason: &RefusalReason) -> String {
    let mut place = match (reason.group, reason.rollout) {
        (Some(group), Some(rollout)) => format!("group {group} rollout {rollout}"),
        (Some(group), None) => format!("group {group}"),
        _ => "the file".to_owned(),
    };
    if let Some(token) = reason.token {
        place.push_str(&format!(" token {token}"));
    }
    let figures = match (&reason.measured, &reason.allowed) {
        (Some(measured), Some(allowed)) => format!(" (measured {measured}, allowed {allowed})"),
        _ => String::new(),
    };
    format!("{place}: [{}] {}{figures}", reason.code, reason.told)
}

#[expect(clippy::print_stdout, reason = "the result of a program for people and scripts")]
fn say(text: &str) {
    println!("{text}");
}
