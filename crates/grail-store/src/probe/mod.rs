//! What is wrong with a bucket, found out by asking it.
//!
//! Stores say little: R2 answers `Unauthorized` to nearly every mistake. So no single answer decides. Both pairs ask
//! for the same things, a made-up pair asks once as a control, and pairs that fail are tried with their halves or
//! secrets exchanged; which of these succeed, and which are answered alike, names the mistake.
//!
//! Nothing is printed here. Objects of probes lie under `grail-probe/` and are removed again.

mod ask;
mod judge;
mod mistake;

pub use mistake::{Allowed, Mistake, Pair};

use crate::{
    Endpoint, Location, ReadCredentials, StoreError, WriteCredentials, object::R2_HOST, service_address,
};
use ask::{Answer, Asker, Keys, Reply};
use bytes::Bytes;
use futures::future::join;
use grail_ports::clock::Clock;
use judge::{Answers, OfPair};
use reqwest::Method;

/// Where Cloudflare keeps buckets that the network expects.
pub const R2_PLACE: &str = "ENAM";

/// What is examined.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The bucket.
    pub location: Location,
    /// The account that the participant says it has.
    pub account: String,
    /// The pair that is published.
    pub read: ReadCredentials,
    /// The pair that stays here.
    pub write: WriteCredentials,
    /// Where the bucket should be, in the word that the store uses; `None` where it does not matter.
    pub place: Option<String>,
}

/// How patient probes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Most milliseconds of one question.
    pub question_ms: u64,
    /// Clocks that differ by more are worth a warning: deadlines of uploads go by the store's clock.
    pub warn_skew_ms: u64,
    /// Clocks that differ by more are a mistake: windows would be missed.
    pub most_skew_ms: u64,
}

