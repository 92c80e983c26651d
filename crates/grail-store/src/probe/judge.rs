//! From answers to mistakes.

use super::{
    Subject,
    ask::{Answer, Asker, Keys, Reply},
    mistake::{Allowed, Mistake, Pair},
};

/// What one pair was answered.
pub(super) struct OfPair {
    pub(super) list: Answer,
    pub(super) get: Answer,
    pub(super) put: Answer,
    /// Whether the bytes that came back are those that the write pair sent.
    pub(super) got_it_back: bool,
}

impl OfPair {
    /// A pair that has only asked for a list.
    pub(super) fn listed(list: Answer) -> Self {
        Self { list, get: Answer::NotAsked, put: Answer::NotAsked, got_it_back: false }
    }

    pub(super) fn tried(&mut self, got_it_back: bool, get: Answer, put: Answer) {
        (self.got_it_back, self.get, self.put) = (got_it_back, get, put);
    }
}

pub(super) struct Answers {
    pub(super) write: OfPair,
    pub(super) read: OfPair,
    /// How a list is answered to a pair that nobody knows.
    pub(super) control: Answer,
    /// `None`: not tried.
    pub(super) multipart: Option<Result<(), Answer>>,
    /// A probe's object that could not be removed, and the answer to that.
    pub(super) left: Option<(String, Answer)>,
    pub(super) place: Option<String>,
    /// Whether the bucket keeps old versions, in the store's word.
    pub(super) versioning: Option<String>,
}

/// What one answer says by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Sense {
    Fine,
    NoBucket,
    Region(Option<String>),
    Skew,
    UnknownKey,
    WrongSecret,
    /// Refused as a stranger is.
    Stranger,
    /// Known, and not allowed.
    Denied,
    Odd,
}

fn sense(answer: &Answer, control: &Answer) -> Sense {
    let Answer::Said(Reply { status, code, region, .. }) = answer else { return Sense::Odd };
    if answer.is_fine() && code.is_none() {
        return Sense::Fine;
    }
    match code.as_deref().unwrap_or("") {
        "not-a-list" => Sense::Odd,
        // An object that is not there is told to those alone who may read.
        "NoSuchKey" => Sense::Fine,
        "NoSuchBucket" => Sense::NoBucket,
        "RequestTimeTooSkewed" | "RequestExpired" => Sense::Skew,
        "PermanentRedirect"
        | "TemporaryRedirect"
        | "AuthorizationHeaderMalformed"
        | "InvalidRegionName"
        | "IllegalLocationConstraintException" => Sense::Region(region.clone()),
        "InvalidAccessKeyId" | "NotSignedUp" => Sense::UnknownKey,
        "SignatureDoesNotMatch" => Sense::WrongSecret,
        _ if matches!(status, 301 | 307 | 308) => Sense::Region(region.clone()),
        _ if matches!(status, 401 | 403) && answer.is_like(control) => Sense::Stranger,
        _ if matches!(status, 401 | 403) => Sense::Denied,
        _ => Sense::Odd,
    }
}

/// Names every mistake that the answers show.
pub(super) async fn judge(subject: &Subject, asker: &Asker, answers: &Answers, mistakes: &mut Vec<Mistake>) {
    let control = &answers.control;
    let senses = |pair: &OfPair| [&pair.list, &pair.get, &pair.put].map(|answer| sense(answer, control));
    let (write, read) = (senses(&answers.write), senses(&answers.read));
    let works = |senses: &[Sense; 3]| senses.contains(&Sense::Fine);
    let of_object = [&answers.write.list, &answers.read.list].into_iter().find(|list| list.is_of_an_object());
    if let Some(list) = of_object {
        mistakes.push(Mistake::NotABucket { answer: list.words() });
        return;
    }
    let mut add = |mistake: Mistake| {
        if !mistakes.contains(&mistake) {
            mistakes.push(mistake);
        }
    };
    // What has nothing to do with one pair or the other is told once.
    for said in [&write, &read].into_iter().flatten() {
        match said {
            Sense::NoBucket => add(Mistake::NoBucket { bucket: subject.location.bucket.clone() }),
            Sense::Skew => add(Mistake::ClockSkew { ahead_ms: None, grave: true }),
            Sense::Region(right) => {
                let signed = asker.region().to_owned();
                add(Mistake::Region { signed, right: right.clone().filter(|right| right != asker.region()) });
            }
            _ => {}
        }
    }
    if mistakes.iter().any(|mistake| matches!(mistake, Mistake::NoBucket { .. } | Mistake::Region { .. })) {
        return keep_one_region(mistakes);
    }
    if mistakes.iter().any(|mistake| matches!(mistake, Mistake::ClockSkew { ahead_ms: None, .. })) {
        // The store's own word weighs more than a header, and the header tells by how much.
        let ahead = mistakes.iter().find_map(|mistake| match mistake {
            Mistake::ClockSkew { ahead_ms: Some(ahead), .. } => Some(*ahead),
            _ => None,
        });
        mistakes.retain(|mistake| !matches!(mistake, Mistake::ClockSkew { .. }));
        mistakes.push(Mistake::ClockSkew { ahead_ms: ahead, grave: true });
        return;
    }
    let unknown =
        |senses: &[Sense; 3]| !works(senses) && matches!(senses[0], Sense::UnknownKey | Sense::Stranger);
    if unknown(&write) && unknown(&read) {
        match tried(subject, asker, control).await {
            Some(found) => mistakes.extend(found),
            None => mistakes.push(Mistake::UnknownAccount { account: subject.account.clone() }),
        }
        return;
    }
    for (pair, senses, said) in [(Pair::Write, &write, &answers.write), (Pair::Read, &read, &answers.read)] {
        if works(senses) {
            permissions(pair, senses, said, mistakes);
        } else {
            mistakes.extend(broken(pair, &senses[0], &said.list, subject, asker, control).await);
        }
    }
    let crossed = mistakes.iter().filter(|mistake| **mistake == Mistake::Crossed).count();
    if crossed > 1 {
        mistakes.dedup();
    }
    let timeless =
        |pair: &OfPair| pair.got_it_back && matches!(&pair.get, Answer::Said(got) if !got.has_time);
    if timeless(&answers.write) || timeless(&answers.read) {
        mistakes.push(Mistake::NoTime);
    }
    if let Some(state) = &answers.versioning {
        mistakes.push(Mistake::Versioned { is_on: state == "Enabled" });
    }
    if let Some(Err(answer)) = &answers.multipart {
        mistakes.push(Mistake::Multipart { answer: answer.words() });
    }
    if let Some((object, answer)) = &answers.left {
        if answer.is_refusal() {
            mistakes.push(Mistake::Lacks {
                pair: Pair::Write,
                what: Allowed::Delete,
                answer: answer.words(),
            });
        }
        mistakes.push(Mistake::Left { object: object.clone(), answer: answer.words() });
    }
}

