//! The decoder behind whoever answers and reads: our own kernels on a processor, libtorch on a device.
//!
//! Both keep keys and values in their own way; what passes through here is rows of 32-bit floats.

use crate::{
    config::ModelConfig,
    error::{Named, RunError},
    kernels::crew::Crew,
    serve::{native, readout::Rows, torch},
};
use grail_protocol::words::TokenId;
use std::ops::Range;
use tch::Tensor;

/// Completion tokens computed at once.
const PACK_TOKENS: usize = 512;

/// A decoder and its weights.
pub(crate) enum Network {
    /// On the processor.
    Native(Box<native::decoder::Decoder>),
    /// Over libtorch.
    Torch(Box<torch::decoder::Decoder>),
}

/// Keys and values of a prompt.
pub(crate) enum Prefix {
    Native(native::cache::Prefix),
    Torch(torch::cache::Prefix),
}

/// Keys and values of what rows have drawn.
pub(crate) enum Suffixes {
    Native(native::cache::Suffixes),
    Torch(torch::cache::Suffixes),
}

/// States after the final norm: what the head reads and the proof binds.
pub(crate) struct Finals {
    /// On the processor, for the proof.
    pub(crate) rows: Rows,
    /// Where they were computed, if that is another place.
    there: Option<Tensor>,
}

const MIXED: RunError = RunError::Inside("a cache of another decoder");

impl Finals {
    fn fetch(there: Tensor) -> Result<Self, RunError> {
        Ok(Self { rows: Rows::fetch(&there)?, there: Some(there) })
    }

    /// The same states once more.
    pub(crate) fn again(&self) -> Self {
        Self { rows: self.rows.clone(), there: self.there.as_ref().map(Tensor::shallow_clone) }
    }
}

/// How many of the next completions, of so many tokens each, are computed together: at least one, longer than a pack or not.
pub(crate) fn pack_length(lengths: impl Iterator<Item = usize>) -> usize {
    let mut tokens = 0;
    let fits = lengths.take_while(|length| {
        tokens += length;
        tokens <= PACK_TOKENS
    });
    fits.count().max(1)
}

impl Network {
    /// What its folder says.
    pub(crate) fn config(&self) -> &ModelConfig {
        match self {
            Self::Native(decoder) => &decoder.config,
            Self::Torch(decoder) => &decoder.config,
        }
    }

    fn width(&self) -> usize {
        self.config().hidden_size as usize
    }

    /// Reads a prompt: its prefix, and the final state of its last token.
    pub(crate) fn prefill(
        &mut self,
        crew: &mut Crew,
        prompt: &[TokenId],
    ) -> Result<(Prefix, Finals), RunError> {
        let width = self.width();
        match self {
            Self::Native(decoder) => {
                let (prefix, last) = native::cache::prefill(decoder, crew, prompt)?;
                Ok((Prefix::Native(prefix), Finals { rows: Rows::new(last, width), there: None }))
            }
            Self::Torch(decoder) => {
                let (prefix, last) = torch::cache::prefill(decoder, prompt)?;
                Ok((Prefix::Torch(prefix), Finals::fetch(last)?))
            }
        }
    }

    /// Final states of completions of one prompt, packed one after another, `lengths` tokens of each.
    pub(crate) fn read(
        &mut self,
        crew: &mut Crew,
        prefix: &Prefix,
        tokens: &[TokenId],
        positions: &[usize],
        lengths: &[usize],
    ) -> Result<Finals, RunError> {
        let width = self.width();
        match (self, prefix) {
            (Self::Native(decoder), Prefix::Native(prefix)) => {
                let mut attend = native::cache::Packed::new(decoder.heads, prefix, lengths)?;
                let states = decoder.forward(crew, tokens, positions, &mut attend)?;
                Ok(Finals { rows: Rows::new(states, width), there: None })
            }
            (Self::Torch(decoder), Prefix::Torch(prefix)) => {
                let mut attend = torch::cache::Packed { prefix, lengths };
                let x = decoder.forward(tokens, positions, &mut attend)?;
                Finals::fetch(decoder.final_states(&x)?)
            }
            _ => Err(MIXED),
        }
    }

