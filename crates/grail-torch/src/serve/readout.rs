//! From final states to what is drawn, read and proven: the output head in bounded pieces, rows over threads.

use crate::{
    error::{Named, RunError},
    serve::{effort::Stopwatch, model::Engine},
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
pub(crate) struct Rows {
    values: Vec<f32>,
    width: usize,
}

impl Rows {
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
        states: &Tensor,
        jobs: &[RowJob<J>],
        work: impl Fn(&mut Sampler, &[f32], &J) -> Result<R, RunError> + Sync,
    ) -> Result<Vec<R>, RunError> {
        let rows = states.size().first().map_or(0, |rows| *rows as usize);
        let mut results = Vec::with_capacity(jobs.len());
        let mut rest = jobs;
        for start in (0..rows).step_by(HEAD_ROWS) {
            let range: Range<usize> = start..rows.min(start + HEAD_ROWS);
            let (here, later) = rest.split_at(rest.partition_point(|job| job.row < range.end));
            rest = later;
            if here.is_empty() {
                continue;
            }
            let chunk =
                states.f_narrow(0, start as i64, range.len() as i64).named("cut states", &[states])?;
            let logits = Rows::fetch(&self.network.logits(&chunk)?)?;
            let clock = Stopwatch::start();
            results.extend(
                self.spread(here, |sampler, job| work(sampler, logits.row(job.row - start)?, &job.job))?,
            );
            self.row_time += clock.elapsed();
        }
        Ok(results)
    }

    /// Time spent on jobs since the last call, without the computation of their logits.
    pub(crate) fn take_row_time(&mut self) -> Duration {
        std::mem::take(&mut self.row_time)
    }
}
