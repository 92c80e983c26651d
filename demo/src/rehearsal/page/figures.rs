//! What the pictures show: the words, the values, and the table of the same numbers.

use super::{
    plot::{Axis, Colour, Layer, Picture, Places, Point, Sign, draw, tick},
    text::{bytes, count, decimal, percent, things},
};
use crate::rehearsal::story::{CheckpointPoint, EvaluationPoint, MinerLine, Story, WindowPoint};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Windows that a moving mean looks back on, itself included.
const BACK: usize = 5;

/// One mark for each environment; later ones share the last.
const SHAPES: [Sign; 4] = [Sign::Dot, Sign::Triangle, Sign::Square, Sign::Cross];

/// Series with a colour of their own; what is left shares grey.
const SERIES: usize = 6;

/// Colours for honest miners, best first; those who cheat begin at the other end.
const COLOURS: [Colour; SERIES] =
    [Colour::Blue, Colour::Green, Colour::Sky, Colour::Purple, Colour::Orange, Colour::Red];

/// A picture with its words and its table.
#[derive(Debug, Default, Serialize)]
pub(super) struct Figure {
    title: &'static str,
    says: String,
    /// Stands in place of the picture where there is nothing to show.
    nothing: &'static str,
    /// Of the upright axis.
    unit: &'static str,
    /// By what the picture goes, for readers who cannot see it.
    by: &'static str,
    keys: Vec<Layer>,
    picture: Option<Picture>,
    head: Vec<Column>,
    rows: Vec<Vec<String>>,
}

/// Head of a column; whether it holds words and no numbers.
#[derive(Debug, Serialize)]
struct Column {
    words: String,
    text: bool,
}

fn number(words: impl Into<String>) -> Column {
    Column { words: words.into(), text: false }
}

fn words(words: &str) -> Column {
    Column { words: words.into(), text: true }
}

/// A number of a window, absent when it has none.
type Of = fn(&WindowPoint) -> Option<f64>;

/// Mean over the rollouts of several windows: a window with more of them says more.
pub(super) fn mean(windows: &[WindowPoint], of: Of) -> Option<f64> {
    let (mut sum, mut rollouts) = (0.0, 0.0);
    for window in windows {
        let Some(value) = of(window).filter(|value| value.is_finite()) else { continue };
        sum += value * window.rollouts as f64;
        rollouts += window.rollouts as f64;
    }
    (rollouts > 0.0).then(|| sum / rollouts)
}

/// The mean over each window and those before it.
fn moving(windows: &[WindowPoint], of: Of) -> Vec<Option<f64>> {
    let back = |end: usize| windows.get(end.saturating_sub(BACK)..end).unwrap_or_default();
    (1..=windows.len()).map(|end| mean(back(end), of)).collect()
}

/// `pass@4`, or `pass@k` where evaluations differ in it.
pub(super) fn pass_at(evaluations: &[EvaluationPoint]) -> String {
    let ks: BTreeSet<u64> = evaluations.iter().map(|e| e.k).collect();
    match ks.first() {
        Some(k) if ks.len() == 1 => format!("pass@{k}"),
        _ => "pass@k".into(),
    }
}

/// What pointing at an evaluation tells.
fn evaluated(e: &EvaluationPoint) -> String {
    let (problems, answers) = (count(e.problems), count(e.answers));
    let k = if e.k > 1 { format!("pass@{} {}\n", e.k, percent(Some(e.pass_at_k))) } else { String::new() };
    format!(
        "evaluation of checkpoint {} at window {}\n{problems} problems, {answers} answers each\npass@1 {}\n{k}mean reward {}",
        e.sequence,
        e.window,
        percent(Some(e.pass_at_1)),
        decimal(Some(e.mean_reward), 3)
    )
}

/// A value at a place, on the ground.
fn point(x: u64, to: Option<f64>) -> Point {
    Point { x: x as f64, from: 0.0, to: to.unwrap_or(f64::NAN) }
}

