//! `cargo xtask demo --chain real`: the walk of a window over the genuine runtime of the chain, an S3 server and a drand relay.
//!
//! A development node runs the runtime that `GRAIL_SUBTENSOR_SPEC` names. A network and hotkeys are registered on it; miner,
//! validator and trainer then start as operators start them, with wallets, a node's address, bucket keys and relays, and
//! nothing of a development network: they commit their read credentials, mine, upload, judge, set weights, learn and publish
//! checkpoints. The validator is killed after its first window and started again. At the end weights, commitments, reports
//! and the doctor say whether all went well.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::bench::{Profile, example};
use crate::config::Config;
use crate::report::Stopwatch;
use crate::workspace::root;
use crate::{cargo, libtorch, report, tiny};

/// Names the chain spec.
const SPEC: &str = "GRAIL_SUBTENSOR_SPEC";
/// Windows that the miner answers.
const MINED: &str = "6";
/// Windows that the validator judges after it was killed.
const JUDGED_AGAIN: &str = "4";
/// Windows that the trainer learns from; each gives a checkpoint.
const LEARNT: &str = "2";
/// Longest time of the whole walk.
const PATIENCE: Duration = Duration::from_secs(300);
/// Milliseconds between blocks and between beacon rounds.
const BEAT_MS: u64 = 1_000;
/// More rounds than the walk takes.
const ROUNDS: u64 = 1_200;
/// Accounts at the S3 server, which are also the buckets' names.
const ACCOUNTS: [(&str, &str); 3] = [
    ("miner", "11111111111111111111111111111111"),
    ("validator", "22222222222222222222222222222222"),
    ("trainer", "33333333333333333333333333333333"),
];

/// A process that ends with the walk.
struct Guest(Child);

