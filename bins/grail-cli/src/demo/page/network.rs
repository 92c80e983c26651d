//! Pictures of the network at work: weights, refusals, speed, and what checkpoints weigh.

use super::{
    axes::{Scale, Slots},
    parts::{Figure, Key, Sign, number, table, words},
    plot::{Colour, Plot},
    text::{bytes, count, decimal, percent, things},
};
use crate::demo::story::{CheckpointPoint, MinerLine, Story};
use std::collections::{BTreeMap, BTreeSet};

/// Series with a colour of their own; what is left shares the last colour.
const SERIES: usize = 6;

/// Colours for honest miners, best first; those who cheat begin at the other end.
const COLOURS: [Colour; SERIES] =
    [Colour::Blue, Colour::Green, Colour::Sky, Colour::Purple, Colour::Orange, Colour::Red];

/// One thing that changes over the windows.
#[derive(Debug, Clone, PartialEq)]
struct Series {
    name: String,
    colour: Colour,
    /// One value for each slot.
    values: Vec<Option<f64>>,
}

impl Series {
    /// What belongs to one window is added up.
    fn new(name: String, colour: Colour, slots: &Slots, values: impl Iterator<Item = (u64, f64)>) -> Self {
        Self::joined(name, colour, slots, values, |sum, _| sum)
    }

    /// What belongs to one window is put together from its sum and how many there are.
    fn joined(
        name: String,
        colour: Colour,
        slots: &Slots,
        values: impl Iterator<Item = (u64, f64)>,
        join: fn(f64, f64) -> f64,
    ) -> Self {
        let mut sums: BTreeMap<u64, (f64, f64)> = BTreeMap::new();
        for (window, value) in values.filter(|(_, value)| value.is_finite()) {
            let (sum, many) = sums.entry(window).or_default();
            (*sum, *many) = (*sum + value, *many + 1.0);
        }
        let value = |window| sums.get(window).map(|(sum, many)| join(*sum, *many));
        let values = slots.numbers.iter().map(value).collect();
        Self { name, colour, values }
    }

    fn at(&self, slot: usize) -> Option<f64> {
        self.values.get(slot).copied().flatten()
    }

    fn is_empty(&self) -> bool {
        self.values.iter().all(Option::is_none)
    }
}

/// Miners that share a line in the pictures: each by itself, unless there are too many for the eye.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Lane<'a> {
    name: String,
    pub(super) colour: Colour,
    pub(super) miners: Vec<&'a MinerLine>,
}

/// The miners with the most weight, in their order, and the rest together.
pub(super) fn lanes(miners: &[MinerLine]) -> Vec<Lane<'_>> {
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
        let name = things(rest.len(), "other miner", "other miners");
        lanes.push(Lane { name, colour: Colour::Grey, miners: rest });
    }
    lanes
}

/// Whether a miner answers as the protocol says.
pub(super) fn is_honest(miner: &MinerLine) -> bool {
    miner.part == "honest"
}

/// Who earns.
pub(super) fn weights(slots: &Slots, lanes: &[Lane<'_>]) -> Figure {
    let series = lanes.iter().map(|lane| {
        let weights = lane.miners.iter().flat_map(|miner| miner.weights.iter().copied());
        Series::new(lane.name.clone(), lane.colour, slots, weights)
    });
    Stack {
        title: "Weights",
        says: "Share of all weight that the validator set for each miner, stacked",
        nothing: "No weight was set.",
        unit: "",
        zero: "weight in no window",
        scale: |_| Scale::share(),
        show: percent,
        whole: 1.0,
    }
    .figure(slots, series.collect())
}

/// Who is refused, and why.
pub(super) fn refusals(story: &Story, slots: &Slots) -> Figure {
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
        Series::new(name, colour, slots, counts)
    };
    let mut series = Vec::new();
    for (code, colour) in order.iter().zip(COLOURS.iter().rev()) {
        series.push(of(&[*code], code.0.to_owned(), *colour));
    }
    if let Some(rest) = order.get(SERIES..).filter(|rest| !rest.is_empty()) {
        series.push(of(rest, things(rest.len(), "other reason", "other reasons"), Colour::Grey));
    }
    Stack {
        title: "Refusals",
        says: "Refused rollouts by reason, stacked",
        nothing: "No rollout was refused.",
        unit: "rollouts",
        zero: "none",
        scale: |tops| Scale::around(tops.iter().copied()),
        show: |value| value.map_or("0".into(), |many| count(many as u64)),
        whole: f64::INFINITY,
    }
    .figure(slots, series)
}

