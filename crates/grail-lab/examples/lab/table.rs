//! Tables for people.

use grail_lab::AttackOutcome;
use grail_verify::lies::{Expectation, Lie};

/// Every attack with what it does.
pub(crate) fn attacks(attacks: &[(&Lie, Expectation)]) -> String {
    let head = ["attack", "must be", "what it does"].map(str::to_owned);
    let rows = attacks
        .iter()
        .map(|(lie, expected)| [lie.name.to_owned(), expectation(*expected), lie.says.to_owned()]);
    columns(std::iter::once(head).chain(rows).collect())
}

fn expectation(expectation: Expectation) -> String {
    match expectation {
        Expectation::Accepted => "accepted".into(),
        Expectation::Refused => "refused".into(),
        Expectation::Within(tokens) => format!("seen in {tokens}"),
        Expectation::Open => "open".into(),
    }
}

/// What became of attacks, and what does not hold.
pub(crate) fn outcomes(outcomes: &[AttackOutcome]) -> String {
    let head = [
        "attack", "must be", "lies", "paid", "spoiled", "open", "groups", "by", "tokens", "draws", "v5",
        "TOPLOC",
    ];
    let rows = outcomes.iter().map(|outcome| {
        let number = |value: Option<u64>| value.map_or_else(|| "–".into(), |value| value.to_string());
        let open: u64 = outcome.inconclusive.values().sum();
        [
            outcome.attack.to_owned(),
            expectation(outcome.expectation),
            outcome.lies.to_string(),
            outcome.accepted.to_string(),
            outcome.spoiled.to_string(),
            open.to_string(),
            format!("{}/{}", outcome.groups_refused, outcome.groups),
            outcome.first_code().unwrap_or("–").to_owned(),
            number(outcome.tokens_to_detect.median),
            outcome.tokens_by_draws.map_or_else(|| "–".into(), |tokens| format!("{tokens:.0}")),
            outcome.v5.map_or_else(|| "–".into(), |old| format!("{}/{}", old.accepted, old.rollouts)),
            outcome.toploc.as_ref().map_or_else(|| "–".into(), toploc),
        ]
    });
    let mut text = columns(std::iter::once(head.map(str::to_owned)).chain(rows).collect());
    text += "\nlies: rollouts that an honest miner would not have sent. paid: accepted, in a clean group. open: no verdict.\n\
             groups: refused ones of those with a lie. tokens: up to the first refusal, median. draws: until lost draws alone\n\
             tell with one false alarm in a million. v5: lies accepted by the Python network's two checks.\n";
    for outcome in outcomes {
        if let Some(bound) = outcome.false_refusal_bound {
            let (refused, most) = (outcome.false_refusals, bound);
            if outcome.expectation == Expectation::Accepted {
                text += &format!(
                    "honest: {refused} of {} rollouts refused, which supports a rate of at most {most:.1e} (95 %); {:.2} bytes a token \
                     stored, {:.0} of them proof; slack at most {:.2} bits in 1,000 tokens\n",
                    outcome.rollouts,
                    outcome.bytes_per_token.file,
                    outcome.bytes_per_token.proof,
                    outcome.slack_bits_per_1000_tokens.unwrap_or(0.0),
                );
            }
        }
        if outcome.expectation == Expectation::Open {
            text += &format!(
                "not caught: {}: {} of {} lies paid, {} of them with the text of an honest miner; reward gained a rollout {:+.5}\n",
                outcome.attack,
                outcome.accepted,
                outcome.lies,
                outcome.accepted_with_true_text,
                outcome.reward.gained.unwrap_or(0.0),
            );
        }
    }
    for outcome in outcomes.iter().filter(|outcome| outcome.too_few_tokens) {
        text += &format!(
            "too few to tell: {} must be {}, and none of {} lies was refused in fewer tokens than that; try more rollouts\n",
            outcome.attack,
            expectation(outcome.expectation),
            outcome.lies,
        );
    }
    for outcome in outcomes.iter().filter(|outcome| !outcome.holds) {
        text += &format!("DOES NOT HOLD: {} must be {}\n", outcome.attack, expectation(outcome.expectation));
    }
    text
}

fn toploc(value: &serde_json::Value) -> String {
    format!("{}/{}", value["accepted"], value["chunks"])
}

/// Rows in columns that stand below each other.
pub(crate) fn columns<const N: usize>(rows: Vec<[String; N]>) -> String {
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line += cell;
            line += &" ".repeat(width - cell.chars().count() + 2);
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}