impl Default for Patience {
    /// Ten seconds a question; clocks within two seconds, or within thirty.
    fn default() -> Self {
        Self { question_ms: 10_000, warn_skew_ms: 2_000, most_skew_ms: 30_000 }
    }
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProbeReport {
    /// Every mistake, the one to mend first at the front. Empty: the bucket is as it should be.
    pub mistakes: Vec<Mistake>,
    /// Milliseconds by which the store's clock is ahead of ours; the store tells it in whole seconds.
    pub ahead_ms: Option<i64>,
    /// Where the bucket is, in the store's word, where it tells.
    pub place: Option<String>,
    /// Whether an object was written and read back with the write pair.
    pub wrote: bool,
    /// Whether it was read with the read pair.
    pub read: bool,
    /// Whether a write with the read pair was refused.
    pub read_only: bool,
    /// `Enabled` or `Suspended`, where the bucket keeps old versions or kept them, and tells.
    pub versioning: Option<String>,
}

/// Examines a bucket: some fifteen small requests. `clock` is ours, to be compared with the store's.
pub async fn examine(subject: &Subject, clock: &dyn Clock, patience: Patience) -> ProbeReport {
    let mut report = ProbeReport::default();
    if !settings(subject, &mut report.mistakes) {
        return report;
    }
    let asker = match Asker::new(&subject.location, patience) {
        Ok(asker) => asker,
        Err(reason) => {
            report.mistakes.push(Mistake::Setting { setting: "endpoint", reason });
            return report;
        }
    };
    let before = clock.now();
    let hello = asker.ask(None, Method::GET, None, &[], Bytes::new()).await;
    let after = clock.now();
    match &hello {
        Answer::NotAsked => {}
        Answer::Nothing(silence) => {
            let endpoint = asker.endpoint().to_owned();
            let is_r2 = endpoint.ends_with(R2_HOST);
            report.mistakes.push(Mistake::Unreachable { endpoint, is_r2, why: silence.clone() });
            return report;
        }
        Answer::Said(reply) => {
            let middle = before.0.midpoint(after.0);
            report.ahead_ms = reply.date_ms.map(|theirs| difference(theirs, middle));
        }
    }
    if let Some(ahead_ms) = report.ahead_ms {
        // The header has whole seconds, cut off: half a second on average is no difference.
        let off = ahead_ms.unsigned_abs();
        if off > patience.warn_skew_ms.saturating_add(1_000) {
            let grave = off > patience.most_skew_ms;
            report.mistakes.push(Mistake::ClockSkew { ahead_ms: Some(ahead_ms), grave });
        }
    }
    let keys = |id: &str, secret: &str| Keys::new(id, secret);
    let read = keys(subject.read.access_key_id(), subject.read.secret());
    let write = keys(subject.write.access_key_id(), subject.write.secret());
    let answers = question(&asker, &read, &write, before.0).await;
    report.wrote = answers.write.put.is_fine() && answers.write.got_it_back;
    report.read = answers.read.get.is_fine() && (answers.read.got_it_back || !answers.write.put.is_fine());
    report.read_only = answers.read.put.is_refusal();
    report.place = answers.place.clone();
    report.versioning = answers.versioning.clone();
    judge::judge(subject, &asker, &answers, &mut report.mistakes).await;
    if let (Some(place), Some(expected)) = (&report.place, &subject.place)
        && !place.eq_ignore_ascii_case(expected)
    {
        let (place, expected) = (place.clone(), expected.clone());
        report.mistakes.push(Mistake::Elsewhere { place, expected });
    }
    // What stops everything is mended first.
    report.mistakes.sort_by_key(Mistake::rank);
    report
}

/// What can be said without asking anybody; false where nothing can be asked.
fn settings(subject: &Subject, mistakes: &mut Vec<Mistake>) -> bool {
    let bucket = &subject.location.bucket;
    if bucket != &subject.account {
        mistakes.push(Mistake::Name { bucket: bucket.clone(), account: subject.account.clone() });
    }
    let equal = subject.read.commitment(&subject.write).err();
    if let Some(crate::CredentialsError::Shared { field }) = equal {
        mistakes.push(Mistake::EqualKeys { field });
        return false;
    }
    match subject.location.url() {
        Err(StoreError::Setting { setting, reason }) => {
            if let Endpoint::Url(url) = &subject.location.endpoint
                && setting == "endpoint"
                && let Err(found) = service_address(url, bucket)
                && found.clean().is_some()
            {
                mistakes.push(Mistake::Endpoint { found });
                return false;
            }
            let url = match &subject.location.endpoint {
                Endpoint::Url(url) if url.starts_with("http://") => Some(url.clone()),
                _ => None,
            };
            mistakes.push(match url {
                Some(endpoint) => Mistake::PlainHttp { endpoint },
                None => Mistake::Setting { setting, reason },
            });
            false
        }
        Err(error) => {
            mistakes.push(Mistake::Setting { setting: "endpoint", reason: error.to_string() });
            false
        }
        Ok(url) => {
            let host = url.split("://").nth(1).and_then(|rest| rest.split(['/', ':']).next()).unwrap_or("");
            if let Some(name) = host.strip_suffix(R2_HOST)
                // Jurisdictions stand between the account and the host's own name.
                && let Some(account) = name.split('.').next()
                && account != subject.account
            {
                let endpoint_account = account.to_owned();
                mistakes.push(Mistake::Account { endpoint_account, account: subject.account.clone() });
            }
            true
        }
    }
}

/// Asks everything that both pairs may be asked.
async fn question(asker: &Asker, read: &Keys, write: &Keys, salt: u64) -> Answers {
    let object = format!("grail-probe/{salt:x}-{:x}", std::process::id());
    let body = Bytes::from(format!("a probe of grail doctor, {object}"));
    let list = |keys| asker.list(keys);
    let control = Keys::made_up();
    let ((of_write, of_read), (of_control, location)) =
        join(join(list(write), list(read)), join(list(&control), asker.place(write))).await;
    let location = match location {
        Some(place) => Some(place),
        None => asker.place(read).await,
    };
    let mut answers = Answers {
        write: OfPair::listed(of_write),
        read: OfPair::listed(of_read),
        control: of_control,
        multipart: None,
        left: None,
        place: location,
        versioning: None,
    };
    // Some stores make a bucket that is written to: the wrong name would be right from then on.
    if answers.write.list.is_missing() || answers.read.list.is_missing() {
        return answers;
    }
    let put = |keys, name: &str, body: &Bytes| {
        let (name, body) = (name.to_owned(), body.clone());
        async move { asker.ask(Some(keys), Method::PUT, Some(&name), &[], body).await }
    };
    let get = |keys, name: &str| {
        let name = name.to_owned();
        async move { asker.ask(Some(keys), Method::GET, Some(&name), &[], Bytes::new()).await }
    };
    let write_put = put(write, &object, &body).await;
    let ((write_get, read_get), versioning) =
        join(join(get(write, &object), get(read, &object)), asker.versioning(write)).await;
    answers.versioning = match versioning {
        None => asker.versioning(read).await,
        told => told,
    };
    let intruder = format!("{object}-by-the-read-key");
    let read_put = put(read, &intruder, &body).await;
    let mut versions = vec![(&object, write_put.version()), (&intruder, read_put.version())];
    if write_put.is_fine() {
        let sent = asker.in_parts(write, &object, &body).await;
        versions.push((&object, sent.as_ref().ok().cloned().flatten()));
        answers.multipart = Some(sent.map(drop));
    }
    for (wrote, name) in [(&write_put, &object), (&read_put, &intruder)] {
        if wrote.is_fine() {
            let mut gone = asker.remove(write, name, None).await;
            if !gone.is_fine() && *name == intruder {
                gone = asker.remove(read, name, None).await;
            }
            // A removal leaves a mark where versions are kept.
            versions.push((name, gone.version()));
            if !gone.is_fine() {
                answers.left = Some((name.clone(), gone));
            }
        }
    }
    if answers.versioning.is_some() {
        for (name, version) in versions {
            let Some(version) = version else { continue };
            // What stays is a few bytes; that versions stay is told anyway.
            let _ = asker.remove(write, name, Some(&version)).await;
        }
    }
    let same = |answer: &Answer| matches!(answer, Answer::Said(Reply { body: got, .. }) if *got == body);
    answers.write.tried(same(&write_get), write_get, write_put);
    answers.read.tried(same(&read_get), read_get, read_put);
    answers
}

fn difference(theirs: u64, ours: u64) -> i64 {
    let off = i64::try_from(theirs.abs_diff(ours)).unwrap_or(i64::MAX);
    if theirs >= ours { off } else { -off }
}
