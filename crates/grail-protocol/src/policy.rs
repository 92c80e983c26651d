//! What a network's validators agree on about weights, and what seeds its windows: parameters beside the constants of a
//! profile, which a network may state for itself.
//!
//! A network that states nothing has [`WeightPolicy::DEFAULT`] and [`Seeding::Unsaid`], and then [`crate::params::Params::digest`]
//! is what it was before these existed.

use serde::{Deserialize, Serialize};

/// How weights follow from what miners have shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stated")]
pub struct WeightPolicy {
    /// Exponent of unique solutions in hundredths, in steps of a quarter: 25 to 400.
    pub exponent_percent: u32,
    /// Most unique solutions of a miner that count over the interval; `None`: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unique_cap: Option<u32>,
    /// A share that nobody earns; `None`: everything is earned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burn: Option<Burn>,
    /// Windows that count: 1 to 1,000.
    pub interval: u32,
}

/// A share of all weight that goes to one uid, by custom the subnet owner's, whose emission the chain burns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Burn {
    /// Where it goes.
    pub uid: u16,
    /// How much, in thousandths: 1 to 1,000.
    pub permille: u16,
}

/// What seeds the windows of a network.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Seeding {
    /// The network says nothing: a beacon, or the block hash where its profile accepts that and everybody is told so.
    #[default]
    Unsaid,
    /// Block hash and beacon.
    Beacon,
    /// The block hash alone.
    BlockHash,
}

/// A policy as it is written down; what is absent is as everywhere.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stated {
    exponent_percent: Option<u32>,
    unique_cap: Option<u32>,
    burn: Option<Burn>,
    interval: Option<u32>,
}

/// A policy that cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// The exponent.
    #[error("exponent_percent is {0}; it is a multiple of 25 from 25 to 400")]
    Exponent(u32),
    /// The cap.
    #[error("unique_cap is 0; leave it out where all solutions count")]
    Cap,
    /// The burnt share.
    #[error("burn.permille is {0}; it is 1 to 1000, and without burn leave it out")]
    Burn(u16),
    /// The interval.
    #[error("interval is {0} windows; it is 1 to 1000")]
    Interval(u32),
}

impl TryFrom<Stated> for WeightPolicy {
    type Error = PolicyError;

    fn try_from(stated: Stated) -> Result<Self, PolicyError> {
        let Stated { exponent_percent, unique_cap, burn, interval } = stated;
        let policy = Self {
            exponent_percent: exponent_percent.unwrap_or(Self::DEFAULT.exponent_percent),
            unique_cap,
            burn,
            interval: interval.unwrap_or(Self::DEFAULT.interval),
        };
        policy.check().map(|()| policy)
    }
}

impl WeightPolicy {
    /// `unique^1.5 · valid` over 12 windows, nothing capped, nothing burnt.
    pub const DEFAULT: Self = Self { exponent_percent: 150, unique_cap: None, burn: None, interval: 12 };

    /// Errors: the first number that is out of its range.
    pub const fn check(&self) -> Result<(), PolicyError> {
        let Self { exponent_percent, unique_cap, burn, interval } = *self;
        if exponent_percent < 25 || exponent_percent > 400 || !exponent_percent.is_multiple_of(25) {
            return Err(PolicyError::Exponent(exponent_percent));
        }
        if matches!(unique_cap, Some(0)) {
            return Err(PolicyError::Cap);
        }
        if let Some(Burn { permille, .. }) = burn
            && (permille == 0 || permille > 1_000)
        {
            return Err(PolicyError::Burn(permille));
        }
        if interval == 0 || interval > 1_000 {
            return Err(PolicyError::Interval(interval));
        }
        Ok(())
    }

    /// Its numbers in the order of the struct; an absent one is 0, which no present one is save a uid.
    pub(crate) fn numbers(&self) -> [u64; 6] {
        let Self { exponent_percent, unique_cap, burn, interval } = *self;
        let (uid, permille) = burn.map_or((0, 0), |burn| (burn.uid, burn.permille));
        [
            u64::from(exponent_percent),
            u64::from(unique_cap.unwrap_or(0)),
            u64::from(uid),
            u64::from(permille),
            u64::from(interval),
            u64::from(burn.is_some()),
        ]
    }
}

impl Default for WeightPolicy {
    fn default() -> Self {
        Self::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<WeightPolicy, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_not_stated_is_as_everywhere_and_what_cannot_be_is_named() {
        assert_eq!(read("{}").unwrap(), WeightPolicy::DEFAULT);
        let stated =
            read(r#"{"unique_cap": 5000, "burn": {"uid": 7, "permille": 800}, "interval": 72}"#).unwrap();
        assert_eq!(stated.burn, Some(Burn { uid: 7, permille: 800 }));
        assert_eq!((stated.unique_cap, stated.interval, stated.exponent_percent), (Some(5_000), 72, 150));
        assert_eq!(read(&serde_json::to_string(&stated).unwrap()).unwrap(), stated);
        for (text, named) in [
            (r#"{"exponent_percent": 160}"#, "exponent_percent is 160"),
            (r#"{"exponent_percent": 0}"#, "exponent_percent is 0"),
            (r#"{"unique_cap": 0}"#, "unique_cap"),
            (r#"{"burn": {"uid": 0, "permille": 1001}}"#, "burn.permille is 1001"),
            (r#"{"interval": 0}"#, "interval is 0"),
            (r#"{"uniqe_cap": 5}"#, "uniqe_cap"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(named), "{text}: {error}");
        }
    }
}
