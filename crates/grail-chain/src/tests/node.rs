//! A node that answers a few methods, and a way to it that can go wrong in every way that sockets do.

use axum::{
    Router,
    extract::{
        State,
        ws::{Message, WebSocket, WebSocketUpgrade},
    },
    response::IntoResponse,
    routing::any,
    serve::ListenerExt as _,
};
use grail_protocol::words::BlockHash;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{broadcast, watch},
};

/// How a node behaves.
#[derive(Debug, Clone)]
pub(super) struct Behaviour {
    pub(super) genesis: BlockHash,
    /// Answers `test_echo` with its first parameter; other methods by name.
    pub(super) answers: BTreeMap<String, Value>,
    /// Methods that are never answered.
    pub(super) mute: Vec<String>,
    /// Whether each new connection announces the newest block at once.
    pub(super) announces: bool,
    /// Whether answers are no JSON.
    pub(super) gibberish: bool,
    /// Whether subscriptions end right after they began.
    pub(super) ends_announcements: bool,
}

#[derive(Clone)]
pub(super) struct FakeNode {
    inner: Arc<Inner>,
    pub(super) address: SocketAddr,
}

struct Inner {
    behaviour: Mutex<Behaviour>,
    heads: broadcast::Sender<u64>,
    newest: Mutex<u64>,
    asked: Mutex<BTreeMap<String, u32>>,
}

impl FakeNode {
    pub(super) async fn start(genesis: u8) -> Self {
        Self::start_at(genesis, SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    pub(super) async fn start_at(genesis: u8, address: SocketAddr) -> Self {
        let behaviour = Behaviour {
            genesis: BlockHash::from_bytes([genesis; 32]),
            answers: BTreeMap::new(),
            mute: Vec::new(),
            announces: true,
            gibberish: false,
            ends_announcements: false,
        };
        let inner = Arc::new(Inner {
            behaviour: Mutex::new(behaviour),
            heads: broadcast::channel(64).0,
            newest: Mutex::new(1),
            asked: Mutex::new(BTreeMap::new()),
        });
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        // Two answers in a row would else wait for each other's acknowledgement.
        let listener = listener.tap_io(|socket| {
            let _ = socket.set_nodelay(true);
        });
        let router = Router::new().route("/", any(upgrade)).with_state(inner.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { inner, address }
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.inner.behaviour.lock().unwrap());
    }

    /// Announces a block, whatever was announced before.
    pub(super) fn announce(&self, number: u64) {
        *self.inner.newest.lock().unwrap() = number;
        let _ = self.inner.heads.send(number);
    }

    /// How often a method was asked for.
    pub(super) fn asked(&self, method: &str) -> u32 {
        self.inner.asked.lock().unwrap().get(method).copied().unwrap_or(0)
    }

    pub(super) fn url(&self) -> String {
        format!("ws://{}", self.address)
    }
}

async fn upgrade(State(inner): State<Arc<Inner>>, socket: WebSocketUpgrade) -> impl IntoResponse {
    socket.on_upgrade(move |socket| speak(inner, socket))
}

fn header(number: u64) -> Value {
    json!({ "number": format!("{number:#x}"), "parentHash": "0x00" })
}

async fn speak(inner: Arc<Inner>, mut socket: WebSocket) {
    let mut heads = inner.heads.subscribe();
    let mut subscribed = false;
    loop {
        tokio::select! {
            head = heads.recv() => {
                let Ok(number) = head else { continue };
                if subscribed && tell(&mut socket, number).await.is_err() {
                    return;
                }
            }
            message = socket.recv() => {
                let Some(Ok(message)) = message else { return };
                let Message::Text(text) = message else { continue };
                let Ok(request) = serde_json::from_str::<Value>(&text) else { return };
                let method = request["method"].as_str().unwrap_or_default().to_owned();
                *inner.asked.lock().unwrap().entry(method.clone()).or_default() += 1;
                let behaviour = inner.behaviour.lock().unwrap().clone();
                if behaviour.mute.contains(&method) {
                    continue;
                }
                let result = match method.as_str() {
                    "chain_getBlockHash" => json!(behaviour.genesis),
                    "chain_subscribeNewHeads" => json!("heads"),
                    "test_echo" => request["params"][0].clone(),
                    other => behaviour.answers.get(other).cloned().unwrap_or(Value::Null),
                };
                let answer = json!({ "jsonrpc": "2.0", "id": request["id"], "result": result }).to_string();
                let answer = if behaviour.gibberish && method == "test_echo" { "}{".to_owned() } else { answer };
                if socket.send(Message::Text(answer.into())).await.is_err() {
                    return;
                }
                if method == "chain_subscribeNewHeads" {
                    subscribed = true;
                    let newest = *inner.newest.lock().unwrap();
                    if behaviour.announces && tell(&mut socket, newest).await.is_err() {
                        return;
                    }
                    if behaviour.ends_announcements {
                        return;
                    }
                }
            }
        }
    }
}

async fn tell(socket: &mut WebSocket, number: u64) -> Result<(), axum::Error> {
    let told = json!({
        "jsonrpc": "2.0",
        "method": "chain_newHead",
        "params": { "subscription": "heads", "result": header(number) },
    });
    socket.send(Message::Text(told.to_string().into())).await
}

/// What happens on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weather {
    /// Bytes pass.
    Fine,
    /// Connections are accepted and bytes vanish.
    Silent,
    /// Connections are closed, and new ones too.
    Closed,
    /// The node's side is gone, the client's side stays open.
    HalfOpen,
    /// Bytes take that long.
    Slow(Duration),
    /// The client gets bytes that nobody sent.
    Garbage,
}

/// A socket in front of a node.
pub(super) struct Proxy {
    weather: watch::Sender<Weather>,
    address: SocketAddr,
}

impl Proxy {
    pub(super) async fn before(node: &FakeNode) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (weather, changes) = watch::channel(Weather::Fine);
        let target = node.address;
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, target, changes.clone()));
            }
        });
        Self { weather, address }
    }

    pub(super) fn weather(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }

    pub(super) fn url(&self) -> String {
        format!("ws://{}", self.address)
    }
}

