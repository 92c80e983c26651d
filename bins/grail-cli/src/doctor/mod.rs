//! `grail doctor`: everything that a participant needs, one line a check, each failure with its remedy.
//!
//! Checks run at once, each with a deadline, and none stops another: with everything down it ends within ten seconds. Exit code 0: all is well; 1: something is wrong;
//! 2: warnings alone.

mod beacon;
pub(crate) mod chain;
pub(crate) mod check;
mod machine;
mod published;
pub(crate) mod store;
mod subnet;
pub(crate) mod wallet;

use check::{Finding, Standing};
use clap::{Args, ValueEnum};
use console::style;
use grail_config::{Config, ConfigSources, Role, flags::ConfigFlags, table};
use grail_node::{
    local::Networks,
    ready::{Installed, Look},
    store as own,
};
use grail_ports::clock::Clock;
use grail_roles::clock::SystemClock;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde::Serialize;
use std::{future::Future, path::PathBuf, pin::Pin, sync::Arc, time::Duration};

/// What can be looked at, in the order in which it is told.
const SUBJECTS: [&str; 6] = ["role", "store", "wallet", "chain", "beacon", "machine"];
/// Seconds that a subject has unless somebody gives it more: with what comes before and after, all is told within ten.
const PATIENCE: u64 = 9;

/// Whose needs are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleName {
    Miner,
    Validator,
    Trainer,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Miner => Self::Miner,
            RoleName::Validator => Self::Validator,
            RoleName::Trainer => Self::Trainer,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Whose needs are looked at.
    #[arg(long, value_enum, default_value = "miner")]
    role: RoleName,

    /// Look at these subjects alone: role (its settings, model, data and prompts), store, wallet, chain, beacon, machine.
    #[arg(long, value_delimiter = ',', value_name = "SUBJECT", value_parser = SUBJECTS)]
    only: Vec<String>,

    /// Most seconds of one subject. A store or a node far away may need more.
    #[arg(long, value_name = "SECONDS", default_value_t = PATIENCE, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    patience: u64,

    #[command(flatten)]
    config: ConfigFlags,
}

impl DoctorArgs {
    /// Everything that a role needs, by these files of settings.
    pub(crate) fn of(role: RoleName, toml: PathBuf, dotenv: PathBuf) -> Self {
        let mut config = ConfigFlags::given(Vec::new());
        (config.toml, config.dotenv) = (Some(toml), Some(dotenv));
        Self { role, only: Vec::new(), patience: PATIENCE, config }
    }
}

/// The result for machines.
#[derive(Debug, Serialize)]
struct Told<'a> {
    version: u32,
    exit_code: u8,
    checks: &'a [Finding],
}

type Work<'a> = Pin<Box<dyn Future<Output = Vec<Finding>> + Send + 'a>>;

/// Looks at everything; the exit code.
pub(crate) async fn run(networks: &dyn Networks, args: &DoctorArgs, json: bool) -> anyhow::Result<u8> {
    let sources = ConfigSources::of_process(&args.config);
    let files: Vec<_> = sources.toml.iter().chain(&sources.dotenv).cloned().collect();
    let read = Config::read(&sources);
    let mut findings = machine::configuration(&read, &files);
    if let Ok(config) = &read {
        findings.extend(examine(networks, args, config, !json).await);
    }
    let exit_code = exit_code(&findings);
    if json {
        show(&serde_json::to_string_pretty(&Told { version: 1, exit_code, checks: &findings })?);
    } else {
        for finding in &findings {
            show(&line(finding));
        }
        show(&summary(&findings));
    }
    Ok(exit_code)
}

/// Runs every subject at once, in the order in which they are told.
async fn examine(
    networks: &dyn Networks,
    args: &DoctorArgs,
    config: &Config,
    progress: bool,
) -> Vec<Finding> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = own::choose(config);
    let devnet = config.path(&table::DEVNET);
    let (wallet, hotkey) = wallet::look(networks, config);
    let ourselves = chain::Ourselves { hotkey, store: store.as_ref().ok(), role: args.role.into() };
    let shelf: Work<'_> = match devnet {
        Some(dir) => Box::pin(async move {
            match networks.local(&dir) {
                Ok(net) => store::folder(&net.shelf()).await,
                Err(error) => {
                    vec![Finding::bad(
                        "store-write",
                        "folder",
                        format!("{error:#}"),
                        "make it with `grail devnet init`",
                    )]
                }
            }
        }),
        None => Box::pin(store::bucket(&store, clock.as_ref())),
    };
    let prepared = chosen(args, "role").then(|| Look::read(networks, args.role.into(), config));
    let role: Work<'_> = Box::pin(async move {
        let Some(prepared) = prepared else { return Vec::new() };
        let torch = Installed::of(args.role.into());
        let look = tokio::task::spawn_blocking(move || prepared.finish(&torch));
        look.await.unwrap_or_else(|_| {
            vec![Finding::bad("model", "look-failed", "the look ended in a panic", REPORT)]
        })
    });
    let subjects: [(&str, Work<'_>); 7] = [
        ("role", role),
        ("store", shelf),
        ("wallet", Box::pin(async { vec![wallet] })),
        ("chain", Box::pin(chain::look(networks, config, clock.clone(), ourselves))),
        ("beacon", Box::pin(beacon::look(networks, config, clock.clone()))),
        ("machine", Box::pin(machine::accelerator(config))),
        ("machine", Box::pin(async { machine::disk(config) })),
    ];
    let subjects = subjects.into_iter().filter(|(name, _)| chosen(args, name));
    let patience = Duration::from_secs(args.patience);
    let late = || -> Deadline { Box::pin(tokio::time::sleep(patience)) };
    let told = format!("no result within {} s", patience.as_secs());
    within(&late, &told, subjects, &Bars::new(progress)).await
}