/// A region named by the store makes one that it did not name superfluous.
fn keep_one_region(mistakes: &mut Vec<Mistake>) {
    if mistakes.iter().any(|mistake| matches!(mistake, Mistake::Region { right: Some(_), .. })) {
        mistakes.retain(|mistake| !matches!(mistake, Mistake::Region { right: None, .. }));
    }
}

/// What a pair that works at all may not do and should, or may do and should not.
fn permissions(pair: Pair, senses: &[Sense; 3], said: &OfPair, mistakes: &mut Vec<Mistake>) {
    let [list, get, put] = senses;
    let mut lacks = |what, sense: &Sense, answer: &Answer| match sense {
        Sense::Fine => {}
        Sense::Odd => mistakes.push(Mistake::Odd { pair, answer: answer.words() }),
        _ => mistakes.push(Mistake::Lacks { pair, what, answer: answer.words() }),
    };
    lacks(Allowed::List, list, &said.list);
    lacks(Allowed::Read, get, &said.get);
    match pair {
        Pair::Write => {
            lacks(Allowed::Write, put, &said.put);
            if said.put.is_fine() && said.get.is_fine() && !said.got_it_back {
                mistakes.push(Mistake::OtherBytes);
            }
        }
        Pair::Read if *put == Sense::Fine => mistakes.push(Mistake::ReadKeyWrites),
        Pair::Read if *put == Sense::Odd => mistakes.push(Mistake::Odd { pair, answer: said.put.words() }),
        Pair::Read => {}
    }
}

/// Why a pair does not work at all, where the other does.
async fn broken(
    pair: Pair,
    sense: &Sense,
    answer: &Answer,
    subject: &Subject,
    asker: &Asker,
    control: &Answer,
) -> Vec<Mistake> {
    let bucket = subject.location.bucket.clone();
    let found = match sense {
        Sense::Denied => Mistake::NoAccess { pair, bucket, answer: answer.words() },
        Sense::UnknownKey | Sense::WrongSecret | Sense::Stranger => {
            if let Some(found) = exchanged(pair, subject, asker, control).await {
                return vec![found];
            }
            match sense {
                Sense::UnknownKey => {
                    let key_id = match pair {
                        Pair::Write => subject.write.access_key_id(),
                        Pair::Read => subject.read.access_key_id(),
                    };
                    Mistake::UnknownKey { pair, key_id: key_id.to_owned() }
                }
                Sense::WrongSecret => Mistake::WrongSecret { pair },
                _ => Mistake::KeyOrSecret { pair, answer: answer.words() },
            }
        }
        _ => Mistake::Odd { pair, answer: answer.words() },
    };
    vec![found]
}

/// Whether either pair works when its halves, or the secrets of both, are exchanged.
async fn tried(subject: &Subject, asker: &Asker, control: &Answer) -> Option<Vec<Mistake>> {
    let mut found = Vec::new();
    for pair in [Pair::Write, Pair::Read] {
        found.extend(
            exchanged(pair, subject, asker, control).await.filter(|mistake| !found.contains(mistake)),
        );
    }
    Some(found).filter(|found| !found.is_empty())
}

/// Tries a pair with its halves exchanged, then with the other pair's secret.
async fn exchanged(pair: Pair, subject: &Subject, asker: &Asker, control: &Answer) -> Option<Mistake> {
    let (write, read) = (&subject.write, &subject.read);
    let (id, own, other) = match pair {
        Pair::Write => (write.access_key_id(), write.secret(), read.secret()),
        Pair::Read => (read.access_key_id(), read.secret(), write.secret()),
    };
    let is_known = async |keys: Keys| {
        let sense = sense(&asker.list(&keys).await, control);
        matches!(sense, Sense::Fine | Sense::Denied)
    };
    if is_known(Keys::new(own, id)).await {
        return Some(Mistake::Swapped { pair });
    }
    is_known(Keys::new(id, other)).await.then_some(Mistake::Crossed)
}
