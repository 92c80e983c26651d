use crate::RelayTrouble;
use grail_protocol::beacon::{Beacon, BeaconChain};
use reqwest::{Client, Response, StatusCode};
use serde::Deserialize;

/// A round or a chain description has a few hundred bytes.
const MOST_BYTES: usize = 16 << 10;

/// One relay.
#[derive(Debug, Clone)]
pub(crate) struct Relay {
    /// Address without a slash at its end.
    pub(crate) url: String,
    pub(crate) http: Client,
}

/// What a relay in good order says.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The round, verified.
    Round(Beacon),
    /// It does not have it yet.
    NotYet,
}

#[derive(Deserialize)]
struct Info {
    hash: String,
    public_key: String,
}

impl Relay {
    /// Asks for a round by its number. What comes back as a round is verified against `chain`.
    pub(crate) async fn round(&self, chain: &BeaconChain, round: u64) -> Result<Answer, RelayTrouble> {
        let url = format!("{}/{}/public/{round}", self.url, chain.hash);
        let response = self.http.get(url).send().await.map_err(RelayTrouble::Unreachable)?;
        let status = response.status();
        // Relays differ in how they say "not yet"; for a chain that they do not serve they say 404 as well.
        if matches!(status, StatusCode::NOT_FOUND | StatusCode::TOO_EARLY | StatusCode::NO_CONTENT) {
            return Ok(Answer::NotYet);
        }
        if !status.is_success() {
            return Err(RelayTrouble::Status { status: status.as_u16() });
        }
        let body = bounded(response).await?;
        let beacon: Beacon = serde_json::from_slice(&body).map_err(RelayTrouble::Unreadable)?;
        if beacon.round != round {
            return Err(RelayTrouble::OtherRound { asked: round, got: beacon.round });
        }
        chain.verify(&beacon).map_err(RelayTrouble::Forged)?;
        Ok(Answer::Round(beacon))
    }

    /// Whether the relay serves the chain, by its own word. Used only to name what is wrong with it.
    pub(crate) async fn other_chain(&self, chain: &BeaconChain) -> Option<RelayTrouble> {
        let own = self.info(&format!("{}/{}/info", self.url, chain.hash)).await;
        if let Ok(Some(info)) = &own
            && info.hash == chain.hash
            && info.public_key == hex::encode(chain.public_key)
        {
            return None;
        }
        match own {
            Ok(Some(info)) => Some(RelayTrouble::OtherChain { serves: plausible_hash(info.hash) }),
            // It does not know our chain; perhaps it tells which one it serves by default.
            Ok(None) => {
                let default = self.info(&format!("{}/info", self.url)).await.ok().flatten();
                let serves = default.and_then(|info| plausible_hash(info.hash));
                Some(RelayTrouble::OtherChain { serves })
            }
            Err(_) => None,
        }
    }

    /// A chain description; `None` when the relay has none there.
    async fn info(&self, url: &str) -> Result<Option<Info>, RelayTrouble> {
        let response = self.http.get(url).send().await.map_err(RelayTrouble::Unreachable)?;
        match response.status() {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => {
                let body = bounded(response).await?;
                serde_json::from_slice(&body).map(Some).map_err(RelayTrouble::Unreadable)
            }
            status => Err(RelayTrouble::Status { status: status.as_u16() }),
        }
    }
}

/// A relay's text is shown to people only if it looks like what it should be.
fn plausible_hash(text: String) -> Option<String> {
    (text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(text)
}

/// The body, of which no more than [`MOST_BYTES`] is ever held.
async fn bounded(mut response: Response) -> Result<Vec<u8>, RelayTrouble> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(RelayTrouble::Unreachable)? {
        if body.len().saturating_add(chunk.len()) > MOST_BYTES {
            return Err(RelayTrouble::TooLong { most: MOST_BYTES });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
