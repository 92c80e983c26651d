//! Every setting, declared once: those of participants in `participant`, those of training in `training`.

use super::kind::ValueKind;
use std::fmt;

/// A role that reads a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// `grail-miner`.
    Miner,
    /// `grail-validator`.
    Validator,
    /// `grail-trainer`.
    Trainer,
    /// `grail` itself, for people.
    Tool,
}

impl Role {
    /// The roles that run as services.
    pub const SERVICES: [Self; 3] = [Self::Miner, Self::Validator, Self::Trainer];

    /// Its word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Miner => "miner",
            Self::Validator => "validator",
            Self::Trainer => "trainer",
            Self::Tool => "grail",
        }
    }
}

macro_rules! sections {
    ($( $variant:ident, $name:literal, $title:literal, $doc:literal; )*) => {
        /// Subject of settings: a table of `grail.toml`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Section {
            $( #[doc = $doc] $variant, )*
        }

        impl Section {
            /// Every one, in the order in which people read them.
            pub const ALL: &[Self] = &[$( Self::$variant ),*];

            /// Name of the table in `grail.toml`.
            pub const fn name(self) -> &'static str {
                match self { $( Self::$variant => $name, )* }
            }

            /// What its settings are about, as a heading.
            pub const fn title(self) -> &'static str {
                match self { $( Self::$variant => $title, )* }
            }
        }
    };
}

sections! {
    Network, "network", "Network: chain and beacon", "Which chain and beacon.";
    Wallet, "wallet", "Wallet: who signs", "Who signs.";
    Store, "store", "Store: the bucket of this participant", "The own bucket.";
    Model, "model", "Model and device", "Model and device.";
    Checkpoint, "checkpoint", "Checkpoints of the trainer", "Checkpoints of the trainer.";
    Role, "role", "Files and limits of the roles", "Files and limits of each role.";
    Monitoring, "monitoring", "Monitoring", "Figures for others.";
    Training, "training", "Training: numbers and advantages", "Numbers and advantages while training.";
    Learner, "learner", "Training: steps", "Steps of training.";
    Loss, "learner.loss", "Training: loss", "The loss.";
    Kl, "learner.kl", "Training: KL coefficient", "The KL term's coefficient.";
    Optimizer, "learner.optimizer", "Training: AdamW", "AdamW.";
    Schedule, "learner.schedule", "Training: learning rate", "The learning rate.";
    Filter, "filter", "Training: which groups are worth a step", "Which groups are worth a step.";
    Replay, "replay", "Training: which windows groups are drawn from", "Which windows groups are drawn from.";
    Course, "course", "Training: what is done with a window", "What is done with a window.";
    Publish, "publish", "Training: publishing", "Publishing of checkpoints.";
    Evaluation, "evaluation", "Training: examinations", "Examinations on held-out problems.";
    Lora, "lora", "Training: adapters of low rank", "Adapters of low rank.";
}

impl Section {
    /// Whether it is about training: read by the trainer alone, and hidden where flags are listed for everybody.
    pub const fn is_of_training(self) -> bool {
        !matches!(
            self,
            Self::Network
                | Self::Wallet
                | Self::Store
                | Self::Model
                | Self::Checkpoint
                | Self::Role
                | Self::Monitoring
        )
    }
}

/// Value of a setting that nobody set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// This.
    Value(&'static str),
    /// It follows from something else; in words.
    Follows(&'static str),
    /// None: it stays unset.
    Unset,
}

/// One setting.
#[derive(Debug)]
pub struct Setting {
    /// Its table in `grail.toml`.
    pub section: Section,
    /// Its key in that table.
    pub key: &'static str,
    /// Its variable, in `.env` and in the environment.
    pub variable: &'static str,
    /// Its flag, without dashes. Of a secret: the flag that names a file with the secret.
    pub flag: &'static str,
    /// What values look like.
    pub kind: ValueKind,
    /// Value where nobody sets it.
    pub preset: Preset,
    /// Who reads it.
    pub roles: &'static [Role],
    /// What it means, one or two sentences.
    pub meaning: &'static str,
}

impl Setting {
    /// Its full name in `grail.toml`, for people.
    pub fn toml_name(&self) -> String {
        format!("{}.{}", self.section.name(), self.key)
    }
}

impl PartialEq for Setting {
    fn eq(&self, other: &Self) -> bool {
        self.variable == other.variable
    }
}
impl Eq for Setting {}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.variable)
    }
}

/// The setting of that variable.
pub fn by_variable(name: &str) -> Option<&'static Setting> {
    ALL.iter().copied().find(|setting| setting.variable == name)
}

/// Prefixes of variables of ours. The last two are also other programs'.
pub const PREFIXES: [&str; 3] = ["GRAIL_", "R2_", "BT_"];

macro_rules! settings {
    ($( $name:ident: $section:ident . $key:literal, $variable:literal, $flag:literal, $kind:expr, $preset:expr,
        $roles:expr, $meaning:literal; )*) => {
        $(
            #[doc = $meaning]
            pub static $name: Setting = Setting {
                section: Section::$section,
                key: $key,
                variable: $variable,
                flag: $flag,
                kind: $kind,
                preset: $preset,
                roles: $roles,
                meaning: $meaning,
            };
        )*
        pub(super) const LIST: &[&Setting] = &[$(&$name),*];
    };
}

mod participant;
mod training;

pub use participant::*;
pub use training::*;

const COUNT: usize = participant::LIST.len() + training::LIST.len();

#[expect(clippy::indexing_slicing, reason = "a list put together while compiling")]
static JOINED: [&Setting; COUNT] = {
    let (first, second) = (participant::LIST, training::LIST);
    let mut all = [first[0]; COUNT];
    let mut at = 0;
    while at < COUNT {
        all[at] = if at < first.len() { first[at] } else { second[at - first.len()] };
        at += 1;
    }
    all
};

/// Every setting, in the order in which people read them.
pub static ALL: &[&Setting] = &JOINED;

/// Names in files that a setting had once; they are read, with a warning.
pub(super) static OLD_NAMES: &[(&str, &Setting)] = &[
    ("publish.keep", &CHECKPOINT_RETENTION_LIMIT),
    ("publish.milestone_every", &CHECKPOINT_MILESTONE_INTERVAL),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_presets_fit_their_kind() {
        let unique = |names: Vec<String>| {
            let set: BTreeSet<&String> = names.iter().collect();
            assert_eq!(set.len(), names.len(), "{names:?}");
        };
        unique(ALL.iter().map(|s| s.variable.to_owned()).collect());
        unique(ALL.iter().map(|s| s.flag.to_owned()).collect());
        unique(ALL.iter().map(|s| s.toml_name()).collect());
        for setting in ALL {
            if let Preset::Value(value) = setting.preset {
                assert_eq!(setting.kind.check(value), Ok(()), "{setting}");
            }
            assert!(setting.meaning.ends_with('.') && !setting.roles.is_empty(), "{setting}");
            assert!(!setting.kind.is_secret() || setting.flag.ends_with("-file"), "{setting}");
        }
    }
}
