//! `grail checkpoint list`: what lies on the shelf.

use super::{audit, show};
use clap::Args;
use grail_artifact::checkpoint::PublicationKind;
use grail_node::{
    checkpoint_shelf::{Access, ShelfArgs},
    local::Networks,
};
use grail_store::checkpoint::{CheckpointRefusal, Looked};
use serde::Serialize;

/// Which shelf.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    shelf: ShelfArgs,

    /// A JSON array, one object a place.
    #[arg(long = "as-json")]
    pub(super) as_json: bool,
}

/// A place, for scripts.
#[derive(Debug, Serialize)]
struct Row {
    place: String,
    window: u64,
    id: Option<String>,
    sequence: Option<u64>,
    kind: Option<&'static str>,
    base_window: Option<u64>,
    base: Option<String>,
    whole_bytes: Option<u64>,
    stored_bytes: u64,
    written_at_ms: Option<u64>,
    state: &'static str,
    reasons: Vec<String>,
}

/// Lists.
#[expect(clippy::print_stdout, reason = "the result of a program for people")]
pub(super) async fn run(networks: &dyn Networks, args: &ListArgs) -> anyhow::Result<()> {
    let open = args.shelf.open(networks, Access::Read).await?;
    let audit = audit(&open).await?;
    let mut found = Vec::new();
    for place in audit.places() {
        found.push(audit.look(place).await?);
    }
    if args.as_json {
        return show::json(&found.iter().map(row).collect::<Vec<Row>>());
    }
    if found.is_empty() {
        println!("nothing lies under checkpoints/ in {}", open.name);
        return Ok(());
    }
    let mut table = tabled::builder::Builder::default();
    table.push_record(["place", "sequence", "kind", "whole", "stored", "written", "state"]);
    for looked in &found {
        let unknown = || "?".to_owned();
        table.push_record([
            looked.place.to_string(),
            looked.manifest.as_ref().map_or_else(unknown, |manifest| manifest.sequence.to_string()),
            kind(looked),
            looked.whole_bytes().map_or_else(unknown, show::bytes),
            show::bytes(looked.stored_bytes()),
            looked.written_at.map_or_else(unknown, show::utc),
            state_in_words(looked),
        ]);
    }
    println!("{}", table.build().with(tabled::settings::Style::modern_rounded()));
    Ok(())
}

fn row(looked: &Looked) -> Row {
    let publication = looked.manifest.as_ref().and_then(|manifest| manifest.publication.as_ref());
    let step = publication.and_then(|publication| publication.step.as_ref());
    Row {
        place: looked.place.to_string(),
        window: looked.place.window().0,
        id: looked.manifest.as_ref().map(|manifest| manifest.id().to_string()),
        sequence: looked.manifest.as_ref().map(|manifest| manifest.sequence),
        kind: publication.map(|publication| publication.kind.name()),
        base_window: step.map(|step| step.base_window.0),
        base: step.map(|step| step.base.to_string()),
        whole_bytes: looked.whole_bytes(),
        stored_bytes: looked.stored_bytes(),
        written_at_ms: looked.written_at.map(|at| at.0),
        state: state(looked),
        reasons: looked.problems.iter().map(show::reason).collect(),
    }
}

/// `full`, `delta of 40`, or both ways.
fn kind(looked: &Looked) -> String {
    let publication = looked.manifest.as_ref().and_then(|manifest| manifest.publication.as_ref());
    let Some(publication) = publication else { return "?".to_owned() };
    let base = publication.step.as_ref().map(|step| format!("delta of {}", step.base_window));
    match (publication.kind, base) {
        (PublicationKind::Delta, Some(base)) => base,
        (PublicationKind::Full, Some(base)) => format!("full, and {base}"),
        (kind, None) => kind.name().to_owned(),
    }
}

/// One word: `ready`, `not-ready`, `broken` or `refused`.
fn state(looked: &Looked) -> &'static str {
    match looked.problems.first() {
        None => "ready",
        Some(CheckpointRefusal::NotReady) => "not-ready",
        Some(CheckpointRefusal::Broken { .. }) => "broken",
        Some(_) => "refused",
    }
}

fn state_in_words(looked: &Looked) -> String {
    match looked.problems.first() {
        None => "ready".to_owned(),
        Some(CheckpointRefusal::NotReady) => "not ready".to_owned(),
        Some(CheckpointRefusal::Broken { files }) => {
            let files: Vec<&str> = files.iter().map(String::as_str).collect();
            format!("broken: {}", files.join(", "))
        }
        Some(refusal) => format!("refused: {}", show::reason(refusal)),
    }
}
