//! One screen, or one JSON object.

use super::{
    diagnose::Diagnosis,
    facts::{BucketState, UploadSeen, WhyFacts},
};
use crate::verdicts::show::{line, reason_line};
use std::fmt::Write as _;

/// Lines of each part: the screen stays one.
const MOST_LINES: usize = 6;

/// Tells.
pub(super) fn tell(facts: &WhyFacts, diagnosis: &Diagnosis, json: bool) -> anyhow::Result<()> {
    if json {
        let value = serde_json::json!({ "version": 1, "diagnosis": diagnosis, "facts": facts });
        say(&serde_json::to_string_pretty(&value)?);
    } else {
        say(&screen(facts, diagnosis));
    }
    Ok(())
}

/// From pay back to uploads, then what went wrong first.
pub(super) fn screen(facts: &WhyFacts, diagnosis: &Diagnosis) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{} on {} at block {}", facts.hotkey, facts.network, facts.block);
    let uid = facts.uid.map_or("not registered".to_owned(), |uid| format!("uid {uid}"));
    part(
        &mut text,
        "incentive",
        &[format!("{} of 65535 ({uid}, {} participants)", facts.incentive, facts.participants)],
    );
    part(&mut text, "weights", &weights(facts));
    part(&mut text, "score", &[score(facts)]);
    let verdicts: Vec<String> = facts
        .verdicts
        .iter()
        .map(|one| format!("window {} by {}: {}", one.window, one.validator.short(), line(&one.verdict)))
        .collect();
    part(
        &mut text,
        "verdicts",
        &or(verdicts, || format!("none on its files; {} verdict files were read", facts.published)),
    );
    let refusals: Vec<String> = facts
        .verdicts
        .iter()
        .filter_map(|one| {
            Some(format!("window {} {}", one.window, reason_line(one.verdict.reasons.first()?)))
        })
        .collect();
    part(&mut text, "refusals", &or(refusals, || "none with a reason".to_owned()));
    part(&mut text, "uploads", &uploads(facts));
    match (&diagnosis.code, &diagnosis.remedy) {
        (Some(code), remedy) => {
            let _ = writeln!(text, "first wrong  {}", diagnosis.told);
            if let Some(remedy) = remedy {
                let _ = writeln!(text, "  → {remedy}");
            }
            let _ = write!(text, "  more: grail explain {code}");
        }
        (None, _) => {
            let _ = write!(text, "{}", diagnosis.told);
        }
    }
    text
}

fn part(text: &mut String, name: &str, lines: &[String]) {
    for (index, line) in lines.iter().take(MOST_LINES).enumerate() {
        let name = if index == 0 { name } else { "" };
        let _ = writeln!(text, "  {name:10} {line}");
    }
    if lines.len() > MOST_LINES {
        let _ = writeln!(text, "  {:10} and {} more; --json has all", "", lines.len() - MOST_LINES);
    }
}

fn or(lines: Vec<String>, none: impl FnOnce() -> String) -> Vec<String> {
    if lines.is_empty() { vec![none()] } else { lines }
}

fn weights(facts: &WhyFacts) -> Vec<String> {
    let lines = facts.weights.iter().map(|given| {
        let who = given.validator.hotkey.short();
        if given.any {
            format!(
                "{:.4} by {who} (stake {:.1}), last set at block {}",
                given.share, given.validator.stake, given.at
            )
        } else {
            format!("{who} (stake {:.1}) has no open weights on the chain", given.validator.stake)
        }
    });
    or(lines.collect(), || "nobody has a validator permit".to_owned())
}

fn score(facts: &WhyFacts) -> String {
    let Some(score) = &facts.score else { return "not known without a verdict file".to_owned() };
    match &score.standing {
        None => format!(
            "0: none of the {} windows that {} published has a file of it",
            score.windows,
            score.by.short()
        ),
        Some(standing) => format!(
            "{:.4} of all weight by {}: unique^1.5 · valid with {:.1} unique and {:.0} valid in {} windows",
            score.share,
            score.by.short(),
            standing.unique,
            standing.valid,
            standing.windows
        ),
    }
}

fn uploads(facts: &WhyFacts) -> Vec<String> {
    match &facts.bucket {
        BucketState::NotCommitted => vec!["no bucket is committed".to_owned()],
        BucketState::Unreachable(why) => vec![format!("the bucket cannot be read: {why}")],
        BucketState::Reached => {
            or(facts.uploads.iter().map(upload).collect(), || "no window is over yet".to_owned())
        }
    }
}

fn upload(seen: &UploadSeen) -> String {
    let window = seen.window;
    match (seen.bytes, seen.margin_ms) {
        (None, _) => format!("window {window}: no file"),
        (Some(bytes), None) => format!("window {window}: {bytes} bytes"),
        (Some(bytes), Some(margin)) => {
            let side = if margin < 0 { "AFTER" } else { "before" };
            format!(
                "window {window}: {bytes} bytes, {:.1} s {side} the deadline",
                margin.unsigned_abs() as f64 / 1e3
            )
        }
    }
}

#[expect(clippy::print_stdout, reason = "the result of a program for people and scripts")]
fn say(text: &str) {
    println!("{text}");
}
