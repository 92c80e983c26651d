//! What a validator signs.

use super::{FileCounts, VerdictFile, reason};
use grail_protocol::{hash::Digest, sign::Statement};

/// What the validator signs: `H("grail/1 verdicts", version, network, window, checkpoint, environment, validator,
/// challenge, number of files; of each: hotkey, root or nothing, number of groups; of each of these: number, rewards as u32 LE,
/// right or not as one byte each; then number of codes, code and count of each for what was refused, and the same for
/// what is undecided; and from version 2 on the six counts as u64 in one field, or nothing, and the digest of the
/// reasons)`. Numbers are eight little-endian bytes where nothing else is said.
pub fn verdict_message(file: &VerdictFile) -> Digest {
    verdict_statement(file).digest()
}

/// The statement whose digest is [`verdict_message`], for a signer that hashes for itself.
pub fn verdict_statement(file: &VerdictFile) -> Statement {
    let mut statement = Statement::new("grail/1 verdicts");
    let number = |statement: &mut Statement, n: u64| statement.push(&n.to_le_bytes());
    number(&mut statement, u64::from(file.version));
    statement.push(file.network.as_str().as_bytes());
    number(&mut statement, file.window.0);
    statement.push(file.checkpoint.as_bytes());
    statement.push(file.env.as_str().as_bytes());
    statement.push(file.validator.as_bytes());
    statement.push(&file.challenge.0);
    number(&mut statement, file.files.len() as u64);
    for one in &file.files {
        statement.push(one.hotkey.as_bytes());
        statement.push(one.root.as_ref().map_or(&[][..], |root| &root.0[..]));
        number(&mut statement, one.groups.len() as u64);
        for group in &one.groups {
            number(&mut statement, u64::from(group.group.0));
            let rewards: Vec<u8> = group.rewards.iter().flat_map(|reward| reward.to_le_bytes()).collect();
            statement.push(&rewards);
            statement.push(&group.right.iter().map(|right| u8::from(*right)).collect::<Vec<u8>>());
        }
        for counts in [&one.refused, &one.undecided] {
            number(&mut statement, counts.len() as u64);
            for (name, count) in counts {
                statement.push(name.as_bytes());
                number(&mut statement, *count);
            }
        }
        if file.version >= 2 {
            statement.push(&one.counts.map_or_else(Vec::new, |counts| counts.bytes()));
            statement.push(&reason::digest(&one.reasons));
        }
    }
    statement
}

impl FileCounts {
    fn bytes(&self) -> Vec<u8> {
        let Self { groups, checked, valid, right, unique, extrapolation } = *self;
        [u64::from(groups), u64::from(checked), valid, right, unique, extrapolation]
            .into_iter()
            .flat_map(u64::to_le_bytes)
            .collect()
    }
}
