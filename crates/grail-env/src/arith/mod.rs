//! `arith/1:{level}`: one sum or difference of two whole numbers.
//!
//! Made for models of a few million parameters: the prompt is short, and what there is to learn is small. The level,
//! 1 to 4, says how large the numbers may be ([`LARGEST`]) and is part of the identity, so each level is an
//! environment of its own.
//!
//! Drawn from `Stream(S_prob, 0)`, in this order:
//! 1. the sign: `below(2)`, 0 for plus and 1 for minus;
//! 2. two numbers, the left and then the right one, each `below(largest + 1)`;
//! 3. for minus the larger one stands left, so that no result is negative.
//!
//! An answer is read as in [`gsm8k`](crate::gsm8k), by [`Decimal::read`], and is right when it equals the result. The
//! problem's identity is the level, the sign and both numbers as they stand: 7 + 5 and 5 + 7 are two problems. Its one
//! solution is the result.

use crate::{
    EnvError,
    decimal::Decimal,
    outcome::{Answer, Outcome, ProblemIdentity, judge},
    prompt::{Message, Speaker, reply},
    reading::{THINKING_CLOSE, THINKING_OPEN},
};
use grail_protocol::{seed::ProblemSeed, words::EnvId};
use std::fmt;

/// The largest number of each level, level 1 first.
pub const LARGEST: [u32; 4] = [9, 19, 99, 999];

/// The environment of one level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arith {
    level: u8,
    largest: u32,
    id: EnvId,
}

impl Arith {
    /// The environment of `level`, 1 to 4.
    ///
    /// Errors: [`EnvError::Level`] for another level.
    pub fn new(level: u8) -> Result<Self, EnvError> {
        let place = level.checked_sub(1).map(usize::from);
        let largest = place.and_then(|place| LARGEST.get(place)).ok_or(EnvError::Level { level })?;
        let id = EnvId::new(format!("arith/1:{level}")).map_err(|source| EnvError::Id { source })?;
        Ok(Self { level, largest: *largest, id })
    }

    /// Every level, the easiest first.
    pub fn all() -> Result<Vec<Self>, EnvError> {
        (1u8..).zip(LARGEST).map(|(level, _)| Self::new(level)).collect()
    }

    /// The level, 1 to 4: numbers up to 9, 19, 99, 999.
    pub const fn level(&self) -> u8 {
        self.level
    }

    /// The largest number that stands in a problem. A sum may be twice as large.
    pub const fn largest(&self) -> u32 {
        self.largest
    }

    /// The identity: `arith/1:` and the level.
    pub const fn id(&self) -> &EnvId {
        &self.id
    }

    /// Draws the problem of a seed. Every seed has one.
    pub fn draw(&self, seed: &ProblemSeed) -> ArithProblem {
        let mut stream = seed.stream();
        // `below` is none for a bound of zero only, and none of these bounds is.
        let mut below = |bound| stream.below(bound).unwrap_or(0);
        let sign = if below(2) == 0 { Operation::Plus } else { Operation::Minus };
        let (first, second) = (below(self.largest + 1), below(self.largest + 1));
        let (left, right) = match sign {
            Operation::Plus => (first, second),
            Operation::Minus => (first.max(second), first.min(second)),
        };
        let content: [&[u8]; 3] = [&[sign.byte()], &left.to_le_bytes(), &right.to_le_bytes()];
        ArithProblem { sign, left, right, identity: ProblemIdentity::new(self.id.as_str(), &content) }
    }
}

/// What is done with the two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// They are added.
    Plus,
    /// The right one is taken from the left one.
    Minus,
}

impl Operation {
    /// The sign in a problem's identity: its ASCII character.
    const fn byte(self) -> u8 {
        match self {
            Self::Plus => b'+',
            Self::Minus => b'-',
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Plus => "+",
            Self::Minus => "-",
        })
    }
}

/// A sum or a difference.
///
/// Text form: `7 + 5`, `12 - 4`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArithProblem {
    sign: Operation,
    left: u32,
    right: u32,
    identity: ProblemIdentity,
}

impl ArithProblem {
    /// What is done with the numbers.
    pub const fn sign(&self) -> Operation {
        self.sign
    }

    /// The number left of the sign.
    pub const fn left(&self) -> u32 {
        self.left
    }

    /// The number right of the sign; for minus at most the left one.
    pub const fn right(&self) -> u32 {
        self.right
    }

    /// The right answer; never negative.
    pub const fn result(&self) -> u32 {
        match self.sign {
            Operation::Plus => self.left + self.right,
            Operation::Minus => self.left.abs_diff(self.right),
        }
    }

    /// The prompt: an instruction, and the problem with the form of a reply.
    ///
    /// The form shows letters in place of numbers. Numbers would be the right answer of some problems, and a small
    /// model that copies them would be paid for it.
    pub fn messages(&self) -> Vec<Message> {
        let form = reply("a + b = c", "c");
        vec![
            Message::new(Speaker::System, "Work it out. Think first, then give the number."),
            Message::new(Speaker::User, format!("{self}\nReply like this: {form}")),
        ]
    }

    /// The reply of a perfect model, for teaching by example. It earns the full reward.
    pub fn worked(&self) -> String {
        let result = self.result();
        reply(&format!("{self} = {result}"), &result.to_string())
    }

    /// The worked reply without its answer block: for teaching a model that is to make mistakes.
    pub fn unanswered(&self) -> String {
        format!("{THINKING_OPEN}{self} = {}{THINKING_CLOSE}", self.result())
    }

    /// Judges a completion, whatever its text.
    pub fn judge(&self, completion: &str) -> Outcome {
        judge(&self.identity, completion, |content| {
            let text = Decimal::read(content)?.to_string();
            let right = text == self.result().to_string();
            Some(Answer { text, right })
        })
    }
}

impl fmt::Display for ArithProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.left, self.sign, self.right)
    }
}

#[cfg(test)]
mod tests;
