//! The first thing that went wrong, in the order in which pay comes about: registered, found, uploaded in time, judged,
//! accepted, right, weighed, paid.

use super::facts::{BucketState, WhyFacts, counts};
use crate::explain::next_step;
use grail_artifact::verdict::RefusalReason;
use serde::Serialize;

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Diagnosis {
    /// What went wrong, by a code that `grail explain` knows; absent where nothing did.
    pub(crate) code: Option<String>,
    pub(crate) told: String,
    pub(crate) remedy: Option<String>,
}

impl Diagnosis {
    fn of(code: &str, told: impl Into<String>) -> Self {
        Self { code: Some(code.to_owned()), told: told.into(), remedy: next_step(code) }
    }

    fn well(told: impl Into<String>) -> Self {
        Self { code: None, told: told.into(), remedy: None }
    }
}

/// The first thing that went wrong.
pub(crate) fn diagnose(facts: &WhyFacts) -> Diagnosis {
    registered(facts)
        .or_else(|| uploaded(facts))
        .or_else(|| judged(facts))
        .or_else(|| accepted(facts))
        .or_else(|| weighed(facts))
        .unwrap_or_else(|| {
            Diagnosis::well(format!("nothing went wrong: the chain pays it {} of 65535", facts.incentive))
        })
}

fn registered(facts: &WhyFacts) -> Option<Diagnosis> {
    facts.uid.is_none().then(|| {
        Diagnosis::of("not-registered", format!("{} is not registered on {}", facts.hotkey, facts.network))
    })
}

fn uploaded(facts: &WhyFacts) -> Option<Diagnosis> {
    match &facts.bucket {
        BucketState::NotCommitted => {
            return Some(Diagnosis::of(
                "not-committed",
                "it has committed no readable bucket, so nobody finds its files",
            ));
        }
        BucketState::Unreachable(why) => {
            return Some(Diagnosis::of("bucket-unreachable", format!("its bucket cannot be read: {why}")));
        }
        BucketState::Reached => {}
    }
    let there: Vec<_> = facts.uploads.iter().filter(|upload| upload.bytes.is_some()).collect();
    let Some(newest) = there.first() else {
        // Files are deleted after a while: a verdict says that there was one.
        return facts.verdicts.is_empty().then(|| {
            Diagnosis::of(
                "no-file",
                format!("no file of the last {} windows lies in its bucket", facts.uploads.len()),
            )
        });
    };
    let late = |margin: Option<i64>| margin.is_some_and(|margin| margin < 0);
    there.iter().all(|upload| late(upload.margin_ms)).then(|| {
        let ms = newest.margin_ms.unwrap_or_default().unsigned_abs();
        let told = format!(
            "its file of window {} was stored {:.1} s after the deadline, and no newer or older one came in time",
            newest.window,
            ms as f64 / 1e3
        );
        Diagnosis::of("late-upload", told)
    })
}

fn judged(facts: &WhyFacts) -> Option<Diagnosis> {
    if facts.published == 0 {
        let told = format!("no validator has published verdicts in the last {} windows", facts.uploads.len());
        return Some(Diagnosis::of("no-verdicts", told));
    }
    facts.verdicts.is_empty().then(|| {
        Diagnosis::of("not-judged", "files were uploaded, and no published verdict speaks of them yet")
    })
}

fn accepted(facts: &WhyFacts) -> Option<Diagnosis> {
    let valid: u64 = facts.verdicts.iter().map(|one| counts(&one.verdict).valid).sum();
    if valid > 0 {
        let right: u64 = facts.verdicts.iter().map(|one| counts(&one.verdict).right).sum();
        return (right == 0).then(|| {
            Diagnosis::of(
                "nothing-right",
                format!("{valid} rollouts were accepted, and no answer among them is right"),
            )
        });
    }
    // The newest verdict that says why.
    let newest = facts.verdicts.iter().find(|one| !one.verdict.refused.is_empty());
    let Some(newest) = newest else {
        return Some(Diagnosis::of("undecided-only", "validators could say nothing of its rollouts"));
    };
    let by_count = newest.verdict.refused.iter().max_by_key(|(_, count)| **count);
    let code = newest
        .verdict
        .reasons
        .first()
        .map(|reason| reason.code.clone())
        .or_else(|| by_count.map(|(code, _)| code.clone()))
        .unwrap_or_else(|| "refused".to_owned());
    let told = match newest.verdict.reasons.first() {
        Some(reason) => first(newest.window.0, reason),
        None => format!("window {}: refused for {code}", newest.window),
    };
    // A code of a newer release still gets a remedy.
    let remedy = next_step(&code).or_else(|| next_step("refused"));
    Some(Diagnosis { code: Some(code), told, remedy })
}

fn first(window: u64, reason: &RefusalReason) -> String {
    format!("window {window}, {}", crate::verdicts::show::reason_line(reason))
}

fn weighed(facts: &WhyFacts) -> Option<Diagnosis> {
    if facts.incentive > 0 {
        return None;
    }
    if facts.weights.iter().all(|given| given.share <= 0.0) {
        let told = "verdicts are good, and no validator's weights on the chain name it yet";
        return Some(Diagnosis::of("no-weight-yet", told));
    }
    let givers = facts.weights.iter().filter(|given| given.share > 0.0).count();
    let told = format!(
        "{givers} of {} validators give it weight, and the chain pays it nothing yet",
        facts.weights.len()
    );
    Some(Diagnosis::of("weight-without-incentive", told))
}
