//! Other computations than the checkpoint's: its weights rounded, disturbed or left out, its cache rounded.

use super::{COMPUTATION, Codes, Computation, Lie, LieKind, Tells};

const fn computes(name: &'static str, says: &'static str, codes: Codes, computation: Computation) -> Lie {
    Lie::new(LieKind::Model, name, says, codes, Tells::Computes(computation))
}

const fn proven(name: &'static str, says: &'static str, computation: Computation) -> Lie {
    Lie::new(LieKind::Model, name, says, SEEN, Tells::ComputesProven(computation)).real()
}

/// What is seen first on a real model depends on it.
const SEEN: Codes = &[];
/// Steps of each sign of an eight-bit and of a four-bit number.
const INT8: Computation = Computation::Rounded(127.0);
const INT4: Computation = Computation::Rounded(7.0);

pub(super) const LIES: &[Lie] = &[
    computes(
        "another-checkpoint",
        "other weights under the name of the checkpoint",
        COMPUTATION,
        Computation::OtherWeights,
    )
    .fake(0.97, "another-checkpoint"),
    // It draws the same tokens nearly everywhere, its sketches round to the same bytes, and where a model is sure of itself
    // its log-probabilities too.
    computes(
        "previous-checkpoint",
        "weights of one step before: one in a hundred lies one step of a brain float away",
        SEEN,
        Computation::OneStepBack,
    )
    .open(),
    // So close that nearly all tokens and most sketch bytes are the true ones; digits tell.
    computes("weights-0.1-percent", "weights with 0.1 % noise", SEEN, Computation::Noise(0.001))
        .real_within(768),
    computes("weights-1-percent", "weights with 1 % noise", SEEN, Computation::Noise(0.01)).real_within(200),
    computes("weights-5-percent", "weights with 5 % noise", COMPUTATION, Computation::Noise(0.05))
        .within(128)
        .shows(0.97, "weights-off-by-five-percent"),
    computes("weights-10-percent", "weights with 10 % noise", SEEN, Computation::Noise(0.1)).real_within(128),
    computes(
        "bf16",
        "weights and arithmetic in brain floats where 32 bits are named",
        SEEN,
        Computation::Bf16,
    )
    .real_within(128),
    computes("fp8-weights", "weights rounded to eight-bit floats, row by row", SEEN, Computation::Fp8)
        .real_within(128),
    computes("int8-weights", "weights rounded to eight bits, row by row", SEEN, INT8).real_within(768),
    computes("int4-weights", "weights rounded to four bits, row by row", SEEN, INT4).real_within(128),
    computes("fp8-cache", "keys and values kept in eight-bit floats", SEEN, Computation::Fp8Cache)
        .real_within(10_000),
    computes("layer-dropped", "one layer in the middle left out", SEEN, Computation::LayerDropped)
        .real_within(128),
    computes(
        "smaller-model",
        "a model of half the layers, as a cheap stand-in",
        SEEN,
        Computation::HalfTheLayers,
    )
    .real_within(128),
    proven(
        "int8-proven",
        "drawn with eight-bit weights; sketch and log-probabilities from one true prefill",
        INT8,
    )
    .within(10_000),
    proven(
        "int4-proven",
        "drawn with four-bit weights; sketch and log-probabilities from one true prefill",
        INT4,
    )
    .within(500),
    proven(
        "fp8-cache-proven",
        "drawn with an eight-bit cache; sketch and log-probabilities from one true prefill",
        Computation::Fp8Cache,
    )
    .within(10_000),
    proven(
        "smaller-model-proven",
        "drawn with half the layers; sketch and log-probabilities from one true prefill",
        Computation::HalfTheLayers,
    )
    .within(200),
];
