//! What libtorch says of a model's folder, to this program and to the tool, which holds none.

use crate::engine::place;
use clap::Args;
use grail_node::ready::{ModelLook, TorchLook, TorchTrouble};
use grail_protocol::words::CheckpointId;
use grail_torch::{LoadOptions, Model};
use std::path::{Path, PathBuf};

/// Opens weights and devices by the libtorch of this program.
#[derive(Debug, Clone, Copy)]
pub struct Libtorch;

impl TorchLook for Libtorch {
    fn look(&self, folder: &Path, device: &str) -> Result<ModelLook, TorchTrouble> {
        look(folder, device).map_err(|error| TorchTrouble::Refused(format!("{error:#}")))
    }
}

fn look(folder: &Path, device: &str) -> anyhow::Result<ModelLook> {
    let options = LoadOptions { place: place(device)?, ..LoadOptions::default() };
    // Nobody derives anything of this look, so no checkpoint is named.
    let card = Model::look(folder, &options, CheckpointId::from_bytes([0; 32]))?;
    let description = card.description.split(',').next().unwrap_or_default().to_owned();
    Ok(ModelLook {
        description: format!("{description} on {device}"),
        context_length: card.context_length,
        end_tokens: card.end_tokens,
    })
}

/// The question that `grail doctor` asks.
#[derive(Debug, Clone, Args)]
pub struct LookArgs {
    /// Folder of the model.
    folder: PathBuf,

    /// Where it would compute.
    #[arg(long, default_value = "cpu")]
    device: String,
}

/// Answers it, as JSON. Errors: the folder or the device is refused.
#[expect(clippy::print_stdout, reason = "the answer of a program to another")]
pub(crate) fn answer(args: &LookArgs) -> anyhow::Result<bool> {
    println!("{}", serde_json::to_string(&look(&args.folder, &args.device)?)?);
    Ok(true)
}
