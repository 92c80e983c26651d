//! What one role needs and another does not, and what can be fetched while somebody waits.

use super::{Answers, ask::Asking, require, settled, show, steps::ask};
use crate::{doctor::RoleName, join};
use grail_config::{networks, table};
use grail_node::local::Networks;

/// What networks with a name fix, and the owner of any other subnet says: constants, beacon, policy.
pub(crate) fn of_a_chain_without_a_name(answers: &mut Answers, asking: &mut Asking) -> anyhow::Result<()> {
    let network = answers.config().network();
    let local = answers.config().get(&table::DEVNET).is_some();
    if !asking.is_interactive() || local || networks::by_name(&network.name).is_some() {
        return Ok(());
    }
    show(
        "this chain has no name here; what follows is the subnet owner's to say, and must be the same for everybody",
    );
    if !settled(answers, asking, &table::PROFILE) {
        let now = answers.text(&table::PROFILE).unwrap_or_else(|| network.params.profile.to_owned());
        let value =
            asking.value("Constants of its windows: main, dev or dev-fast", &table::PROFILE, Some(now))?;
        answers.take(&table::PROFILE, &value)?;
    }
    let questions = [
        (&table::BEACON_RELAYS, "drand relays, joined by commas (nothing: the public ones)"),
        (&table::BEACON_CHAIN, "File that describes its beacon (nothing: drand quicknet)"),
        (&table::NETWORK_POLICY, "File with what it states of weights and seeding (nothing: none)"),
    ];
    for (setting, prompt) in questions {
        if !settled(answers, asking, setting)
            && let Some(value) = asking.optional(prompt, setting, answers.text(setting))?
        {
            answers.take(setting, &value)?;
        }
    }
    Ok(())
}

/// Folders that a role's memory lies in.
pub(crate) fn of_role(role: RoleName, answers: &mut Answers, asking: &mut Asking) -> anyhow::Result<()> {
    let (setting, prompt, usual) = match role {
        RoleName::Miner => return Ok(()),
        RoleName::Validator => (
            &table::REPORTS,
            "Folder for verdicts: the validator's memory, on a disk that survives",
            "reports",
        ),
        RoleName::Trainer => {
            (&table::TRAINER_STATE, "Folder for the trainer's state, on a disk that survives", "trainer")
        }
    };
    if asking.is_interactive() && answers.text(setting).is_none() && !settled(answers, asking, setting) {
        let value = asking.value(prompt, setting, Some(usual.to_owned()))?;
        return answers.take(setting, &value);
    }
    ask(answers, asking, setting, prompt)?;
    require(answers, &[setting])
}

/// Model and data, where the person wants them now.
pub(crate) async fn fetch(
    networks: &dyn Networks,
    answers: &mut Answers,
    asking: &mut Asking,
) -> anyhow::Result<()> {
    let has_model = answers.config().get(&table::MODEL).is_some();
    if has_model || !asking.is_interactive() || settled(answers, asking, &table::MODEL) {
        return Ok(());
    }
    if !asking
        .confirm("Fetch the network's newest model and what its environments need now (grail join)?", true)?
    {
        return Ok(());
    }
    match join::fetch(networks, answers.config(), None, None).await {
        Ok(outcome) => {
            join::tell_people(&outcome);
            if let Some(model) = &outcome.model {
                answers.take(&table::MODEL, &model.display().to_string())?;
            }
        }
        Err(error) => show(&format!("not fetched: {error:#}; `grail join` tries again")),
    }
    Ok(())
}
