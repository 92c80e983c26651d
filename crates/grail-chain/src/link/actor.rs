//! The task that owns the connection.

use super::{LinkHealth, Request, Seen, Trouble, board::Board};
use crate::settings::ChainSettings;
use futures::{
    StreamExt as _,
    future::{BoxFuture, FutureExt as _},
    stream::{BoxStream, FuturesUnordered},
};
use grail_protocol::words::{BlockHash, BlockNumber};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};
use subxt_rpcs::{
    Error as RpcError,
    client::{RpcClient, RpcParams},
};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until, timeout, timeout_at},
};

/// Requests under way over one connection; more wait.
const AT_ONCE: usize = 64;

/// Requests that wait while there is no connection; more are answered with an error.
const WAITING: usize = 1_024;

/// What leaves the task besides answers.
pub(super) struct Outlets {
    pub(super) heads: watch::Receiver<Option<Seen>>,
    pub(super) health: watch::Receiver<LinkHealth>,
    pub(super) genesis: watch::Receiver<Option<BlockHash>>,
}

pub(super) struct Actor {
    requests: mpsc::Receiver<Request>,
    heads: watch::Sender<Option<Seen>>,
    health: watch::Sender<LinkHealth>,
    genesis: watch::Sender<Option<BlockHash>>,
    board: Board,
    waiting: VecDeque<Request>,
    attempt_deadline: Duration,
    connect_deadline: Duration,
    stall_after: Duration,
    connections: u64,
}

/// An open connection that has shown that it serves our network.
struct Connection {
    index: usize,
    client: RpcClient,
    heads: BoxStream<'static, Result<Header, RpcError>>,
}

/// The part of a header that is read.
#[derive(Debug, Deserialize)]
struct Header {
    number: String,
}

impl Header {
    fn number(&self) -> Option<BlockNumber> {
        let digits = self.number.strip_prefix("0x")?;
        u64::from_str_radix(digits, 16).ok().map(BlockNumber)
    }
}

/// Why there is no connection.
enum NoConnection {
    Failed(String),
    Foreign(String),
}

impl From<RpcError> for NoConnection {
    fn from(error: RpcError) -> Self {
        Self::Failed(said(&error))
    }
}

