//! Calibration: honest miners against honest validators, over everything in which honest machines differ.
//!
//! A cell of the matrix is a miner (decoding in batches, or computing its proof by prefill in packs), and a validator with
//! another number of threads, each on a processor, by one of several arithmetics, or on a CUDA device. Each gives
//! histograms of margins, sketch errors and errors of log-probabilities; the profile file says what they support.

mod arithmetic;
mod device;
mod evidence;
mod histogram;

pub use arithmetic::Arithmetic;
pub use device::Device;
pub use evidence::{Bounds, CellEvidence, Fit, InUse, ProfileEvidence, Run, Seal, fitted, seal_of, too_low};
pub use histogram::Histogram;

use crate::{
    LabError,
    stand::{Scene, Stand, StandSetup},
};
use grail_artifact::window::RolloutRecord;
use grail_ports::model::{GroupProbe, Oracle as _, Readout};
use grail_protocol::{
    logprob::dequantise,
    params::ROLLOUTS_PER_PROBLEM,
    profile::NumericProfile,
    sketch::{UNITS_PER_SPREAD, distance},
    words::TokenId,
};
use grail_torch::TorchOracle;
use grail_verify::Digits;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How the miner computes what it claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Computing {
    /// Token by token, the proof captured in each step.
    Decode,
    /// Tokens drawn before, the proof computed over them at once.
    Prefill,
}

/// Whether rows of a batch are equally long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Padding {
    /// One group at a time.
    Aligned,
    /// Groups together, whose prompts differ; rows begin where others are half-way, and shorter ones are masked.
    Ragged,
}

/// One cell of the matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// How the miner computes.
    pub computing: Computing,
    /// Rows together: of a batch, or of a pack.
    pub batch: usize,
    /// How they lie.
    pub padding: Padding,
    /// The miner's threads; the validator has one where it has two, and two where it has one.
    pub threads: usize,
    /// Where the miner computes.
    pub miner: Device,
    /// Where the validator computes.
    pub validator: Device,
    /// Who computes for the miner, where that is a processor. Absent in measurements of before there was a choice, which
    /// libtorch made, and then for both sides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub miner_by: Option<Arithmetic>,
    /// Who computes for the validator, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validator_by: Option<Arithmetic>,
}

/// Windows between the first ones of two cells: those that are counted together ask none twice.
const APART: u32 = 100_000;

impl Cell {
    /// Cells between one miner and one validator; they stand together in the matrix.
    pub const IN_PAIR: usize = 24;

    /// The whole matrix, of every pair of devices and of arithmetics. What was there first keeps its windows: cells that
    /// name no arithmetic.
    pub fn all() -> Vec<Self> {
        let unnamed = Device::PAIRS.into_iter().map(|(miner, validator)| ((miner, None), (validator, None)));
        let named = Device::PAIRS.into_iter().flat_map(|(miner, validator)| {
            let pairs = by(miner).into_iter().flat_map(move |by_miner| {
                by(validator).into_iter().map(move |by_validator| (by_miner, by_validator))
            });
            // A pair without a processor has no choice, and stands above.
            pairs
                .filter(|pair| *pair != (None, None))
                .map(move |(by_miner, by_validator)| ((miner, by_miner), (validator, by_validator)))
        });
        unnamed.chain(named).flat_map(|(miner, validator)| Self::between(miner, validator)).collect()
    }

    /// The cells of one pair.
    fn between(
        (miner, miner_by): (Device, Option<Arithmetic>),
        (validator, validator_by): (Device, Option<Arithmetic>),
    ) -> Vec<Self> {
        let mut cells = Vec::new();
        for computing in [Computing::Decode, Computing::Prefill] {
            for batch in [1, 8, 16] {
                for padding in [Padding::Aligned, Padding::Ragged] {
                    for threads in [1, 2] {
                        cells.push(Self {
                            computing,
                            batch,
                            padding,
                            threads,
                            miner,
                            validator,
                            miner_by,
                            validator_by,
                        });
                    }
                }
            }
        }
        cells
    }

    /// The first window that the cell asks; none where it is not in the matrix.
    pub fn first_window(&self) -> Option<u32> {
        (0u32..).zip(Self::all()).find(|(_, cell)| cell == self).map(|(number, _)| number * APART)
    }
}

/// Who can compute on a device.
fn by(device: Device) -> Vec<Option<Arithmetic>> {
    match device {
        Device::Cpu => Arithmetic::ALL.map(Some).to_vec(),
        Device::Cuda => vec![None],
    }
}

