//! What a check comes to.

use serde::Serialize;

/// How a check stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Standing {
    Good,
    Warning,
    Bad,
    /// Not looked at, since something before it failed or it is not needed here.
    Skipped,
}

/// One line of the doctor.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Finding {
    /// What was looked at; stable, for machines.
    pub(crate) check: &'static str,
    pub(crate) standing: Standing,
    /// Which mistake it is; stable, for machines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<&'static str>,
    /// In words.
    pub(crate) told: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) remedy: Option<String>,
}

impl Finding {
    pub(crate) fn good(check: &'static str, told: impl Into<String>) -> Self {
        Self { check, standing: Standing::Good, code: None, told: told.into(), remedy: None }
    }

    pub(crate) fn skipped(check: &'static str, told: impl Into<String>) -> Self {
        Self { check, standing: Standing::Skipped, code: None, told: told.into(), remedy: None }
    }

    pub(crate) fn bad(
        check: &'static str,
        code: &'static str,
        told: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let (told, remedy) = (told.into(), Some(remedy.into()));
        Self { check, standing: Standing::Bad, code: Some(code), told, remedy }
    }

    pub(crate) fn warning(
        check: &'static str,
        code: &'static str,
        told: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { standing: Standing::Warning, ..Self::bad(check, code, told, remedy) }
    }
}
