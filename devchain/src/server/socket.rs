//! One WebSocket: messages in, answers and news out.

use super::{
    Shared,
    session::Session,
    subscription::{self, End},
};
use axum::extract::ws::{Message, WebSocket};
use futures::{SinkExt as _, StreamExt as _};
use std::{collections::BTreeMap, sync::Arc};
use tokio::{
    sync::mpsc,
    task::{AbortHandle, JoinSet},
};

/// Talks to one client until either side ends it.
pub(super) async fn serve(socket: WebSocket, shared: Arc<Shared>) {
    let (mut sink, mut stream) = socket.split();
    let (out, mut queue) = mpsc::channel::<Message>(shared.bounds.queue.max(1));
    let mut closed = shared.closed.clone();
    let write = async {
        while let Some(message) = queue.recv().await {
            if sink.send(message).await.is_err() {
                return;
            }
        }
    };
    let read = async {
        let mut session = Session::with_subscriptions(shared.clone());
        let mut following = Following::default();
        loop {
            // Requests of a client are carried out in their order; its news come in between.
            let message = tokio::select! {
                message = stream.next() => message,
                Some(end) = following.tasks.join_next(), if !following.tasks.is_empty() => {
                    match end {
                        Ok(End::Slow(id)) => {
                            tracing::warn!(
                                target: "grail::devchain", subscription = %id,
                                "a client was too slow for what it follows; its connection is closed"
                            );
                            return;
                        }
                        Ok(End::Done(id)) => {
                            session.finished(&id);
                            following.by_id.remove(&id);
                        }
                        // The client ended it, or the connection is about to end.
                        Ok(End::Over) | Err(_) => {}
                    }
                    continue;
                }
            };
            let answer = match message {
                Some(Ok(Message::Text(text))) => session.answer(text.as_bytes()).await,
                Some(Ok(Message::Binary(bytes))) => session.answer(&bytes).await,
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
            };
            if let Some(text) = answer
                && out.send(Message::text(text)).await.is_err()
            {
                return;
            }
            for id in session.take_ended() {
                if let Some(task) = following.by_id.remove(&id) {
                    task.abort();
                }
            }
            for started in session.take_starting() {
                let id = started.id.clone();
                let task = following.tasks.spawn(subscription::follow(started, out.clone()));
                following.by_id.insert(id, task);
            }
        }
    };
    tokio::select! {
        () = write => {}
        () = read => {}
        _ = closed.changed() => {}
    }
}

/// Tasks of the running subscriptions; they end with the connection.
#[derive(Default)]
struct Following {
    tasks: JoinSet<End>,
    by_id: BTreeMap<String, AbortHandle>,
}
