//! What is signed or checked.

use anyhow::Context as _;
use clap::Args;
use grail_protocol::sign::Statement;
use std::{io::Read, path::PathBuf};

/// Most bytes that are signed by hand; a signer takes no more in one field.
const MOST_BYTES: u64 = 1 << 20;

/// A text or a file, in GRAIL's form or as it is.
#[derive(Debug, Args)]
pub(crate) struct MessageArgs {
    /// The text.
    #[arg(long, value_name = "TEXT", required_unless_present = "file", conflicts_with = "file")]
    message: Option<String>,

    /// The file, at most 1 MiB; - for standard input.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,

    /// The bytes themselves, as the Python wallet signs them, in place of H("grail/1 message", bytes).
    #[arg(long)]
    plain: bool,
}

impl MessageArgs {
    /// The name of the form, for scripts.
    pub(super) fn form(&self) -> &'static str {
        if self.plain { "plain" } else { "grail/1 message" }
    }

    /// Whether the bytes themselves are signed.
    pub(super) fn is_plain(&self) -> bool {
        self.plain
    }

    /// The content.
    pub(super) fn bytes(&self) -> anyhow::Result<Vec<u8>> {
        let Some(path) = &self.file else {
            return Ok(self.message.clone().unwrap_or_default().into_bytes());
        };
        let source: Box<dyn Read> = if path.as_os_str() == "-" {
            Box::new(std::io::stdin())
        } else {
            Box::new(std::fs::File::open(path).with_context(|| format!("open {}", path.display()))?)
        };
        let mut bytes = Vec::new();
        source
            .take(MOST_BYTES + 1)
            .read_to_end(&mut bytes)
            .with_context(|| format!("read {}", path.display()))?;
        anyhow::ensure!(
            bytes.len() as u64 <= MOST_BYTES,
            "{} has more than {MOST_BYTES} bytes; sign its SHA-256 sum as --message",
            path.display()
        );
        Ok(bytes)
    }

    /// What the signature is over.
    pub(super) fn signed(&self, bytes: &[u8]) -> Vec<u8> {
        if self.plain { bytes.to_vec() } else { Statement::message(bytes).digest().to_vec() }
    }
}