/// An error and its causes on one line.
fn said(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

/// How serving ended.
enum End {
    /// Nobody can ask any more.
    Unneeded,
    /// The connection is no good; what is wrong with it.
    Lost(String),
}

impl Actor {
    pub(super) fn new(settings: &ChainSettings, requests: mpsc::Receiver<Request>) -> (Self, Outlets) {
        let board = Board::new(&settings.endpoints, settings.backoff_first, settings.backoff_most);
        let (heads, heads_out) = watch::channel(None);
        let health = LinkHealth { connected: None, endpoints: board.health(), connections: 0 };
        let (health, health_out) = watch::channel(health);
        let (genesis, genesis_out) = watch::channel(settings.genesis);
        let actor = Self {
            requests,
            heads,
            health,
            genesis,
            board,
            waiting: VecDeque::new(),
            attempt_deadline: settings.attempt_deadline.min(settings.call_deadline.mul_f64(0.75)),
            connect_deadline: settings.connect_deadline,
            stall_after: settings.stall_after,
            connections: 0,
        };
        (actor, Outlets { heads: heads_out, health: health_out, genesis: genesis_out })
    }

    pub(super) async fn run(mut self) {
        while let Some(connection) = self.connect().await {
            let index = connection.index;
            self.connections += 1;
            self.publish(Some(index));
            tracing::debug!(target: "chain::link", endpoint = %self.board.endpoint(index), "connected");
            match self.serve(connection).await {
                End::Unneeded => return,
                End::Lost(why) => {
                    let endpoint = self.board.endpoint(index);
                    tracing::warn!(target: "chain::link", %endpoint, %why, "connection given up");
                    self.board.failed(index, why, Instant::now());
                    self.publish(None);
                }
            }
        }
    }

    fn publish(&self, connected: Option<usize>) {
        self.health.send_replace(LinkHealth {
            connected: connected.map(|index| self.board.endpoint(index)),
            endpoints: self.board.health(),
            connections: self.connections,
        });
    }

    /// Opens a connection, however often that takes; requests are collected meanwhile. `None` when nobody can ask.
    async fn connect(&mut self) -> Option<Connection> {
        loop {
            let index = match self.board.next(Instant::now()) {
                Ok(index) => index,
                Err(then) => {
                    self.collect_while(sleep_until(then)).await?;
                    continue;
                }
            };
            let endpoint = self.board.endpoint(index);
            let opening =
                timeout(self.connect_deadline, open(index, endpoint.clone(), *self.genesis.borrow()));
            let opened = self.collect_while(opening.boxed()).await?;
            let deadline = || format!("did not come up within {} ms", self.connect_deadline.as_millis());
            let why = match opened.unwrap_or_else(|_| Err(NoConnection::Failed(deadline()))) {
                Ok((connection, genesis)) => {
                    self.genesis.send_replace(Some(genesis));
                    return Some(connection);
                }
                Err(NoConnection::Failed(why)) => {
                    self.board.failed(index, why.clone(), Instant::now());
                    why
                }
                Err(NoConnection::Foreign(why)) => {
                    self.board.is_foreign(index, why.clone(), Instant::now());
                    why
                }
            };
            tracing::warn!(target: "chain::link", %endpoint, %why, "node cannot be used");
            self.publish(None);
            // Who never reached anybody is told at once. Later outages are waited out, within each deadline.
            if self.connections == 0 && self.board.all_failed() {
                self.turn_away();
            }
        }
    }

    /// Answers what waits with what is wrong with each node.
    fn turn_away(&mut self) {
        let why = self.board.troubles();
        for request in self.waiting.drain(..) {
            let _ = request.answer.send(Err(Trouble::Unreachable { why: why.clone() }));
        }
    }

    /// Waits for something while requests are put aside. `None` when nobody can ask any more.
    async fn collect_while<T>(&mut self, something: impl Future<Output = T>) -> Option<T> {
        let mut something = std::pin::pin!(something);
        loop {
            tokio::select! {
                done = &mut something => return Some(done),
                request = self.requests.recv() => self.put_aside(request?),
            }
        }
    }

    fn put_aside(&mut self, request: Request) {
        let now = Instant::now();
        self.waiting.retain(|request| request.deadline > now && !request.answer.is_closed());
        if self.waiting.len() < WAITING {
            self.waiting.push_back(request);
        } else {
            let why = format!("{WAITING} requests wait already");
            let _ = request.answer.send(Err(Trouble::Broken { why }));
        }
    }

    /// Works on requests until the connection is no good.
    async fn serve(&mut self, mut connection: Connection) -> End {
        type Done = (u64, Option<Result<Box<RawValue>, RpcError>>);
        let mut attempts: FuturesUnordered<BoxFuture<'static, Done>> = FuturesUnordered::new();
        let mut under_way: BTreeMap<u64, (Request, Instant)> = BTreeMap::new();
        let mut next_id = 0u64;
        let mut newest: Option<BlockNumber> = None;
        let mut progress = Instant::now();
        let end = loop {
            while under_way.len() < AT_ONCE {
                let Some(mut request) = self.waiting.pop_front() else { break };
                let now = Instant::now();
                if request.deadline <= now || request.answer.is_closed() {
                    continue;
                }
                let (client, method) = (connection.client.clone(), request.method);
                let params = if request.repeatable { request.params.clone() } else { request.params.take() };
                let until = request.deadline.min(now + self.attempt_deadline);
                let id = next_id;
                next_id += 1;
                under_way.insert(id, (request, now));
                attempts.push(
                    async move {
                        let answer = timeout_at(until, client.request_raw(method, params)).await;
                        (id, answer.ok())
                    }
                    .boxed(),
                );
            }
            tokio::select! {
                request = self.requests.recv() => match request {
                    Some(request) => self.put_aside(request),
                    None => return End::Unneeded,
                },
                Some((id, answer)) = attempts.next() => {
                    let Some((request, begun)) = under_way.remove(&id) else { continue };
                    match answer {
                        Some(Ok(raw)) => {
                            self.board.worked(connection.index);
                            let _ = request.answer.send(Ok(raw));
                        }
                        Some(Err(RpcError::User(error))) => {
                            let data = error.data.as_ref().map(|data| format!(" {}", clip(data.get())));
                            let message = format!("{}{}", clip(&error.message), data.unwrap_or_default());
                            let _ = request.answer.send(Err(Trouble::Node { code: error.code, message }));
                        }
                        Some(Err(error)) => {
                            under_way.insert(id, (request, begun));
                            break End::Lost(said(&error));
                        }
                        // A request that came with little time left says nothing about the connection; one that had
                        // the full time of an attempt says enough.
                        None if begun.elapsed() < self.attempt_deadline => {}
                        None => {
                            let method = request.method;
                            under_way.insert(id, (request, begun));
                            break End::Lost(format!("did not answer {method} in time"));
                        }
                    }
                },
                head = connection.heads.next() => match head {
                    Some(Ok(header)) => match header.number() {
                        Some(number) if newest.is_none_or(|newest| number > newest) => {
                            newest = Some(number);
                            progress = Instant::now();
                            self.board.worked(connection.index);
                            self.announce(number);
                        }
                        // An older block again, after a reorganisation or out of order, is no progress.
                        Some(_) => {}
                        None => break End::Lost(format!("announces block {:?}", clip(&header.number))),
                    },
                    Some(Err(error)) => break End::Lost(said(&error)),
                    None => break End::Lost("ended its announcements of blocks".into()),
                },
                () = sleep_until(progress + self.stall_after) => {
                    break End::Lost(format!("showed no new block for {} ms", self.stall_after.as_millis()));
                }
            }
        };
        if let End::Lost(why) = &end {
            self.hand_back(under_way, why);
        }
        end
    }

    /// Requests that can be repeated wait for the next connection, before younger ones.
    fn hand_back(&mut self, under_way: BTreeMap<u64, (Request, Instant)>, why: &str) {
        for (_, (request, _)) in under_way.into_iter().rev() {
            if request.repeatable {
                self.waiting.push_front(request);
            } else {
                let _ = request.answer.send(Err(Trouble::Broken { why: why.to_owned() }));
            }
        }
    }

    fn announce(&self, number: BlockNumber) {
        self.heads.send_if_modified(|seen| {
            let newer = seen.is_none_or(|seen| number > seen.number);
            if newer {
                *seen = Some(Seen { number, at: Instant::now() });
            }
            newer
        });
    }
}

/// The beginning of a node's words.
fn clip(text: &str) -> String {
    text.chars().take(300).collect()
}

/// Opens a connection, asks for block 0, and subscribes to new blocks.
async fn open(
    index: usize,
    endpoint: String,
    expected: Option<BlockHash>,
) -> Result<(Connection, BlockHash), NoConnection> {
    let client = RpcClient::from_insecure_url(&endpoint).await?;
    let mut params = RpcParams::new();
    params.push(0u32)?;
    let genesis: Option<String> = client.request("chain_getBlockHash", params).await?;
    let genesis = genesis
        .as_deref()
        .and_then(|text| text.parse::<BlockHash>().ok())
        .ok_or_else(|| NoConnection::Failed("does not say the hash of block 0".into()))?;
    if let Some(expected) = expected.filter(|expected| *expected != genesis) {
        return Err(NoConnection::Foreign(format!(
            "serves another network: its block 0 is {genesis}, ours is {expected}"
        )));
    }
    let heads = client
        .subscribe::<Header>("chain_subscribeNewHeads", RpcParams::new(), "chain_unsubscribeNewHeads")
        .await?;
    Ok((Connection { index, client, heads: heads.boxed() }, genesis))
}
