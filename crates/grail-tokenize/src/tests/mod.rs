mod agreement;
mod folders;
mod templates;
mod untrusted;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use grail_ports::model::{Message, Speaker};

use crate::Tokenizer;

/// A file or folder of the repository's fixtures.
fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name)
}

/// One of the reduced tokenizers.
fn reduced(name: &str) -> Tokenizer {
    Tokenizer::open(&fixture("tokenizers").join(name)).expect("a tokenizer of the fixtures opens")
}

fn user(content: &str) -> [Message; 1] {
    [Message::new(Speaker::User, content)]
}

/// A copy of a reduced tokenizer's folder, to be spoiled.
struct Copy(tempfile::TempDir);

impl Copy {
    fn of(name: &str) -> Self {
        let folder = tempfile::tempdir().expect("temporary folder");
        for entry in fs::read_dir(fixture("tokenizers").join(name)).expect("fixture folder") {
            let entry = entry.expect("fixture file");
            fs::copy(entry.path(), folder.path().join(entry.file_name())).expect("copied");
        }
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn without(self, name: &str) -> Self {
        fs::remove_file(self.path(name)).expect("removed");
        self
    }

    fn with(self, name: &str, content: &str) -> Self {
        fs::write(self.path(name), content).expect("written");
        self
    }

    /// Changes a JSON file.
    fn edit(self, name: &str, change: impl FnOnce(&mut Value)) -> Self {
        let text = fs::read_to_string(self.path(name)).expect("readable");
        let mut value = serde_json::from_str(&text).expect("JSON");
        change(&mut value);
        self.with(name, &value.to_string())
    }

    fn open(&self) -> Result<Tokenizer, crate::TokenizeError> {
        Tokenizer::open(self.0.path())
    }
}
