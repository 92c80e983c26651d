//! Answering.

use super::{
    SignerError, SignerRefusal,
    frame::{self, Reply, SignRequest},
    rules::Rules,
    sign_here,
    timed::{self, Timed},
};
use grail_protocol::sign::HotkeyPair;
use std::{
    fs, io,
    io::{Read as _, Write as _},
    net::Shutdown,
    os::unix::{
        fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

/// How a signer serves.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// The socket, in a folder of mode 700.
    pub socket: PathBuf,
    /// What is signed, and for which calls.
    pub rules: Rules,
    /// From a connection to the end of its answer.
    pub time: Duration,
    /// Connections at once; one more is refused as busy.
    pub most_clients: usize,
}

impl ServerSettings {
    /// Five seconds a request, sixteen at once.
    pub fn new(socket: PathBuf, rules: Rules) -> Self {
        Self { socket, rules, time: Duration::from_secs(5), most_clients: 16 }
    }
}

/// A signer that listens. The socket's file goes when it is dropped.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    /// Device and number of the socket's file, to remove no other.
    file: (u64, u64),
    shared: Arc<Shared>,
    stop: Stop,
}

/// What every connection needs.
#[derive(Debug)]
struct Shared {
    pair: HotkeyPair,
    settings: ServerSettings,
    /// The user that may ask.
    user: u32,
    clients: AtomicUsize,
}

/// Ends [`Server::serve`] from another thread.
#[derive(Debug, Clone)]
pub struct Stop {
    flag: Arc<AtomicBool>,
    socket: PathBuf,
}

impl Stop {
    /// Asks the server to end after the request that it is accepting.
    pub fn stop(&self) {
        self.flag.store(true, Ordering::SeqCst);
        // Wakes the thread that waits for a connection; when none waits, none needs waking.
        let _ = UnixStream::connect(&self.socket);
    }
}

impl Server {
    /// Begins to listen. A socket that a dead signer left is replaced.
    ///
    /// Errors: [`SignerError::Folder`], [`SignerError::Running`], [`SignerError::InTheWay`], [`SignerError::Bind`].
    pub fn bind(settings: ServerSettings, pair: HotkeyPair) -> Result<Self, SignerError> {
        Self::bind_for(settings, pair, timed::own_user())
    }

    /// [`Self::bind`] for requests of another user than this process's, so that tests can be the stranger.
    #[doc(hidden)]
    pub fn bind_for(settings: ServerSettings, pair: HotkeyPair, user: u32) -> Result<Self, SignerError> {
        let path = &settings.socket;
        check_folder(path)?;
        clear_the_way(path)?;
        let trouble = |doing| move |source| SignerError::Bind { doing, path: path.clone(), source };
        let listener = UnixListener::bind(path).map_err(trouble("listen at"))?;
        // Until here the folder alone kept others out, and it still does.
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(trouble("set mode 600 of"))?;
        let metadata = path.symlink_metadata().map_err(trouble("look at"))?;
        let stop = Stop { flag: Arc::new(AtomicBool::new(false)), socket: path.clone() };
        let file = (metadata.dev(), metadata.ino());
        let shared = Arc::new(Shared { pair, settings, user, clients: AtomicUsize::new(0) });
        Ok(Self { listener, file, shared, stop })
    }

    /// Ends [`Self::serve`].
    pub fn stop(&self) -> Stop {
        self.stop.clone()
    }

    /// Answers until it is stopped, each connection in a thread of its own.
    ///
    /// Errors: [`SignerError::Bind`] when the socket stops giving connections.
    pub fn serve(&self) -> Result<(), SignerError> {
        let mut failures = 0;
        loop {
            let accepted = self.listener.accept();
            if self.stop.flag.load(Ordering::SeqCst) {
                return Ok(());
            }
            match accepted {
                Ok((stream, _)) => {
                    failures = 0;
                    self.hand_over(stream);
                }
                // A client that has gone, or no file handle left for the moment.
                Err(source) if failures < 100 => {
                    failures += 1;
                    tracing::warn!(target: "grail::signer", error = %source, "cannot accept a connection");
                    std::thread::sleep(Duration::from_millis(50));
                }
                Err(source) => {
                    let path = self.shared.settings.socket.clone();
                    return Err(SignerError::Bind { doing: "accept connections at", path, source });
                }
            }
        }
    }

