use super::ask::Silence;
use crate::EndpointError;

/// One of the two pairs of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pair {
    /// The private one.
    Write,
    /// The published one.
    Read,
}

impl Pair {
    /// `write` or `read`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Read => "read",
        }
    }
}

/// What a pair should be allowed to do and is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowed {
    /// Store objects.
    Write,
    /// Fetch objects.
    Read,
    /// List objects.
    List,
    /// Remove objects.
    Delete,
}

impl Allowed {
    /// As an infinitive.
    pub const fn verb(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Read => "read",
            Self::List => "list",
            Self::Delete => "delete",
        }
    }
}

/// A mistake in the set-up of a bucket. Prints what is wrong; [`Mistake::remedy`] says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    /// A setting that cannot work.
    #[error("the {setting} cannot be used: {reason}")]
    Setting {
        /// Which.
        setting: &'static str,
        /// Why.
        reason: String,
    },
    /// An address with more in it than the service's.
    #[error("{found}")]
    Endpoint {
        /// What is in it.
        found: EndpointError,
    },
    /// The store takes the bucket's name for an object's.
    #[error(
        "the store takes the bucket's name for an object's ({answer}): the endpoint names a bucket already, or has a path"
    )]
    NotABucket {
        /// What it said to the question for a list.
        answer: String,
    },
    /// The bucket keeps old versions.
    #[error(
        "the bucket {}: what is overwritten or removed stays there unseen and is paid for",
        if *is_on { "keeps old versions" } else { "kept old versions until its versioning was suspended" }
    )]
    Versioned {
        /// Whether it makes new ones.
        is_on: bool,
    },
    /// Objects without a time.
    #[error("the store does not say when an object was stored (no Last-Modified), and deadlines go by that")]
    NoTime,
    /// An address without TLS.
    #[error("{endpoint} begins with http://: whoever listens on the way reads all that is fetched")]
    PlainHttp {
        /// The address.
        endpoint: String,
    },
    /// Nobody answers.
    #[error("{endpoint} cannot be reached: {why}")]
    Unreachable {
        /// The host.
        endpoint: String,
        /// Whether the host is one of R2's.
        is_r2: bool,
        /// What happened.
        why: Silence,
    },
    /// The two clocks differ.
    #[error("this machine's clock {}", skew(*ahead_ms))]
    ClockSkew {
        /// Milliseconds by which the store is ahead; `None` where it only said that it is too much.
        ahead_ms: Option<i64>,
        /// Whether windows are lost by it.
        grave: bool,
    },
    /// The bucket is not named as its account.
    #[error(
        "the bucket is named {bucket}, the account {account}: validators look for a bucket that is named as its account"
    )]
    Name {
        /// Bucket.
        bucket: String,
        /// Account.
        account: String,
    },
    /// The endpoint is another account's.
    #[error("the endpoint belongs to the account {endpoint_account}, the settings name {account}")]
    Account {
        /// Account in the endpoint.
        endpoint_account: String,
        /// Account in the settings.
        account: String,
    },
    /// The store knows neither pair.
    #[error(
        "the store knows neither key at the account {account}: the tokens were made in another account, or the account id is wrong"
    )]
    UnknownAccount {
        /// Account in the settings.
        account: String,
    },
    /// Both pairs are one.
    #[error(
        "the read and the write credentials share their {field}: publishing them would let anyone overwrite the bucket"
    )]
    EqualKeys {
        /// What they share.
        field: &'static str,
    },
    /// Signed for another region.
    #[error("requests are signed for the region {signed}{}", right.as_ref().map(|right| format!(", the store says {right}")).unwrap_or_default())]
    Region {
        /// Region of the settings.
        signed: String,
        /// Region that the store names.
        right: Option<String>,
    },
    /// No such bucket.
    #[error("there is no bucket {bucket} at this endpoint")]
    NoBucket {
        /// Its name.
        bucket: String,
    },
    /// A key id that the store does not know.
    #[error("the store does not know the {} key id {key_id}", pair.name())]
    UnknownKey {
        /// Which pair.
        pair: Pair,
        /// The id.
        key_id: String,
    },
    /// A secret that does not belong to its id.
    #[error("the {} secret does not belong to the {} key id", pair.name(), pair.name())]
    WrongSecret {
        /// Which pair.
        pair: Pair,
    },
    /// One of the two, and the store does not tell which.
    #[error("the store refuses the {} pair as it refuses strangers ({answer}): its key id or its secret is wrong", pair.name())]
    KeyOrSecret {
        /// Which pair.
        pair: Pair,
        /// What it said.
        answer: String,
    },
    /// Key id and secret stand in each other's place.
    #[error("the {} key id and the {} secret stand in each other's place", pair.name(), pair.name())]
    Swapped {
        /// Which pair.
        pair: Pair,
    },
    /// The secrets of the two pairs stand in each other's place.
    #[error("the secrets of the read and the write pair stand in each other's place")]
    Crossed,
    /// The store knows a pair and lets it do nothing here.
    #[error("the {} key may do nothing in the bucket {bucket} ({answer})", pair.name())]
    NoAccess {
        /// Which pair.
        pair: Pair,
        /// The bucket.
        bucket: String,
        /// What it said.
        answer: String,
    },
    /// The published key may write.
    #[error("the read key can write: once it is published, anyone can overwrite the bucket")]
    ReadKeyWrites,
    /// A pair that works, and lacks one permission.
    #[error("the {} key may not {} ({answer})", pair.name(), what.verb())]
    Lacks {
        /// Which pair.
        pair: Pair,
        /// What it may not do.
        what: Allowed,
        /// What the store said.
        answer: String,
    },
    /// An upload in parts fails where one in a piece works.
    #[error("an upload in parts fails ({answer}), and large windows are sent so")]
    Multipart {
        /// What the store said.
        answer: String,
    },
    /// What was read is not what was written.
    #[error("the store gave other bytes back than were written")]
    OtherBytes,
    /// A probe's object that could not be removed.
    #[error("the object {object} could not be removed ({answer})")]
    Left {
        /// Its key.
        object: String,
        /// What the store said.
        answer: String,
    },
    /// The bucket is in another part of the world.
    #[error("the bucket is in {place}, the network expects {expected}: transfers take longer")]
    Elsewhere {
        /// Where it is.
        place: String,
        /// Where it should be.
        expected: String,
    },
    /// An answer that none of the above explains.
    #[error("to a request with the {} key the store answered {answer}", pair.name())]
    Odd {
        /// Which pair asked.
        pair: Pair,
        /// What it said.
        answer: String,
    },
}

