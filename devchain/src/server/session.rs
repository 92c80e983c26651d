//! What one client asks, and what it has subscribed to.

use super::{
    Shared,
    subscription::{self, Started, Topic},
};
use crate::{
    chain::Event,
    rpc::{self, NewBlocks, Params, Request, RpcError, SUBSCRIPTIONS, UNSUBSCRIPTIONS},
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, path::PathBuf, sync::Arc};
use tokio::sync::broadcast;

/// A client's side of the conversation.
#[derive(Debug)]
pub(super) struct Session {
    shared: Arc<Shared>,
    /// Names of running subscriptions; absent where none can be had.
    running: Option<BTreeSet<String>>,
    /// Subscriptions whose first answer was not sent yet.
    starting: Vec<Started>,
    /// Names of those that the client ended.
    ended: Vec<String>,
}

impl Session {
    pub(super) fn without_subscriptions(shared: Arc<Shared>) -> Self {
        Self { shared, running: None, starting: Vec::new(), ended: Vec::new() }
    }

    pub(super) fn with_subscriptions(shared: Arc<Shared>) -> Self {
        Self { running: Some(BTreeSet::new()), ..Self::without_subscriptions(shared) }
    }

    /// Subscriptions to start, now that the client knows their names.
    pub(super) fn take_starting(&mut self) -> Vec<Started> {
        std::mem::take(&mut self.starting)
    }

    /// Subscriptions to end.
    pub(super) fn take_ended(&mut self) -> Vec<String> {
        std::mem::take(&mut self.ended)
    }

    /// A subscription ended by itself.
    pub(super) fn finished(&mut self, id: &str) {
        if let Some(running) = &mut self.running {
            running.remove(id);
        }
    }

    /// Answers a message; `None` where it wants no answer.
    pub(super) async fn answer(&mut self, message: &[u8]) -> Option<String> {
        let value = match serde_json::from_slice::<Value>(message) {
            Ok(value) => value,
            Err(error) => return Some(rpc::response(&Value::Null, Err(RpcError::parse(&error))).to_string()),
        };
        let Value::Array(batch) = value else {
            return self.one(value).await.map(|response| response.to_string());
        };
        if batch.is_empty() || batch.len() > self.shared.bounds.batch {
            let most = self.shared.bounds.batch;
            let what = format!("a batch of {} requests; it has 1 to {most}", batch.len());
            return Some(rpc::response(&Value::Null, Err(RpcError::request(&what))).to_string());
        }
        let mut responses = Vec::new();
        for value in batch {
            responses.extend(self.one(value).await);
        }
        (!responses.is_empty()).then(|| Value::Array(responses).to_string())
    }

    async fn one(&mut self, value: Value) -> Option<Value> {
        match Request::of(value) {
            Err((id, error)) => Some(rpc::response(&id, Err(error))),
            Ok(request) => {
                let id = request.id.clone();
                let result = self.carry_out(request).await;
                id.map(|id| rpc::response(&id, result))
            }
        }
    }

    async fn carry_out(&mut self, request: Request) -> Result<Value, RpcError> {
        self.shared.count_request();
        let Request { id, method, params } = request;
        if UNSUBSCRIPTIONS.contains(&method.as_str()) {
            return self.unsubscribe(&params);
        }
        let topic = match method.as_str() {
            "chain_subscribeNewHeads" | "chain_subscribeNewHead" => Topic::Best,
            "chain_subscribeAllHeads" => Topic::All,
            "chain_subscribeFinalizedHeads" | "chain_subscribeFinalisedHeads" => Topic::Finalized,
            "state_subscribeRuntimeVersion" | "chain_subscribeRuntimeVersion" => Topic::Version,
            "author_submitAndWatchExtrinsic" => {
                self.room_for_one_more(id.as_ref())?;
                let bytes = params.bytes(0, "the extrinsic")?;
                return self.watch(bytes).await;
            }
            "dev_newBlock" => return self.new_blocks(&params).await,
            "dev_snapshot" => return self.snapshot(&params).await,
            name => {
                debug_assert!(!SUBSCRIPTIONS.contains(&name), "{name} would be answered as a plain method");
                return self.shared.handle.ask_rpc(move |chain| rpc::answer(chain, &method, &params)).await;
            }
        };
        self.room_for_one_more(id.as_ref())?;
        let (events, first) = self
            .shared
            .handle
            .ask_rpc(move |chain| Ok((chain.watch(), subscription::present(chain, &topic))))
            .await?;
        Ok(self.start(topic, events, first))
    }

    /// Takes an extrinsic and follows it.
    async fn watch(&mut self, bytes: Vec<u8>) -> Result<Value, RpcError> {
        let submitted = self.shared.handle.ask_rpc(move |chain| {
            let events = chain.watch();
            Ok((events, rpc::submit(chain, bytes)?))
        });
        let (events, (hash, ready)) = submitted.await?;
        let first = vec![json!(if ready { "ready" } else { "future" })];
        Ok(self.start(Topic::Extrinsic(hash), events, first))
    }

    fn start(&mut self, topic: Topic, events: broadcast::Receiver<Arc<Event>>, first: Vec<Value>) -> Value {
        let id = self.shared.subscription_id();
        if let Some(running) = &mut self.running {
            running.insert(id.clone());
        }
        self.starting.push(Started { id: id.clone(), topic, events, first });
        json!(id)
    }

    fn room_for_one_more(&self, id: Option<&Value>) -> Result<(), RpcError> {
        let most = self.shared.bounds.subscriptions;
        match &self.running {
            None => Err(RpcError::limit("subscriptions need a WebSocket")),
            Some(_) if id.is_none() => Err(RpcError::request("a subscription without an id has no answer")),
            Some(running) if running.len() >= most => {
                Err(RpcError::limit(format!("this connection has {most} subscriptions already; end some")))
            }
            Some(_) => Ok(()),
        }
    }

    fn unsubscribe(&mut self, params: &Params) -> Result<Value, RpcError> {
        let id = params.text(0, "the subscription")?;
        let was = self.running.as_mut().is_some_and(|running| running.remove(id));
        if was {
            self.ended.push(id.to_owned());
        }
        Ok(json!(was))
    }

    /// Seals block by block, so that others are answered in between.
    async fn new_blocks(&self, params: &Params) -> Result<Value, RpcError> {
        let NewBlocks { count, mut at_least } = NewBlocks::of(params)?;
        let mut last = Value::Null;
        for _ in 0..count {
            let at = at_least.take();
            let hash = self.shared.handle.ask_rpc(move |chain| Ok(chain.seal(at)?)).await?;
            last = json!(hash.to_string());
        }
        Ok(last)
    }

    async fn snapshot(&self, params: &Params) -> Result<Value, RpcError> {
        let path = match params.need(0, "the path")? {
            Value::String(path) => path.clone(),
            Value::Object(object) => object
                .get("path")
                .and_then(Value::as_str)
                .ok_or_else(|| RpcError::params("path is missing or no text"))?
                .to_owned(),
            _ => return Err(RpcError::params("the path is no text")),
        };
        let bytes = self.shared.handle.snapshot(PathBuf::from(&path)).await?;
        Ok(json!({"path": path, "bytes": bytes}))
    }
}
