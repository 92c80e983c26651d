//! `grail setup`: asks for what a participant needs, checks it while asking, and writes `.env` and `grail.toml`.
//!
//! Every answer is also a flag. Nothing is overwritten unasked; what stood in the place is kept beside it.

mod ask;
mod needs;
mod steps;

use crate::doctor::{self, DoctorArgs, RoleName};
use anyhow::{Context as _, bail, ensure};
use ask::Asking;
use clap::Args;
use console::style;
use grail_config::{
    Config, ConfigSources, DOTENV_FILE, Setting, TOML_FILE, Value, flags::ConfigFlags, table, write,
};
use grail_node::local::Networks;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(crate) struct SetupArgs {
    /// Ask nothing: take flags, files, variables and defaults as they are.
    #[arg(long)]
    yes: bool,

    /// Print what would be written, secrets as stars, and write nothing.
    #[arg(long)]
    dry_run: bool,

    /// Replace files that are there already. With --yes there is nobody to ask.
    #[arg(long)]
    overwrite: bool,

    /// Ask and write without looking at chain, bucket or wallet, and without the doctor at the end.
    #[arg(long)]
    no_checks: bool,

    /// Which role is set up; without it a person is asked, and a script sets up a miner.
    #[arg(long, value_enum)]
    role: Option<RoleName>,

    #[command(flatten)]
    config: ConfigFlags,
}

/// The answers so far: a configuration, and what was answered on top of it.
pub(crate) struct Answers {
    sources: ConfigSources,
    /// What flags said: not asked again.
    typed: Vec<&'static Setting>,
    config: Config,
}

impl Answers {
    fn read(sources: ConfigSources) -> anyhow::Result<Self> {
        let typed = sources.flags.iter().map(|(setting, _)| *setting).collect();
        let config = Config::read(&sources)?;
        Ok(Self { sources, typed, config })
    }

    /// Whether a flag answered already.
    pub(crate) fn is_typed(&self, setting: &Setting) -> bool {
        self.typed.contains(&setting)
    }