/// Every figure of the page, in its order.
///
/// # Errors
/// When a picture cannot be drawn.
pub(super) fn all(story: &Story) -> anyhow::Result<[Figure; 6]> {
    let places = Places { what: "window", numbers: windows(story) };
    let lanes = lanes(&story.miners);
    Ok([
        right(story, &places)?,
        reward(story, &places)?,
        weights(&places, &lanes)?,
        refusals(story, &places)?,
        speed(story, &places, &lanes)?,
        checkpoints(story)?,
    ])
}

/// Every window that anything is told of; with none, those of evaluations, which would have no axis otherwise.
fn windows(story: &Story) -> Vec<u64> {
    let mut windows: BTreeSet<u64> = story.windows.iter().map(|window| window.window).collect();
    for miner in &story.miners {
        windows.extend(miner.weights.iter().chain(&miner.tokens_per_second).map(|(window, _)| *window));
    }
    if windows.is_empty() {
        windows.extend(story.evaluations.iter().map(|evaluation| evaluation.window));
    }
    windows.into_iter().collect()
}

/// One picture of learning: a mark for each window, their moving mean, and the marks of evaluations.
struct Curve {
    figure: Figure,
    /// The value in a table.
    short: &'static str,
    of: Of,
    colour: Colour,
    show: Says,
    axis: Axis,
    label: Says,
    /// What of an evaluation is marked.
    trails: Vec<Trail>,
}

/// What of an evaluation is marked: its sign, its words, its value.
type Trail = (Sign, String, fn(&EvaluationPoint) -> f64);
/// Says a value on an axis; none where there is no axis value.
type Says = fn(Option<f64>) -> String;

fn right(story: &Story, places: &Places) -> anyhow::Result<Figure> {
    let mut trails: Vec<Trail> = vec![(Sign::Diamond, "evaluation, pass@1".into(), |e| e.pass_at_1)];
    // With one answer each it would be the same line again.
    if story.evaluations.iter().any(|e| e.k > 1) {
        let words = format!("evaluation, {}", pass_at(&story.evaluations));
        trails.push((Sign::Hollow, words, |e| e.pass_at_k));
    }
    let figure = Figure {
        title: "Right answers",
        says: "Share of accepted rollouts whose answer is right".into(),
        nothing: "No rollout was accepted, so there is no share of right ones.",
        ..Figure::default()
    };
    let (of, axis): (Of, _) = (|window| window.pass_rate, Axis::Share);
    Curve { figure, short: "right", of, colour: Colour::Blue, show: percent, axis, label: percent, trails }
        .draw(story, places)
}

fn reward(story: &Story, places: &Places) -> anyhow::Result<Figure> {
    let of: Of = |window| window.mean_reward;
    let values = story.windows.iter().filter_map(of).chain(story.evaluations.iter().map(|e| e.mean_reward));
    let figure = Figure {
        title: "Reward",
        says: "Mean reward of accepted rollouts".into(),
        nothing: "No rollout was accepted, so there is no mean reward.",
        unit: "points a rollout",
        ..Figure::default()
    };
    let (axis, show): (_, fn(_) -> _) = (Axis::around(values), |value| decimal(value, 3));
    let trails: Vec<Trail> = vec![(Sign::Diamond, "evaluation".into(), |e| e.mean_reward)];
    Curve { figure, short: "reward", of, colour: Colour::Green, show, axis, label: tick, trails }
        .draw(story, places)
}

