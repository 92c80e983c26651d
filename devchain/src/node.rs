//! A running node: the chain on a thread of its own, the server beside it.

use crate::{
    chain::{Chain, ChainError, Habits, Seal, Start},
    error::DevchainError,
    rpc::RpcError,
    server::{self, Bounds, Shared},
    snapshot::Snapshot,
    spec::Spec,
    text::{Hash, hex0x},
};
use std::{
    net::{Ipv4Addr, SocketAddr},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
    time::{MissedTickBehavior, interval_at},
};

/// Questions that may wait for the chain.
const WAITING_QUESTIONS: usize = 256;

/// What a chain begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A chain spec, plain or raw.
    Spec(PathBuf),
    /// A snapshot of an earlier run.
    Snapshot(PathBuf),
}

/// Everything a node is told.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// What the chain begins with.
    pub origin: Origin,
    /// When blocks are sealed.
    pub seal: Seal,
    /// Where clients connect; port 0 takes one that is free.
    pub listen: SocketAddr,
    /// Where time begins; absent: a new chain now, a restored one as before.
    pub start: Option<Start>,
    /// Blocks whose whole state is kept, at least 1.
    pub keep_states: u32,
    /// Blocks that are kept without their state.
    pub keep_blocks: u32,
    /// Blocks by which the finalized head is behind the best.
    pub finality_lag: u32,
    /// What a client may use up.
    pub bounds: Bounds,
}

impl NodeConfig {
    /// Instant sealing on a free port of the loopback, time from now, immediate finality.
    pub fn new(origin: Origin) -> Self {
        Self {
            origin,
            seal: Seal::Instant,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            start: None,
            keep_states: 256,
            keep_blocks: 20_000,
            finality_lag: 0,
            bounds: Bounds::default(),
        }
    }

    fn habits(&self) -> Habits {
        Habits {
            seal: self.seal,
            start: self.start,
            keep_states: self.keep_states,
            keep_blocks: self.keep_blocks,
            finality_lag: self.finality_lag,
        }
    }
}

/// A block's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Its number.
    pub number: u32,
    /// Its hash.
    pub hash: Hash,
}

/// A chain, in a few words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// Name of the chain.
    pub name: String,
    /// Its short name.
    pub id: String,
    /// Hash of block 0.
    pub genesis: Hash,
    /// The best block.
    pub best: Head,
    /// Number of the finalized block.
    pub finalized: u32,
    /// Time of the latest block, in milliseconds since 1970.
    pub time: u64,
    /// Milliseconds of a slot.
    pub slot: u64,
    /// Name of the runtime.
    pub runtime: String,
    /// Version of the runtime.
    pub spec_version: u64,
    /// Storage items of the best block.
    pub items: usize,
    /// BLAKE2b hash of the runtime's code as it is stored.
    pub code_hash: Hash,
    /// Bytes of that code.
    pub code_bytes: usize,
}

/// A node that runs. It ends when it is dropped.
#[derive(Debug)]
pub struct Node {
    handle: Handle,
    address: SocketAddr,
    asked: Arc<AtomicU64>,
    closing: watch::Sender<()>,
    server: JoinHandle<()>,
    thread: thread::JoinHandle<()>,
}

