//! Window files to try things on.

use grail_artifact::window::{RolloutRecord, VERSION, WindowFile, WindowHeader};
use grail_protocol::{
    beacon::{Beacon, WindowRandomness},
    profile::NumericProfile,
    sign::HotkeyPair,
    stream::Stream,
    words::{CheckpointId, GroupIndex, RolloutIndex, WindowStart},
};
use proptest::prelude::*;

pub(crate) fn seal(rollouts: Vec<RolloutRecord>) -> WindowFile {
    let pair = HotkeyPair::from_seed(&[1; 32]).unwrap();
    let header = WindowHeader {
        version: VERSION,
        network: "dev-0001".parse().unwrap(),
        window: WindowStart(40),
        hotkey: pair.hotkey(),
        checkpoint: CheckpointId::from_bytes([2; 32]),
        env: "sat/1".parse().unwrap(),
        randomness: WindowRandomness::Beacon(Beacon { round: 7, signature: [9; 48] }),
        numeric: NumericProfile::StrictF32,
        generator: "grail-miner 0.1.0".into(),
    };
    WindowFile::seal(header, rollouts, |message| pair.sign(message, [4; 32]))
}

/// Groups of 16 rollouts with lengths below `longest`; the same for the same arguments.
pub(crate) fn window(groups: u32, longest: u32) -> WindowFile {
    let mut stream = Stream::new(&[3; 32], u64::from(groups));
    let rollouts = (0..groups * 16)
        .map(|index| {
            let length = stream.below(longest).unwrap();
            RolloutRecord {
                group: GroupIndex(index / 16),
                rollout: RolloutIndex((index % 16) as u8),
                tokens: (0..length).map(|_| stream.below(49_152).unwrap()).collect(),
                sketch: (0..length).map(|_| stream.below(255).unwrap() as u8 as i8).collect(),
                logprobs: (0..length).map(|_| -(stream.below(32_768).unwrap() as i32) as i16).collect(),
                reward: stream.below(1_000).unwrap() as f32 / 1_000.0,
            }
        })
        .collect();
    seal(rollouts)
}

prop_compose! {
    /// Any record, the three lists of different lengths, any bits as a reward.
    pub(crate) fn record()(group: u32, rollout: u8, reward: u32,
                           tokens in proptest::collection::vec(any::<u32>(), 0..40),
                           sketch in proptest::collection::vec(any::<i8>(), 0..40),
                           logprobs in proptest::collection::vec(any::<i16>(), 0..40)) -> RolloutRecord {
        RolloutRecord {
            group: GroupIndex(group),
            rollout: RolloutIndex(rollout),
            tokens,
            sketch,
            logprobs,
            reward: f32::from_bits(reward),
        }
    }
}

/// Equality that takes rewards bit by bit, so that NaN equals itself.
pub(crate) fn same(a: &WindowFile, b: &WindowFile) -> bool {
    let bits = |file: &WindowFile| file.rollouts.iter().map(|r| r.reward.to_bits()).collect::<Vec<_>>();
    let silent = |file: &WindowFile| {
        let mut file = file.clone();
        file.rollouts.iter_mut().for_each(|r| r.reward = 0.0);
        file
    };
    bits(a) == bits(b) && silent(a) == silent(b)
}
