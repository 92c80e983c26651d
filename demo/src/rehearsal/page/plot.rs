//! One picture over plotters: two axes, and the layers that go into it.
//!
//! The page has colours for day and night, while plotters writes numbers: each number here stands for a name of the style
//! sheet, which takes its place in the end. Nothing of a story reaches plotters but numbers, so its SVG is safe as it is.

use super::text::{bytes, decimal};
use anyhow::Context as _;
use plotters::{coord::types::RangedCoordf64, prelude::*};
use serde::Serialize;

/// Size of every picture, in steps of a quarter of a pixel on a wide screen: plotters knows whole steps alone.
const SIZE: (u32, u32) = (1_920, 1_112);

/// Places to hover over, at most; more would be thinner than a pointer.
const MOST_HOVERS: usize = 200;

/// Marks that have room at their usual size; more are drawn smaller.
const ROOMY: f64 = 60.0;

/// Widest bar as a part of the picture: a single window must not fill it.
const WIDEST_BAR: f64 = 0.09;

/// A colour of the style sheet, told apart by colour-blind people too (Okabe and Ito's set).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Colour {
    Blue,
    Green,
    Sky,
    Purple,
    Orange,
    Red,
    Grey,
    Card,
    Rule,
    Axis,
    Soft,
}

/// Names of the colours, in the order of [`Colour`].
const NAMES: [&str; 11] =
    ["blue", "green", "sky", "purple", "orange", "red", "grey", "card", "rule", "axis", "soft"];

impl Colour {
    /// The number that stands for it; another one where what it draws is dashed.
    const fn number(self, dashed: bool) -> RGBColor {
        RGBColor(if dashed { 2 } else { 1 }, 0, self as u8)
    }

    const fn plain(self) -> RGBColor {
        self.number(false)
    }
}

/// Puts the names of colours where their numbers stand.
fn named(svg: &str) -> String {
    let mut pieces = svg.split("\"#0");
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (kind, number) = (piece.get(..1), piece.get(3..5));
        let number = number.and_then(|digits| usize::from_str_radix(digits, 16).ok());
        let (name, dashes) = match (kind, number.and_then(|number| NAMES.get(number))) {
            (Some("1"), Some(name)) => (*name, ""),
            (Some("2"), Some(name)) => (*name, " stroke-dasharray=\"20 16\""),
            _ => ("ink", ""),
        };
        out += &format!("\"var(--{name})\"{dashes}");
        out += piece.get(6..).unwrap_or_default();
    }
    out
}

/// How a value is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Sign {
    Block,
    Pale,
    Line,
    Dashed,
    Dot,
    Triangle,
    Square,
    Cross,
    /// Joined by a thin line, as is the next.
    Diamond,
    Hollow,
}

/// A value at a place of the flat axis; what is no number is a gap. Bars begin at `from`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) from: f64,
    pub(super) to: f64,
}

/// Values that are shown in one way, and the words for them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Layer {
    pub(super) sign: Sign,
    pub(super) colour: Colour,
    pub(super) words: String,
    #[serde(skip)]
    pub(super) points: Vec<Point>,
}

/// What the upright axis measures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Axis {
    /// From nothing to everything.
    Share,
    /// Around zero and these two.
    Around(f64, f64),
    /// Sizes, by powers of ten where they differ much, since a small one would be no bar at all.
    Sizes(f64, f64),
}

impl Axis {
    /// Around zero and all values.
    pub(super) fn around(values: impl Iterator<Item = f64>) -> Self {
        let (mut low, mut high) = (0.0_f64, 0.0_f64);
        for value in values.filter(|value| value.is_finite()) {
            (low, high) = (low.min(value), high.max(value));
        }
        if high - low < 1e-9 { Self::Around(0.0, 1.0) } else { Self::Around(low, high) }
    }

    /// For these sizes.
    pub(super) fn sizes(values: impl Iterator<Item = f64>) -> Self {
        let values: Vec<f64> = values.filter(|value| *value >= 1.0).collect();
        let most = values.iter().copied().fold(1.0, f64::max);
        let least = values.iter().copied().fold(most, f64::min);
        if most / least < 20.0 { Self::Around(0.0, most) } else { Self::Sizes(least, most) }
    }

    /// Whether equal steps are powers of ten.
    pub(super) const fn is_logarithmic(&self) -> bool {
        matches!(self, Self::Sizes(..))
    }

    fn ends(self) -> (f64, f64) {
        match self {
            Self::Share => (0.0, 1.0),
            Self::Around(low, high) => (1.05 * low, 1.05 * high),
            // The least one still stands a little above the ground.
            Self::Sizes(least, most) => ((0.7 * least).log10().floor(), most.log10().ceil()),
        }
    }

    fn place(self, value: f64) -> f64 {
        let (low, high) = self.ends();
        let value = if self.is_logarithmic() { value.max(1.0).log10() } else { value };
        value.clamp(low, high)
    }

