//! Text and token ids, chat templates.
