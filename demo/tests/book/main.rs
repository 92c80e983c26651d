//! Every command that a page shows: its flags are those of the programs, and it is run, or it says why not.
//!
//! A block ```` ```sh ```` is run here, on a stage: a folder with a development network and the programs. One that is marked
//! `walk` is run by `cargo xtask walk`; one that is marked `not-run: why` is parsed alone.

mod blocks;
mod stage;
#[path = "../../../bins/grail-cli/tests/it/trained.rs"]
#[expect(dead_code, reason = "other tests use the rest of it")]
mod trained;

use blocks::{Mark, blocks, commands, pages};
use clap::{Command, error::ErrorKind};
use std::{collections::BTreeMap, fs, path::Path};

/// Programs of others that pages name. A name that is neither here nor ours is a slip.
const OTHERS: &[&str] = &[
    "[",
    "apt-get",
    "btcli",
    "cargo",
    "cat",
    "cd",
    "chmod",
    "chown",
    "cp",
    "curl",
    "docker",
    "echo",
    "eval",
    "export",
    // A workspace of its own, which holds its commands against the pages itself.
    "grail-devchain",
    "head",
    "for",
    "done",
    "do",
    "if",
    "fi",
    "then",
    "while",
    "install",
    "journalctl",
    "kill",
    "ls",
    "mkdir",
    "openssl",
    "printf",
    "python3",
    "rm",
    "runuser",
    "sed",
    "sh",
    "sha256sum",
    "sleep",
    "ssh-keygen",
    "sudo",
    "systemctl",
    "systemd-analyze",
    "tail",
    "tar",
    "test",
    "timedatectl",
    "wait",
    "nvidia-smi",
    "test",
    "true",
];

/// Words that stand for a value of the reader's.
const PLACEHOLDERS: &[(&str, &str)] = &[
    ("HOTKEY", "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"),
    ("N", "1"),
    ("WINDOW", "1"),
    ("UID", "7"),
    ("0x…", "0x0101010101010101010101010101010101010101010101010101010101010101"),
];

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The command lines of every program, as they are.
struct Programs(BTreeMap<&'static str, Command>);

impl Programs {
    fn new() -> Self {
        Self(grail_demo::programs().into_iter().collect())
    }

    /// Whether the words are a command of ours that is understood. Errors: what the program would say.
    fn check(&self, words: &[String]) -> Result<(), String> {
        let name = words[0].rsplit('/').next().unwrap().to_owned();
        // Programs that run another one.
        let inner = match name.as_str() {
            "runuser" => words.iter().position(|word| word == "--").map(|at| at + 1),
            "sudo" => Some(if words.get(1).is_some_and(|word| word == "-u") { 3 } else { 1 }),
            "as-service" => Some(2),
            _ => None,
        };
        if let Some(at) = inner {
            return words.get(at).map_or(Ok(()), |_| self.check(&words[at..]));
        }
        let mut words: Vec<String> = words.to_vec();
        let Some(command) = self.0.get(name.as_str()) else {
            let known = OTHERS.contains(&name.as_str()) || words[0].contains('/') || name.ends_with(".sh");
            return if known { Ok(()) } else { Err(format!("`{name}` is no program that pages may name")) };
        };
        for word in &mut words {
            for (placeholder, value) in PLACEHOLDERS {
                if word == placeholder {
                    *word = (*value).to_owned();
                }
            }
        }
        let matches = match command.clone().try_get_matches_from(&words) {
            Ok(matches) => matches,
            Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
                return Ok(());
            }
            Err(error) => return Err(error.to_string()),
        };
        // `grail mine …` hands everything on to the program of the role, which has the say.
        let Some((subcommand, inner)) = matches.subcommand() else { return Ok(()) };
        let passed = |id: &str| -> Vec<String> {
            let words = inner.try_get_many::<std::ffi::OsString>(id).ok().flatten();
            words.into_iter().flatten().map(|word| word.to_string_lossy().into_owned()).collect()
        };
        let (program, first) = match (name.as_str(), subcommand) {
            ("grail", "mine") => ("grail-miner", vec!["run".to_owned()]),
            ("grail", "validate") => ("grail-validator", vec!["run".to_owned()]),
            ("grail", "train") => ("grail-trainer", vec!["run".to_owned()]),
            ("grail", "devnet") => ("grail-devnet", Vec::new()),
            ("grail-devnet", other) if !self.knows(other) => ("grail", vec![other.to_owned()]),
            _ => return Ok(()),
        };
        let rest = if program == "grail" { passed("") } else { passed("arguments") };
        self.check(&[vec![program.to_owned()], first, rest].concat())
    }

    /// Whether `grail-devnet` itself has that command.
    fn knows(&self, name: &str) -> bool {
        self.0["grail-devnet"].get_subcommands().any(|command| command.get_name() == name)
    }
}