/// What one cell, or all together, measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measures {
    /// Rollouts.
    pub rollouts: u64,
    /// Tokens.
    pub tokens: u64,
    /// Margins m_t, in nats.
    pub margin: Histogram,
    /// Errors of claimed log-probabilities, in nats; half a step of 1/1024 is rounding.
    pub logprob: Histogram,
    /// Log-probabilities in another step of 1/1024 nat.
    pub digits: Digits,
    /// Gini impurities of the draws, `1 − Σ p²`.
    pub gini: Histogram,
    /// Sketch errors e_t, in steps of 1/32 spread.
    pub sketch_steps: BTreeMap<u32, u64>,
    /// Root mean squares of sketch errors, one a rollout, in spreads.
    pub sketch_rms: Histogram,
    /// Tokens that lie outside the widened nucleus.
    pub outside: u64,
    /// Draws that are lost.
    pub lost: u64,
    /// Sum of all impurities: lost draws are counted against it.
    pub gini_sum: f64,
    /// Most margins above the soft threshold in one rollout.
    pub most_soft_margins: u32,
    /// Rollouts that the court would refuse, by threshold.
    pub beyond: BTreeMap<String, u64>,
}

impl Measures {
    /// Takes in one rollout.
    fn add(&mut self, record: &RolloutRecord, readout: &Readout, profile: NumericProfile) -> Digits {
        let (limits, digits) = (profile.thresholds(), Digits::of(record, readout));
        self.digits = Digits::sum([self.digits, digits].into_iter());
        self.rollouts += 1;
        self.tokens += record.tokens.len() as u64;
        let mut soft = 0u32;
        let (mut margin, mut logprob, mut outside) = (0f32, 0f32, 0u64);
        for (draw, units) in readout.draws.iter().zip(&record.logprobs) {
            let error = (dequantise(*units) - draw.logprob.max(dequantise(i16::MIN))).abs();
            self.margin.add(f64::from(draw.margin));
            self.logprob.add(f64::from(error));
            self.gini.add(f64::from(draw.gini));
            self.gini_sum += f64::from(draw.gini);
            self.lost += u64::from(draw.margin > 0.0);
            outside += u64::from(!draw.in_outer);
            soft += u32::from(draw.margin > limits.margin_soft);
            margin = margin.max(draw.margin);
            logprob = logprob.max(error);
        }
        self.outside += outside;
        self.most_soft_margins = self.most_soft_margins.max(soft);
        for (claimed, own) in record.sketch.iter().zip(&readout.sketch) {
            let steps = (i32::from(*claimed) - i32::from(*own)).unsigned_abs();
            *self.sketch_steps.entry(steps).or_default() += 1;
        }
        let apart = distance(&record.sketch, &readout.sketch);
        let (rms, worst) = apart.map_or((f32::INFINITY, f32::INFINITY), |apart| (apart.rms, apart.worst));
        self.sketch_rms.add(f64::from(rms));
        for (name, is_beyond) in [
            ("sketch-rms", rms > limits.sketch_rms),
            ("sketch-position", worst > limits.sketch_hard),
            ("draw-outside-nucleus", outside > 0),
            ("draw-margin", margin > limits.margin_hard),
            ("draw-margins", soft > 1),
            ("inconclusive", soft == 1),
            ("logprob-error", logprob > limits.logprob),
            ("logprob-digits", digits.is_too_many(&profile.drift())),
        ] {
            if is_beyond {
                *self.beyond.entry(name.to_owned()).or_default() += 1;
            }
        }
        digits
    }

    /// Takes in what others measured.
    pub fn merge(&mut self, other: &Self) {
        // Counts may come from a file.
        let add = |sum: &mut u64, part: u64| *sum = sum.saturating_add(part);
        add(&mut self.rollouts, other.rollouts);
        add(&mut self.tokens, other.tokens);
        self.margin.merge(&other.margin);
        self.logprob.merge(&other.logprob);
        self.digits = Digits::sum([self.digits, other.digits].into_iter());
        self.gini.merge(&other.gini);
        self.sketch_rms.merge(&other.sketch_rms);
        for (steps, count) in &other.sketch_steps {
            add(self.sketch_steps.entry(*steps).or_default(), *count);
        }
        for (name, count) in &other.beyond {
            add(self.beyond.entry(name.clone()).or_default(), *count);
        }
        add(&mut self.outside, other.outside);
        add(&mut self.lost, other.lost);
        self.gini_sum += other.gini_sum;
        self.most_soft_margins = self.most_soft_margins.max(other.most_soft_margins);
    }

    /// The largest sketch error, in spreads.
    pub fn sketch_largest(&self) -> f64 {
        f64::from(self.sketch_steps.keys().next_back().copied().unwrap_or(0)) / UNITS_PER_SPREAD
    }
}

/// Groups of a window while calibrating, at most.
const GROUPS: u32 = 4;
/// At least: rows of one group alone have one length of prompt.
const LEAST_GROUPS: u32 = 2;

