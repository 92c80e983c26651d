//! A language model that can be asked, and that proves what it answered.
