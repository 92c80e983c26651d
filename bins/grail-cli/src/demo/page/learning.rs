//! The two pictures that say whether the model learns: right answers and reward, by window.

use super::{
    axes::{Scale, Slots},
    parts::{Figure, Key, Sign, number, table, words},
    plot::{Colour, Plot, Shape},
    text::{count, decimal, percent},
};
use crate::demo::story::{EvaluationPoint, Story, WindowPoint};
use std::collections::BTreeSet;

/// Windows that a moving mean looks back on, itself included.
const BACK: usize = 5;

/// One mark for each environment; later ones share the last.
const SHAPES: [Shape; 4] = [Shape::Dot, Shape::Triangle, Shape::Square, Shape::Cross];

/// A number of a window, absent when it has none.
pub(super) type Of = fn(&WindowPoint) -> Option<f64>;

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
    (1..=windows.len())
        .map(|end| {
            let back = windows.get(end.saturating_sub(BACK)..end).unwrap_or_default();
            mean(back, of)
        })
        .collect()
}

/// Right answers.
pub(super) fn right(story: &Story, slots: &Slots) -> Figure {
    let trails = trails(story, slots, |e| e.pass_at_1, Some(|e| e.pass_at_k));
    Curve {
        title: "Right answers",
        says: "Share of accepted rollouts whose answer is right",
        nothing: "No rollout was accepted, so there is no share of right ones.",
        short: "right",
        unit: "",
        of: |window| window.pass_rate,
        colour: Colour::Blue,
        show: percent,
        scale: Scale::share(),
    }
    .figure(story, slots, trails)
}

/// Reward.
pub(super) fn reward(story: &Story, slots: &Slots) -> Figure {
    let of: Of = |window| window.mean_reward;
    let trails = trails(story, slots, |e| e.mean_reward, None);
    let values = story.windows.iter().filter_map(of).chain(story.evaluations.iter().map(|e| e.mean_reward));
    Curve {
        title: "Reward",
        says: "Mean reward of accepted rollouts",
        nothing: "No rollout was accepted, so there is no mean reward.",
        short: "reward",
        unit: "points a rollout",
        of,
        colour: Colour::Green,
        show: |value| decimal(value, 3),
        scale: Scale::around(values),
    }
    .figure(story, slots, trails)
}

/// The marks of evaluations under one name.
struct Trail {
    sign: Sign,
    words: String,
    /// Place, value, and what pointing at it tells.
    points: Vec<(f64, f64, String)>,
}

/// A number of an evaluation.
type OfEvaluation = fn(&EvaluationPoint) -> f64;

fn trails(story: &Story, slots: &Slots, of: OfEvaluation, of_k: Option<OfEvaluation>) -> Vec<Trail> {
    if story.evaluations.is_empty() {
        return Vec::new();
    }
    let points = |of: OfEvaluation| {
        let point = |e: &EvaluationPoint| (slots.place(e.window), of(e), evaluated(e));
        story.evaluations.iter().map(point).collect()
    };
    let Some(of_k) = of_k else {
        return vec![Trail { sign: Sign::Diamond, words: "evaluation".into(), points: points(of) }];
    };
    let mut trails =
        vec![Trail { sign: Sign::Diamond, words: "evaluation, pass@1".into(), points: points(of) }];
    // With one answer each it would be the same line again.
    if story.evaluations.iter().any(|e| e.k > 1) {
        let words = format!("evaluation, {}", pass_at(&story.evaluations));
        trails.push(Trail { sign: Sign::HollowDiamond, words, points: points(of_k) });
    }
    trails
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
    let mut words = format!(
        "evaluation of checkpoint {} at window {}\n{} problems, {} answers each\npass@1 {}\n",
        e.sequence,
        e.window,
        count(e.problems),
        count(e.answers),
        percent(Some(e.pass_at_1))
    );
    if e.k > 1 {
        words += &format!("pass@{} {}\n", e.k, percent(Some(e.pass_at_k)));
    }
    words + &format!("mean reward {}", decimal(Some(e.mean_reward), 3))
}