    /// Lines across, at most.
    fn lines(self) -> usize {
        let (low, high) = self.ends();
        if self.is_logarithmic() { (high - low) as usize + 1 } else { 6 }
    }
}

/// The numbered places along the flat axis.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Places {
    /// What the numbers are.
    pub(super) what: &'static str,
    /// Ascending, each once.
    pub(super) numbers: Vec<u64>,
}

impl Places {
    /// The least way between two numbers.
    fn step(&self) -> f64 {
        let steps = self.numbers.windows(2).filter_map(|pair| Some(pair.last()? - pair.first()?));
        steps.min().unwrap_or(1) as f64
    }

    fn ends(&self) -> (f64, f64) {
        let half = self.step() / 2.0;
        let at = |number: Option<&u64>| number.map_or(0.0, |number| *number as f64);
        (at(self.numbers.first()) - half, at(self.numbers.last()) + half)
    }
}

/// A picture as the page shows it.
#[derive(Debug, Serialize)]
pub(super) struct Picture {
    /// What stands inside the SVG element.
    svg: String,
    size: (u32, u32),
    hovers: Vec<Hover>,
}

/// A place to point at, and what that tells.
#[derive(Debug, Serialize)]
struct Hover {
    x: i32,
    y: i32,
    width: i32,
    height: i32,
    words: String,
}

/// Draws the layers in their order. `pointed` has the words for each place, `marks` those for single points.
///
/// # Errors
/// When plotters cannot draw.
pub(super) fn draw(
    places: &Places,
    axis: Axis,
    show: fn(Option<f64>) -> String,
    layers: &[Layer],
    (pointed, marks): (&[String], &[(f64, f64, String)]),
) -> anyhow::Result<Picture> {
    let mut svg = String::new();
    let mut hovers = Vec::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        let ((left, right), (low, high)) = (places.ends(), axis.ends());
        let mut chart = ChartBuilder::on(&area)
            .margin_top(128)
            .margin_right(56)
            .x_label_area_size(176)
            .y_label_area_size(232)
            .build_cartesian_2d(left..right, low..high)?;
        let label = |colour: Colour| ("sans-serif", 46).into_font().color(&colour.plain());
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(Colour::Rule.plain().stroke_width(4))
            .axis_style(Colour::Axis.plain().stroke_width(4))
            .label_style(label(Colour::Soft))
            .x_labels(7)
            .y_labels(axis.lines())
            // Between two numbers there is none.
            .x_label_formatter(&|x| if x.fract().abs() < 1e-6 { format!("{x:.0}") } else { String::new() })
            .y_label_formatter(&|y| match axis {
                Axis::Sizes(..) if y.fract().abs() > 1e-6 => String::new(),
                Axis::Sizes(..) => bytes(10f64.powf(*y)),
                _ => show(Some(*y)),
            })
            .x_desc(places.what)
            .draw()?;
        for layer in layers {
            layer.draw(&mut chart, axis, places)?;
        }
        let (across, up) = chart.plotting_area().get_pixel_range();
        let step = pointed.len().div_ceil(MOST_HOVERS).max(1);
        let x = |number: f64| {
            let part = (number - left) / (right - left);
            across.start + (f64::from(across.end - across.start) * part).round() as i32
        };
        // Many numbers share a place; the first of each speaks.
        for (number, words) in places.numbers.iter().zip(pointed).step_by(step) {
            let from = *number as f64 - places.step() / 2.0;
            let (x, end) = (x(from), x(from + step as f64 * places.step()).min(across.end));
            let (width, height) = (end - x, up.end - up.start);
            hovers.push(Hover { x, y: up.start, width, height, words: words.clone() });
        }
        for (at, value, words) in marks.iter().filter(|(_, value, _)| value.is_finite()) {
            let (x, y) = chart.backend_coord(&(at.clamp(left, right), axis.place(*value)));
            hovers.push(Hover { x: x - 20, y: y - 20, width: 40, height: 40, words: words.clone() });
        }
        area.present()?;
    }
    let inside = svg.split_once("<svg ").and_then(|(_, rest)| rest.split_once('>'));
    let (_, inside) = inside.context("plotters wrote no SVG element")?;
    Ok(Picture { svg: named(inside.trim_end().trim_end_matches("</svg>")), size: SIZE, hovers })
}

type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

