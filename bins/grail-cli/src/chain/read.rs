//! Looking.

use super::{
    IntentsArgs, Who,
    open::{self, Open, config, open, waiting},
    tell, tell_json,
};
use anyhow::bail;
use grail_chain::{
    intents::{self, State, Wish},
    surface::{PartKind, PartState, SurfacePart},
    terms::SubnetConsensus,
};
use grail_config::flags::ConfigFlags;
use grail_node::local::Networks;
use grail_ports::{
    chain::{Neuron, WeightRow},
    clock::Clock as _,
};
use grail_protocol::words::{BlockNumber, Hotkey};
use grail_roles::clock::SystemClock;
use serde_json::json;
use tabled::{builder::Builder, settings::Style};

/// Smallest units of a token.
const RAO: f64 = 1e9;

pub(crate) async fn head(networks: &dyn Networks, flags: &ConfigFlags, json: bool) -> anyhow::Result<()> {
    let config = config(flags)?;
    let open = open(networks, &config, None, json).await?;
    let head = waiting("reading the newest block", json, open.view()?.head()).await?;
    let age_ms = SystemClock.now().since(head.time);
    let health = match &open {
        Open::Subnet(subnet) => Some(subnet.health()),
        Open::Local(_) => None,
    };
    if json {
        return tell_json(&json!({
            "version": 1, "number": head.number, "hash": head.hash, "time_ms": head.time, "age_ms": age_ms,
            "nodes": health,
        }));
    }
    tell(&format!("block {} {}", head.number, head.hash));
    tell(&format!("{:.0} s old by its own clock", age_ms as f64 / 1e3));
    for node in health.iter().flat_map(|health| &health.endpoints) {
        let used = health.as_ref().is_some_and(|health| health.connected.as_deref() == Some(&node.endpoint));
        let trouble = node.trouble.as_ref().map(|trouble| format!(", last trouble: {trouble}"));
        let used = if used { "used now" } else { "in reserve" };
        tell(&format!("{} {used}, health {:.2}{}", node.endpoint, node.score, trouble.unwrap_or_default()));
    }
    Ok(())
}

pub(crate) async fn metagraph(
    networks: &dyn Networks,
    flags: &ConfigFlags,
    json: bool,
) -> anyhow::Result<()> {
    let config = config(flags)?;
    let open = open(networks, &config, None, json).await?;
    let graph = waiting("reading the metagraph", json, open.view()?.metagraph()).await?;
    if json {
        return tell_json(&json!({ "version": 1, "block": graph.block, "neurons": graph.neurons }));
    }
    let mut table = Builder::default();
    table.push_record(["uid", "hotkey", "stake", "permit", "last update", "incentive"]);
    for neuron in &graph.neurons {
        table.push_record([
            neuron.uid.to_string(),
            neuron.hotkey.to_string(),
            format!("{:.3}", neuron.stake),
            if neuron.validator_permit { "yes" } else { "no" }.into(),
            neuron.last_update.to_string(),
            neuron.incentive.to_string(),
        ]);
    }
    tell(&table.build().with(Style::modern_rounded()).to_string());
    tell(&format!("{} participants at block {}", graph.neurons.len(), graph.block));
    Ok(())
}

pub(crate) async fn commitment(
    networks: &dyn Networks,
    flags: &ConfigFlags,
    who: Option<Who>,
    json: bool,
) -> anyhow::Result<bool> {
    let config = config(flags)?;
    let open = open(networks, &config, None, json).await?;
    let view = open.view()?;
    let hotkey = match who {
        Some(Who::Hotkey(hotkey)) => hotkey,
        Some(Who::Uid(_)) => {
            let graph = waiting("reading the metagraph", json, view.metagraph()).await?;
            open.resolve(who, &config, &graph)?.0
        }
        None => open.own(&config)?,
    };
    let found = waiting("reading the commitment", json, view.commitment(&hotkey)).await?;
    let text = found.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok());
    let hex = found.as_deref().map(hex);
    if json {
        let bytes = found.as_ref().map(Vec::len);
        tell_json(&json!({ "version": 1, "hotkey": hotkey, "bytes": bytes, "hex": hex, "text": text }))?;
    } else {
        match (&hex, text.filter(|text| !text.chars().any(char::is_control))) {
            (None, _) => tell(&format!("{hotkey} committed nothing on this subnet")),
            (Some(_), Some(text)) => tell(text),
            (Some(hex), None) => tell(&format!("0x{hex}")),
        }
    }
    Ok(found.is_some())
}

