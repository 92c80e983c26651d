//! A small drawing helper: one frame with two axes, and the marks that go into it.
//!
//! Pictures are scaled to the width of the screen, so the letters in them grow on a phone; margins and labels leave
//! room for the larger size. Marks of one series are one path, so that a thousand windows stay small.

use super::{
    axes::{Scale, Slots},
    text::escape,
};

const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 278.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 48.0;
const INNER_WIDTH: f64 = WIDTH - LEFT - RIGHT;
const INNER_HEIGHT: f64 = HEIGHT - TOP - BOTTOM;

/// Places to hover over, at most; more would be thinner than a pointer.
const MOST_HOVERS: usize = 200;

/// Marks that have room at their usual size; more are drawn smaller.
const ROOMY: usize = 60;

/// Widest bar: a single window must not fill the picture.
const WIDEST_BAR: f64 = 36.0;

/// A colour of the style sheet: the classes are told apart by colour-blind people too (Okabe and Ito's set).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colour {
    Blue,
    Green,
    Sky,
    Purple,
    Orange,
    Red,
    Grey,
}

impl Colour {
    /// Class that sets it.
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Blue => "blue",
            Self::Green => "green",
            Self::Sky => "sky",
            Self::Purple => "purple",
            Self::Orange => "orange",
            Self::Red => "red",
            Self::Grey => "grey",
        }
    }
}

/// How a single value is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Dot,
    Square,
    Triangle,
    Cross,
    Diamond,
}

impl Shape {
    /// Its corners around the middle; a dot has none.
    const fn corners(self) -> &'static [(f64, f64)] {
        match self {
            Self::Dot => &[],
            Self::Square => &[(-2.6, -2.6), (2.6, -2.6), (2.6, 2.6), (-2.6, 2.6)],
            Self::Triangle => &[(-3.6, 2.8), (3.6, 2.8), (0.0, -3.6)],
            // Two bars of one width, crossed.
            Self::Cross => &[
                (-3.4, -0.9),
                (-0.9, -0.9),
                (-0.9, -3.4),
                (0.9, -3.4),
                (0.9, -0.9),
                (3.4, -0.9),
                (3.4, 0.9),
                (0.9, 0.9),
                (0.9, 3.4),
                (-0.9, 3.4),
                (-0.9, 0.9),
                (-3.4, 0.9),
            ],
            Self::Diamond => &[(-5.0, 0.0), (0.0, -5.0), (5.0, 0.0), (0.0, 5.0)],
        }
    }

    /// Its outline around a point, so many times its usual size.
    pub(super) fn path(self, x: f64, y: f64, size: f64) -> String {
        let corners: Vec<String> = (self.corners().iter())
            .map(|(dx, dy)| format!("{} {}", at(x + size * dx), at(y + size * dy)))
            .collect();
        if corners.is_empty() {
            let (r, d) = (at(3.0 * size), at(6.0 * size));
            return format!("M{} {}a{r} {r} 0 1 0 {d} 0a{r} {r} 0 1 0-{d} 0", at(x - 3.0 * size), at(y));
        }
        format!("M{}z", corners.join("L"))
    }
}

/// A frame that is being filled.
#[derive(Debug)]
pub(super) struct Plot<'a> {
    slots: &'a Slots,
    scale: Scale,
    body: String,
}

impl<'a> Plot<'a> {
    /// The axes; `unit` stands above the upright one.
    pub(super) fn new(slots: &'a Slots, scale: Scale, unit: &str) -> Self {
        let mut plot = Self { slots, scale, body: String::new() };
        let right = at(WIDTH - RIGHT);
        for (value, label) in &plot.scale.ticks {
            let y = plot.y(*value);
            plot.body += &format!("<path class=\"rule\" d=\"M{} {}H{right}\"/>", at(LEFT), at(y));
            plot.body += &format!(
                "<text class=\"end\" x=\"{}\" y=\"{}\">{}</text>",
                at(LEFT - 8.0),
                at(y + 4.0),
                escape(label)
            );
        }
        let ground = at(TOP + INNER_HEIGHT);
        for (slot, number) in slots.labelled(INNER_WIDTH) {
            let x = at(plot.x(slot as f64 + 0.5));
            plot.body += &format!("<path class=\"tick\" d=\"M{x} {ground}v4\"/>");
            plot.body +=
                &format!("<text class=\"mid\" x=\"{x}\" y=\"{}\">{number}</text>", at(HEIGHT - 27.0));
        }
        plot.body += &format!("<path class=\"tick\" d=\"M{} {ground}H{right}\"/>", at(LEFT));
        plot.body += &format!(
            "<text class=\"mid name\" x=\"{}\" y=\"{}\">{}</text>",
            at(LEFT + INNER_WIDTH / 2.0),
            at(HEIGHT - 6.0),
            escape(slots.what)
        );
        if !unit.is_empty() {
            plot.body += &format!("<text class=\"name\" x=\"0\" y=\"13\">{}</text>", escape(unit));
        }
        plot
    }

    fn x(&self, place: f64) -> f64 {
        LEFT + INNER_WIDTH * place / self.slots.numbers.len().max(1) as f64
    }

    fn y(&self, value: f64) -> f64 {
        TOP + INNER_HEIGHT * (1.0 - self.scale.part(value))
    }