impl Curve {
    fn draw(self, story: &Story, places: &Places) -> anyhow::Result<Figure> {
        let Self { mut figure, short, of, colour, show, axis, label, trails } = self;
        let windows = &story.windows;
        let anything = windows.iter().any(|window| of(window).is_some_and(f64::is_finite));
        if !anything && story.evaluations.is_empty() {
            return Ok(figure);
        }
        let means = moving(windows, of);
        let envs: BTreeSet<&str> = windows.iter().map(|window| window.env.as_str()).collect();
        for (at, env) in envs.iter().enumerate() {
            let points = windows.iter().filter(|window| window.env == *env);
            figure.keys.push(Layer {
                sign: SHAPES.get(at).copied().unwrap_or(Sign::Cross),
                colour,
                words: if envs.len() > 1 { format!("a window of {env}") } else { "a window".into() },
                points: points.map(|window| point(window.window, of(window))).collect(),
            });
        }
        let of_window: BTreeMap<u64, (&WindowPoint, Option<f64>)> =
            windows.iter().zip(&means).map(|(window, mean)| (window.window, (window, *mean))).collect();
        let mean = |number: &u64| of_window.get(number).and_then(|(_, mean)| *mean);
        figure.keys.push(Layer {
            sign: Sign::Line,
            colour,
            words: format!("mean of the last {BACK} windows"),
            points: places.numbers.iter().map(|number| point(*number, mean(number))).collect(),
        });
        let mut marks = Vec::new();
        for (sign, words, of) in trails.into_iter().filter(|_| !story.evaluations.is_empty()) {
            let points = story.evaluations.iter().map(|e| point(e.window, Some(of(e)))).collect();
            figure.keys.push(Layer { sign, colour: Colour::Orange, words, points });
            marks.extend(story.evaluations.iter().map(|e| (e.window as f64, of(e), evaluated(e))));
        }
        let pointed = |number| {
            let Some((window, mean)) = of_window.get(number) else { return format!("window {number}") };
            format!(
                "window {number}, {}\ncheckpoint {}, {} accepted\n{short} {}\nmean of {BACK} {}",
                window.env,
                window.checkpoint,
                count(window.rollouts),
                show(of(window)),
                show(*mean)
            )
        };
        let pointed: Vec<String> = places.numbers.iter().map(pointed).collect();
        figure.picture = Some(draw(places, axis, label, &figure.keys, (&pointed, &marks))?);
        figure.by = "; the table below has the numbers";
        let mean = number(format!("mean of {BACK}"));
        figure.head = vec![number("window"), words("environment"), number("checkpoint"), number("accepted")];
        figure.head.extend([number(short), mean]);
        let row = |(window, mean): (&WindowPoint, &Option<f64>)| {
            let (number, checkpoint) = (window.window.to_string(), window.checkpoint.to_string());
            let cells = [count(window.rollouts), show(of(window)), show(*mean)];
            [number, window.env.clone(), checkpoint].into_iter().chain(cells).collect()
        };
        figure.rows = windows.iter().zip(&means).map(row).collect();
        Ok(figure)
    }
}

/// One thing that changes over the windows: a value for each.
#[derive(Debug, Clone, PartialEq)]
struct Series {
    name: String,
    colour: Colour,
    values: Vec<Option<f64>>,
}

impl Series {
    /// What belongs to one window is put together from its sum and how many there are.
    fn new(
        name: String,
        colour: Colour,
        places: &Places,
        values: impl Iterator<Item = (u64, f64)>,
        join: fn(f64, f64) -> f64,
    ) -> Self {
        let mut sums: BTreeMap<u64, (f64, f64)> = BTreeMap::new();
        for (window, value) in values.filter(|(_, value)| value.is_finite()) {
            let (sum, many) = sums.entry(window).or_default();
            (*sum, *many) = (*sum + value, *many + 1.0);
        }
        let value = |window| sums.get(window).map(|(sum, many)| join(*sum, *many));
        Self { name, colour, values: places.numbers.iter().map(value).collect() }
    }

    fn at(&self, place: usize) -> Option<f64> {
        self.values.get(place).copied().flatten()
    }

    fn is_empty(&self) -> bool {
        self.values.iter().all(Option::is_none)
    }
}

/// What pointing at a window tells, and the table of all.
fn tell(figure: &mut Figure, places: &Places, series: &[Series], show: Says) -> Vec<String> {
    figure.by = ", by window";
    figure.head = vec![number("window")];
    figure.head.extend(series.iter().map(|series| number(series.name.clone())));
    let shown = |at: usize| series.iter().map(move |series| (&series.name, show(series.at(at))));
    let mut pointed = Vec::new();
    for (at, window) in places.numbers.iter().enumerate() {
        figure.rows.push([window.to_string()].into_iter().chain(shown(at).map(|(_, value)| value)).collect());
        let lines: String = shown(at).map(|(name, value)| format!("\n{name} {value}")).collect();
        pointed.push(format!("window {window}{lines}"));
    }
    pointed
}

