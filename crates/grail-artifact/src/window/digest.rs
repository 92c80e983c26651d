use super::{RolloutRecord, WindowHeader};
use grail_protocol::{
    beacon::WindowRandomness,
    hash::{Digest, digest},
    sign::Statement,
};

/// Digest of a rollout: `H("grail/1 rollout", group u32, rollout u8, tokens, sketch, logprobs, reward)`.
///
/// Bytes: tokens as little-endian `u32`, sketch as two's-complement bytes, log-probabilities as little-endian `i16`,
/// the reward as the little-endian bits of its `f32`.
pub fn rollout_digest(record: &RolloutRecord) -> Digest {
    let tokens: Vec<u8> = record.tokens.iter().flat_map(|token| token.to_le_bytes()).collect();
    let sketch: Vec<u8> = record.sketch.iter().flat_map(|y| y.to_le_bytes()).collect();
    let logprobs: Vec<u8> = record.logprobs.iter().flat_map(|units| units.to_le_bytes()).collect();
    digest(
        "grail/1 rollout",
        &[
            &record.group.0.to_le_bytes(),
            &[record.rollout.0],
            &tokens,
            &sketch,
            &logprobs,
            &record.reward.to_bits().to_le_bytes(),
        ],
    )
}

/// Digest of a header: `H("grail/1 header", version u16, network, window u64, hotkey, checkpoint, env, round u64,
/// beacon signature, numeric profile, generator)`. Without a beacon the round is 0 and the signature empty.
pub fn header_digest(header: &WindowHeader) -> Digest {
    let (round, signature): (u64, &[u8]) = match &header.randomness {
        WindowRandomness::Beacon(beacon) => (beacon.round, &beacon.signature),
        WindowRandomness::BlockHashOnly => (0, &[]),
    };
    digest(
        "grail/1 header",
        &[
            &header.version.to_le_bytes(),
            header.network.as_str().as_bytes(),
            &header.window.0.to_le_bytes(),
            header.hotkey.as_bytes(),
            header.checkpoint.as_bytes(),
            header.env.as_str().as_bytes(),
            &round.to_le_bytes(),
            signature,
            header.numeric.name().as_bytes(),
            header.generator.as_bytes(),
        ],
    )
}

/// What the hotkey signs: `H("grail/1 file", header digest, root, groups u32, rollouts u32)`.
pub fn file_message(header: &WindowHeader, root: &Digest, groups: u32, rollouts: u32) -> Digest {
    file_statement(header, root, groups, rollouts).digest()
}

/// The statement whose digest is [`file_message`], for a signer that hashes for itself.
pub fn file_statement(header: &WindowHeader, root: &Digest, groups: u32, rollouts: u32) -> Statement {
    Statement::new("grail/1 file")
        .with(&header_digest(header))
        .with(root)
        .with(&groups.to_le_bytes())
        .with(&rollouts.to_le_bytes())
}