    fn path(&mut self, class: &str, colour: Colour, d: &str) {
        if !d.is_empty() {
            self.body += &format!("<path class=\"{class} {}\" d=\"{d}\"/>", colour.class());
        }
    }

    /// Joins values of neighbouring slots; a gap stays a gap. A value between two gaps is a dot.
    pub(super) fn line(&mut self, class: &str, colour: Colour, values: &[Option<f64>]) {
        let (mut d, mut dots) = (String::new(), String::new());
        let runs = values.split(|value| value.is_none_or(|value| !value.is_finite()));
        let mut slot = 0;
        for run in runs {
            let points: Vec<(f64, f64)> = (run.iter().flatten().enumerate())
                .map(|(at, value)| (self.x((slot + at) as f64 + 0.5), self.y(*value)))
                .collect();
            slot += run.len() + 1;
            match points.as_slice() {
                [] => {}
                [(x, y)] => dots += &Shape::Dot.path(*x, *y, 1.0),
                points => {
                    let points: Vec<String> =
                        points.iter().map(|(x, y)| format!("{} {}", at(*x), at(*y))).collect();
                    d += &format!("M{}", points.join("L"));
                }
            }
        }
        let thin = if values.len() > MOST_HOVERS { " thin" } else { "" };
        self.path(&format!("{class}{thin}"), colour, &d);
        self.path("bar", colour, &dots);
    }

    /// Joins values at any places, and marks each with its own words.
    pub(super) fn trail(&mut self, class: &str, colour: Colour, points: &[(f64, f64, String)]) {
        let points: Vec<_> = points.iter().filter(|(_, value, _)| value.is_finite()).collect();
        let places: Vec<(f64, f64)> =
            points.iter().map(|(place, value, _)| (self.x(*place), self.y(*value))).collect();
        let d: Vec<String> = places.iter().map(|(x, y)| format!("{} {}", at(*x), at(*y))).collect();
        if d.len() > 1 {
            self.path(&format!("line {class}"), colour, &format!("M{}", d.join("L")));
        }
        let size = size(points.len());
        for ((x, y), (_, _, words)) in places.iter().zip(&points) {
            self.body += &format!(
                "<path class=\"mark {class} {}\" d=\"{}\"><title>{}</title></path>",
                colour.class(),
                Shape::Diamond.path(*x, *y, size),
                escape(words)
            );
        }
    }

    /// One mark for each value of a slot.
    pub(super) fn marks(&mut self, shape: Shape, colour: Colour, values: impl Iterator<Item = (usize, f64)>) {
        let mut d = String::new();
        let size = size(self.slots.numbers.len());
        for (slot, value) in values.filter(|(_, value)| value.is_finite()) {
            d += &shape.path(self.x(slot as f64 + 0.5), self.y(value), size);
        }
        self.path("marks", colour, &d);
    }

    /// Bars from one value to another; `part` is how much of its slot a bar takes.
    pub(super) fn bars(
        &mut self,
        class: &str,
        colour: Colour,
        part: f64,
        bars: impl Iterator<Item = (usize, f64, f64)>,
    ) {
        let band = INNER_WIDTH / self.slots.numbers.len().max(1) as f64;
        // Gaps between thin bars would only flicker.
        let width = if band < 5.0 && part > 0.5 { band } else { (band * part).min(WIDEST_BAR * part) };
        let mut d = String::new();
        for (slot, from, to) in bars {
            let (ground, top) = (self.y(from), self.y(to));
            if ground - top < 0.05 {
                continue;
            }
            let left = self.x(slot as f64 + 0.5) - width / 2.0;
            d += &format!("M{} {}h{}V{}h{}z", fine(left), at(ground), fine(width), at(top), fine(-width));
        }
        self.path(class, colour, &d);
    }

    /// Lets a reader point at a slot and see its values. Many slots share places; the first of each speaks.
    pub(super) fn hover(&mut self, words: impl Fn(usize) -> String) {
        let many = self.slots.numbers.len();
        let step = many.div_ceil(MOST_HOVERS).max(1);
        self.body += "<g class=\"hover\">";
        for slot in (0..many).step_by(step) {
            let (left, right) = (self.x(slot as f64), self.x((slot + step).min(many) as f64));
            self.body += &format!(
                "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"><title>{}</title></rect>",
                fine(left),
                at(TOP),
                fine(right - left),
                at(INNER_HEIGHT),
                escape(&words(slot))
            );
        }
        self.body += "</g>";
    }

    /// The picture; `label` says what it shows to readers who cannot see it.
    pub(super) fn finish(self, label: &str) -> String {
        format!(
            "<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">{}</svg>",
            at(WIDTH),
            at(HEIGHT),
            escape(label),
            self.body
        )
    }
}

/// How large each of so many marks is drawn.
fn size(marks: usize) -> f64 {
    (ROOMY as f64 / marks.max(1) as f64).sqrt().clamp(0.4, 1.0)
}

/// A coordinate, to a tenth.
fn at(value: f64) -> String {
    trimmed(format!("{value:.1}"), value)
}

/// A coordinate to a hundredth, for bars that must touch.
fn fine(value: f64) -> String {
    trimmed(format!("{value:.2}"), value)
}

fn trimmed(text: String, value: f64) -> String {
    if !value.is_finite() {
        return "0".into();
    }
    let short = text.trim_end_matches('0').trim_end_matches('.');
    if short == "-0" { "0".into() } else { short.into() }
}
