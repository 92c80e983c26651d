//! Lies about a file as a whole, in the order of the court's checks.

use super::{Codes, Foreign, Lie, LieKind, Means, Tells, ToldLie, each, records};
use grail_artifact::window::{RolloutRecord, RootHex, WindowFile, WindowHeader, root_of};
use grail_ports::{Door, Fault, Retry};
use grail_protocol::{
    beacon::{Beacon, WindowRandomness},
    hash::digest,
    params::ROLLOUTS_PER_PROBLEM,
    profile::NumericProfile,
    sign::HotkeyPair,
    words::{CheckpointId, GroupIndex, RolloutIndex, TokenId},
};

const fn file(
    name: &'static str,
    says: &'static str,
    codes: Codes,
    tell: fn(&dyn Means) -> Result<ToldLie, Fault>,
) -> Lie {
    Lie::new(LieKind::Structure, name, says, codes, Tells::Otherwise(tell))
}

pub(super) const LIES: &[Lie] = &[
    file("late-upload", "an honest file, stored a second too late", &["late-upload"], |m| {
        Ok(ToldLie { late: Some(1_000), ..head(m, |_| ())? })
    })
    .real(),
    file("cut-file", "the second half of the bytes is missing", &["file-malformed"], |m| {
        Ok(ToldLie { bytes: Some(|bytes| bytes.truncate(bytes.len() / 2)), ..head(m, |_| ())? })
    })
    .real(),
    file("random-bytes", "random bytes in place of a file", &["file-malformed"], |m| {
        let noise = |bytes: &mut Vec<u8>| {
            let block = digest("grail lab noise", &[bytes]);
            *bytes = block.iter().copied().cycle().take(bytes.len()).collect();
        };
        Ok(ToldLie { bytes: Some(noise), ..head(m, |_| ())? })
    })
    .real(),
    file("another-version", "names protocol version 2", &["wrong-version"], |m| head(m, |h| h.version = 2))
        .sample("another-version"),
    file("another-network", "names another network", &["wrong-network"], |m| {
        let other = word("elsewhere")?;
        head(m, |h| h.network = other)
    })
    .sample("another-network"),
    file("another-window", "names the window after it", &["wrong-window"], |m| head(m, |h| h.window.0 += 20))
        .fake(1.0, "another-window"),
    file("replayed-window", "the file of an earlier window, as it was", &["wrong-window"], |m| {
        Ok(m.earlier()?.into())
    }),
    file("copied-file", "another miner's file, as it was, under the own key", &["wrong-hotkey"], |m| {
        m.foreign(Foreign::File)
    })
    .sample("somebody-elses-file"),
    file("another-checkpoint-named", "names the previous checkpoint", &["wrong-checkpoint"], |m| {
        head(m, |h| h.checkpoint = CheckpointId::from_bytes([9; 32]))
    })
    .sample("another-checkpoint-named"),
    file("another-environment", "names an easier environment", &["wrong-environment"], |m| {
        let other = word("chess/1")?;
        head(m, |h| h.env = other)
    })
    .sample("another-environment"),
    file("another-beacon", "names a beacon of the miner's choice", &["wrong-randomness"], |m| {
        let chosen = Beacon { round: 1_001, signature: [3; 48] };
        head(m, |h| h.randomness = WindowRandomness::Beacon(chosen))
    })
    .sample("another-beacon"),
    file(
        "block-hash-only",
        "says that there is no beacon where one is asked for",
        &["wrong-randomness"],
        |m| {
            head(m, |h| {
                h.randomness = match h.randomness {
                    WindowRandomness::BlockHashOnly => {
                        WindowRandomness::Beacon(Beacon { round: 1, signature: [0; 48] })
                    }
                    WindowRandomness::Beacon(_) => WindowRandomness::BlockHashOnly,
                }
            })
        },
    )
    .sample("no-beacon"),
    file(
        "another-profile",
        "names the looser numeric profile, to be judged by it",
        &["wrong-numeric-profile"],
        |m| {
            head(m, |h| {
                h.numeric = match h.numeric {
                    NumericProfile::StrictF32 => NumericProfile::StrictBf16,
                    NumericProfile::StrictBf16 => NumericProfile::StrictF32,
                }
            })
        },
    )
    .sample("another-numeric-profile"),
    file("more-groups-signed", "signs one group more than it holds", &["wrong-group-count"], |m| {
        after(m, |f| f.groups += 1)
    })
    .sample("more-groups-signed"),
    file("fewer-rollouts-signed", "signs one rollout less than it holds", &["wrong-rollout-count"], |m| {
        after(m, |f| f.rollout_count -= 1)
    }),
    file(
        "dropped-after-signing",
        "the last rollout is taken out after signing",
        &["wrong-rollout-count"],
        |m| after(m, |f| drop(f.rollouts.pop())),
    )
    .sample("last-rollout-dropped"),
    file("edited-after-signing", "one token is changed after signing", &["wrong-root"], |m| {
        after(m, |f| edit_a_token(&mut f.rollouts))
    })
    .sample("edited-after-signing"),
    file(
        "edited-and-root-renewed",
        "one token is changed after signing and the root computed again",
        &["wrong-signature"],
        |m| {
            after(m, |f| {
                edit_a_token(&mut f.rollouts);
                f.root = RootHex(root_of(&f.rollouts));
            })
        },
    )
    .sample("edited-and-root-renewed"),
    file("signed-by-another", "signed with another miner's key", &["wrong-signature"], |m| {
        let key = HotkeyPair::from_seed(&[99; 32]).ok_or_else(|| inside("32 bytes are no seed"))?;
        Ok(WindowFile::seal(m.header(), m.honest(0)?, |message| key.sign(message, [7; 32])).into())
    })
    .sample("signed-by-another-key"),
    file("program-name-edited", "the program's name is changed after signing", &["wrong-signature"], |m| {
        after(m, |f| f.header.generator = "somebody else".into())
    })
    .fake(1.0, "program-name-edited"),
    file("dropped-group", "a group of bad answers is left out, its number skipped", &["group-gap"], |m| {
        // The number after the gap must be there: a missing last group is an honest stop.
        let mut honest = m.honest(1)?;
        let last = honest.last().map_or(0, |record| record.group.0);
        honest.retain(|record| record.group != GroupIndex(last.saturating_sub(1)));
        records(m, honest)
    })
    .sample("group-left-out"),
    file("group-of-fifteen", "the worst rollout of a group is left out", &["group-size"], |m| {
        let mut honest = m.honest(0)?;
        honest.retain(|record| (record.group.0, record.rollout.0) != (0, 3));
        records(m, honest)
    })
    .sample("group-of-fifteen"),
    file("group-of-seventeen", "a good rollout is sent once more", &["group-size"], |m| {
        let mut honest = m.honest(0)?;
        let last = honest.last().cloned();
        honest.extend(last.map(|last| RolloutRecord { rollout: RolloutIndex(ROLLOUTS_PER_PROBLEM), ..last }));
        records(m, honest)
    })
    .sample("group-of-seventeen"),
    file("rollout-twice", "the same group and number twice", &["duplicate-rollout"], |m| {
        let mut honest = m.honest(0)?;
        let first = honest.first().cloned();
        honest.extend(first);
        records(m, honest)
    })
    .sample("rollout-twice"),
    file("reordered-rollouts", "two rollouts change places", &["rollout-order"], |m| {
        let mut honest = m.honest(0)?;
        honest.swap(4, 5);
        records(m, honest)
    })
    .sample("rollouts-swapped"),
    file("reordered-groups", "the last group stands first", &["rollout-order"], |m| {
        let mut honest = m.honest(0)?;
        honest.rotate_right(usize::from(ROLLOUTS_PER_PROBLEM));
        records(m, honest)
    }),
    file("rollout-number-sixteen", "the last rollout of a group skips a number", &["rollout-order"], |m| {
        each(m, |r| r.rollout.0 += u8::from(r.rollout.0 == 15))
    })
    .fake(1.0, "rollout-number-sixteen"),
    file("short-sketch", "a sketch of one byte less than tokens", &["rollout-lengths"], |m| {
        each(m, |r| r.sketch.truncate(r.tokens.len().saturating_sub(1)))
    })
    .sample("sketch-too-short"),
    file("surplus-logprobs", "one log-probability more than tokens", &["rollout-lengths"], |m| {
        each(m, |r| r.logprobs.push(-1))
    })
    .sample("log-probabilities-too-many"),
    file("no-tokens", "empty completions", &["empty-completion"], |m| {
        each(m, |r| {
            r.tokens.clear();
            r.sketch.clear();
            r.logprobs.clear();
        })
    })
    .sample("no-tokens"),
    file("longer-than-the-cap", "completions beyond the cap", &["completion-too-long"], |m| {
        let longer = m.window().max_new_tokens as usize + 1;
        each(m, |r| {
            r.tokens.resize(longer, 65);
            r.sketch.resize(longer, 0);
            r.logprobs.resize(longer, -1);
        })
    })
    .sample("longer-than-the-cap"),
    file("token-overflow", "the largest number as a token", &["token-outside-vocabulary"], |m| {
        each(m, |r| first(&mut r.tokens, TokenId::MAX))
    }),
    file(
        "token-of-another-model",
        "the first token that the model lacks",
        &["token-outside-vocabulary"],
        |m| each(m, |r| first(&mut r.tokens, m.vocabulary())),
    )
    .fake(1.0, "token-of-another-model"),
    file("reward-nan", "a reward that is no number", &["reward-not-finite"], |m| {
        each(m, |r| r.reward = f32::NAN)
    })
    .sample("reward-that-is-no-number"),
    file("reward-infinite", "an infinite reward", &["reward-not-finite"], |m| {
        each(m, |r| r.reward = f32::INFINITY)
    })
    .sample("infinite-reward"),
    file("sketch-overflow", "the sketch byte that has no negative", &["sketch-out-of-range"], |m| {
        each(m, |r| first(&mut r.sketch, i8::MIN))
    })
    .sample("sketch-out-of-range"),
    file("logprob-above-zero", "a probability above one", &["logprob-positive"], |m| {
        each(m, |r| first(&mut r.logprobs, 1))
    })
    .sample("probability-above-one"),
    file("count-overflow", "the largest numbers as counts", &["wrong-rollout-count"], |m| {
        after(m, |f| f.rollout_count = u32::MAX)
    }),
];

fn head(means: &dyn Means, edit: impl FnOnce(&mut WindowHeader)) -> Result<ToldLie, Fault> {
    let mut header = means.header();
    edit(&mut header);
    Ok(means.seal(header, means.honest(0)?)?.into())
}

fn after(means: &dyn Means, edit: impl FnOnce(&mut WindowFile)) -> Result<ToldLie, Fault> {
    let mut file = means.seal(means.header(), means.honest(0)?)?;
    edit(&mut file);
    Ok(file.into())
}

fn first<T>(values: &mut [T], value: T) {
    if let Some(first) = values.first_mut() {
        *first = value;
    }
}

fn edit_a_token(records: &mut [RolloutRecord]) {
    if let Some(token) = records.first_mut().and_then(|record| record.tokens.first_mut()) {
        *token ^= 1;
    }
}

fn word<T: std::str::FromStr>(text: &str) -> Result<T, Fault> {
    text.parse().map_err(|_| inside("a name in a lie is no word of the protocol"))
}

fn inside(what: &str) -> Fault {
    Fault::plain(Door::Inside, Retry::Never, what)
}
