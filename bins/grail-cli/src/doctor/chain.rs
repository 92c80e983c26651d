//! The chain: whether it lives, who we are on it, and what we published there.

use super::{check::Finding, published, subnet as own};
use grail_chain::Subnet;
use grail_config::{Config, Role, networks::NetworkChoice, table};
use grail_node::{btcli, local::Networks, store::StoreChoice, subnet};
use grail_ports::{
    Door, Fault, Retry,
    chain::{ChainView, Neuron, WeightRow},
    clock::Clock,
};
use grail_protocol::words::{BlockNumber, Hotkey};
use grail_store::ReadCredentials;
use std::{sync::Arc, time::Duration};

/// How long a call to the chain may take: a person waits. Two come after each other at most, so that what a half-dead node
/// does say is told within the time of the whole doctor.
const CALL: Duration = Duration::from_secs(4);

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
    Ok(Arc::new(connect(config, patience).await?))
}

async fn connect(config: &Config, patience: Duration) -> Result<Subnet, Fault> {
    let (_, mut settings) = subnet::chain_settings(config)
        .map_err(|error| Fault::plain(Door::Chain, Retry::Never, error.to_string()))?;
    settings.call_deadline = patience;
    settings.connect_deadline = settings.connect_deadline.min(patience);
    settings.attempt_deadline = settings.attempt_deadline.min(patience.mul_f64(0.7));
    Subnet::connect(settings).await
}

/// What the network asks of whoever sets weights.
struct WeightTerms {
    /// Blocks between two rows.
    rate_limit: u64,
    /// In words: length of an epoch, and whether weights are sealed.
    epoch: Option<String>,
}

/// The chain as the doctor reads it.
struct Opened {
    view: Arc<dyn ChainView>,
    /// A subnet, which is asked for its terms; or those of a development network.
    terms: Result<Subnet, WeightTerms>,
}

impl Opened {
    async fn of(networks: &dyn Networks, config: &Config, clock: Arc<dyn Clock>) -> Result<Self, Fault> {
        let Some(dir) = config.path(&table::DEVNET) else {
            let subnet = connect(config, CALL).await?;
            return Ok(Self { view: Arc::new(subnet.clone()), terms: Ok(subnet) });
        };
        let view = open(networks, config, clock, CALL).await?;
        let net = networks
            .local(&dir)
            .map_err(|error| Fault::new(Door::Chain, Retry::Never, "open the network", error))?;
        let rate_limit = net.facts().weights_rate_limit;
        Ok(Self { view, terms: Err(WeightTerms { rate_limit, epoch: None }) })
    }

    /// What only a subnet has: immunity, and collateral.
    async fn tenure(&self, hotkey: &Hotkey) -> Option<Finding> {
        let subnet = self.terms.as_ref().ok()?;
        match subnet.membership(hotkey).await {
            Ok(found) => {
                let found = found?;
                let collateral = found.collateral.as_ref().map(|held| (held.locked, held.min_locked));
                Some(tenure(found.block, found.immune_until, collateral))
            }
            Err(fault) => {
                let remedy = "try again; `grail chain` reads it alone";
                Some(Finding::warning("tenure", "chain-unreachable", fault.chain(), remedy))
            }
        }
    }

