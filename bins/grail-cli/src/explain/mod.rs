//! `grail explain`: what any code that GRAIL prints means, what usually causes it, and the next step.
//!
//! Rejections of the court, doubts, findings of the doctor and of `grail why`, errors of the chain, problems of an audit:
//! a test goes through every one of them and fails where a text is missing.

mod buckets;
mod findings;
mod others;
mod readiness;
mod rejections;

use clap::Args;
use grail_chain::errors::{self, ErrorClass, RetryClass};
use serde::Serialize;

/// What to explain.
#[derive(Debug, Args)]
pub(crate) struct ExplainCodeArgs {
    /// A code as logs, verdicts, the doctor or the chain print it; without one every code is listed.
    #[arg(value_name = "CODE")]
    code: Option<String>,
}

/// Where a code comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum CodeKind {
    /// The court refuses a file or a rollout.
    Rejection,
    /// The court could not say.
    Doubt,
    /// The doctor, `grail why` or a verdict file.
    Finding,
    /// The chain refuses a transaction.
    Chain,
    /// A replay bundle does not hold.
    Audit,
}

impl CodeKind {
    const fn words(self) -> &'static str {
        match self {
            Self::Rejection => "a rejection by the court",
            Self::Doubt => "a rollout without a verdict",
            Self::Finding => "a finding",
            Self::Chain => "an error of the chain",
            Self::Audit => "a problem of an audit",
        }
    }
}

/// One code, explained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct CodeText {
    /// As it is printed.
    pub(crate) code: &'static str,
    pub(crate) kind: CodeKind,
    /// What it means.
    pub(crate) means: String,
    /// What usually causes it.
    pub(crate) causes: String,
    /// The next step.
    pub(crate) next: String,
}

/// A row of the tables: code, meaning, usual cause, next step.
type Row = (&'static str, &'static str, &'static str, &'static str);

fn of(kind: CodeKind) -> impl Fn(&Row) -> CodeText {
    move |(code, means, causes, next)| CodeText {
        code,
        kind,
        means: (*means).to_owned(),
        causes: (*causes).to_owned(),
        next: (*next).to_owned(),
    }
}

fn of_chain(class: &ErrorClass) -> CodeText {
    let again = match class.again {
        RetryClass::Later { after_blocks } => format!("then try again after {after_blocks} blocks"),
        RetryClass::Never => "trying again without a change does not help".to_owned(),
        RetryClass::Reconnect => {
            "programs of GRAIL try again by themselves, over another connection".to_owned()
        }
    };
    CodeText {
        code: class.name,
        kind: CodeKind::Chain,
        means: "The chain refused a transaction of this hotkey.".to_owned(),
        causes: sentence(class.explanation),
        next: sentence(&format!("{}; {again}", class.remedy)),
    }
}

fn sentence(clause: &str) -> String {
    let mut letters = clause.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str().trim_end_matches('.'))
}

/// Every code with its text.
pub(crate) fn all() -> Vec<CodeText> {
    let chain = errors::MODULE_ERRORS.iter().chain(errors::pool_errors()).map(of_chain);
    rejections::ROWS
        .iter()
        .map(of(CodeKind::Rejection))
        .chain(others::DOUBTS.iter().map(of(CodeKind::Doubt)))
        .chain(findings::ROWS.iter().chain(readiness::ROWS).chain(buckets::ROWS).map(of(CodeKind::Finding)))
        .chain(others::AUDIT.iter().map(of(CodeKind::Audit)))
        .chain(chain)
        .collect()
}

/// What to do about a code, for screens that name one.
pub(crate) fn next_step(code: &str) -> Option<String> {
    all().into_iter().find(|text| text.code == code).map(|text| text.next)
}

/// Explains; whether the code is known.
pub(crate) fn run(args: &ExplainCodeArgs, json: bool) -> anyhow::Result<bool> {
    let Some(code) = &args.code else {
        list(json)?;
        return Ok(true);
    };
    let asked = code.trim().trim_start_matches('[').trim_end_matches([']', ':']);
    let mut found: Vec<CodeText> =
        all().into_iter().filter(|text| alike(text.code) == alike(asked)).collect();
    found.dedup();
    if json {
        show(&serde_json::to_string_pretty(&found)?);
    } else {
        for text in &found {
            show(&format!(
                "{}: {}\n  means         {}\n  usual cause   {}\n  next step     {}",
                text.code,
                text.kind.words(),
                text.means,
                text.causes,
                text.next
            ));
        }
        if found.is_empty() {
            show(&unknown(asked));
        }
    }
    Ok(!found.is_empty())
}

/// A code without what people write in other ways: `sketch_rms` is `sketch-rms`.
fn alike(code: &str) -> String {
    code.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

fn unknown(asked: &str) -> String {
    let codes: Vec<&'static str> = all().iter().map(|text| text.code).collect();
    let near = codes.iter().filter(|code| {
        let (code, asked) = (code.to_lowercase(), asked.to_lowercase());
        asked.len() > 2 && (code.contains(&asked) || asked.contains(&code))
    });
    let near: Vec<&str> = near.copied().take(5).collect();
    let hint = if near.is_empty() { String::new() } else { format!("; near it: {}", near.join(", ")) };
    format!("{asked:?} is no code of this program{hint}; `grail explain` lists all of them")
}

fn list(json: bool) -> anyhow::Result<()> {
    let all = all();
    if json {
        show(&serde_json::to_string_pretty(&all)?);
        return Ok(());
    }
    for text in &all {
        show(&format!("{:32} {}", text.code, text.means));
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the result of a program for people")]
fn show(text: &str) {
    println!("{text}");
}

#[cfg(test)]
mod tests;
