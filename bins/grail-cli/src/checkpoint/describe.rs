//! `grail checkpoint describe`: the manifest of the model that a network starts with.

use anyhow::{Context as _, ensure};
use clap::Args;
use grail_artifact::manifest::MANIFEST_FILE;
use grail_node::describe::{MakeArgs, describe_model};

/// Which model, and how it is asked.
#[derive(Debug, Args)]
pub(crate) struct DescribeArgs {
    #[command(flatten)]
    make: MakeArgs,

    /// Replace a manifest that lies in the folder already.
    #[arg(long)]
    replace: bool,

    /// The outcome as a JSON object.
    #[arg(long = "as-json")]
    pub(super) as_json: bool,
}

/// Hashes the model's files and writes the manifest beside them.
///
/// It carries no signature: who starts with the same files and the same terms has the same checkpoint id, and who does not
/// derives other windows.
#[expect(clippy::print_stdout, reason = "the result of a program for people")]
pub(crate) fn run(args: &DescribeArgs) -> anyhow::Result<()> {
    let path = args.make.model()?.join(MANIFEST_FILE);
    ensure!(args.replace || !path.exists(), "{} is there already; keep it, or say --replace", path.display());
    let manifest = describe_model(&args.make)?.manifest;
    grail_fs::write(&path, &manifest.to_json()?).with_context(|| format!("write {}", path.display()))?;
    if args.as_json {
        let (id, environments) = (manifest.id().to_string(), &manifest.environments);
        let value = serde_json::json!({
            "version": 1, "manifest": path, "checkpoint": id, "profile": args.make.profile.profile,
            "max_new_tokens": manifest.max_new_tokens, "numeric": manifest.numeric, "environments": environments,
        });
        println!("{}", serde_json::to_string_pretty(&value)?);
        return Ok(());
    }
    println!("checkpoint {} described in {}", manifest.id(), path.display());
    Ok(())
}
