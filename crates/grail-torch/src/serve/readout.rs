//! From final states to what is drawn, read and proven: the output head in bounded pieces, rows over threads.

use crate::{
    error::{Named, RunError},
    serve::{effort::Stopwatch, model::Engine, network::Finals},
};
use grail_protocol::draw::Sampler;
use std::{ops::Range, time::Duration};
use tch::{Device, Kind, Tensor};

/// Rows of logits that exist at once.
///
/// Memory: `128 · vocabulary · 4` bytes, twice where the device is not the processor or the format not f32:
/// 25 MB for a vocabulary of 49,152, 78 MB for 152,064.
pub(crate) const HEAD_ROWS: usize = 128;

/// Some rows on the processor, in f32.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rows {
    values: Vec<f32>,
    width: usize,
}

impl Rows {
    /// Rows of that width, one after another.
    pub(crate) const fn new(values: Vec<f32>, width: usize) -> Self {
        Self { values, width }
    }

    /// How many rows.
    pub(crate) fn count(&self) -> usize {
        self.values.len().checked_div(self.width).unwrap_or(0)
    }

    /// Consecutive rows, one after another.
    pub(crate) fn range(&self, range: Range<usize>) -> Result<&[f32], RunError> {
        self.values
            .get(range.start * self.width..range.end * self.width)
            .ok_or(RunError::Inside("rows that were not computed"))
    }

    /// The memory of rows of another width, to be filled again.
    pub(crate) const fn refill(&mut self, width: usize) -> &mut Vec<f32> {
        self.width = width;
        &mut self.values
    }

    /// Copies `[rows, width]`.
    pub(crate) fn fetch(tensor: &Tensor) -> Result<Self, RunError> {
        let size = tensor.size();
        let (rows, width) = match size.as_slice() {
            [rows, width] => (*rows as usize, *width as usize),
            _ => return Err(RunError::Inside("rows of more than one dimension")),
        };
        let tensor = tensor
            .f_to_device_(Device::Cpu, Kind::Float, false, false)
            .and_then(|tensor| tensor.f_contiguous())
            .named("fetch rows", &[tensor])?;
        let mut values = vec![0.0; rows * width];
        tensor.f_copy_data(&mut values, rows * width).named("fetch rows", &[&tensor])?;
        Ok(Self { values, width })
    }

    /// One row.
    pub(crate) fn row(&self, row: usize) -> Result<&[f32], RunError> {
        self.values
            .get(row * self.width..(row + 1) * self.width)
            .ok_or(RunError::Inside("a row that was not computed"))
    }
}

/// Jobs on rows of logits.
pub(crate) struct RowJob<J> {
    /// Which row of the states.
    pub(crate) row: usize,
    /// What to do with its logits.
    pub(crate) job: J,
}

impl Engine {
    /// Does `work` on the logits of states `[rows, hidden]`. Jobs stand in the order of their rows; a row may have
    /// several, or none.
    pub(crate) fn with_logits<J: Sync, R: Send>(
        &mut self,
        states: &Finals,
        jobs: &[RowJob<J>],
        work: impl Fn(&mut Sampler, &[f32], &J) -> Result<R, RunError> + Sync,
    ) -> Result<Vec<R>, RunError> {
        let rows = states.rows.count();
        let mut logits = std::mem::take(&mut self.logits);
        let mut results = Vec::with_capacity(jobs.len());
        let mut rest = jobs;
        for start in (0..rows).step_by(HEAD_ROWS) {
            let range: Range<usize> = start..rows.min(start + HEAD_ROWS);
            let (here, later) = rest.split_at(rest.partition_point(|job| job.row < range.end));
            rest = later;
            if here.is_empty() {
                continue;
            }
            self.network.logits(&mut self.crew, states, range, &mut logits)?;
            let clock = Stopwatch::start();
            results.extend(
                self.spread(here, |sampler, job| work(sampler, logits.row(job.row - start)?, &job.job))?,
            );
            self.row_time += clock.elapsed();
        }
        self.logits = logits;
        Ok(results)
    }

    /// Time spent on jobs since the last call, without the computation of their logits.
    pub(crate) fn take_row_time(&mut self) -> Duration {
        std::mem::take(&mut self.row_time)
    }
}