    fn hand_over(&self, stream: UnixStream) {
        let shared = Arc::clone(&self.shared);
        let Some(place) = Place::take(&shared) else {
            // No thread for it: a flood must cost nothing. The answer fits the socket's own buffer.
            let text = format!("{} requests are being served; try again", shared.settings.most_clients);
            let reply = Reply::Refused(SignerRefusal::Busy, text).encode();
            let _ = Timed::new(&stream, Duration::from_millis(20)).write_all(&reply);
            return;
        };
        let spawned = std::thread::Builder::new().name("signer".into()).spawn(move || {
            answer(&shared, &stream);
            drop(place);
        });
        if let Err(error) = spawned {
            tracing::warn!(target: "grail::signer", %error, "no thread for a request; it goes unanswered");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let path = &self.shared.settings.socket;
        let ours = path.symlink_metadata().is_ok_and(|found| (found.dev(), found.ino()) == self.file);
        if ours {
            // A socket that stays is replaced at the next start.
            let _ = fs::remove_file(path);
        }
    }
}

/// One of the connections at once; given back when dropped.
struct Place(Arc<Shared>);

impl Place {
    fn take(shared: &Arc<Shared>) -> Option<Self> {
        let place = Self(Arc::clone(shared));
        let before = shared.clients.fetch_add(1, Ordering::SeqCst);
        // Dropping the place takes the number back.
        (before < shared.settings.most_clients).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.clients.fetch_sub(1, Ordering::SeqCst);
    }
}

fn answer(shared: &Shared, stream: &UnixStream) {
    let mut timed = Timed::new(stream, shared.settings.time);
    let reply = match decide(shared, stream, &mut timed) {
        Ok(reply) => reply,
        Err((refusal, detail)) => {
            tracing::warn!(target: "grail::signer", %refusal, detail, "refused");
            Reply::Refused(refusal, detail)
        }
    };
    // A client that has gone, or that does not read, has no use for an answer. It gets a moment of its own: a request
    // that was too slow has used up the other.
    let mut last = Timed::new(stream, Duration::from_secs(1));
    let refused = matches!(reply, Reply::Refused(..));
    if last.write_all(&reply.encode()).is_ok() && refused && stream.shutdown(Shutdown::Write).is_ok() {
        // What a refused client still sends is taken off its hands for a moment, so that it reads the refusal and not
        // a broken pipe.
        let mut sink = [0; 4_096];
        while matches!(last.read(&mut sink), Ok(read) if read > 0) {}
    }
}

fn decide(shared: &Shared, stream: &UnixStream, timed: &mut Timed<'_>) -> Result<Reply, frame::No> {
    let inside = |text: String| (SignerRefusal::Inside, text);
    match timed::peer(stream) {
        Ok(Some(uid)) if uid != shared.user => {
            return Err((SignerRefusal::OtherUser, format!("user {uid} asks, user {} may", shared.user)));
        }
        Ok(_) => {}
        Err(error) => return Err(inside(format!("cannot see who asks: {error}"))),
    }
    let hotkey = shared.pair.hotkey();
    let asked = frame::read_request(timed, &shared.settings.rules, &hotkey)?;
    let signed = match asked {
        SignRequest::Who => return Ok(Reply::Hotkey(hotkey)),
        SignRequest::Statement { label, digest } => {
            tracing::info!(target: "grail::signer", label, digest = %hex::encode(digest), "signed");
            sign_here(&shared.pair, &digest)
        }
        SignRequest::Call(call) => {
            tracing::info!(target: "grail::signer", call = call.name, bytes = call.call.len(), "signed");
            sign_here(&shared.pair, &call.signed_bytes())
        }
    };
    signed.map(Reply::Signature).map_err(|error| inside(error.to_string()))
}

/// Keeps other programs of this user from reading this one's memory, and memory out of core files. Call it before a key
/// is opened.
///
/// Errors: what the system says; that it has no such thing, outside Linux.
pub fn keep_memory_private() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    return Ok(rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?);
    #[cfg(not(target_os = "linux"))]
    return Err(io::ErrorKind::Unsupported.into());
}

/// The folder must keep others out: between binding and setting its mode, a socket is open to whoever may enter.
fn check_folder(socket: &Path) -> Result<(), SignerError> {
    let folder = match socket.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let trouble = |source| SignerError::Bind { doing: "look at the folder", path: folder.to_owned(), source };
    let metadata = fs::metadata(folder).map_err(trouble)?;
    let (mode, uid, own) = (metadata.mode() & 0o777, metadata.uid(), timed::own_user());
    if !metadata.is_dir() || mode & 0o077 != 0 || uid != own {
        return Err(SignerError::Folder { path: folder.to_owned(), mode, uid, own });
    }
    Ok(())
}

/// Removes a socket at which nobody listens.
fn clear_the_way(path: &Path) -> Result<(), SignerError> {
    let trouble = |doing| move |source| SignerError::Bind { doing, path: path.to_owned(), source };
    let metadata = match path.symlink_metadata() {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(trouble("look at")(error)),
    };
    if !metadata.file_type().is_socket() {
        return Err(SignerError::InTheWay { path: path.to_owned() });
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(SignerError::Running { path: path.to_owned() }),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(trouble("replace"))
        }
        Err(error) => Err(trouble("see who listens at")(error)),
    }
}
