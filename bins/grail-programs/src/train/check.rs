//! `grail-trainer check`: everything that training needs, looked at before a window is lost.

use super::{TrainArgs, held_out, join, lock, settings::TrainingSettings, student};
use crate::{checks::Checks, engine::load, train};
use anyhow::{Context as _, bail};
use bytes::Bytes;
use grail_artifact::checkpoint::{CheckpointPlace, FileName, Inventory, Moment};
use grail_config::{Role, args::Told};
use grail_node::{local::Networks, network::Joined};
use grail_ports::learn::Learner as _;
use grail_protocol::words::WindowStart;

/// Runs every check; whether all went well.
pub(super) async fn run(networks: &dyn Networks, args: &TrainArgs) -> bool {
    let mut checks = Checks::default();
    let read = || {
        let told = train::told(&args.role)?;
        let settings = TrainingSettings::of(&told.config)?;
        anyhow::Ok((told, settings))
    };
    let (told, settings) = match read() {
        Ok(read) => read,
        Err(error) => {
            checks.line("settings", Err(error));
            return false;
        }
    };
    checks.line("settings", Ok("every value is in its range".into()));
    checks.ready(networks, Role::Trainer, &told.config);
    match join(networks, &told).await {
        Err(error) => checks.line("network and key", Err(error)),
        Ok(joined) => {
            let network = format!("network {}, whose trainer this is", joined.sources.network.id);
            checks.lines([
                ("network and key", Ok(network)),
                ("registration", registration(&joined).await),
                ("state folder", state(&told)),
                ("a validator to trust", validators(&told, &joined).await),
                ("checkpoint shelf: write, list, delete", shelf(&joined).await),
                ("held-out problems", problems(&told, &joined)),
                ("model and tokenizer", model(&told, &joined, &settings)),
            ]);
        }
    }
    checks.are_good()
}

async fn registration(joined: &Joined) -> anyhow::Result<String> {
    if joined.commitment.is_none() {
        return Ok("not needed on a development network".into());
    }
    Ok(format!("uid {}", joined.registered().await?))
}

fn state(told: &Told) -> anyhow::Result<String> {
    let folder = train::state(told)?;
    lock(&folder).map(|_| format!("{} is ours", folder.display()))
}

async fn validators(told: &Told, joined: &Joined) -> anyhow::Result<String> {
    let metagraph = joined.chain.metagraph().await?;
    let named = train::validators(&told.config)?;
    for hotkey in &named {
        match metagraph.find(hotkey) {
            None => bail!("{hotkey} is not registered; correct --validator"),
            Some(neuron) if !neuron.validator_permit => {
                bail!("{hotkey} (uid {}) has no validator permit; correct --validator", neuron.uid)
            }
            Some(_) => {}
        }
    }
    let count = metagraph.neurons.iter().filter(|neuron| neuron.validator_permit).count();
    if count == 0 {
        bail!("nobody on this network has a validator permit, so nobody publishes verdicts");
    }
    Ok(format!("{count} with a permit, {} named", named.len()))
}

/// Writes, lists and deletes an object at a place that no window has.
async fn shelf(joined: &Joined) -> anyhow::Result<String> {
    let key = CheckpointPlace::Window(WindowStart(u64::MAX)).file(FileName::new("trainer-check")?);
    joined.checkpoints.put(&key, Bytes::from_static(b"grail-trainer check")).await?;
    let listed = joined.checkpoints.list().await?;
    joined.checkpoints.delete(std::slice::from_ref(&key)).await?;
    if !listed.iter().any(|one| one.key == key) {
        bail!("wrote {key}, and the shelf does not list it");
    }
    let inventory = Inventory::new(listed);
    Ok(match inventory.ready_for(Moment::ANY).next() {
        Some(window) => format!("newest checkpoint there is of window {window}"),
        None => "no checkpoint there yet".into(),
    })
}

fn problems(told: &Told, joined: &Joined) -> anyhow::Result<String> {
    let names: Vec<&str> =
        held_out(&told.config, joined)?.iter().map(|environment| environment.name()).collect();
    Ok(if names.is_empty() { "none: the model will not be examined".into() } else { names.join(", ") })
}

fn model(told: &Told, joined: &Joined, settings: &TrainingSettings) -> anyhow::Result<String> {
    let engine = load(&told.model.model, &joined.manifest, &told.model).context("as a generator")?;
    let student = student(told, settings)?;
    let card = student.card();
    let parameters = student.learner().model().size();
    Ok(format!(
        "{}; {parameters} parameters, {} tokens, learns",
        engine.model.card().description,
        card.vocabulary
    ))
}
