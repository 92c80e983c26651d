//! Who takes part in the rehearsal, and what is expected of each.

use std::path::Path;

/// A participant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Actor {
    /// Name of its key, its log and its row.
    pub(super) name: &'static str,
    pub(super) part: Part,
}

/// What a participant does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Answers as the protocol says.
    Miner,
    /// Lies in one way, by its name.
    Liar(&'static str),
    /// Judges and sets weights.
    Validator,
    /// Learns from what was accepted, and publishes checkpoints.
    Trainer,
}

/// Two honest miners, one that cheats, a validator and a trainer.
pub(super) const CAST: [Actor; 5] = [
    Actor { name: "honest-1", part: Part::Miner },
    Actor { name: "honest-2", part: Part::Miner },
    Actor { name: "fake-sketch", part: Part::Liar("constant-sketch") },
    Actor { name: "validator", part: Part::Validator },
    Actor { name: TRAINER, part: Part::Trainer },
];

/// Name of the trainer's key.
pub(super) const TRAINER: &str = "trainer";

impl Actor {
    /// For the table: what this participant does, in words.
    pub(super) fn description(&self) -> &'static str {
        match self.part {
            Part::Miner => "honest",
            Part::Liar("constant-sketch") => "cheats: uploads constant sketches",
            Part::Liar(_) => "cheats",
            Part::Validator => "verifies",
            Part::Trainer => "trains",
        }
    }

    /// Whether it uploads windows.
    pub(super) const fn mines(&self) -> bool {
        matches!(self.part, Part::Miner | Part::Liar(_))
    }

    /// What `grail-devnet` is told to take this part.
    pub(super) fn arguments(&self, stage: &Stage<'_>) -> Vec<String> {
        let text = |path: &Path| path.display().to_string();
        let mut arguments: Vec<String> = match self.part {
            Part::Miner => vec!["mine".into()],
            Part::Liar(lie) => vec!["mine".into(), "--lie".into(), lie.into()],
            Part::Validator => vec!["validate".into()],
            Part::Trainer => vec!["train".into()],
        };
        arguments.extend(["run".into(), "--json".into()]);
        let mut add = |flag: &str, value: String| arguments.extend([flag.to_owned(), value]);
        add("--devnet", text(stage.devnet));
        add("--key", self.name.into());
        add("--model", text(stage.model));
        add("--threads", stage.threads.to_string());
        match self.part {
            Part::Validator => add("--reports", text(stage.reports)),
            Part::Trainer => {
                add("--state", text(stage.state));
                add("--settings", text(stage.lessons));
                add("--from", "0".into());
            }
            Part::Miner | Part::Liar(_) => add("--max-groups", stage.groups.to_string()),
        }
        arguments
    }
}

/// Where everything is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stage<'a> {
    pub(super) devnet: &'a Path,
    pub(super) model: &'a Path,
    pub(super) reports: &'a Path,
    /// The trainer's memory.
    pub(super) state: &'a Path,
    /// The trainer's settings.
    pub(super) lessons: &'a Path,
    /// `grail-devnet`.
    pub(super) program: &'a Path,
    pub(super) threads: usize,
    pub(super) groups: u32,
}