impl Drop for Guest {
    fn drop(&mut self) {
        // Dead already is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where everything is.
struct Stage {
    out: PathBuf,
    binaries: PathBuf,
    variables: Vec<(&'static str, OsString)>,
}

impl Stage {
    fn program(&self, name: impl AsRef<Path>) -> Command {
        let mut program = Command::new(self.binaries.join(name));
        program.envs(self.variables.iter().cloned()).current_dir(&self.out).stdin(Stdio::null());
        program
    }

    /// Runs a program to its end and gives what it printed.
    fn output(&self, mut program: Command) -> Result<String> {
        let shown = cargo::shown(&program);
        report::step(&shown);
        let done =
            program.stderr(Stdio::inherit()).output().with_context(|| format!("cannot start {shown}"))?;
        ensure!(done.status.success(), "`{shown}` failed ({})", done.status);
        Ok(String::from_utf8(done.stdout).context("it printed no text")?.trim().to_owned())
    }

    /// Starts a program that serves, and gives its first line.
    fn serve(&self, mut program: Command) -> Result<(Guest, String)> {
        let shown = cargo::shown(&program);
        report::step(&shown);
        let mut child =
            program.stdout(Stdio::piped()).spawn().with_context(|| format!("cannot start {shown}"))?;
        let stdout = child.stdout.take().context("its output is not ours")?;
        let guest = Guest(child);
        let mut lines = BufReader::new(stdout).lines();
        let line = lines.next().with_context(|| format!("`{shown}` ended at once"))??;
        // Whoever prints into a closed pipe dies of it.
        std::thread::spawn(move || lines.for_each(drop));
        Ok((guest, line))
    }

    /// Starts a role; what it says goes to a file.
    fn role(&self, mut program: Command, name: &str) -> Result<Guest> {
        report::step(&cargo::shown(&program));
        let log = File::create(self.out.join(format!("{name}.log")))
            .with_context(|| format!("cannot log {name}"))?;
        let child = program.stdout(log.try_clone()?).stderr(log).spawn();
        Ok(Guest(child.with_context(|| format!("cannot start the {name}"))?))
    }
}

/// The settings of one participant, as the variables of an operator.
struct Participant {
    name: &'static str,
    account: &'static str,
}

impl Participant {
    fn dress(&self, program: &mut Command, common: &[(&'static str, String)]) {
        let digits = self.account.get(..30).unwrap_or(self.account);
        let key = |kind: &str| format!("{digits}-{kind}");
        program
            .envs(common.iter().map(|(name, value)| (name, value)))
            .env("BT_WALLET_HOT", self.name)
            .env("R2_ACCOUNT_ID", self.account)
            .env("R2_WRITE_ACCESS_KEY_ID", key("w"))
            .env("R2_WRITE_SECRET_ACCESS_KEY", key("w-secret"))
            .env("R2_READ_ACCESS_KEY_ID", key("r"))
            .env("R2_READ_SECRET_ACCESS_KEY", key("r-secret"));
    }
}

/// Builds what is missing, then walks.
///
/// # Errors
/// When no spec is named, a part cannot be built or started, or the walk does not end with weights on the chain.
pub(super) fn run(config: &Config, build: impl FnOnce(&Path) -> Result<()>) -> Result<ExitCode> {
    let Some(spec) = config.subtensor_spec.clone().filter(|spec| spec.is_file()) else {
        bail!(
            "{SPEC} names no file; it must be the path of a chain spec of subtensor, which is not part of this project \
             (docs/book/devchain.md says where it is published)"
        );
    };
    let library = libtorch::ensure(config)?;
    build(&library)?;
    for (package, name) in [("grail-devnet", "drand_relay"), ("grail-store", "s3_server")] {
        example(config, Some(&library), (package, name), Profile::Dev)?;
    }
    cargo::run(cargo::devchain(config)?.args(["build", "--locked", "--bins", "--example", "stage"]))?;
    let out = root()?.join("target").join("demo-real");
    if out.exists() {
        fs::remove_dir_all(&out).with_context(|| format!("cannot clear {}", out.display()))?;
    }
    let model = out.join("model");
    copy_folder(&tiny::folder(root()?), &model)?;
    let mut variables = cargo::variables(config, Some(&library));
    // The cache holds journals of weights: those of a chain that is made anew each time.
    variables.retain(|(name, _)| *name != "GRAIL_CACHE_DIR");
    variables.push(("GRAIL_CACHE_DIR", out.join("cache").into_os_string()));
    let stage = Stage { out, binaries: config.target_dir.join("debug"), variables };
    walk(&stage, &spec, &model)
}

fn walk(stage: &Stage, spec: &Path, model: &Path) -> Result<ExitCode> {
    let began = Stopwatch::start();
    let mut node = stage.program("grail-devchain");
    node.args(["--json", "run", "--seal", &BEAT_MS.to_string(), "--listen", "127.0.0.1:0"]).env(SPEC, spec);
    let (_node, said) = stage.serve(node)?;
    let said: Value = serde_json::from_str(&said).context("the node did not say where it listens")?;
    let url = said["url"].as_str().context("the node did not say where it listens")?.to_owned();

    let rounds = stage.out.join("rounds.json");
    let mut record = stage.program("examples/drand_relay");
    record.arg("record").arg(&rounds).args([BEAT_MS, ROUNDS].map(|n| n.to_string()));
    stage.output(record)?;
    let mut chain = stage.program("examples/drand_relay");
    chain.arg("chain").arg(&rounds);
    let beacon = stage.out.join("beacon.json");
    fs::write(&beacon, stage.output(chain)?)?;
    let mut relay = stage.program("examples/drand_relay");
    relay.arg("serve").arg(&rounds).arg("127.0.0.1:0");
    let (_relay, relay) = stage.serve(relay)?;

    let mut server = stage.program("examples/s3_server");
    server.arg(stage.out.join("buckets")).arg("127.0.0.1:0").args(ACCOUNTS.map(|(_, account)| account));
    let (_server, store) = stage.serve(server)?;

    let wallets = stage.out.join("wallets");
    let mut hotkeys = Vec::new();
    for (name, _) in ACCOUNTS {
        let mut keys = stage.program("grail");
        keys.args(["keys", "new", "--json", "--wallet-hot", name]).env("BT_WALLET_PATH", &wallets);
        let made: Value = serde_json::from_str(&stage.output(keys)?)?;
        hotkeys.push(made["hotkey"].as_str().context("a new key without an address")?.to_owned());
    }
    let [miner_key, validator_key, trainer_key] = &hotkeys[..] else { bail!("three keys were to be made") };
    let mut register = stage.program("examples/stage");
    register.arg(&url);
    register.args([
        format!("{miner_key}:1:no"),
        format!("{validator_key}:1000:yes"),
        format!("{trainer_key}:1:no"),
    ]);
    let netuid = stage.output(register)?;

    let mut describe = stage.program("grail");
    describe.args(["checkpoint", "describe", "--profile", "dev-fast", "--environments", "arith-1"]);
    describe.args(["--max-new-tokens", "48", "--model"]).arg(model);
    stage.output(describe)?;

    let common = [
        ("BT_NETWORK", url),
        ("NETUID", netuid),
        ("GRAIL_PROFILE", "dev-fast".into()),
        ("GRAIL_BEACON_RELAYS", relay),
        ("GRAIL_BEACON_CHAIN", beacon.display().to_string()),
        ("BT_WALLET_PATH", wallets.display().to_string()),
        ("R2_ENDPOINT_URL", store),
        ("R2_ALLOW_HTTP", "true".into()),
        ("GRAIL_MODEL", model.display().to_string()),
        ("GRAIL_THREADS", "1".into()),
        ("GRAIL_TRAINER", trainer_key.clone()),
        ("GRAIL_REPORTS", stage.out.join("reports").display().to_string()),
        ("GRAIL_TRAINER_STATE", stage.out.join("trainer").display().to_string()),
    ];
    let participants = ACCOUNTS.map(|(name, account)| Participant { name, account });
    let [miner, validator, trainer] = &participants;
    let start = |who: &Participant, arguments: &[&str], log: &str| {
        let mut role = stage.program(format!("grail-{}", who.name));
        role.arg("run").args(arguments);
        who.dress(&mut role, &common);
        role.env("GRAIL_CHECKPOINTS", stage.out.join("checkpoints").join(who.name));
        Ok::<_, anyhow::Error>((who.name, stage.role(role, log)?))
    };
    let mut roles = Vec::new();
    let first_life = start(validator, &[], "validator")?;
    roles.push(start(trainer, &["--windows", LEARNT], "trainer")?);
    roles.push(start(miner, &["--windows", MINED, "--max-groups", "2"], "miner")?);
    wait(&mut roles, &began, || Ok(!reports(stage)?.is_empty()))?;
    drop(first_life);
    report::step("the validator was killed; it goes on from its reports and journal");
    roles.push(start(validator, &["--windows", JUDGED_AGAIN], "validator-again")?);
    wait(&mut roles, &began, || Ok(false))?;

    let ask = |who: &Participant, arguments: &[&str]| {
        let mut grail = stage.program("grail");
        grail.arg("--json").args(arguments);
        who.dress(&mut grail, &common);
        serde_json::from_str::<Value>(&stage.output(grail)?).with_context(|| format!("read {arguments:?}"))
    };
    weights_are_the_miners(&ask(validator, &["chain", "weights", "get", validator_key])?)?;
    for (who, key) in participants.iter().zip(&hotkeys) {
        let text = ask(who, &["chain", "commitment", "get", key])?["text"].clone();
        let text = text.as_str().unwrap_or_default();
        ensure!(text.len() == 128 && text.starts_with(who.account), "{}'s commitment is {text:?}", who.name);
    }
    let sent = every_row_was_sent_once(&ask(validator, &["chain", "intents"])?)?;
    let judged = reports(stage)?;
    checkpoints_were_followed(&judged)?;
    all_is_well(&ask(miner, &["doctor", "--only", "store,wallet,chain"])?)?;
    finish(judged.len(), sent, &began);
    Ok(ExitCode::SUCCESS)
}

/// Waits until every role has ended by itself, or there is what is waited for.
fn wait(roles: &mut [(&str, Guest)], began: &Stopwatch, there: impl Fn() -> Result<bool>) -> Result<()> {
    loop {
        let mut running = 0;
        for (name, Guest(child)) in roles.iter_mut() {
            match child.try_wait().with_context(|| format!("look after the {name}"))? {
                None => running += 1,
                Some(status) if status.success() => {}
                Some(status) => bail!("the {name} failed ({status}); its log is in target/demo-real"),
            }
        }
        if running == 0 || there()? {
            return Ok(());
        }
        ensure!(
            began.elapsed() < PATIENCE,
            "the walk did not end within {PATIENCE:?}; logs are in target/demo-real"
        );
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// The validator's reports, the oldest window first.
fn reports(stage: &Stage) -> Result<Vec<Value>> {
    let folder = stage.out.join("reports");
    let mut found = Vec::new();
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(found),
        entries => entries.with_context(|| format!("cannot list {}", folder.display()))?,
    };
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("window-") && name.ends_with(".json") {
            let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            found.push(serde_json::from_slice::<Value>(&bytes).with_context(|| format!("read {name}"))?);
        }
    }
    found.sort_by_key(|report| report["window"].as_u64());
    Ok(found)
}

/// The network's owner is 0, the miner was registered first.
fn weights_are_the_miners(weights: &Value) -> Result<()> {
    let row: Vec<(u64, u64)> = weights["weights"]
        .as_array()
        .context("the validator set no weights")?
        .iter()
        .filter_map(|entry| Some((entry[0].as_u64()?, entry[1].as_u64()?)))
        .collect();
    ensure!(row == [(1, 65_535)], "all the weight belongs to the miner, uid 1; the chain has {row:?}");
    Ok(())
}

/// How many rows were sent over both lives of the validator.
fn every_row_was_sent_once(journals: &Value) -> Result<usize> {
    let journals = journals["journals"].as_array().context("no journals")?;
    let intents: Vec<&Value> =
        journals.iter().filter_map(|journal| journal["intents"].as_array()).flatten().collect();
    let rows: Vec<&&Value> = intents.iter().filter(|intent| intent["wish"]["weights"].is_array()).collect();
    ensure!(!rows.is_empty(), "the validator's journal plans no weights: {journals:?}");
    // A transaction that was sent again would be a second one of its intent.
    for row in &rows {
        ensure!(row["transactions"].as_u64().is_some_and(|sent| sent <= 1), "a row was sent twice: {row}");
    }
    Ok(rows.len())
}

/// The first window was answered by the first model, and the last one by what the trainer published.
fn checkpoints_were_followed(reports: &[Value]) -> Result<()> {
    let (Some(first), Some(last)) = (reports.first(), reports.last()) else { bail!("no window was judged") };
    ensure!(
        first["checkpoint"] != last["checkpoint"],
        "window {} was still answered by the first model",
        last["window"]
    );
    Ok(())
}

/// Nothing is wrong, and what the trainer and the miner published was found.
fn all_is_well(doctor: &Value) -> Result<()> {
    let checks = doctor["checks"].as_array().context("the doctor said nothing")?;
    let standing = |name: &str| {
        let line = checks.iter().find(|check| check["check"] == name);
        line.and_then(|check| check["standing"].as_str()).unwrap_or("absent").to_owned()
    };
    for check in ["chain", "registration", "commitment", "checkpoint", "window", "store-write"] {
        ensure!(standing(check) == "good", "the doctor finds {check} {}: {doctor}", standing(check));
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the result of the command")]
fn finish(judged: usize, sent: usize, began: &Stopwatch) {
    println!(
        "register, commit, mine, upload, judge, set weights, be killed and go on, learn, follow: done on the real runtime in \
         {:.0} s; {judged} windows judged, {sent} rows of weights, all of them for the miner",
        began.elapsed().as_secs_f64()
    );
}

/// Copies a folder of plain files.
fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot list {}", from.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            let place = to.join(entry.file_name());
            fs::copy(entry.path(), &place).with_context(|| format!("cannot write {}", place.display()))?;
        }
    }
    Ok(())
}
