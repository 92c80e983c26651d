//! The signer as a stranger, a colleague and an operator meet it.

use grail_artifact::{
    verdict::{VERDICT_VERSION, VerdictFile, verdict_message},
    window::RootHex,
};
use grail_ports::sign::{ChainCall, Sign};
use grail_protocol::{
    sign::{HotkeyPair, Signature, Statement, verify},
    words::{CheckpointId, Hotkey, WindowStart},
};
use grail_testkit::doors::conformance;
use grail_wallet::{
    secret::pair_from_uri,
    signer::{
        Server, ServerSettings, Signer, SignerError, SignerRefusal, SocketSigner, Stop, frame, frame::Reply,
        rules::Rules,
    },
};
use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::{
        fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, symlink},
        net::UnixStream,
    },
    path::{Path, PathBuf},
    thread::JoinHandle,
    time::Duration,
};

/// Long enough for a machine that does other things.
const GENEROUS: Duration = Duration::from_secs(60);

fn alice() -> HotkeyPair {
    pair_from_uri("//Alice").unwrap()
}

/// The user of this process, as the file system sees it.
fn own() -> u32 {
    tempfile::tempfile().unwrap().metadata().unwrap().uid()
}

/// A folder of mode 700 with a path for a socket.
struct House {
    dir: tempfile::TempDir,
}

impl House {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
        Self { dir }
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("signer.sock")
    }

    fn settings(&self) -> ServerSettings {
        let rules = Rules::default().allow(["set_weights", "set_commitment"], Some(81)).unwrap();
        ServerSettings { time: GENEROUS, ..ServerSettings::new(self.socket(), rules.on_chain([0xcc; 32])) }
    }
}

/// A signer in a thread; stopped when dropped.
struct Running {
    stop: Stop,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    fn start(settings: ServerSettings) -> Self {
        Self::serve(Server::bind(settings, alice()).unwrap())
    }

