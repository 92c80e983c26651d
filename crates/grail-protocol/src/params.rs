//! The constants of each network profile. They are not configuration: no flag, file or variable changes them, and
//! their digest is part of every window seed, so two participants with different constants cannot even misread
//! each other.

use crate::{
    hash::{Digest, Hasher},
    policy::{Seeding, WeightPolicy},
};

/// Everything about GRAIL/1 that is a number and not chosen by a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Params {
    /// Name of the profile: `main`, `dev` or `dev-fast`. `network.json` of a development network names it.
    pub profile: &'static str,
    /// Version of the protocol, as window files carry it.
    pub version: u16,
    /// Blocks in a scoring window.
    pub window_length: u64,
    /// Nominal milliseconds between blocks.
    pub block_time_ms: u64,
    /// Milliseconds after a window's last block in which its file may still arrive.
    pub upload_grace_ms: u64,
    /// Milliseconds between the upload deadline and the challenge round.
    pub challenge_delay_ms: u64,
    /// Whether a window without a beacon is seeded by its block hash alone.
    pub accepts_block_hash_only: bool,
    /// Rollouts in a GRPO group.
    pub rollouts_per_problem: u8,
    /// Positions opened in spot mode, which is not there. Nothing but [`Self::digest`] reads it; it goes with the next
    /// version of the protocol, since its removal changes every window seed.
    pub challenge_k: u32,
    /// Modulus of the sketch, 2³¹ − 1. Nothing but [`Self::digest`] reads it: the sketch takes [`PRIME_Q`]. It goes with
    /// the next version of the protocol.
    pub prime_q: u32,
    /// Most completion tokens of a rollout, its end token included; a checkpoint may say less.
    pub max_new_tokens: u32,
    /// Exponent of unique solutions in the weight rule, in hundredths. Nothing but [`Self::digest`] reads it: a validator
    /// weighs by [`Self::weights`], whose exponent is the same where nothing else is stated. It goes with the next version
    /// of the protocol.
    pub superlinear_exponent_percent: u32,
    /// How weights are made; part of the digest where a network states its own.
    pub weights: WeightPolicy,
    /// What seeds windows; part of the digest where a network states it.
    pub seeding: Seeding,
}

/// Rollouts in a group, in every profile: the `num_generations` of GRPO.
pub const ROLLOUTS_PER_PROBLEM: u8 = 16;
/// Sketch modulus, the Mersenne prime 2³¹ − 1.
pub const PRIME_Q: u32 = 2_147_483_647;

/// The public networks.
pub const MAIN: Params = Params {
    profile: "main",
    version: 1,
    window_length: 50,
    block_time_ms: 12_000,
    upload_grace_ms: 33_000,
    challenge_delay_ms: 30_000,
    accepts_block_hash_only: false,
    rollouts_per_problem: ROLLOUTS_PER_PROBLEM,
    challenge_k: 16,
    prime_q: PRIME_Q,
    max_new_tokens: 1_024,
    superlinear_exponent_percent: 150,
    weights: WeightPolicy::DEFAULT,
    seeding: Seeding::Unsaid,
};

/// Development: the same laws under a clock that a person can wait for (windows of one minute).
pub const DEV: Params = Params {
    profile: "dev",
    window_length: 20,
    block_time_ms: 3_000,
    upload_grace_ms: 6_000,
    challenge_delay_ms: 3_000,
    accepts_block_hash_only: true,
    ..MAIN
};

/// Development in seconds, for tests that run real processes (windows of eight seconds).
pub const DEV_FAST: Params = Params {
    profile: "dev-fast",
    window_length: 8,
    block_time_ms: 1_000,
    upload_grace_ms: 2_000,
    challenge_delay_ms: 1_000,
    ..DEV
};

impl Params {
    /// The profile of that name; `None` for any other text.
    pub fn by_name(name: &str) -> Option<Self> {
        [MAIN, DEV, DEV_FAST].into_iter().find(|params| params.profile == name)
    }

    /// What enters every window seed: `H("grail/1 params", …)` over each value in the order of this struct,
    /// integers as eight little-endian bytes, the flag as one such integer, the name as UTF-8. Stated weights follow as
    /// `weights` and their numbers (exponent, cap, burnt uid and share, interval, and whether anything is burnt), a stated
    /// seeding as its sentence.
    pub fn digest(&self) -> Digest {
        let mut hasher = Hasher::new("grail/1 params");
        hasher.field(self.profile.as_bytes());
        for number in [
            u64::from(self.version),
            self.window_length,
            self.block_time_ms,
            self.upload_grace_ms,
            self.challenge_delay_ms,
            u64::from(self.accepts_block_hash_only),
            u64::from(self.rollouts_per_problem),
            u64::from(self.challenge_k),
            u64::from(self.prime_q),
            u64::from(self.max_new_tokens),
            u64::from(self.superlinear_exponent_percent),
        ] {
            hasher.field(&number.to_le_bytes());
        }
        // What a network states for itself. One that states nothing has the digest that it always had.
        if self.weights != WeightPolicy::DEFAULT {
            hasher.field(b"weights");
            for number in self.weights.numbers() {
                hasher.field(&number.to_le_bytes());
            }
        }
        match self.seeding {
            Seeding::Unsaid => {}
            Seeding::Beacon => hasher.field(b"seeded by beacon"),
            Seeding::BlockHash => hasher.field(b"seeded by block hash"),
        }
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_differ_only_in_clock_and_fallback() {
        let clockless = |p: Params| Params {
            profile: "",
            window_length: 0,
            block_time_ms: 0,
            upload_grace_ms: 0,
            challenge_delay_ms: 0,
            accepts_block_hash_only: false,
            ..p
        };
        assert_eq!(clockless(MAIN), clockless(DEV));
        assert_eq!(clockless(MAIN), clockless(DEV_FAST));
    }

    #[test]
    fn what_a_network_states_is_in_its_digest_and_what_it_does_not_state_is_not() {
        use crate::policy::{Burn, Seeding, WeightPolicy};
        let state = |weights, seeding| Params { weights, seeding, ..DEV }.digest();
        let default = WeightPolicy::DEFAULT;
        let digests = [
            state(default, Seeding::Unsaid),
            state(default, Seeding::Beacon),
            state(default, Seeding::BlockHash),
            state(WeightPolicy { unique_cap: Some(9), ..default }, Seeding::Unsaid),
            state(WeightPolicy { burn: Some(Burn { uid: 0, permille: 500 }), ..default }, Seeding::Unsaid),
            state(WeightPolicy { interval: 9, ..default }, Seeding::Unsaid),
            state(WeightPolicy { exponent_percent: 100, ..default }, Seeding::Unsaid),
        ];
        assert_eq!(digests[0], DEV.digest());
        let distinct: std::collections::BTreeSet<_> = digests.iter().map(|digest| digest.to_vec()).collect();
        assert_eq!(distinct.len(), digests.len());
    }

    #[test]
    fn digests_tell_profiles_apart() {
        assert_ne!(MAIN.digest(), DEV.digest());
        assert_ne!(DEV.digest(), DEV_FAST.digest());
        assert_eq!(Params::by_name("dev"), Some(DEV));
        assert_eq!(Params::by_name("production"), None);
    }
}