pub(crate) async fn weights(
    networks: &dyn Networks,
    flags: &ConfigFlags,
    who: Option<Who>,
    json: bool,
) -> anyhow::Result<bool> {
    let config = config(flags)?;
    let open = open(networks, &config, None, json).await?;
    let view = open.view()?;
    let graph = waiting("reading the metagraph", json, view.metagraph()).await?;
    let (hotkey, neuron) = open.resolve(who, &config, &graph)?;
    let Some(neuron) = neuron else {
        bail!("{hotkey} is not registered on this subnet; `grail chain register-cost` shows the price");
    };
    let row = waiting("reading the weights", json, view.weights(neuron.uid)).await?;
    let (limit, sealed) = match &open {
        Open::Subnet(subnet) => {
            let terms = waiting("reading the terms", json, subnet.terms()).await?;
            (terms.weights_rate_limit, terms.commit_reveal)
        }
        Open::Local(net) => (net.facts().weights_rate_limit, false),
    };
    let next = BlockNumber(neuron.last_update.0.saturating_add(limit));
    if json {
        tell_json(&json!({
            "version": 1, "hotkey": hotkey, "uid": neuron.uid, "last_update": neuron.last_update,
            "next_allowed": next, "head": graph.block, "sealed": sealed, "weights": row,
        }))?;
    } else {
        tell_weights(&hotkey, &neuron, row.as_ref());
        let when = if next <= graph.block { "now" } else { "not yet" };
        tell(&format!("may be set again from block {next} on ({when}, the newest is {})", graph.block));
        if sealed {
            tell("this subnet takes weights sealed: new ones show only after they open");
        }
    }
    Ok(row.is_some())
}

fn tell_weights(hotkey: &Hotkey, neuron: &Neuron, row: Option<&WeightRow>) {
    let Some(row) = row else {
        tell(&format!("uid {} ({hotkey}) has set no weights", neuron.uid));
        return;
    };
    tell(&format!("uid {} ({hotkey}) at block {}:", neuron.uid, neuron.last_update));
    tell(&row_table(row));
}

/// A row as the chain stores it, with each one's share.
pub(super) fn row_table(row: &WeightRow) -> String {
    let sum: f64 = row.iter().map(|&(_, weight)| f64::from(weight)).sum();
    let mut table = Builder::default();
    table.push_record(["uid", "weight", "share"]);
    for &(uid, weight) in row {
        let share = if sum > 0.0 { f64::from(weight) / sum * 100.0 } else { 0.0 };
        table.push_record([uid.to_string(), weight.to_string(), format!("{share:.3} %")]);
    }
    table.build().with(Style::modern_rounded()).to_string()
}

pub(crate) async fn register_cost(
    networks: &dyn Networks,
    flags: &ConfigFlags,
    json: bool,
) -> anyhow::Result<()> {
    let config = config(flags)?;
    let Open::Subnet(subnet) = open(networks, &config, None, json).await? else {
        bail!("a network on this machine has no price: name its participants when making it");
    };
    let terms = waiting("reading the terms", json, subnet.terms()).await?;
    if json {
        return tell_json(&terms);
    }
    match terms.register_cost {
        0 => tell("this runtime does not say the price of a registration; btcli shows it before it pays"),
        cost => tell(&format!(
            "a registration costs {:.9} tokens now; btcli asks before it pays",
            cost as f64 / RAO
        )),
    }
    if terms.collateral_share > 0 {
        let share = f64::from(terms.collateral_share) / f64::from(u16::MAX) * 100.0;
        tell(&format!(
            "{share:.1} % of it is locked as collateral: released only by what the hotkey earns, kept over a \
             deregistration"
        ));
    }
    tell(&format!("{} participants; an epoch has {} blocks", terms.participants, terms.tempo));
    if let (Some(epoch), Some(next)) = (terms.epoch, terms.next_epoch) {
        tell(&format!("epoch {epoch}; the next begins in block {next}, the newest is {}", terms.block));
    }
    match &terms.consensus {
        SubnetConsensus::Yuma => {}
        SubnetConsensus::Null => {
            tell("Null consensus: the weights of the one validator with a permit count as they are")
        }
        SubnetConsensus::Other(name) => tell(&format!("consensus {name}, which this program does not know")),
    }
    if terms.mechanisms > 1 {
        tell(&format!("{} mechanisms", terms.mechanisms));
    }
    tell(&format!("weights: every {} blocks, version key {}", terms.weights_rate_limit, terms.version_key));
    if terms.commit_reveal {
        tell(&format!("weights are sealed and open after {} epochs", terms.reveal_period));
    }
    Ok(())
}

pub(crate) async fn runtime(
    networks: &dyn Networks,
    flags: &ConfigFlags,
    all: bool,
    json: bool,
) -> anyhow::Result<bool> {
    let config = config(flags)?;
    let Open::Subnet(subnet) = open(networks, &config, None, json).await? else {
        bail!("a network on this machine has no runtime");
    };
    let (spec, parts) = waiting("reading the runtime", json, subnet.surface()).await?;
    let troubles = parts.iter().filter(|part| part.is_trouble()).count();
    if json {
        tell_json(&json!({ "version": 1, "spec": spec, "troubles": troubles, "parts": parts }))?;
        return Ok(troubles == 0);
    }
    tell(&format!("runtime {spec}: {} parts are read or written here, {troubles} with trouble", parts.len()));
    let quiet = |part: &&SurfacePart| all || part.is_trouble() || part.state == PartState::Absent;
    // Errors come and go with versions; one that is absent cannot be met.
    let shown = parts.iter().filter(quiet).filter(|part| all || part.kind != PartKind::Error);
    for part in shown {
        tell(&part.to_string());
    }
    Ok(troubles == 0)
}