/// Miners that share a line in the pictures: each by itself, unless there are too many for the eye.
#[derive(Debug, Clone, PartialEq)]
struct Lane<'a> {
    name: String,
    colour: Colour,
    miners: Vec<&'a MinerLine>,
}

/// The miners with the most weight, in their order, and the rest together.
fn lanes(miners: &[MinerLine]) -> Vec<Lane<'_>> {
    let weight = |miner: &MinerLine| miner.weights.iter().map(|(_, share)| share).sum::<f64>();
    let mut order: Vec<&MinerLine> = miners.iter().collect();
    order.sort_by(|a, b| weight(b).total_cmp(&weight(a)).then(b.verified.cmp(&a.verified)));
    let named: BTreeSet<&str> = order.iter().take(SERIES).map(|miner| miner.name.as_str()).collect();
    let mut free = COLOURS.to_vec();
    let mut lanes = Vec::new();
    let mut rest = Vec::new();
    for miner in miners {
        if free.is_empty() || !named.contains(miner.name.as_str()) {
            rest.push(miner);
            continue;
        }
        let colour = if is_honest(miner) { free.remove(0) } else { free.pop().unwrap_or(Colour::Grey) };
        lanes.push(Lane { name: miner.name.clone(), colour, miners: vec![miner] });
    }
    if !rest.is_empty() {
        let name = things(rest.len() as u64, "other miner", "other miners");
        lanes.push(Lane { name, colour: Colour::Grey, miners: rest });
    }
    lanes
}

/// Whether a miner answers as the protocol says.
pub(super) fn is_honest(miner: &MinerLine) -> bool {
    miner.part == "honest"
}

