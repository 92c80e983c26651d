//! Other computations than the checkpoint's: its weights rounded, disturbed or left out, its cache rounded.

use super::{Bank, Card};
use crate::{
    LabError,
    alter::{self, Change},
    stand::Stand,
};
use grail_artifact::window::RolloutRecord;
use grail_ports::model::GroupRequest;
use grail_torch::{CacheFormat, Dtype, Forced, Model, Options};
use std::sync::Arc;

/// Another computation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is described by its card")]
pub enum WeightsLie {
    PreviousCheckpoint,
    NoiseTenthPercent,
    NoiseOnePercent,
    NoiseFivePercent,
    NoiseTenPercent,
    Bf16,
    Fp8,
    Int8,
    Int4,
    Fp8Cache,
    LayerDropped,
    HalfTheLayers,
    Int8Proven,
    Int4Proven,
    Fp8CacheProven,
    HalfTheLayersProven,
}

impl WeightsLie {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::PreviousCheckpoint,
        Self::NoiseTenthPercent,
        Self::NoiseOnePercent,
        Self::NoiseFivePercent,
        Self::NoiseTenPercent,
        Self::Bf16,
        Self::Fp8,
        Self::Int8,
        Self::Int4,
        Self::Fp8Cache,
        Self::LayerDropped,
        Self::HalfTheLayers,
        Self::Int8Proven,
        Self::Int4Proven,
        Self::Fp8CacheProven,
        Self::HalfTheLayersProven,
    ];

    pub(super) const fn card(self) -> Card {
        match self {
            // It draws the same tokens nearly everywhere, its sketches round to the same bytes, and where a model is sure of
            // itself its log-probabilities too.
            Self::PreviousCheckpoint => Card::open(
                "previous-checkpoint",
                "weights of one step before: one in a hundred lies one step of a brain float away",
            ),
            // So close that nearly all tokens and most sketch bytes are the true ones; digits tell.
            Self::NoiseTenthPercent => Card::within(768, "weights-0.1-percent", "weights with 0.1 % noise"),
            Self::NoiseOnePercent => Card::within(200, "weights-1-percent", "weights with 1 % noise"),
            Self::NoiseFivePercent => Card::within(128, "weights-5-percent", "weights with 5 % noise"),
            Self::NoiseTenPercent => Card::within(128, "weights-10-percent", "weights with 10 % noise"),
            Self::Bf16 => {
                Card::within(128, "bf16", "weights and arithmetic in brain floats where 32 bits are named")
            }
            Self::Fp8 => Card::within(128, "fp8-weights", "weights rounded to eight-bit floats, row by row"),
            Self::Int8 => Card::within(768, "int8-weights", "weights rounded to eight bits, row by row"),
            Self::Int4 => Card::within(128, "int4-weights", "weights rounded to four bits, row by row"),
            Self::Fp8Cache => Card::within(10_000, "fp8-cache", "keys and values kept in eight-bit floats"),
            Self::LayerDropped => Card::within(128, "layer-dropped", "one layer in the middle left out"),
            Self::HalfTheLayers => {
                Card::within(128, "smaller-model", "a model of half the layers, as a cheap stand-in")
            }
            Self::Int8Proven => Card::within(
                10_000,
                "int8-proven",
                "drawn with eight-bit weights; sketch and log-probabilities from one true prefill",
            ),
            Self::Int4Proven => Card::within(
                500,
                "int4-proven",
                "drawn with four-bit weights; sketch and log-probabilities from one true prefill",
            ),
            Self::Fp8CacheProven => Card::within(
                10_000,
                "fp8-cache-proven",
                "drawn with an eight-bit cache; sketch and log-probabilities from one true prefill",
            ),
            Self::HalfTheLayersProven => Card::within(
                200,
                "smaller-model-proven",
                "drawn with half the layers; sketch and log-probabilities from one true prefill",
            ),
        }
    }

    /// Whether sketch and log-probabilities come from a true prefill.
    pub(super) const fn is_proven(self) -> bool {
        matches!(self, Self::Int8Proven | Self::Int4Proven | Self::Fp8CacheProven | Self::HalfTheLayersProven)
    }

    const fn change(self) -> Option<Change> {
        match self {
            Self::PreviousCheckpoint => Some(Change::OneStepBack),
            Self::NoiseTenthPercent => Some(Change::Noise(0.001)),
            Self::NoiseOnePercent => Some(Change::Noise(0.01)),
            Self::NoiseFivePercent => Some(Change::Noise(0.05)),
            Self::NoiseTenPercent => Some(Change::Noise(0.1)),
            Self::Fp8 => Some(Change::Fp8),
            Self::Int8 | Self::Int8Proven => Some(Change::Rounded(127.0)),
            Self::Int4 | Self::Int4Proven => Some(Change::Rounded(7.0)),
            Self::LayerDropped => Some(Change::LayerDropped),
            Self::HalfTheLayers | Self::HalfTheLayersProven => Some(Change::HalfTheLayers),
            Self::Bf16 | Self::Fp8Cache | Self::Fp8CacheProven => None,
        }
    }

    /// Loads the model that computes otherwise, under the name of the checkpoint.
    pub(super) fn load(self, stand: &Stand) -> Result<Model, LabError> {
        let setup = &stand.setup;
        let (options, checkpoint) = (setup.options(), stand.checkpoint);
        match self.change() {
            Some(change) => {
                let folder = tempfile::tempdir()
                    .map_err(|source| LabError::File { path: std::env::temp_dir(), source })?;
                alter::write(&setup.folder, folder.path(), change)?;
                // The weights of a model on a processor are packed while they are loaded, save for the embedding, which
                // stays mapped: an open map outlives the name of its file.
                Ok(Model::load(folder.path(), &options, checkpoint)?)
            }
            None if matches!(self, Self::Bf16) => {
                Ok(Model::load(&setup.folder, &Options { dtype: Dtype::Bf16, ..options }, checkpoint)?)
            }
            None => Ok(Model::load_keeping(&setup.folder, &options, checkpoint, CacheFormat::Fp8)?),
        }
    }

    /// Tells the lie with that model.
    pub(super) fn tell(
        self,
        stand: &Stand,
        model: &Model,
        bank: &Bank,
    ) -> Result<Vec<RolloutRecord>, LabError> {
        let scene = &bank.scene;
        let requests: Vec<GroupRequest> = scene.groups.iter().map(|asked| asked.request.clone()).collect();
        let answers = stand.answers(model, &requests, Arc::new(Forced))?;
        if !self.is_proven() {
            return stand.records(scene, answers);
        }
        let texts = answers
            .into_iter()
            .map(|group| group.into_iter().map(|answer| answer.tokens).collect())
            .collect();
        stand.proven(scene, texts)
    }
}
