//! Settings of training as one document: what the trainer's own types read, and what people are shown.
//!
//! A trainer used to have a file of its own, named by [`table::TRAINER_SETTINGS`], with the same tables as `grail.toml`
//! has now but for names that stand in no table ([`Section::Training`] there). It is still read, as a layer just above the
//! defaults.

use crate::{
    error::ConfigErrors,
    layers::{Config, Origin},
    table::{self, Section, Setting},
    toml_file,
};
use toml::{Table, Value};

/// Settings of training, with those of checkpoints that were among them, by their names in the document.
fn all() -> impl Iterator<Item = (String, &'static Setting)> {
    let moved = table::OLD_NAMES.iter().map(|(name, setting)| ((*name).to_owned(), *setting));
    let own = table::ALL.iter().copied().filter(|setting| setting.section.is_of_training());
    let own = own.map(|setting| match setting.section {
        Section::Training => (setting.key.to_owned(), setting),
        _ => (setting.toml_name(), setting),
    });
    own.filter(|(_, setting)| **setting != table::LORA_USE).chain(moved)
}

/// A setting as people are shown it.
#[derive(Debug)]
pub struct Shown {
    /// Its name in the document, with its tables.
    pub name: String,
    /// Its value.
    pub value: Value,
    /// Where that comes from.
    pub origin: Origin,
    /// What it means.
    pub meaning: &'static str,
}

impl Config {
    /// With the file of training settings, where one is named: what it says counts where no stronger layer speaks.
    ///
    /// Errors: everything that is wrong with the file, each with its line.
    pub fn with_training(self) -> Result<Self, ConfigErrors> {
        match self.path(&table::TRAINER_SETTINGS) {
            Some(path) => self.under(&path, Section::Training),
            None => Ok(self),
        }
    }

    /// Whether adapters learn in place of all weights.
    fn uses_adapters(&self) -> bool {
        let said = self.get(&table::LORA_USE).is_some();
        let of_lora = |setting: &&&Setting| setting.section == Section::Lora;
        let any = table::ALL.iter().filter(of_lora).any(|setting| self.get(setting).is_some());
        if said { self.is_set(&table::LORA_USE) } else { any }
    }

    /// Every setting of training that has a value, by name.
    pub fn training(&self) -> Vec<Shown> {
        let shown = all().filter_map(|(name, setting)| {
            let (value, origin) = self.get(setting)?;
            let value = toml_file::typed(setting, &value.to_string());
            Some(Shown { name, value, origin: origin.clone(), meaning: setting.meaning })
        });
        let adapters = self.uses_adapters();
        let mut shown: Vec<Shown> =
            shown.filter(|shown| adapters || !shown.name.starts_with("lora.")).collect();
        // Names without a table come first, as TOML asks for it; then table by table.
        shown.sort_by(|a, b| (table_of(&a.name), &a.name).cmp(&(table_of(&b.name), &b.name)));
        shown
    }

    /// The same as one document, for the types that read it.
    pub fn training_document(&self) -> Table {
        let mut document = Table::new();
        for Shown { name, value, .. } in self.training() {
            insert(&mut document, &name, value);
        }
        if self.uses_adapters() {
            document.entry("lora").or_insert_with(|| Value::Table(Table::new()));
        }
        document
    }
}

/// The table that a name stands in; nothing at the top.
pub fn table_of(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(table, _)| table)
}

fn insert(table: &mut Table, name: &str, value: Value) {
    match name.split_once('.') {
        None => {
            table.insert(name.to_owned(), value);
        }
        Some((first, rest)) => {
            let inner = table.entry(first).or_insert_with(|| Value::Table(Table::new()));
            if let Some(inner) = inner.as_table_mut() {
                insert(inner, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ConfigSources;

    fn read(file: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("training.toml");
        std::fs::write(&path, file).unwrap();
        let mut environment = vec![("GRAIL_TRAINER_SETTINGS".into(), path.into())];
        environment.extend(variables.iter().map(|(name, value)| (name.into(), value.into())));
        let config = Config::read(&ConfigSources { environment, ..ConfigSources::default() }).unwrap();
        config.with_training().map_err(|errors| errors.to_string())
    }

    fn document(file: &str) -> Table {
        read(file, &[]).unwrap().training_document()
    }

    #[test]
    fn the_old_file_is_a_layer_above_the_defaults() {
        let file = "precision = \"bf16\"\n[learner.schedule]\nrate = 1e-4\nwarmup = 2\n[publish]\nkeep = 4\n";
        let config = read(file, &[("GRAIL_LEARNER_SCHEDULE_WARMUP", "3")]).unwrap();
        let document = config.training_document();
        assert_eq!(document["precision"].as_str(), Some("bf16"));
        assert_eq!(document["learner"]["schedule"]["rate"].as_float(), Some(1e-4));
        assert_eq!(document["learner"]["schedule"]["warmup"].as_integer(), Some(3), "variables go before it");
        assert_eq!(document["publish"]["keep"].as_integer(), Some(4));
        let origin = |setting| config.get(setting).unwrap().1.clone();
        assert!(matches!(origin(&table::SCHEDULE_RATE), Origin::File { line: 3, .. }));
        assert_eq!(origin(&table::SCHEDULE_WARMUP), Origin::Environment);
        assert_eq!(origin(&table::SCHEDULE_STEPS), Origin::Default);
        let warned = config.warnings().join("\n");
        assert!(warned.contains("line 6: publish.keep is called checkpoint.retention_limit now"), "{warned}");
    }

    #[test]
    fn adapters_are_used_where_their_table_stands() {
        assert!(!document("").contains_key("lora"));
        assert!(document("[lora]\n")["lora"].as_table().unwrap().is_empty());
        let some = document("[lora]\nmodules = [\"q_proj\", \"v_proj\"]\n");
        assert_eq!(some["lora"]["modules"].as_array().unwrap().len(), 2);
        let off = read("[lora]\nrank = 4\n", &[("GRAIL_LORA_USE", "false")]).unwrap();
        assert!(!off.training_document().contains_key("lora"));
    }

    #[test]
    fn wrong_names_are_told_with_the_nearest_one() {
        let told = read("precison = \"f32\"\n[learner.schedule]\nrat = 2.0\n[lerner]\n", &[]).unwrap_err();
        for expected in [
            "line 1: nobody reads \"training.precison\"; did you mean precision?",
            "did you mean rate?",
            "did you mean learner?",
        ] {
            assert!(told.contains(expected), "{expected} is missing in {told}");
        }
    }
}
