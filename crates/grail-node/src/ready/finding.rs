//! What a look comes to.

use crate::trouble;
use serde::Serialize;

/// How a check stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// In order.
    Good,
    /// It works, and somebody should look at it.
    Warning,
    /// It stops a role, at start or in its first window.
    Bad,
    /// Not looked at, since something before it failed or it is not needed here.
    Skipped,
}

/// One line of the doctor, of a role's `check`, and of what stops a start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at; stable, for machines.
    pub check: &'static str,
    /// How it stands.
    pub standing: Health,
    /// Which mistake it is; stable, for machines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// In words.
    pub told: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Finding {
    /// In order, with what shows it.
    pub fn good(check: &'static str, told: impl Into<String>) -> Self {
        Self { check, standing: Health::Good, code: None, told: told.into(), remedy: None }
    }

    /// Not looked at, with why.
    pub fn skipped(check: &'static str, told: impl Into<String>) -> Self {
        Self { check, standing: Health::Skipped, code: None, told: told.into(), remedy: None }
    }

    /// What stops a role, and what to do.
    pub fn bad(
        check: &'static str,
        code: &'static str,
        told: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let (told, remedy) = (told.into(), Some(remedy.into()));
        Self { check, standing: Health::Bad, code: Some(code), told, remedy }
    }

    /// What works, and should be looked at.
    pub fn warning(
        check: &'static str,
        code: &'static str,
        told: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { standing: Health::Warning, ..Self::bad(check, code, told, remedy) }
    }

    /// What an error comes to: a role waits out what may pass, and stops at the rest.
    pub(crate) fn of_error(
        check: &'static str,
        code: &'static str,
        error: &anyhow::Error,
        remedy: impl Into<String>,
    ) -> Self {
        let standing = if trouble::may_pass(error) { Health::Warning } else { Health::Bad };
        Self { standing, ..Self::bad(check, code, format!("{error:#}"), remedy) }
    }

    /// Whether it stops a role.
    pub fn is_bad(&self) -> bool {
        self.standing == Health::Bad
    }

    /// Check, words and remedy on one line, for an error.
    pub fn sentence(&self) -> String {
        match &self.remedy {
            Some(remedy) => format!("{}: {} ({remedy})", self.check, self.told),
            None => format!("{}: {}", self.check, self.told),
        }
    }
}
