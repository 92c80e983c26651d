//! Makes a subnet on a development node that runs the real runtime, for rehearsals:
//! `stage NODE_URL HOTKEY:STAKE:PERMIT…`, with hotkeys by their addresses, stake in whole tokens and `yes` or `no`.
//!
//! Alice, who is sudo of the published development spec, registers a network and the hotkeys in the order given; stake and
//! permits are written into storage, as earning them takes epochs. Prints the netuid.
#![allow(clippy::print_stdout, clippy::disallowed_methods)]

use grail_chain::keys;
use grail_protocol::words::Hotkey;
use std::error::Error;
use subxt::{
    OnlineClient, SubstrateConfig,
    dynamic::{self, Value},
    ext::scale_value::Composite,
};
use subxt_rpcs::client::{RpcClient, rpc_params};
use subxt_signer::sr25519::dev;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Blocks between two rows of one validator.
const RATE_LIMIT: u64 = 5;
/// An epoch takes permits away from those whose stake is only written down.
const TEMPO: u64 = 50_000;

struct Stage {
    api: OnlineClient<SubstrateConfig>,
    rpc: RpcClient,
}

struct Entrant {
    hotkey: Hotkey,
    rao: u64,
    permit: bool,
}

fn entrant(text: &str) -> Outcome<Entrant> {
    let mut parts = text.split(':');
    let mut next = || parts.next().ok_or("a participant is HOTKEY:STAKE:yes or HOTKEY:STAKE:no");
    let (hotkey, stake, permit) = (next()?, next()?, next()?);
    let stake: u32 = stake.parse()?;
    Ok(Entrant { hotkey: hotkey.parse()?, rao: u64::from(stake) * 1_000_000_000, permit: permit == "yes" })
}

impl Stage {
    async fn submit(&self, pallet: &str, call: &str, arguments: Vec<Value>) -> Outcome<()> {
        let at = self.api.at_current_block().await?;
        let call = dynamic::tx(pallet, call, arguments);
        let sent = at.transactions().sign_and_submit_then_watch_default(&call, &dev::alice()).await?;
        sent.wait_for_finalized_success().await?;
        Ok(())
    }

    async fn sudo(&self, call: &str, arguments: Vec<Value>) -> Outcome<()> {
        let inner = dynamic::tx("AdminUtils", call, Composite::Unnamed(arguments)).into_value();
        self.submit("Sudo", "sudo", vec![inner]).await
    }

    async fn set_storage(&self, key: &[u8], value: &[u8]) -> Outcome<()> {
        let hex = |bytes: &[u8]| format!("0x{}", hex::encode(bytes));
        let entries = serde_json::json!([[hex(key), hex(value)]]);
        let _: serde_json::Value = self.rpc.request("dev_setStorage", rpc_params![entries]).await?;
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [url, entrants @ ..] = &words[..] else {
        return Err("usage: stage NODE_URL HOTKEY:STAKE:PERMIT…".into());
    };
    let entrants = entrants.iter().map(|text| entrant(text)).collect::<Outcome<Vec<_>>>()?;
    let rpc = RpcClient::from_insecure_url(url).await?;
    let stage = Stage { api: OnlineClient::from_rpc_client(rpc.clone()).await?, rpc };
    let number = |value: u64| Value::u128(value.into());
    // The first network that is registered on a fresh chain of the published spec.
    let netuid = 2u16;
    stage.sudo("sudo_set_network_rate_limit", vec![number(0)]).await?;
    let owner = Value::from_bytes(dev::eve().public_key().0);
    stage.submit("SubtensorModule", "register_network", vec![owner]).await?;
    stage.sudo("sudo_set_tempo", vec![number(netuid.into()), number(TEMPO)]).await?;
    stage.sudo("sudo_set_weights_set_rate_limit", vec![number(netuid.into()), number(RATE_LIMIT)]).await?;
    for Entrant { hotkey, rao, .. } in &entrants {
        let arguments = vec![number(netuid.into()), Value::from_bytes(hotkey.as_bytes())];
        stage.submit("SubtensorModule", "burned_register", arguments).await?;
        let alpha = keys::HOTKEY_ALPHA.key(&[hotkey.as_bytes(), &netuid.to_le_bytes()]);
        stage.set_storage(&alpha, &rao.to_le_bytes()).await?;
    }
    // SCALE: the length, compact, then a byte for each uid. The network's owner has uid 0.
    let count =
        u8::try_from(entrants.len() + 1).ok().filter(|count| *count < 64).ok_or("at most 62 participants")?;
    let permits: Vec<u8> =
        [count << 2, 0].into_iter().chain(entrants.iter().map(|entrant| u8::from(entrant.permit))).collect();
    stage.set_storage(&keys::VALIDATOR_PERMIT.of(netuid), &permits).await?;
    println!("{netuid}");
    Ok(())
}