    async fn terms(&self) -> Result<WeightTerms, Fault> {
        let subnet = match &self.terms {
            Ok(subnet) => subnet,
            Err(WeightTerms { rate_limit, .. }) => {
                return Ok(WeightTerms { rate_limit: *rate_limit, epoch: None });
            }
        };
        let terms = subnet.terms().await?;
        let sealed = if terms.commit_reveal {
            format!("weights are sealed for {} epochs", terms.reveal_period)
        } else {
            "weights are open".to_owned()
        };
        let next = terms.next_epoch.map(|block| format!(", the next begins in block {block}"));
        let epoch = format!("an epoch has {} blocks{}, {sealed}", terms.tempo, next.unwrap_or_default());
        Ok(WeightTerms { rate_limit: terms.weights_rate_limit, epoch: Some(epoch) })
    }
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
    let opened = match Opened::of(networks, config, clock.clone()).await {
        Ok(opened) => opened,
        Err(fault) => {
            let remedy =
                "check BT_NETWORK, NETUID and BT_CHAIN_ENDPOINT, and that this machine reaches the node";
            let found = Finding::bad("chain", "chain-unreachable", fault.chain(), remedy);
            let later = |check| Finding::skipped(check, "not known without the chain");
            let mut checks = vec!["registration", "commitment", "checkpoint"];
            if ourselves.role == Role::Validator {
                checks.insert(1, "weights");
            }
            return std::iter::once(found).chain(checks.into_iter().map(later)).collect();
        }
    };
    let view = opened.view.as_ref();
    // Development networks have no runtime.
    let runtime = async {
        match &opened.terms {
            Ok(subnet) => Some(own::runtime(subnet).await),
            Err(_) => None,
        }
    };
    let (alive, participation, committed, published, runtime) = futures::join!(
        alive(view, clock.as_ref(), &network),
        participation(config, &opened, &network, &ourselves),
        committed(view, &ourselves),
        published::look(networks, config, &opened.view, &ourselves),
        runtime,
    );
    let mut found = vec![alive];
    found.extend(runtime);
    found.extend(participation);
    found.push(committed);
    found.extend(published);
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

/// Who we are there, and for a validator when weights may be set.
async fn participation(
    config: &Config,
    opened: &Opened,
    network: &NetworkChoice,
    ourselves: &Ourselves<'_>,
) -> Vec<Finding> {
    let Some(hotkey) = ourselves.hotkey else {
        return vec![Finding::skipped("registration", "not known without the hotkey")];
    };
    let (metagraph, terms, tenure) =
        futures::future::join3(opened.view.metagraph(), opened.terms(), opened.tenure(&hotkey)).await;
    let metagraph = match metagraph {
        Ok(metagraph) => metagraph,
        Err(fault) => return vec![unanswered("registration", &fault)],
    };
    let Some(neuron) = metagraph.find(&hotkey) else {
        return vec![Finding::bad(
            "registration",
            "not-registered",
            format!("the hotkey {hotkey} is not registered on this subnet"),
            register_command(config, network),
        )];
    };
    let mut found = vec![registered(neuron, ourselves.role)];
    found.extend(tenure);
    if ourselves.role == Role::Validator {
        found.push(match terms {
            Ok(terms) => {
                let row = opened.view.weights(neuron.uid).await;
                weights(neuron, metagraph.block, &terms, row.as_ref().map(Option::as_ref))
            }
            Err(fault) => unanswered("weights", &fault),
        });
    }
    found
}

/// How safe the place on the subnet is. Amounts in RAO.
fn tenure(block: BlockNumber, immune_until: Option<BlockNumber>, collateral: Option<(u64, u64)>) -> Finding {
    let immune = match immune_until {
        Some(until) if until > block => format!("immune until block {until}, {} from now", until.0 - block.0),
        Some(until) => {
            format!("no longer immune, since block {until}: another registration may take its place")
        }
        None => "the chain does not say how long it is immune".to_owned(),
    };
    let tokens = |rao: u64| rao as f64 / 1e9;
    let held = collateral.map(|(locked, least)| {
        format!(
            "; collateral of {:.9} is locked, at least {:.9}: released only as it earns, and kept over a deregistration",
            tokens(locked),
            tokens(least)
        )
    });
    Finding::good("tenure", immune + &held.unwrap_or_default())
}

fn unanswered(check: &'static str, fault: &Fault) -> Finding {
    let remedy = "try again; if it stays, name another node in BT_CHAIN_ENDPOINT";
    Finding::bad(check, "chain-unreachable", fault.chain(), remedy)
}

fn registered(neuron: &Neuron, role: Role) -> Finding {
    let check = "registration";
    let Neuron { uid, hotkey, stake, .. } = neuron;
    let permit = if neuron.validator_permit { "a validator permit" } else { "no validator permit" };
    match role {
        Role::Validator if !neuron.validator_permit => Finding::bad(
            check,
            "no-permit",
            format!(
                "{hotkey} has uid {uid}, a stake of {stake:.3} and no validator permit: its weights do not count"
            ),
            "add stake to the hotkey until it is among the subnet's validators",
        ),
        Role::Validator => {
            Finding::good(check, format!("{hotkey} has uid {uid}, a stake of {stake:.3} and {permit}"))
        }
        _ => {
            let share = f64::from(neuron.incentive) / f64::from(u16::MAX);
            Finding::good(check, format!("{hotkey} has uid {uid}, an incentive of {share:.4}, and {permit}"))
        }
    }
}

/// When weights were set last, and when they may be again.
fn weights(
    neuron: &Neuron,
    head: BlockNumber,
    terms: &WeightTerms,
    row: Result<Option<&WeightRow>, &Fault>,
) -> Finding {
    let check = "weights";
    let next = neuron.last_update.0.saturating_add(terms.rate_limit);
    let when = if next <= head.0 {
        "they may be set now".to_owned()
    } else {
        format!(
            "the rate limit of {} blocks keeps them until block {next}, {} from now",
            terms.rate_limit,
            next - head.0
        )
    };
    let epoch = terms.epoch.as_ref().map(|epoch| format!("; {epoch}")).unwrap_or_default();
    match row {
        Err(fault) => unanswered(check, fault),
        Ok(None) => Finding::good(check, format!("none are open on the chain; {when}{epoch}")),
        Ok(Some(row)) => {
            let told = format!("last {}, of {} miners; {when}{epoch}", set_at(neuron, head), row.len());
            Finding::good(check, told)
        }
    }
}

fn set_at(neuron: &Neuron, head: BlockNumber) -> String {
    format!("set at block {}, {} blocks ago", neuron.last_update, head.0.saturating_sub(neuron.last_update.0))
}

/// The command that registers the hotkey.
pub(crate) fn register_command(config: &Config, network: &NetworkChoice) -> String {
    if config.get(&table::DEVNET).is_some() {
        return "name the key with --miners or --validators when making the network".to_owned();
    }
    btcli::register(&config.wallet(), network)
}

async fn committed(chain: &dyn ChainView, ourselves: &Ourselves<'_>) -> Finding {
    let check = "commitment";
    let (Some(hotkey), Some(store)) = (ourselves.hotkey, ourselves.store) else {
        return Finding::skipped(check, "not known without the hotkey and the bucket's keys");
    };
    let theirs = match chain.commitment(&hotkey).await {
        Ok(theirs) => theirs,
        Err(fault) => return unanswered(check, &fault),
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
            let (account, key) = (store.read.account(), store.read.access_key_id());
            Finding::good(
                check,
                format!("others read the bucket {account} by the key {key}, as the settings say"),
            )
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::check::Standing;

    fn neuron(permit: bool) -> Neuron {
        Neuron {
            uid: 7,
            hotkey: Hotkey::from_bytes([1; 32]),
            stake: 12.5,
            validator_permit: permit,
            last_update: BlockNumber(1_000),
            incentive: 6_554,
        }
    }

    #[test]
    fn a_participant_is_told_with_what_it_has() {
        let miner = registered(&neuron(false), Role::Miner);
        assert!(miner.told.contains("uid 7, an incentive of 0.1000"), "{}", miner.told);
        let validator = registered(&neuron(true), Role::Validator);
        assert!(validator.told.contains("a stake of 12.500 and a validator permit"), "{}", validator.told);
        assert_eq!(registered(&neuron(false), Role::Validator).code, Some("no-permit"));
    }

    #[test]
    fn immunity_and_collateral_are_told() {
        let told =
            |until: u64, collateral| tenure(BlockNumber(100), Some(BlockNumber(until)), collateral).told;
        assert_eq!(told(160, None), "immune until block 160, 60 from now");
        assert!(told(100, Some((2_500_000_000, 1))).starts_with("no longer immune, since block 100"));
        assert!(told(160, Some((2_500_000_000, 0))).contains("collateral of 2.500000000 is locked"));
    }

    #[test]
    fn weights_are_told_with_the_block_from_which_they_may_be_set_again() {
        let terms =
            WeightTerms { rate_limit: 100, epoch: Some("an epoch has 360 blocks, weights are open".into()) };
        let row: WeightRow = vec![(1, 2), (3, 4)];
        let look = |head| weights(&neuron(true), BlockNumber(head), &terms, Ok(Some(&row)));
        let waits = look(1_040);
        assert_eq!(waits.standing, Standing::Good);
        assert!(
            waits.told.starts_with("last set at block 1000, 40 blocks ago, of 2 miners"),
            "{}",
            waits.told
        );
        assert!(waits.told.contains("100 blocks keeps them until block 1100, 60 from now"), "{}", waits.told);
        assert!(look(1_100).told.contains("they may be set now; an epoch has 360 blocks"));
        let fault = Fault::plain(Door::Chain, Retry::Later, "gone");
        assert_eq!(
            weights(&neuron(true), BlockNumber(1_040), &terms, Err(&fault)).code,
            Some("chain-unreachable")
        );
    }
}
