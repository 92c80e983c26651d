//! Sockets: WebSocket for everything, HTTP POST for single questions, on one port.

mod listener;
mod session;
mod socket;
mod subscription;

use crate::node::Handle;
use axum::{
    Router,
    body::Bytes,
    extract::{
        DefaultBodyLimit, State,
        ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::get,
};
use listener::Limited;
use session::Session;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tokio::{net::TcpListener, sync::watch};

/// What is told to a browser or a curious person.
const PAGE: &str = "grail-devchain: a Substrate chain for development.\n\
    Connect with a WebSocket, or POST JSON-RPC 2.0 with content-type application/json.\n\
    rpc_methods lists the methods.\n";

/// What clients may use up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Connections at a time; further ones wait.
    pub connections: usize,
    /// Bytes of a request.
    pub request: usize,
    /// Requests in a batch.
    pub batch: usize,
    /// Subscriptions of a connection.
    pub subscriptions: usize,
    /// Messages that wait for a client that does not read.
    pub queue: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { connections: 256, request: 16 << 20, batch: 64, subscriptions: 1_024, queue: 1_024 }
    }
}

/// What every connection shares.
#[derive(Debug)]
pub(crate) struct Shared {
    handle: Handle,
    bounds: Bounds,
    /// Closes when the node ends.
    closed: watch::Receiver<()>,
    subscription: AtomicU64,
    /// Requests taken up so far.
    asked: Arc<AtomicU64>,
}

impl Shared {
    pub(crate) fn new(
        handle: Handle,
        bounds: Bounds,
        closed: watch::Receiver<()>,
        asked: Arc<AtomicU64>,
    ) -> Arc<Self> {
        Arc::new(Self { handle, bounds, closed, subscription: AtomicU64::new(1), asked })
    }

    fn count_request(&self) {
        self.asked.fetch_add(1, Ordering::Relaxed);
    }

    /// A name that no other subscription of this node has.
    fn subscription_id(&self) -> String {
        format!("devchain-{}", self.subscription.fetch_add(1, Ordering::Relaxed))
    }
}

/// Serves until the node ends.
pub(crate) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut closed = shared.closed.clone();
    let limited = Limited::new(listener, shared.bounds.connections);
    let request = shared.bounds.request;
    let app = Router::new()
        .fallback(get(upgrade).post(post))
        .layer(DefaultBodyLimit::max(request))
        .with_state(shared);
    let end = async move {
        let _ = closed.changed().await;
    };
    if let Err(error) = axum::serve(limited, app).with_graceful_shutdown(end).await {
        tracing::error!(target: "grail::devchain", %error, "the server ended");
    }
}

async fn upgrade(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    if !from_this_machine(&headers) {
        return (StatusCode::FORBIDDEN, "pages of other hosts may not speak to this node\n").into_response();
    }
    match upgrade {
        Ok(upgrade) => upgrade
            .max_message_size(shared.bounds.request)
            .max_frame_size(shared.bounds.request)
            .on_upgrade(move |socket| socket::serve(socket, shared)),
        Err(_) => PAGE.into_response(),
    }
}

async fn post(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    if !from_this_machine(&headers) {
        return (StatusCode::FORBIDDEN, "pages of other hosts may not speak to this node\n").into_response();
    }
    // A page can send other types without asking first.
    let json = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    if !json.is_some_and(|kind| kind.trim_start().starts_with("application/json")) {
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, "the content-type must be application/json\n")
            .into_response();
    }
    let mut session = Session::without_subscriptions(shared);
    match session.answer(&body).await {
        Some(text) => ([(header::CONTENT_TYPE, "application/json")], text).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    }
}

/// Whether a request comes from a program, or from a page of this machine. Any page can reach a port of the loopback,
/// and this one lets its clients write files.
fn from_this_machine(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let host = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
    let Some(host) = host else { return false };
    let bare = match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    matches!(bare, "localhost" | "127.0.0.1" | "[::1]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_other_hosts_are_kept_out() {
        let asks = |origin: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ORIGIN, origin.parse().unwrap());
            from_this_machine(&headers)
        };
        assert!(from_this_machine(&HeaderMap::new()));
        for fine in ["http://localhost:3000", "https://127.0.0.1", "http://[::1]:8080", "http://localhost"] {
            assert!(asks(fine), "{fine}");
        }
        for bad in
            ["https://example.com", "null", "http://localhost.example.com", "http://127.0.0.1.example:80"]
        {
            assert!(!asks(bad), "{bad}");
        }
    }
}
