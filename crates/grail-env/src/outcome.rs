//! What a completion earned and what it counts for.

use crate::reading::Reading;
use crate::reward::RewardVector;
use grail_protocol::hash::{Digest, digest};
use std::fmt;

/// The verdict of an environment about one completion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Components and total of the reward.
    pub reward: RewardVector,
    /// Whether the answer is right. The same as a full correctness component.
    pub success: bool,
    /// The answer in canonical text, when the answer block holds one that can be read, right or wrong.
    pub answer: Option<String>,
    /// The key of the solution, for a right answer only.
    pub solution: Option<SolutionKey>,
    /// What the tags of the completion said.
    pub reading: Reading,
}

/// What makes a problem the same problem, in whatever window, group or order of clauses it comes.
///
/// `H("grail/1 problem identity", env_id, content)`, where the environment says what its content is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ProblemIdentity(Digest);

impl ProblemIdentity {
    pub(crate) fn new(env_id: &str, content: &[&[u8]]) -> Self {
        let mut fields = vec![env_id.as_bytes()];
        fields.extend_from_slice(content);
        Self(digest("grail/1 problem identity", &fields))
    }
}

/// What makes two right answers the same solution: the same problem and the same canonical answer.
///
/// A score counts distinct keys. The wording of a completion is not in it, so saying one answer in many ways counts
/// once; a formula has as many solutions as it has satisfying assignments, a word problem has one. A problem drawn
/// twice has the same key both times.
///
/// Bytes: `H("grail/1 solution", problem_identity, answer)`, answer in its canonical text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SolutionKey(Digest);

impl SolutionKey {
    /// The key's 32 bytes.
    pub const fn as_bytes(&self) -> &Digest {
        &self.0
    }
}

impl fmt::Display for SolutionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&hex::encode(self.0))
    }
}

impl fmt::Debug for SolutionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SolutionKey({self})")
    }
}

/// An answer that could be read: its canonical text and whether it is right.
pub(crate) struct Answer {
    pub(crate) text: String,
    pub(crate) right: bool,
}

/// Judges a completion: the one walk that all environments share. `answer` reads the content of the answer block.
pub(crate) fn judge(
    identity: &ProblemIdentity,
    completion: &str,
    answer: impl FnOnce(&str) -> Option<Answer>,
) -> Outcome {
    let reading = Reading::of(completion);
    let answer = reading.content(completion).and_then(answer);
    let success = answer.as_ref().is_some_and(|answer| answer.right);
    let solution = answer
        .as_ref()
        .filter(|answer| answer.right)
        .map(|answer| SolutionKey(digest("grail/1 solution", &[&identity.0, answer.text.as_bytes()])));
    Outcome {
        reward: RewardVector::new(success, reading.thinking, reading.trailing()),
        success,
        answer: answer.map(|answer| answer.text),
        solution,
        reading,
    }
}