impl Layer {
    fn draw(&self, chart: &mut Chart<'_, '_>, axis: Axis, places: &Places) -> anyhow::Result<()> {
        let colour = self.colour.number(matches!(self.sign, Sign::Dashed | Sign::Hollow));
        let size = (4.0 * (ROOMY / places.numbers.len().max(1) as f64).sqrt().clamp(0.4, 1.0)) as i32;
        let (left, right) = places.ends();
        let known = self.points.iter().filter(|point| point.to.is_finite());
        let at = known.clone().map(|point| (point.x.clamp(left, right), axis.place(point.to)));
        match self.sign {
            Sign::Block | Sign::Pale => {
                // Gaps between thin bars would only flicker.
                let part: f64 = if places.numbers.len() > 80 { 1.0 } else { 0.86 };
                let part = if self.sign == Sign::Block { part } else { part.min(0.86) };
                let half = (part * places.step()).min(WIDEST_BAR * (right - left)) / 2.0;
                let fill = colour.mix(if self.sign == Sign::Pale { 0.28 } else { 1.0 }).filled();
                let bars = known.filter(|point| point.to > point.from);
                chart.draw_series(bars.map(|point| {
                    let (from, to) = (axis.place(point.from), axis.place(point.to));
                    Rectangle::new([(point.x - half, from), (point.x + half, to)], fill)
                }))?;
            }
            Sign::Line | Sign::Dashed => {
                let thin = self.sign == Sign::Dashed || places.numbers.len() > MOST_HOVERS;
                let style = colour.stroke_width(if thin { 6 } else { 9 });
                // A gap stays a gap; a value between two gaps is a dot.
                for run in self.points.split(|point| !point.to.is_finite()).filter(|run| !run.is_empty()) {
                    let run: Vec<_> = run.iter().map(|point| (point.x, axis.place(point.to))).collect();
                    match run.as_slice() {
                        [alone] => chart.draw_series([Circle::new(*alone, 12, colour.filled())])?,
                        _ => chart.draw_series([PathElement::new(run, style)])?,
                    };
                }
            }
            Sign::Dot => {
                chart.draw_series(at.map(|at| Circle::new(at, 3 * size, colour.mix(0.7).filled())))?;
            }
            Sign::Triangle => {
                chart
                    .draw_series(at.map(|at| TriangleMarker::new(at, 4 * size, colour.mix(0.7).filled())))?;
            }
            Sign::Cross => {
                chart.draw_series(at.map(|at| Cross::new(at, 3 * size, colour.stroke_width(7))))?;
            }
            Sign::Square => {
                let (low, high) = ((-3 * size, -3 * size), (3 * size, 3 * size));
                let square =
                    move |at| EmptyElement::at(at) + Rectangle::new([low, high], colour.mix(0.7).filled());
                chart.draw_series(at.map(square))?;
            }
            Sign::Diamond | Sign::Hollow => {
                if at.clone().count() > 1 {
                    chart.draw_series([PathElement::new(
                        at.clone().collect::<Vec<_>>(),
                        colour.stroke_width(6),
                    )])?;
                }
                let (reach, outline) = (5 * size, self.colour.plain().stroke_width(6));
                let corners = vec![(-reach, 0), (0, -reach), (reach, 0), (0, reach), (-reach, 0)];
                let inside = if self.sign == Sign::Hollow { Colour::Card } else { self.colour };
                chart.draw_series(at.map(|at| {
                    EmptyElement::at(at)
                        + Polygon::new(corners.clone(), inside.plain().filled())
                        + PathElement::new(corners.clone(), outline)
                }))?;
            }
        }
        Ok(())
    }
}

/// A number on an axis that spans so much.
pub(super) fn tick(value: Option<f64>) -> String {
    let text = decimal(value, 3);
    let short = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    short.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_that_differ_much_stand_on_powers_of_ten() {
        assert_eq!(Axis::sizes([270e6, 2.1e6, 0.0].into_iter()).ends(), (6.0, 9.0));
        assert!(!Axis::sizes([270e6, 200e6].into_iter()).is_logarithmic());
        assert!(!Axis::sizes(std::iter::empty()).is_logarithmic());
    }

    #[test]
    fn an_axis_holds_zero_and_all_values_and_is_never_empty() {
        for (values, low, high) in
            [(vec![0.1, 0.93], 0.0, 0.93), (vec![-0.4, 0.9], -0.4, 0.9), (vec![], 0.0, 1.0)]
        {
            let (from, to) = Axis::around(values.into_iter().chain([f64::NAN])).ends();
            assert!(from <= low && to >= high && to - from > 0.0);
        }
    }

    #[test]
    fn places_are_as_wide_as_the_least_way_between_two() {
        let places = |numbers: &[u64]| Places { what: "window", numbers: numbers.to_vec() }.ends();
        assert_eq!(places(&[30, 60, 120]), (15.0, 135.0));
        assert_eq!(places(&[7]), (6.5, 7.5));
        assert_eq!(places(&[]), (-0.5, 0.5));
    }

    #[test]
    fn numbers_of_colours_become_their_names() {
        assert_eq!(
            named("a=\"#010000\" b=\"#020006\"/>"),
            "a=\"var(--blue)\" b=\"var(--grey)\" stroke-dasharray=\"20 16\"/>"
        );
        assert_eq!(NAMES.get(Colour::Soft as usize), Some(&"soft"));
    }
}
