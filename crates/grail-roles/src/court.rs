//! The court as both roles ask it: the validator about others' files, the miner about its own.

use crate::work::{blocking, held};
use grail_artifact::{bundle::ModelFact, limits::LIMITS, window::WindowCodec};
use grail_env::Environment;
use grail_ports::{
    Fault,
    model::{Oracle, Tokenize},
    shelf::Fetched,
};
use grail_protocol::{
    seed::WindowContext,
    words::{Hotkey, UnixMillis},
};
use grail_verify::{Case, MinerReport, Sampling, verify_file};
use std::sync::{Arc, Mutex};

/// The model that recomputes, and what it takes to read a file.
#[derive(Clone)]
pub(crate) struct Court {
    pub(crate) oracle: Arc<Mutex<Box<dyn Oracle>>>,
    pub(crate) tokenizer: Arc<dyn Tokenize>,
    pub(crate) codec: Arc<dyn WindowCodec>,
}

/// One file to judge, and what it is held against.
pub(crate) struct Matter {
    pub(crate) context: WindowContext,
    pub(crate) hotkey: Hotkey,
    pub(crate) file: Fetched,
    pub(crate) deadline: UnixMillis,
    pub(crate) environment: Arc<Environment>,
    pub(crate) sampling: Sampling,
    pub(crate) challenge: [u8; 32],
    /// No further group is proven once this says no.
    pub(crate) goes_on: Arc<dyn Fn() -> bool + Send + Sync>,
}

/// What the court asks of the model's card.
pub(crate) fn model_fact(court: &Court) -> ModelFact {
    let oracle = held(&court.oracle);
    ModelFact { vocabulary: oracle.card().vocabulary, context_length: oracle.card().context_length }
}

impl Court {
    /// Judges on a thread that may block, logging progress. Errors: the work panicked.
    pub(crate) async fn judge(&self, matter: Matter) -> Result<MinerReport, Fault> {
        let court = self.clone();
        blocking("judge a window file", move |wanted| {
            let mut oracle = held(&court.oracle);
            let (vocabulary, context_length) = (oracle.card().vocabulary, oracle.card().context_length);
            let case = Case {
                context: &matter.context,
                hotkey: &matter.hotkey,
                deadline: matter.deadline,
                codec: court.codec.as_ref(),
                limits: &LIMITS,
                sampling: &matter.sampling,
                challenge: &matter.challenge,
                environment: &matter.environment,
                tokenizer: court.tokenizer.as_ref(),
                vocabulary,
                context_length,
            };
            Ok(verify_file(matter.file, &case, oracle.as_mut(), &mut |progress| {
                tracing::info!(
                    target: "grail::progress",
                    miner = %matter.hotkey.short(), done = progress.done, of = progress.total, "verifying"
                );
                wanted.still() && (matter.goes_on)()
            }))
        })
        .await
    }
}