    fn serve(server: Server) -> Self {
        let stop = server.stop();
        let thread = std::thread::spawn(move || server.serve().unwrap());
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.stop();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

fn connect(socket: &Path) -> Result<SocketSigner, SignerError> {
    SocketSigner::connect(socket, GENEROUS)
}

/// `set_weights` of subnet 81 for the chain 0xcc….
fn weights() -> ChainCall {
    let call = [&[7, 0, 81, 0][..], &[4; 300]].concat();
    let additional = [&[0; 8][..], &[0xcc; 32], &[0xbb; 32], &[0]].concat();
    ChainCall { name: "set_weights".into(), call, extra: vec![0, 4, 0, 0], additional }
}

/// Sends bytes as they are and reads whatever comes.
fn raw(socket: &Path, bytes: &[u8]) -> Reply {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(GENEROUS)).unwrap();
    // A signer that refuses early reads no further.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    read(&mut stream)
}

fn read(stream: &mut UnixStream) -> Reply {
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut body = vec![0; u32::from_le_bytes(length) as usize];
    stream.read_exact(&mut body).unwrap();
    Reply::decode(&body).unwrap()
}

#[track_caller]
fn refused(reply: Reply, expected: SignerRefusal) {
    match reply {
        Reply::Refused(refusal, detail) => assert_eq!(refusal, expected, "{detail}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn statements_and_calls_are_signed_as_in_memory() {
    let house = House::new();
    let _running = Running::start(house.settings());
    let (here, there) = (Signer::Pair(alice()), Signer::Socket(connect(&house.socket()).unwrap()));
    let statements = [Statement::message(b"hello"), Statement::message(b"hello you")];
    for signer in [&here, &there] {
        assert_eq!(signer.hotkey(), alice().hotkey());
        conformance::sign(signer, &statements, &[weights()]);
    }
    let far: &dyn Sign = &there;
    let fault = far.sign_call(&ChainCall { name: "transfer".into(), ..weights() }).unwrap_err();
    assert!(fault.chain().contains("call-not-allowed") && fault.chain().contains("--allow"), "{fault:?}");
}

/// Files of every kind that a hotkey signs, through the signer, read back by the very code that checks them.
#[test]
fn what_grail_signs_goes_through_the_signer() {
    let house = House::new();
    let _running = Running::start(house.settings());
    let signer = connect(&house.socket()).unwrap();
    let mut file = VerdictFile {
        version: VERDICT_VERSION,
        network: "dev-1".parse().unwrap(),
        window: WindowStart(40),
        checkpoint: CheckpointId::from_bytes([5; 32]),
        env: "sat/1".parse().unwrap(),
        validator: alice().hotkey(),
        challenge: RootHex([6; 32]),
        files: vec![],
        signature: None,
    };
    file.sign_with(signer.hotkey(), |statement| signer.sign(statement)).unwrap();
    assert!(verify(&signer.hotkey(), &verdict_message(&file), &file.signature.unwrap()));
    // Under somebody else's name it is not signed.
    let stranger = Hotkey::from_bytes([9; 32]);
    let error = file.sign_with(stranger, |statement| signer.sign(statement)).unwrap_err();
    assert!(matches!(error, SignerError::Refused { refusal: SignerRefusal::OtherHotkey, .. }), "{error}");
    let file =
        Statement::new("grail/1 file").with(&[1; 32]).with(&[2; 32]).with(&[1, 0, 0, 0]).with(&[16, 0, 0, 0]);
    let manifest = Statement::new("grail/1 manifest").with(&[3; 32]);
    let bundle = [0; 5].iter().fold(
        Statement::new("grail/1 bundle").with(&[1, 0, 0, 0, 0, 0, 0, 0]).with(alice().hotkey().as_bytes()),
        |statement, _| statement.with(&[7; 32]),
    );
    for statement in [file, manifest, bundle] {
        assert!(verify(&signer.hotkey(), &statement.digest(), &signer.sign(&statement).unwrap()));
    }
}

/// Whoever adds a statement to what is signed must give the signer its label and shape.
#[test]
fn every_label_of_the_artifacts_is_known() {
    fn labels(folder: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                labels(&path, found);
            } else {
                let text = fs::read_to_string(&path).unwrap();
                let after = text.split("Statement::new(\"").skip(1);
                found.extend(after.map(|rest| rest.split('"').next().unwrap().to_owned()));
            }
        }
    }
    let mut found = Vec::new();
    labels(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../grail-artifact/src"), &mut found);
    assert!(found.len() >= 4, "{found:?}");
    let rules = Rules::default();
    for label in found {
        assert!(
            rules.labels().any(|known| known == label),
            "the signer knows no {label:?}; see signer/rules.rs"
        );
    }
}

#[test]
fn wrong_requests_are_refused_each_by_its_name() {
    let house = House::new();
    let _running = Running::start(house.settings());
    let socket = house.socket();
    let say = |statement: Statement| raw(&socket, &frame::statement(&statement).unwrap());
    let call = |change: fn(&mut ChainCall)| {
        let mut call = weights();
        change(&mut call);
        raw(&socket, &frame::call(&call).unwrap())
    };
    // 1: a label that GRAIL hashes and never signs. 2: a protocol of somebody else.
    refused(say(Statement::new("grail/1 header").with(&[0; 32])), SignerRefusal::LabelNotAllowed);
    refused(say(Statement::new("substrate").with(b"x")), SignerRefusal::LabelNotAllowed);
    // 3, 4: fields that the label does not have.
    refused(say(Statement::new("grail/1 manifest").with(&[0; 31])), SignerRefusal::LabelShape);
    refused(say(Statement::new("grail/1 file").with(&[0; 32])), SignerRefusal::LabelShape);
    // 5: a call that is not on the list. 6: one under the name of another. 7: another subnet.
    refused(call(|call| call.name = "burned_register".into()), SignerRefusal::CallNotAllowed);
    refused(call(|call| call.call[1] = 7), SignerRefusal::CallPrefix);
    refused(call(|call| call.call[2] = 82), SignerRefusal::CallPrefix);
    // 8: too short for an extrinsic, so it might be the digest of something. 9: for another chain.
    refused(call(|call| call.additional.truncate(20)), SignerRefusal::ShortPayload);
    refused(call(|call| call.additional[8] ^= 1), SignerRefusal::OtherChain);
    // 10: of another version. 11: of no kind. 12: cut. 13: with something behind. 14: far too long.
    refused(raw(&socket, &[2, 0, 0, 0, 2, 1]), SignerRefusal::Version);
    refused(raw(&socket, &[2, 0, 0, 0, 1, 77]), SignerRefusal::UnknownKind);
    refused(raw(&socket, &frame::call(&weights()).unwrap()[..40]), SignerRefusal::Malformed);
    refused(raw(&socket, &[3, 0, 0, 0, 1, 1, 0]), SignerRefusal::Malformed);
    refused(raw(&socket, &u32::MAX.to_le_bytes()), SignerRefusal::TooLarge);
    // 15: 32 bytes of somebody's choice, as the wallet of the original would sign them.
    let digest = Statement::new("grail/1 file").digest();
    refused(
        say(Statement { label: "".into(), fields: vec![digest.to_vec()] }),
        SignerRefusal::LabelNotAllowed,
    );
    // And it still answers.
    assert_eq!(raw(&socket, &frame::who()), Reply::Hotkey(alice().hotkey()));
}

#[test]
fn a_signer_may_be_held_to_fewer_labels() {
    let house = House::new();
    let rules = Rules::default().only_labels(["file"]).unwrap();
    let _running = Running::start(ServerSettings { rules, ..house.settings() });
    let signer = connect(&house.socket()).unwrap();
    let error = signer.sign(&Statement::message(b"hello")).unwrap_err();
    assert!(
        matches!(&error, SignerError::Refused { refusal: SignerRefusal::LabelNotAllowed, detail, .. }
        if detail.contains("grail/1 file")),
        "{error}"
    );
    assert!(!error.may_pass());
}

#[test]
fn many_ask_at_once() {
    let house = House::new();
    let _running = Running::start(ServerSettings { most_clients: 64, ..house.settings() });
    let socket = house.socket();
    let threads: Vec<_> = (0..8u8)
        .map(|thread| {
            let socket = socket.clone();
            std::thread::spawn(move || {
                let signer = connect(&socket).unwrap();
                for round in 0..10u8 {
                    let statement = Statement::message(&[thread, round]);
                    let signature = signer.sign(&statement).unwrap();
                    assert!(verify(&signer.hotkey(), &statement.digest(), &signature));
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn one_that_stalls_blocks_no_other_and_is_let_go() {
    let house = House::new();
    // Its own time is short, so that the end of it is seen; the others have theirs.
    let settings = ServerSettings { time: Duration::from_secs(2), ..house.settings() };
    let _running = Running::start(settings);
    let socket = house.socket();
    let mut stalled = UnixStream::connect(&socket).unwrap();
    stalled.write_all(&frame::call(&weights()).unwrap()[..30]).unwrap();
    let silent = UnixStream::connect(&socket).unwrap();
    let signer = connect(&socket).unwrap();
    assert!(signer.sign(&Statement::message(b"meanwhile")).is_ok());
    for mut waiting in [stalled, silent] {
        waiting.set_read_timeout(Some(GENEROUS)).unwrap();
        refused(read(&mut waiting), SignerRefusal::TooSlow);
    }
}

#[test]
fn too_many_at_once_are_told_so() {
    let house = House::new();
    let running = Running::start(ServerSettings { most_clients: 2, ..house.settings() });
    let socket = house.socket();
    let waiting: Vec<_> = (0..2).map(|_| UnixStream::connect(&socket).unwrap()).collect();
    // Connections are taken in their order, so the third finds both places taken.
    let error = connect(&socket).unwrap_err();
    assert!(matches!(&error, SignerError::Refused { refusal: SignerRefusal::Busy, .. }), "{error}");
    assert!(error.may_pass());
    drop(waiting);
    let again = std::iter::repeat_with(|| connect(&socket)).take(2_000).find_map(|signer| {
        std::thread::sleep(Duration::from_millis(5));
        signer.ok()
    });
    assert!(again.is_some(), "places come back");
    drop(running);
}

#[test]
fn a_frame_above_the_bound_is_refused_before_it_is_sent() {
    let house = House::new();
    let _running = Running::start(house.settings());
    let signer = connect(&house.socket()).unwrap();
    let large = Statement::message(&vec![0; frame::MOST_PART as usize + 1]);
    assert!(matches!(signer.sign(&large), Err(SignerError::RequestTooLarge { got: 1_048_577, .. })));
    let most = Statement::message(&vec![0; frame::MOST_PART as usize]);
    assert!(signer.sign(&most).is_ok());
    let call = ChainCall { extra: vec![0; frame::MOST_PART as usize + 1], ..weights() };
    assert!(matches!(signer.sign_call(&call), Err(SignerError::RequestTooLarge { .. })));
}

#[test]
fn a_dead_socket_is_replaced_and_a_living_one_is_not() {
    let house = House::new();
    let socket = house.socket();
    // Left behind by a process that was killed: bound, then the listener gone.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    assert!(fs::symlink_metadata(&socket).unwrap().file_type().is_socket());
    assert!(matches!(connect(&socket), Err(SignerError::NotThere { .. })));
    let running = Running::start(house.settings());
    assert_eq!(fs::metadata(&socket).unwrap().mode() & 0o777, 0o600);
    let signer = connect(&socket).unwrap();
    let second = Server::bind(house.settings(), alice()).unwrap_err();
    assert!(matches!(second, SignerError::Running { .. }), "{second}");
    drop(running);
    assert!(!socket.exists(), "a stopped signer takes its socket along");
    let gone = signer.sign(&Statement::message(b"x")).unwrap_err();
    assert!(matches!(&gone, SignerError::NotThere { .. }) && gone.may_pass(), "{gone}");
    assert!(gone.to_string().contains("grail signer --socket"), "{gone}");
    // A client survives its signer's restart, and notices another key.
    let running = Running::start(house.settings());
    assert!(signer.sign(&Statement::message(b"x")).is_ok());
    drop(running);
    let bob = pair_from_uri("//Bob").unwrap();
    let _running = Running::serve(Server::bind(house.settings(), bob).unwrap());
    let wrong = signer.sign(&Statement::message(b"x")).unwrap_err();
    assert!(matches!(&wrong, SignerError::WrongKey { .. }), "{wrong}");
}

#[test]
fn a_folder_that_lets_others_in_and_files_in_the_way_are_refused() {
    let house = House::new();
    for mode in [0o755, 0o770, 0o701] {
        fs::set_permissions(house.dir.path(), fs::Permissions::from_mode(mode)).unwrap();
        let error = Server::bind(house.settings(), alice()).unwrap_err();
        assert!(matches!(error, SignerError::Folder { mode: found, .. } if found == mode), "{error}");
        assert!(error.to_string().contains("mkdir -m 700"), "{error}");
    }
    fs::set_permissions(house.dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let nowhere = ServerSettings { socket: house.dir.path().join("none/s"), ..house.settings() };
    assert!(matches!(Server::bind(nowhere, alice()), Err(SignerError::Bind { .. })));
    fs::write(house.socket(), "a file").unwrap();
    assert!(matches!(Server::bind(house.settings(), alice()), Err(SignerError::InTheWay { .. })));
    fs::remove_file(house.socket()).unwrap();
    symlink("/elsewhere", house.socket()).unwrap();
    assert!(matches!(Server::bind(house.settings(), alice()), Err(SignerError::InTheWay { .. })));
}

/// The signer is told that another user may ask, which makes this very process the stranger: the check is the same,
/// and needs no second user on the machine.
#[cfg(target_os = "linux")]
#[test]
fn another_user_is_refused_before_a_byte_is_read() {
    let house = House::new();
    let _running = Running::serve(Server::bind_for(house.settings(), alice(), own() + 1).unwrap());
    let mut stream = UnixStream::connect(house.socket()).unwrap();
    stream.set_read_timeout(Some(GENEROUS)).unwrap();
    refused(read(&mut stream), SignerRefusal::OtherUser);
    let error = connect(&house.socket()).unwrap_err();
    assert!(matches!(error, SignerError::Refused { refusal: SignerRefusal::OtherUser, .. }), "{error}");
}

/// With a second user at hand, the folder alone keeps it out.
#[test]
fn another_user_does_not_reach_the_socket() {
    let house = House::new();
    let _running = Running::start(house.settings());
    let script = format!(
        "import socket; s = socket.socket(socket.AF_UNIX); s.connect({:?}); print('reached')",
        house.socket()
    );
    let tried = std::process::Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "python3", "-c", &script])
        .output();
    match tried {
        Ok(output) if String::from_utf8_lossy(&output.stderr).contains("Permission") => {
            assert!(!output.status.success() && output.stdout.is_empty());
        }
        Ok(output) if output.status.success() => panic!("another user reached the socket"),
        other => {
            let reason = match other {
                Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
                Err(error) => error.to_string(),
            };
            skip(&format!("this machine does not let a test be another user: {reason}"));
        }
    }
}

#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn skip(reason: &str) {
    eprintln!("SKIPPED: {reason}");
}

#[test]
fn an_answer_that_is_none_is_named() {
    let house = House::new();
    let listener = std::os::unix::net::UnixListener::bind(house.socket()).unwrap();
    let lies: [Vec<u8>; 4] = [
        u32::MAX.to_le_bytes().to_vec(),
        vec![2, 0, 0, 0, 9, 0],
        vec![1, 0],
        Reply::Signature(Signature::from_bytes([0; 64])).encode(),
    ];
    let count = lies.len();
    let liar = std::thread::spawn(move || {
        for lie in lies {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 64]);
            stream.write_all(&lie).unwrap();
        }
    });
    for _ in 0..count {
        let error = connect(&house.socket()).unwrap_err();
        assert!(matches!(error, SignerError::Answer { .. } | SignerError::Lost { .. }), "{error}");
    }
    liar.join().unwrap();
}
