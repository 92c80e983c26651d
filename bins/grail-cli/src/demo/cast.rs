//! Who takes part in the rehearsal, and what is expected of each.

use std::path::{Path, PathBuf};

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
    /// Lies in one way; the word is the adversary program's.
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

    /// Its program and arguments.
    pub(super) fn command(&self, stage: &Stage<'_>) -> (PathBuf, Vec<String>) {
        let text = |path: &Path| path.display().to_string();
        let mut arguments: Vec<String> = vec![
            "run".into(),
            "--json".into(),
            "--devnet".into(),
            text(stage.devnet),
            "--key".into(),
            self.name.into(),
            "--model".into(),
            text(stage.model),
            "--threads".into(),
            stage.threads.to_string(),
        ];
        let program = match self.part {
            Part::Validator => {
                arguments.extend(["--reports".into(), text(stage.reports)]);
                "grail-validator"
            }
            Part::Trainer => {
                arguments.extend([
                    "--state".into(),
                    text(stage.state),
                    "--settings".into(),
                    text(stage.lessons),
                ]);
                arguments.extend(["--from".into(), "0".into()]);
                "grail-trainer"
            }
            Part::Miner | Part::Liar(_) => {
                arguments.extend(["--max-groups".into(), stage.groups.to_string()]);
                match self.part {
                    Part::Liar(lie) => {
                        arguments.extend(["--lie".into(), lie.into()]);
                        "grail-adversary"
                    }
                    _ => "grail-miner",
                }
            }
        };
        (stage.programs.join(program), arguments)
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
    pub(super) programs: &'a Path,
    pub(super) threads: usize,
    pub(super) groups: u32,
}