/// A picture of bars on top of each other.
struct Stack {
    title: &'static str,
    says: &'static str,
    nothing: &'static str,
    unit: &'static str,
    /// Said of a series that has no bar anywhere.
    zero: &'static str,
    scale: fn(&[f64]) -> Scale,
    show: fn(Option<f64>) -> String,
    /// Highest a stack can be; rounding of shares may not reach out of the picture.
    whole: f64,
}

impl Stack {
    fn figure(self, slots: &Slots, series: Vec<Series>) -> Figure {
        let mut figure = Figure {
            title: self.title,
            says: self.says.into(),
            keys: Vec::new(),
            shown: None,
            nothing: self.nothing,
        };
        if series.iter().all(Series::is_empty) {
            return figure;
        }
        let tops: Vec<f64> = (0..slots.numbers.len())
            .map(|slot| series.iter().filter_map(|series| series.at(slot)).sum::<f64>().min(self.whole))
            .collect();
        let mut plot = Plot::new(slots, (self.scale)(&tops), self.unit);
        let mut ground = vec![0.0; slots.numbers.len()];
        for series in &series {
            let mut bars = Vec::new();
            for (slot, ground) in ground.iter_mut().enumerate() {
                let value = series.at(slot).unwrap_or(0.0).max(0.0);
                bars.push((slot, *ground, (*ground + value).min(self.whole)));
                *ground += value;
            }
            let shown = series.values.iter().flatten().any(|value| *value > 0.0);
            plot.bars("bar", series.colour, 0.86, bars.into_iter());
            let words = if shown { series.name.clone() } else { format!("{} ({})", series.name, self.zero) };
            figure.keys.push(Key::new(Sign::Block, series.colour, words));
        }
        plot.hover(|slot| pointed(slots, &series, slot, self.show));
        let table = by_window(slots, &series, self.show);
        figure.shown = Some((plot.finish(&format!("{}, by window", self.says)), table));
        figure
    }
}