    /// Room for what so many rows draw.
    pub(crate) fn suffixes(&self, rows: usize) -> Result<Suffixes, RunError> {
        match self {
            Self::Native(decoder) => native::cache::Suffixes::new(decoder, rows).map(Suffixes::Native),
            Self::Torch(decoder) => torch::cache::Suffixes::new(decoder, rows).map(Suffixes::Torch),
        }
    }

    /// Final states of one more token of each row. `segments` are consecutive rows with the prompt they share, `lengths`
    /// the tokens that each row holds before, `most` how many it can come to hold.
    #[expect(clippy::too_many_arguments, reason = "a step is that much")]
    pub(crate) fn step(
        &mut self,
        crew: &mut Crew,
        suffixes: &mut Suffixes,
        segments: &[(usize, &Prefix)],
        lengths: &[usize],
        most: usize,
        tokens: &[TokenId],
        positions: &[usize],
    ) -> Result<Finals, RunError> {
        let width = self.width();
        let needed = lengths.iter().max().map_or(0, |longest| longest + 1);
        match (self, suffixes) {
            (Self::Native(decoder), Suffixes::Native(suffixes)) => {
                suffixes.reserve(needed, most)?;
                let segments = segments.iter().map(|(rows, prefix)| match prefix {
                    Prefix::Native(prefix) => Ok((*rows, prefix)),
                    Prefix::Torch(_) => Err(MIXED),
                });
                let segments = segments.collect::<Result<_, _>>()?;
                let mut attend = native::cache::Step { suffixes, segments, lengths };
                let states = decoder.forward(crew, tokens, positions, &mut attend)?;
                Ok(Finals { rows: Rows::new(states, width), there: None })
            }
            (Self::Torch(decoder), Suffixes::Torch(suffixes)) => {
                suffixes.reserve(decoder, needed, most)?;
                let segments = segments.iter().map(|(rows, prefix)| match prefix {
                    Prefix::Torch(prefix) => Ok((*rows, prefix)),
                    Prefix::Native(_) => Err(MIXED),
                });
                let segments = segments.collect::<Result<_, _>>()?;
                let mut attend = torch::cache::Step::new(decoder, suffixes, segments, lengths)?;
                let x = decoder.forward(tokens, positions, &mut attend)?;
                Finals::fetch(decoder.final_states(&x)?)
            }
            _ => Err(MIXED),
        }
    }

    /// Logits of some final states, in 32 bits, into `out`.
    pub(crate) fn logits(
        &mut self,
        crew: &mut Crew,
        states: &Finals,
        range: Range<usize>,
        out: &mut Rows,
    ) -> Result<(), RunError> {
        match (self, &states.there) {
            (Self::Native(decoder), None) => {
                let states = states.rows.range(range)?;
                decoder.logits(crew, states, out.refill(decoder.config.vocab_size as usize));
                Ok(())
            }
            (Self::Torch(decoder), Some(there)) => {
                let chunk = there
                    .f_narrow(0, range.start as i64, range.len() as i64)
                    .named("cut states", &[there])?;
                *out = Rows::fetch(&decoder.logits(&chunk)?)?;
                Ok(())
            }
            _ => Err(RunError::Inside("states of another decoder")),
        }
    }
}

impl Suffixes {
    /// Copies the first `positions` of a row over another row.
    pub(crate) fn move_row(&mut self, from: usize, to: usize, positions: usize) -> Result<(), RunError> {
        match self {
            Self::Native(suffixes) => {
                suffixes.move_row(from, to);
                Ok(())
            }
            Self::Torch(suffixes) => suffixes.move_row(from, to, positions),
        }
    }
}
