//! Final states of completions, for fingerprints of other makes.

use crate::{
    error::RunError,
    serve::{model::Model, network::pack_length},
};
use grail_ports::Fault;
use grail_protocol::words::TokenId;

/// The final states of one completion: what the output head reads after each of its tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct States {
    values: Vec<f32>,
    width: usize,
}

impl States {
    /// States of that width, one after another; what does not fill a state at the end is never seen.
    pub const fn new(values: Vec<f32>, width: usize) -> Self {
        Self { values, width }
    }

    /// Width of a state.
    pub const fn width(&self) -> usize {
        self.width
    }

    /// One state a completion token, in order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> + Clone {
        self.values.chunks_exact(self.width.max(1))
    }
}

impl Model {
    /// The state after each token of each completion of a prompt. Verification does not use it.
    ///
    /// Memory: all states in f32, `tokens · width · 4` bytes.
    ///
    /// Errors: tokens that do not exist or do not fit the context; the trouble of libtorch.
    pub fn states(&self, prompt: &[TokenId], completions: &[&[TokenId]]) -> Result<Vec<States>, Fault> {
        self.read_states(prompt, completions).map_err(|error| error.fault("read final states"))
    }

    fn read_states(&self, prompt: &[TokenId], completions: &[&[TokenId]]) -> Result<Vec<States>, RunError> {
        let longest = completions.iter().map(|completion| completion.len()).max().unwrap_or(0);
        self.check(prompt, longest)?;
        for completion in completions {
            if completion.is_empty() {
                return Err(RunError::Input("a completion to read is empty".into()));
            }
            self.check_tokens(completion)?;
        }
        let mut engine = self.engine();
        let engine = &mut *engine;
        let _guard = tch::no_grad_guard();
        let (prefix, _) = engine.network.prefill(&mut engine.crew, prompt)?;
        let mut states = Vec::with_capacity(completions.len());
        let mut rest = completions;
        while !rest.is_empty() {
            let (pack, later) = rest.split_at(pack_length(rest.iter().map(|completion| completion.len())));
            rest = later;
            let lengths: Vec<usize> = pack.iter().map(|completion| completion.len()).collect();
            let positions: Vec<usize> =
                lengths.iter().flat_map(|length| prompt.len()..prompt.len() + length).collect();
            let tokens = pack.concat();
            let finals = engine.network.read(&mut engine.crew, &prefix, &tokens, &positions, &lengths)?;
            let rows = &finals.rows;
            let mut row = 0;
            for length in lengths {
                let mut values = Vec::new();
                for at in row..row + length {
                    values.extend_from_slice(rows.row(at)?);
                }
                row += length;
                states.push(States { width: values.len() / length, values });
            }
        }
        Ok(states)
    }
}
