//! The story of a rehearsal as one HTML file: no script, and nothing from outside, so that it can be kept, sent and
//! read anywhere. What stands where is said by `page.html`; here are the numbers for it. Pure over the facts.

mod figures;
mod plot;
#[cfg(test)]
mod tests;
mod text;

use super::story::{Story, WindowPoint};
use anyhow::Context as _;
use figures::{is_honest, mean, pass_at};
use minijinja::{Environment, Error, Output, State, Value, context, escape_formatter};
use serde::Serialize;
use std::collections::BTreeSet;
use text::{count, decimal, duration, percent, things};

/// The page, with places for what the story says.
const TEMPLATE: &str = include_str!("page.html");

/// Belongs to the page, so that it needs no other file.
const STYLE: &str = include_str!("style.css");

/// The whole page.
///
/// # Errors
/// When a picture cannot be drawn or the template does not fit the story.
pub(super) fn page(story: &Story) -> anyhow::Result<String> {
    let mut environment = Environment::new();
    environment.set_formatter(format);
    environment.add_filter("count", count);
    environment.add_filter("decimal", decimal);
    environment.add_filter("percent", percent);
    environment.add_filter("duration", duration);
    environment.add_filter("things", |number: u64, one: String, many: String| things(number, &one, &many));
    // Pairs of a window and a rate.
    environment.add_filter("mean_rate", |rates: Vec<Vec<f64>>| {
        (!rates.is_empty())
            .then(|| rates.iter().filter_map(|rate| rate.last()).sum::<f64>() / rates.len() as f64)
    });
    // Its name ends in `.html`, so that every text is escaped.
    environment.add_template("page.html", TEMPLATE).context("read the page's template")?;
    let components: BTreeSet<&String> = story.evaluations.iter().flat_map(|e| e.components.keys()).collect();
    let facts = context! {
        story,
        style => STYLE,
        tiles => tiles(story),
        figures => figures::all(story)?,
        pass_at => pass_at(&story.evaluations),
        components,
    };
    environment.get_template("page.html")?.render(facts).context("write the page")
}

/// Escapes texts; HTML has no way to write control characters.
fn format(out: &mut Output<'_>, state: &State<'_, '_>, value: &Value) -> Result<(), Error> {
    let odd = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    match value.as_str().filter(|text| !value.is_safe() && text.contains(odd)) {
        Some(text) => escape_formatter(out, state, &Value::from(text.replace(odd, "\u{fffd}"))),
        None => escape_formatter(out, state, value),
    }
}

/// A big number: where it comes from, if it changed, and what it is.
#[derive(Debug, Serialize)]
struct Tile {
    name: &'static str,
    from: Option<String>,
    value: String,
    note: String,
}

fn tiles(story: &Story) -> Vec<Tile> {
    let windows = story.windows.as_slice();
    let third = (windows.len() / 3).max(1).min(windows.len());
    let first = windows.get(..third).unwrap_or_default();
    let last = windows.get(windows.len() - third..).unwrap_or_default();
    let note = match windows.len() {
        0 => "no window was judged",
        1 => "one window was judged",
        2 => "first window to last window",
        _ => "first third of the windows to last third",
    };
    let change = |name, show: fn(Option<f64>) -> String, of: fn(&WindowPoint) -> Option<f64>| {
        let from = (windows.len() > 1).then(|| show(mean(first, of)));
        Tile { name, from, value: show(mean(last, of)), note: note.into() }
    };
    let mut tiles = vec![
        change("Right answers", percent, |window| window.pass_rate),
        change("Mean reward", |mean| decimal(mean, 2), |window| window.mean_reward),
    ];
    if let [first, .., last] = story.evaluations.as_slice() {
        let note = format!("on problems kept apart, checkpoint {} to {}", first.sequence, last.sequence);
        let (from, value) = (Some(percent(Some(first.pass_at_1))), percent(Some(last.pass_at_1)));
        tiles.push(Tile { name: "Evaluation, pass@1", from, value, note });
    }
    let miners = story.miners.as_slice();
    let honest = miners.iter().filter(|miner| is_honest(miner)).count();
    let verified = count(miners.iter().map(|miner| miner.verified).sum());
    let note = format!("of {}, {honest} of them honest", things(miners.len() as u64, "miner", "miners"));
    tiles.push(Tile { name: "Rollouts verified", from: None, value: verified, note });
    let refused = |is: bool| {
        let those = miners.iter().filter(|miner| is_honest(miner) == is);
        those.flat_map(|miner| miner.refused.values()).sum::<u64>()
    };
    let note = match refused(true) {
        0 => "and no honest rollout".into(),
        1 => "and 1 honest rollout".into(),
        many => format!("and {} honest rollouts", count(many)),
    };
    tiles.push(Tile { name: "Lies refused", from: None, value: count(refused(false)), note });
    tiles
}
