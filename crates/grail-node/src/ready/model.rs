//! A model's folder under the terms of its manifest: files, data of its environments, prompts, room for answers, weights.

use super::{Finding, ModelLook, TorchLook, TorchTrouble};
use grail_artifact::manifest::Manifest;
use grail_env::{Environment, Problem, gsm8k::Gsm8k};
use grail_ports::model::{NoRoom, Tokenize as _, prompt_of, room};
use grail_protocol::{hash::digest, seed::ProblemSeed};
use grail_roles::environments::Environments;
use grail_store::checkpoint::{CheckpointRefusal, outline, sentence};
use grail_tokenize::Tokenizer;
use std::path::Path;

/// What is looked at.
#[derive(Debug)]
pub struct ModelSubject<'a> {
    /// The model's folder.
    pub folder: &'a Path,
    /// The terms under which it answers.
    pub manifest: &'a Manifest,
    /// The environments at hand.
    pub environments: &'a Environments,
    /// Where it will compute: `cpu`, `cuda` or `cuda:N`.
    pub device: &'a str,
}

/// Problems that are drawn of an environment whose problems are made of seeds.
const DRAWN: u8 = 64;
/// Most rows of a data set that are put into tokens: the longest. One that has room by its bytes alone needs no count.
const MOST_ROWS: usize = 8_192;
/// Tokens that words of a template and of a question may make together, beyond those of each.
const SEAM: usize = 16;

/// Everything about a model that stops a role, and what is in order. Blocks, some seconds at most.
///
/// Digests of the files are compared elsewhere ([`grail_store::checkpoint::require`]): that reads every byte.
pub fn of_model(subject: &ModelSubject<'_>, torch: &dyn TorchLook) -> Vec<Finding> {
    let ModelSubject { folder, .. } = subject;
    if !folder.is_dir() {
        let remedy = "name the folder of a model in Hugging Face layout; `grail join` fetches the network's newest, in a \
                      checkout `cargo xtask model smollm2` one to try with";
        return vec![Finding::bad(
            "model",
            "model-not-found",
            format!("{} is not a folder", folder.display()),
            remedy,
        )];
    }
    let look = torch.look(folder, subject.device);
    let mut found = vec![files(folder, subject.manifest), weights(&look)];
    let tokenizer = match Tokenizer::open(folder) {
        Ok(tokenizer) => tokenizer,
        Err(error) => {
            let told = format!("{:#}", anyhow::Error::new(error));
            let remedy = "take the folder as its publisher has it; fetch it again if a file of it is missing";
            found.push(Finding::bad("tokenizer", "tokenizer-unusable", told, remedy));
            return found;
        }
    };
    if let Ok(look) = &look
        && look.end_tokens != tokenizer.end_tokens()
    {
        let told = format!(
            "model and tokenizer disagree about the end tokens: {:?} and {:?}",
            look.end_tokens,
            tokenizer.end_tokens()
        );
        let remedy =
            "correct eos_token_id in generation_config.json, or take the folder as its publisher has it";
        found.push(Finding::bad("tokenizer", "end-tokens-differ", told, remedy));
    }
    let context = look.as_ref().map(|look| look.context_length).ok().or_else(|| tokenizer.context_length());
    let mut good = Vec::new();
    for id in &subject.manifest.environments {
        match subject.environments.get(id) {
            Err(fault) => {
                let remedy = "lay the very rows that the network was made with at datasets/gsm8k.jsonl, in the cache folder or the \
                              development network's";
                found.push(Finding::bad("data", "rows-missing", fault.chain(), remedy));
            }
            Ok(environment) => {
                let prompts =
                    Prompts { tokenizer: &tokenizer, cap: subject.manifest.max_new_tokens, context };
                match prompts.of(&environment) {
                    Ok(told) => good.push(format!("{}: {told}", environment.name())),
                    Err(finding) => found.push(finding),
                }
            }
        }
    }
    if !good.is_empty() {
        found.push(Finding::good("prompts", good.join("; ")));
    }
    found
}

