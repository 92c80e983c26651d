//! What goes into one pass: tokens without padding, who sees whom, and which rows predict which tokens.
//!
//! A segment is a prompt that its branches share, computed once: rollouts of a group cost their completions, not
//! their prompts again. Segments with an empty prompt hold sequences that have nothing in common.

use crate::{
    config::ModelConfig,
    decoder::rope::{Angles, Rope},
    learn::error::{Doing, TrainError, unusable},
};
use grail_protocol::words::TokenId;
use tch::{Device, Kind, TchError, Tensor};

/// A prompt and completions of it.
#[derive(Debug, Clone)]
pub struct Prompted<'a> {
    /// The prompt, at least one token.
    pub prompt: &'a [TokenId],
    /// Completions, each at least one token.
    pub completions: Vec<&'a [TokenId]>,
}

/// Tokens of one pass, laid out on a device.
///
/// The last token of a completion is predicted but never read, so it is not among the tokens computed.
#[derive(Debug)]
pub struct Layout {
    /// `[tokens]`, 64-bit integers.
    pub(crate) ids: Tensor,
    /// Of each token's position.
    pub(crate) angles: Angles,
    pub(crate) segments: Vec<Segment>,
    /// Rows that predict, `[predicted]`, completion after completion.
    pub(crate) rows: Tensor,
    /// Tokens to predict, `[predicted]`.
    pub(crate) targets: Tensor,
    /// Tokens of each completion.
    lengths: Vec<usize>,
}

/// Consecutive tokens that see none outside: a prompt, then its branches.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) start: i64,
    pub(crate) prompt: i64,
    pub(crate) branches: Option<Branches>,
}

/// Branches of a segment as rows of one width; behind the end of a short one stands its last token again.
#[derive(Debug)]
pub(crate) struct Branches {
    pub(crate) count: i64,
    pub(crate) width: i64,
    /// All tokens of the branches.
    pub(crate) tokens: i64,
    /// Token of each place, `[count · width]`.
    pub(crate) gather: Tensor,
    /// Place of each token, `[tokens]`.
    pub(crate) scatter: Tensor,
    /// What a place may see, `[width, prompt + width]`; none without a prompt, where it is the plain triangle.
    pub(crate) mask: Option<Tensor>,
}

impl Layout {
    /// Groups whose completions share their prompt's computation.
    ///
    /// Errors: [`TrainError::Batch`] for empty prompts or completions, unknown tokens, and sequences longer than the
    /// model's context.
    pub fn shared(
        config: &ModelConfig,
        groups: &[Prompted<'_>],
        (kind, device): (Kind, Device),
    ) -> Result<Self, TrainError> {
        let mut builder = Builder::default();
        for group in groups {
            builder.segment(
                group.prompt,
                &group.completions.iter().map(|it| (group.prompt, *it)).collect::<Vec<_>>(),
            );
        }
        builder.finish(config, groups, device, kind)
    }

    /// Pairs of prompt and completion that share nothing, in one segment.
    ///
    /// Errors: those of [`Layout::shared`].
    pub fn separate(
        config: &ModelConfig,
        pairs: &[(&[TokenId], &[TokenId])],
        (kind, device): (Kind, Device),
    ) -> Result<Self, TrainError> {
        let mut builder = Builder::default();
        builder.segment(&[], pairs);
        let groups: Vec<_> =
            pairs.iter().map(|(prompt, it)| Prompted { prompt, completions: vec![*it] }).collect();
        builder.finish(config, &groups, device, kind)
    }

    /// Tokens computed.
    pub fn tokens(&self) -> usize {
        self.ids.numel()
    }

    /// Tokens of each completion, in the order of the predictions.
    pub fn lengths(&self) -> &[usize] {
        &self.lengths
    }

    /// The tokens predicted, `[sum of lengths]`, 64-bit integers.
    pub fn targets(&self) -> &Tensor {
        &self.targets
    }
}

#[derive(Default)]
struct Builder {
    ids: Vec<i64>,
    positions: Vec<usize>,
    rows: Vec<i64>,
    targets: Vec<i64>,
    lengths: Vec<usize>,
    /// Start, tokens of the prompt, tokens of each branch.
    segments: Vec<(usize, usize, Vec<usize>)>,
}

impl Builder {
    /// Adds a segment; `shared` is empty or the prompt of every pair.
    fn segment(&mut self, shared: &[TokenId], pairs: &[(&[TokenId], &[TokenId])]) {
        let start = self.ids.len();
        self.run(shared, 0);
        let mut branches = Vec::new();
        for (prompt, completion) in pairs {
            let own = prompt.get(shared.len()..).unwrap_or_default();
            let read = completion.len().saturating_sub(1);
            let branch = self.ids.len();
            self.run(own, shared.len());
            self.run(completion.get(..read).unwrap_or_default(), prompt.len());
            branches.push(self.ids.len() - branch);
            for (at, target) in completion.iter().enumerate() {
                // The row before the token: the last of the shared prompt, or one of the branch.
                let before = (prompt.len() + at).wrapping_sub(1);
                let row = if before < shared.len() { start + before } else { branch + before - shared.len() };
                self.rows.push(row as i64);
                self.targets.push(i64::from(*target));
            }
            self.lengths.push(completion.len());
        }
        self.segments.push((start, shared.len(), branches));
    }

