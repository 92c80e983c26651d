//! The steps of the wizard, each with its checks.

use super::{Answers, STORE, ask::Asking, require, settled, show};
use crate::doctor::{
    RoleName,
    chain::{self, register_command},
    check::{Finding, Standing},
    line, store, wallet,
};
use anyhow::bail;
use grail_config::{Setting, networks, table};
use grail_node::local::Networks;
use grail_ports::{
    Fault,
    chain::{Block, ChainView},
    clock::Clock,
};
use grail_protocol::words::Hotkey;
use grail_roles::clock::SystemClock;
use grail_wallet::Wallet;
use std::{sync::Arc, time::Duration};

/// Times that a step is asked again before the wizard gives up.
const MOST_TRIES: usize = 5;
/// How long a person waits for the chain.
const PATIENCE: Duration = Duration::from_secs(12);

/// Whose needs are asked for.
pub(crate) fn role(given: Option<RoleName>, asking: &mut Asking) -> anyhow::Result<RoleName> {
    let roles = [RoleName::Miner, RoleName::Validator, RoleName::Trainer];
    match given {
        Some(role) => Ok(role),
        None if !asking.is_interactive() => Ok(RoleName::Miner),
        None => {
            let lines =
                ["miner: answers problems", "validator: judges and sets weights", "trainer: one per network"];
            let chosen = asking.choose("Role", &lines.map(str::to_owned), 0)?;
            Ok(roles.get(chosen).copied().unwrap_or(RoleName::Miner))
        }
    }
}

/// The trainer, where the network's parameters name none.
pub(crate) fn trainer(answers: &mut Answers, asking: &mut Asking) -> anyhow::Result<()> {
    let config = answers.config();
    let named = config.network().trainer_uid.is_some() || config.get(&table::DEVNET).is_some();
    if named || settled(answers, asking, &table::TRAINER) {
        return Ok(());
    }
    let now = answers.text(&table::TRAINER);
    let prompt = "Hotkey of the trainer, as the subnet's owner says (nothing: set it later)";
    match asking.optional(prompt, &table::TRAINER, now)? {
        Some(hotkey) => answers.take(&table::TRAINER, &hotkey),
        None => Ok(()),
    }
}

/// Asks for one setting, unless it is settled.
pub(super) fn ask(
    answers: &mut Answers,
    asking: &mut Asking,
    setting: &'static Setting,
    prompt: &str,
) -> anyhow::Result<()> {
    if settled(answers, asking, setting) {
        return Ok(());
    }
    let value = asking.value(prompt, setting, answers.text(setting))?;
    answers.take(setting, &value)
}

/// Asks for one secret, unless it is settled.
fn secret(
    answers: &mut Answers,
    asking: &mut Asking,
    setting: &'static Setting,
    prompt: &str,
) -> anyhow::Result<()> {
    if settled(answers, asking, setting) {
        return Ok(());
    }
    let is_set = answers.config().get(setting).is_some();
    match asking.secret(prompt, setting, is_set)? {
        Some(value) => answers.take(setting, &value),
        None => Ok(()),
    }
}

/// Whether any finding is bad, after all were shown.
fn shown(findings: &[Finding]) -> bool {
    for finding in findings {
        show(&line(finding));
    }
    findings.iter().any(|finding| finding.standing == Standing::Bad)
}

/// What to do when a check failed: once more, or go on as it is.
fn again(asking: &mut Asking, what: &str) -> anyhow::Result<bool> {
    if !asking.is_interactive() {
        bail!("{what} is not as it should be; mend it, or add --no-checks to write the files all the same");
    }
    asking.confirm(&format!("Answer the questions about {what} again?"), true)
}

/// The chain, where it answered.
pub(crate) type Reached = Option<Arc<dyn ChainView>>;