pub(crate) async fn standing(
    networks: &dyn Networks,
    flags: &ConfigFlags,
    who: Option<Who>,
    json: bool,
) -> anyhow::Result<bool> {
    let config = config(flags)?;
    let open = open(networks, &config, None, json).await?;
    let Open::Subnet(subnet) = &open else {
        bail!(
            "a network on this machine has neither epochs nor collateral; `grail chain metagraph` shows it"
        );
    };
    let hotkey = match who {
        Some(Who::Hotkey(hotkey)) => hotkey,
        Some(Who::Uid(_)) => {
            let graph = waiting("reading the metagraph", json, open.view()?.metagraph()).await?;
            open.resolve(who, &config, &graph)?.0
        }
        None => open.own(&config)?,
    };
    let found = waiting("reading how it stands", json, subnet.membership(&hotkey)).await?;
    if json {
        tell_json(&json!({ "version": 1, "hotkey": hotkey, "membership": found }))?;
        return Ok(found.is_some());
    }
    let Some(found) = found else {
        tell(&format!(
            "{hotkey} is not registered on this subnet; `grail chain register-cost` shows the price"
        ));
        return Ok(false);
    };
    tell(&format!("{hotkey} has uid {} at block {}", found.uid, found.block));
    if let Some(coldkey) = found.coldkey {
        tell(&format!("owned by {coldkey}"));
    }
    tell(if found.validator_permit { "it has a validator permit" } else { "it has no validator permit" });
    tell(&format!(
        "last weights (or registration) in block {}, the next from {} on",
        found.last_update, found.next_weights
    ));
    if let Some(until) = found.immune_until {
        let is = if until > found.block { "immune until" } else { "no longer immune, since" };
        tell(&format!("{is} block {until}"));
    }
    if let Some(collateral) = found.collateral {
        let tokens = |rao: u64| rao as f64 / RAO;
        tell(&format!(
            "collateral {:.9}, at least {:.9}, earned {:.9} of its release; it is released only by earnings and kept over \
             a deregistration",
            tokens(collateral.locked),
            tokens(collateral.min_locked),
            tokens(collateral.earned)
        ));
    }
    Ok(true)
}

pub(crate) fn intents(args: &IntentsArgs, json: bool) -> anyhow::Result<()> {
    let config = config(&args.config)?;
    let folder = open::journal(args.journal.as_deref(), &config);
    let found = intents::look(&folder)?;
    if json {
        let told: Vec<_> = found
            .iter()
            .map(|(hotkey, place, intents)| json!({ "hotkey": hotkey, "place": place, "intents": intents }))
            .collect();
        return tell_json(&json!({ "version": 1, "folder": folder, "journals": told }));
    }
    if found.is_empty() {
        tell(&format!("no intents in {}", folder.display()));
    }
    for (hotkey, place, intents) in &found {
        tell(&format!("{hotkey} on subnet {}, mechanism {}", place.netuid, place.mechanism));
        let mut table = Builder::default();
        table.push_record(["id", "planned at", "weights", "transactions", "state"]);
        for intent in intents {
            let entries = match &intent.wish {
                Wish::Weights(row) => row.len().to_string(),
                Wish::Commitment(_) => "a commitment".into(),
            };
            table.push_record([
                intent.id.to_string(),
                intent.planned.to_string(),
                entries,
                intent.transactions.to_string(),
                state(&intent.state),
            ]);
        }
        tell(&table.build().with(Style::modern_rounded()).to_string());
    }
    Ok(())
}

fn state(state: &State) -> String {
    match state {
        State::Planned => "planned".into(),
        State::Sent(sent) => format!("sent 0x{}…, valid before block {}", &hex(&sent.hash)[..8], sent.death),
        State::Included { block, .. } => format!("in block {block}, not final yet"),
        State::Finalized { block, .. } => format!("final in block {block}"),
        State::Expired { at } => format!("given up at block {at}"),
        State::Postponed { not_before } => format!("too soon; not before block {not_before}"),
        State::Refused { why } => format!("refused: {why}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_read_as_sentences() {
        assert_eq!(state(&State::Finalized { block: BlockNumber(7), hash: [0; 32] }), "final in block 7");
        assert_eq!(hex(&[0, 255]), "00ff");
    }

    #[test]
    fn a_row_shows_shares() {
        let shown = row_table(&vec![(1, 65_535), (2, 65_535)]);
        assert_eq!(shown.matches("50.000 %").count(), 2);
    }
}
