//! The story of a rehearsal as one HTML file: no script, and nothing from outside, so that it can be kept, sent and
//! read anywhere. Pure over the facts.

mod axes;
mod learning;
mod network;
mod parts;
mod plot;
#[cfg(test)]
mod tests;
mod text;

use super::story::{EvaluationPoint, MinerLine, Statement, Story, WindowPoint};
use axes::Slots;
use network::is_honest;
use parts::{number, table, words};
use std::collections::{BTreeMap, BTreeSet};
use text::{ABSENT, count, decimal, duration, escape, percent, things};

/// Belongs to the page, so that it needs no other file.
const STYLE: &str = include_str!("style.css");

/// Forbids everything but the style above, should any text ever become markup.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// Failed expectations that the headline names, at most; all of them stand at the end.
const MOST_MISSED: usize = 5;

/// The whole page.
pub(super) fn page(story: &Story) -> String {
    let slots = Slots { what: "window", numbers: slots(story) };
    let lanes = network::lanes(&story.miners);
    let verdict = if story.passed { "passed" } else { "failed" };
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <title>GRAIL rehearsal {verdict}: {}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n",
        escape(&story.network)
    );
    html += &headline(story);
    html += "<h2>Does the model learn?</h2>\n<div class=\"plots\">\n";
    html += &learning::right(story, &slots).html();
    html += &learning::reward(story, &slots).html();
    html += "</div>\n<h2>Who earns, and who is refused?</h2>\n<div class=\"plots\">\n";
    html += &network::weights(&slots, &lanes).html();
    html += &network::refusals(story, &slots).html();
    html += "</div>\n<h2>What does it take?</h2>\n<div class=\"plots\">\n";
    html += &network::speed(story, &slots, &lanes).html();
    html += &network::checkpoints(story).html();
    html += "</div>\n<h2>Miners</h2>\n<div class=\"card\">";
    html += &miners(&story.miners);
    html += "</div>\n<h2>Evaluations</h2>\n<div class=\"card\">";
    html += &evaluations(&story.evaluations);
    html += "</div>\n<h2 id=\"expectations\">What had to hold</h2>\n<div class=\"card\">";
    html += &expectations(&story.expectations);
    html += "</div>\n</main>\n</body>\n</html>\n";
    html
}

/// Every window that anything is told of; with none, those of evaluations, which would have no axis otherwise.
fn slots(story: &Story) -> Vec<u64> {
    let mut windows: BTreeSet<u64> = story.windows.iter().map(|window| window.window).collect();
    for miner in &story.miners {
        windows.extend(miner.weights.iter().chain(&miner.tokens_per_second).map(|(window, _)| *window));
    }
    if windows.is_empty() {
        windows.extend(story.evaluations.iter().map(|evaluation| evaluation.window));
    }
    windows.into_iter().collect()
}

fn headline(story: &Story) -> String {
    let (class, verdict) = if story.passed { ("", "✓ passed") } else { (" bad", "✗ failed") };
    let mut html = format!(
        "<header>\n<p class=\"eyebrow\">GRAIL/1, a network rehearsed</p>\n\
         <h1>Rehearsal <span class=\"verdict{class}\">{verdict}</span></h1>\n<dl class=\"facts\">"
    );
    let windows = things(story.windows.len(), "window", "windows");
    let facts = [
        ("network", story.network.clone()),
        ("model", story.model.clone()),
        ("took", format!("{} for {windows}", duration(story.seconds))),
    ];
    for (name, fact) in facts {
        html += &format!("<div><dt>{name}</dt><dd>{}</dd></div>", escape(&fact));
    }
    html += "</dl>\n</header>\n";
    let missed: Vec<&Statement> = story.expectations.iter().filter(|statement| !statement.holds).collect();
    if !missed.is_empty() {
        let all = things(story.expectations.len(), "expectation", "expectations");
        html += &format!("<div class=\"missed\"><b>{} of {all} missed</b><ul>", missed.len());
        for statement in missed.iter().take(MOST_MISSED) {
            html += &format!("<li>{}</li>", escape(&statement.statement));
        }
        if missed.len() > MOST_MISSED {
            html +=
                &format!("<li><a href=\"#expectations\">and {} more</a></li>", missed.len() - MOST_MISSED);
        }
        html += "</ul></div>\n";
    }
    html += "<div class=\"tiles\">\n";
    for (name, value, note) in tiles(story) {
        html +=
            &format!("<div class=\"tile\"><h3>{}</h3><b>{value}</b><p>{}</p></div>\n", name, escape(&note));
    }
    html += "</div>\n";
    html
}

