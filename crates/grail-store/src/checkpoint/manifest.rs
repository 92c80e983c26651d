//! What a place on a shelf says about itself: manifest and marker. No file of the checkpoint is touched.

use super::error::{CheckpointRefusal, Stop};
use grail_artifact::{
    checkpoint::{CheckpointPlace, DeltaStep, FileName, Trust, verify_manifest},
    manifest::{MANIFEST_BYTES, Manifest},
};
use grail_ports::checkpoint::CheckpointShelf;
use grail_protocol::{params::Params, words::Hotkey};

/// Most bytes that are read of a marker.
const MARKER_BYTES: u64 = 128;

/// The manifest of a place, signed by the trainer and of that place's window.
pub(super) async fn signed_manifest(
    shelf: &dyn CheckpointShelf,
    place: CheckpointPlace,
    trainer: &Hotkey,
    params: &Params,
    last_sequence: Option<u64>,
) -> Result<Manifest, Stop> {
    let json = small(shelf, place, FileName::manifest(), MANIFEST_BYTES).await?;
    let manifest = verify_manifest(&json, params, Trust::Trainer(trainer), last_sequence)?;
    if manifest.window != place.window() {
        return Err(CheckpointRefusal::WrongPlace { says: manifest.window }.into());
    }
    Ok(manifest)
}

/// What is wrong with the marker of a place; nothing where it was written for this manifest.
pub(super) async fn marker_trouble(
    shelf: &dyn CheckpointShelf,
    place: CheckpointPlace,
    manifest: &Manifest,
) -> Result<Option<CheckpointRefusal>, Stop> {
    let marker = small(shelf, place, FileName::ready(), MARKER_BYTES).await?;
    Ok((marker != marker_of(manifest).as_bytes()).then_some(CheckpointRefusal::ForeignMarker))
}

async fn small(
    shelf: &dyn CheckpointShelf,
    place: CheckpointPlace,
    name: FileName,
    most: u64,
) -> Result<Vec<u8>, Stop> {
    let file = name.to_string();
    let part = shelf.fetch(&place.file(name), 0, most).await?;
    let part = part.ok_or_else(|| CheckpointRefusal::Gone { file: file.clone() })?;
    if part.size > most {
        return Err(CheckpointRefusal::Size { file, got: part.size, want: most }.into());
    }
    Ok(part.body.to_vec())
}

/// The way from another checkpoint to this one, where there is one.
pub(super) fn step_of(manifest: &Manifest) -> Option<&DeltaStep> {
    manifest.publication.as_ref().and_then(|publication| publication.step.as_ref())
}

/// What the marker of a checkpoint holds: its id and a line feed.
pub(super) fn marker_of(manifest: &Manifest) -> String {
    format!("{}\n", manifest.id())
}
