//! From a moment on the chain to the seeds of every problem, draw and sketch.
//!
//! ```text
//! S_win    = H("grail/1 window",  network, window u64, block_hash, randomness or "", checkpoint, env, params_digest)
//! S_prob   = H("grail/1 problem", S_win, hotkey, group u32)
//! K_draw   = H("grail/1 draw",    S_prob, rollout u8)
//! K_sketch = H("grail/1 sketch",  S_prob, rollout u8)
//! ```
//!
//! Integers are little-endian, hotkeys and hashes raw bytes.
//! Source: protocol book, "Randomness and seeds"; vectors in `fixtures/vectors/protocol/seeds.json`. The Python network
//! takes SHA-256 of hotkey, block hash and the number of the problem, without beacon and checkpoint.

use crate::{
    beacon::WindowRandomness,
    draw::SamplingPolicy,
    hash::{Digest, digest},
    params::Params,
    profile::NumericProfile,
    stream::Stream,
    words::{BlockHash, CheckpointId, EnvId, GroupIndex, Hotkey, NetworkId, RolloutIndex, WindowStart},
};

/// Everything about one window that a participant derives for itself from chain, beacon and checkpoint.
///
/// A claim of a miner never enters this struct; functions that need a derived value take it from here.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowContext {
    /// Which network; no file of one is valid on another.
    pub network: NetworkId,
    /// The network's constants; their digest enters the seed.
    pub params: Params,
    /// Which window, by its first block.
    pub window: WindowStart,
    /// Hash of the window's first block, as the chain gives it.
    pub block_hash: BlockHash,
    /// The verified beacon of the window, or the statement that there is none.
    pub randomness: WindowRandomness,
    /// The checkpoint that answers in this window.
    pub checkpoint: CheckpointId,
    /// The environment that asks in this window.
    pub env: EnvId,
    /// How the checkpoint's manifest says tokens are drawn.
    pub policy: SamplingPolicy,
    /// Numeric profile of the checkpoint's manifest.
    pub numeric: NumericProfile,
    /// Completion cap of the checkpoint's manifest, at most the network's.
    pub max_new_tokens: u32,
}

/// `S_win`, the seed of a window: 32 bytes that all participants share. Derive it with [`WindowContext::seed`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowSeed(Digest);

/// `S_prob`, the seed of one miner's problem in one window: 32 bytes that decide problem, noise and sketch signs of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProblemSeed(Digest);

/// `K_draw`, the key of the sampling noise of one rollout: 32 bytes, public.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrawKey(Digest);

/// `K_sketch`, the key of the sketch signs of one rollout: 32 bytes, public, unknown before the window's beacon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SketchKey(Digest);

impl WindowContext {
    /// `S_win = H("grail/1 window", …)` over network, window, block hash, randomness, checkpoint, environment and the digest
    /// of the parameters. Policy, profile and cap enter through the checkpoint's id.
    pub fn seed(&self) -> WindowSeed {
        WindowSeed(digest(
            "grail/1 window",
            &[
                self.network.as_str().as_bytes(),
                &self.window.0.to_le_bytes(),
                self.block_hash.as_bytes(),
                &self.randomness.bytes(),
                self.checkpoint.as_bytes(),
                self.env.as_str().as_bytes(),
                &self.params.digest(),
            ],
        ))
    }
}

impl WindowSeed {
    /// `S_prob` of a miner's group: `H("grail/1 problem", S_win, hotkey, group u32)`.
    pub fn problem(&self, hotkey: &Hotkey, group: GroupIndex) -> ProblemSeed {
        ProblemSeed(digest("grail/1 problem", &[&self.0, hotkey.as_bytes(), &group.0.to_le_bytes()]))
    }

    /// The seed's bytes, for display and vectors.
    pub const fn as_bytes(&self) -> &Digest {
        &self.0
    }
}

impl ProblemSeed {
    /// A seed for tests and for looking at problems without a window.
    pub const fn from_bytes(bytes: Digest) -> Self {
        Self(bytes)
    }

    /// The stream from which an environment draws its problem: `Stream(S_prob, 0)`.
    pub fn stream(&self) -> Stream {
        Stream::new(&self.0, 0)
    }

