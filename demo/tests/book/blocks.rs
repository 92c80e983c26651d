//! Fenced blocks of a page, and the commands in them. xtask's tests read the same file, for the commands of xtask.

use std::path::{Path, PathBuf};

/// A fenced block of a shell's commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    /// The page, and the line on which the block begins.
    pub(crate) at: String,
    /// What is done with it.
    pub(crate) mark: Mark,
    /// Its lines.
    pub(crate) text: String,
}

/// What the words behind ```` ```sh ```` say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Nothing: the block is run by the tests.
    Run,
    /// `walk`: `cargo xtask walk` runs it, in a clean tree.
    Walk,
    /// `not-run: why`: its commands are parsed alone.
    NotRun(String),
}

/// Every page with commands that a reader may type, relative to the root of the checkout.
pub(crate) fn pages(root: &Path) -> Vec<PathBuf> {
    let mut pages = vec![PathBuf::from("README.md"), PathBuf::from("CONTRIBUTING.md")];
    for folder in ["docs", "skills"] {
        below(root, Path::new(folder), &mut pages);
    }
    pages.sort();
    pages
}

fn below(root: &Path, folder: &Path, pages: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(root.join(folder)).expect("a folder of the checkout") {
        let path = folder.join(entry.expect("an entry").file_name());
        if root.join(&path).is_dir() {
            below(root, &path, pages);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            pages.push(path);
        }
    }
}

/// The blocks of a page that hold commands. Panics at a mark that is none.
pub(crate) fn blocks(name: &str, page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Option<Block>> = None;
    for (number, line) in (1..).zip(page.lines()) {
        match (line.trim_start().strip_prefix("```"), &mut open) {
            (Some(info), None) => {
                let (language, rest) = info.trim().split_once(' ').unwrap_or((info.trim(), ""));
                assert!(!["bash", "shell", "console"].contains(&language), "{name}:{number}: write `sh`");
                let at = format!("{name}:{number}");
                let mark = || match rest.split_once(": ") {
                    _ if rest.is_empty() => Mark::Run,
                    _ if rest == "walk" => Mark::Walk,
                    Some(("not-run", why)) if !why.trim().is_empty() => Mark::NotRun(why.trim().to_owned()),
                    _ => panic!("{at}: `{rest}` is no mark; there are `walk` and `not-run: why`"),
                };
                let block = || Block { at: at.clone(), mark: mark(), text: String::new() };
                open = Some((language == "sh").then(block));
            }
            (Some(_), Some(_)) => blocks.extend(open.take().flatten()),
            (None, Some(Some(block))) => block.text.push_str(&format!("{line}\n")),
            (None, _) => {}
        }
    }
    assert!(open.is_none(), "{name}: a block does not end");
    blocks
}

/// The simple commands of a shell's text, each as its words: without redirections, with what stands in `$( )` and behind
/// pipes as commands of their own. Assignments before a command and the word `…` are left out.
pub(crate) fn commands(text: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut reader = Reader { rest: text.chars().peekable(), found: &mut found };
    reader.read(None);
    found
}

struct Reader<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    found: &'a mut Vec<Vec<String>>,
}

impl Reader<'_> {
    /// Reads until the text, or what the closing character closes, ends.
    fn read(&mut self, close: Option<char>) {
        let mut words: Vec<String> = Vec::new();
        let mut word: Option<String> = None;
        // The next word names a file, and is no word of the command.
        let mut redirected = false;
        macro_rules! end_word {
            () => {
                if let Some(done) = word.take() {
                    let assignment = words.is_empty() && is_assignment(&done);
                    if !std::mem::take(&mut redirected) && !assignment && done != "…" {
                        words.push(done);
                    }
                }
            };
        }
        while let Some(letter) = self.rest.next() {
            match letter {
                _ if Some(letter) == close => break,
                '\\' => match self.rest.next() {
                    Some('\n') | None => {}
                    Some(other) => word.get_or_insert_default().push(other),
                },
                '\'' => {
                    let quoted: String = self.rest.by_ref().take_while(|letter| *letter != '\'').collect();
                    word.get_or_insert_default().push_str(&quoted);
                }
                '"' => {
                    let quoted = self.double_quoted();
                    word.get_or_insert_default().push_str(&quoted);
                }
                '$' => {
                    let value = self.expanded();
                    word.get_or_insert_default().push_str(&value);
                }
                '#' if word.is_none() => while self.rest.next_if(|letter| *letter != '\n').is_some() {},
                '>' | '<' => {
                    // `2>file`: the number belongs to the redirection.
                    if word.as_ref().is_some_and(|word| word.chars().all(|digit| digit.is_ascii_digit())) {
                        word = None;
                    }
                    end_word!();
                    while self.rest.next_if(|letter| matches!(letter, '>' | '<' | '&')).is_some() {}
                    redirected = true;
                }
                '\n' | ';' | '|' | '&' | '(' | ')' => {
                    end_word!();
                    redirected = false;
                    self.found.push(std::mem::take(&mut words));
                }
                _ if letter.is_whitespace() => end_word!(),
                _ => word.get_or_insert_default().push(letter),
            }
        }
        end_word!();
        self.found.push(words);
        self.found.retain(|words| !words.is_empty());
    }

    fn double_quoted(&mut self) -> String {
        let mut text = String::new();
        while let Some(letter) = self.rest.next() {
            match letter {
                '"' => break,
                '\\' => text.extend(self.rest.next()),
                '$' => text.push_str(&self.expanded()),
                _ => text.push(letter),
            }
        }
        text
    }

    /// What stands behind a `$`: a variable's value is not known, and its name stands for it; a command is read for itself.
    fn expanded(&mut self) -> String {
        let braced = match self.rest.peek() {
            Some('(') => {
                self.rest.next();
                self.read(Some(')'));
                return "value".to_owned();
            }
            other => other == Some(&'{'),
        };
        let mut name = String::new();
        self.rest.next_if_eq(&'{');
        while let Some(letter) = self.rest.next_if(|letter| letter.is_alphanumeric() || *letter == '_') {
            name.push(letter);
        }
        if braced {
            while self.rest.next().is_some_and(|letter| letter != '}') {}
        }
        name
    }
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
    })
}