/// How fast answers are written.
pub(super) fn speed(story: &Story, slots: &Slots, lanes: &[Lane<'_>]) -> Figure {
    let mut series = Vec::new();
    for lane in lanes {
        let rates = lane.miners.iter().flat_map(|miner| miner.tokens_per_second.iter().copied());
        // The sum of many would leave the others no room in the picture.
        let name = if lane.miners.len() > 1 { format!("{}, a mean", lane.name) } else { lane.name.clone() };
        series.push(Series::joined(name, lane.colour, slots, rates, |sum, many| sum / many));
    }
    series.retain(|series| !series.is_empty());
    let apart = series.len();
    let telling = story.miners.iter().filter(|m| is_honest(m) && !m.tokens_per_second.is_empty()).count();
    // Of one honest miner the sum would be the same line again.
    if telling != 1 {
        let sums = story.windows.iter().filter_map(|w| Some((w.window, w.tokens_per_second?)));
        series.push(Series::new("all honest miners".into(), Colour::Grey, slots, sums));
    }
    series.retain(|series| !series.is_empty());
    let mut figure = Figure {
        title: "Speed of generation",
        says: "Tokens that each miner writes in a second".into(),
        keys: Vec::new(),
        shown: None,
        nothing: "No miner told how fast it writes.",
    };
    if series.is_empty() {
        return figure;
    }
    let values = series.iter().flat_map(|series| series.values.iter().copied().flatten());
    let mut plot = Plot::new(slots, Scale::around(values), "tokens/s");
    let show = |rate| decimal(rate, 0);
    for (at, series) in series.iter().enumerate() {
        // The sum is told apart by its dashes: others may share the grey.
        let (class, sign) =
            if at < apart { ("line", Sign::Line) } else { ("line thin dashed", Sign::DashedLine) };
        plot.line(class, series.colour, &series.values);
        figure.keys.push(Key::new(sign, series.colour, series.name.clone()));
    }
    plot.hover(|slot| pointed(slots, &series, slot, show));
    let table = by_window(slots, &series, show);
    figure.shown = Some((plot.finish(&format!("{}, by window", figure.says)), table));
    figure
}

/// What pointing at a window tells.
fn pointed(slots: &Slots, series: &[Series], slot: usize, show: fn(Option<f64>) -> String) -> String {
    let number = slots.numbers.get(slot).copied().unwrap_or_default();
    let mut words = format!("window {number}");
    for series in series {
        words += &format!("\n{} {}", series.name, show(series.at(slot)));
    }
    words
}

fn by_window(slots: &Slots, series: &[Series], show: fn(Option<f64>) -> String) -> String {
    let mut columns = vec![number("window")];
    columns.extend(series.iter().map(|series| number(series.name.clone())));
    let rows = slots.numbers.iter().enumerate().map(|(slot, window)| {
        let mut row = vec![window.to_string()];
        row.extend(series.iter().map(|series| show(series.at(slot))));
        row
    });
    table(&columns, rows)
}

/// What a checkpoint weighs, and how little of it was sent.
pub(super) fn checkpoints(story: &Story) -> Figure {
    let list: BTreeMap<u64, &CheckpointPoint> = story.checkpoints.iter().map(|c| (c.sequence, c)).collect();
    let mut figure = Figure {
        title: "Checkpoints",
        says: String::new(),
        keys: Vec::new(),
        shown: None,
        nothing: "No checkpoint was published.",
    };
    if list.is_empty() {
        return figure;
    }
    let slots = Slots { what: "checkpoint", numbers: list.keys().copied().collect() };
    let sizes = || list.values().flat_map(|c| [c.whole_bytes as f64, c.sent_bytes as f64]);
    let scale = Scale::sizes(sizes());
    let steps = if scale.is_logarithmic() { ", by powers of ten" } else { "" };
    figure.says = format!("Size of all files, and bytes that were sent{steps}");
    let bars = |of: fn(&CheckpointPoint) -> u64, kind: Option<bool>| {
        let wanted = move |c: &CheckpointPoint| kind.is_none_or(|full| (c.kind == "full") == full);
        let list = list.values().enumerate().filter(move |(_, c)| wanted(c));
        list.map(move |(slot, c)| (slot, 0.0, of(c) as f64))
    };
    let mut plot = Plot::new(&slots, scale, "");
    plot.bars("pale", Colour::Grey, 0.86, bars(|c| c.whole_bytes, None));
    figure.keys.push(Key::new(Sign::PaleBlock, Colour::Grey, "all files"));
    for (full, colour, words) in [(true, Colour::Orange, "sent, full"), (false, Colour::Blue, "sent, delta")]
    {
        if list.values().any(|c| (c.kind == "full") == full) {
            plot.bars("bar", colour, 0.46, bars(|c| c.sent_bytes, Some(full)));
            figure.keys.push(Key::new(Sign::Block, colour, words));
        }
    }
    let cells = |c: &CheckpointPoint| {
        let part = (c.whole_bytes > 0).then(|| c.sent_bytes as f64 / c.whole_bytes as f64);
        [bytes(c.whole_bytes as f64), bytes(c.sent_bytes as f64), percent(part)]
    };
    plot.hover(|slot| {
        let Some(c) = list.values().nth(slot) else { return String::new() };
        let [whole, sent, part] = cells(c);
        format!(
            "checkpoint {} ({}), window {}\nall files {whole}\nsent {sent} ({part})",
            c.sequence, c.kind, c.window
        )
    });
    let columns = [
        number("checkpoint"),
        number("window"),
        words("kind"),
        number("all files"),
        number("sent"),
        number("part"),
    ];
    let rows = list.values().map(|c| {
        let mut row = vec![c.sequence.to_string(), c.window.to_string(), c.kind.clone()];
        row.extend(cells(c));
        row
    });
    let table = table(&columns, rows);
    figure.shown = Some((plot.finish(&format!("{}, by checkpoint", figure.says)), table));
    figure
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::page::tests::miner;

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
        let slots = Slots { what: "window", numbers: vec![1, 2] };
        let values = [(1, 0.5), (1, 0.25), (9, 1.0), (2, f64::NAN)];
        let series = Series::new("x".into(), Colour::Blue, &slots, values.into_iter());
        assert_eq!(series.values, [Some(0.75), None]);
    }
}