    /// `K_draw` of a rollout: `H("grail/1 draw", S_prob, rollout u8)`.
    pub fn draw_key(&self, rollout: RolloutIndex) -> DrawKey {
        DrawKey(digest("grail/1 draw", &[&self.0, &[rollout.0]]))
    }

    /// `K_sketch` of a rollout: `H("grail/1 sketch", S_prob, rollout u8)`.
    pub fn sketch_key(&self, rollout: RolloutIndex) -> SketchKey {
        SketchKey(digest("grail/1 sketch", &[&self.0, &[rollout.0]]))
    }

    /// The seed's bytes, for display and vectors.
    pub const fn as_bytes(&self) -> &Digest {
        &self.0
    }
}

impl DrawKey {
    /// A key for tests and for second implementations; a program derives its keys from a seed.
    pub const fn from_bytes(bytes: Digest) -> Self {
        Self(bytes)
    }

    /// The key's 32 bytes.
    pub const fn as_bytes(&self) -> &Digest {
        &self.0
    }
}

impl SketchKey {
    /// A key for tests and for second implementations; a program derives its keys from a seed.
    pub const fn from_bytes(bytes: Digest) -> Self {
        Self(bytes)
    }

    /// The key's 32 bytes.
    pub const fn as_bytes(&self) -> &Digest {
        &self.0
    }
}

/// What a validator's challenge draws from: `H("grail/1 challenge", S_win, R_chal, hotkey)`.
///
/// `challenge` is the randomness of the first round after upload deadline and challenge delay; in a window without a
/// beacon, SHA-256 of the hash of the first block after both.
pub fn challenge_stream(seed: &WindowSeed, challenge: &[u8; 32], hotkey: &Hotkey) -> Stream {
    Stream::new(&digest("grail/1 challenge", &[&seed.0, challenge, hotkey.as_bytes()]), 0)
}

#[cfg(test)]
pub(crate) fn example_context() -> WindowContext {
    WindowContext {
        network: "dev-0001".parse().unwrap(),
        params: crate::params::DEV,
        window: WindowStart(40),
        block_hash: BlockHash::from_bytes([1; 32]),
        randomness: WindowRandomness::BlockHashOnly,
        checkpoint: CheckpointId::from_bytes([2; 32]),
        env: "sat/1".parse().unwrap(),
        policy: SamplingPolicy::DEFAULT,
        numeric: NumericProfile::StrictF32,
        max_new_tokens: 64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ingredient_changes_the_window_seed() {
        let base = example_context();
        let variants = [
            WindowContext { network: "dev-0002".parse().unwrap(), ..base.clone() },
            WindowContext { params: crate::params::DEV_FAST, ..base.clone() },
            WindowContext { window: WindowStart(60), ..base.clone() },
            WindowContext { block_hash: BlockHash::from_bytes([9; 32]), ..base.clone() },
            WindowContext { checkpoint: CheckpointId::from_bytes([9; 32]), ..base.clone() },
            WindowContext { env: "sat/2".parse().unwrap(), ..base.clone() },
            WindowContext {
                randomness: WindowRandomness::Beacon(crate::beacon::Beacon { round: 1, signature: [3; 48] }),
                ..base.clone()
            },
        ];
        for variant in variants {
            assert_ne!(variant.seed(), base.seed(), "{variant:?}");
        }
    }

    #[test]
    fn keys_differ_by_miner_group_rollout_and_purpose() {
        let seed = example_context().seed();
        let (alice, bob) = (Hotkey::from_bytes([1; 32]), Hotkey::from_bytes([2; 32]));
        let problem = seed.problem(&alice, GroupIndex(0));
        assert_ne!(problem, seed.problem(&bob, GroupIndex(0)));
        assert_ne!(problem, seed.problem(&alice, GroupIndex(1)));
        assert_ne!(problem.draw_key(RolloutIndex(0)), problem.draw_key(RolloutIndex(1)));
        assert_ne!(
            problem.draw_key(RolloutIndex(0)).as_bytes(),
            problem.sketch_key(RolloutIndex(0)).as_bytes()
        );
    }
}
