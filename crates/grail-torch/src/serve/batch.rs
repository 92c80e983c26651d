//! The rows that are decoded together, in order of their groups, so that a group's rows see its prompt as one.

use crate::{
    error::RunError,
    kernels::crew::Crew,
    serve::network::{Finals, Network, Prefix, Suffixes},
};
use grail_ports::model::{Answer, RolloutKeys};
use grail_protocol::{draw::Drawn, words::TokenId};

/// A completion that is being drawn.
#[derive(Debug)]
pub(crate) struct Row {
    /// Index of the group in the request.
    pub(crate) group: usize,
    /// Index of the rollout in its group.
    pub(crate) rollout: usize,
    pub(crate) keys: RolloutKeys,
    pub(crate) answer: Answer,
    pub(crate) ended: bool,
}

impl Row {
    pub(crate) fn new(group: usize, rollout: usize, keys: RolloutKeys) -> Self {
        let answer = Answer { tokens: Vec::new(), sketch: Vec::new(), logprobs: Vec::new() };
        Self { group, rollout, keys, answer, ended: false }
    }

    /// Tokens drawn so far, which is also the position of the next one.
    pub(crate) fn drawn(&self) -> u32 {
        u32::try_from(self.answer.tokens.len()).unwrap_or(u32::MAX)
    }

    /// Adds a token with its proof.
    pub(crate) fn push(&mut self, drawn: Drawn, sketch: i8, ends: &[TokenId], cap: u32) {
        self.answer.tokens.push(drawn.token);
        self.answer.logprobs.push(drawn.logprob);
        self.answer.sketch.push(sketch);
        self.ended = ends.contains(&drawn.token) || self.drawn() >= cap;
    }

    /// Tokens whose keys and values are stored: all but the last, which was drawn and not read yet.
    fn held(&self) -> usize {
        self.answer.tokens.len().saturating_sub(1)
    }
}

/// A group whose prompt is in memory.
struct Open {
    group: usize,
    prompt: usize,
    prefix: Prefix,
    /// Final state of the prompt's last token, from which every first token is drawn.
    state: Finals,
    rows: usize,
}

/// Rows, prompts and caches at work.
pub(crate) struct Batch {
    capacity: usize,
    rows: Vec<Row>,
    /// In the order in which their rows stand in `rows`.
    open: Vec<Open>,
    suffixes: Suffixes,
}

impl Batch {
    pub(crate) fn new(network: &Network, capacity: usize) -> Result<Self, RunError> {
        let suffixes = network.suffixes(capacity)?;
        Ok(Self { capacity, rows: Vec::with_capacity(capacity), open: Vec::new(), suffixes })
    }

    /// Rows that can still join.
    pub(crate) fn free(&self) -> usize {
        self.capacity - self.rows.len()
    }

    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }

    pub(crate) fn rows_mut(&mut self) -> &mut [Row] {
        &mut self.rows
    }

    /// Takes in a group's prompt. Only the rows of the group taken in last may be appended.
    pub(crate) fn open(&mut self, group: usize, prompt: usize, prefix: Prefix, state: Finals) {
        self.open.push(Open { group, prompt, prefix, state, rows: 0 });
    }

    /// The final state of a group's prompt, when it is in memory.
    pub(crate) fn first_state(&self, group: usize) -> Option<Finals> {
        self.open.iter().find(|open| open.group == group).map(|open| open.state.again())
    }

    /// Adds rows of the group opened last, with their first token drawn.
    pub(crate) fn append(&mut self, rows: Vec<Row>) {
        if let Some(open) = self.open.last_mut() {
            open.rows += rows.len();
        }
        self.rows.extend(rows);
    }

    /// Forgets prompts that no row sees any more, except of the group whose rows still wait.
    pub(crate) fn close_idle(&mut self, waiting: Option<usize>) {
        self.open.retain(|open| open.rows > 0 || waiting == Some(open.group));
    }

    /// Reads the latest token of every row: final states `[rows, hidden]`.
    pub(crate) fn step(
        &mut self,
        network: &mut Network,
        crew: &mut Crew,
        cap: usize,
    ) -> Result<Finals, RunError> {
        let lengths: Vec<usize> = self.rows.iter().map(Row::held).collect();
        let prompts = self.open.iter().flat_map(|open| std::iter::repeat_n(open.prompt, open.rows));
        let positions: Vec<usize> = prompts.zip(&lengths).map(|(prompt, length)| prompt + length).collect();
        let tokens: Vec<TokenId> =
            self.rows.iter().filter_map(|row| row.answer.tokens.last().copied()).collect();
        if tokens.len() != self.rows.len() || positions.len() != tokens.len() {
            return Err(RunError::Inside("rows and groups of a batch do not match"));
        }
        let segments = self.open.iter().filter(|open| open.rows > 0);
        let segments: Vec<(usize, &Prefix)> = segments.map(|open| (open.rows, &open.prefix)).collect();
        network.step(crew, &mut self.suffixes, &segments, &lengths, cap, &tokens, &positions)
    }

    /// Takes out the rows that ended; the others move together.
    pub(crate) fn remove_ended(&mut self) -> Result<Vec<Row>, RunError> {
        let mut ended = Vec::new();
        while let Some(hole) = self.rows.iter().rposition(|row| row.ended) {
            ended.extend(self.remove(hole)?);
        }
        Ok(ended)
    }

    /// Takes out one row. The last row of its group fills the hole, the last of the next group the hole that leaves,
    /// and so on: one copied row a group, and groups stay together.
    fn remove(&mut self, index: usize) -> Result<Option<Row>, RunError> {
        let mut hole = index;
        let mut end = 0;
        let mut found = false;
        for open in &mut self.open {
            end += open.rows;
            if end <= hole {
                continue;
            }
            let last = end - 1;
            if last != hole {
                let positions = self.rows.get(last).map_or(0, Row::held);
                self.suffixes.move_row(last, hole, positions)?;
                self.rows.swap(hole, last);
                hole = last;
            }
            if !found {
                open.rows -= 1;
                found = true;
            }
        }
        Ok(self.rows.pop())
    }
}