fn weights(places: &Places, lanes: &[Lane<'_>]) -> anyhow::Result<Figure> {
    let series = lanes.iter().map(|lane| {
        let weights = lane.miners.iter().flat_map(|miner| miner.weights.iter().copied());
        Series::new(lane.name.clone(), lane.colour, places, weights, |sum, _| sum)
    });
    let figure = Figure {
        title: "Weights",
        says: "Share of all weight that the validator set for each miner, stacked".into(),
        nothing: "No weight was set.",
        ..Figure::default()
    };
    stack(figure, places, &series.collect::<Vec<_>>(), "weight in no window", (Some(Axis::Share), percent))
}

fn refusals(story: &Story, places: &Places) -> anyhow::Result<Figure> {
    let mut totals: BTreeMap<&str, u64> = BTreeMap::new();
    for (code, many) in story.windows.iter().flat_map(|window| &window.refused) {
        *totals.entry(code).or_default() += many;
    }
    let mut order: Vec<(&str, u64)> = totals.into_iter().filter(|(_, many)| *many > 0).collect();
    order.sort_by_key(|(_, many)| std::cmp::Reverse(*many));
    let of = |codes: &[(&str, u64)], name: String, colour| {
        let counts = story.windows.iter().map(|window| {
            let many = codes.iter().filter_map(|(code, _)| window.refused.get(*code)).sum::<u64>();
            (window.window, many as f64)
        });
        Series::new(name, colour, places, counts, |sum, _| sum)
    };
    let mut series: Vec<Series> = (order.iter().zip(COLOURS.iter().rev()))
        .map(|(code, colour)| of(&[*code], code.0.to_owned(), *colour))
        .collect();
    if let Some(rest) = order.get(SERIES..).filter(|rest| !rest.is_empty()) {
        series.push(of(rest, things(rest.len() as u64, "other reason", "other reasons"), Colour::Grey));
    }
    let figure = Figure {
        title: "Refusals",
        says: "Refused rollouts by reason, stacked".into(),
        nothing: "No rollout was refused.",
        unit: "rollouts",
        ..Figure::default()
    };
    stack(figure, places, &series, "none", (None, |many| decimal(Some(many.unwrap_or(0.0)), 0)))
}

/// Bars on top of each other. `zero` is said of a series that has no bar anywhere.
fn stack(
    mut figure: Figure,
    places: &Places,
    series: &[Series],
    zero: &str,
    (axis, show): (Option<Axis>, Says),
) -> anyhow::Result<Figure> {
    if series.iter().all(Series::is_empty) {
        return Ok(figure);
    }
    let mut ground = vec![0.0; places.numbers.len()];
    for series in series {
        let mut points = Vec::new();
        for ((number, ground), value) in places.numbers.iter().zip(&mut ground).zip(&series.values) {
            let from = *ground;
            *ground += value.unwrap_or(0.0).max(0.0);
            points.push(Point { x: *number as f64, from, to: *ground });
        }
        let shown = series.values.iter().flatten().any(|value| *value > 0.0);
        let words = if shown { series.name.clone() } else { format!("{} ({zero})", series.name) };
        figure.keys.push(Layer { sign: Sign::Block, colour: series.colour, words, points });
    }
    let pointed = tell(&mut figure, places, series, show);
    let (axis, label) = match axis {
        Some(axis) => (axis, show),
        None => (Axis::around(ground.into_iter()), tick as fn(Option<f64>) -> String),
    };
    figure.picture = Some(draw(places, axis, label, &figure.keys, (&pointed, &[]))?);
    Ok(figure)
}

fn speed(story: &Story, places: &Places, lanes: &[Lane<'_>]) -> anyhow::Result<Figure> {
    let mut series = Vec::new();
    for lane in lanes {
        let rates = lane.miners.iter().flat_map(|miner| miner.tokens_per_second.iter().copied());
        // The sum of many would leave the others no room in the picture.
        let name = if lane.miners.len() > 1 { format!("{}, a mean", lane.name) } else { lane.name.clone() };
        series.push((Sign::Line, Series::new(name, lane.colour, places, rates, |sum, many| sum / many)));
    }
    let telling = story.miners.iter().filter(|m| is_honest(m) && !m.tokens_per_second.is_empty()).count();
    // Of one honest miner the sum would be the same line again. It is told apart by its dashes: others may share the grey.
    if telling != 1 {
        let sums = story.windows.iter().filter_map(|w| Some((w.window, w.tokens_per_second?)));
        let all = Series::new("all honest miners".into(), Colour::Grey, places, sums, |sum, _| sum);
        series.push((Sign::Dashed, all));
    }
    series.retain(|(_, series)| !series.is_empty());
    let mut figure = Figure {
        title: "Speed of generation",
        says: "Tokens that each miner writes in a second".into(),
        nothing: "No miner told how fast it writes.",
        unit: "tokens/s",
        ..Figure::default()
    };
    if series.is_empty() {
        return Ok(figure);
    }
    for (sign, series) in &series {
        let points = places.numbers.iter().zip(&series.values).map(|(number, value)| point(*number, *value));
        let (colour, words) = (series.colour, series.name.clone());
        figure.keys.push(Layer { sign: *sign, colour, words, points: points.collect() });
    }
    let series: Vec<Series> = series.into_iter().map(|(_, series)| series).collect();
    let axis = Axis::around(series.iter().flat_map(|series| series.values.iter().copied().flatten()));
    let pointed = tell(&mut figure, places, &series, |rate| decimal(rate, 0));
    figure.picture = Some(draw(places, axis, tick, &figure.keys, (&pointed, &[]))?);
    Ok(figure)
}

/// What a checkpoint weighs, and how little of it was sent.
fn checkpoints(story: &Story) -> anyhow::Result<Figure> {
    let list: BTreeMap<u64, &CheckpointPoint> = story.checkpoints.iter().map(|c| (c.sequence, c)).collect();
    let mut figure =
        Figure { title: "Checkpoints", nothing: "No checkpoint was published.", ..Figure::default() };
    if list.is_empty() {
        return Ok(figure);
    }
    let places = Places { what: "checkpoint", numbers: list.keys().copied().collect() };
    let axis = Axis::sizes(list.values().flat_map(|c| [c.whole_bytes as f64, c.sent_bytes as f64]));
    let steps = if axis.is_logarithmic() { ", by powers of ten" } else { "" };
    figure.says = format!("Size of all files, and bytes that were sent{steps}");
    let layers: [(Sign, Colour, &str, Option<bool>); 3] = [
        (Sign::Pale, Colour::Grey, "all files", None),
        (Sign::Block, Colour::Orange, "sent, full", Some(true)),
        (Sign::Block, Colour::Blue, "sent, delta", Some(false)),
    ];
    for (sign, colour, words, kind) in layers {
        let those = list.values().filter(|c| kind.is_none_or(|full| (c.kind == "full") == full));
        let bytes = |c: &CheckpointPoint| if kind.is_some() { c.sent_bytes } else { c.whole_bytes };
        let points: Vec<Point> = those.map(|c| point(c.sequence, Some(bytes(c) as f64))).collect();
        if !points.is_empty() {
            figure.keys.push(Layer { sign, colour, words: words.into(), points });
        }
    }
    let mut pointed = Vec::new();
    for c in list.values() {
        let part = (c.whole_bytes > 0).then(|| c.sent_bytes as f64 / c.whole_bytes as f64);
        let cells = [bytes(c.whole_bytes as f64), bytes(c.sent_bytes as f64), percent(part)];
        let [whole, sent, part] = &cells;
        pointed.push(format!(
            "checkpoint {} ({}), window {}\nall files {whole}\nsent {sent} ({part})",
            c.sequence, c.kind, c.window
        ));
        let place = [c.sequence.to_string(), c.window.to_string(), c.kind.clone()];
        figure.rows.push(place.into_iter().chain(cells).collect());
    }
    figure.head = vec![number("checkpoint"), number("window"), words("kind")];
    figure.head.extend(["all files", "sent", "part"].map(number));
    figure.by = ", by checkpoint";
    let label = |value: Option<f64>| bytes(value.unwrap_or(0.0));
    figure.picture = Some(draw(&places, axis, label, &figure.keys, (&pointed, &[]))?);
    Ok(figure)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearsal::page::tests::{miner, window};

    #[test]
    fn a_window_with_more_rollouts_weighs_more() {
        let mut windows = [window(0, 0.0), window(1, 1.0)];
        (windows[0].rollouts, windows[1].rollouts) = (30, 10);
        assert_eq!(mean(&windows, |w| w.pass_rate), Some(0.25));
        windows[1].pass_rate = Some(f64::NAN);
        assert_eq!(mean(&windows, |w| w.pass_rate), Some(0.0));
        assert_eq!(mean(&[], |w| w.pass_rate), None);
    }

    #[test]
    fn the_moving_mean_looks_back_on_five_windows() {
        let windows: Vec<_> = (0..7).map(|at| window(at, if at < 2 { 1.0 } else { 0.0 })).collect();
        let means: Vec<f64> = moving(&windows, |w| w.pass_rate).into_iter().flatten().collect();
        assert_eq!(means, [1.0, 1.0, 2.0 / 3.0, 0.5, 0.4, 0.2, 0.0]);
    }

    #[test]
    fn honest_miners_and_those_who_cheat_have_colours_from_two_ends() {
        let miners = [miner("a", "honest"), miner("liar", "cheats: …"), miner("b", "honest")];
        let colours: Vec<_> = lanes(&miners).iter().map(|lane| lane.colour).collect();
        assert_eq!(colours, [Colour::Blue, Colour::Red, Colour::Green]);
    }

    #[test]
    fn more_miners_than_colours_share_a_lane() {
        let mut miners: Vec<_> = (0..40).map(|at| miner(&format!("m{at}"), "honest")).collect();
        miners[39].weights = vec![(0, 1.0)];
        let lanes = lanes(&miners);
        assert_eq!(lanes.len(), SERIES + 1);
        assert_eq!(lanes[SERIES - 1].name, "m39");
        assert_eq!((lanes[SERIES].miners.len(), lanes[SERIES].colour), (34, Colour::Grey));
    }

    #[test]
    fn a_series_adds_up_what_belongs_to_one_window() {
        let places = Places { what: "window", numbers: vec![1, 2] };
        let values = [(1, 0.5), (1, 0.25), (9, 1.0), (2, f64::NAN)];
        let series = Series::new("x".into(), Colour::Blue, &places, values.into_iter(), |sum, _| sum);
        assert_eq!(series.values, [Some(0.75), None]);
    }
}
