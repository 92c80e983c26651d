//! The chain: whether it lives, who we are on it, and what we published there.

use super::{check::Finding, published};
use grail_chain::Subnet;
use grail_config::{Config, Role, networks::NetworkChoice, table};
use grail_node::{local::Networks, store::StoreChoice, subnet};
use grail_ports::{Door, Fault, Retry, chain::ChainView, clock::Clock};
use grail_protocol::words::Hotkey;
use grail_store::ReadCredentials;
use std::{sync::Arc, time::Duration};

/// How long a call to the chain may take: a person waits.
const CALL: Duration = Duration::from_secs(12);

/// The chain of the settings; a call to it takes no longer than `patience`.
pub(crate) async fn open(
    networks: &dyn Networks,
    config: &Config,
    clock: Arc<dyn Clock>,
    patience: Duration,
) -> Result<Arc<dyn ChainView>, Fault> {
    let doing = "open the chain";
    if let Some(dir) = config.path(&table::DEVNET) {
        let net =
            networks.local(&dir).map_err(|error| Fault::new(Door::Chain, Retry::Never, doing, error))?;
        let chain = net.chain(clock).map_err(|error| Fault::new(Door::Chain, Retry::Never, doing, error))?;
        return Ok(chain);
    }
    let (_, mut settings) = subnet::chain_settings(config)
        .map_err(|error| Fault::plain(Door::Chain, Retry::Never, error.to_string()))?;
    settings.call_deadline = patience;
    Ok(Arc::new(Subnet::connect(settings).await?))
}

/// What is asked about ourselves.
pub(crate) struct Ourselves<'a> {
    pub(crate) hotkey: Option<Hotkey>,
    pub(crate) store: Option<&'a StoreChoice>,
    pub(crate) role: Role,
}

/// Everything about the chain.
pub(crate) async fn look(
    networks: &dyn Networks,
    config: &Config,
    clock: Arc<dyn Clock>,
    ourselves: Ourselves<'_>,
) -> Vec<Finding> {
    let network = config.network();
    let chain = match open(networks, config, clock.clone(), CALL).await {
        Ok(chain) => chain,
        Err(fault) => {
            let remedy =
                "check BT_NETWORK, NETUID and BT_CHAIN_ENDPOINT, and that this machine reaches the node";
            let found = Finding::bad("chain", "chain-unreachable", fault.chain(), remedy);
            let later = |check| Finding::skipped(check, "not known without the chain");
            return vec![found, later("registration"), later("commitment"), later("checkpoint")];
        }
    };
    let mut found = vec![
        alive(chain.as_ref(), clock.as_ref(), &network).await,
        registered(config, chain.as_ref(), &network, &ourselves).await,
        committed(chain.as_ref(), &ourselves).await,
    ];
    found.extend(published::look(networks, config, &chain, &ourselves).await);
    found
}

async fn alive(chain: &dyn ChainView, clock: &dyn Clock, network: &NetworkChoice) -> Finding {
    let head = match chain.head().await {
        Ok(head) => head,
        Err(fault) => {
            let remedy = "name another node in BT_CHAIN_ENDPOINT; several may stand there, joined by commas";
            return Finding::bad("chain", "chain-unreachable", fault.chain(), remedy);
        }
    };
    let now = clock.now();
    let (age, ahead) = (now.since(head.time), head.time.since(now));
    let block_time = network.params.block_time_ms;
    let told = format!("block {} is {:.0} s old", head.number, age as f64 / 1e3);
    if ahead > block_time {
        let told = format!("block {} is {:.0} s in the future", head.number, ahead as f64 / 1e3);
        Finding::bad(
            "chain",
            "clock-skew",
            told,
            "synchronise the clock: timedatectl set-ntp true, or chronyd",
        )
    } else if age > block_time.saturating_mul(10) {
        let remedy =
            "the node has fallen behind or the chain stands still; name another node in BT_CHAIN_ENDPOINT";
        Finding::bad("chain", "chain-stalled", told, remedy)
    } else if age > block_time.saturating_mul(4) {
        Finding::warning(
            "chain",
            "chain-slow",
            told,
            "look again in a minute; if it stays, name another node",
        )
    } else {
        Finding::good("chain", told)
    }
}

