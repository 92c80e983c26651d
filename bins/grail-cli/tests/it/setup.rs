//! The wizard, as a person at a terminal meets it, and as a script does.

use super::{
    house::{self, ACCOUNT, Rules},
    text,
};
use rexpect::session::{PtySession, spawn_command};
use std::{
    fs,
    path::Path,
    process::{Command, Output},
};
use tokio::runtime::Runtime;

fn command(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_grail"));
    command.env_clear().current_dir(dir).arg("setup").args(arguments);
    command.env("HOME", dir).env("NO_COLOR", "1").env("TERM", "xterm").env("PATH", "/usr/bin:/bin");
    command
}

fn secrets(dir: &Path) -> [String; 2] {
    ["writer-secret", "reader-secret"].map(|secret| {
        let path = dir.join(format!("{secret}.txt"));
        fs::write(&path, format!("{secret}\n")).unwrap();
        text(&path).to_owned()
    })
}

/// Everything that a script says.
fn scripted(dir: &Path, url: &str, more: &[&str]) -> Output {
    let [write, read] = secrets(dir);
    let mut arguments = vec![
        "--yes",
        "--network",
        "local",
        "--netuid",
        "2",
        "--wallet-cold",
        "ada",
        "--wallet-hot",
        "miner",
        "--r2-account-id",
        ACCOUNT,
        "--r2-endpoint-url",
        url,
        "--r2-allow-http",
        "true",
        "--r2-write-access-key-id",
        "writer",
        "--r2-write-secret-file",
        &write,
        "--r2-read-access-key-id",
        "reader",
        "--r2-read-secret-file",
        &read,
        "--model",
        "models/tiny",
        "--batch-size",
        "4",
    ];
    arguments.extend(more);
    command(dir, &arguments).output().unwrap()
}

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_script_sets_up_without_a_question_and_overwrites_only_when_told() {
    let dir = tempfile::tempdir().unwrap();
    let run = |more: &[&str]| scripted(dir.path(), "http://127.0.0.1:1", &[&["--no-checks"], more].concat());
    let error = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
    let dry = run(&["--dry-run"]);
    let told = String::from_utf8_lossy(&dry.stdout).into_owned();
    assert!(dry.status.success(), "{}", error(&dry));
    assert!(told.contains("R2_WRITE_SECRET_ACCESS_KEY=***") && !told.contains("writer-secret"), "{told}");
    assert!(told.contains("nothing was written") && !dir.path().join(".env").exists(), "{told}");

    let written = run(&[]);
    assert!(written.status.success(), "{}", error(&written));
    let env = fs::read_to_string(dir.path().join(".env")).unwrap();
    let toml = fs::read_to_string(dir.path().join("grail.toml")).unwrap();
    for line in
        ["BT_NETWORK=local", "NETUID=2", "BT_WALLET_COLD=ada", "R2_WRITE_SECRET_ACCESS_KEY=writer-secret"]
    {
        assert!(env.lines().any(|found| found == line), "{line} is not in\n{env}");
    }
    assert!(env.contains(&format!("R2_BUCKET_ID={ACCOUNT}\n")), "{env}");
    assert!(toml.contains("[model]\nfolder = \"models/tiny\"\ngeneration_batch_size = \"4\"\n"), "{toml}");
    assert_eq!((mode(&dir.path().join(".env")), mode(&dir.path().join("grail.toml"))), (0o600, 0o600));

    let again = run(&[]);
    assert_eq!(again.status.code(), Some(2));
    assert!(
        error(&again).contains("is there already") && error(&again).contains("--overwrite"),
        "{}",
        error(&again)
    );
    let replaced = run(&["--overwrite"]);
    assert!(replaced.status.success(), "{}", error(&replaced));
    assert_eq!(fs::read_to_string(dir.path().join(".env.before-1")).unwrap(), env);
    assert_eq!(mode(&dir.path().join(".env.before-1")), 0o600);
}

