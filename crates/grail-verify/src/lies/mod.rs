//! Ways to cheat, once for everybody who tells them: the tests on a fake model, the laboratory on real ones, and the miner
//! that lies for a rehearsal. Whoever writes a verifier of their own may hold it to the same table.
//!
//! A [`Lie`] has a name, says in a line what it does, knows how it is told, and what must become of it. It is told with the
//! [`Means`] that a liar has: an honest window, and the model. [`all`] is the table, in four parts:
//!
//! | part | what is false |
//! |---|---|
//! | [`LieKind::Structure`] | the file; it is refused before a model is asked |
//! | [`LieKind::Forgery`] | sketch, text, log-probabilities or reward |
//! | [`LieKind::Sampling`] | how tokens were drawn |
//! | [`LieKind::Model`] | which model computed |
//!
//! Nothing that judges imports this module.

mod claims;
mod draws;
mod files;
mod habit;
mod mining;
mod models;
mod texts;

pub use habit::{DrawPlace, Habit};
pub use mining::{Lying, MiningLie, named};

use grail_artifact::window::{RolloutRecord, WindowFile, WindowHeader};
use grail_ports::{
    Fault,
    model::{GenerationRule, GroupRequest, Tokenize},
};
use grail_protocol::{
    seed::WindowContext,
    words::{Hotkey, TokenId},
};
use serde::Serialize;

/// A way to cheat, or the honest control.
#[derive(Debug, Clone, Copy)]
pub struct Lie {
    /// Its name in tables and on command lines.
    pub name: &'static str,
    /// One line: the cheapest form of it that an insider would try.
    pub says: &'static str,
    /// Its family.
    pub kind: LieKind,
    /// How it is told.
    pub tells: Tells,
    /// The rejection that names it, of the file or of most of its rollouts, and after it those that some rollouts may get
    /// instead. Empty where only real models tell it and what they show first differs.
    pub codes: &'static [&'static str],
    /// Least share of rollouts that must be rejected by themselves on the fake model, and in every group at least one. None
    /// where the fake model cannot tell it.
    pub on_fake: Option<f64>,
    /// What must become of it on a real model. None where it is a lie for the fake one.
    pub on_real: Option<Expectation>,
    /// The folder of its sample file in `fixtures/windows/bad/{code}`, where it has one.
    pub sample: Option<&'static str>,
}

/// The family of a lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LieKind {
    /// Nothing is false.
    Control,
    /// The file.
    Structure,
    /// Sketch, text or claims.
    Forgery,
    /// How tokens were drawn.
    Sampling,
    /// Which model computed.
    Model,
}

/// What must become of a lie on a real model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "rule", content = "tokens")]
pub enum Expectation {
    /// Nothing is refused and nothing is left open.
    Accepted,
    /// No lie counts, not once.
    Refused,
    /// The first refusal comes within so many tokens of the miner who lies, in the median. Where nothing false came of it
    /// there is nothing to refuse.
    Within(u64),
    /// It is not caught, or not reliably. What it gains is reported.
    Open,
}

/// Makes the completion tokens of each rollout that is lied about.
pub type Texts = fn(&dyn Means) -> Result<Vec<Vec<TokenId>>, Fault>;

/// How a lie is told.
#[derive(Debug, Clone, Copy)]
pub enum Tells {
    /// Honest rollouts with another sketch.
    Sketch(fn(&mut [i8])),
    /// The model is honestly asked something else.
    Asks(fn(&mut [GroupRequest], &mut GenerationRule)),
    /// Tokens are picked in another way; sketch and log-probabilities are true.
    Picks(fn(&dyn Means) -> Result<Habit, Fault>),
    /// Texts are sent that were not drawn, with sketch and log-probabilities of one honest prefill: what an insider would
    /// do.
    Texts(Texts),
    /// Another computation gives everything.
    Computes(Computation),
    /// Another computation gives the texts, one honest prefill sketch and log-probabilities.
    ComputesProven(Computation),
    /// What belongs to somebody else, or to a window that did not come.
    Foreign(Foreign),
    /// In any other way.
    Otherwise(fn(&dyn Means) -> Result<ToldLie, Fault>),
}