    /// Lets these be asked although flags answered them.
    pub(crate) fn forget_typed(&mut self, settings: &[&'static Setting]) {
        self.typed.retain(|typed| !settings.contains(typed));
    }

    pub(crate) const fn config(&self) -> &Config {
        &self.config
    }

    /// Takes an answer. Errors: a value that the setting cannot have.
    pub(crate) fn take(&mut self, setting: &'static Setting, value: &str) -> anyhow::Result<()> {
        let mut sources = self.sources.clone();
        sources.flags.retain(|(other, _)| *other != setting);
        sources.flags.push((setting, value.to_owned()));
        self.config = Config::read(&sources)?;
        self.sources = sources;
        Ok(())
    }

    /// Text of a setting, for a question's default.
    pub(crate) fn text(&self, setting: &Setting) -> Option<String> {
        match self.config.get(setting) {
            Some((Value::Plain(text), _)) => Some(text.clone()),
            _ => None,
        }
    }
}

/// Runs the wizard; false when it was left without writing.
pub(crate) async fn run(networks: &dyn Networks, args: &SetupArgs) -> anyhow::Result<bool> {
    let toml = args.config.toml.clone().unwrap_or_else(|| PathBuf::from(TOML_FILE));
    let dotenv = args.config.dotenv.clone().unwrap_or_else(|| PathBuf::from(DOTENV_FILE));
    let present = |path: &Path| Some(path.to_owned()).filter(|path| path.exists());
    let sources = ConfigSources {
        toml: present(&toml),
        dotenv: present(&dotenv),
        ..ConfigSources::of_process(&ConfigFlags::given(args.config.given.clone()))
    };
    let mut answers = Answers::read(sources).context("read what is configured already")?;
    let interactive = !args.yes;
    ensure!(
        !interactive || console::user_attended_stderr(),
        "there is no terminal to ask on; give the answers as flags (see grail setup --help) and --yes"
    );
    if args.yes && !args.dry_run && !args.overwrite {
        for path in [&toml, &dotenv] {
            ensure!(
                !path.exists(),
                "{} is there already, and with --yes nobody can be asked; add --overwrite to replace it (the old one is \
                 kept beside it)",
                path.display()
            );
        }
    }
    let mut asking = Asking::new(interactive);
    let role = steps::role(args.role, &mut asking)?;
    let checks = !args.no_checks;
    let chain = steps::network(networks, &mut answers, &mut asking, checks).await?;
    needs::of_a_chain_without_a_name(&mut answers, &mut asking)?;
    steps::wallet(networks, &mut answers, &mut asking, checks, &chain).await?;
    steps::store(&mut answers, &mut asking, checks).await?;
    steps::trainer(&mut answers, &mut asking)?;
    // Before what is fetched into it.
    steps::ask(&mut answers, &mut asking, &table::CACHE_DIR, "Folder for what can be fetched again")?;
    if chain.is_some() {
        needs::fetch(networks, &mut answers, &mut asking).await?;
    }
    steps::machine(&mut answers, &mut asking)?;
    needs::of_role(role, &mut answers, &mut asking)?;
    let written = leave(args, &answers, &mut asking, &toml, &dotenv)?;
    if !written || args.dry_run || args.no_checks {
        return Ok(written);
    }
    show("now the doctor looks at everything (grail doctor):");
    let look = DoctorArgs::of(role, toml, dotenv);
    Ok(doctor::run(networks, &look, false).await? != 1)
}

/// Shows what came of it, asks, and writes.
fn leave(
    args: &SetupArgs,
    answers: &Answers,
    asking: &mut Asking,
    toml: &Path,
    dotenv: &Path,
) -> anyhow::Result<bool> {
    let config = answers.config();
    let masked = write::dotenv(config, true).context("a value holds a line's end")?;
    let settings = write::toml(config);
    if args.dry_run || asking.is_interactive() {
        show(&format!("\n{}\n{}", style(dotenv.display()).bold(), *masked));
        show(&format!("{}\n{settings}", style(toml.display()).bold()));
    }
    if args.dry_run {
        show("nothing was written (--dry-run)");
        return Ok(true);
    }
    for path in [dotenv, toml] {
        let asked = path.exists() && !args.overwrite;
        if asked
            && !asking.confirm(
                &format!("{} is there already. Replace it? (the old one is kept)", path.display()),
                false,
            )?
        {
            show("nothing was written");
            return Ok(false);
        }
    }
    if asking.is_interactive() && !asking.confirm("Write both files?", true)? {
        show("nothing was written");
        return Ok(false);
    }
    let Some(secret) = write::dotenv(config, false) else {
        bail!(
            "a value holds a single quote, which {} cannot hold; set it in {}",
            dotenv.display(),
            toml.display()
        );
    };
    for (path, content) in [(dotenv, secret.as_str()), (toml, settings.as_str())] {
        let kept = write::private(path, content).with_context(|| format!("write {}", path.display()))?;
        show(&match kept {
            Some(kept) => format!(
                "{} {} written; the old one is {}",
                style("✓").green(),
                path.display(),
                kept.display()
            ),
            None => format!("{} {} written", style("✓").green(), path.display()),
        });
    }
    if args.no_checks {
        show("next: grail doctor");
    }
    Ok(true)
}

/// Whether a setting has an answer that needs no question.
pub(crate) fn settled(answers: &Answers, asking: &Asking, setting: &Setting) -> bool {
    answers.is_typed(setting) || (!asking.is_interactive())
}

/// What the wizard needs and nobody gave.
pub(crate) fn require(answers: &Answers, settings: &[&'static Setting]) -> anyhow::Result<()> {
    let missing: Vec<String> = settings
        .iter()
        .filter(|setting| answers.config().get(setting).is_none())
        .map(|setting| format!("{} (--{})", setting.variable, setting.flag))
        .collect();
    ensure!(missing.is_empty(), "not set: {}", missing.join(", "));
    Ok(())
}

/// Settings of the bucket that must be there.
pub(crate) const STORE: [&Setting; 5] = [
    &table::R2_ACCOUNT_ID,
    &table::R2_WRITE_ACCESS_KEY_ID,
    &table::R2_WRITE_SECRET_ACCESS_KEY,
    &table::R2_READ_ACCESS_KEY_ID,
    &table::R2_READ_SECRET_ACCESS_KEY,
];

#[expect(clippy::print_stdout, reason = "the words of a program to a person")]
pub(crate) fn show(text: &str) {
    println!("{text}");
}
