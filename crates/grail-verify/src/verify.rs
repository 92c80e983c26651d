use crate::{
    MinerReport, ProofWatch, Rejection, Sampling,
    corridor::{Replayed, arrive},
};
use grail_artifact::{limits::Limits, window::WindowCodec};
use grail_env::Environment;
use grail_ports::{
    model::{Oracle, Tokenize},
    shelf::Fetched,
};
use grail_protocol::{
    seed::{WindowContext, challenge_stream},
    words::{Hotkey, UnixMillis},
};

/// Everything a verifier brings to a file: what it derived for itself, and its tools. Nothing here comes from the miner.
#[derive(Clone, Copy)]
pub struct Case<'a> {
    /// The window, as derived from chain, beacon and checkpoint.
    pub context: &'a WindowContext,
    /// Under whose key the file lay.
    pub hotkey: &'a Hotkey,
    /// Latest moment at which it may have been stored.
    pub deadline: UnixMillis,
    /// Reads the encoding in which the file was fetched.
    pub codec: &'a dyn WindowCodec,
    /// Bounds on its size.
    pub limits: &'a Limits,
    /// How many groups are proven.
    pub sampling: &'a Sampling,
    /// Randomness of the challenge round; decides which groups. Without effect where whole files are proven.
    pub challenge: &'a [u8; 32],
    /// The window's environment, whose id is the context's.
    pub environment: &'a Environment,
    /// The checkpoint's tokenizer and chat template.
    pub tokenizer: &'a dyn Tokenize,
    /// Number of logits of the checkpoint's model.
    pub vocabulary: u32,
    /// Most positions of the checkpoint's model, prompt and completion together.
    pub context_length: u32,
}

impl std::fmt::Debug for Case<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { context, hotkey, deadline, .. } = self;
        f.debug_struct("Case")
            .field("window", &context.window)
            .field("hotkey", hotkey)
            .field("deadline", deadline)
            .finish_non_exhaustive()
    }
}

/// The whole corridor: what a validator decides about a file, and what a miner learns about its own before upload.
///
/// `watch` is told after every proven group. A panic of the model or the tokenizer passes through; roles catch it
/// around one miner.
pub fn verify_file(
    fetched: Fetched,
    case: &Case<'_>,
    oracle: &mut dyn Oracle,
    watch: ProofWatch<'_>,
) -> MinerReport {
    walk(fetched, case, |replayed| replayed.prove(oracle, watch).judge(case.tokenizer))
}

/// The corridor without a model: everything that can be said on paper. Rollouts that nothing speaks against stay
/// undecided as [`Doubt::NotProven`](crate::Doubt::NotProven).
pub fn verify_on_paper(fetched: Fetched, case: &Case<'_>) -> MinerReport {
    walk(fetched, case, |replayed| replayed.on_paper().judge(case.tokenizer))
}

fn walk(fetched: Fetched, case: &Case<'_>, finish: impl FnOnce(Replayed) -> MinerReport) -> MinerReport {
    let mut claimed = (0, 0);
    match replay(fetched, case, &mut claimed) {
        Ok(replayed) => finish(replayed),
        Err(rejection) => MinerReport::refused(case.context, case.hotkey, rejection, claimed),
    }
}

fn replay(fetched: Fetched, case: &Case<'_>, claimed: &mut (u32, u64)) -> Result<Replayed, Rejection> {
    let decoded = arrive(fetched, case.deadline)?.decode(case.codec, case.limits)?;
    *claimed = (decoded.claims().groups, decoded.claims().rollouts.len() as u64);
    let sealed = decoded.seal(case.context, case.hotkey, case.vocabulary)?;
    let challenge = challenge_stream(&case.context.seed(), case.challenge, case.hotkey);
    Ok(sealed.sample(case.sampling, challenge).replay(case.environment, case.tokenizer, case.context_length))
}