/// What a liar has: a window that was answered honestly, and the model.
pub trait Means {
    /// The window as everybody derives it.
    fn window(&self) -> &WindowContext;
    /// The header of an honest file.
    fn header(&self) -> WindowHeader;
    /// Tokens of the model's vocabulary.
    fn vocabulary(&self) -> u32;
    /// Text and tokens.
    fn tokenizer(&self) -> &dyn Tokenize;
    /// Honest answers of the window, with `more` groups behind those of an honest file where the liar can make them.
    fn honest(&self, more: u32) -> Result<Vec<RolloutRecord>, Fault>;
    /// The honest file of an earlier window.
    fn earlier(&self) -> Result<WindowFile, Fault>;
    /// Signs records as they are.
    fn seal(&self, header: WindowHeader, records: Vec<RolloutRecord>) -> Result<WindowFile, Fault>;
    /// Answers to requests and a rule that were changed, with the sketches and log-probabilities of that.
    fn asked(
        &self,
        change: &dyn Fn(&mut [GroupRequest], &mut GenerationRule),
    ) -> Result<Vec<RolloutRecord>, Fault>;
    /// Answers whose tokens are picked in another way, sketch and log-probabilities true.
    fn picked(&self, habit: Habit) -> Result<Vec<RolloutRecord>, Fault>;
    /// Texts in the places of the honest ones, with sketch and log-probabilities of one honest prefill.
    fn proven(&self, texts: Vec<Vec<TokenId>>) -> Result<Vec<RolloutRecord>, Fault>;
    /// The tokens of a text, none of them a control token.
    fn encode(&self, text: &str) -> Result<Vec<TokenId>, Fault>;
    /// Whether other tokens would be right in the place of a record.
    fn succeeds(&self, record: &RolloutRecord, tokens: &[TokenId]) -> Result<bool, Fault>;
    /// Answers of another computation.
    fn computed(&self, computation: Computation) -> Result<Vec<RolloutRecord>, Fault>;
    /// What belongs to somebody else, or to a window that did not come.
    fn foreign(&self, foreign: Foreign) -> Result<ToldLie, Fault>;
}

/// Another computation than the checkpoint's on the window's prompts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Computation {
    /// The true text; the sketch that the model gives after the next problem's prompt.
    NextPrompt,
    /// The true text; the sketch that the model gives after a prompt of these tokens.
    MadeUpPrompt(&'static [TokenId]),
    /// The true text; the sketch of the mean hidden state.
    MeanState,
    /// Other weights altogether.
    OtherWeights,
    /// Weights of one step before: one in a hundred lies one step of a brain float away.
    OneStepBack,
    /// Weights with so much noise, relative to each.
    Noise(f32),
    /// Weights and arithmetic in brain floats.
    Bf16,
    /// Weights rounded to eight-bit floats, row by row.
    Fp8,
    /// Weights rounded row by row to so many steps of each sign.
    Rounded(f32),
    /// Keys and values kept in eight-bit floats.
    Fp8Cache,
    /// One layer in the middle left out.
    LayerDropped,
    /// Half the layers.
    HalfTheLayers,
}

/// Whose rollouts are sent, or for which window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    /// Another miner's file, as it was.
    File,
    /// Another miner's rollouts under the own signature.
    Rollouts,
    /// Another miner's texts, proven with the own keys.
    Texts,
    /// Rollouts made with a guessed beacon.
    Guessed,
}

/// What is sent to the court.
#[derive(Debug, Clone)]
pub struct ToldLie {
    /// The file.
    pub file: WindowFile,
    /// Under whose key it lies, where that is not the miner of the window.
    pub hotkey: Option<Hotkey>,
    /// The window that a validator derives, where it is another one.
    pub window: Option<WindowContext>,
    /// Milliseconds after the deadline at which it is stored; none where it is in time.
    pub late: Option<u64>,
    /// What is done to its bytes.
    pub bytes: Option<fn(&mut Vec<u8>)>,
}

impl From<WindowFile> for ToldLie {
    fn from(file: WindowFile) -> Self {
        Self { file, hotkey: None, window: None, late: None, bytes: None }
    }
}

/// Every lie, the control first.
pub fn all() -> impl Iterator<Item = &'static Lie> {
    let parts = [files::LIES, claims::LIES, draws::LIES, models::LIES];
    std::iter::once(&HONEST).chain(parts.into_iter().flatten())
}

/// Lies about the file that the fake model tells.
pub fn fake_files() -> impl Iterator<Item = &'static Lie> {
    all().filter(|lie| lie.on_fake.is_some() && lie.kind == LieKind::Structure)
}

/// Lies that the fake model tells in files that are in order.
pub fn fake_rollouts() -> impl Iterator<Item = &'static Lie> {
    all().filter(|lie| lie.on_fake.is_some() && lie.kind > LieKind::Structure)
}

/// The control: an honest file.
pub const HONEST: Lie = Lie {
    name: "honest",
    says: "the control: an honest miner's file",
    kind: LieKind::Control,
    tells: Tells::Otherwise(|means| records(means, means.honest(0)?)),
    codes: &[],
    on_fake: None,
    on_real: Some(Expectation::Accepted),
    sample: None,
};