impl Node {
    /// Loads the chain and opens the port. Needs a Tokio runtime.
    ///
    /// Errors: [`DevchainError`] when the origin cannot be used or the port is taken.
    pub async fn start(config: NodeConfig) -> Result<Self, DevchainError> {
        let (handle, thread) = open(config.origin.clone(), config.habits()).await?;
        let refused = |source| DevchainError::Listen { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let (closing, closed) = watch::channel(());
        if let Seal::Every(time) = config.seal {
            tokio::spawn(seal_in_time(handle.clone(), time, closed.clone()));
        }
        let asked = Arc::<AtomicU64>::default();
        let shared = Shared::new(handle.clone(), config.bounds, closed, Arc::clone(&asked));
        let server = tokio::spawn(server::serve(listener, shared));
        Ok(Self { handle, address, asked, closing, server, thread })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What clients connect to; the same port answers single requests at `http://`.
    pub fn url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// Requests that clients made so far; each of a batch counts.
    pub fn requests(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// Seals blocks one after the other, with whatever waits. Gives the last one.
    pub async fn new_blocks(&self, count: u32) -> Result<Head, DevchainError> {
        for _ in 0..count {
            self.handle.ask(|chain| chain.seal(None)).await??;
        }
        self.head().await
    }

    /// Seals a block whose time is at least `millis` since 1970.
    pub async fn new_block_at(&self, millis: u64) -> Result<Head, DevchainError> {
        self.handle.ask(move |chain| chain.seal(Some(millis))).await??;
        self.head().await
    }

    /// The best block.
    pub async fn head(&self) -> Result<Head, DevchainError> {
        self.handle.ask(|chain| head(chain)).await
    }

    /// Storage of the best block.
    pub async fn storage(&self, key: &[u8]) -> Result<Option<Vec<u8>>, DevchainError> {
        let key = key.to_vec();
        let value = self.handle.ask(move |chain| Ok(chain.history().best_state()?.get(&key).cloned()));
        let value: Result<_, ChainError> = value.await?;
        Ok(value?.map(|value| value.to_vec()))
    }

    /// Writes storage of the best block in place, or removes it. Its hash stays; clients get no event.
    pub async fn set_storage(
        &self,
        items: impl IntoIterator<Item = (Vec<u8>, Option<Vec<u8>>)>,
    ) -> Result<(), DevchainError> {
        let items: Vec<_> = items.into_iter().collect();
        Ok(self.handle.ask(move |chain| chain.set_storage(&items)).await??)
    }

    /// Builds a fork of `blocks` empty blocks that leaves the chain `depth` below its head, and takes it where it is
    /// longer. Extrinsics of the blocks that are left wait again. Gives the head of the fork.
    ///
    /// Without a finality lag this turns over blocks that were called final, which no honest chain does.
    pub async fn reorganise(&self, depth: u32, blocks: u32) -> Result<Hash, DevchainError> {
        Ok(self.handle.ask(move |chain| chain.reorganise(depth, blocks)).await??)
    }

    /// Writes the chain to a file that another node can start from; replaces a snapshot and nothing else. Gives its
    /// bytes.
    pub async fn snapshot(&self, path: impl AsRef<Path>) -> Result<u64, DevchainError> {
        self.handle.snapshot(path.as_ref().to_owned()).await
    }

    /// What chain this is and where it stands.
    pub async fn info(&self) -> Result<Info, DevchainError> {
        Ok(self.handle.ask(|chain| info(chain)).await??)
    }

    /// Waits until the best block has at least this number. For chains that seal by themselves.
    pub async fn reached(&self, number: u32) -> Result<Head, DevchainError> {
        let (mut events, mut at) = self.handle.ask(|chain| (chain.watch(), head(chain))).await?;
        while at.number < number {
            // Having been too slow to see every block does not matter here; that none comes any more does.
            if let Err(tokio::sync::broadcast::error::RecvError::Closed) = events.recv().await {
                return Err(DevchainError::Gone);
            }
            at = self.head().await?;
        }
        Ok(at)
    }

    /// Ends it, and waits until the port is free and the chain's thread is done.
    pub async fn stop(self) {
        let Self { handle, address: _, asked: _, closing, server, thread } = self;
        drop(closing);
        drop(handle);
        let _ = server.await;
        let _ = tokio::task::spawn_blocking(move || thread.join()).await;
    }
}

/// Loads a chain without opening a port, makes blocks on it, and tells about it.
pub(crate) async fn open(
    origin: Origin,
    habits: Habits,
) -> Result<(Handle, thread::JoinHandle<()>), DevchainError> {
    let (jobs, mut waiting) = mpsc::channel::<Job>(WAITING_QUESTIONS);
    let (loaded, ready) = oneshot::channel();
    let run = move || {
        let mut chain = match load(&origin, habits) {
            Ok(chain) => chain,
            Err(error) => {
                let _ = loaded.send(Err(error));
                return;
            }
        };
        if loaded.send(Ok(())).is_err() {
            return;
        }
        while let Some(job) = waiting.blocking_recv() {
            // Blocks are kept only when they are whole, so the chain is sound after a job that was cut short.
            if catch_unwind(AssertUnwindSafe(|| job(&mut chain))).is_err() {
                tracing::error!(target: "grail::devchain", "a question to the chain ended in a panic");
            }
        }
    };
    let thread =
        thread::Builder::new().name("devchain".to_owned()).spawn(run).map_err(DevchainError::Thread)?;
    ready.await.map_err(|_| DevchainError::Gone)??;
    Ok((Handle { jobs }, thread))
}

fn load(origin: &Origin, habits: Habits) -> Result<Chain, DevchainError> {
    match origin {
        Origin::Spec(path) => Ok(Chain::new(Spec::read(path)?, habits)?),
        Origin::Snapshot(path) => Ok(Chain::restore(Snapshot::read(path)?, habits)?),
    }
}

fn head(chain: &Chain) -> Head {
    let best = chain.history().best();
    Head { number: best.header.number, hash: best.hash }
}

fn info(chain: &Chain) -> Result<Info, ChainError> {
    let state = chain.history().best_state()?;
    let code = state.get(crate::state::CODE).map(|code| code.to_vec()).unwrap_or_default();
    let best = head(chain);
    Ok(Info {
        name: chain.about().name.clone(),
        id: chain.about().id.clone(),
        genesis: chain.history().hash_at(0).unwrap_or(best.hash),
        best,
        finalized: chain.history().finalized_number(),
        time: chain.clock().latest(),
        slot: chain.clock().slot(),
        runtime: chain.version()["specName"].as_str().unwrap_or_default().to_owned(),
        spec_version: chain.version()["specVersion"].as_u64().unwrap_or_default(),
        items: state.len(),
        code_hash: Hash::of(&code),
        code_bytes: code.len(),
    })
}

/// Seals after each `time` until the node ends.
async fn seal_in_time(handle: Handle, time: std::time::Duration, mut closed: watch::Receiver<()>) {
    let mut ticks = interval_at(tokio::time::Instant::now() + time, time);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = closed.changed() => return,
        }
        match handle.ask(|chain| chain.seal(None)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                tracing::error!(target: "grail::devchain", %error, "no block could be sealed");
            }
            Err(error) => tracing::error!(target: "grail::devchain", %error, "no block could be sealed"),
        }
    }
}

