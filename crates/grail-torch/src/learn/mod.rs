//! A model that can learn.
//!
//! | module | what |
//! |---|---|
//! | `advantage` | rewards of a group → advantages |
//! | `loss` | log-probabilities → GRPO loss, KL, entropy; the adaptive KL coefficient |
//! | `head` | hidden states → log-probabilities and entropies, by chunks: logits never exist whole |
//! | `optimizer`, `gradients`, `schedule` | AdamW with 32-bit masters; gradients over micro-batches; learning rate by step |
//! | `model` | a dense Llama, Qwen2 or Qwen3 with a way back; adapters of low rank; recomputation by layer |
//! | `step` | a GRPO step, a supervised step |
//! | `student` | a learner behind the door [`grail_ports::learn::Learner`] |
//! | `export`, `bundle` | weight files; the state of a run, safe against crashes |
//! | `filter`, `replay`, `pack` | which groups, from which windows, in which micro-batches |
//!
//! Only rollouts that the court accepted belong here, with the rewards it derived; this crate does not judge.
//!
//! Everything but `advantage`, `filter`, `replay`, `pack` and `schedule` computes with libtorch. Callers must not
//! hold a guard that switches autograd off.

mod advantage;
mod bundle;
mod error;
mod export;
mod filter;
mod gradients;
mod head;
mod loss;
mod model;
mod optimizer;
mod pack;
mod replay;
mod schedule;
mod step;
mod student;

#[cfg(test)]
mod tests;

pub use advantage::{Estimator, clip_to_percentile};
pub use bundle::{newest_state, restore_state, save_state};
pub use error::TrainError;
pub use export::write_tensors;
pub use filter::{Choice, FilterSettings, GroupFacts, LeftOut};
pub use gradients::Gradients;
pub use head::{Head, Measured};
pub use loss::{
    AdaptiveKl, AdaptiveKlSettings, Aggregate, Divisors, Figures, KlEstimator, Level, Loss, LossRows,
    LossSettings,
};
pub use model::{Layout, LearningModel, Lora, Pass, Prompted, Recompute};
pub use optimizer::{AdamW, AdamWSettings, Decay, Parameter, Update};
pub use pack::pack;
pub use replay::{Kept, Replay, ReplaySettings};
pub use schedule::{Decline, Schedule};
pub use step::{
    Averaging, Example, Group, LearnerSettings, Reference, Rollout, RunProgress, StepLearner, StepOutcome,
    StepReport,
};
pub use student::{Anchor, Compute, Course, Student, StudentSettings};
