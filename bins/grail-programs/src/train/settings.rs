//! The trainer's settings: one type, read from a TOML file, with every range checked.

use anyhow::{Context as _, bail};
use grail_engine::PressSettings;
use grail_roles::{disk::read_bounded, train::EvaluationSettings};
use grail_torch::{
    Anchor, Course, Dtype, Estimator, FilterSettings, LearnerSettings, Lora, ReplaySettings, StudentSettings,
};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Most bytes of a settings file.
const MOST_BYTES: u64 = 1 << 20;

/// Number format of a model while it learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Precision {
    /// 32-bit floats; the only sensible one on a processor.
    #[default]
    F32,
    /// Brain floats, with 32-bit masters and moments.
    Bf16,
}

/// Everything that can be chosen about training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TrainerSettings {
    pub(crate) precision: Precision,
    pub(crate) stored: Dtype,
    pub(crate) estimator: Estimator,
    pub(crate) anchor: Anchor,
    pub(crate) learner: LearnerSettings,
    pub(crate) filter: FilterSettings,
    pub(crate) replay: ReplaySettings,
    pub(crate) course: Course,
    pub(crate) publish: PressSettings,
    pub(crate) evaluation: EvaluationSettings,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lora: Option<Lora>,
}

impl Default for TrainerSettings {
    fn default() -> Self {
        Self {
            precision: Precision::default(),
            stored: Dtype::Bf16,
            estimator: Estimator::default(),
            anchor: Anchor::default(),
            learner: LearnerSettings::default(),
            filter: FilterSettings::default(),
            replay: ReplaySettings::default(),
            course: Course::default(),
            publish: PressSettings::default(),
            evaluation: EvaluationSettings::default(),
            lora: None,
        }
    }
}

impl TrainerSettings {
    /// Reads a file, or takes the defaults where none is named; checks every range.
    ///
    /// Errors: no such file, an unknown name, a value out of its range; each by name.
    pub(crate) fn read(path: Option<&Path>) -> anyhow::Result<Self> {
        let settings = match path {
            None => Self::default(),
            Some(path) => {
                let bytes = read_bounded(path, MOST_BYTES)?
                    .with_context(|| format!("there is no settings file {}", path.display()))?;
                let text = String::from_utf8(bytes)
                    .with_context(|| format!("{} is not UTF-8 text", path.display()))?;
                toml::from_str(&text).with_context(|| format!("read {}", path.display()))?
            }
        };
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> anyhow::Result<()> {
        self.student().check()?;
        for result in [self.publish.check(), self.evaluation.check()] {
            if let Err(problem) = result {
                bail!("the setting {problem}");
            }
        }
        Ok(())
    }

    /// What the learner is told.
    pub(crate) fn student(&self) -> StudentSettings {
        StudentSettings {
            learner: self.learner,
            estimator: self.estimator,
            filter: self.filter,
            replay: self.replay,
            course: self.course,
            anchor: self.anchor,
            lora: self.lora.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> anyhow::Result<TrainerSettings> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        TrainerSettings::read(Some(file.path()))
    }

    #[test]
    fn an_empty_file_is_the_defaults_and_what_is_shown_reads_back() {
        assert_eq!(read("").unwrap(), TrainerSettings::default());
        let shown = toml::to_string(&TrainerSettings::default()).unwrap();
        assert_eq!(read(&shown).unwrap(), TrainerSettings::default());
    }

    #[test]
    fn wrong_names_and_values_are_named() {
        for (text, word) in [
            ("learning_rate = 1", "learning_rate"),
            ("[learner.schedule]\nrate = 2.0", "rate"),
            ("[learner.schedule]\nrat = 2.0", "rat"),
            ("[publish]\nfull_every = 0", "full_every"),
            ("[evaluation]\nanswers = 0", "answers"),
            ("[course]\nsteps = 0", "course.steps"),
            ("[lora]\nrank = 0", "lora_rank"),
            ("precision = \"int4\"", "int4"),
            ("[filter]\ngroup_size = 0", "group_size"),
            ("this is no toml", "toml"),
        ] {
            let error = format!("{:#}", read(text).unwrap_err()).to_lowercase();
            assert!(error.contains(word) || word == "toml", "{text:?}: {error}");
        }
        let absent = TrainerSettings::read(Some(Path::new("nowhere.toml"))).unwrap_err();
        assert!(absent.to_string().contains("nowhere.toml"));
    }
}
