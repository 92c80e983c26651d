//! `sat/1`: find bits that make every clause true.
//!
//! Drawn from `Stream(S_prob, 0)`, in this order:
//! 1. the difficulty d: a number `below(32)` is looked up in [`SHARES`];
//! 2. 5 + 2·d clauses over 3 + d variables, clause by clause: three distinct variables, then a fair coin for each
//!    sign (`Clause::draw` gives the exact rule);
//! 3. a formula that no assignment satisfies is thrown away and step 2 is done again with the stream where it stands,
//!    at most [`MOST_DRAWS`] times in all. All assignments are tried, at most 1,024. The difficulty is kept.
//!
//! No solution is planted: among the formulas that can be satisfied, each is as likely as the coin makes it. Step 3
//! is rare (up to two variables' worth of clauses cannot exclude every assignment; above, fewer than one formula in a
//! thousand is thrown away, see the test), so the rule of mission 4.4 is kept as it stands.
//!
//! The problem's identity is its set of clauses: order and repetition do not count. Its solutions are the satisfying
//! assignments. An answer is read by [`Assignment::read`].

mod formula;

pub use formula::{Assignment, Clause, Formula, Literal, MOST_VARIABLES};

use crate::{
    EnvError,
    outcome::{Answer, Outcome, ProblemIdentity, judge},
    prompt::{Message, Speaker, reply},
};
use grail_protocol::seed::ProblemSeed;
use std::fmt;

/// Identity of the environment, version included; a change of any drawn problem makes it `sat/2`.
pub const ID: &str = "sat/1";

/// How many of 32 seeds have difficulty 0, 1, … 7. Easy ones are common, so that a small model sometimes succeeds.
pub const SHARES: [u8; 8] = [8, 6, 5, 4, 3, 2, 2, 2];

/// How often clauses are drawn before a seed is given up.
pub const MOST_DRAWS: u32 = 64;

/// A drawn formula with its difficulty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SatProblem {
    difficulty: u8,
    formula: Formula,
    identity: ProblemIdentity,
}

impl SatProblem {
    /// Draws the problem of a seed.
    ///
    /// Errors: [`EnvError::Unsatisfiable`] after [`MOST_DRAWS`] formulas without a solution; with a chance below one
    /// in a thousand for each, no seed is known that gets there.
    pub fn draw(seed: &ProblemSeed) -> Result<Self, EnvError> {
        let mut stream = seed.stream();
        let ticket = stream.below(SHARES.iter().map(|&share| u32::from(share)).sum()).unwrap_or(0);
        let difficulty = difficulty_of(ticket);
        for _ in 0..MOST_DRAWS {
            let Some(formula) = Formula::draw(&mut stream, 3 + difficulty, 5 + 2 * difficulty) else { break };
            if formula.solutions().next().is_some() {
                let identity = ProblemIdentity::new(ID, &[&formula.canonical_bytes()]);
                return Ok(Self { difficulty, formula, identity });
            }
        }
        Err(EnvError::Unsatisfiable { difficulty })
    }

    /// 0 (three variables, five clauses) to 7 (ten variables, nineteen clauses).
    pub const fn difficulty(&self) -> u8 {
        self.difficulty
    }

    /// The formula that a completion must satisfy.
    pub const fn formula(&self) -> &Formula {
        &self.formula
    }

    /// The prompt: an instruction, one worked example of the same number of bits, and the clauses.
    ///
    /// Example and form show different bits, both fixed, so that neither tells anything about the problem.
    pub fn messages(&self) -> Vec<Message> {
        let count = self.formula.variables();
        let form = reply("x1 is 1", &first_bits("1011010110", count));
        let ask = |clauses: &dyn fmt::Display| {
            Message::new(Speaker::User, format!("{clauses}\nReply like this: {form}"))
        };
        let instruction = format!("Find {count} bits that make every clause true. Think first, then answer.");
        vec![
            Message::new(Speaker::System, instruction),
            ask(&format_args!("(x1 or not x2 or x{count})")),
            Message::new(Speaker::Assistant, reply("x2 is 0", &first_bits("0010101101", count))),
            ask(&self.formula),
        ]
    }

    /// Judges a completion, whatever its text.
    pub fn judge(&self, completion: &str) -> Outcome {
        judge(&self.identity, completion, |content| {
            let count = self.formula.variables();
            let assignment = Assignment::read(content, count)?;
            Some(Answer { text: assignment.text(count), right: self.formula.holds(assignment) })
        })
    }
}

/// The first `count` of some bits, with spaces between.
fn first_bits(bits: &str, count: u8) -> String {
    let bits: Vec<String> = bits.chars().take(usize::from(count)).map(String::from).collect();
    bits.join(" ")
}

fn difficulty_of(ticket: u32) -> u8 {
    let mut rest = ticket;
    let mut difficulty = 0;
    for share in SHARES {
        if rest < u32::from(share) {
            break;
        }
        rest -= u32::from(share);
        difficulty += 1;
    }
    difficulty
}

#[cfg(test)]
mod tests;
