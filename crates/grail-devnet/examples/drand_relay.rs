//! A drand relay on this machine that replays recorded rounds, each from its time on.
//!
//! `drand_relay record FILE PERIOD_MS ROUNDS` makes a beacon key, signs that many rounds from now on and writes them down with
//! the chain's description; the key is thrown away. `drand_relay chain FILE` prints the description alone, as
//! `GRAIL_BEACON_CHAIN` wants it. `drand_relay serve FILE ADDRESS` answers `/{hash}/info` and `/{hash}/public/{round}` as
//! relays do: a round that is not due yet is not found.
#![allow(clippy::print_stdout, clippy::disallowed_methods)]

use axum::{Json, Router, extract::Path, http::StatusCode, routing::get};
use grail_devnet::bls::BeaconKey;
use grail_protocol::{
    beacon::{Beacon, BeaconChain},
    words::UnixMillis,
};
use serde::{Deserialize, Serialize};
use std::{error::Error, fs, sync::Arc, time::SystemTime};

#[derive(Serialize, Deserialize)]
struct Recording {
    chain: BeaconChain,
    /// From round 1 on.
    rounds: Vec<Beacon>,
}

const USAGE: &str = "usage: drand_relay record FILE PERIOD_MS ROUNDS | chain FILE | serve FILE ADDRESS";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["record", file, period, rounds] => record(file, period.parse()?, rounds.parse()?),
        ["chain", file] => {
            println!("{}", serde_json::to_string(&read(file)?.chain)?);
            Ok(())
        }
        ["serve", file, address] => serve(read(file)?, address).await,
        _ => Err(USAGE.into()),
    }
}

/// This machine's time.
fn now() -> UnixMillis {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixMillis(u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX))
}

fn record(file: &str, period_ms: u64, rounds: u64) -> Result<(), Box<dyn Error>> {
    // Whole seconds, as relays tell it.
    let genesis = UnixMillis(now().0 / 1_000 * 1_000);
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| error.to_string())?;
    let key = BeaconKey::from_seed(&seed);
    let recording = Recording {
        chain: key.chain(genesis, period_ms),
        rounds: (1..=rounds).map(|n| key.sign(n)).collect(),
    };
    Ok(fs::write(file, serde_json::to_vec(&recording)?)?)
}

fn read(file: &str) -> Result<Recording, Box<dyn Error>> {
    Ok(serde_json::from_slice(&fs::read(file)?)?)
}

async fn serve(recording: Recording, address: &str) -> Result<(), Box<dyn Error>> {
    let recording = Arc::new(recording);
    let info = {
        let chain = recording.chain.clone();
        move |Path(hash): Path<String>| async move {
            let info = serde_json::json!({
                "hash": chain.hash, "public_key": hex::encode(chain.public_key),
                "period": chain.period_ms / 1_000, "genesis_time": chain.genesis.0 / 1_000,
            });
            if hash == chain.hash { Ok(Json(info)) } else { Err(StatusCode::NOT_FOUND) }
        }
    };
    let round = move |Path((hash, round)): Path<(String, u64)>| async move {
        let chain = &recording.chain;
        let due = round > 0 && hash == chain.hash && chain.time_of(round) <= now();
        let index = usize::try_from(round.wrapping_sub(1)).ok().filter(|_| due);
        let found: Option<Beacon> = index.and_then(|index| recording.rounds.get(index).cloned());
        found.map(Json).ok_or(StatusCode::NOT_FOUND)
    };
    let router = Router::new().route("/{hash}/info", get(info)).route("/{hash}/public/{round}", get(round));
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, router).await?)
}
