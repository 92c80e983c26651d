//! Reading: what the model says of completions that somebody claims it drew.

use crate::{
    error::RunError,
    serve::{
        model::{Engine, Model},
        network::{Finals, Prefix, pack_length},
        readout::RowJob,
    },
};
use grail_ports::{
    Fault,
    model::{GroupProbe, ModelCard, Oracle, ProbeRollout, Readout},
};
use grail_protocol::{
    draw::{DrawReading, Sampler},
    sketch::sketch,
    words::TokenId,
};

/// An oracle on a loaded model.
///
/// The prompt is computed once for a group. Completions follow packed one after another, without padding, 512 tokens
/// at a time; the output head sees only the positions that drew a token, 128 rows at a time.
///
/// Memory beyond the weights: the prompt's keys and values, some thirty numbers of the hidden width for each of 512
/// tokens, and 128 rows of logits in f32.
#[derive(Debug)]
pub struct TorchOracle {
    model: Model,
}

impl TorchOracle {
    /// An oracle on `model`.
    pub const fn new(model: Model) -> Self {
        Self { model }
    }
}

impl Oracle for TorchOracle {
    fn card(&self) -> &ModelCard {
        self.model.card()
    }

    fn read(&mut self, probe: &GroupProbe) -> Result<Vec<Readout>, Fault> {
        self.recompute(probe).map_err(|error| error.fault("recompute completions"))
    }
}

impl TorchOracle {
    fn recompute(&self, probe: &GroupProbe) -> Result<Vec<Readout>, RunError> {
        probe.policy.check()?;
        let longest = probe.rollouts.iter().map(|rollout| rollout.completion.len()).max().unwrap_or(0);
        self.model.check(&probe.prompt, longest)?;
        for rollout in &probe.rollouts {
            if rollout.completion.is_empty() {
                return Err(RunError::Input("a completion to recompute is empty".into()));
            }
            self.model.check_tokens(&rollout.completion)?;
        }
        let mut engine = self.model.engine();
        let engine = &mut *engine;
        let _guard = tch::no_grad_guard();
        let (prefix, state) = engine.network.prefill(&mut engine.crew, &probe.prompt)?;

        // Every first token was drawn from the same state.
        let firsts: Vec<RowJob<Position<'_>>> = probe
            .rollouts
            .iter()
            .filter_map(|rollout| {
                Some(RowJob { row: 0, job: Position { rollout, t: 0, token: *rollout.completion.first()? } })
            })
            .collect();
        let mut readouts: Vec<Readout> = probe
            .rollouts
            .iter()
            .map(|rollout| {
                let length = rollout.completion.len();
                Readout { sketch: Vec::with_capacity(length), draws: Vec::with_capacity(length) }
            })
            .collect();
        let first = read_rows(engine, probe, &state, &firsts)?;
        for (readout, (draw, sketch)) in readouts.iter_mut().zip(first) {
            readout.draws.push(draw);
            readout.sketch.push(sketch);
        }
        let mut waiting: Vec<(&ProbeRollout, &mut Readout)> = probe
            .rollouts
            .iter()
            .zip(&mut readouts)
            .filter(|(rollout, _)| rollout.completion.len() > 1)
            .collect();
        let mut rest = waiting.as_mut_slice();
        while !rest.is_empty() {
            let fits = pack_length(rest.iter().map(|(rollout, _)| rollout.completion.len() - 1));
            let (pack, later) = rest.split_at_mut(fits);
            read_pack(engine, probe, &prefix, pack)?;
            rest = later;
        }
        Ok(readouts)
    }
}

/// One drawn token: its rollout, its position and its id.
struct Position<'a> {
    rollout: &'a ProbeRollout,
    t: usize,
    token: TokenId,
}

/// Computes some completions of at least two tokens after their prompt. The state over token t drew token t + 1.
fn read_pack(
    engine: &mut Engine,
    probe: &GroupProbe,
    prefix: &Prefix,
    pack: &mut [(&ProbeRollout, &mut Readout)],
) -> Result<(), RunError> {
    let (mut tokens, mut positions, mut lengths, mut jobs) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (rollout, _) in pack.iter() {
        let Some((_, read)) = rollout.completion.split_last() else { continue };
        for (t, token) in rollout.completion.iter().enumerate().skip(1) {
            jobs.push(RowJob { row: jobs.len(), job: Position { rollout, t, token: *token } });
        }
        positions.extend(probe.prompt.len()..probe.prompt.len() + read.len());
        tokens.extend_from_slice(read);
        lengths.push(read.len());
    }
    let states = engine.network.read(&mut engine.crew, prefix, &tokens, &positions, &lengths)?;
    let mut results = read_rows(engine, probe, &states, &jobs)?.into_iter();
    for ((_, readout), length) in pack.iter_mut().zip(lengths) {
        for (draw, sketch) in results.by_ref().take(length) {
            readout.draws.push(draw);
            readout.sketch.push(sketch);
        }
    }
    Ok(())
}

/// Readings and sketches of states `[rows, hidden]`.
fn read_rows(
    engine: &mut Engine,
    probe: &GroupProbe,
    states: &Finals,
    jobs: &[RowJob<Position<'_>>],
) -> Result<Vec<(DrawReading, i8)>, RunError> {
    let hidden = &states.rows;
    let step = |t: usize| u32::try_from(t).map_err(|_| RunError::Inside("a position beyond 32 bits"));
    let sketches = engine.spread(jobs, |_, RowJob { row, job }| {
        Ok(sketch(hidden.row(*row)?, &job.rollout.keys.sketch, step(job.t)?)?)
    })?;
    let read = |sampler: &mut Sampler, logits: &[f32], job: &Position<'_>| {
        let (slack, key) = (probe.nucleus_slack, &job.rollout.keys.draw);
        Ok(sampler.read(logits, &probe.policy, slack, key, step(job.t)?, job.token)?)
    };
    let draws = engine.with_logits(states, jobs, read)?;
    Ok(draws.into_iter().zip(sketches).collect())
}
