//! A window file on this disk as a case for the court: the verdict before upload, or of an old file again.

use crate::network::{View, by_block_hash};
use anyhow::{Context as _, bail};
use grail_artifact::{
    limits::LIMITS,
    window::{JsonCodec, WindowCodec, WindowHeader},
};
use grail_env::Environment;
use grail_parquet::ParquetCodec;
use grail_ports::{
    chain::Block,
    model::Tokenize,
    shelf::{Fetched, ObjectMeta},
};
use grail_protocol::{
    seed::WindowContext,
    words::{Hotkey, UnixMillis, WindowStart},
};
use grail_roles::context::Randomness;
use grail_verify::{Case, MinerReport, Sampling};
use std::{path::Path, sync::Arc};

/// A file, and everything derived that it is held against.
pub struct Exhibit {
    /// The window, derived.
    pub context: WindowContext,
    /// Whose file it says it is.
    pub hotkey: Hotkey,
    /// The bytes, with the time at which they were written here.
    pub fetched: Fetched,
    /// Milliseconds by which this copy was written after the upload deadline, if it was.
    ///
    /// A validator goes by the time that the store gives; a copy on this disk may be younger than the upload, so this
    /// is told and not judged.
    pub late_by_ms: Option<u64>,
    environment: Arc<Environment>,
    codec: Arc<dyn WindowCodec>,
}

impl std::fmt::Debug for Exhibit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exhibit")
            .field("hotkey", &self.hotkey)
            .field("window", &self.context.window)
            .finish_non_exhaustive()
    }
}

/// Codec by file name.
pub fn codec_for(path: &Path) -> anyhow::Result<Arc<dyn WindowCodec>> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("parquet") => Ok(Arc::new(ParquetCodec)),
        Some("json") => Ok(Arc::new(JsonCodec)),
        _ => bail!("{} ends neither in .parquet nor in .json", path.display()),
    }
}

/// Derives a window, as the checkpoint in the folder `model` answers it; without one, as the trainer's shelf says, and
/// where that has none, as the network's first.
pub async fn derive(view: &View, window: WindowStart, model: Option<&Path>) -> anyhow::Result<WindowContext> {
    let manifest = match model {
        Some(model) => view.manifest_of(model)?,
        None => view.manifest_at(window).await?,
    };
    let params = view.sources.network.params;
    if !params.is_window_start(window) {
        bail!(
            "{window} is not the first block of a window; windows here have {} blocks",
            params.window_length
        );
    }
    let context = view.sources.window(&manifest, window).await?;
    context.with_context(|| format!("window {window} has not begun, or its beacon round is not out yet"))
}

/// Reads a file and derives what a validator would hold it against.
///
/// Whose file and of which window is taken from its header, as a validator takes it from the name it asked for.
pub async fn exhibit(view: &View, path: &Path, model: &Path) -> anyhow::Result<Exhibit> {
    let codec = codec_for(path)?;
    let body = grail_fs::read(path, LIMITS.file_bytes)?
        .with_context(|| format!("there is no file {}", path.display()))?;
    let header = codec.decode(&body, &LIMITS).with_context(|| format!("read {}", path.display()))?.header;
    // What a validator of this network would hold it against, and nothing else.
    by_block_hash(
        &view.sources.network.params,
        matches!(view.sources.randomness, Randomness::BlockHashOnly),
    )?;
    let context = derive(view, header.window, Some(model)).await?;
    if header.checkpoint != context.checkpoint {
        of_the_window(view, &header, model).await?;
    }
    let environment = view.environments.get(&context.env)?;
    let last_block = view.sources.last_block(header.window).await?;
    let written = std::fs::metadata(path)?.modified()?.duration_since(std::time::UNIX_EPOCH)?;
    let meta = ObjectMeta {
        size: body.len() as u64,
        stored_at: UnixMillis(u64::try_from(written.as_millis())?),
        tag: None,
    };
    let late = |last: Block| meta.stored_at.since(context.params.upload_deadline(last.time));
    let late_by_ms = last_block.map(late).filter(|millis| *millis > 0);
    let fetched = Fetched { body: body.into(), meta };
    Ok(Exhibit { context, hotkey: header.hotkey, fetched, late_by_ms, environment, codec })
}

/// Errors: the file names the checkpoint that answers its window, so it is the folder that is another one's. A verdict by
/// that would call an honest file wrong.
async fn of_the_window(view: &View, header: &WindowHeader, model: &Path) -> anyhow::Result<()> {
    // Without the trainer's shelf nobody knows better than the folder.
    let Ok(answers) = view.manifest_at(header.window).await else { return Ok(()) };
    if answers.id() == header.checkpoint {
        bail!(
            "window {} is answered by the checkpoint of window {}, and {} holds another; `grail checkpoint get window-{} --to \
             DIR` fetches it, then --model DIR/window-{}",
            header.window,
            answers.window,
            model.display(),
            answers.window,
            answers.window
        );
    }
    Ok(())
}

impl Exhibit {
    /// The case, over the whole file.
    pub fn case<'a>(&'a self, tokenizer: &'a dyn Tokenize, vocabulary: u32, context_length: u32) -> Case<'a> {
        Case {
            context: &self.context,
            hotkey: &self.hotkey,
            deadline: UnixMillis(u64::MAX),
            codec: self.codec.as_ref(),
            limits: &LIMITS,
            sampling: &Sampling::ALL,
            challenge: &[0; 32],
            environment: &self.environment,
            tokenizer,
            vocabulary,
            context_length,
        }
    }
}

/// A report in words: the counts, then every reason with its place and what to do.
pub fn describe(exhibit: &Exhibit, report: &MinerReport) -> String {
    use std::fmt::Write as _;
    let tally = &report.tally;
    let mut text = String::new();
    if let Some(millis) = exhibit.late_by_ms {
        let _ = writeln!(
            text,
            "this copy was written {:.1} s after the upload deadline; what the store holds must be older",
            millis as f64 / 1e3
        );
    }
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "{} in window {} ({}): {} rollouts, {} checked",
        report.hotkey, report.window, report.env, tally.claimed, tally.checked
    );
    let _ = writeln!(
        text,
        "  accepted {}, refused {}, in a refused group {}, undecided {}; {} right, {} unique solutions{}",
        tally.accepted,
        tally.rejected_total(),
        tally.spoiled,
        tally.undecided_total(),
        tally.successful,
        tally.unique_solutions,
        tally.mean_reward.map(|mean| format!(", mean reward {mean:.3}")).unwrap_or_default()
    );
    for (reason, count) in &tally.undecided {
        let _ = writeln!(text, "  undecided: {reason} ({count})");
    }
    for (place, rejection) in report.rejections() {
        let place =
            place.map_or("the file".into(), |(group, rollout)| format!("group {group} rollout {rollout}"));
        let _ = writeln!(text, "  {place}: [{}] {}", rejection.code(), rejection.explain());
    }
    text
}