/// Network and subnet; connects.
pub(crate) async fn network(
    opener: &dyn Networks,
    answers: &mut Answers,
    asking: &mut Asking,
    checks: bool,
) -> anyhow::Result<Reached> {
    for _ in 0..MOST_TRIES {
        if !settled(answers, asking, &table::NETWORK) {
            let mut lines: Vec<String> = networks::ALL
                .iter()
                .map(|network| format!("{}: {}", network.name, network.meaning))
                .collect();
            lines.push("the address of a node".to_owned());
            let now = answers.text(&table::NETWORK).unwrap_or_default();
            let default =
                networks::ALL.iter().position(|network| network.name == now).unwrap_or(lines.len() - 1);
            match networks::ALL.get(asking.choose("Network", &lines, default)?) {
                Some(network) => answers.take(&table::NETWORK, network.name)?,
                None => {
                    let now = Some(now).filter(|now| now.contains("://"));
                    let value = asking.value("Address of the node", &table::CHAIN_ENDPOINT, now)?;
                    answers.take(&table::NETWORK, &value)?;
                }
            }
        }
        if !settled(answers, asking, &table::NETUID) {
            let default = answers.config().network().netuid.map(|netuid| netuid.to_string());
            let value = asking.value("Number of the subnet (netuid)", &table::NETUID, default)?;
            answers.take(&table::NETUID, &value)?;
        }
        if answers.config().get(&table::DEVNET).is_none() && answers.config().network().netuid.is_none() {
            require(answers, &[&table::NETUID])?;
        }
        if !checks {
            return Ok(None);
        }
        match reach(opener, answers).await {
            Ok((chain, head)) => {
                shown(&[Finding::good("chain", format!("block {}", head.number))]);
                return Ok(Some(chain));
            }
            Err(fault) => {
                let remedy = "check network, netuid and the way to the internet";
                shown(&[Finding::bad("chain", "chain-unreachable", fault.chain(), remedy)]);
                if !again(asking, "the network")? {
                    return Ok(None);
                }
            }
        }
        answers.forget_typed(&[&table::NETWORK, &table::NETUID]);
    }
    Ok(None)
}

async fn reach(opener: &dyn Networks, answers: &Answers) -> Result<(Arc<dyn ChainView>, Block), Fault> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let chain = chain::open(opener, answers.config(), clock, PATIENCE).await?;
    let head = chain.head().await?;
    Ok((chain, head))
}

