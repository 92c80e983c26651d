//! `grail window get`: a miner's window file as validators find it, for `grail window check` and `grail score window`. Needs no
//! key.

use crate::verdicts::read::windows_back;
use anyhow::{Context as _, bail};
use clap::Args;
use grail_artifact::{
    keys::{ShelfKey, WindowEncoding, WindowKey},
    limits::LIMITS,
};
use grail_config::{Flags, args::SightFlags};
use grail_node::{local::Networks, network};
use grail_ports::shelf::Fetch;
use grail_protocol::words::{Hotkey, WindowStart};
use serde_json::json;
use std::path::PathBuf;

/// Windows that are looked through for the newest.
const WINDOWS_BACK: u32 = 8;
/// Most bytes of a file: what validators read.
const MOST_BYTES: u64 = LIMITS.file_bytes;

/// Whose file, of which window, and where to.
#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    /// The miner.
    hotkey: Hotkey,

    /// First block of the window; without it the newest of the last eight that has a file.
    #[arg(long, value_name = "WINDOW")]
    window: Option<u64>,

    /// Folder for the file, which keeps its name.
    #[arg(long, value_name = "DIR", default_value = ".")]
    to: PathBuf,

    /// The network: a development network, or a subnet.
    #[command(flatten)]
    settings: Flags<SightFlags>,
}

/// Fetches; whether there was a file.
pub(super) async fn run(networks: &dyn Networks, args: &GetArgs, as_json: bool) -> anyhow::Result<bool> {
    let config = args.settings.config().context("read the configuration")?;
    let view = network::look(networks, &config, false).await?;
    let params = view.sources.network.params;
    let windows = match args.window {
        Some(start) if !params.is_window_start(WindowStart(start)) => {
            bail!("no window begins at block {start}: they begin at multiples of {}", params.window_length)
        }
        Some(start) => vec![WindowStart(start)],
        None => {
            let head = view.sources.chain.head().await?;
            windows_back(&params, head.number, WINDOWS_BACK)
        }
    };
    let Some(shelf) = view.directory.shelf_of(&args.hotkey).await? else {
        bail!(
            "{} has committed no bucket on {}; is it the right hotkey?",
            args.hotkey,
            view.sources.network.id
        )
    };
    for window in &windows {
        for encoding in [WindowEncoding::Parquet, WindowEncoding::Json] {
            let key = ShelfKey::from(WindowKey { hotkey: args.hotkey, window: *window, encoding });
            match shelf.fetch(&key, MOST_BYTES).await? {
                Fetch::Absent => {}
                Fetch::TooLarge { meta } => {
                    bail!("the file of window {window} has {} bytes; validators read {MOST_BYTES}", meta.size)
                }
                Fetch::Found(fetched) => {
                    let text = key.to_string();
                    let name = text.rsplit('/').next().unwrap_or(&text);
                    grail_fs::make_folder(&args.to)?;
                    let path = args.to.join(name);
                    grail_fs::write(&path, &fetched.body)?;
                    let told = json!({
                        "version": 1, "path": path, "window": window, "bytes": fetched.body.len(),
                        "storedAt": fetched.meta.stored_at,
                    });
                    tell(&if as_json { told.to_string() } else { path.display().to_string() });
                    return Ok(true);
                }
            }
        }
    }
    tell(&if as_json {
        json!({ "version": 1, "path": null }).to_string()
    } else {
        match args.window {
            Some(window) => format!("no file of {} for window {window}", args.hotkey),
            None => format!(
                "no file of {} in the last {WINDOWS_BACK} windows; --window N names an older one, `grail why` says more",
                args.hotkey
            ),
        }
    });
    Ok(false)
}

#[expect(clippy::print_stdout, reason = "the result of a program for people")]
fn tell(text: &str) {
    println!("{text}");
}