/// The big numbers: name, number as markup, note.
fn tiles(story: &Story) -> Vec<(&'static str, String, String)> {
    let windows = story.windows.as_slice();
    let third = (windows.len() / 3).max(1).min(windows.len());
    let first = windows.get(..third).unwrap_or_default();
    let last = windows.get(windows.len() - third..).unwrap_or_default();
    let change = |show: fn(Option<f64>) -> String, of: learning::Of| {
        from_to(show(learning::mean(first, of)), show(learning::mean(last, of)), windows.len() > 1)
    };
    let thirds = match windows.len() {
        0 => "no window was judged",
        1 => "one window was judged",
        2 => "first window to last window",
        _ => "first third of the windows to last third",
    };
    let mut tiles = vec![
        ("Right answers", change(percent, |window: &WindowPoint| window.pass_rate), thirds.to_owned()),
        ("Mean reward", change(|mean| decimal(mean, 2), |window| window.mean_reward), thirds.to_owned()),
    ];
    if let [first, .., last] = story.evaluations.as_slice() {
        let value = from_to(percent(Some(first.pass_at_1)), percent(Some(last.pass_at_1)), true);
        let note = format!("on problems kept apart, checkpoint {} to {}", first.sequence, last.sequence);
        tiles.push(("Evaluation, pass@1", value, note));
    }
    let honest = story.miners.iter().filter(|miner| is_honest(miner)).count();
    let verified = count(story.miners.iter().map(|miner| miner.verified).sum());
    let by = format!("of {}", things(story.miners.len(), "miner", "miners"));
    tiles.push(("Rollouts verified", verified, format!("{by}, {honest} of them honest")));
    let refused = |is: bool| {
        let those = story.miners.iter().filter(|miner| is_honest(miner) == is);
        those.flat_map(|miner| miner.refused.values()).sum::<u64>()
    };
    let note = match refused(true) {
        0 => "and no honest rollout".into(),
        1 => "and 1 honest rollout".into(),
        many => format!("and {} honest rollouts", count(many)),
    };
    tiles.push(("Lies refused", count(refused(false)), note));
    tiles
}

fn from_to(first: String, last: String, changes: bool) -> String {
    if changes && (first != ABSENT || last != ABSENT) {
        format!("{}<span class=\"to\">→</span>{}", escape(&first), escape(&last))
    } else {
        escape(&last)
    }
}

fn miners(miners: &[MinerLine]) -> String {
    if miners.is_empty() {
        return "<p class=\"none\">Nobody mined.</p>".into();
    }
    let columns = [
        words("miner"),
        words("what it does"),
        number("verified"),
        words("refused, with reasons"),
        number("weight, last"),
        number("tokens/s, mean"),
    ];
    let rows = miners.iter().map(|miner| {
        let rates: Vec<f64> = miner.tokens_per_second.iter().map(|(_, rate)| *rate).collect();
        let mean = (!rates.is_empty()).then(|| rates.iter().sum::<f64>() / rates.len() as f64);
        vec![
            miner.name.clone(),
            miner.part.clone(),
            count(miner.verified),
            reasons(&miner.refused),
            percent(miner.weights.last().map(|(_, share)| *share)),
            decimal(mean, 0),
        ]
    });
    table(&columns, rows)
}

fn reasons(refused: &BTreeMap<String, u64>) -> String {
    let reasons: Vec<String> =
        refused.iter().map(|(code, many)| format!("{} {code}", count(*many))).collect();
    if reasons.is_empty() { ABSENT.into() } else { reasons.join(", ") }
}

fn evaluations(evaluations: &[EvaluationPoint]) -> String {
    if evaluations.is_empty() {
        return "<p class=\"none\">No checkpoint was evaluated.</p>".into();
    }
    let components: BTreeSet<&str> =
        evaluations.iter().flat_map(|e| e.components.keys().map(String::as_str)).collect();
    let pass_at = learning::pass_at(evaluations);
    let mut columns = vec![
        number("checkpoint"),
        number("window"),
        number("problems"),
        number("answers each"),
        number("pass@1"),
    ];
    // With one answer each it would be the same column again.
    let several = pass_at != "pass@1";
    columns.extend(several.then(|| number(pass_at.clone())));
    columns.push(number("mean reward"));
    columns.extend(components.iter().map(|component| number(*component)));
    let rows = evaluations.iter().map(|e| {
        let mut row = vec![
            e.sequence.to_string(),
            e.window.to_string(),
            count(e.problems),
            count(e.answers),
            percent(Some(e.pass_at_1)),
        ];
        row.extend(several.then(|| match pass_at.as_str() {
            "pass@k" => format!("{} (k = {})", percent(Some(e.pass_at_k)), e.k),
            _ => percent(Some(e.pass_at_k)),
        }));
        row.push(decimal(Some(e.mean_reward), 3));
        row.extend(components.iter().map(|component| decimal(e.components.get(*component).copied(), 3)));
        row
    });
    table(&columns, rows)
}

fn expectations(expectations: &[Statement]) -> String {
    if expectations.is_empty() {
        return "<p class=\"none\">Nothing was expected.</p>".into();
    }
    let mut html = String::from("<ul class=\"holds\">");
    for Statement { statement, holds } in expectations {
        let (class, mark, said) =
            if *holds { ("", "✓", "holds") } else { (" class=\"bad\"", "✗", "missed") };
        html += &format!(
            "<li{class}><b role=\"img\" aria-label=\"{said}\">{mark}</b><span>{}</span></li>",
            escape(statement)
        );
    }
    html += "</ul>";
    html
}