/// Ends when a subject has had its time.
type Deadline = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What to do about a mistake of this program.
const REPORT: &str = "report it, with the command and its output";

fn chosen(args: &DoctorArgs, name: &str) -> bool {
    args.only.is_empty() || args.only.iter().any(|only| only == name)
}

/// Every subject at once; one without a result in its time is told as such, whatever it waits for.
async fn within<'a>(
    deadline: &(dyn Fn() -> Deadline + Sync),
    late: &str,
    subjects: impl Iterator<Item = (&'static str, Work<'a>)>,
    bars: &Bars,
) -> Vec<Finding> {
    let work = subjects.map(|(name, work)| {
        let bar = bars.add(name);
        async move {
            let found = tokio::select! {
                biased;
                found = work => found,
                () = deadline() => {
                    let remedy = "look at the network; --patience gives more time";
                    vec![Finding::bad(name, "deadline", format!("{late} for {name}"), remedy)]
                }
            };
            bar.finish_and_clear();
            found
        }
    });
    futures::future::join_all(work).await.into_iter().flatten().collect()
}

/// What is still being looked at, on a terminal.
struct Bars(MultiProgress);

impl Bars {
    fn new(show: bool) -> Self {
        let target = if show {
            indicatif::ProgressDrawTarget::stderr()
        } else {
            indicatif::ProgressDrawTarget::hidden()
        };
        Self(MultiProgress::with_draw_target(target))
    }

    fn add(&self, name: &'static str) -> ProgressBar {
        let bar = self.0.add(ProgressBar::new_spinner());
        // The template is a literal of ours; a broken one falls back to the plain style.
        if let Ok(style) = ProgressStyle::with_template("{spinner} looking at {msg} {elapsed}") {
            bar.set_style(style);
        }
        bar.set_message(name);
        bar.enable_steady_tick(Duration::from_millis(120));
        bar
    }
}

fn exit_code(findings: &[Finding]) -> u8 {
    let any = |standing| findings.iter().any(|finding| finding.standing == standing);
    if any(Standing::Bad) {
        1
    } else if any(Standing::Warning) {
        2
    } else {
        0
    }
}

/// One line, and the remedy below it.
pub(crate) fn line(finding: &Finding) -> String {
    let mark = match finding.standing {
        Standing::Good => style("✓").green(),
        Standing::Warning => style("!").yellow(),
        Standing::Bad => style("✗").red(),
        Standing::Skipped => style("–").dim(),
    };
    let mut text = format!("{mark} {}: {}", finding.check, finding.told);
    if let Some(remedy) = &finding.remedy {
        text.push_str(&format!("\n    → {remedy}"));
    }
    text
}

fn summary(findings: &[Finding]) -> String {
    let count = |standing| findings.iter().filter(|finding| finding.standing == standing).count();
    let (bad, warnings) = (count(Standing::Bad), count(Standing::Warning));
    match (bad, warnings) {
        (0, 0) => style("all is well").green().to_string(),
        (0, warnings) => style(format!("{warnings} to look at")).yellow().to_string(),
        (bad, 0) => style(format!("{bad} to mend")).red().to_string(),
        (bad, warnings) => style(format!("{bad} to mend, {warnings} to look at")).red().to_string(),
    }
}

#[expect(clippy::print_stdout, reason = "the result of a program for people")]
fn show(text: &str) {
    println!("{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_never_answers_is_told_in_time_and_holds_nothing_else_up() {
        let never = || -> Work<'static> { Box::pin(std::future::pending()) };
        let good: Work<'static> = Box::pin(async { vec![Finding::good("wallet", "there")] });
        let subjects = [("store", never()), ("wallet", good), ("chain", never()), ("beacon", never())];
        // Time is up only where all three wait at once: one after the other they would wait for ever.
        let together = Arc::new(tokio::sync::Barrier::new(3));
        let deadline = || -> Deadline {
            let together = Arc::clone(&together);
            Box::pin(async move {
                together.wait().await;
            })
        };
        let found = within(&deadline, "no result", subjects.into_iter(), &Bars::new(false)).await;
        let told: Vec<_> = found.iter().map(|finding| (finding.check, finding.code)).collect();
        let late = Some("deadline");
        assert_eq!(told, [("store", late), ("wallet", None), ("chain", late), ("beacon", late)]);
        assert_eq!(found[0].told, "no result for store");
    }

    /// The time of all is ten seconds, with what comes before and after.
    const _: () = assert!(PATIENCE < 10 && grail_node::ready::INSTALLED_MS < PATIENCE * 1_000);
}