async fn pass(client: TcpStream, target: SocketAddr, weather: watch::Receiver<Weather>) {
    if *weather.borrow() == Weather::Closed {
        return;
    }
    let Ok(node) = TcpStream::connect(target).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_node, to_node) = node.into_split();
    // Dropping one direction closes its socket's half, so both are kept until both are done.
    tokio::join!(
        carry(from_client, to_node, weather.clone(), false),
        carry(from_node, to_client, weather, true)
    );
}

async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut weather: watch::Receiver<Weather>,
    to_client: bool,
) {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let now = *weather.borrow_and_update();
        match now {
            Weather::Closed => return,
            Weather::HalfOpen if !to_client => {
                // The node sees the end of the connection; the client sees nothing at all.
                let _ = to.shutdown().await;
                std::future::pending::<()>().await;
            }
            Weather::HalfOpen => std::future::pending::<()>().await,
            Weather::Garbage if to_client => {
                let _ = to.write_all(&[0xff, 0x13, 0x37, 0x00].repeat(64)).await;
                return;
            }
            Weather::Fine | Weather::Silent | Weather::Slow(_) | Weather::Garbage => {}
        }
        let read = tokio::select! {
            read = from.read(&mut buffer) => read,
            changed = weather.changed() => {
                if changed.is_err() { return }
                continue;
            }
        };
        let Ok(read @ 1..) = read else { return };
        let now = *weather.borrow();
        match now {
            // It changed while this was read, which is lost: what follows is said above.
            Weather::Closed | Weather::HalfOpen => continue,
            Weather::Garbage if to_client => continue,
            Weather::Silent => continue,
            Weather::Slow(delay) => tokio::time::sleep(delay).await,
            Weather::Fine | Weather::Garbage => {}
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