/// Whether the folder holds the manifest's files in their sizes, and no others.
fn files(folder: &Path, manifest: &Manifest) -> Finding {
    let check = "checkpoint-files";
    match outline(folder, manifest) {
        Ok(wrong) => match wrong.first() {
            None => Finding::good(check, format!("{} files, as the manifest says", manifest.files.len())),
            Some(first) => {
                let code = if matches!(first, CheckpointRefusal::Stray { .. }) {
                    "file-not-in-manifest"
                } else {
                    "files-differ"
                };
                let remedy = "`grail checkpoint verify` compares every byte";
                Finding::bad(check, code, sentence(folder, first), remedy)
            }
        },
        Err(error) => {
            let told = format!("{:#}", anyhow::Error::new(error));
            Finding::bad(check, "files-unreadable", told, "mend the disk or the folder's owner")
        }
    }
}

/// What libtorch says.
fn weights(look: &Result<ModelLook, TorchTrouble>) -> Finding {
    let check = "model";
    match look {
        Ok(look) => Finding::good(check, format!("{}, {} positions", look.description, look.context_length)),
        Err(TorchTrouble::Refused(told)) => {
            let remedy = "take a model that is computed here, or the folder as its publisher has it; for a device: look with nvidia-smi, or \
                          set GRAIL_DEVICE=cpu";
            Finding::bad(check, code_of_refusal(told), told.clone(), remedy)
        }
        Err(TorchTrouble::Libtorch(told)) => {
            let remedy = "install libtorch 2.11 beside the programs, or name its folder `lib` in LD_LIBRARY_PATH; the installer brings it";
            let code = if told.contains("symbol") { "libtorch-other-version" } else { "libtorch-not-found" };
            Finding::bad("libtorch", code, told.clone(), remedy)
        }
        Err(TorchTrouble::NotInstalled(program)) => {
            let remedy =
                "install it beside this program; until then weights, libtorch and device are not looked at";
            Finding::warning(
                check,
                "program-not-installed",
                format!("{program} is not installed here"),
                remedy,
            )
        }
        Err(TorchTrouble::Hangs(ms)) => {
            let remedy =
                "run the role's `check`, which waits; a driver that hangs needs a restart of the machine";
            Finding::warning(
                check,
                "look-too-long",
                format!("no answer about the weights within {ms} ms"),
                remedy,
            )
        }
    }
}

/// The word for a refusal of libtorch's.
fn code_of_refusal(told: &str) -> &'static str {
    let has = |words: &str| told.to_lowercase().contains(words);
    if has("driver") && has("too old") {
        "driver-too-old"
    } else if has("cuda device") || has("libtorch_cuda") {
        "no-cuda-device"
    } else {
        "model-refused"
    }
}

/// Puts problems into prompts.
struct Prompts<'a> {
    tokenizer: &'a Tokenizer,
    cap: u32,
    /// `None` where nobody says it; then room is not asked for.
    context: Option<u32>,
}

/// Prompts of one environment.
#[derive(Default)]
struct Seen {
    looked: usize,
    longest: usize,
    /// The first that has no room, by the problem's name.
    first: Option<(String, NoRoom)>,
    without_room: usize,
}