/// Measures one cell over at least so many rollouts, in windows that no other cell asks. `tell` is called with rollouts
/// done.
///
/// Errors: the model's trouble, a device that is not there among it.
pub fn measure(
    setup: &StandSetup,
    cell: Cell,
    rollouts: u32,
    tell: &mut dyn FnMut(u64),
) -> Result<Measures, LabError> {
    let size = u32::from(ROLLOUTS_PER_PROBLEM);
    let groups = rollouts.div_ceil(size).clamp(LEAST_GROUPS, GROUPS);
    let windows = rollouts.div_ceil(groups * size).max(1);
    let by = |arithmetic: Option<Arithmetic>| arithmetic.unwrap_or(Arithmetic::Libtorch).kernels();
    // libtorch decides once a process whether CUDA is there, so it is opened before anything is loaded.
    for device in [cell.miner, cell.validator] {
        device.place().open()?;
    }
    let first = cell.first_window().ok_or_else(|| LabError::inside("a cell that is not in the matrix"))?;
    // Threads are one number for the whole process: who computes is loaded anew.
    let batch_rows = match cell.computing {
        Computing::Decode => cell.batch,
        // Whose proof is computed afterwards may draw as he likes; what counts is how he packs the proof.
        Computing::Prefill => usize::from(ROLLOUTS_PER_PROBLEM),
    };
    let miner = Stand::open(StandSetup {
        place: cell.miner.place(),
        kernels: by(cell.miner_by),
        threads: cell.threads,
        batch_rows,
        ..setup.clone()
    })?;
    let mut mined = Vec::new();
    for window in 0..windows {
        let scene = miner.scene(miner.context(first + window)?, 1, groups)?;
        let records = mine(&miner, &scene, cell)?;
        mined.push((scene, records));
        tell(u64::from(window + 1) * u64::from(groups * size));
    }
    let validator = Stand::open(StandSetup {
        place: cell.validator.place(),
        kernels: by(cell.validator_by),
        threads: 3 - cell.threads.clamp(1, 2),
        ..setup.clone()
    })?;
    let mut oracle = TorchOracle::new(validator.model.clone());
    let profile = validator.setup.numeric();
    let mut measures = Measures::default();
    for (scene, records) in &mined {
        let groups = records.chunks(usize::from(ROLLOUTS_PER_PROBLEM));
        for (asked, records) in scene.groups.iter().zip(groups) {
            let texts: Vec<Vec<TokenId>> = records.iter().map(|record| record.tokens.clone()).collect();
            let readouts = oracle.read(&validator.probe(asked, &texts))?;
            let group = Digits::sum(
                records.iter().zip(&readouts).map(|(record, readout)| measures.add(record, readout, profile)),
            );
            if group.is_too_many(&profile.drift()) {
                *measures.beyond.entry("logprob-digits of a group".to_owned()).or_default() +=
                    records.len() as u64;
            }
        }
    }
    Ok(measures)
}

/// What the miner of a cell claims.
fn mine(miner: &Stand, scene: &Scene, cell: Cell) -> Result<Vec<RolloutRecord>, LabError> {
    let mut records = match cell.padding {
        Padding::Ragged => miner.honest(scene)?,
        Padding::Aligned => {
            let mut records = Vec::new();
            for (group, asked) in (0u32..).zip(&scene.groups) {
                let alone = Scene { groups: vec![asked.clone()], ..scene.clone() };
                for mut record in miner.honest(&alone)? {
                    record.group = grail_protocol::words::GroupIndex(group);
                    records.push(record);
                }
            }
            records
        }
    };
    if cell.computing == Computing::Prefill {
        let mut oracle = TorchOracle::new(miner.model.clone());
        let groups = records.chunks_mut(usize::from(ROLLOUTS_PER_PROBLEM));
        for (asked, records) in scene.groups.iter().zip(groups) {
            let texts: Vec<Vec<TokenId>> = records.iter().map(|record| record.tokens.clone()).collect();
            let whole = miner.probe(asked, &texts);
            let packs = whole.rollouts.chunks(cell.batch.max(1)).zip(records.chunks_mut(cell.batch.max(1)));
            for (rollouts, records) in packs {
                let probe = GroupProbe { rollouts: rollouts.to_vec(), ..whole.clone() };
                for (record, readout) in records.iter_mut().zip(oracle.read(&probe)?) {
                    let logprobs = readout
                        .draws
                        .iter()
                        .map(|draw| grail_protocol::logprob::quantise(draw.logprob).unwrap_or(i16::MIN));
                    record.logprobs = logprobs.collect();
                    record.sketch = readout.sketch;
                }
            }
        }
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_matrix_has_every_cell_once_and_no_two_ask_the_same_windows() {
        let cells = Cell::all();
        // Four pairs of devices without a name, then sixteen of arithmetics, and four for each side of a CUDA device.
        assert_eq!(cells.len(), (4 + 16 + 4 + 4) * Cell::IN_PAIR);
        for pair in cells.chunks(Cell::IN_PAIR) {
            let sides = |cell: &Cell| (cell.miner, cell.miner_by, cell.validator, cell.validator_by);
            assert!(pair.iter().all(|cell| sides(cell) == sides(&pair[0])));
        }
        assert!(cells.iter().all(|cell| cells.iter().filter(|other| *other == cell).count() == 1));
        let mut windows: Vec<u32> = cells.iter().filter_map(Cell::first_window).collect();
        windows.dedup_by(|next, last| *next - *last < APART);
        assert_eq!(windows.len(), cells.len());
        assert!(
            cells
                .iter()
                .take(4 * Cell::IN_PAIR)
                .all(|cell| (cell.miner_by, cell.validator_by) == (None, None))
        );
    }
}