fn skew(ahead_ms: Option<i64>) -> String {
    match ahead_ms {
        Some(ahead) if ahead > 0 => format!("is {:.0} s behind the store's", ahead as f64 / 1e3),
        Some(ahead) => format!("is {:.0} s ahead of the store's", -ahead as f64 / 1e3),
        None => "differs too much from the store's".to_owned(),
    }
}

impl Mistake {
    /// Stable word for machines.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Setting { .. } => "setting",
            Self::Endpoint { found } if found.has_bucket() => "endpoint-with-bucket",
            Self::Endpoint { .. } => "endpoint-with-path",
            Self::NotABucket { .. } => "endpoint-with-bucket",
            Self::Versioned { .. } => "bucket-versioned",
            Self::NoTime => "no-last-modified",
            Self::PlainHttp { .. } => "plain-http",
            Self::Unreachable { .. } => "endpoint-unreachable",
            Self::ClockSkew { .. } => "clock-skew",
            Self::Name { .. } => "bucket-name-not-account",
            Self::Account { .. } | Self::UnknownAccount { .. } => "account-mismatch",
            Self::EqualKeys { .. } => "equal-keys",
            Self::Region { .. } => "wrong-region",
            Self::NoBucket { .. } => "no-such-bucket",
            Self::UnknownKey { pair: Pair::Write, .. } => "wrong-write-key-id",
            Self::UnknownKey { pair: Pair::Read, .. } => "wrong-read-key-id",
            Self::WrongSecret { pair: Pair::Write } => "wrong-write-secret",
            Self::WrongSecret { pair: Pair::Read } => "wrong-read-secret",
            Self::KeyOrSecret { pair: Pair::Write, .. } => "wrong-write-pair",
            Self::KeyOrSecret { pair: Pair::Read, .. } => "wrong-read-pair",
            Self::Swapped { pair: Pair::Write } => "write-pair-swapped",
            Self::Swapped { pair: Pair::Read } => "read-pair-swapped",
            Self::Crossed => "secrets-crossed",
            Self::NoAccess { pair: Pair::Write, .. } => "write-key-no-access",
            Self::NoAccess { pair: Pair::Read, .. } => "read-key-no-access",
            Self::ReadKeyWrites => "read-key-can-write",
            Self::Lacks { pair: Pair::Write, what, .. } => match what {
                Allowed::Write => "write-key-cannot-write",
                Allowed::Read => "write-key-cannot-read",
                Allowed::List => "write-key-cannot-list",
                Allowed::Delete => "write-key-cannot-delete",
            },
            Self::Lacks { pair: Pair::Read, what, .. } => match what {
                Allowed::List => "read-key-cannot-list",
                Allowed::Read | Allowed::Write | Allowed::Delete => "read-key-cannot-read",
            },
            Self::Multipart { .. } => "multipart-fails",
            Self::OtherBytes => "other-bytes",
            Self::Left { .. } => "probe-left-behind",
            Self::Elsewhere { .. } => "bucket-elsewhere",
            Self::Odd { .. } => "odd-answer",
        }
    }

    /// Whether one can go on with it.
    pub const fn is_warning(&self) -> bool {
        match self {
            Self::ClockSkew { grave, .. } => !*grave,
            Self::Elsewhere { .. }
            | Self::Versioned { .. }
            | Self::Left { .. }
            | Self::Lacks { what: Allowed::List | Allowed::Delete, .. } => true,
            Self::Setting { .. }
            | Self::Endpoint { .. }
            | Self::NotABucket { .. }
            | Self::NoTime
            | Self::PlainHttp { .. }
            | Self::Unreachable { .. }
            | Self::Name { .. }
            | Self::Account { .. }
            | Self::UnknownAccount { .. }
            | Self::EqualKeys { .. }
            | Self::Region { .. }
            | Self::NoBucket { .. }
            | Self::UnknownKey { .. }
            | Self::WrongSecret { .. }
            | Self::KeyOrSecret { .. }
            | Self::Swapped { .. }
            | Self::Crossed
            | Self::NoAccess { .. }
            | Self::ReadKeyWrites
            | Self::Lacks { what: Allowed::Write | Allowed::Read, .. }
            | Self::Multipart { .. }
            | Self::OtherBytes
            | Self::Odd { .. } => false,
        }
    }

    /// What is mended first has the smallest.
    pub(super) const fn rank(&self) -> u8 {
        match self {
            Self::Setting { .. }
            | Self::Endpoint { .. }
            | Self::NotABucket { .. }
            | Self::PlainHttp { .. }
            | Self::Unreachable { .. } => 0,
            Self::EqualKeys { .. } | Self::Account { .. } => 1,
            Self::ClockSkew { grave: true, .. } => 2,
            Self::Name { .. } | Self::UnknownAccount { .. } | Self::Region { .. } | Self::NoBucket { .. } => {
                3
            }
            Self::Elsewhere { .. }
            | Self::Versioned { .. }
            | Self::Left { .. }
            | Self::ClockSkew { grave: false, .. } => 9,
            _ => 5,
        }
    }

    /// What to do about it.
    pub fn remedy(&self) -> String {
        let token = "dashboard of R2, \"Manage API tokens\"";
        match self {
            Self::Setting { setting, .. } => format!("correct the setting of the {setting}"),
            Self::Endpoint { found } => match found.clean() {
                Some(clean) => format!("set R2_ENDPOINT_URL={clean}"),
                None => "set R2_ENDPOINT_URL to the address of the service".into(),
            },
            Self::NotABucket { .. } => {
                "take the bucket's name and any path out of R2_ENDPOINT_URL: it is the address of the service alone".into()
            }
            Self::Versioned { is_on: true } => {
                "suspend the bucket's versioning, or let a lifecycle rule remove noncurrent versions after a day".into()
            }
            Self::Versioned { is_on: false } => {
                "let a lifecycle rule remove noncurrent versions; new writes make none".into()
            }
            Self::NoTime => "look for a proxy that takes Last-Modified away, or use another store".into(),
            Self::PlainHttp { .. } => "use an address with https://; for a server on this machine set R2_ALLOW_HTTP=true".into(),
            Self::Unreachable { is_r2: true, .. } => {
                "check R2_ACCOUNT_ID (R2 breaks off connections to accounts that do not exist) and that this machine reaches \
                 the internet on port 443"
                    .into()
            }
            Self::Unreachable { .. } => "check R2_ENDPOINT_URL for its name and port, and that the service runs".into(),
            Self::ClockSkew { .. } => "synchronise the clock: timedatectl set-ntp true, or chronyd".into(),
            Self::Name { account, .. } => {
                format!("make a bucket named {account} and set R2_BUCKET_ID to it; buckets cannot be renamed")
            }
            Self::Account { endpoint_account, account } => format!(
                "set R2_ACCOUNT_ID to {endpoint_account} if that is your account, or take {endpoint_account} out of R2_ENDPOINT_URL \
                 if it is {account}"
            ),
            Self::UnknownAccount { .. } => {
                format!("compare R2_ACCOUNT_ID with the account id on the overview page of R2, and make both tokens there ({token})")
            }
            Self::EqualKeys { .. } => {
                format!("make a second token that may only read ({token}, permission \"Object Read only\") and set R2_READ_… to it")
            }
            Self::Region { right: Some(right), .. } => format!("set R2_REGION={right}"),
            Self::Region { right: None, .. } => "set R2_REGION to the region of the bucket; for R2 it is auto".into(),
            Self::NoBucket { bucket } => format!(
                "make a bucket named {bucket}, with the location ENAM (Eastern North America), or correct R2_ENDPOINT_URL; buckets \
                 of a jurisdiction have an endpoint of their own"
            ),
            Self::UnknownKey { pair, .. } => {
                let upper = pair.name().to_uppercase();
                format!("copy R2_{upper}_ACCESS_KEY_ID again, whole; if the token was revoked, make another ({token})")
            }
            Self::WrongSecret { pair } => {
                let upper = pair.name().to_uppercase();
                format!(
                    "copy R2_{upper}_SECRET_ACCESS_KEY again, whole; a secret is shown only once, so make another token if it is lost"
                )
            }
            Self::KeyOrSecret { pair, .. } => {
                let upper = pair.name().to_uppercase();
                format!("copy R2_{upper}_ACCESS_KEY_ID and R2_{upper}_SECRET_ACCESS_KEY again from one token, whole")
            }
            Self::Swapped { pair } => {
                let upper = pair.name().to_uppercase();
                format!("exchange R2_{upper}_ACCESS_KEY_ID and R2_{upper}_SECRET_ACCESS_KEY; the id is the shorter one")
            }
            Self::Crossed => "exchange R2_READ_SECRET_ACCESS_KEY and R2_WRITE_SECRET_ACCESS_KEY".into(),
            Self::NoAccess { bucket, .. } => {
                format!("check that the bucket {bucket} exists and that the token applies to it ({token})")
            }
            Self::ReadKeyWrites => {
                format!("make a token with the permission \"Object Read only\" ({token}) and set R2_READ_… to it; revoke this one")
            }
            Self::Lacks { pair: Pair::Write, .. } => {
                format!("give the write token the permission \"Object Read & Write\" for this bucket ({token})")
            }
            Self::Lacks { pair: Pair::Read, .. } => {
                format!("give the read token the permission \"Object Read only\" for this bucket ({token})")
            }
            Self::Multipart { .. } => "check that the service takes multipart uploads, and the write token's permissions".into(),
            Self::OtherBytes => "look for a cache or a proxy between this machine and the store".into(),
            Self::Left { object, .. } => format!("remove {object} by hand; it does no harm"),
            Self::Elsewhere { expected, .. } => {
                format!("it works; to be nearer to validators, make the bucket anew with the location {expected}")
            }
            Self::Odd { .. } => "try again; if it stays, look at the status page of the store".into(),
        }
    }
}