async fn registered(
    config: &Config,
    chain: &dyn ChainView,
    network: &NetworkChoice,
    ourselves: &Ourselves<'_>,
) -> Finding {
    let Some(hotkey) = ourselves.hotkey else {
        return Finding::skipped("registration", "not known without the hotkey");
    };
    let metagraph = match chain.metagraph().await {
        Ok(metagraph) => metagraph,
        Err(fault) => {
            let remedy = "try again; if it stays, name another node in BT_CHAIN_ENDPOINT";
            return Finding::bad("registration", "chain-unreachable", fault.chain(), remedy);
        }
    };
    match metagraph.find(&hotkey) {
        None => Finding::bad(
            "registration",
            "not-registered",
            format!("the hotkey {hotkey} is not registered on this subnet"),
            register_command(config, network),
        ),
        Some(neuron) if ourselves.role == Role::Validator && !neuron.validator_permit => Finding::bad(
            "registration",
            "no-permit",
            format!("{hotkey} has uid {} and no validator permit: its weights do not count", neuron.uid),
            "add stake to the hotkey until it is among the subnet's validators",
        ),
        Some(neuron) => Finding::good("registration", format!("{hotkey} has uid {}", neuron.uid)),
    }
}

/// The command that registers the hotkey.
pub(crate) fn register_command(config: &Config, network: &NetworkChoice) -> String {
    if config.get(&table::DEVNET).is_some() {
        return "name the key with --miners or --validators when making the network".to_owned();
    }
    let wallet = config.wallet();
    let netuid = network.netuid.map_or("NETUID".to_owned(), |netuid| netuid.to_string());
    let node = match network.name.as_str() {
        name @ ("finney" | "test" | "local") => name.to_owned(),
        _ => network.endpoints.first().cloned().unwrap_or_default(),
    };
    format!(
        "btcli subnet register --netuid {netuid} --network {node} --wallet.name {} --wallet.hotkey {}",
        wallet.cold, wallet.hot
    )
}

async fn committed(chain: &dyn ChainView, ourselves: &Ourselves<'_>) -> Finding {
    let check = "commitment";
    let (Some(hotkey), Some(store)) = (ourselves.hotkey, ourselves.store) else {
        return Finding::skipped(check, "not known without the hotkey and the bucket's keys");
    };
    let theirs = match chain.commitment(&hotkey).await {
        Ok(theirs) => theirs,
        Err(fault) => {
            let remedy = "try again; if it stays, name another node in BT_CHAIN_ENDPOINT";
            return Finding::bad(check, "chain-unreachable", fault.chain(), remedy);
        }
    };
    let Ok(own) = store.read.commitment(&store.write) else {
        return Finding::skipped(check, "equal keys are never published");
    };
    let command = "start the program, which publishes them, or run `grail chain commitment set`";
    match theirs {
        None => {
            Finding::warning(check, "not-committed", "the read credentials are not on the chain yet", command)
        }
        Some(theirs) if theirs == own => {
            Finding::good(check, "the chain holds the read credentials of the settings")
        }
        Some(theirs) => {
            let told = match ReadCredentials::from_commitment(&theirs) {
                Ok(other) if other.account() != store.read.account() => {
                    format!(
                        "the chain names the account {}, the settings {}",
                        other.account(),
                        store.read.account()
                    )
                }
                Ok(other) if other.access_key_id() != store.read.access_key_id() => format!(
                    "the chain names the read key {}, the settings {}",
                    other.access_key_id(),
                    store.read.access_key_id()
                ),
                Ok(_) => "the chain holds another secret of the read key than the settings".to_owned(),
                Err(error) => format!("what the hotkey committed is no credentials: {error}"),
            };
            Finding::bad(check, "commitment-differs", told, command)
        }
    }
}
