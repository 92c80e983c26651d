//! A relay on a free port of this machine, with a character.

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, State},
    http::{StatusCode, header::LOCATION},
    response::{IntoResponse as _, Response},
    routing::get,
};
use grail_ports::beacon::BeaconSource as _;
use grail_protocol::words::UnixMillis;
use grail_testkit::doors::{FakeBeacon, ManualClock};
use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::{net::TcpListener, task::JoinHandle};

/// Hash of the chain that some relays serve in place of ours.
pub(crate) const OTHER_HASH: &str = "8990e7a9aaed2ffed73dbd7092123d6f289930540d7651336225dc172e51b2ce";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// Serves what is published.
    Honest,
    /// Signs with a key of its own and claims to serve our chain.
    Forges,
    /// Answers every round with a later one.
    SendsLatest,
    /// Does not have the round, and serves our chain.
    Lags,
    /// Takes the request and says nothing.
    Hangs,
    /// Begins an answer and says no more.
    Stalls,
    /// Answers with an error.
    Fails,
    /// Sends the client elsewhere.
    Redirects,
    /// Answers with something else.
    Babbles,
    /// Sends text without end.
    NeverEnds,
    /// Knows nothing of our chain.
    OtherChain,
    /// Serves another chain's rounds whatever it is asked.
    OtherChainUnderOurName,
}

pub(crate) struct Relay {
    pub(crate) url: String,
    requests: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Relay {
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    pub(crate) async fn stop(&self) {
        self.task.abort();
        while !self.task.is_finished() {
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone)]
struct Shared {
    behaviour: Behaviour,
    beacon: FakeBeacon,
    stranger: FakeBeacon,
    requests: Arc<AtomicUsize>,
}

async fn listen(app: Router, requests: Arc<AtomicUsize>) -> Relay {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    Relay { url, requests, task }
}

pub(crate) async fn serve(behaviour: Behaviour, beacon: &FakeBeacon) -> Relay {
    let requests = Arc::new(AtomicUsize::new(0));
    let clock = Arc::new(ManualClock::at(UnixMillis(u64::MAX)));
    let stranger = FakeBeacon::new([99; 32], beacon.chain().genesis, beacon.chain().period_ms, clock);
    let shared = Shared { behaviour, beacon: beacon.clone(), stranger, requests: Arc::clone(&requests) };
    let app = Router::new()
        .route("/{chain}/public/{round}", get(round))
        .route("/{chain}/info", get(info))
        .route("/info", get(default_info))
        .with_state(shared);
    listen(app, requests).await
}

/// Answers everything with the same text.
pub(crate) async fn recorded(text: String) -> Relay {
    let app = Router::new().fallback(move || async move { text });
    listen(app, Arc::default()).await
}

fn json(value: &impl serde::Serialize) -> Response {
    serde_json::to_string(value).unwrap().into_response()
}

async fn round(State(shared): State<Shared>, Path((chain, round)): Path<(String, u64)>) -> Response {
    shared.requests.fetch_add(1, Ordering::SeqCst);
    if chain != shared.beacon.chain().hash {
        return StatusCode::NOT_FOUND.into_response();
    }
    match shared.behaviour {
        Behaviour::Honest => match shared.beacon.round(round).await.unwrap() {
            Some(beacon) => json(&beacon),
            None => StatusCode::NOT_FOUND.into_response(),
        },
        Behaviour::Forges | Behaviour::OtherChainUnderOurName => json(&shared.stranger.sign(round)),
        Behaviour::SendsLatest => json(&shared.beacon.sign(round + 7)),
        Behaviour::Lags | Behaviour::OtherChain => StatusCode::NOT_FOUND.into_response(),
        Behaviour::Hangs => std::future::pending().await,
        Behaviour::Stalls => {
            let begun = futures::stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"{\"round\":"))]);
            let stream = futures::StreamExt::chain(begun, futures::stream::pending());
            Body::from_stream(stream).into_response()
        }
        Behaviour::Fails => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Behaviour::Redirects => (StatusCode::FOUND, [(LOCATION, "http://127.0.0.1:1/")]).into_response(),
        Behaviour::Babbles => "<html>welcome</html>".into_response(),
        Behaviour::NeverEnds => {
            let endless = futures::stream::repeat(Ok::<_, Infallible>(Bytes::from_static(&[b' '; 4096])));
            Body::from_stream(endless).into_response()
        }
    }
}

async fn info(State(shared): State<Shared>, Path(chain): Path<String>) -> Response {
    match shared.behaviour {
        Behaviour::OtherChain => StatusCode::NOT_FOUND.into_response(),
        Behaviour::OtherChainUnderOurName => other_info(&shared),
        _ if chain == shared.beacon.chain().hash => {
            let chain = shared.beacon.chain();
            let key = hex::encode(chain.public_key);
            json(&serde_json::json!({ "hash": chain.hash, "public_key": key, "period": 3 }))
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn default_info(State(shared): State<Shared>) -> Response {
    other_info(&shared)
}

fn other_info(shared: &Shared) -> Response {
    let key = hex::encode(shared.stranger.chain().public_key);
    json(&serde_json::json!({ "hash": OTHER_HASH, "public_key": key, "period": 30 }))
}
