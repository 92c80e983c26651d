//! Every lie that the laboratory can tell, as values of one enum.

mod claims;
mod files;
mod habits;
mod liar;
mod sampling;
mod weights;

pub use claims::ClaimLie;
pub use files::FileLie;
pub use liar::Liar;
pub use sampling::SamplingLie;
pub use weights::WeightsLie;

use crate::{
    LabError,
    stand::{Scene, Stand},
};
use grail_artifact::window::RolloutRecord;
use grail_protocol::{
    seed::WindowContext,
    words::{Hotkey, UnixMillis},
};
use serde::Serialize;

/// A way to cheat, or the honest control.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attack {
    /// No lie at all.
    Honest,
    /// A lie about the file: it needs no model to be seen.
    File(FileLie),
    /// A lie about sketch, text, log-probabilities or reward.
    Claim(ClaimLie),
    /// Tokens that were not drawn as published, with a true sketch and true log-probabilities.
    Sampling(SamplingLie),
    /// Another computation than the checkpoint's.
    Weights(WeightsLie),
}

/// The family of an attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
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

/// What must become of an attack. The fast part of the tests, and the exit code of the suite, hold to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "rule", content = "tokens")]
pub enum Expectation {
    /// Nothing is refused and nothing is left open.
    Accepted,
    /// No lie counts, not once.
    Refused,
    /// The first refusal comes within so many tokens of the miner who lies, in the median. Where nothing false came of the
    /// attack there is nothing to refuse.
    Within(u64),
    /// It is not caught, or not reliably. What it gains is reported.
    Open,
}

/// What an attack is called, what it does, and what must become of it.
#[derive(Debug, Clone, Copy)]
pub struct Card {
    /// Its name on the command line and in tables.
    pub name: &'static str,
    /// One line: the cheapest form of it that an insider would try.
    pub about: &'static str,
    /// What must become of it.
    pub expectation: Expectation,
}

impl Card {
    const fn refused(name: &'static str, about: &'static str) -> Self {
        Self { name, about, expectation: Expectation::Refused }
    }

    const fn within(tokens: u64, name: &'static str, about: &'static str) -> Self {
        Self { name, about, expectation: Expectation::Within(tokens) }
    }

    const fn open(name: &'static str, about: &'static str) -> Self {
        Self { name, about, expectation: Expectation::Open }
    }
}

impl Attack {
    /// All of them, the control first.
    pub fn all() -> Vec<Self> {
        std::iter::once(Self::Honest)
            .chain(FileLie::ALL.iter().copied().map(Self::File))
            .chain(ClaimLie::ALL.iter().copied().map(Self::Claim))
            .chain(SamplingLie::ALL.iter().copied().map(Self::Sampling))
            .chain(WeightsLie::ALL.iter().copied().map(Self::Weights))
            .collect()
    }

    /// Its name, what it does, what must become of it.
    pub const fn card(self) -> Card {
        match self {
            Self::Honest => Card {
                name: "honest",
                about: "the control: an honest miner's file",
                expectation: Expectation::Accepted,
            },
            Self::File(lie) => lie.card(),
            Self::Claim(lie) => lie.card(),
            Self::Sampling(lie) => lie.card(),
            Self::Weights(lie) => lie.card(),
        }
    }

    /// Its family.
    pub const fn kind(self) -> Kind {
        match self {
            Self::Honest => Kind::Control,
            Self::File(_) => Kind::Structure,
            Self::Claim(_) => Kind::Forgery,
            Self::Sampling(_) => Kind::Sampling,
            Self::Weights(_) => Kind::Model,
        }
    }
}

/// A window that was answered honestly, from which lies are made.
#[derive(Debug, Clone)]
pub struct Bank {
    /// The window and its problems.
    pub scene: Scene,
    /// The honest answers.
    pub honest: Vec<RolloutRecord>,
}

impl Bank {
    /// Answers a window honestly.
    pub fn fill(stand: &Stand, window: u32, groups: u32) -> Result<Self, LabError> {
        let scene = stand.scene(stand.context(window)?, MINER, groups)?;
        let honest = stand.honest(&scene)?;
        Ok(Self { scene, honest })
    }
}

/// Number of the miner whose files are judged.
pub(crate) const MINER: u8 = 1;

/// What is sent to the court.
#[derive(Debug, Clone)]
pub struct Submission {
    /// Bytes of the file.
    pub body: Vec<u8>,
    /// When the store wrote it.
    pub stored_at: UnixMillis,
    /// The window as the validator derives it.
    pub context: WindowContext,
    /// Under whose key the file lies.
    pub hotkey: Hotkey,
    /// The rollouts that it was made of.
    pub records: Vec<RolloutRecord>,
    /// Which of them an honest miner would have sent too. They are no lies, however they came about.
    pub harmless: Vec<bool>,
    /// Which of them have the tokens that an honest miner would have drawn.
    pub true_text: Vec<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_distinct_words_and_every_attack_is_explained() {
        let cards: Vec<Card> = Attack::all().into_iter().map(Attack::card).collect();
        let names: BTreeSet<&str> = cards.iter().map(|card| card.name).collect();
        assert_eq!(names.len(), cards.len());
        assert!(cards.len() > 70, "{}", cards.len());
        for card in cards {
            assert!(
                card.name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c))
            );
            assert!(card.about.len() > 15, "{}", card.name);
        }
    }
}