#[test]
fn every_command_of_a_page_is_one_that_the_programs_understand() {
    let programs = Programs::new();
    let (mut problems, mut ours) = (Vec::new(), 0);
    for page in pages(root()) {
        let text = fs::read_to_string(root().join(&page)).unwrap();
        for block in blocks(&page.display().to_string(), &text) {
            for words in commands(&block.text) {
                ours += usize::from(words[0].starts_with("grail"));
                if let Err(why) = programs.check(&words) {
                    problems.push(format!(
                        "{}: {}\n    {}",
                        block.at,
                        words.join(" "),
                        why.trim().replace('\n', "\n    ")
                    ));
                }
            }
        }
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
    assert!(ours > 50, "only {ours} commands of ours were found, so that this test looks at the wrong place");
}

#[test]
fn wrong_commands_are_found() {
    let programs = Programs::new();
    let check = |line: &str| {
        let all = commands(line);
        assert_eq!(all.len(), 1, "{all:?}");
        programs.check(&all[0])
    };
    check("grail doctor --role validator").unwrap();
    check("grail -vv mine --device cuda").unwrap();
    check("sudo -u grail grail doctor --json").unwrap();
    check("grail-devnet inspect seed --devnet net --window 0 --hotkey HOTKEY").unwrap();
    for wrong in [
        "grail docter",
        "grail doctor --rule miner",
        "grail -vv mine --divice cuda",
        "grail devnet innit net",
        "grail-devnet inspect sead",
        "sudo grail doctor --rule miner",
        "/usr/local/share/grail/as-service miner grail docter",
        "runuser -u grail -- grail-devnet statos net",
        "grial doctor",
    ] {
        check(wrong).expect_err(wrong);
    }
}

#[test]
fn words_are_read_as_a_shell_reads_them() {
    let read = |text: &str| commands(text).into_iter().map(|words| words.join("|")).collect::<Vec<_>>();
    assert_eq!(read("A=1 grail x  # more\n\ngrail 'a b' \\\n  \"c $D\""), ["grail|x", "grail|a b|c D"]);
    assert_eq!(read("M=$(cargo xtask model smollm2)\ngrail y &"), ["cargo|xtask|model|smollm2", "grail|y"]);
    assert_eq!(
        read("grail config unit miner > /etc/x 2>/dev/null | cat"),
        ["grail|config|unit|miner", "cat"]
    );
    assert_eq!(read("grail mine …   # signs"), ["grail|mine"]);
}

/// Pages that go on with what another one made.
const AFTER: &[(&str, &str)] = &[("docs/book/validator.md", "docs/book/operating.md")];

/// The blocks of a page that are run, those of the page before it first.
fn to_run(page: &str) -> Vec<blocks::Block> {
    let before = AFTER.iter().find(|(name, _)| *name == page).map(|(_, before)| to_run(before));
    let text = fs::read_to_string(root().join(page)).unwrap();
    let own = blocks(page, &text).into_iter().filter(|block| block.mark == Mark::Run);
    before.into_iter().flatten().chain(own).collect()
}

#[test]
fn blocks_without_a_mark_are_run_page_by_page() {
    let mut ran = 0;
    for page in pages(root()) {
        let page = page.display().to_string();
        let blocks = to_run(&page);
        if blocks.is_empty() || AFTER.iter().any(|(_, before)| *before == page) {
            continue;
        }
        ran += blocks.len();
        let stage = stage::Stage::new(root());
        if page == "docs/book/checkpoints.md" {
            stage.publish_checkpoints();
        }
        stage.run(&blocks);
    }
    assert!(ran > 8, "only {ran} blocks were run");
}

#[test]
fn pages_name_the_version_that_they_come_with() {
    let version = env!("CARGO_PKG_VERSION");
    for page in pages(root()) {
        let text = fs::read_to_string(root().join(&page)).unwrap();
        for name in ["grail-", "grail-devnet-", "grail_"] {
            for (at, _) in text.match_indices(name) {
                let rest = &text[at + name.len()..];
                if rest.starts_with(|digit: char| digit.is_ascii_digit()) {
                    assert!(rest.starts_with(version), "{}: {name}{}", page.display(), &rest[..8]);
                }
            }
        }
    }
}