type Job = Box<dyn FnOnce(&mut Chain) + Send>;

/// A way to the chain's thread. The thread ends with the last of them.
#[derive(Debug, Clone)]
pub(crate) struct Handle {
    jobs: mpsc::Sender<Job>,
}

impl Handle {
    /// Asks the chain.
    pub(crate) async fn ask<R: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Chain) -> R + Send + 'static,
    ) -> Result<R, DevchainError> {
        let (answered, answer) = oneshot::channel();
        let job: Job = Box::new(move |chain| {
            // Whoever asked may have gone away.
            let _ = answered.send(question(chain));
        });
        self.jobs.send(job).await.map_err(|_| DevchainError::Gone)?;
        answer.await.map_err(|_| DevchainError::Gone)
    }

    /// As [`ask`](Self::ask), for what is answered to a client.
    pub(crate) async fn ask_rpc<R: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Chain) -> Result<R, RpcError> + Send + 'static,
    ) -> Result<R, RpcError> {
        self.ask(question).await?
    }

    /// Writes the chain to a file. Other questions are answered meanwhile.
    pub(crate) async fn snapshot(&self, path: PathBuf) -> Result<u64, DevchainError> {
        let snapshot = self.ask(|chain| chain.snapshot()).await??;
        let written = tokio::task::spawn_blocking(move || snapshot.write(&path)).await;
        Ok(written.map_err(|_| DevchainError::Gone)??)
    }
}

impl Info {
    /// One value a line, for people.
    pub fn lines(&self) -> Vec<(&'static str, String)> {
        vec![
            ("chain", format!("{} ({})", self.name, self.id)),
            ("genesis", self.genesis.to_string()),
            ("best block", format!("{} {}", self.best.number, self.best.hash)),
            ("finalized", self.finalized.to_string()),
            ("time", format!("{} ms since 1970, slots of {} ms", self.time, self.slot)),
            ("runtime", format!("{} {}", self.runtime, self.spec_version)),
            ("code", format!("{} bytes, blake2 {}", self.code_bytes, hex0x(self.code_hash.0))),
            ("storage", format!("{} items", self.items)),
        ]
    }
}
