//! A rejection as figures: what was measured, what is allowed, and where. For verdict files and tables; the sentence
//! with everything in it is the rejection's own.

use super::{Rejection, RolloutPlace};
use grail_artifact::verdict::RefusalReason;
use grail_protocol::words::{GroupIndex, RolloutIndex};

/// What was measured, what is allowed, and where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RejectionFigures {
    /// What was found, as decimal text or a name.
    pub measured: Option<String>,
    /// What is allowed, or was expected.
    pub allowed: Option<String>,
    /// The completion token, from 0.
    pub token: Option<u32>,
    /// The rollout, where the rejection itself names one: those that refuse a file for one of its rollouts.
    pub place: Option<RolloutPlace>,
}

impl RejectionFigures {
    fn of(measured: impl ToString, allowed: impl ToString) -> Self {
        Self { measured: Some(measured.to_string()), allowed: Some(allowed.to_string()), ..Self::default() }
    }

    fn token(self, token: u32) -> Self {
        Self { token: Some(token), ..self }
    }

    fn at(self, place: RolloutPlace) -> Self {
        Self { place: Some(place), ..self }
    }
}

impl Rejection {
    /// The figures.
    pub fn figures(&self) -> RejectionFigures {
        let of = |measured: &dyn ToString, allowed: &dyn ToString| {
            RejectionFigures::of(measured.to_string(), allowed.to_string())
        };
        let found = |measured: &dyn ToString| RejectionFigures {
            measured: Some(measured.to_string()),
            ..RejectionFigures::default()
        };
        let group = |group: GroupIndex| RolloutPlace { group, rollout: RolloutIndex(0) };
        match self {
            Self::LateUpload { stored_at, deadline, .. } => of(stored_at, deadline),
            Self::FileTooLarge { got, most, .. } => of(got, most),
            Self::FileMalformed { detail } => found(detail),
            Self::FieldInvalid { field, .. } => found(field),
            Self::WrongVersion { claimed, expected } => of(claimed, expected),
            Self::WrongNetwork { claimed, expected } => of(claimed, expected),
            Self::WrongWindow { claimed, expected } => of(claimed, expected),
            Self::WrongHotkey { claimed, expected } => of(claimed, expected),
            Self::WrongCheckpoint { claimed, expected } => of(claimed, expected),
            Self::WrongEnvironment { claimed, expected } => of(claimed, expected),
            Self::WrongRandomness { claimed, expected } => of(claimed, expected),
            Self::WrongNumericProfile { claimed, expected } => of(&claimed.name(), &expected.name()),
            Self::WrongGroupCount { signed, found } => of(signed, found),
            Self::WrongRolloutCount { signed, found } => of(signed, found),
            Self::WrongRoot { signed, found } => of(&format!("{signed:?}"), &format!("{found:?}")),
            Self::WrongSignature { hotkey } => RejectionFigures {
                allowed: Some(format!("a signature by {hotkey}")),
                ..RejectionFigures::default()
            },
            Self::GroupGap { missing, next } => of(next, missing).at(group(*missing)),
            Self::GroupSize { group: which, got, want } => of(got, want).at(group(*which)),
            Self::DuplicateRollout { at } => of(&2, &1).at(*at),
            Self::RolloutOrder { found, expected } => of(found, expected).at(*expected),
            Self::RolloutLengths { at, tokens, sketch, logprobs } => {
                of(&format!("{sketch} and {logprobs}"), tokens).at(*at)
            }
            Self::EmptyCompletion { at } => of(&0, &1).at(*at),
            Self::CompletionTooLong { at, got, most } => of(got, most).at(*at),
            Self::TokenOutsideVocabulary { at, position, token, vocabulary } => {
                of(token, vocabulary).at(*at).token(*position)
            }
            Self::RewardNotFinite { at, claimed } => found(claimed).at(*at),
            Self::SketchOutOfRange { at, position } => of(&-128, &-127).at(*at).token(*position),
            Self::LogprobPositive { at, position, units } => {
                of(&(f64::from(*units) / 1_024.0), &0).at(*at).token(*position)
            }
            Self::EndTokenInside { position, length, .. } => {
                of(&position, &length.saturating_sub(1)).token(*position)
            }
            Self::UnfinishedCompletion { length, cap, .. } => of(length, cap).token(length.saturating_sub(1)),
            Self::SketchRms { measured, allowed, worst_at, .. } => of(measured, allowed).token(*worst_at),
            Self::SketchPosition { position, measured, allowed } => of(measured, allowed).token(*position),
            Self::DrawOutsideNucleus { position, margin, .. } => of(margin, &0).token(*position),
            Self::DrawMargin { position, measured, allowed, .. } => of(measured, allowed).token(*position),
            Self::DrawMargins { first, count, allowed, .. } => of(count, allowed).token(*first),
            Self::LogprobError { position, measured, allowed, .. } => of(measured, allowed).token(*position),
            Self::LogprobDigits { log10, limit_log10, .. } => of(log10, limit_log10),
            Self::RewardMismatch { claimed, recomputed } => of(claimed, recomputed),
        }
    }

    /// The reason as verdict files carry it, against the rollout that it struck; `None` for a file as a whole.
    pub fn reason(&self, struck: Option<RolloutPlace>) -> RefusalReason {
        let figures = self.figures();
        let place = struck.or(figures.place);
        RefusalReason {
            group: place.map(|place| place.group),
            rollout: place.map(|place| place.rollout),
            token: place.and(figures.token),
            code: self.code().to_owned(),
            measured: figures.measured,
            allowed: figures.allowed,
            told: self.to_string(),
        }
        .bounded()
    }
}
