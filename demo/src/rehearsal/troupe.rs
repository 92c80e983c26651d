//! The processes of the rehearsal: started, listened to, and ended with it.

use super::cast::{Actor, Stage};
use anyhow::Context as _;
use std::{fs::File, io::Write as _, path::Path, process::Stdio};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    sync::mpsc,
};

/// A line that a participant logged.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) actor: &'static str,
    /// The JSON object, or the bare text of a line that is none.
    pub(super) event: serde_json::Value,
}

/// Longest line that is kept; the rest of it is dropped.
const LONGEST_LINE: usize = 64 << 10;

/// Running participants. Dropping this ends them.
#[derive(Debug)]
pub(super) struct Troupe {
    children: Vec<(&'static str, Child)>,
    pub(super) lines: mpsc::Receiver<Line>,
}

impl Troupe {
    /// Starts everyone; each one's log also goes to `logs/{name}.jsonl`.
    pub(super) fn start(cast: &[Actor], stage: &Stage<'_>, logs: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(logs).with_context(|| format!("make the folder {}", logs.display()))?;
        let (sender, lines) = mpsc::channel(1_024);
        let mut children = Vec::new();
        for actor in cast {
            let mut child = Command::new(stage.program)
                .args(actor.arguments(stage))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .kill_on_drop(true)
                .spawn()
                .with_context(|| format!("start {}; was it built?", stage.program.display()))?;
            let log = logs.join(format!("{}.jsonl", actor.name));
            let log = File::create(&log).with_context(|| format!("write {}", log.display()))?;
            if let Some(stderr) = child.stderr.take() {
                tokio::spawn(listen(actor.name, stderr, log, sender.clone()));
            }
            children.push((actor.name, child));
        }
        Ok(Self { children, lines })
    }

    /// The first participant that has ended by itself, with how.
    pub(super) fn fallen(&mut self) -> anyhow::Result<Option<(&'static str, std::process::ExitStatus)>> {
        for (name, child) in &mut self.children {
            if let Some(status) = child.try_wait().with_context(|| format!("look after {name}"))? {
                return Ok(Some((name, status)));
            }
        }
        Ok(None)
    }

    /// Ends everyone and waits until they are gone.
    pub(super) async fn end(mut self) {
        for (_, child) in &mut self.children {
            // Already gone is as good as ended.
            let _ = child.kill().await;
        }
    }
}

async fn listen(
    actor: &'static str,
    stderr: impl tokio::io::AsyncRead + Unpin,
    mut log: File,
    sender: mpsc::Sender<Line>,
) {
    let mut reader = BufReader::new(stderr).lines();
    while let Ok(Some(mut text)) = reader.next_line().await {
        let end = text.char_indices().map(|(at, _)| at).find(|at| *at >= LONGEST_LINE);
        text.truncate(end.unwrap_or(text.len()));
        // A log that cannot be written must not end the rehearsal; the line still reaches the screen.
        let _ = writeln!(log, "{text}");
        let event = serde_json::from_str(&text).unwrap_or(serde_json::Value::String(text));
        if sender.send(Line { actor, event }).await.is_err() {
            return;
        }
    }
}
