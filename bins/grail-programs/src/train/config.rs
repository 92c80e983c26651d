//! `grail-trainer config show`: every setting, its value, where it comes from, and what it means.

use super::settings::TrainerSettings;
use anyhow::Context as _;
use clap::{Args, Subcommand};
use std::{collections::BTreeMap, path::PathBuf};

/// What to do with settings.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print every setting as TOML that can be used as a settings file.
    Show(ShowArgs),
}

/// What to show.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Settings file whose values are shown where it has them.
    #[arg(long, env = "GRAIL_TRAINER_SETTINGS", value_name = "FILE")]
    settings: Option<PathBuf>,

    /// One JSON object: name to value, origin and meaning.
    #[arg(long = "as-json")]
    as_json: bool,
}

/// What each setting means, with its range where it is not plain.
const MEANINGS: &[(&str, &str)] = &[
    ("precision", "numbers while learning: f32, or bf16 with 32-bit masters"),
    ("stored", "numbers in published weights: bf16 or f32"),
    ("estimator", "rewards to advantages: mean_centred (Dr.GRPO), normalised (GRPO), ranked"),
    ("anchor", "KL term against: none, or start (the first model; a second copy in memory without adapters)"),
    ("learner.loss.aggregate", "grpo, bnpo, dr_grpo or dapo"),
    ("learner.loss.level", "importance ratios by token, sequence (GSPO), or off"),
    ("learner.loss.clip_low", "ratios below 1 - this are clipped"),
    ("learner.loss.clip_high", "ratios above 1 + this are clipped"),
    ("learner.loss.log_ratio_clamp", "log-ratios are clamped to plus or minus this"),
    ("learner.loss.ratio_cap", "largest ratio; 0 for none"),
    ("learner.loss.kl", "estimator of the KL distance: k2 or k3"),
    ("learner.loss.entropy_coefficient", "weight of the entropy bonus"),
    ("learner.kl.initial", "KL coefficient at the start; without an anchor it has no effect"),
    ("learner.kl.adapt", "whether the coefficient follows the measured distance"),
    ("learner.kl.target", "distance aimed at, nats a token"),
    ("learner.kl.low", "smallest coefficient"),
    ("learner.kl.high", "largest coefficient"),
    ("learner.kl.rate", "factor of one change"),
    ("learner.optimizer.beta1", "AdamW's memory of the mean"),
    ("learner.optimizer.beta2", "AdamW's memory of the square"),
    ("learner.optimizer.epsilon", "added to the root of the square"),
    ("learner.optimizer.weight_decay", "decay of weights at rate 1"),
    ("learner.optimizer.decay", "what decays: matrices, or all"),
    ("learner.optimizer.clip_norm", "longest gradient, global L2 norm"),
    ("learner.schedule.rate", "learning rate"),
    ("learner.schedule.warmup", "optimizer steps of the warm-up, the first of which learns already"),
    ("learner.schedule.steps", "optimizer steps of the run; matters to cosine"),
    ("learner.schedule.decline", "after the warm-up: constant or cosine"),
    ("learner.schedule.floor", "rate at the end of cosine"),
    ("learner.token_budget", "most tokens computed at once"),
    ("learner.head_chunk", "rows whose logits exist at once"),
    ("learner.recompute", "nothing (fastest) or layers (least memory)"),
    ("learner.averaging", "sums averaged over the step, or over each micro_batch"),
    ("learner.full_length", "length that dr_grpo divides by; 0 takes the longest of the step"),
    ("learner.advantage_percentile", "advantages of a step are cut to this percentile"),
    ("learner.most_skipped", "steps without a finite loss in a row after which training stops"),
    ("filter.group_size", "rollouts of a group"),
    ("filter.balance", "advantages of a group must add up to less than this"),
    ("filter.longest", "longest completion, tokens"),
    ("filter.least_success", "smallest share of right answers"),
    ("filter.least_reward_per_token", "smallest mean of reward a token; 0 for no test"),
    ("filter.drop_quantile", "share of groups dropped, those with the least reward a token"),
    ("filter.most_groups", "most groups of a step, the best by score"),
    ("filter.reward_weight", "weight of reward a token in the score"),
    ("filter.variance_weight", "weight of the advantages' variance in the score"),
    ("replay.windows", "windows kept to draw from"),
    ("replay.groups", "groups drawn for a step"),
    ("replay.recent_share", "share of a draw that the newest window gets"),
    ("replay.decay", "how much less each older window weighs"),
    ("replay.most_stale", "checkpoints that a group may lie behind"),
    ("course.steps", "optimizer steps a window"),
    ("course.seed", "what draws of groups come from"),
    ("course.states", "saved states kept"),
    ("publish.full_every", "one checkpoint in so many is whole, the others are deltas"),
    (
        "publish.keep",
        "checkpoints kept on the shelf beside milestones; GRAIL_CHECKPOINT_RETENTION_LIMIT goes before it",
    ),
    (
        "publish.milestone_every",
        "one window in so many is kept for ever, 0 none; GRAIL_CHECKPOINT_MILESTONE_INTERVAL goes before it",
    ),
    ("publish.workers", "threads for hashing and deltas"),
    ("evaluation.every", "examine every so many checkpoints; 0 never"),
    ("evaluation.problems", "held-out problems of each environment"),
    ("evaluation.answers", "answers to each"),
    ("evaluation.k", "the k of pass@k"),
    ("evaluation.seed", "what problems and draws come from"),
    ("lora.rank", "rank of adapters; without a [lora] table all weights learn"),
    ("lora.alpha", "the adapters' factor times their rank"),
    ("lora.modules", "projections with an adapter"),
    ("lora.seed", "what fresh adapters are drawn from"),
];

