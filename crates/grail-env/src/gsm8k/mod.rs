//! `gsm8k/1:{rows}`: grade-school word problems with a number for an answer.
//!
//! The identity holds the first 32 hexadecimal digits of [`Rows::digest`], so another data set, or the same one with
//! a changed character, is another environment. The row of a seed is `below(count)` from `Stream(S_prob, 0)`.
//!
//! Gold is what follows the last `####` of a row's answer. It and the content of a completion's answer block are read
//! by one rule, [`Decimal::read`], and compared as exact decimals. The problem's identity is its question; its one
//! solution is the number.

mod rows;

pub use rows::{JsonlRows, LONGEST_TEXT, MOST_BYTES, MOST_ROWS, Row, Rows, RowsError};

use crate::{
    EnvError,
    decimal::Decimal,
    outcome::{Answer, Outcome, ProblemIdentity, judge},
    prompt::{Message, Speaker, reply},
};
use grail_protocol::{seed::ProblemSeed, words::EnvId};
use std::sync::Arc;

/// The environment over one data set.
#[derive(Debug, Clone)]
pub struct Gsm8k {
    rows: Arc<dyn Rows>,
    id: EnvId,
}

impl Gsm8k {
    /// Takes a data set and computes its identity.
    ///
    /// Errors: [`EnvError::NoRows`] for an empty data set, [`EnvError::Gold`] for the first row whose gold answer is
    /// not a number, [`EnvError::MissingRow`] for a data set that lacks a row it counts. A data set that is taken has
    /// a problem for every seed.
    pub fn new(rows: Arc<dyn Rows>) -> Result<Self, EnvError> {
        if rows.count() == 0 {
            return Err(EnvError::NoRows);
        }
        for index in 0..rows.count() {
            let row = rows.row(index).ok_or(EnvError::MissingRow { row: index })?;
            gold(row.answer).ok_or(EnvError::Gold { row: index })?;
        }
        let digest = hex::encode(rows.digest());
        let id = EnvId::new(format!("gsm8k/1:{digest:.32}")).map_err(|source| EnvError::Id { source })?;
        Ok(Self { rows, id })
    }

    /// `gsm8k/1:` and 32 hexadecimal digits.
    pub const fn id(&self) -> &EnvId {
        &self.id
    }

    /// Draws the problem of a seed.
    pub fn draw(&self, seed: &ProblemSeed) -> Result<Gsm8kProblem, EnvError> {
        self.problem(seed.stream().below(self.rows.count()).ok_or(EnvError::NoRows)?)
    }

    /// Number of rows, above 0.
    pub fn count(&self) -> u32 {
        self.rows.count()
    }

    /// The problem of a row, for whoever looks at all of them.
    ///
    /// Errors: there is no such row, or its gold answer is no number.
    pub fn problem(&self, row: u32) -> Result<Gsm8kProblem, EnvError> {
        let Row { question, answer } = self.rows.row(row).ok_or(EnvError::MissingRow { row })?;
        let gold = gold(answer).ok_or(EnvError::Gold { row })?;
        let identity = ProblemIdentity::new(self.id.as_str(), &[question.as_bytes()]);
        Ok(Gsm8kProblem { row, question: question.to_owned(), gold, identity })
    }
}

/// The gold answer of a row's worked solution: the number after the last `####`, to the end of the text.
pub fn gold(answer: &str) -> Option<Decimal> {
    let (_, gold) = answer.rsplit_once("####")?;
    Decimal::read(gold)
}

/// A word problem with its gold answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gsm8kProblem {
    row: u32,
    question: String,
    gold: Decimal,
    identity: ProblemIdentity,
}

impl Gsm8kProblem {
    /// Which row of the data set.
    pub const fn row(&self) -> u32 {
        self.row
    }

    /// The question as published, which goes into the prompt unchanged.
    pub fn question(&self) -> &str {
        &self.question
    }

    /// The gold answer: the number behind the last `####` of the published answer.
    pub const fn gold(&self) -> &Decimal {
        &self.gold
    }

    /// The prompt: an instruction, two worked examples, and the question, each with the form of a reply.
    ///
    /// The form shows words in place of numbers, and the examples have different answers: a small model copies what
    /// it sees, and this leaves it little to copy.
    pub fn messages(&self) -> Vec<Message> {
        let form = reply("the sum", "the number");
        let ask = |question: &str| {
            Message::new(Speaker::User, format!("Problem: {question}\nReply like this: {form}"))
        };
        vec![
            Message::new(Speaker::System, "Solve the problem. Think first, then give the number."),
            ask("Ann has 9 pens. She gives 2 pens away. How many pens are left?"),
            Message::new(Speaker::Assistant, reply("9 - 2 = 7", "7")),
            ask("Sam has 2 cups and gets 3 more. How many cups does Sam have?"),
            Message::new(Speaker::Assistant, reply("2 + 3 = 5", "5")),
            ask(&self.question),
        ]
    }

    /// Judges a completion, whatever its text.
    pub fn judge(&self, completion: &str) -> Outcome {
        judge(&self.identity, completion, |content| {
            let number = Decimal::read(content)?;
            let right = number == self.gold;
            Some(Answer { text: number.to_string(), right })
        })
    }
}

#[cfg(test)]
mod tests;
