//! What only libtorch can say: weights and devices. Programs that hold it look themselves, the tool asks one that does.

use crate::sibling;
use grail_config::Role;
use serde::{Deserialize, Serialize};
use std::{
    io::Read as _,
    path::Path,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

/// What libtorch says of a model's folder, without reading the weights themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelLook {
    /// Architecture, layers and device, for people.
    pub description: String,
    /// Most positions, prompt and completion together.
    pub context_length: u32,
    /// Tokens that end a completion.
    pub end_tokens: Vec<u32>,
}

/// Why it says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TorchTrouble {
    /// The folder or the device is refused: the sentence.
    Refused(String),
    /// libtorch itself is not found, or is another one than the program was built with: what the loader says.
    Libtorch(String),
    /// The program that holds libtorch is not installed beside this one: its name.
    NotInstalled(String),
    /// No answer in the time that there was, in milliseconds.
    Hangs(u64),
}

/// Opens weights and devices, as a role will.
pub trait TorchLook: Sync {
    /// Reads `config.json` and every header of the weights, holds them against each other, and opens the device.
    fn look(&self, folder: &Path, device: &str) -> Result<ModelLook, TorchTrouble>;
}

/// How long the tool waits for a program that looks.
pub const INSTALLED_MS: u64 = 6_000;
/// Most bytes of an answer.
const ANSWER_BYTES: u64 = 64 << 10;

/// Asks a program that is installed beside this one: the role's own, else the one that has all roles.
#[derive(Debug, Clone, Copy)]
pub struct Installed {
    /// The role's program.
    program: &'static str,
    /// What the role is called by `grail-devnet`.
    word: &'static str,
}

impl Installed {
    /// The program of a role.
    pub const fn of(role: Role) -> Self {
        match role {
            Role::Miner | Role::Tool => Self { program: "grail-miner", word: "mine" },
            Role::Validator => Self { program: "grail-validator", word: "validate" },
            Role::Trainer => Self { program: "grail-trainer", word: "train" },
        }
    }
}

impl TorchLook for Installed {
    fn look(&self, folder: &Path, device: &str) -> Result<ModelLook, TorchTrouble> {
        let there = |name| sibling::beside(name).ok().filter(|path| path.is_file());
        let mut command = match (there(self.program), there("grail-devnet")) {
            (Some(own), _) => Command::new(own),
            (None, Some(all)) => {
                let mut command = Command::new(all);
                command.arg(self.word);
                command
            }
            (None, None) => return Err(TorchTrouble::NotInstalled(self.program.to_owned())),
        };
        command.arg("look").arg(folder).args(["--device", device]);
        ask(command, Duration::from_millis(INSTALLED_MS))
    }
}

/// The answer of a program that looks. One that hangs is ended.
fn ask(mut command: Command, patience: Duration) -> Result<ModelLook, TorchTrouble> {
    let name = command.get_program().to_string_lossy().into_owned();
    let refused = |error: std::io::Error| TorchTrouble::Refused(format!("{name}: {error}"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(refused)?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let (tell, told) = mpsc::channel();
    let read = |stream: Option<Box<dyn std::io::Read + Send>>| {
        let mut text = Vec::new();
        // What cannot be read is not there.
        let _ = stream.map(|stream| stream.take(ANSWER_BYTES).read_to_end(&mut text));
        String::from_utf8_lossy(&text).into_owned()
    };
    thread::spawn(move || {
        let said = read(out.map(|out| Box::new(out) as _));
        let complained = read(err.map(|err| Box::new(err) as _));
        // Nobody listens any more after the deadline.
        let _ = tell.send((said, complained));
    });
    let Ok((said, complained)) = told.recv_timeout(patience) else {
        let _ = child.kill();
        let _ = child.wait();
        return Err(TorchTrouble::Hangs(u64::try_from(patience.as_millis()).unwrap_or(u64::MAX)));
    };
    let status = child.wait().map_err(refused)?;
    if status.success() {
        return serde_json::from_str(&said)
            .map_err(|_| TorchTrouble::Refused(format!("it answered {said:?}")));
    }
    // The loader's own exit code, and its words for a library that is missing or has other symbols.
    let loader = [
        "error while loading shared libraries",
        "symbol lookup error",
        "undefined symbol",
        "Library not loaded",
    ];
    let complained = complained.trim();
    if status.code() == Some(127) || loader.iter().any(|words| complained.contains(words)) {
        return Err(TorchTrouble::Libtorch(complained.to_owned()));
    }
    let told = complained.strip_prefix("error: ").unwrap_or(complained);
    Err(TorchTrouble::Refused(if told.is_empty() {
        format!("it ended with {status}")
    } else {
        told.to_owned()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(script: &str) -> Result<ModelLook, TorchTrouble> {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        ask(command, Duration::from_secs(60))
    }

    #[test]
    fn an_answer_a_refusal_and_a_missing_library_are_told_apart() {
        let look = ModelLook { description: "Qwen2".into(), context_length: 512, end_tokens: vec![2] };
        let json = serde_json::to_string(&look).unwrap();
        assert_eq!(answer(&format!("echo '{json}'")), Ok(look));
        assert_eq!(
            answer("echo 'error: no device' >&2; exit 2"),
            Err(TorchTrouble::Refused("no device".into()))
        );
        let missing = "grail-miner: error while loading shared libraries: libtorch_cpu.so: cannot open shared object file";
        assert_eq!(
            answer(&format!("echo '{missing}' >&2; exit 127")),
            Err(TorchTrouble::Libtorch(missing.into()))
        );
        let other = "grail-miner: symbol lookup error: grail-miner: undefined symbol: _ZN2at";
        assert_eq!(
            answer(&format!("echo '{other}' >&2; exit 127")),
            Err(TorchTrouble::Libtorch(other.into()))
        );
        assert!(matches!(answer("echo hello"), Err(TorchTrouble::Refused(_))));
        assert!(matches!(answer("exit 1"), Err(TorchTrouble::Refused(_))));
    }

    #[test]
    fn one_that_hangs_is_not_waited_for() {
        let mut command = Command::new("sleep");
        command.arg("600");
        assert_eq!(ask(command, Duration::from_millis(50)), Err(TorchTrouble::Hangs(50)));
    }
}