#[test]
fn without_a_terminal_or_an_answer_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let error = |arguments: &[&str]| {
        let output = command(dir.path(), arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let told = error(&[]);
    assert!(told.contains("no terminal") && told.contains("--yes"), "{told}");
    let told = error(&["--yes", "--no-checks"]);
    assert!(
        told.contains("R2_ACCOUNT_ID (--r2-account-id)") && told.contains("--r2-read-secret-file"),
        "{told}"
    );
    assert!(error(&["--yes", "--no-checks", "--netuid", "x"]).contains("--netuid: NETUID cannot be \"x\""));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

/// Answers one question. The terminal is read byte by byte: only ASCII can be waited for.
fn answer(session: &mut PtySession, question: &str, answer: &str) {
    session.exp_string(question).unwrap_or_else(|error| panic!("{question:?}: {error}"));
    if question.contains("secret access key") {
        wait_until_hidden(session);
    }
    session.send_line(answer).unwrap();
}

/// A terminal that stops to echo throws away what was typed before: a secret is typed only then.
fn wait_until_hidden(session: &PtySession) {
    for _ in 0..3_000 {
        let terminal = session.process().get_file_handle().unwrap();
        let modes = Command::new("stty").arg("-a").stdin(terminal).output().unwrap();
        if String::from_utf8_lossy(&modes.stdout).split_whitespace().any(|mode| mode == "-echo") {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("the terminal goes on echoing where a secret is asked for");
}

#[test]
fn a_person_is_asked_corrected_and_served() {
    let runtime = Runtime::new().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let house = runtime.block_on(house::open(Rules::default()));
    // Nobody listens there, so the chain's check fails, and the person goes on.
    let run = command(dir.path(), &["--network", "ws://127.0.0.1:1", "--role", "validator"]);
    let mut session = spawn_command(run, Some(120_000)).unwrap();
    answer(&mut session, "Number of the subnet (netuid)", "2");
    session.exp_string(" chain: connect to the chain").unwrap();
    answer(&mut session, "Answer the questions about the network again?", "n");
    // A chain without a name leaves open what the subnet's owner says.
    answer(&mut session, "Constants of its windows", "dev");
    answer(&mut session, "drand relays, joined by commas", "");
    answer(&mut session, "File that describes its beacon", "");
    answer(&mut session, "File with what it states of weights and seeding", "");
    answer(&mut session, "Name of the wallet (coldkey)", "ada");
    answer(&mut session, "Name of the hotkey", "miner");
    session.exp_string(" wallet: there is no hotkey file").unwrap();
    answer(&mut session, "Answer the questions about the wallet again?", "n");
    answer(&mut session, "Is the bucket at Cloudflare R2?", "n");
    answer(&mut session, "Address of the S3 service", &house.url);
    answer(&mut session, "It has no TLS: take it all the same?", "y");
    // A slip is refused at once.
    answer(&mut session, "Account id, which is also the bucket's name", "0123");
    session.exp_string("expected 32 lower-case hexadecimal digits").unwrap();
    session.send_line(ACCOUNT).unwrap();
    answer(&mut session, "Access key id of the token that may read and write", "writer");
    answer(&mut session, "Its secret access key", "writer-secret");
    answer(&mut session, "Access key id of the token that may only read", "reader");
    answer(&mut session, "Its secret access key", "typo");
    session.exp_string(" store-read: the read secret does not belong to the read key id").unwrap();
    answer(&mut session, "Answer the questions about the bucket again?", "y");
    for question in
        ["Account id", "Access key id of the token that may read and write", "Its secret access key"]
    {
        answer(&mut session, question, "");
    }
    answer(&mut session, "Access key id of the token that may only read", "");
    answer(&mut session, "Its secret access key", "reader-secret");
    session.exp_string(" store-read-only: a write with the read key is refused").unwrap();
    answer(&mut session, "Hotkey of the trainer", "");
    answer(&mut session, "Folder for what can be fetched again", "");
    answer(&mut session, "Folder of the model", "");
    answer(&mut session, "Where to compute", "");
    answer(&mut session, "Rollouts decoded at once", "");
    answer(&mut session, "Folder for verdicts", "");
    session.exp_string("R2_READ_SECRET_ACCESS_KEY=***").unwrap();
    answer(&mut session, "Write both files?", "y");
    let rest = session.exp_eof().unwrap();
    // The doctor has the last word: nobody listens where the chain should be.
    assert!(rest.contains("grail doctor") && rest.contains("chain: connect to the chain"), "{rest}");
    assert!(rest.contains("to mend") && !rest.contains("writer-secret"), "{rest}");
    let toml = fs::read_to_string(dir.path().join("grail.toml")).unwrap();
    assert!(toml.contains("reports = \"reports\""), "{toml}");

    let env = fs::read_to_string(dir.path().join(".env")).unwrap();
    for line in
        ["R2_READ_SECRET_ACCESS_KEY=reader-secret", "BT_WALLET_HOT=miner", "R2_ALLOW_HTTP=true", "NETUID=2"]
    {
        assert!(env.lines().any(|found| found == line), "{line} is not in\n{env}");
    }
    assert_eq!(mode(&dir.path().join(".env")), 0o600);

    // The second time everything has an answer, and replacing is refused unless it is wished.
    let typed =
        ["--no-checks", "--role", "miner", "--netuid", "2", "--wallet-cold", "ada", "--wallet-hot", "miner"];
    let mut session = spawn_command(command(dir.path(), &typed), Some(120_000)).unwrap();
    answer(&mut session, "Network", "");
    answer(&mut session, "Address of the node", "");
    answer(&mut session, "Constants of its windows", "");
    answer(&mut session, "drand relays, joined by commas", "");
    answer(&mut session, "File that describes its beacon", "");
    answer(&mut session, "File with what it states of weights and seeding", "");
    answer(&mut session, "Is the bucket at Cloudflare R2?", "n");
    answer(&mut session, "Address of the S3 service", "");
    answer(&mut session, "It has no TLS: take it all the same?", "y");
    for question in [
        "Account id",
        "may read and write",
        "Its secret access key",
        "may only read",
        "Its secret access key",
        "Hotkey of the trainer",
        "Folder for what can be",
        "Folder of the model",
        "Where to compute",
        "Rollouts decoded",
    ] {
        answer(&mut session, question, "");
    }
    answer(&mut session, ".env is there already. Replace it?", "n");
    assert!(session.exp_eof().unwrap().contains("nothing was written"));
    assert_eq!(fs::read_to_string(dir.path().join(".env")).unwrap(), env);
}

#[test]
fn a_script_is_told_what_a_role_needs_and_did_not_get() {
    let dir = tempfile::tempdir().unwrap();
    for (role, name) in
        [("validator", "GRAIL_REPORTS (--reports)"), ("trainer", "GRAIL_TRAINER_STATE (--state)")]
    {
        let output = scripted(dir.path(), "http://127.0.0.1:1", &["--no-checks", "--role", role]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains(name), "{told}");
    }
    let typed = ["--no-checks", "--role", "validator", "--reports", "/var/lib/grail/reports"];
    let output = scripted(dir.path(), "http://127.0.0.1:1", &typed);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let toml = fs::read_to_string(dir.path().join("grail.toml")).unwrap();
    assert!(toml.contains("reports = \"/var/lib/grail/reports\""), "{toml}");
}