/// One setting, ready to be shown.
#[derive(Debug, serde::Serialize)]
struct Shown {
    value: toml::Value,
    origin: &'static str,
    meaning: &'static str,
}

/// Shows.
#[expect(clippy::print_stdout, reason = "the result of a program for people")]
pub(super) fn run(command: &ConfigCommand) -> anyhow::Result<()> {
    let ConfigCommand::Show(args) = command;
    let shown = gather(args)?;
    if args.as_json {
        println!("{}", serde_json::to_string_pretty(&shown)?);
        return Ok(());
    }
    let mut table = "";
    for (name, setting) in in_order(&shown) {
        let (of, key) = name.rsplit_once('.').unwrap_or(("", name));
        if of != table {
            println!("\n[{of}]");
            table = of;
        }
        println!("{:<44} # {} ({})", format!("{key} = {}", setting.value), setting.meaning, setting.origin);
    }
    Ok(())
}

/// Names without a table come first, as TOML asks for it; then table by table.
fn in_order(shown: &BTreeMap<String, Shown>) -> Vec<(&String, &Shown)> {
    let mut all: Vec<_> = shown.iter().collect();
    let table = |name: &str| name.rsplit_once('.').map(|(table, _)| table.to_owned());
    all.sort_by_key(|(name, _)| (table(name), (*name).clone()));
    all
}

fn gather(args: &ShowArgs) -> anyhow::Result<BTreeMap<String, Shown>> {
    let settings = TrainerSettings::read(args.settings.as_deref())?;
    let all = leaves(&toml::Value::try_from(&settings).context("show the settings")?);
    let given = match &args.settings {
        None => BTreeMap::new(),
        Some(path) => leaves(&toml::Value::Table(toml::from_str(&std::fs::read_to_string(path)?)?)),
    };
    let shown = all.into_iter().map(|(name, value)| {
        let origin = if given.contains_key(&name) { "file" } else { "default" };
        let meaning = MEANINGS.iter().find(|(known, _)| *known == name).map_or("", |(_, meaning)| meaning);
        (name, Shown { value, origin, meaning })
    });
    Ok(shown.collect())
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_setting_has_a_meaning_and_every_meaning_a_setting() {
        let settings =
            TrainerSettings { lora: Some(grail_torch::Lora::default()), ..TrainerSettings::default() };
        let settings = leaves(&toml::Value::try_from(settings).unwrap());
        let settings: BTreeSet<&str> = settings.keys().map(String::as_str).collect();
        let meanings: BTreeSet<&str> = MEANINGS.iter().map(|(name, _)| *name).collect();
        assert_eq!(settings, meanings);
    }

    #[test]
    fn a_file_is_told_from_the_defaults() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "[course]\nsteps = 3\n").unwrap();
        let args = ShowArgs { settings: Some(file.path().to_owned()), as_json: false };
        let shown = gather(&args).unwrap();
        assert_eq!((shown["course.steps"].origin, shown["course.seed"].origin), ("file", "default"));
        assert_eq!(shown["course.steps"].value, toml::Value::Integer(3));
    }
}
