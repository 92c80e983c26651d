//! A tiny "language model" that is a pure function of its weights and of the tokens it has read, with a tokenizer to
//! match, and the ways in which a miner may lie with it.

mod fake;
mod habit;
mod tokenizer;

pub use fake::{FakeModel, FaultyOracle};
pub use grail_verify::lies::Habit;
pub use habit::CheatingGenerator;
pub use tokenizer::{
    ANSWER_CLOSE, ANSWER_OPEN, END, FakeTokenizer, THINKING_CLOSE, THINKING_OPEN, VOCABULARY,
};