impl Prompts<'_> {
    /// Whether an environment's problems become prompts beside which a completion has room.
    fn of(&self, environment: &Environment) -> Result<String, Finding> {
        let mut seen = Seen::default();
        let total = match environment {
            Environment::Gsm8k(rows) => self.rows(rows, &mut seen)?,
            _ => self.drawn(environment, &mut seen)?,
        };
        let Some((first, no_room)) = seen.first else {
            return Ok(format!("prompts of up to {} tokens, cap {}", seen.longest, self.cap));
        };
        let name = environment.name();
        let others = seen.without_room.saturating_sub(1);
        let others = if others == 0 { String::new() } else { format!(", and {others} more") };
        if seen.without_room == total {
            let told = format!("{name}: no problem has room: {no_room}, that of {first}");
            let remedy =
                "make the network with a smaller --max-new-tokens, or take a model with a longer context";
            return Err(Finding::bad("context", "context-too-short", told, remedy));
        }
        let told =
            format!("{name}: {first} has no room: {no_room}{others}; nobody can answer what asks for it");
        let remedy = "who makes the network leaves such problems out, or takes a smaller --max-new-tokens";
        Err(Finding::warning("context", "problem-too-long", told, remedy))
    }

    /// Counts one prompt. Errors: it cannot be rendered.
    fn prompt(
        &self,
        name: &dyn Fn() -> String,
        problem: &Problem,
        seen: &mut Seen,
    ) -> Result<usize, Finding> {
        let prompt = prompt_of(problem, self.tokenizer).map_err(|fault| {
            let remedy = "the model's chat template must render a system message and a conversation; take the folder as its publisher \
                          has it";
            let told = format!("{}: {}", name(), fault.chain());
            Finding::bad("template", "template-unusable", told, remedy)
        })?;
        seen.looked += 1;
        seen.longest = seen.longest.max(prompt.len());
        if let Some(no_room) = self.context.and_then(|context| room(prompt.len(), self.cap, context).err()) {
            seen.without_room += 1;
            seen.first.get_or_insert_with(|| (name(), no_room));
        }
        Ok(prompt.len())
    }

    fn drawn(&self, environment: &Environment, seen: &mut Seen) -> Result<usize, Finding> {
        for number in 0..DRAWN {
            let seed = ProblemSeed::from_bytes(digest("grail/1 look", &[&[number]]));
            let problem = environment.generate(&seed).map_err(|error| unset(environment.name(), &error))?;
            self.prompt(&|| format!("{} problem {number}", environment.name()), &problem, seen)?;
        }
        Ok(seen.looked)
    }

    /// Every row that may have no room; how many rows there are.
    fn rows(&self, gsm8k: &Gsm8k, seen: &mut Seen) -> Result<usize, Finding> {
        let problem = |row| gsm8k.problem(row).map_err(|error| unset("gsm8k", &error));
        let name = |row: u32| format!("gsm8k row {}", u64::from(row) + 1);
        let first = problem(0)?;
        // What stands around a question has no more tokens than a whole prompt; and a token has a byte at least, so no
        // question makes more tokens than it has bytes.
        let around = self.prompt(&|| name(0), &Problem::Gsm8k(first), &mut Seen::default())? + SEAM;
        let mut longest: Vec<(usize, u32)> = Vec::new();
        for row in 0..gsm8k.count() {
            longest.push((problem(row)?.question().len(), row));
        }
        longest.sort_unstable_by_key(|&(bytes, row)| (std::cmp::Reverse(bytes), row));
        if let Some(&(_, row)) = longest.last() {
            let mut shortest = Seen::default();
            self.prompt(&|| name(row), &Problem::Gsm8k(problem(row)?), &mut shortest)?;
            if shortest.without_room > 0 {
                *seen = Seen { without_room: longest.len(), ..shortest };
                return Ok(longest.len());
            }
        }
        let has_room =
            |bytes: usize| self.context.is_none_or(|context| room(around + bytes, self.cap, context).is_ok());
        let asked = longest.iter().enumerate().take(MOST_ROWS);
        // The longest one is put into tokens always: it is told how long prompts are.
        for (_, &(_, row)) in asked.take_while(|(place, (bytes, _))| *place == 0 || !has_room(*bytes)) {
            self.prompt(&|| name(row), &Problem::Gsm8k(problem(row)?), seen)?;
        }
        Ok(longest.len())
    }
}

fn unset(name: &str, error: &grail_env::EnvError) -> Finding {
    let remedy = "take the published data set, unchanged";
    Finding::bad("data", "problem-cannot-be-set", format!("{name}: {error}"), remedy)
}

#[cfg(test)]
mod tests;