    fn run(&mut self, tokens: &[TokenId], first: usize) {
        self.ids.extend(tokens.iter().map(|token| i64::from(*token)));
        self.positions.extend(first..first + tokens.len());
    }

    fn finish(
        self,
        config: &ModelConfig,
        groups: &[Prompted<'_>],
        device: Device,
        kind: Kind,
    ) -> Result<Layout, TrainError> {
        check(config, groups)?;
        let place = |values: &[i64]| Tensor::f_from_slice(values)?.f_to_device(device);
        let all = || -> Result<Layout, TchError> {
            let angles = Rope::new(config).angles(&self.positions, device, kind)?;
            let segments = self.segments.iter().map(|(start, prompt, branches)| {
                Ok(Segment {
                    start: *start as i64,
                    prompt: *prompt as i64,
                    branches: Branches::new(start + prompt, *prompt, branches, device, kind)?,
                })
            });
            Ok(Layout {
                ids: place(&self.ids)?,
                angles,
                segments: segments.collect::<Result<_, TchError>>()?,
                rows: place(&self.rows)?,
                targets: place(&self.targets)?,
                lengths: self.lengths.clone(),
            })
        };
        all().doing("laying out a batch")
    }
}

fn check(config: &ModelConfig, groups: &[Prompted<'_>]) -> Result<(), TrainError> {
    for group in groups {
        if group.prompt.is_empty() || group.completions.iter().any(|completion| completion.is_empty()) {
            return unusable("a prompt or a completion is empty");
        }
        let longest = group.completions.iter().map(|completion| completion.len()).max().unwrap_or(0);
        let whole = group.prompt.len() + longest;
        if whole as u64 > config.max_position_embeddings as u64 {
            return unusable(format!(
                "a sequence has {whole} tokens, the model's context is {}",
                config.max_position_embeddings
            ));
        }
        let tokens = group.completions.iter().copied().flatten().chain(group.prompt);
        if let Some(token) = tokens.into_iter().find(|token| i64::from(**token) >= config.vocab_size) {
            return unusable(format!("token {token} is outside the vocabulary of {}", config.vocab_size));
        }
    }
    Ok(())
}

impl Branches {
    /// Branches of these lengths that begin at row `first`; none when all are empty.
    fn new(
        first: usize,
        prompt: usize,
        lengths: &[usize],
        device: Device,
        kind: Kind,
    ) -> Result<Option<Self>, TchError> {
        let lengths: Vec<usize> = lengths.iter().copied().filter(|length| *length > 0).collect();
        let Some(width) = lengths.iter().max().copied() else { return Ok(None) };
        let (mut gather, mut scatter) = (Vec::new(), Vec::new());
        let mut start = first;
        for (row, length) in lengths.iter().enumerate() {
            gather.extend((0..width).map(|at| (start + at.min(length - 1)) as i64));
            scatter.extend((0..*length).map(|at| (row * width + at) as i64));
            start += length;
        }
        let place = |values: &[i64]| Tensor::f_from_slice(values)?.f_to_device(device);
        let (prompt, width) = (prompt as i64, width as i64);
        let mask = |columns: i64| {
            Tensor::f_full([width, columns], f64::NEG_INFINITY, (Kind::Float, device))?
                .f_triu(columns - width + 1)?
                .f_to_kind(kind)
        };
        Ok(Some(Self {
            count: lengths.len() as i64,
            width,
            tokens: scatter.len() as i64,
            gather: place(&gather)?,
            scatter: place(&scatter)?,
            mask: if prompt > 0 { Some(mask(prompt + width)?) } else { None },
        }))
    }
}