/// Wallet and hotkey; who that is, and whether it is registered.
pub(crate) async fn wallet(
    opener: &dyn Networks,
    answers: &mut Answers,
    asking: &mut Asking,
    checks: bool,
    chain: &Reached,
) -> anyhow::Result<()> {
    if answers.config().get(&table::DEVNET).is_some() {
        return Ok(());
    }
    for _ in 0..MOST_TRIES {
        if asking.is_interactive() {
            offer(answers);
        }
        ask(answers, asking, &table::WALLET_COLD, "Name of the wallet (coldkey)")?;
        ask(answers, asking, &table::WALLET_HOT, "Name of the hotkey")?;
        if !checks {
            return Ok(());
        }
        match wallet::who(opener, answers.config()) {
            Ok(hotkey) => {
                show(&line(&Finding::good("wallet", hotkey.to_string())));
                show(&line(&registration(answers, hotkey, chain).await));
                return Ok(());
            }
            Err(finding) => {
                shown(&[finding]);
                if !again(asking, "the wallet")? {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

/// The hotkeys that are there.
fn offer(answers: &Answers) {
    let root = answers.config().wallet().root;
    let Ok(wallets) = Wallet::list(&root) else { return };
    let names: Vec<String> = wallets
        .iter()
        .flat_map(|wallet| {
            wallet.hotkeys.iter().map(move |hotkey| format!("{}/{}", wallet.cold, hotkey.name))
        })
        .take(20)
        .collect();
    if !names.is_empty() {
        show(&format!("hotkeys in {}: {}", root.display(), names.join(", ")));
    }
}

async fn registration(answers: &Answers, hotkey: Hotkey, chain: &Reached) -> Finding {
    let Some(reached) = chain else {
        return Finding::skipped("registration", "not known without the chain");
    };
    match reached.metagraph().await {
        Ok(metagraph) => match metagraph.find(&hotkey) {
            Some(neuron) => Finding::good("registration", format!("uid {}", neuron.uid)),
            None => Finding::warning(
                "registration",
                "not-registered",
                "this hotkey is not registered on the subnet yet",
                register_command(answers.config(), &answers.config().network()),
            ),
        },
        Err(fault) => Finding::skipped("registration", fault.chain()),
    }
}

/// The bucket and its two pairs of keys; examined.
pub(crate) async fn store(answers: &mut Answers, asking: &mut Asking, checks: bool) -> anyhow::Result<()> {
    if answers.config().get(&table::DEVNET).is_some() {
        return Ok(());
    }
    for round in 0..MOST_TRIES {
        let elsewhere = answers.config().get(&table::R2_ENDPOINT_URL).is_some();
        if round == 0 && !settled(answers, asking, &table::R2_ENDPOINT_URL) {
            let at_r2 = asking.confirm("Is the bucket at Cloudflare R2?", !elsewhere)?;
            if at_r2 && elsewhere {
                answers.take(&table::R2_ENDPOINT_URL, "")?;
            } else if !at_r2 {
                ask(answers, asking, &table::R2_ENDPOINT_URL, "Address of the S3 service")?;
                if answers.text(&table::R2_ENDPOINT_URL).is_some_and(|url| url.starts_with("http://")) {
                    let plain = asking.confirm("It has no TLS: take it all the same?", false)?;
                    answers.take(&table::R2_ALLOW_HTTP, if plain { "true" } else { "false" })?;
                }
            }
        }
        ask(
            answers,
            asking,
            &table::R2_ACCOUNT_ID,
            "Account id, which is also the bucket's name (32 hexadecimal digits)",
        )?;
        mend_endpoint(answers)?;
        ask(
            answers,
            asking,
            &table::R2_WRITE_ACCESS_KEY_ID,
            "Access key id of the token that may read and write",
        )?;
        secret(answers, asking, &table::R2_WRITE_SECRET_ACCESS_KEY, "Its secret access key")?;
        ask(answers, asking, &table::R2_READ_ACCESS_KEY_ID, "Access key id of the token that may only read")?;
        secret(answers, asking, &table::R2_READ_SECRET_ACCESS_KEY, "Its secret access key")?;
        require(answers, &STORE)?;
        if answers.text(&table::R2_BUCKET_ID).is_none() {
            let account = answers.text(&table::R2_ACCOUNT_ID).unwrap_or_default();
            answers.take(&table::R2_BUCKET_ID, &account)?;
        }
        if !checks {
            return Ok(());
        }
        let findings = store::bucket(&grail_node::store::choose(answers.config()), &SystemClock).await;
        if !shown(&findings) || !again(asking, "the bucket")? {
            return Ok(());
        }
        // What a flag said was wrong: now it is asked.
        answers.forget_typed(&STORE);
    }
    Ok(())
}

/// Takes the bucket's name and what else does not belong there out of an address, and says so: dashboards show them in one.
fn mend_endpoint(answers: &mut Answers) -> anyhow::Result<()> {
    let bucket = answers.text(&table::R2_ACCOUNT_ID).unwrap_or_default();
    if let Some(url) = answers.text(&table::R2_ENDPOINT_URL)
        && let Err(found) = grail_store::service_address(&url, &bucket)
        && let Some(clean) = found.clean()
    {
        show(&format!("{found}; that is what is written"));
        answers.take(&table::R2_ENDPOINT_URL, clean)?;
    }
    Ok(())
}

/// Model, device, batch size.
pub(crate) fn machine(answers: &mut Answers, asking: &mut Asking) -> anyhow::Result<()> {
    if !settled(answers, asking, &table::MODEL) {
        let now = answers.text(&table::MODEL);
        if let Some(folder) =
            asking.optional("Folder of the model (nothing: set it later)", &table::MODEL, now)?
        {
            answers.take(&table::MODEL, &folder)?;
        }
    }
    ask(answers, asking, &table::DEVICE, "Where to compute: cpu, cuda or cuda:N")?;
    ask(answers, asking, &table::GENERATION_BATCH_SIZE, "Rollouts decoded at once: 1, 2, 4, 8 or 16")
}
