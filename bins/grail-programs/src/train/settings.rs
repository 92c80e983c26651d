//! The trainer's settings as one type, with every range checked. The table of [`grail_config`] declares them.

use anyhow::{Context as _, bail};
use grail_config::Config;
use grail_roles::train::EvaluationSettings;
use grail_store::checkpoint::PressSettings;
use grail_torch::{
    Anchor, Course, Dtype, Estimator, FilterSettings, LearnerSettings, Lora, ReplaySettings, StudentSettings,
};
use serde::{Deserialize, Serialize};

/// Number format of a model while it learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Precision {
    /// 32-bit floats; the only sensible one on a processor.
    #[default]
    F32,
    /// Brain floats, with 32-bit masters and moments.
    Bf16,
}

/// Everything that can be chosen about training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TrainingSettings {
    pub(super) precision: Precision,
    pub(super) stored: Dtype,
    pub(super) estimator: Estimator,
    pub(super) anchor: Anchor,
    pub(super) learner: LearnerSettings,
    pub(super) filter: FilterSettings,
    pub(super) replay: ReplaySettings,
    pub(super) course: Course,
    pub(super) publish: PressSettings,
    pub(super) evaluation: EvaluationSettings,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lora: Option<Lora>,
}

impl Default for TrainingSettings {
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

impl TrainingSettings {
    /// Those of the configuration; checks every range.
    ///
    /// Errors: a value out of its range, by name.
    pub(super) fn of(config: &Config) -> anyhow::Result<Self> {
        let settings: Self = toml::Value::Table(config.training_document())
            .try_into()
            .context("the settings of training do not fit each other")?;
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
    pub(super) fn student(&self) -> StudentSettings {
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
    use grail_config::{ConfigSources, table};
    use std::{collections::BTreeMap, path::Path};

    fn at(path: &Path, variables: &[(&str, &str)]) -> anyhow::Result<TrainingSettings> {
        let mut environment = vec![("GRAIL_TRAINER_SETTINGS".into(), path.into())];
        environment.extend(variables.iter().map(|(name, value)| (name.into(), value.into())));
        let config = Config::read(&ConfigSources { environment, ..ConfigSources::default() })?;
        TrainingSettings::of(&config.with_training()?)
    }

    fn read(text: &str) -> anyhow::Result<TrainingSettings> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        at(file.path(), &[])
    }

    #[test]
    fn an_empty_file_is_the_defaults_and_what_is_shown_reads_back() {
        assert_eq!(read("").unwrap(), TrainingSettings::default());
        let shown = toml::to_string(&TrainingSettings::default()).unwrap();
        assert_eq!(read(&shown).unwrap(), TrainingSettings::default());
        let adapters = TrainingSettings { lora: Some(Lora::default()), ..TrainingSettings::default() };
        assert_eq!(read("[lora]\n").unwrap(), adapters);
        assert_eq!(read(&toml::to_string(&adapters).unwrap()).unwrap(), adapters);
    }

    /// Values by their full names.
    fn leaves(value: &toml::Value) -> BTreeMap<String, toml::Value> {
        fn walk(prefix: &str, value: &toml::Value, found: &mut BTreeMap<String, toml::Value>) {
            match value {
                toml::Value::Table(table) => {
                    for (key, value) in table {
                        let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                        walk(&name, value, found);
                    }
                }
                value => {
                    found.insert(prefix.to_owned(), value.clone());
                }
            }
        }
        let mut found = BTreeMap::new();
        walk("", value, &mut found);
        found
    }

    #[test]
    fn the_table_declares_every_setting_with_its_default() {
        let sources =
            ConfigSources { flags: vec![(&table::LORA_USE, "true".to_owned())], ..ConfigSources::default() };
        let declared = Config::read(&sources).unwrap().training();
        let declared: BTreeMap<_, _> = declared.into_iter().map(|shown| (shown.name, shown.value)).collect();
        let defaults = leaves(&toml::Value::try_from(TrainingSettings::default()).unwrap());
        assert_eq!(declared, defaults);
        let all = TrainingSettings { lora: Some(Lora::default()), ..TrainingSettings::default() };
        for name in leaves(&toml::Value::try_from(all).unwrap()).keys() {
            let known = |setting: &table::Setting| {
                setting.toml_name() == *name || setting.toml_name() == format!("training.{name}")
            };
            let moved = ["publish.keep", "publish.milestone_every"].contains(&name.as_str());
            assert!(moved || table::ALL.iter().any(|setting| known(setting)), "{name}");
        }
    }

    #[test]
    fn what_is_said_beside_the_file_goes_before_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "[publish]\nkeep = 4\nmilestone_every = 7\n").unwrap();
        let kept = |variables: &[(&str, &str)]| {
            let publish = at(file.path(), variables).unwrap().publish;
            (publish.keep, publish.milestone_every)
        };
        assert_eq!(kept(&[]), (4, 7));
        assert_eq!(kept(&[("GRAIL_CHECKPOINT_RETENTION_LIMIT", "3")]), (3, 7));
        assert_eq!(kept(&[("GRAIL_CHECKPOINT_MILESTONE_INTERVAL", "0")]), (4, 0));
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
        let absent = at(Path::new("nowhere.toml"), &[]).unwrap_err();
        assert!(absent.to_string().contains("nowhere.toml"));
    }
}