/// One picture: a mark for each window, their moving mean, and the marks of evaluations.
struct Curve {
    title: &'static str,
    says: &'static str,
    nothing: &'static str,
    /// The value in a table.
    short: &'static str,
    unit: &'static str,
    of: Of,
    colour: Colour,
    show: fn(Option<f64>) -> String,
    scale: Scale,
}

impl Curve {
    fn figure(&self, story: &Story, slots: &Slots, trails: Vec<Trail>) -> Figure {
        let windows = &story.windows;
        let means = moving(windows, self.of);
        let anything = windows.iter().any(|window| (self.of)(window).is_some_and(f64::is_finite));
        if !anything && trails.is_empty() {
            return Figure {
                title: self.title,
                says: String::new(),
                keys: Vec::new(),
                shown: None,
                nothing: self.nothing,
            };
        }
        let mut plot = Plot::new(slots, self.scale.clone(), self.unit);
        let mut keys = Vec::new();
        let envs: BTreeSet<&str> = windows.iter().map(|window| window.env.as_str()).collect();
        for (at, env) in envs.iter().enumerate() {
            let shape = SHAPES.get(at).copied().unwrap_or(Shape::Cross);
            let of_env = windows.iter().filter(|window| window.env == *env);
            // A slot's middle is half a step in.
            let points = of_env.filter_map(|w| Some((slots.place(w.window) as usize, (self.of)(w)?)));
            plot.marks(shape, self.colour, points);
            let words = if envs.len() > 1 { format!("a window of {env}") } else { "a window".into() };
            keys.push(Key::new(Sign::Mark(shape), self.colour, words));
        }
        let mut line = vec![None; slots.numbers.len()];
        for (window, mean) in windows.iter().zip(&means) {
            if let Some(place) = line.get_mut(slots.place(window.window) as usize) {
                *place = *mean;
            }
        }
        plot.line("line", self.colour, &line);
        keys.push(Key::new(Sign::Line, self.colour, format!("mean of the last {BACK} windows")));
        plot.hover(|slot| {
            let number = slots.numbers.get(slot).copied().unwrap_or_default();
            let window = windows.iter().position(|window| window.window == number);
            window.and_then(|at| Some(self.pointed(windows.get(at)?, *means.get(at)?))).unwrap_or_default()
        });
        for trail in trails {
            let class = if trail.sign == Sign::HollowDiamond { "thin dashed" } else { "thin" };
            plot.trail(class, Colour::Orange, &trail.points);
            keys.push(Key::new(trail.sign, Colour::Orange, trail.words));
        }
        let columns = [
            number("window"),
            words("environment"),
            number("checkpoint"),
            number("accepted"),
            number(self.short),
            number(format!("mean of {BACK}")),
        ];
        let rows = windows.iter().zip(&means).map(|(window, mean)| {
            vec![
                window.window.to_string(),
                window.env.clone(),
                window.checkpoint.to_string(),
                count(window.rollouts),
                (self.show)((self.of)(window)),
                (self.show)(*mean),
            ]
        });
        let table = table(&columns, rows);
        let picture = plot.finish(&format!("{} by window; the table below has the numbers", self.says));
        Figure {
            title: self.title,
            says: self.says.into(),
            keys,
            shown: Some((picture, table)),
            nothing: self.nothing,
        }
    }

    /// What pointing at a window tells.
    fn pointed(&self, window: &WindowPoint, mean: Option<f64>) -> String {
        format!(
            "window {}, {}\ncheckpoint {}, {} accepted\n{} {}\nmean of {BACK} {}",
            window.window,
            window.env,
            window.checkpoint,
            count(window.rollouts),
            self.short,
            (self.show)((self.of)(window)),
            (self.show)(mean)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::page::tests::window;

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
}
