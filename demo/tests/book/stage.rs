//! Where blocks are run: a folder of its own, with the programs under their names and nothing of this machine's settings.

use crate::blocks::{Block, Mark};
use crate::trained::{publish, train};
use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
    process::{Command, Stdio},
};

/// The folder; gone when dropped.
pub(crate) struct Stage {
    home: tempfile::TempDir,
    path: String,
}

/// Each program by its name: `grail-devnet` has the commands of all of them, and opens development networks.
const NAMES: [(&str, &str); 5] = [
    ("grail", ""),
    ("grail-devnet", ""),
    ("grail-miner", "mine"),
    ("grail-validator", "validate"),
    ("grail-trainer", "train"),
];

impl Stage {
    /// A folder with `bin/` on the path, and the checkout's `fixtures` as the reader of a page has them.
    pub(crate) fn new(root: &Path) -> Self {
        let home = tempfile::tempdir().unwrap();
        let bin = home.path().join("bin");
        fs::create_dir(&bin).unwrap();
        for (name, words) in NAMES {
            let script = format!("#!/bin/sh\nexec '{}' {words} \"$@\"\n", env!("CARGO_BIN_EXE_grail-devnet"));
            let place = bin.join(name);
            fs::write(&place, script).unwrap();
            fs::set_permissions(&place, fs::Permissions::from_mode(0o755)).unwrap();
        }
        symlink(root.canonicalize().unwrap().join("fixtures"), home.path().join("fixtures")).unwrap();
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", bin.display());
        Self { home, path }
    }

    /// A network whose trainer has published: what the page about checkpoints looks at.
    pub(crate) fn publish_checkpoints(&self) {
        let net = self.home.path().join("net");
        self.run(&[Block {
            at: "the network of a trainer".to_owned(),
            mark: Mark::Run,
            text: "grail-devnet init net --model fixtures/models/tiny --trainer tina --miners tina --environments arith-1 \
                   --max-new-tokens 48"
                .to_owned(),
        }]);
        let opened = grail_devnet::open(&net).unwrap();
        let pair = opened.key("tina").unwrap();
        let first = train(&pair, 2000, 1, None);
        publish(&opened.shelf(), &pair, &first, None);
        let second = train(&pair, 2020, 2, Some(&first));
        publish(&opened.shelf(), &pair, &second, Some(&first));
    }

    /// Runs blocks in one shell; panics unless every command of them ends well.
    #[track_caller]
    pub(crate) fn run(&self, blocks: &[Block]) {
        let mut text = String::new();
        for block in blocks {
            text.push_str(&format!("echo '→ {}' >&2\n{}\n", block.at, block.text));
        }
        let mut shell = Command::new("timeout");
        // What the tester's own shell says about a network must not answer for these.
        for setting in grail_config::table::ALL {
            shell.env_remove(setting.variable);
        }
        shell
            .args(["240", "sh", "-eu", "-c", &text])
            .current_dir(self.home.path())
            .env("HOME", self.home.path())
            .env("PATH", &self.path)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null());
        let output = shell.output().unwrap();
        assert!(
            output.status.success(),
            "{}: the last block that is named below ends with {}\n{}{}",
            blocks[0].at,
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