impl Lie {
    /// Tells the lie.
    ///
    /// Errors: the model's trouble, and a lie that these means cannot tell.
    pub fn tell(&self, means: &dyn Means) -> Result<ToldLie, Fault> {
        let texts = |records: Vec<RolloutRecord>| records.into_iter().map(|record| record.tokens).collect();
        match self.tells {
            Tells::Sketch(edit) => each(means, |record| edit(&mut record.sketch)),
            Tells::Asks(change) => records(means, means.asked(&change)?),
            Tells::Picks(habit) => records(means, means.picked(habit(means)?)?),
            Tells::Texts(texts) => records(means, means.proven(texts(means)?)?),
            Tells::Computes(computation) => records(means, means.computed(computation)?),
            Tells::ComputesProven(computation) => {
                records(means, means.proven(texts(means.computed(computation)?))?)
            }
            Tells::Foreign(foreign) => means.foreign(foreign),
            Tells::Otherwise(tell) => tell(means),
        }
    }

    /// Whether the tokens alone may be false: an honest miner would have sent the same proof with them.
    pub fn is_about_text(&self) -> bool {
        self.kind == LieKind::Sampling || matches!(self.tells, Tells::Texts(_) | Tells::ComputesProven(_))
    }

    /// A lie that both kinds of models tell and that is never accepted.
    const fn new(kind: LieKind, name: &'static str, says: &'static str, codes: Codes, tells: Tells) -> Self {
        let on_real = Some(Expectation::Refused);
        Self { name, says, kind, tells, codes, on_fake: Some(1.0), on_real, sample: None }
    }

    /// Its sample file lies in that folder.
    const fn sample(self, folder: &'static str) -> Self {
        Self { sample: Some(folder), ..self }
    }

    /// It shows in so many rollouts of the fake model, and its sample file lies in that folder.
    const fn shows(self, share: f64, folder: &'static str) -> Self {
        Self { on_fake: Some(share), ..self.sample(folder) }
    }

    /// Only the fake model tells it, and it shows in so many rollouts.
    const fn only_fake(self, share: f64) -> Self {
        Self { on_fake: Some(share), on_real: None, ..self }
    }

    /// The same, and its sample file lies in that folder.
    const fn fake(self, share: f64, folder: &'static str) -> Self {
        self.only_fake(share).sample(folder)
    }

    /// Only real models tell it.
    const fn real(self) -> Self {
        Self { on_fake: None, ..self }
    }

    /// Real models show it within so many tokens.
    const fn within(self, tokens: u64) -> Self {
        Self { on_real: Some(Expectation::Within(tokens)), ..self }
    }

    /// The same, and only they tell it.
    const fn real_within(self, tokens: u64) -> Self {
        self.within(tokens).real()
    }

    /// Only real models tell it, and they do not show it reliably.
    const fn open(self) -> Self {
        Self { on_real: Some(Expectation::Open), ..self.real() }
    }
}

type Codes = &'static [&'static str];

/// What a wrong computation shows first in a rollout so short that its sketch hardly speaks.
const COMPUTATION: Codes = &[
    "sketch-rms",
    "sketch-position",
    "draw-outside-nucleus",
    "draw-margin",
    "draw-margins",
    "logprob-error",
    "logprob-digits",
];

/// A signed file of records.
fn records(means: &dyn Means, records: Vec<RolloutRecord>) -> Result<ToldLie, Fault> {
    Ok(means.seal(means.header(), records)?.into())
}

/// The honest file with each record changed before it is signed.
fn each(means: &dyn Means, edit: impl FnMut(&mut RolloutRecord)) -> Result<ToldLie, Fault> {
    let mut honest = means.honest(0)?;
    honest.iter_mut().for_each(edit);
    records(means, honest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ALL_CODES;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_distinct_words_and_every_lie_is_explained() {
        let names: BTreeSet<&str> = all().map(|lie| lie.name).collect();
        assert_eq!(names.len(), all().count());
        assert!(names.len() > 70, "{}", names.len());
        for Lie { name, says, .. } in all() {
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c)));
            assert!(says.len() > 15, "{name}");
        }
    }

    #[test]
    fn lies_expect_codes_that_exist_and_somebody_tells_each() {
        for lie in all() {
            assert!(lie.codes.iter().all(|code| ALL_CODES.contains(code)), "{}: {:?}", lie.name, lie.codes);
            assert!(lie.on_fake.is_some() || lie.on_real.is_some(), "{}", lie.name);
            assert!(lie.on_fake.is_none() || !lie.codes.is_empty(), "{}", lie.name);
        }
    }
}
