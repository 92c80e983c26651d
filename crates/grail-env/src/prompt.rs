//! What is put before a model: messages of a chat, not yet tokens.

use crate::reading::{ANSWER_CLOSE, ANSWER_OPEN, THINKING_CLOSE, THINKING_OPEN};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Who speaks: the `role` of a chat template of Hugging Face.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Speaker {
    /// The instruction above the conversation.
    System,
    /// The asking side.
    User,
    /// The model.
    Assistant,
}

impl Speaker {
    /// The name that chat templates use: `system`, `user`, `assistant`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

impl fmt::Display for Speaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One message of a prompt. Its bytes are law: every participant derives the same tokens from them.
///
/// The content may quote a data set. Whoever tokenises it keeps it apart from the template's control tokens.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks; the chat template turns it into control tokens.
    pub role: Speaker,
    /// What is said. It never turns into control tokens.
    pub content: String,
}

impl Message {
    /// A message by that speaker.
    pub fn new(role: Speaker, content: impl Into<String>) -> Self {
        Self { role, content: content.into() }
    }
}

/// A reply in the form that every environment asks for.
pub(crate) fn reply(thinking: &str, answer: &str) -> String {
    format!("{THINKING_OPEN}{thinking}{THINKING_CLOSE}{ANSWER_OPEN}{answer}{ANSWER_CLOSE}")
}
